//! Boots Windows on the machines of this project: the same processors, nodes and devices that
//! nthost gets, with firmware, an overlay that keeps the image as it is, and the driver package on
//! a disk of its own. A person looks at it ([`run`](mod@run)); or it runs by itself, to be
//! installed from its medium ([`install`]) or to verify the driver ([`verify`]).
//!
//! As with nthost's machines, the host is one with Unix sockets; elsewhere the crate is empty.
#![cfg(unix)]

pub mod answer;
pub mod arguments;
pub mod command_line;
mod contents;
pub mod disk;
mod emulator;
pub mod firmware;
pub mod image;
pub mod install;
pub mod protocol;
pub mod results;
pub mod run;
pub mod unattended;
pub mod verify;
pub mod watch;

pub use arguments::Arguments;
pub use run::{Machine, VmError, prepare, run};
