//! How a driver is linked: the linker's arguments, and import libraries made from export lists.
//!
//! An export list (`cross/exports/*.def`) names what drivers of ours may import, and no more:
//! whatever is not in it does not link. See the lists for their sources.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{ConfigError, IoError, host};

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
pub fn configure() -> Result<(), ConfigError> {
    if !env::var("CARGO_CFG_TARGET_FEATURE")
        .unwrap_or_default()
        .contains("crt-static")
    {
        return Err(ConfigError::StaticCrtNotEnabled);
    }
    let folder = PathBuf::from(env::var_os("OUT_DIR").expect("a build script has OUT_DIR"));
    let exports = host::cross().join("exports");
    println!("cargo::rerun-if-changed={}", exports.display());
    for library in LIBRARIES {
        let list = exports.join(library).with_extension("def");
        import_library(&list, &folder.join(library).with_extension("lib"))?;
    }
    println!("cargo::rustc-link-search=native={}", folder.display());
    for argument in ARGUMENTS {
        println!("cargo::rustc-cdylib-link-arg={argument}");
    }
    Ok(())
}

fn import_library(list: &Path, library: &Path) -> Result<(), ConfigError> {
    if !list.is_file() {
        let missing = std::io::ErrorKind::NotFound.into();
        return Err(IoError::with_path(list, missing).into());
    }
    let mut tried = Vec::new();
    for tool in host::tools("llvm-dlltool") {
        let output = Command::new(&tool)
            .args(["-m", "i386:x86-64", "-d"])
            .arg(list)
            .arg("-l")
            .arg(library)
            .output();
        match output {
            Ok(output) if output.status.success() => return Ok(()),
            Ok(output) => {
                // A failed tool may leave half a library behind.
                drop(fs::remove_file(library));
                return Err(ConfigError::Tool {
                    command: format!("{tool} -d {}", list.display()),
                    why: String::from_utf8_lossy(&output.stderr).into_owned(),
                });
            }
            Err(_) => tried.push(tool),
        }
    }
    Err(ConfigError::Missing {
        what: "llvm-dlltool",
        tried: tried.join(", "),
        package: "llvm",
    })
}
