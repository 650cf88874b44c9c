//! The PCI bus: what a function's configuration space says, the identification strings made of
//! it, and the bus driver that makes a physical device object for each function.

#[cfg(target_os = "none")]
pub(super) mod answer;
pub mod config;
#[cfg(target_os = "none")]
pub mod driver;
#[cfg(test)]
mod fake;
#[cfg(target_os = "none")]
pub mod function;
pub mod ids;
pub mod msi;
pub mod requirements;
