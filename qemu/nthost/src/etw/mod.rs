//! Event tracing: providers, their events, and the lines that the host reads of them.

mod field;
#[cfg(target_os = "none")]
pub mod provider;
pub mod tracelogging;

#[cfg(target_os = "none")]
pub use provider::drain;
