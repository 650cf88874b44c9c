//! The security reference monitor: who runs, and what of an object that one may have.

pub mod access;
pub mod identity;
pub mod information;
pub mod names;
pub mod sddl;
pub mod well_known;

#[cfg(target_os = "none")]
pub mod access_state;
#[cfg(target_os = "none")]
pub mod impersonation;
#[cfg(target_os = "none")]
pub mod object;
#[cfg(target_os = "none")]
mod query;
#[cfg(target_os = "none")]
pub mod subject;
#[cfg(target_os = "none")]
pub mod token;
