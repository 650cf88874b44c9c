//! The machine's firmware: UEFI by OVMF, or the BIOS that QEMU brings along.

use std::path::{Path, PathBuf};

use crate::run::VmError;

/// Which firmware starts the image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Choice {
    /// UEFI for a disk with a GPT, BIOS for any other.
    #[default]
    Auto,
    /// OVMF.
    Uefi,
    /// SeaBIOS.
    Bios,
}

/// Firmware, with its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// SeaBIOS, which QEMU finds itself.
    Bios,
    /// OVMF.
    Uefi {
        /// Its code, which is never written.
        code: PathBuf,
        /// What its variables are at first; the machine gets a copy.
        variables: PathBuf,
    },
}

/// Where distributions put OVMF: the code, and the variables that belong to it. Those without
/// keys, because Secure Boot does not let test-signed drivers run.
const PLACES: &[(&str, &str)] = &[
    // Debian and Ubuntu
    (
        "/usr/share/OVMF/OVMF_CODE_4M.fd",
        "/usr/share/OVMF/OVMF_VARS_4M.fd",
    ),
    (
        "/usr/share/OVMF/OVMF_CODE.fd",
        "/usr/share/OVMF/OVMF_VARS.fd",
    ),
    // Fedora
    (
        "/usr/share/edk2/ovmf/OVMF_CODE.fd",
        "/usr/share/edk2/ovmf/OVMF_VARS.fd",
    ),
    // Arch
    (
        "/usr/share/edk2/x64/OVMF_CODE.4m.fd",
        "/usr/share/edk2/x64/OVMF_VARS.4m.fd",
    ),
    // Homebrew
    (
        "/opt/homebrew/share/qemu/edk2-x86_64-code.fd",
        "/opt/homebrew/share/qemu/edk2-i386-vars.fd",
    ),
];

/// Finds OVMF.
///
/// # Errors
/// Where it is in none of the places that distributions use.
pub fn ovmf() -> Result<Firmware, VmError> {
    find(PLACES).ok_or(VmError::NoOvmf)
}

fn find(places: &[(&str, &str)]) -> Option<Firmware> {
    places
        .iter()
        .find(|(code, variables)| Path::new(code).is_file() && Path::new(variables).is_file())
        .map(|(code, variables)| Firmware::Uefi {
            code: code.into(),
            variables: variables.into(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_variables_are_taken_only_together() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let (code, variables) = (place("code"), place("variables"));
        std::fs::write(&code, "").unwrap();
        assert_eq!(find(&[(&code, &variables)]), None);
        std::fs::write(&variables, "").unwrap();
        assert!(matches!(
            find(&[(&code, &variables)]),
            Some(Firmware::Uefi { .. })
        ));
    }
}
