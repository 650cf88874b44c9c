//! `nthost`: a small NT-compatible test kernel. It boots in QEMU, loads unmodified WDM drivers
//! and gives them the kernel routines that they import, on real virtual hardware.
//!
//! One module stands for each component of the kernel, and each names the documentation that
//! it follows. What is simplified is listed in `README.md` with its consequence. Modules that
//! need no hardware compile for the host too, where their unit tests run.
#![cfg_attr(target_os = "none", no_std)]
#![cfg_attr(naked_attribute_is_unstable, feature(naked_functions))]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "nthost runs on amd64 alone, and cuts addresses and registers into fields all the time"
)]
#![allow(
    clippy::cast_ptr_alignment,
    clippy::not_unsafe_ptr_arg_deref,
    reason = "kernel objects are known by their addresses; drivers' own calls are unsafe"
)]
extern crate alloc;

#[macro_use]
pub mod export;
#[cfg(target_os = "none")]
#[macro_use]
pub mod log;
#[cfg(target_os = "none")]
#[macro_use]
mod naked;

pub mod boot;
pub mod dma;
#[cfg(target_os = "none")]
pub mod driver_routine;
pub mod etw;
pub mod ex;
#[cfg(target_os = "none")]
pub mod exercise;
pub mod hal;
pub mod hook;
#[cfg(target_os = "none")]
pub mod host;
pub mod io;
pub mod ke;
pub mod manifest;
pub mod mm;
pub mod ob;
#[cfg(target_os = "none")]
mod panic;
pub mod pe;
pub mod pnp;
pub mod po;
#[cfg(target_os = "none")]
pub mod ps;
pub mod registry;
pub mod rtl;
pub mod se;
#[cfg(target_os = "none")]
pub mod selftest;
pub mod switches;
#[cfg(target_os = "none")]
pub mod system;
pub mod transport;
pub mod verifier;
pub mod wmi;
