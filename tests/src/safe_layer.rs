//! The compiler, for what is compiled against the safe layer as `cargo xtask build` has left it.

use std::path::{Path, PathBuf};

const TARGET: &str = "x86_64-pc-windows-msvc";

/// The arguments by which rustc compiles for the drivers' target against the safe layer, without
/// making code. None after Debian's compiler, which leaves no library; see `cargo xtask build`.
#[must_use]
pub fn arguments() -> Option<Vec<String>> {
    let root = root();
    let library = root.join("target/out/libwdm.rlib");
    if !library.exists() {
        println!("no {}: nothing to compile against", library.display());
        return None;
    }
    // Its dependencies, and the macros that they are compiled with, which run on this machine.
    let dependencies = root.join(format!("target/driver/{TARGET}/release/deps"));
    let macros = root.join("target/driver/release/deps");
    Some(vec![
        "--emit=metadata".to_owned(),
        format!("--target={TARGET}"),
        format!("--extern=wdm={}", library.display()),
        format!("-Ldependency={}", dependencies.display()),
        format!("-Ldependency={}", macros.display()),
    ])
}

/// The project's folder.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
