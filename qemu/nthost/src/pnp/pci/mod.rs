//! The PCI bus: what a function's configuration space says, the identification strings made of
//! it, and the bus driver that makes a physical device object for each function.

pub mod config;
#[cfg(test)]
mod fake;
pub mod ids;
pub mod msi;
