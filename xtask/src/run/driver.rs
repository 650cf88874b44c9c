//! A driver of one's own: its image, and what its INF file says of it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use eduwdm_package::inf::{Document, encoding};
use eduwdm_qemu::manifest;
use nthost_protocol::{
    Manifest,
    manifest::{DriverImage, Role},
};

use super::installation::{self, Installation};
use crate::{build::Drivers, demo::MachineOptions};

/// What is loaded.
pub struct Own {
    /// The drivers, each with the name of its image as it is on the disk.
    pub manifest: Manifest,
    /// Where the images are.
    pub folders: Vec<PathBuf>,
    left_out: Vec<String>,
}

impl Own {
    /// Says what was read.
    pub fn tell(&self) {
        for driver in &self.manifest.drivers {
            let role = match driver.role {
                Role::Function => "driver",
                Role::UpperFilter => "upper filter",
                Role::LowerFilter => "lower filter",
                Role::Export => "export driver",
            };
            let ids = match driver.hardware_ids.as_slice() {
                [] => "no device".to_owned(),
                ids => ids.join(", "),
            };
            eprintln!("  {} ({}): {role} of {ids}", driver.service, driver.image);
        }
        for left_out in &self.left_out {
            eprintln!("  left out: {left_out}");
        }
    }
}

/// Reads what the machine loads.
///
/// # Errors
///
/// If a file cannot be read, installs no driver for this system, or names an image that is not
/// there.
pub fn own(image: Option<&Path>, infs: &[PathBuf], ids: &[String]) -> anyhow::Result<Own> {
    let mut folders = Vec::new();
    for file in image.into_iter().chain(infs.iter().map(PathBuf::as_path)) {
        let folder = match file.parent() {
            Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
            Some(folder) => folder,
            None => bail!("{} is no file", file.display()),
        };
        if !folders.iter().any(|known| known == folder) {
            folders.push(folder.to_owned());
        }
    }
    let mut all = Installation::default();
    for inf in infs {
        let one = read(inf, ids).with_context(|| inf.display().to_string())?;
        all.drivers.extend(one.drivers);
        all.left_out.extend(one.left_out);
    }
    if let (Some(image), []) = (image, infs) {
        all.drivers.push(alone(image, ids)?);
    }
    if let Some(image) = image {
        let name = name(image)?;
        let is_named = all
            .drivers
            .iter()
            .any(|driver| driver.image.eq_ignore_ascii_case(&name));
        if !is_named {
            let names: Vec<_> = all.drivers.iter().map(|one| one.image.as_str()).collect();
            bail!("the INF file installs {}, not {name}", names.join(", "));
        }
    }
    for driver in &mut all.drivers {
        driver.image = on_disk(&driver.image, &folders)?;
    }
    Ok(Own {
        manifest: Manifest {
            drivers: all.drivers,
            ..Manifest::default()
        },
        folders,
        left_out: all.left_out,
    })
}

/// Which of the project's drivers a machine needs whose manifest is given, or the default.
///
/// # Errors
///
/// If the manifest cannot be read.
pub fn needed(options: &MachineOptions) -> anyhow::Result<Drivers> {
    let Some(path) = &options.manifest else {
        return Ok(Drivers::Rust);
    };
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    let drivers = manifest::load(path)?.drivers;
    let is_here = |driver: &DriverImage| folder.join(&driver.image).is_file();
    Ok(if drivers.iter().all(is_here) {
        Drivers::None
    } else {
        Drivers::All
    })
}

fn name(path: &Path) -> anyhow::Result<String> {
    let name = path.file_name().and_then(|name| name.to_str());
    Ok(name
        .with_context(|| format!("{} has no file's name", path.display()))?
        .to_owned())
}

fn read(inf: &Path, ids: &[String]) -> anyhow::Result<Installation> {
    let (text, _) = encoding::decode(&fs::read(inf)?)?;
    installation::of(&Document::parse(&text), ids).map_err(anyhow::Error::msg)
}

/// A driver without an INF file: its service has the image's name.
fn alone(image: &Path, ids: &[String]) -> anyhow::Result<DriverImage> {
    let name = name(image)?;
    let service = Path::new(&name).with_extension("");
    Ok(DriverImage {
        service: service.to_string_lossy().into_owned(),
        image: name,
        role: Role::Function,
        hardware_ids: ids.to_vec(),
        service_values: Vec::new(),
        device_values: Vec::new(),
        security: None,
    })
}

/// The name that a file has on a disk that tells capitals from small letters.
fn on_disk(image: &str, folders: &[PathBuf]) -> anyhow::Result<String> {
    for folder in folders {
        let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut same: Vec<_> = names
            .filter(|name| name.eq_ignore_ascii_case(image))
            .collect();
        same.sort_by_key(|name| name != image);
        if let Some(name) = same.into_iter().next() {
            return Ok(name);
        }
    }
    let places: Vec<_> = folders
        .iter()
        .map(|one| one.display().to_string())
        .collect();
    bail!("{image} is not in {}", places.join(" or "))
}
