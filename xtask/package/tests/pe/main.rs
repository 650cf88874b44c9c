//! Each property of an image is seen where it is missing, and nothing else is said then.

mod image;

use eduwdm_package::inf::driver_version::Version;
use eduwdm_package::pe::hygiene::{self, Verdict};
use image::{GOOD, GUID, Plan, image, pdb};
use object::pe;

/// The properties that are bad.
fn bad(plan: &Plan) -> Vec<&'static str> {
    let table =
        hygiene::check(&image(plan), Some(&pdb(GUID)), Some(Version([1, 2, 3, 0]))).unwrap();
    table.bad().map(|line| line.property).collect()
}

#[test]
fn an_image_as_it_should_be_has_nothing_bad() {
    let table =
        hygiene::check(&image(&GOOD), Some(&pdb(GUID)), Some(Version([1, 2, 3, 0]))).unwrap();
    assert_eq!(table.bad().count(), 0, "{table}");
    for line in &table.0 {
        let expected = if line.property == "Control Flow Guard" {
            Verdict::Missing
        } else {
            Verdict::Good
        };
        assert_eq!(line.verdict, expected, "{table}");
    }
}

#[test]
fn each_fault_is_seen_by_its_own_line() {
    let without = |flag: u16| GOOD.characteristics & !flag;
    let executable = pe::IMAGE_SCN_MEM_EXECUTE | pe::IMAGE_SCN_MEM_READ;
    let cases = [
        (
            "subsystem",
            Plan {
                subsystem: pe::IMAGE_SUBSYSTEM_WINDOWS_CUI,
                ..GOOD
            },
        ),
        (
            "NX compatible",
            Plan {
                characteristics: without(pe::IMAGE_DLLCHARACTERISTICS_NX_COMPAT),
                ..GOOD
            },
        ),
        (
            "ASLR",
            Plan {
                characteristics: without(pe::IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE),
                ..GOOD
            },
        ),
        (
            "high-entropy ASLR",
            Plan {
                characteristics: without(pe::IMAGE_DLLCHARACTERISTICS_HIGH_ENTROPY_VA),
                ..GOOD
            },
        ),
        (
            "integrity check",
            Plan {
                characteristics: without(pe::IMAGE_DLLCHARACTERISTICS_FORCE_INTEGRITY),
                ..GOOD
            },
        ),
        (
            "writable code",
            Plan {
                code: executable | pe::IMAGE_SCN_MEM_WRITE,
                ..GOOD
            },
        ),
        (
            "INIT section",
            Plan {
                init: Some(executable),
                ..GOOD
            },
        ),
        (
            "imports",
            Plan {
                import: ("kernel32.dll", "Sleep"),
                ..GOOD
            },
        ),
        (
            "imports",
            Plan {
                import: ("ntoskrnl.exe", "KeQueryNodeActiveAffinity2"),
                ..GOOD
            },
        ),
        (
            "version resource",
            Plan {
                version: None,
                ..GOOD
            },
        ),
        (
            "version resource",
            Plan {
                version: Some([1, 2, 4, 0]),
                ..GOOD
            },
        ),
        (
            "version resource",
            Plan {
                file_type: 1,
                ..GOOD
            },
        ),
    ];
    for (property, plan) in cases {
        assert_eq!(bad(&plan), [property], "{plan:?}");
    }
    let discardable = executable | pe::IMAGE_SCN_MEM_DISCARDABLE;
    assert_eq!(
        bad(&Plan {
            init: Some(discardable),
            ..GOOD
        }),
        [""; 0]
    );
}

#[test]
fn a_wrong_checksum_and_the_pdb_of_another_image_are_seen() {
    let mut changed = image(&GOOD);
    let last = changed.len() - 1;
    changed[last] ^= 1;
    let table = hygiene::check(&changed, Some(&pdb(GUID)), None).unwrap();
    assert_eq!(
        table.bad().map(|l| l.property).collect::<Vec<_>>(),
        ["checksum"]
    );
    let other = pdb(*b"another guid, 16");
    let table = hygiene::check(&image(&GOOD), Some(&other), None).unwrap();
    assert_eq!(table.bad().map(|l| l.property).collect::<Vec<_>>(), ["PDB"]);
    for damaged in [&b"no PDB"[..], &pdb(GUID)[..60]] {
        let table = hygiene::check(&image(&GOOD), Some(damaged), None).unwrap();
        assert_eq!(table.bad().map(|l| l.property).collect::<Vec<_>>(), ["PDB"]);
    }
}

#[test]
fn no_part_of_an_image_makes_the_check_panic() {
    let whole = image(&GOOD);
    for length in (0..whole.len()).step_by(7) {
        let _ = hygiene::check(&whole[..length], None, None);
    }
    for at in 0..whole.len().min(0x400) {
        let mut changed = whole.clone();
        changed[at] = 0xff;
        let _ = hygiene::check(&changed, Some(&pdb(GUID)), None);
    }
}

#[test]
fn the_table_says_why() {
    let plan = Plan {
        characteristics: 0,
        ..GOOD
    };
    let shown = hygiene::check(&image(&plan), None, None)
        .unwrap()
        .to_string();
    for part in [
        "BAD NX compatible",
        "data must not be executed",
        "ok  subsystem",
        "no  PDB",
    ] {
        assert!(shown.contains(part), "{part} in\n{shown}");
    }
}
