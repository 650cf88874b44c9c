//! The run-time library: strings, memory, formatted output.

#[cfg(target_os = "none")]
pub mod ansi;
#[cfg(target_os = "none")]
pub mod ansi_conversion;
pub mod balanced;
pub mod bitmap;
pub mod case;
#[cfg(target_os = "none")]
mod code_page;
#[cfg(target_os = "none")]
pub mod convert;
pub mod crt;
#[cfg(target_os = "none")]
pub mod debug_print;
#[cfg(target_os = "none")]
pub mod memory;
pub mod number;
#[cfg(target_os = "none")]
mod oem;
#[cfg(target_os = "none")]
pub mod once;
#[cfg(target_os = "none")]
mod overlap;
#[cfg(target_os = "none")]
pub mod owned;
pub mod printf;
pub mod random;
pub mod resource;
#[cfg(target_os = "none")]
mod routine_address;
pub mod security;
pub mod splay;
pub mod splay_table;
pub mod string;
pub mod table;
pub mod table_index;
pub mod time;
pub mod utf8;
pub mod version;
