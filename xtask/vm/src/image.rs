//! The person's image: what it is, and the overlay that takes what is written.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde::Deserialize;

use crate::run::VmError;

/// QEMU's program for images.
pub const PROGRAM: &str = "qemu-img";
/// The partition type of a disk that a GPT describes.
const PROTECTIVE: u8 = 0xee;

/// What `qemu-img info` says of an image.
#[derive(Clone, Debug, Deserialize)]
pub struct Info {
    /// `qcow2`, `raw`, `vhdx`…
    pub format: String,
    /// What the guest sees, in bytes.
    #[serde(rename = "virtual-size")]
    pub virtual_size: u64,
}

fn output(arguments: &[&OsStr]) -> Result<Output, VmError> {
    let output = Command::new(PROGRAM)
        .args(arguments)
        .output()
        .map_err(|error| VmError::Program {
            program: PROGRAM,
            package: "qemu-utils",
            error,
        })?;
    if output.status.success() {
        return Ok(output);
    }
    Err(VmError::Image(
        String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    ))
}

/// Looks at an image.
///
/// # Errors
/// Where it is not there, or is no image.
pub fn info(image: &Path) -> Result<Info, VmError> {
    let output = output(&[
        OsStr::new("info"),
        OsStr::new("--force-share"),
        OsStr::new("--output=json"),
        image.as_os_str(),
    ])?;
    serde_json::from_slice(&output.stdout).map_err(|error| VmError::Image(error.to_string()))
}

/// Makes an overlay: what the machine writes goes there, and the image stays as it is.
///
/// # Errors
/// Where it cannot be written.
pub fn overlay(image: &Path, info: &Info, overlay: &Path) -> Result<(), VmError> {
    let image = image.canonicalize().map_err(|error| VmError::File {
        path: image.to_owned(),
        error,
    })?;
    output(&[
        OsStr::new("create"),
        OsStr::new("-q"),
        OsStr::new("-f"),
        OsStr::new("qcow2"),
        OsStr::new("-F"),
        OsStr::new(&info.format),
        OsStr::new("-b"),
        image.as_os_str(),
        overlay.as_os_str(),
    ])
    .map(drop)
}

/// Makes an empty disk, of as many GiB as it may grow to.
///
/// # Errors
/// Where it cannot be written.
pub fn create(disk: &Path, gib: u32) -> Result<(), VmError> {
    let size = format!("{gib}G");
    output(&[
        OsStr::new("create"),
        OsStr::new("-q"),
        OsStr::new("-f"),
        OsStr::new("qcow2"),
        disk.as_os_str(),
        OsStr::new(&size),
    ])
    .map(drop)
}

/// Whether an overlay belongs to an image, so that it can be used again.
///
/// # Errors
/// Where it is no image.
pub fn backs(image: &Path, overlay: &Path) -> Result<bool, VmError> {
    #[derive(Deserialize)]
    struct Backed {
        #[serde(rename = "full-backing-filename")]
        backing: Option<PathBuf>,
    }
    let output = output(&[
        OsStr::new("info"),
        OsStr::new("--force-share"),
        OsStr::new("--output=json"),
        overlay.as_os_str(),
    ])?;
    let backed: Backed = serde_json::from_slice(&output.stdout)
        .map_err(|error| VmError::Image(error.to_string()))?;
    let image = image.canonicalize().ok();
    Ok(backed.backing.and_then(|path| path.canonicalize().ok()) == image)
}

/// Whether the disk is partitioned for UEFI: its first sector then says that a GPT follows.
///
/// # Errors
/// Where its first sector cannot be read.
pub fn is_gpt(image: &Path, info: &Info) -> Result<bool, VmError> {
    let folder = tempfile::tempdir().map_err(|error| VmError::File {
        path: std::env::temp_dir(),
        error,
    })?;
    let sector = folder.path().join("sector");
    let mut from = std::ffi::OsString::from("if=");
    from.push(image);
    let mut to = std::ffi::OsString::from("of=");
    to.push(&sector);
    output(&[
        OsStr::new("dd"),
        OsStr::new("-U"),
        OsStr::new("-f"),
        OsStr::new(&info.format),
        OsStr::new("-O"),
        OsStr::new("raw"),
        OsStr::new("bs=512"),
        OsStr::new("count=1"),
        &from,
        &to,
    ])?;
    let bytes = std::fs::read(&sector).map_err(|error| VmError::File {
        path: sector,
        error,
    })?;
    let signed = bytes.get(510..512) == Some(&[0x55, 0xaa]);
    let types = (0..4).filter_map(|entry| bytes.get(446 + entry * 16 + 4));
    Ok(signed && types.into_iter().any(|kind| *kind == PROTECTIVE))
}
