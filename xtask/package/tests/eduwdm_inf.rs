//! The project's own INF file, against the linter and against what the other parts rely on.

use eduwdm_package::inf::decoration::Architecture;
use eduwdm_package::inf::driver_version::{Date, Version};
use eduwdm_package::inf::facts::Facts;
use eduwdm_package::inf::{Document, stamp::stamp};
use eduwdm_package::lint::{self, Options};

const INF: &str = include_str!("../../../inf/eduwdm.inf");

#[test]
fn it_passes_every_rule() {
    let findings = lint::lint_bytes(INF.as_bytes(), &Options::default());
    let shown: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{}", shown.join("\n"));
}

#[test]
fn it_names_both_devices_the_catalog_and_the_lowest_windows() {
    let facts = Facts::of(&Document::parse(INF));
    assert_eq!(
        facts.device_ids,
        ["pci\\ven_1234&dev_11e8", "pci\\ven_1b36&dev_0005"]
    );
    assert_eq!(facts.catalog, "eduwdm.cat");
    assert_eq!(facts.files, ["eduwdm.sys"]);
    assert_eq!(facts.targets.len(), 1);
    assert_eq!(facts.targets[0].architecture, Some(Architecture::Amd64));
    assert_eq!(facts.targets[0].build, Some(19041));
}

#[test]
fn only_the_system_and_administrators_may_open_its_devices() {
    let document = Document::parse(INF);
    for install in ["Eduwdm_Edu.NT.HW", "Eduwdm_Testdev.NT.HW"] {
        let lists = document.section(install).unwrap().entry("AddReg").unwrap();
        assert!(
            lists
                .values
                .iter()
                .any(|list| list.text == "Eduwdm_Security")
        );
    }
    let security = document.section("Eduwdm_Security").unwrap();
    assert_eq!(security.entries[0].value(4), "D:P(A;;GA;;;SY)(A;;GA;;;BA)");
}

/// The bytes of a GUID's last groups are written in their order.
fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[test]
fn its_interfaces_are_those_of_the_abi() {
    let document = Document::parse(INF);
    for (section, class) in [
        ("Eduwdm_Edu.NT.Interfaces", eduwdm_abi::EDU_INTERFACE),
        (
            "Eduwdm_Testdev.NT.Interfaces",
            eduwdm_abi::TESTDEV_INTERFACE,
        ),
    ] {
        let (high, low) = class.data4.split_at(2);
        let guid = format!(
            "{{{:08x}-{:04x}-{:04x}-{:04x}-{:012x}}}",
            class.data1,
            class.data2,
            class.data3,
            number(high),
            number(low)
        );
        let given = document.section(section).unwrap().value("AddInterface");
        assert_eq!(given, Some(guid.as_str()));
    }
}

#[test]
fn it_can_be_stamped() {
    let date = Date {
        year: 2030,
        month: 12,
        day: 31,
    };
    let version = Version([9, 8, 7, 6]);
    let stamped = stamp(INF, date, version).unwrap();
    let facts = Facts::of(&Document::parse(&stamped));
    assert_eq!((facts.date, facts.version), (Some(date), Some(version)));
    assert_eq!(stamped.lines().count(), INF.lines().count());
}
