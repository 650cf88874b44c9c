//! Files of the person's: read whole, and written whole or not at all.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process,
};

use eductl::Error;

/// Reads a file of at most `limit` bytes, which is what `place` takes.
pub fn read(path: &Path, limit: usize, place: &str) -> Result<Vec<u8>, Error> {
    let fault = |error| Error::File {
        path: path.to_owned(),
        error,
    };
    let known = fs::metadata(path).map_err(fault)?;
    if known.is_dir() {
        return Err(fault(io::ErrorKind::IsADirectory.into()));
    }
    // Before it is read: it may be very long.
    let length = known.len();
    if length > limit as u64 {
        return Err(too_long(path, &length.to_string(), limit, place));
    }
    // A device or a pipe has no length, and may have no end.
    let mut data = Vec::new();
    let mut file = File::open(path).map_err(fault)?.take(limit as u64 + 1);
    file.read_to_end(&mut data).map_err(fault)?;
    if data.len() > limit {
        return Err(too_long(path, "more", limit, place));
    }
    Ok(data)
}

fn too_long(path: &Path, length: &str, limit: usize, place: &str) -> Error {
    Error::File {
        path: path.to_owned(),
        error: io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("the file has {length} bytes, and {place} takes {limit}"),
        ),
    }
}

/// Writes a file, which appears whole or not at all.
pub fn write(path: &Path, data: &[u8]) -> Result<(), Error> {
    write_all(&[(path, data)])
}

/// Writes files: all of them under other names first, so that they appear whole or not at all,
/// and none if one of them cannot be written.
pub fn write_all(files: &[(&Path, &[u8])]) -> Result<(), Error> {
    let fault = |path: &Path, error| Error::File {
        path: path.to_owned(),
        error,
    };
    let mut complete = Vec::new();
    for (path, data) in files {
        complete.push(Partial::write(path, data).map_err(|error| fault(path, error))?);
    }
    for ((path, _), partial) in files.iter().zip(complete) {
        partial.rename().map_err(|error| fault(path, error))?;
    }
    Ok(())
}

/// A file under a name that is not its own yet. Dropping it removes it.
struct Partial {
    /// Its name for now; none if it has been renamed.
    present: Option<PathBuf>,
    /// What it will be called.
    path: PathBuf,
}

impl Partial {
    fn write(path: &Path, data: &[u8]) -> io::Result<Self> {
        let (mut present, mut target) = (None, path.to_owned());
        if let Ok(known) = fs::metadata(path) {
            if known.is_dir() {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            if !known.is_file() {
                // A device or a pipe is written to, never replaced by a file.
                fs::write(path, data)?;
                return Ok(Self {
                    present,
                    path: target,
                });
            }
            // What a link leads to is replaced, not the link.
            target = fs::canonicalize(path)?;
        }
        let mut name = target
            .file_name()
            .ok_or(io::ErrorKind::InvalidInput)?
            .to_owned();
        // Somebody's file of that name is not touched, and neither is that of another process.
        name.push(format!(".{}.partial", process::id()));
        let name = target.with_file_name(name);
        let mut file = File::create_new(&name)?;
        present = Some(name);
        let partial = Self {
            present,
            path: target,
        };
        file.write_all(data)?;
        Ok(partial)
    }

    fn rename(mut self) -> io::Result<()> {
        if let Some(present) = &self.present {
            fs::rename(present, &self.path)?;
        }
        self.present = None;
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if let Some(present) = &self.present {
            // There is a fault already, and it is the one that is told.
            let _ = fs::remove_file(present);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_too_long_is_refused_by_its_length() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data");
        write(&path, &[1, 2, 3]).unwrap();
        assert_eq!(read(&path, 3, "it").unwrap(), [1, 2, 3]);
        let fault = read(&path, 2, "the device's buffer").unwrap_err();
        assert!(
            fault
                .to_string()
                .contains("3 bytes, and the device's buffer takes 2"),
            "{fault}"
        );
        assert_eq!(fault.exit_code(), 7);
    }

    #[cfg(unix)]
    #[test]
    fn a_device_without_an_end_is_too_long_and_a_directory_is_no_file() {
        let fault = read(Path::new("/dev/zero"), 3, "it").unwrap_err();
        assert!(fault.to_string().contains("takes 3"), "{fault}");
        assert_eq!(read(Path::new("/dev/null"), 3, "it").unwrap(), [0_u8; 0]);
        let fault = read(Path::new("/dev"), 3, "it").unwrap_err();
        assert!(fault.to_string().contains("directory"), "{fault}");
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        // A directory is in the file's place.
        let path = directory.path().join("data");
        fs::create_dir(&path).unwrap();
        assert_eq!(write(&path, &[1]).unwrap_err().exit_code(), 7);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        assert_eq!(write(Path::new("/"), &[1]).unwrap_err().exit_code(), 7);
    }

    #[test]
    fn of_several_files_none_appears_if_one_cannot_be_written() {
        let directory = tempfile::tempdir().unwrap();
        let first = directory.path().join("first");
        let second = directory.path().join("missing/second");
        let files: [(&Path, &[u8]); 2] = [(&first, &[1]), (&second, &[2])];
        let fault = write_all(&files).unwrap_err();
        assert!(fault.to_string().contains("missing/second"), "{fault}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_was_there_stays_until_the_new_file_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data");
        write(&path, &[1, 2, 3]).unwrap();
        let partial = Partial::write(&path, &[4]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), [1, 2, 3]);
        // Not renamed, as if something had failed.
        drop(partial);
        assert_eq!(fs::read(&path).unwrap(), [1, 2, 3]);
        write(&path, &[4]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), [4]);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn devices_and_links_are_written_to_and_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        fs::write(&file, [1]).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write(&link, &[2]).unwrap();
        assert_eq!(fs::read(&file).unwrap(), [2]);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        // A link to a device: should it be replaced after all, then only the link.
        let null = directory.path().join("null");
        std::os::unix::fs::symlink("/dev/null", &null).unwrap();
        write(&null, &[3]).unwrap();
        assert!(fs::symlink_metadata(&null).unwrap().is_symlink());
        assert_eq!(fs::read(&null).unwrap(), [0_u8; 0]);
    }
}
