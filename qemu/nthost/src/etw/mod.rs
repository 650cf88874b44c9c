//! Event tracing: providers, their events, and the lines that the host reads of them.

mod field;
pub mod tracelogging;
