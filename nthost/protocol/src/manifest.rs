//! What a machine loads at its start: the drivers, what the registry says about them, and
//! what the verifier watches.
//!
//! nthost's initrd is a `ustar` archive. One of its files, [`FILE_NAME`], holds a [`Manifest`]
//! in `postcard`'s encoding; the others are the images that the manifest names. A person
//! writes the manifest in TOML, with the very names used here.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{Fault, Rule, exercise::Exercise, explore::Explore};

/// The name of the manifest in the archive.
pub const FILE_NAME: &str = "manifest";

/// What a machine loads at its start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Manifest {
    /// The drivers, in the order in which they are loaded. An export driver comes before those
    /// that import from it.
    pub drivers: Vec<DriverImage>,
    /// What the verifier watches; everything of [`VerifierOption::STANDARD`] if none is given.
    pub verifier: Option<Vec<VerifierOption>>,
    /// The services whose drivers the verifier watches; all drivers if none is given.
    pub verified: Option<Vec<String>>,
    /// The rules that are told in the log when they are broken, so that the system goes on, as far
    /// as it can; all others end it.
    pub verifier_goes_on: Vec<Rule>,
    /// The rules that end the system when they are broken, though `verifier_goes_on` names them.
    pub verifier_stops: Vec<Rule>,
    /// The seed of the scheduling noise; no noise without one.
    pub noise: Option<u64>,
    /// Which schedules are explored; none without it.
    pub explore: Option<Explore>,
    /// What goes wrong from the beginning; the host can add more.
    pub faults: Vec<Fault>,
    /// Leaves the devices that were found without a driver until the host asks for one with
    /// [`PnpOperation::Add`](crate::host::PnpOperation::Add).
    pub hold_devices: bool,
    /// Breakpoints can be set. The first processor is kept for timers then, one of each device's
    /// for its interrupts, and the last one for the host: of these no thread runs on any, so
    /// that none is under what stops there. It takes four processors.
    pub breakpoints: bool,
    /// What is done with the devices before the host is listened to.
    pub exercise: Option<Exercise>,
}

/// A driver, and what its INF would have written into the registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DriverImage {
    /// The service's name: its key below `\Registry\Machine\System\CurrentControlSet\Services`.
    pub service: String,
    /// The image's file name in the archive, such as `eduwdm.sys`.
    pub image: String,
    /// What the driver is to its devices.
    #[serde(default)]
    pub role: Role,
    /// The hardware ids or compatible ids of its devices. A driver without any has no
    /// `AddDevice` to call: it makes its device objects in `DriverEntry`.
    #[serde(default)]
    pub hardware_ids: Vec<String>,
    /// Values of the service's key (what an INF's `AddReg` of a service install section writes).
    #[serde(default)]
    pub service_values: Vec<RegistryValue>,
    /// Values of the hardware key of each device, `Device Parameters` (what an INF's `.HW`
    /// section writes).
    #[serde(default)]
    pub device_values: Vec<RegistryValue>,
    /// The security of the device objects in SDDL (an INF's `HKR,,Security,,"…"`).
    #[serde(default)]
    pub security: Option<String>,
}

/// What a driver is to its devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Its function driver. At most one matches a device: the most specific id wins.
    #[default]
    Function,
    /// A filter above the function driver.
    UpperFilter,
    /// A filter between the bus and the function driver.
    LowerFilter,
    /// A kernel-mode DLL, loaded for what it exports.
    Export,
}

/// A value in the registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryValue {
    /// The key below the one meant, such as
    /// `Interrupt Management\MessageSignaledInterruptProperties`; empty for that one itself.
    #[serde(default)]
    pub key: String,
    /// The value's name; empty for the default value.
    pub name: String,
    /// Its type and data.
    pub data: RegistryData,
}

/// The type and data of a registry value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegistryData {
    /// `REG_DWORD`.
    Dword(u32),
    /// `REG_QWORD`.
    Qword(u64),
    /// `REG_SZ`.
    String(String),
    /// `REG_EXPAND_SZ`.
    ExpandString(String),
    /// `REG_MULTI_SZ`.
    MultiString(Vec<String>),
    /// `REG_BINARY`.
    Binary(Vec<u8>),
}

/// What the verifier watches, by the names that Driver Verifier has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VerifierOption {
    /// Overruns, underruns and uses after free of pool, by guard pages.
    SpecialPool,
    /// Pageable memory touched at raised IRQL.
    ForceIrqlChecking,
    /// Pool not freed at unload.
    PoolTracking,
    /// What drivers do with IRPs.
    IoVerification,
    /// The order of locks.
    DeadlockDetection,
    /// What drivers do with DMA adapters.
    DmaChecking,
    /// Handles and addresses of user mode taken for the kernel's.
    SecurityChecks,
    /// Active timers, resources and the like in memory that is freed.
    MiscellaneousChecks,
    /// The rules of each routine.
    DdiCompliance,
    /// Allocations fail at random.
    LowResources,
    /// `IoCallDriver` answers `STATUS_PENDING` at random.
    ForcePending,
    /// Pool begins where a page begins and does not end where one ends: underruns fault, and
    /// overruns are found when the memory is freed.
    SpecialPoolUnderrun,
    /// Images whose code can be written, which Windows does not load where it enforces the
    /// integrity of code.
    CodeIntegrity,
}

impl VerifierOption {
    /// What is watched unless the manifest says otherwise: all that finds faults without
    /// making any.
    pub const STANDARD: &[Self] = &[
        Self::SpecialPool,
        Self::ForceIrqlChecking,
        Self::PoolTracking,
        Self::IoVerification,
        Self::DeadlockDetection,
        Self::DmaChecking,
        Self::SecurityChecks,
        Self::MiscellaneousChecks,
        Self::DdiCompliance,
        Self::CodeIntegrity,
    ];
}

impl Manifest {
    /// What the verifier watches.
    #[must_use]
    pub fn verifier_options(&self) -> &[VerifierOption] {
        self.verifier.as_deref().unwrap_or(VerifierOption::STANDARD)
    }

    /// The manifest in the encoding in which it lies in the archive.
    ///
    /// # Errors
    ///
    /// What the encoder says.
    pub fn to_bytes(&self) -> Result<Vec<u8>, postcard::Error> {
        postcard::to_allocvec(self)
    }

    /// The manifest that [`Self::to_bytes`] encoded.
    ///
    /// # Errors
    ///
    /// What the decoder says of bytes that are no manifest, or have bytes behind it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, postcard::Error> {
        match postcard::take_from_bytes(bytes)? {
            (manifest, []) => Ok(manifest),
            _ => Err(postcard::Error::DeserializeBadEncoding),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::{borrow::ToOwned, vec};

    use super::*;

    const TOML: &str = r#"
        noise = 7
        explore = { seed = 1, depth = 3, length = 100 }
        verifier_goes_on = ["all"]
        verifier_stops = ["0xC4/0x62", "0xE6"]
        faults = [{ call = { routine = "ExAllocatePool2", nth = 3 } }]
        [[drivers]]
        service = "eduwdm"
        image = "eduwdm.sys"
        hardware_ids = ['PCI\VEN_1234&DEV_11E8']
        security = "D:P(A;;GA;;;SY)(A;;GA;;;BA)"
        service_values = [{ name = "LastByte", data.dword = 1 }]
        [[drivers.device_values]]
        key = 'Interrupt Management\MessageSignaledInterruptProperties'
        name = "MSISupported"
        data = { dword = 1 }
        [[drivers]]
        service = "above"
        image = "above.sys"
        role = "upper-filter"
    "#;

    fn manifest() -> Manifest {
        Manifest {
            drivers: vec![
                DriverImage {
                    service: "eduwdm".to_owned(),
                    image: "eduwdm.sys".to_owned(),
                    role: Role::Function,
                    hardware_ids: vec![r"PCI\VEN_1234&DEV_11E8".to_owned()],
                    service_values: vec![RegistryValue {
                        key: String::new(),
                        name: "LastByte".to_owned(),
                        data: RegistryData::Dword(1),
                    }],
                    device_values: vec![RegistryValue {
                        key: r"Interrupt Management\MessageSignaledInterruptProperties".to_owned(),
                        name: "MSISupported".to_owned(),
                        data: RegistryData::Dword(1),
                    }],
                    security: Some("D:P(A;;GA;;;SY)(A;;GA;;;BA)".to_owned()),
                },
                DriverImage {
                    service: "above".to_owned(),
                    image: "above.sys".to_owned(),
                    role: Role::UpperFilter,
                    hardware_ids: vec![],
                    service_values: vec![],
                    device_values: vec![],
                    security: None,
                },
            ],
            verifier: None,
            verified: None,
            verifier_goes_on: vec![Rule::All],
            verifier_stops: vec![Rule::First(0xc4, 0x62), Rule::Code(0xe6)],
            noise: Some(7),
            explore: Some(Explore {
                seed: 1,
                depth: 3,
                length: 100,
            }),
            faults: vec![Fault::Call {
                routine: "ExAllocatePool2".to_owned(),
                service: String::new(),
                offset: None,
                nth: 3,
                count: 1,
            }],
            hold_devices: false,
            breakpoints: false,
            exercise: None,
        }
    }

    #[test]
    fn a_manifest_in_toml_means_what_it_says() {
        assert_eq!(toml::from_str(TOML), Ok(manifest()));
    }

    #[test]
    fn a_misspelt_name_is_refused_with_its_place() {
        let fault = toml::from_str::<Manifest>("noise = 7\nnosie = 7").unwrap_err();
        assert_eq!(fault.span(), Some(10..15), "{fault}");
    }

    #[test]
    fn what_names_no_rule_is_refused() {
        let fault = toml::from_str::<Manifest>("verifier_stops = [\"0xC4.62\"]").unwrap_err();
        assert!(
            fault.message().contains("`0xC4.62` names no rule"),
            "{fault}"
        );
    }

    #[test]
    fn a_manifest_survives_its_encoding() {
        let bytes = manifest().to_bytes().unwrap();
        assert_eq!(Manifest::from_bytes(&bytes), Ok(manifest()));
    }

    #[test]
    fn cut_or_prolonged_bytes_are_no_manifest() {
        let mut bytes = manifest().to_bytes().unwrap();
        for length in 0..bytes.len() {
            assert!(Manifest::from_bytes(&bytes[..length]).is_err(), "{length}");
        }
        bytes.push(0);
        assert!(Manifest::from_bytes(&bytes).is_err());
    }
}
