//! Memory that belongs to a driver object, by an address of the driver's choice.
//!
//! Sources: IoAllocateDriverObjectExtension, IoGetDriverObjectExtension.

use alloc::collections::BTreeMap;
use core::{ffi::c_void, ptr::null_mut};

use nthost_nt::{
    io::driver::DRIVER_OBJECT,
    status::{
        NTSTATUS, STATUS_INSUFFICIENT_RESOURCES, STATUS_OBJECT_NAME_COLLISION, STATUS_SUCCESS,
    },
};

use crate::{ke::lock::SpinLock, mm::guarded};

/// By driver object and identification address: the extension. A leaf.
static EXTENSIONS: SpinLock<BTreeMap<(usize, usize), usize>> = SpinLock::new(BTreeMap::new());

/// Frees the extensions of a driver object.
pub fn free_all(driver: *mut DRIVER_OBJECT) {
    let mut extensions = EXTENSIONS.lock();
    extensions.retain(|&(owner, _), &mut memory| {
        if owner == driver.addr() {
            guarded::free(core::ptr::with_exposed_provenance_mut(memory));
        }
        owner != driver.addr()
    });
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    fails: STATUS_INSUFFICIENT_RESOURCES;
    /// Allocates zeroed memory for a driver object under an address that names it.
    ///
    /// Source: IoAllocateDriverObjectExtension.
    ///
    /// # Safety
    ///
    /// `extension` can be written.
    pub unsafe fn IoAllocateDriverObjectExtension(
        driver: *mut DRIVER_OBJECT,
        id: *mut c_void,
        size: u32,
        extension: *mut *mut c_void,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        unsafe { extension.write(null_mut()) };
        let mut extensions = EXTENSIONS.lock();
        let key = (driver.addr(), id.addr());
        if extensions.contains_key(&key) {
            return STATUS_OBJECT_NAME_COLLISION;
        }
        let Some(memory) = guarded::allocate(size as usize) else {
            return STATUS_INSUFFICIENT_RESOURCES;
        };
        extensions.insert(key, memory.expose_provenance());
        // SAFETY: the caller's promise.
        unsafe { extension.write(memory.cast()) };
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// The memory of a driver object under this address; null if there is none.
    ///
    /// Source: IoGetDriverObjectExtension.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn IoGetDriverObjectExtension(driver: *mut DRIVER_OBJECT, id: *mut c_void) -> *mut c_void {
        let memory = EXTENSIONS.lock().get(&(driver.addr(), id.addr())).copied();
        memory.map_or(null_mut(), core::ptr::with_exposed_provenance_mut)
    }
}
