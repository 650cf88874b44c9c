//! Files of the person's: read whole, and written whole or not at all.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use eductl::Error;

/// Reads a file of at most `limit` bytes, which is what `place` takes.
pub fn read(path: &Path, limit: usize, place: &str) -> Result<Vec<u8>, Error> {
    let fault = |error| Error::File {
        path: path.to_owned(),
        error,
    };
    let length = fs::metadata(path).map_err(fault)?.len();
    // Before it is read: it may be very long.
    if length > limit as u64 {
        return Err(too_long(path, length, limit, place));
    }
    let data = fs::read(path).map_err(fault)?;
    if data.len() > limit {
        return Err(too_long(path, data.len() as u64, limit, place));
    }
    Ok(data)
}

fn too_long(path: &Path, length: u64, limit: usize, place: &str) -> Error {
    Error::File {
        path: path.to_owned(),
        error: io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("the file has {length} bytes, and {place} takes {limit}"),
        ),
    }
}

/// Writes a file: under another name first, so that it appears whole or not at all.
pub fn write(path: &Path, data: &[u8]) -> Result<(), Error> {
    let fault = |error| Error::File {
        path: path.to_owned(),
        error,
    };
    let mut name = path
        .file_name()
        .ok_or_else(|| fault(io::ErrorKind::InvalidFilename.into()))?
        .to_owned();
    name.push(".partial");
    let partial: PathBuf = path.with_file_name(name);
    let written = fs::write(&partial, data).and_then(|()| fs::rename(&partial, path));
    if written.is_err() {
        // It may not even be there.
        let _ = fs::remove_file(&partial);
    }
    written.map_err(fault)
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

    #[test]
    fn a_file_that_cannot_be_written_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        // A directory is in the file's place, so the rename fails after the writing.
        let path = directory.path().join("data");
        fs::create_dir(&path).unwrap();
        assert_eq!(write(&path, &[1]).unwrap_err().exit_code(), 7);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        assert_eq!(write(Path::new("/"), &[1]).unwrap_err().exit_code(), 7);
    }
}
