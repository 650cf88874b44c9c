//! Boots a person's own Windows image on the machines of this project: the same processors,
//! nodes and devices that nthost gets, with firmware, an overlay that keeps the image as it is,
//! and the driver package on a disk of its own.
//!
//! As with nthost's machines, the host is one with Unix sockets; elsewhere the crate is empty.
#![cfg(unix)]

pub mod arguments;
pub mod command_line;
pub mod disk;
pub mod firmware;
pub mod image;
pub mod run;

pub use arguments::Arguments;
pub use run::{Machine, VmError, prepare, run};
