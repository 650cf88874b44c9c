//! What a machine has written on the package's disk: the folder `results`.

use std::fs;
use std::io::{self, Cursor, Read};
use std::path::Path;

use fatfs::{FileSystem, FsOptions};

use crate::disk;

/// The folder on the disk.
pub const FOLDER: &str = "results";
/// The file that is written last: the exit code, in a line.
pub const EXIT_CODE: &str = "exit-code.txt";

/// Brings the files into a folder of the host, which is emptied before; gives their names.
///
/// # Errors
/// Where the disk cannot be read or a file not be written.
pub fn bring(disk: &Path, to: &Path) -> io::Result<Vec<String>> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    fs::create_dir_all(to)?;
    let bytes = fs::read(disk)?;
    let partition = disk::partition(&bytes)?;
    let volume = FileSystem::new(Cursor::new(partition.to_vec()), FsOptions::new())?;
    let root = volume.root_dir();
    let folder = match root.open_dir(FOLDER) {
        Ok(folder) => folder,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in folder.iter() {
        let entry = entry?;
        // A file's own name, whatever a machine may have written there.
        let name = entry.file_name();
        let plain = Path::new(&name)
            .file_name()
            .is_some_and(|plain| plain == name.as_str());
        if !entry.is_file() || !plain {
            continue;
        }
        let mut content = Vec::new();
        entry.to_file().read_to_end(&mut content)?;
        fs::write(to.join(&name), content)?;
        names.push(name);
    }
    names.sort();
    Ok(names)
}

/// The exit code that the machine has written, if it has.
#[must_use]
pub fn exit_code(folder: &Path) -> Option<u32> {
    let text = fs::read_to_string(folder.join(EXIT_CODE)).ok()?;
    // PowerShell's UTF-8 has a mark.
    text.trim_start_matches('\u{feff}').trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_folder_are_brought_and_nothing_else() {
        let there = tempfile::tempdir().unwrap();
        let image = there.path().join("package.img");
        let files = [
            ("eduwdm/eduwdm.inf".to_owned(), b"[Version]".to_vec()),
            (
                "results/exit-code.txt".to_owned(),
                b"\xef\xbb\xbf6\r\n".to_vec(),
            ),
            ("results/a longer report.txt".to_owned(), vec![7; 70_000]),
            ("results/folder/inner.txt".to_owned(), Vec::new()),
        ];
        fs::write(&image, disk::disk("eduwdm", &files, 0).unwrap()).unwrap();
        let to = there.path().join("results");
        fs::create_dir(&to).unwrap();
        fs::write(to.join("old.txt"), "of the last time").unwrap();
        let names = bring(&image, &to).unwrap();
        assert_eq!(names, ["a longer report.txt", EXIT_CODE]);
        assert_eq!(fs::read(to.join(&names[0])).unwrap(), files[2].1);
        assert_eq!(exit_code(&to), Some(6));
        assert!(!to.join("old.txt").exists());
    }

    #[test]
    fn a_disk_without_results_gives_none() {
        let there = tempfile::tempdir().unwrap();
        let image = there.path().join("package.img");
        fs::write(&image, disk::disk("eduwdm", &[], 0).unwrap()).unwrap();
        assert_eq!(bring(&image, &there.path().join("r")).unwrap(), [""; 0]);
        assert_eq!(exit_code(&there.path().join("r")), None);
        fs::write(&image, [0; 512]).unwrap();
        assert!(bring(&image, &there.path().join("r")).is_err());
    }
}
