//! The object manager.

pub mod name;
pub mod security;
