//! The archive that QEMU hands to nthost as its initrd: the manifest and the images it names.

use std::io;

use nthost_protocol::{Manifest, manifest};

/// A file of the archive.
#[derive(Clone, Debug)]
pub struct Image {
    /// Its name there, as the manifest gives it.
    pub name: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// Why there is no archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The manifest names an image that is not given.
    #[error("the manifest names {0}, which is not among the images")]
    Missing(String),
    /// The manifest could not be encoded.
    #[error("the manifest cannot be encoded: {0}")]
    Manifest(String),
    /// An image has a name that an archive cannot hold.
    #[error("{name}: {error}")]
    Image {
        /// Which.
        name: String,
        /// Why.
        error: io::Error,
    },
}

/// The archive, in the `ustar` format.
///
/// # Errors
///
/// [`ArchiveError`].
pub fn archive(manifest: &Manifest, images: &[Image]) -> Result<Vec<u8>, ArchiveError> {
    for driver in &manifest.drivers {
        if !images.iter().any(|image| image.name == driver.image) {
            return Err(ArchiveError::Missing(driver.image.clone()));
        }
    }
    let encoded = manifest
        .to_bytes()
        .map_err(|why| ArchiveError::Manifest(why.to_string()))?;
    let mut archive = tar::Builder::new(Vec::new());
    append(&mut archive, manifest::FILE_NAME, &encoded)?;
    for image in images {
        append(&mut archive, &image.name, &image.bytes)?;
    }
    archive.into_inner().map_err(|error| ArchiveError::Image {
        name: "the archive's end".to_owned(),
        error,
    })
}

fn append(
    archive: &mut tar::Builder<Vec<u8>>,
    name: &str,
    bytes: &[u8],
) -> Result<(), ArchiveError> {
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header
        .set_path(name)
        .and_then(|()| {
            header.set_cksum();
            archive.append(&header, bytes)
        })
        .map_err(|error| ArchiveError::Image {
            name: name.to_owned(),
            error,
        })
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use nthost_protocol::manifest::DriverImage;

    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            drivers: vec![DriverImage {
                service: "a".to_owned(),
                image: "a.sys".to_owned(),
                role: manifest::Role::Function,
                hardware_ids: Vec::new(),
                service_values: Vec::new(),
                device_values: Vec::new(),
                security: None,
            }],
            ..Manifest::default()
        }
    }

    #[test]
    fn the_archive_holds_the_manifest_and_the_images() {
        let image = Image {
            name: "a.sys".to_owned(),
            bytes: b"MZ".to_vec(),
        };
        let bytes = archive(&manifest(), &[image]).unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut files = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            files.push((entry.path().unwrap().display().to_string(), bytes));
        }
        assert_eq!(files[0].0, manifest::FILE_NAME);
        assert_eq!(Manifest::from_bytes(&files[0].1), Ok(manifest()));
        assert_eq!(files[1], ("a.sys".to_owned(), b"MZ".to_vec()));
    }

    #[test]
    fn an_image_that_the_manifest_names_must_be_there() {
        let fault = archive(&manifest(), &[]).unwrap_err();
        assert!(fault.to_string().contains("a.sys"), "{fault}");
    }
}
