//! nthost
#![cfg_attr(target_os = "none", no_std)]
extern crate alloc;

pub mod etw;
pub mod io;
pub mod manifest;
pub mod ob;
pub mod pnp;
pub mod registry;
