//! Memory that the processor and the device both reach, for as long as the driver wants.
//!
//! The rule of the kernel this stands for: a common buffer is allocated and freed at PASSIVE_LEVEL,
//! by the adapter of the device. (nc-wdm-pallocate_common_buffer.)

use core::ptr::NonNull;

use wdk_sys::{BOOLEAN, PHYSICAL_ADDRESS};

use super::Adapter;
use crate::{
    Result, Status,
    irql::{self, Limit, Passive},
    pool::Shared,
};

/// Memory that device and driver share for as long as it is allocated. Dropped at PASSIVE_LEVEL, it
/// is given back.
///
/// It is what a driver copies through when a list that the adapter has made leaves the device's
/// reach all the same.
pub struct CommonBuffer {
    adapter: Shared<Adapter>,
    pub(super) address: NonNull<u8>,
    logical: PHYSICAL_ADDRESS,
    length: u32,
}

// SAFETY: the memory belongs to no thread.
unsafe impl Send for CommonBuffer {}

/// Whether the processor caches common buffers. It may: what moves through one is copied before
/// the device is told, and after the device has said that it is done.
const CACHED: BOOLEAN = 1;

impl CommonBuffer {
    /// Allocates memory that the adapter's device reaches.
    ///
    /// Source: nc-wdm-pallocate_common_buffer.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn allocate(adapter: Shared<Adapter>, length: u32, _irql: &Passive) -> Result<Self> {
        let Some(allocate) = adapter.operations().AllocateCommonBuffer else {
            return Err(Status::NOT_SUPPORTED);
        };
        let mut logical = PHYSICAL_ADDRESS { QuadPart: 0 };
        // SAFETY: at PASSIVE_LEVEL, by an adapter that is not given back.
        let address = unsafe { allocate(adapter.0.as_ptr(), length, &raw mut logical, CACHED) };
        let address = NonNull::new(address.cast()).ok_or(Status::INSUFFICIENT_RESOURCES)?;
        Ok(Self {
            adapter,
            address,
            logical,
            length,
        })
    }

    /// Frees it.
    pub fn close(self, _irql: &mut Passive) {}

    /// Its address, as the device must be told.
    #[must_use]
    pub fn logical_address(&self) -> u64 {
        // SAFETY: every bit pattern of the union is a number.
        unsafe { self.logical.QuadPart }.cast_unsigned()
    }

    /// Its length in bytes.
    #[must_use]
    pub const fn length(&self) -> u32 {
        self.length
    }
}

impl Drop for CommonBuffer {
    fn drop(&mut self) {
        irql::expect_at_most(Limit::Passive, self.address.as_ptr());
        if let Some(free) = self.adapter.operations().FreeCommonBuffer {
            // SAFETY: allocated by this adapter with this length, and freed once; the device does
            // not use it any more. At PASSIVE_LEVEL, as checked.
            unsafe {
                free(
                    self.adapter.0.as_ptr(),
                    self.length,
                    self.logical,
                    self.address.as_ptr().cast(),
                    CACHED,
                );
            };
        }
    }
}
