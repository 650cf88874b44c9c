//! Where things are in the project.

use std::path::{Path, PathBuf};

/// The file by which a release is known: it lies beside the program.
pub const RELEASE: &str = "nthost-release";

/// The folder of the release that this program is part of, if it is: there is no project then, and
/// nothing to build.
pub fn release() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let folder = program.parent()?;
    folder.join(RELEASE).is_file().then(|| folder.to_owned())
}

/// The project's folder, or the release's.
pub fn root() -> PathBuf {
    release().unwrap_or_else(project)
}

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this crate lies in the project's folder")
        .to_owned()
}

/// Where cargo builds the host workspace.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Where what was built is collected, under the names it is used by.
pub fn out() -> PathBuf {
    release().unwrap_or_else(|| target().join("out"))
}

/// Where running machines have their sockets.
#[cfg(unix)]
pub fn machines() -> PathBuf {
    if release().is_some() {
        eductl::nthost::runtime_directory()
    } else {
        target().join("nthost")
    }
}

/// The driver workspace: cargo, when it is run there, takes the flags from its configuration.
pub fn driver() -> PathBuf {
    root().join("driver")
}

/// Where the driver workspace is built: its lock file and its profiles are its own.
pub fn driver_target() -> PathBuf {
    // The published wdk-build takes the first folder above its own output that has a Cargo.lock
    // for the driver's workspace, and reads the driver's model from the manifest there. (Its
    // `find_top_level_cargo_manifest`.)
    if cfg!(windows) {
        driver().join("target")
    } else {
        target().join("driver")
    }
}
