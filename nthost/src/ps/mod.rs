//! Client processes: what the host's clients are to the kernel. Each has an address space, a
//! table of handles and threads that make its system calls; no code of it runs here.

pub mod attach;
mod buffer;
pub mod identity;
mod information;
mod irp;
mod locked_pages;
pub mod notify;
pub mod open;
pub mod process;
pub mod query;
mod registered;
mod syscall;
pub mod system_thread;

pub use process::{Process, current, dispatch};
pub use system_thread::reference;
