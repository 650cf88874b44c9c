//! Drivers' images: checked, laid out in memory, relocated, bound to what they import, and
//! unwound through.
//!
//! Source: "PE Format" and "x64 exception handling" of the Windows documentation.

pub mod checksum;
pub mod fault;
pub mod guard;
pub mod image;
#[cfg(target_os = "none")]
mod loaded;
#[cfg(target_os = "none")]
pub mod module;
#[cfg(target_os = "none")]
mod section;
pub mod unwind;

pub use fault::Fault;
pub use image::{Image, Import};
