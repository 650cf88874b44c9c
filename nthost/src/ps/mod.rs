//! Client processes: what the host's clients are to the kernel. Each has an address space, a
//! table of handles and threads that make its system calls; no code of it runs here.

pub mod attach;
mod buffer;
pub mod client;
pub mod identity;
mod information;
mod irp;
mod locked_pages;
pub mod notify;
pub mod open;
mod outstanding;
pub mod process;
pub mod query;
mod registered;
mod section_object;
mod syscall;
pub mod system_thread;
mod view;
mod virtual_memory;

pub use process::{Process, current, dispatch, run};
