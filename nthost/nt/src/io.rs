//! The structures of the I/O manager: device and driver objects, IRPs, resources, interrupts,
//! DMA adapters, and what plug and play sends down a stack.
//!
//! Field names and meanings are those of the WDM reference; each type names its page. Fields
//! that drivers may not touch are `reserved` here and used by nothing.

mod access;
pub mod create;
pub mod csq;
pub mod device;
pub mod dma;
pub mod driver;
pub mod file;
pub mod interface;
pub mod interrupt;
pub mod irp;
pub mod major;
pub mod pnp;
pub mod property;
pub mod remove_lock;
pub mod resource;
pub mod stack;
