//! What is on the package's disk: the package itself, the scripts for a machine that runs by
//! itself, and, for an installation, the answer file.

use std::fs;
use std::path::Path;

use crate::run::VmError;

/// A file: its path on the disk, with slashes, and its bytes.
pub type Content = (String, Vec<u8>);

/// The scripts in the folder `guest`.
const SCRIPTS: [(&str, &str); 4] = [
    ("agent.ps1", include_str!("../guest/agent.ps1")),
    ("first-logon.ps1", include_str!("../guest/first-logon.ps1")),
    ("guest.psm1", include_str!("../guest/guest.psm1")),
    (
        "verify-guest.ps1",
        include_str!("../guest/verify-guest.ps1"),
    ),
];

/// The package's files, in a folder of its name.
///
/// # Errors
/// Where the folder holds no package.
pub fn package(folder: &Path) -> Result<Vec<Content>, VmError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |error| VmError::File { path, error }
    };
    if !folder.join("eduwdm.inf").is_file() {
        return Err(VmError::NoPackage(folder.to_owned()));
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let path = entry.map_err(at(folder))?.path();
        if path.is_file() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let bytes = fs::read(&path).map_err(at(&path))?;
            files.push((format!("eduwdm/{name}"), bytes));
        }
    }
    files.sort();
    Ok(files)
}

/// The scripts, with line ends that Windows' own editors know too.
#[must_use]
pub fn scripts() -> Vec<Content> {
    SCRIPTS
        .iter()
        .map(|(name, text)| {
            let text = text.replace("\r\n", "\n").replace('\n', "\r\n");
            (format!("guest/{name}"), text.into_bytes())
        })
        .collect()
}

/// What the scripts are told for a verification.
#[must_use]
pub fn settings(minutes: u32) -> Content {
    let text = format!("{{ \"Minutes\": {minutes} }}\r\n");
    ("guest/settings.json".to_owned(), text.into_bytes())
}
