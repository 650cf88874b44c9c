//! The executive: what the rest of the kernel and drivers share.

#[cfg(target_os = "none")]
pub mod worker;
