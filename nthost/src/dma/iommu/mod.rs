//! The IOMMU: a device reaches the memory that an adapter has mapped for it, as long as it is
//! mapped, and nothing else. What it tries besides is a bug check with its address, whenever
//! it happens: also when the adapter is given back, and the device writes on.
//!
//! A device addresses memory as the processors do; what an adapter maps are rights to its pages.
//!
//! Sources: "Kernel DMA Protection"; bug check 0xE6, code 0x26; Intel Virtualization Technology
//! for Directed I/O, architecture specification, chapters 3, 6, 7, 9 and 10 (legacy mode).

pub mod table;

#[cfg(target_os = "none")]
pub mod domain;
#[cfg(target_os = "none")]
pub mod unit;
