//! Puts a folder and a zip file in place: whole, or not at all.
//!
//! Both are made beside their final places, on the same file system, and then renamed there. What
//! stood there before is put aside first and removed last, so that a failure leaves it.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::inf::driver_version::Date;

/// A file of the package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Its name; the package has no folders.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Writes the files into a folder of this path, and beside it the zip file. Returns its path.
///
/// # Errors
/// Where the file system refuses; nothing has changed then.
pub fn publish(folder: &Path, files: &[Content], date: Date) -> io::Result<PathBuf> {
    let parent = folder.parent().filter(|p| !p.as_os_str().is_empty());
    let parent = parent.unwrap_or_else(|| Path::new("."));
    fs::create_dir_all(parent)?;
    let stage = tempfile::Builder::new()
        .prefix(".package-")
        .tempdir_in(parent)?;
    let fresh = stage.path().join("folder");
    fs::create_dir(&fresh)?;
    for file in files {
        fs::write(fresh.join(&file.name), &file.bytes)?;
    }
    let zip = folder.with_extension("zip");
    let fresh_zip = stage.path().join("zip");
    let base = folder.file_name().unwrap_or_default().to_string_lossy();
    write_zip(&fresh_zip, &base, files, date)?;

    let old = stage.path().join("old");
    let replaced = replace(folder, &fresh, &old)?;
    if let Err(error) = fs::rename(&fresh_zip, &zip) {
        // Back to what was there, as far as that can be done.
        fs::rename(folder, &fresh)?;
        if replaced {
            fs::rename(&old, folder)?;
        }
        return Err(error);
    }
    Ok(zip)
}

/// Puts a new folder in the place of an old one; says whether there was one.
fn replace(place: &Path, fresh: &Path, old: &Path) -> io::Result<bool> {
    let there = match fs::rename(place, old) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(error),
    };
    if let Err(error) = fs::rename(fresh, place) {
        if there {
            fs::rename(old, place)?;
        }
        return Err(error);
    }
    Ok(there)
}

fn write_zip(path: &Path, base: &str, files: &[Content], date: Date) -> io::Result<()> {
    let failed = |error: zip::result::ZipError| io::Error::other(error);
    // The same files make the same zip, whenever and wherever it is made.
    let year = date.year.clamp(1980, 2107);
    let time = DateTime::from_date_and_time(year, date.month, date.day, 0, 0, 0)
        .map_err(io::Error::other)?;
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(time)
        .unix_permissions(0o644);
    let mut zip = ZipWriter::new(fs::File::create_new(path)?);
    for file in files {
        zip.start_file(format!("{base}/{}", file.name), options)
            .map_err(failed)?;
        zip.write_all(&file.bytes)?;
    }
    zip.finish().map_err(failed)?.sync_all()
}
