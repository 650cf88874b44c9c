//! Why a build cannot be configured.

use std::path::PathBuf;

/// A file that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct IoError {
    path: PathBuf,
    source: std::io::Error,
}

impl IoError {
    /// The failure of an operation on this file.
    pub fn with_path(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self {
            path: path.into(),
            source,
        }
    }
}

/// Why a build cannot be configured.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file could not be read or written.
    #[error(transparent)]
    IoError(#[from] IoError),
    /// The build is not for 64-bit Windows.
    #[error("drivers are built for x86_64-pc-windows-msvc, not for {0}")]
    Target(String),
    /// There are no headers for what was asked.
    #[error("without the WDK there are no headers for {0}: only WDM drivers can be built")]
    NoHeaders(&'static str),
    /// A file of the toolchain is missing.
    #[error("{what} not found; tried {tried}. Debian's package {package} has it")]
    Missing {
        /// What is missing.
        what: &'static str,
        /// Where it was looked for.
        tried: String,
        /// Which package would bring it.
        package: &'static str,
    },
    /// `WDKContentRoot` names something else.
    #[error(
        "no headers of a WDK in {}: there should be Include/<version>/km/wdm.h or \
         Include/km/wdm.h, with km/crt and shared beside it", .0.display()
    )]
    NoWdk(PathBuf),
    /// libclang cannot read the headers.
    #[error(
        "{found} cannot read the headers of WDK 26100 and later; libclang {needed} or later can. \
         Set LIBCLANG_PATH to the folder with its libclang.so (Debian's package libclang1-19, \
         or PyPI's libclang)"
    )]
    OldLibclang {
        /// What was loaded.
        found: String,
        /// Its major version must be this or a later one.
        needed: u32,
    },
    /// A tool failed.
    #[error("{command} failed: {why}")]
    Tool {
        /// How it was called.
        command: String,
        /// What it said.
        why: String,
    },
    /// The C runtime must be linked statically.
    #[error("build with RUSTFLAGS=-Ctarget-feature=+crt-static: a driver has no C runtime DLL")]
    StaticCrtNotEnabled,
}
