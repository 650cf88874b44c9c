//! Machines to run nthost on, seen from the host.
//!
//! A [`Machine`] is data: a file in `qemu/machines/` says what it has. [`Guest`] is QEMU
//! running one, with nthost as its kernel and an [archive](archive) of drivers. What the guest
//! logs is read by [`serial`], and its stacks get their files and lines from [`symbols`]. The
//! [`Broker`] shares the guest's one port among any number of clients.
//!
//! Unix sockets carry all of it, so only the configurations are there on a Windows host.

pub mod machine;
pub mod manifest;

#[cfg(unix)]
pub mod accelerator;
#[cfg(target_os = "linux")]
mod affinity;
#[cfg(unix)]
pub mod archive;
#[cfg(unix)]
pub mod bench;
#[cfg(unix)]
pub mod broker;
#[cfg(unix)]
pub mod child;
#[cfg(unix)]
pub mod command_line;
#[cfg(unix)]
pub mod coverage;
#[cfg(unix)]
pub mod demo;
#[cfg(unix)]
pub mod device_trace;
#[cfg(unix)]
pub mod explore;
#[cfg(unix)]
pub mod figures;
#[cfg(unix)]
pub mod fuzz;
#[cfg(unix)]
pub mod gdb;
#[cfg(unix)]
pub mod guest;
#[cfg(unix)]
pub mod image_trace;
#[cfg(unix)]
pub mod qmp;
#[cfg(unix)]
pub mod replay;
#[cfg(unix)]
pub mod routines;
#[cfg(unix)]
pub mod serial;
#[cfg(unix)]
pub mod session;
#[cfg(unix)]
mod silence;
#[cfg(unix)]
pub mod soak;
#[cfg(unix)]
pub mod symbols;

pub use machine::Machine;

#[cfg(unix)]
pub use accelerator::Accelerator;
#[cfg(unix)]
pub use broker::Broker;
#[cfg(unix)]
pub use guest::{Ending, Guest, Kernel};
#[cfg(unix)]
pub use session::{Artifacts, Options, Session, SessionError};
