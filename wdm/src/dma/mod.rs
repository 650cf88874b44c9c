//! Direct memory access: the adapter, and memory mapped for the device.
//!
//! The rule of the kernel this stands for: a device is never told a physical address that the
//! driver found by itself. The DMA adapter makes a list of addresses that the device can reach,
//! copying through buffers of its own where it must, and the driver gives the list back before
//! anybody looks at the memory again. ("Using Scatter/Gather DMA", ns-wdm-_dma_operations.)
//!
//! `KeFlushIoBuffers` is not called for the memory: on x64 caches and DMA are coherent, and it does
//! nothing. ("Flushing Cached Data during DMA Operations".)
//!
//! The IRP of a transfer is inside of what is mapped ([`Mapped`]), and comes out only when it is
//! unmapped: it cannot be completed while the device may still write to its memory.
//!
//! # Example
//!
//! ```
//! use wdm::{
//!     Status,
//!     dma::{Channel, Direction, ListControl, Mapped, TransferMemory},
//!     irp::{Irp, Pending},
//!     irql::Dispatch,
//! };
//!
//! struct Engine;
//!
//! impl ListControl for Engine {
//!     fn mapped(&self, mapped: Mapped<Self>, irql: &mut Dispatch) {
//!         // The device is told of this. The DPC of its interrupt unmaps.
//!         let _first = mapped.element(0);
//!         let (memory, _channel) = mapped.unmap(irql);
//!         memory.into_irp(512).complete(Status::SUCCESS, irql);
//!     }
//! }
//!
//! /// Maps the memory of a read with direct I/O.
//! fn read(channel: Channel<Engine>, irp: Irp<Pending>, irql: &mut Dispatch) {
//!     match TransferMemory::direct(irp) {
//!         Ok(memory) => {
//!             if let Err(not) = channel.map(memory, 512, Direction::FromDevice, irql) {
//!                 not.memory.into_irp(0).complete(not.status, irql);
//!             }
//!         }
//!         Err(irp) => irp.complete(Status::INVALID_PARAMETER, irql),
//!     }
//! }
//! ```

mod channel;
mod common_buffer;
mod memory;

use core::ptr::NonNull;

use wdk_sys::{
    _INTERFACE_TYPE::PCIBus, DEVICE_DESCRIPTION, DEVICE_DESCRIPTION_VERSION3, DMA_ADAPTER,
    DMA_OPERATIONS, ntddk::IoGetDmaAdapter,
};

use crate::{Result, Status, device::PhysicalDevice, irql::Passive};

pub use self::{
    channel::{Channel, Direction, ListControl, Mapped, NotMapped},
    common_buffer::CommonBuffer,
    memory::TransferMemory,
};

/// What a bus-master device can do.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// How many bits its DMA addresses have.
    pub address_width: u32,
    /// The most bytes that it moves for one request.
    pub maximum_length: u32,
}

/// A DMA adapter. Dropped at PASSIVE_LEVEL, it is given back.
pub struct Adapter(NonNull<DMA_ADAPTER>);

// SAFETY: the adapter's routines synchronise themselves.
unsafe impl Send for Adapter {}
// SAFETY: likewise.
unsafe impl Sync for Adapter {}

impl Adapter {
    /// Gets the adapter of a PCI device that is a bus master.
    ///
    /// Source: nf-wdm-iogetdmaadapter, ns-wdm-_device_description.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if there is none, or if it can map fewer pages at once
    /// than a request may need.
    pub fn get(
        physical: PhysicalDevice<'_>,
        description: Description,
        _irql: &Passive,
    ) -> Result<Self> {
        const PAGE_SIZE: u32 = 4096;
        let mut raw_description = DEVICE_DESCRIPTION {
            Version: DEVICE_DESCRIPTION_VERSION3,
            Master: 1,
            ScatterGather: 1,
            InterfaceType: PCIBus,
            MaximumLength: description.maximum_length,
            DmaAddressWidth: description.address_width,
            ..Default::default()
        };
        let mut map_registers = 0;
        // SAFETY: a PDO, at PASSIVE_LEVEL.
        let adapter = unsafe {
            IoGetDmaAdapter(
                physical.as_ptr(),
                &raw mut raw_description,
                &raw mut map_registers,
            )
        };
        let adapter = NonNull::new(adapter)
            .map(Self)
            .ok_or(Status::INSUFFICIENT_RESOURCES)?;
        // A buffer that begins in the middle of a page takes one more.
        let needed = description.maximum_length.div_ceil(PAGE_SIZE) + 1;
        if map_registers < needed {
            return Err(Status::INSUFFICIENT_RESOURCES);
        }
        Ok(adapter)
    }

    fn operations(&self) -> &DMA_OPERATIONS {
        // SAFETY: valid until it is given back.
        let operations = unsafe { (*self.0.as_ptr()).DmaOperations };
        // SAFETY: likewise.
        unsafe { &*operations }
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        if let Some(put) = self.operations().PutDmaAdapter {
            // SAFETY: got by `get`, given back once; nothing is mapped by it any more, since all
            // that is mapped owns a share of it.
            unsafe { put(self.0.as_ptr()) };
        }
    }
}
