//! The registry: an in-memory tree of keys, filled from the manifest and the buses.

pub mod hive;
pub mod value;
