//! The verifier: what Driver Verifier checks, with its bug checks.

pub mod lock_order;

#[cfg(target_os = "none")]
pub mod binding;
#[cfg(target_os = "none")]
pub mod breakpoint;
#[cfg(target_os = "none")]
pub mod fault;
#[cfg(target_os = "none")]
pub mod freed;
#[cfg(target_os = "none")]
pub mod gate;
#[cfg(target_os = "none")]
pub mod history;
#[cfg(target_os = "none")]
pub mod irql;
#[cfg(target_os = "none")]
pub mod late_dpc;
#[cfg(target_os = "none")]
pub mod locks;
#[cfg(target_os = "none")]
pub mod noise;
#[cfg(target_os = "none")]
pub mod options;
#[cfg(target_os = "none")]
pub mod rights;
#[cfg(target_os = "none")]
pub mod routine;
#[cfg(target_os = "none")]
pub mod trace;
#[cfg(target_os = "none")]
pub mod unload;
#[cfg(target_os = "none")]
pub mod verdict;
#[cfg(target_os = "none")]
pub mod verifying;

#[cfg(target_os = "none")]
pub use options::is_on;
