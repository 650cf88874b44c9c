//! The run-time library: strings, memory, formatted output.

pub mod bitmap;
#[cfg(target_os = "none")]
pub mod convert;
#[cfg(target_os = "none")]
pub mod debug_print;
#[cfg(target_os = "none")]
pub mod memory;
pub mod number;
pub mod printf;
#[cfg(target_os = "none")]
pub mod string;
pub mod time;
