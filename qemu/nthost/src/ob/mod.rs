//! The object manager.

pub mod name;
