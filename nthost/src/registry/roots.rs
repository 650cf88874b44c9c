//! The keys that every Windows has, whatever drivers and devices it has.
//!
//! Sources: "Registry Key Object Routines" (`\Registry\Machine`, `\Registry\User`),
//! RtlWriteRegistryValue (what paths are relative to), ns-wdm-_driver_object
//! (`HardwareDatabase`).

use alloc::vec::Vec;

use nthost_nt::status::NTSTATUS;

use super::{hive::Hive, value::Value};

/// Those that would be on the disk.
const KEPT: [&str; 7] = [
    r"Machine\SAM",
    r"Machine\Security",
    r"Machine\Software\Microsoft\Windows NT\CurrentVersion",
    r"Machine\System\CurrentControlSet\Control\Class",
    r"Machine\System\CurrentControlSet\Enum",
    r"Machine\System\CurrentControlSet\Services",
    r"User\.Default",
];
/// Those that are made anew at each boot, and all below them.
const VOLATILE: [&str; 4] = [
    r"Machine\Hardware",
    r"Machine\Hardware\Description\System",
    r"Machine\Hardware\DeviceMap",
    r"Machine\Hardware\ResourceMap",
];

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

/// The version of the system, as it is told in the registry.
#[derive(Clone, Copy, Debug)]
pub struct Version {
    /// `RtlGetVersion`'s major version.
    pub major: u32,
    /// Its minor version.
    pub minor: u32,
    /// Its build number.
    pub build: u32,
}

/// Makes the keys.
///
/// # Errors
///
/// Of the hive's; of a new one there are none.
pub fn make(hive: &mut Hive, version: Version, now: i64) -> Result<(), NTSTATUS> {
    for path in KEPT {
        hive.create_all(Hive::ROOT, &units(path), now)?;
    }
    for path in VOLATILE {
        let mut key = Hive::ROOT;
        for (depth, component) in path.split('\\').enumerate() {
            // `Machine` is not volatile.
            key = hive.create(key, &units(component), depth > 0, now)?.0;
        }
    }
    let current = hive.open(
        Hive::ROOT,
        &units(r"Machine\Software\Microsoft\Windows NT\CurrentVersion"),
    )?;
    let build = alloc::format!("{}", version.build);
    for (name, value) in [
        ("CurrentMajorVersionNumber", Value::dword(version.major)),
        ("CurrentMinorVersionNumber", Value::dword(version.minor)),
        ("CurrentBuildNumber", Value::string(&build)),
        ("SystemRoot", Value::string(r"C:\Windows")),
    ] {
        hive.set_value(current, &units(name), value, now)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use nthost_nt::status::STATUS_CHILD_MUST_BE_VOLATILE;

    use super::*;

    #[test]
    fn what_is_relative_to_a_path_finds_it_and_hardware_is_volatile() {
        let mut hive = Hive::default();
        let version = Version {
            major: 10,
            minor: 0,
            build: 1,
        };
        make(&mut hive, version, 1).unwrap();
        for path in KEPT.into_iter().chain(VOLATILE) {
            assert!(hive.open(Hive::ROOT, &units(path)).is_ok(), "{path}");
        }
        let map = hive.open(Hive::ROOT, &units(VOLATILE[2])).unwrap();
        assert_eq!(
            hive.create(map, &units("x"), false, 2),
            Err(STATUS_CHILD_MUST_BE_VOLATILE)
        );
        let user = hive.open(Hive::ROOT, &units("User")).unwrap();
        assert!(hive.create(user, &units("x"), false, 2).is_ok());
    }
}
