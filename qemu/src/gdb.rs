//! Drivers' functions and lines for gdb, which reads no PDB: for each driver a file with its
//! symbols, and a script that has gdb take them in where nthost loads the driver.
//!
//! nthost calls a function of its own for every image that it has loaded (`image_loaded`, with
//! the image's name and its base); the script stops there, and goes on by itself.

mod elf;
mod program;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{Artifacts, symbols::SymbolError};

pub use program::{Function, Line, Program};

/// nthost's function that is called for each image: `extern "C"`, with the address of its name,
/// which ends in a NUL, and its base.
pub const HOOK: &str = "image_loaded";

/// The file with the symbols of a driver, whose addresses count from the image's base.
///
/// # Errors
///
/// [`SymbolError`], if the PDB is none.
pub fn symbol_file(pdb: &Path) -> Result<Vec<u8>, SymbolError> {
    let bytes = fs::read(pdb).map_err(|error| SymbolError::Read {
        path: pdb.to_owned(),
        error,
    })?;
    let format = |why: String| SymbolError::Format {
        path: pdb.to_owned(),
        why,
    };
    let program = Program::read(&bytes).map_err(|why| format(why.to_string()))?;
    elf::write(&program).map_err(format)
}

/// What gdb is to do when it starts: attach, take in the symbols of each image as it is loaded,
/// and halt where it is before the first instruction.
#[must_use]
pub fn script(kernel: &Path, directory: &Path, port: u16) -> String {
    let (kernel, directory) = (kernel.display(), directory.display());
    format!(
        "set confirm off\n\
         set pagination off\n\
         set breakpoint pending on\n\
         file {kernel}\n\
         target remote 127.0.0.1:{port}\n\
         hbreak {HOOK}\n\
         commands\n\
         silent\n\
         set language c\n\
         eval \"add-symbol-file '{directory}/%s.symbols' -o 0x%lx\", \
         (char *) $rdi, (unsigned long) $rsi\n\
         set language auto\n\
         continue\n\
         end\n"
    )
}

/// Writes the symbols of these images, found in the artifacts' directories by their PDBs, and
/// the script; gives the script's path. An image without a PDB gets a file without symbols.
///
/// # Errors
///
/// [`SymbolError`], if a file cannot be read or written.
pub fn prepare<'a>(
    artifacts: &Artifacts,
    images: impl IntoIterator<Item = &'a str>,
    port: u16,
) -> Result<PathBuf, SymbolError> {
    let directory = artifacts.directory.join("gdb");
    let failed = |path: &Path, error: io::Error| SymbolError::Read {
        path: path.to_owned(),
        error,
    };
    fs::create_dir_all(&directory).map_err(|error| failed(&directory, error))?;
    let directory = fs::canonicalize(&directory).map_err(|error| failed(&directory, error))?;
    for image in images {
        let pdb = Path::new(image).with_extension("pdb");
        let mut places = artifacts.drivers.iter().map(|place| place.join(&pdb));
        let bytes = match places.find(|path| path.is_file()) {
            Some(pdb) => symbol_file(&pdb)?,
            None => elf::write(&Program::default())
                .map_err(|why| SymbolError::Format { path: pdb, why })?,
        };
        let path = directory.join(format!("{image}.symbols"));
        fs::write(&path, bytes).map_err(|error| failed(&path, error))?;
    }
    let path = directory.join("script.gdb");
    let text = script(&artifacts.kernel, &directory, port);
    fs::write(&path, text).map_err(|error| failed(&path, error))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_takes_symbols_in_where_an_image_is_loaded_and_goes_on() {
        let script = script(Path::new("/a/nthost"), Path::new("/b"), 1234);
        let lines: Vec<_> = script.lines().collect();
        let at = |wanted: &str| lines.iter().position(|line| line.starts_with(wanted));
        assert!(at("target remote 127.0.0.1:1234") < at("hbreak image_loaded"));
        assert!(at("hbreak image_loaded") < at("eval \"add-symbol-file '/b/%s.symbols' -o "));
        assert_eq!(lines[lines.len() - 2..], ["continue", "end"]);
    }
}
