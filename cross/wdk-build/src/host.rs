//! Where the headers and the tools of this host are.

use std::{
    env,
    path::{Path, PathBuf},
};

use crate::ConfigError;

/// The `cross` folder, which holds the overlay headers and the export lists.
pub fn cross() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this crate lies in the `cross` folder")
        .to_owned()
}

/// mingw-w64's include folder: the one with `ddk/ntddk.h` in it.
pub fn mingw_include() -> Result<PathBuf, ConfigError> {
    println!("cargo::rerun-if-env-changed=MINGW_W64_INCLUDE");
    let candidates: Vec<PathBuf> = env::var_os("MINGW_W64_INCLUDE")
        .map(PathBuf::from)
        .into_iter()
        .chain(
            [
                "/usr/share/mingw-w64/include",
                "/usr/x86_64-w64-mingw32/include",
                "/usr/x86_64-w64-mingw32/sys-root/mingw/include",
                "/opt/homebrew/opt/mingw-w64/toolchain-x86_64/x86_64-w64-mingw32/include",
                "/usr/local/opt/mingw-w64/toolchain-x86_64/x86_64-w64-mingw32/include",
            ]
            .map(PathBuf::from),
        )
        .collect();
    candidates
        .iter()
        .find(|folder| folder.join("ddk/ntddk.h").is_file())
        .cloned()
        .ok_or_else(|| ConfigError::Missing {
            what: "mingw-w64's ddk/ntddk.h",
            tried: list(&candidates),
            package: "mingw-w64-x86-64-dev",
        })
}

/// The names under which a tool of LLVM may be found, best first.
pub fn tools(name: &str) -> Vec<String> {
    std::iter::once(name.to_owned())
        .chain((14..=22).rev().map(|version| format!("{name}-{version}")))
        .collect()
}

fn list(paths: &[PathBuf]) -> String {
    let names: Vec<_> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    names.join(", ")
}
