//! What `eduwdm.sys` decides, apart from the kernel.
//!
//! Nothing here calls the operating system, so all of it is tested on the host: hand-offs between
//! processors under every interleaving (`loom`), validation and splitting for any input
//! (`proptest`).
#![cfg_attr(not(any(test, feature = "loom")), no_std)]

mod atomic;
pub mod factorial;
pub mod handoff;
pub mod interrupt_bits;
pub mod request;
pub mod transfer;
pub mod watchdog;
