//! DMA adapters of bus masters: what a device can address, map registers, scatter/gather lists,
//! common buffers.
//!
//! A map register is a page of memory that the device can reach, through which a page of a
//! transfer goes that it cannot reach itself: bytes are copied there before a transfer to the
//! device, and from there when a transfer from the device is flushed. With the verifier's DMA
//! checking every page goes through one, so that a driver that does not flush sees none of its
//! data, and one that writes beyond its buffer is found out.
//!
//! Sources: IoGetDmaAdapter, ns-wdm-_dma_operations, "Adapter Objects and DMA", "Splitting DMA
//! Transfer Requests"; bug check 0xE6.
//!
//! Simplified: there are no system DMA controllers, and no adapter is given for one.

pub mod iommu;
pub mod plan;

#[cfg(target_os = "none")]
pub mod adapter;
#[cfg(target_os = "none")]
mod channel;
#[cfg(target_os = "none")]
mod common;
#[cfg(target_os = "none")]
mod list;
#[cfg(target_os = "none")]
mod mapping;
#[cfg(target_os = "none")]
mod misuse;
#[cfg(target_os = "none")]
mod operations;
#[cfg(target_os = "none")]
mod transfer;

#[cfg(target_os = "none")]
pub use misuse::refused;
