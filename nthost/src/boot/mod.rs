//! From the loader's entry to the first thread: memory, interrupts, processors, in that order.

pub mod order;
#[cfg(target_os = "none")]
pub mod processors;
#[cfg(target_os = "none")]
pub mod pvh;
#[cfg(target_os = "none")]
mod start;
