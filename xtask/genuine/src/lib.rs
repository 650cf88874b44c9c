//! Compares what this project's Linux build makes of the kernel's interface with what the WDK's
//! own headers say of it.
//!
//! The rule that this stands for: a driver and a kernel that have been compiled apart agree on
//! every byte of what they share. Neither the bindings of the Linux build nor nthost has seen a
//! WDK; `cross/genuine` has the numbers of three of its versions. Both are compared with those by
//! name: every record, routine and enumerator that the drivers' sources name, every structure of
//! nthost, and the signature of every routine that it exports. What cannot be compared is in
//! `cross/genuine/exceptions.tsv`, with its reason.

pub mod bindings;
pub mod compare;
pub mod compare_kernel;
pub mod exceptions;
pub mod headers;
pub mod kernel;
pub mod kind;
pub mod layout;
pub mod sources;
pub mod tables;
#[path = "../../../cross/wdk-build/src/tree.rs"]
pub mod tree;

use std::{io, path::PathBuf};

/// Why a comparison cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A file cannot be read.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file is not what it should be.
    #[error("{}: {what}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The tables have no column for headers this old.
    #[error("these headers are older than those of {0}, the oldest that the tables have")]
    OldHeaders(&'static str),
    /// clang cannot read the headers.
    #[error("{found} cannot read the headers of WDK 26100 and later; {needed} or later can")]
    OldClang {
        /// What there is.
        found: String,
        /// The major version that does.
        needed: u32,
    },
    /// clang refuses more than what is compared.
    #[error("clang: {0}")]
    Clang(String),
    /// wdk-sys has not been built.
    #[error("no bindings below {}: build a driver first", .0.display())]
    NoBindings(PathBuf),
}

/// Reads a file, and says which if that fails.
///
/// # Errors
///
/// [`Fault::File`].
pub fn read(path: impl Into<PathBuf>) -> Result<String, Fault> {
    let path = path.into();
    std::fs::read_to_string(&path).map_err(|error| Fault::File { path, error })
}
