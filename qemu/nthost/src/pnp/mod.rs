//! Plug and play.

pub mod pci;
