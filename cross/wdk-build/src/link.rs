//! How a driver is linked: the linker's arguments, import libraries made from export lists, and
//! what Control Flow Guard needs of a run-time library.
//!
//! An export list (`cross/exports/*.def`) names what drivers of ours may import, and no more:
//! whatever is not in it does not link. See the lists for their sources. A genuine WDK's import
//! libraries are taken where they are there.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{ConfigError, IoError, host, tree::Tree};

/// The import libraries of the kernel and the HAL.
pub const LIBRARIES: [&str; 2] = ["ntoskrnl", "hal"];

/// The arguments for a WDM driver; the published crate passes the same. What each is for is in
/// the linker's documentation under its name.
const ARGUMENTS: [&str; 15] = [
    "/DRIVER",
    "/NODEFAULTLIB",
    "/SUBSYSTEM:NATIVE",
    "/KERNEL",
    "/ENTRY:DriverEntry",
    "/NXCOMPAT",
    "/DYNAMICBASE",
    "/MAP",
    "/MAPINFO:EXPORTS",
    "/OPT:REF,ICF",
    "/INTEGRITYCHECK",
    "/MANIFEST:NO",
    // rust-lld fills in the image's checksum only when told so.
    "/RELEASE",
    "/DEBUG",
    // The same sources give the same image.
    "/BREPRO",
];

/// Makes the import libraries and prints the linker's arguments.
pub fn configure(wdk: Option<&Tree>) -> Result<(), ConfigError> {
    if !env::var("CARGO_CFG_TARGET_FEATURE")
        .unwrap_or_default()
        .contains("crt-static")
    {
        return Err(ConfigError::StaticCrtNotEnabled);
    }
    let folder = PathBuf::from(env::var_os("OUT_DIR").expect("a build script has OUT_DIR"));
    if let Some(libraries) = wdk.and_then(Tree::libraries) {
        println!("cargo::rustc-link-search={}", libraries.display());
    } else {
        let exports = host::cross().join("exports");
        println!("cargo::rerun-if-changed={}", exports.display());
        for library in LIBRARIES {
            let list = exports.join(library).with_extension("def");
            import_library(&list, &folder.join(library).with_extension("lib"))?;
        }
    }
    // The crate `tracelogging` names this library for its user-mode half, of which nothing is
    // linked: an archive with nothing in it does.
    let empty = folder.join("rpcrt4.lib");
    fs::write(&empty, b"!<arch>\n").map_err(|error| IoError::with_path(&empty, error))?;
    println!("cargo::rustc-link-search=native={}", folder.display());
    let guard = host::cross().join("runtime/guard.s");
    println!("cargo::rerun-if-changed={}", guard.display());
    let object = folder.join("guard.obj");
    assemble(&guard, &object)?;
    println!("cargo::rustc-cdylib-link-arg={}", object.display());
    for argument in ARGUMENTS {
        println!("cargo::rustc-cdylib-link-arg={argument}");
    }
    Ok(())
}

fn import_library(list: &Path, library: &Path) -> Result<(), ConfigError> {
    let arguments = ["-m", "i386:x86-64", "-d"].map(OsStr::new);
    let to = [OsStr::new("-l"), library.as_os_str()];
    make("llvm-dlltool", "llvm", &arguments, list, &to, library)
}

fn assemble(source: &Path, object: &Path) -> Result<(), ConfigError> {
    let arguments = ["--target=x86_64-pc-windows-msvc", "-c"].map(OsStr::new);
    let to = [OsStr::new("-o"), object.as_os_str()];
    make("clang", "clang", &arguments, source, &to, object)
}

/// Makes a file of another by a tool of LLVM, under whichever of its names it is there.
fn make(
    what: &'static str,
    package: &'static str,
    arguments: &[&OsStr],
    from: &Path,
    to: &[&OsStr],
    made: &Path,
) -> Result<(), ConfigError> {
    if !from.is_file() {
        let missing = std::io::ErrorKind::NotFound.into();
        return Err(IoError::with_path(from, missing).into());
    }
    let mut tried = Vec::new();
    for tool in host::tools(what) {
        let output = Command::new(&tool)
            .args(arguments)
            .arg(from)
            .args(to)
            .output();
        match output {
            Ok(output) if output.status.success() => return Ok(()),
            Ok(output) => {
                // A failed tool may leave half a file behind.
                drop(fs::remove_file(made));
                return Err(ConfigError::Tool {
                    command: format!("{tool} … {}", from.display()),
                    why: String::from_utf8_lossy(&output.stderr).into_owned(),
                });
            }
            Err(_) => tried.push(tool),
        }
    }
    Err(ConfigError::Missing {
        what,
        tried: tried.join(", "),
        package,
    })
}
