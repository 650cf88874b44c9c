//! What a machine loads: nthost's manifest, read from TOML and adapted to the machine.

use std::{
    fs,
    path::{Path, PathBuf},
};

use nthost_protocol::{
    Manifest,
    manifest::{RegistryData, RegistryValue},
};

use crate::machine::{Interrupts, Machine};

/// The manifest that loads `eduwdm.sys` for both of its devices.
pub const EDUWDM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/eduwdm.toml");

/// The hardware key's subkey that says whether a driver wants messages, and its value.
/// DDI page: "Enabling Message-Signaled Interrupts in the Registry".
const MESSAGES_KEY: &str = r"Interrupt Management\MessageSignaledInterruptProperties";
const MESSAGES_VALUE: &str = "MSISupported";

/// Why there is no such manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file could not be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file is not TOML, or has another name or type somewhere.
    #[error("{}: {error}", path.display())]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// What and where.
        error: Box<toml::de::Error>,
    },
}

/// Reads a manifest.
///
/// # Errors
///
/// [`ManifestError`].
pub fn load(path: &Path) -> Result<Manifest, ManifestError> {
    let text = fs::read_to_string(path).map_err(|error| ManifestError::Read {
        path: path.to_owned(),
        error,
    })?;
    toml::from_str(&text).map_err(|error| ManifestError::Syntax {
        path: path.to_owned(),
        error: Box::new(error),
    })
}

/// Takes message-signalled interrupts from all drivers on a machine whose devices interrupt by
/// lines, as a person would on Windows: by the registry value that their INF sets.
pub fn adapt(manifest: &mut Manifest, machine: &Machine) {
    if machine.interrupts == Interrupts::MessageSignaled {
        return;
    }
    for driver in &mut manifest.drivers {
        driver
            .device_values
            .retain(|value| value.key != MESSAGES_KEY || value.name != MESSAGES_VALUE);
        driver.device_values.push(RegistryValue {
            key: MESSAGES_KEY.to_owned(),
            name: MESSAGES_VALUE.to_owned(),
            data: RegistryData::Dword(0),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(machine: &str) -> Vec<RegistryData> {
        let mut manifest = load(Path::new(EDUWDM)).unwrap_or_else(|fault| panic!("{fault}"));
        adapt(&mut manifest, &Machine::load(machine).unwrap());
        let values = &manifest.drivers[0].device_values;
        let found = values.iter().filter(|value| value.name == MESSAGES_VALUE);
        found.map(|value| value.data.clone()).collect()
    }

    #[test]
    fn the_driver_is_offered_messages_except_on_a_machine_with_lines() {
        assert_eq!(messages("up"), [RegistryData::Dword(1)]);
        assert_eq!(messages("up-intx"), [RegistryData::Dword(0)]);
    }
}
