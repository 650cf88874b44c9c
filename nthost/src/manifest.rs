//! The initrd: an archive that holds the manifest and the images that it names.
//!
//! The archive is `ustar`; the manifest's encoding is `nthost_protocol::manifest`'s. Everything
//! that the manifest promises is checked here, so that a bad archive is refused as a whole and
//! says what is wrong with it, before any driver is loaded.

use alloc::{
    collections::BTreeMap,
    string::{String, ToString},
};
use core::fmt;

use nthost_protocol::{Manifest, manifest::FILE_NAME};
use tar_no_std::TarArchiveRef;

/// Why an archive is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArchiveError {
    /// It is no archive.
    Corrupt(String),
    /// A file's name is no UTF-8.
    Name,
    /// It holds no manifest.
    NoManifest,
    /// The manifest is malformed.
    Manifest(postcard::Error),
    /// A driver's image is missing.
    NoImage {
        /// Whose.
        service: String,
        /// Its file name.
        image: String,
    },
    /// Two drivers have the same service name.
    Duplicate(String),
    /// A service's name is empty or holds a character that no key's name may.
    ServiceName(String),
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt(why) => write!(f, "the initrd is no ustar archive: {why}"),
            Self::Name => f.write_str("a file name in the initrd is no UTF-8"),
            Self::NoManifest => write!(f, "the initrd holds no file `{FILE_NAME}`"),
            Self::Manifest(why) => write!(f, "the manifest in the initrd is malformed: {why}"),
            Self::NoImage { service, image } => write!(
                f,
                "the initrd holds no file `{image}`, the image of the service `{service}`"
            ),
            Self::Duplicate(service) => {
                write!(f, "the manifest names the service `{service}` twice")
            }
            Self::ServiceName(service) => {
                write!(f, "`{service}` is no name for a service")
            }
        }
    }
}

impl core::error::Error for ArchiveError {}

/// A checked archive.
#[derive(Debug)]
pub struct Archive<'a> {
    /// The manifest.
    pub manifest: Manifest,
    files: BTreeMap<String, &'a [u8]>,
}

impl<'a> Archive<'a> {
    /// Reads an archive.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn read(bytes: &'a [u8]) -> Result<Self, ArchiveError> {
        let archive =
            TarArchiveRef::new(bytes).map_err(|why| ArchiveError::Corrupt(why.to_string()))?;
        let mut files = BTreeMap::new();
        for entry in archive.entries() {
            let name = entry.filename();
            let name = name.as_str().map_err(|_| ArchiveError::Name)?;
            files.insert(name.to_string(), entry.data());
        }
        let manifest = files.get(FILE_NAME).ok_or(ArchiveError::NoManifest)?;
        let manifest = Manifest::from_bytes(manifest).map_err(ArchiveError::Manifest)?;
        let archive = Self { manifest, files };
        archive.check()?;
        Ok(archive)
    }

    /// The bytes of a file.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&'a [u8]> {
        self.files.get(name).copied()
    }

    fn check(&self) -> Result<(), ArchiveError> {
        let drivers = &self.manifest.drivers;
        for (index, driver) in drivers.iter().enumerate() {
            let service = &driver.service;
            if service.is_empty() || service.contains(['\\', '\0']) {
                return Err(ArchiveError::ServiceName(service.clone()));
            }
            let earlier = &drivers[..index];
            if earlier
                .iter()
                .any(|other| other.service.eq_ignore_ascii_case(service))
            {
                return Err(ArchiveError::Duplicate(service.clone()));
            }
            if self.file(&driver.image).is_none() {
                return Err(ArchiveError::NoImage {
                    service: service.clone(),
                    image: driver.image.clone(),
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use nthost_protocol::manifest::{DriverImage, Role};
    use proptest::prelude::*;

    use super::*;

    fn driver(service: &str, image: &str) -> DriverImage {
        DriverImage {
            service: service.to_string(),
            image: image.to_string(),
            role: Role::Function,
            hardware_ids: Vec::new(),
            service_values: Vec::new(),
            device_values: Vec::new(),
            security: None,
        }
    }

    fn archive(drivers: Vec<DriverImage>, files: &[(&str, &[u8])]) -> Vec<u8> {
        let manifest = Manifest {
            drivers,
            ..Manifest::default()
        };
        let manifest = manifest.to_bytes().unwrap();
        let mut builder = tar::Builder::new(Vec::new());
        for (name, bytes) in core::iter::once(&(FILE_NAME, manifest.as_slice())).chain(files) {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, *bytes).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn an_archive_holds_what_was_put_into_it() {
        let image = [7_u8; 1000];
        let bytes = archive(
            vec![driver("eduwdm", "eduwdm.sys")],
            &[("eduwdm.sys", &image)],
        );
        let archive = Archive::read(&bytes).unwrap();
        assert_eq!(archive.manifest.drivers[0].service, "eduwdm");
        assert_eq!(archive.file("eduwdm.sys"), Some(&image[..]));
        assert_eq!(archive.file("other.sys"), None);
    }

    #[test]
    fn a_missing_image_is_named() {
        let bytes = archive(vec![driver("eduwdm", "eduwdm.sys")], &[]);
        let fault = Archive::read(&bytes).unwrap_err().to_string();
        assert!(fault.contains("`eduwdm.sys`"), "{fault}");
    }

    #[test]
    fn a_service_is_named_once_and_well() {
        let files: &[(&str, &[u8])] = &[("a.sys", b"")];
        let twice = archive(vec![driver("a", "a.sys"), driver("A", "a.sys")], files);
        assert_eq!(
            Archive::read(&twice).unwrap_err(),
            ArchiveError::Duplicate("A".to_string())
        );
        for bad in ["", r"a\b", "a\0"] {
            let bytes = archive(vec![driver(bad, "a.sys")], files);
            assert_eq!(
                Archive::read(&bytes).unwrap_err(),
                ArchiveError::ServiceName(bad.to_string())
            );
        }
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        for bytes in [&[][..], &[0; 511], &[0; 512], &[0; 1024], &[0xff; 2048]] {
            assert!(Archive::read(bytes).is_err(), "{} bytes", bytes.len());
        }
    }

    #[test]
    fn an_archive_cut_anywhere_is_refused_or_whole() {
        let bytes = archive(vec![driver("a", "a.sys")], &[("a.sys", &[1; 700])]);
        for length in 0..bytes.len() {
            if let Ok(archive) = Archive::read(&bytes[..length]) {
                assert_eq!(archive.file("a.sys").unwrap(), [1; 700], "{length}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_damaged_archive_is_refused_or_read_but_never_a_panic(
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        ) {
            let files: &[(&str, &[u8])] = &[("a.sys", &[1; 700]), ("b.sys", &[])];
            let mut bytes = archive(vec![driver("a", "a.sys"), driver("b", "b.sys")], files);
            for (index, value) in damage {
                let offset = index.index(bytes.len());
                bytes[offset] = value;
            }
            match Archive::read(&bytes) {
                Ok(archive) => for driver in &archive.manifest.drivers {
                    prop_assert!(archive.file(&driver.image).is_some());
                },
                Err(fault) => prop_assert!(!fault.to_string().is_empty()),
            }
        }

        #[test]
        fn a_damaged_header_of_a_file_never_is_a_panic(
            damage in prop::collection::vec((0_usize..512, any::<u8>()), 1..20),
            which in 0_usize..2,
        ) {
            let mut bytes = archive(vec![driver("a", "a.sys")], &[("a.sys", &[1; 700])]);
            // The manifest is one block, behind its header.
            for (offset, value) in damage {
                bytes[1024 * which + offset] = value;
            }
            let _ = Archive::read(&bytes);
        }
    }
}
