//! The I/O manager.

pub mod dispatch_rules;
pub mod record;
