//! Files that InfVerif lets pass, and that look as if they should not: none has a finding. Each is
//! a form that Microsoft's own public INF files have.

use super::cases::PRIMITIVE;
use super::{Edit, apply};
use eduwdm_package::lint::{self, Options};

fn findings(bytes: &[u8]) -> Vec<String> {
    lint::lint_bytes(bytes, &Options::default())
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// The good file for older Windows too: a models section and an install section of their own.
const OLDER: &[Edit] = &[
    (
        "= Models,NTamd64.10.0...26100\n",
        "= Models,NTamd64.10.0...26100,NTamd64.10.0...16299\n",
    ),
    (
        "Copy           = 13",
        "Copy           = 13\nOlderCopy      = 12",
    ),
    (
        "",
        "[Models.NTamd64.10.0...16299]\n%Device% = Older,PCI\\VEN_1234&DEV_11E8\n\
         [Older.NT]\nCopyFiles = OlderCopy\n\
         [OlderCopy]\nsample.sys\n\
         [Older.NT.HW]\nAddReg = OlderHardware\n\
         [OlderHardware]\nHKR,,UpperFilters,0x00010000,samplefilter\n\
         [Older.NT.Services]\nAddService = sampledrv,2,OlderService\nAddService = samplefilter,,Reflector\n\
         [OlderService]\nServiceType = 1\nStartType = 3\nErrorControl = 1\n\
         ServiceBinary = %12%\\sample.sys\nAddReg = OlderSettings\n\
         [Reflector]\nServiceType = 1\nStartType = 3\nErrorControl = 1\nServiceBinary = %12%\\WUDFRd.sys\n\
         [OlderSettings]\nHKR,,Setting,0x00010001,1",
    ),
];

#[test]
fn bytes_above_ascii_are_ansi() {
    for more in [
        b"; \xa9 Contoso, \x93quoted\x94, \xc2\xa0\r\n".as_slice(),
        b"[Strings.0407]\r\nProvider = \"M\xfcller\"\r\n",
    ] {
        let base: &[Edit] = &[];
        let mut bytes = apply(base).into_bytes();
        bytes.extend_from_slice(more);
        let found = findings(&bytes);
        // A language whose strings are not complete is the second text's own fault.
        assert!(found.iter().all(|f| f.contains("1295")), "{found:?}");
        assert_eq!(found.is_empty(), more.starts_with(b";"));
    }
}

#[test]
fn a_line_of_a_no_break_space_is_empty() {
    for space in [b"\xc2\xa0".as_slice(), b"\xa0"] {
        let text = apply(&[]);
        let (before, after) = text.split_once("[Copy]\nsample.sys\n").unwrap();
        let bytes = [
            before.as_bytes(),
            b"[Copy]\nsample.sys\n",
            space,
            b"\n",
            after.as_bytes(),
        ];
        assert_eq!(findings(&bytes.concat()), [""; 0]);
    }
}

#[test]
fn a_stray_carriage_return_or_a_dos_end_mark_ends_no_linting() {
    let text = apply(&[]);
    for changed in [
        text.replacen("\n\n", "\n\r\r\n", 3),
        text.replace('\n', "\r"),
        format!("{text}\u{1a}"),
    ] {
        assert_eq!(findings(changed.as_bytes()), [""; 0]);
        // What is wrong besides is still found.
        let wrong = changed.replacen("PnpLockdown = 1", "PnpLockdown = 0", 1);
        assert!(findings(wrong.as_bytes())[0].contains("1324"));
    }
}

#[test]
fn what_says_nothing_or_says_it_twice_does_no_harm() {
    let cases: &[&[Edit]] = &[
        &[(
            "Copy           = 13",
            "Copy           = 13\nCoInstallers_CopyFiles = 11",
        )],
        &[("PnpLockdown = 1", "PnpLockdown = 1\nPnpLockdown = 1")],
        &[(
            "",
            "[ControlFlags]\nExcludeFromSelect = PCI\\VEN_1111&DEV_1111",
        )],
        // SPSVCINST_UNIQUE_NAME, which SetupAPI.h has and the page of AddService has not.
        &[(
            "AddService = sampledrv,0x00000002,Service\n",
            "AddService = sampledrv,0x00010002,Service\n",
        )],
        // Each model has the other's hardware ID for a compatible one.
        &[
            (
                "PCI\\VEN_1234&DEV_11E8",
                "PCI\\VEN_1234&DEV_11E8,PCI\\VEN_1B36&DEV_0005",
            ),
            (
                "Second,PCI\\VEN_1B36&DEV_0005",
                "Second,PCI\\VEN_1B36&DEV_0005,PCI\\VEN_1234&DEV_11E8",
            ),
        ],
    ];
    for edits in cases {
        assert_eq!(findings(apply(edits).as_bytes()), [""; 0], "{edits:?}");
    }
}

#[test]
fn older_windows_is_not_asked_for_what_it_cannot_do() {
    assert_eq!(findings(apply(OLDER).as_bytes()), [""; 0]);
    // The same sections, where the Windows that reads them can.
    let newer = apply(OLDER).replace("NTamd64.10.0...16299", "NTamd64.10.0...22000");
    let found = findings(newer.as_bytes());
    for code in ["1322", "1329", "1323", "2650"] {
        assert!(
            found.iter().any(|f| f.contains(&format!("error {code} "))),
            "{code}: {found:?}"
        );
    }
    // Each demand has its own beginning: isolation, filters by declaration, INF files to include.
    let between = apply(OLDER).replace("NTamd64.10.0...16299", "NTamd64.10.0...17763");
    let found = findings(between.as_bytes());
    assert!(found.iter().any(|f| f.contains("error 1322 ")), "{found:?}");
    assert!(
        !found
            .iter()
            .any(|f| f.contains("1329") || f.contains("2650")),
        "{found:?}"
    );
}

#[test]
fn a_section_that_both_use_is_judged_for_the_newer() {
    let shared = apply(OLDER).replace(
        "CopyFiles = OlderCopy",
        "CopyFiles = OlderCopy\nAddReg = Software",
    );
    assert_eq!(findings(shared.as_bytes()), [""; 0]);
    let shared = shared.replacen("HKR,,Setting,", "HKLM,Software\\Sample,Setting,", 1);
    let found = findings(shared.as_bytes());
    assert!(found.iter().any(|f| f.contains("error 1321 ")), "{found:?}");
}

#[test]
fn an_uninstall_section_for_older_windows_says_so_itself_or_in_its_services() {
    for older in [
        "[DefaultUninstall.NTamd64]\nLegacyUninstall = 1",
        "[DefaultUninstall.NTamd64]\n[DefaultUninstall.NTamd64.Services]\nLegacyUninstall = 1",
    ] {
        let more = format!(
            "\n[DefaultInstall.NTamd64.10.0...22000]\nCopyFiles = Copy\n[Copy]\nsample.sys\n{older}\n"
        );
        let text = apply(&PRIMITIVE) + &more;
        assert_eq!(findings(text.as_bytes()), [""; 0], "{older}");
        let unsaid = text.replace("LegacyUninstall = 1", "");
        assert!(findings(unsaid.as_bytes())[0].contains("1422"));
    }
}

#[test]
fn the_function_driver_of_a_modem_is_chosen_by_its_class() {
    let edits: &[Edit] = &[(
        "AddService = sampledrv,0x00000002,Service\n",
        "AddService = sampledrv,,Service\n",
    )];
    let other = apply(edits);
    assert!(findings(other.as_bytes())[0].contains("1296"));
    let modem = other
        .replace("Class       = System", "Class       = Modem")
        .replace("4d36e97d-e325", "4d36e96d-e325");
    assert_eq!(findings(modem.as_bytes()), [""; 0]);
}
