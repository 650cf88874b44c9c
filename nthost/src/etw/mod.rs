//! Event tracing: providers, their events, and the lines that the host reads of them.

#[cfg(target_os = "none")]
pub mod activity;
mod field;
#[cfg(target_os = "none")]
pub mod provider;
pub mod tracelogging;
#[cfg(target_os = "none")]
pub mod wpp;
#[cfg(target_os = "none")]
pub mod write;

#[cfg(target_os = "none")]
pub use provider::drain;
