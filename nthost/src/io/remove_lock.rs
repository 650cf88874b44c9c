//! Remove locks: they count who uses a device, and let its removal wait for them.
//!
//! Sources: IoInitializeRemoveLock, IoAcquireRemoveLock, IoReleaseRemoveLock,
//! IoReleaseRemoveLockAndWait, "Using Remove Locks".

use core::{
    ffi::c_void,
    mem::size_of,
    sync::atomic::{AtomicI32, AtomicU8, Ordering},
};

use nthost_nt::{
    io::remove_lock::{CHECKED_REMOVE_LOCK, IO_REMOVE_LOCK_COMMON_BLOCK},
    status::{NTSTATUS, STATUS_DELETE_PENDING, STATUS_SUCCESS, STATUS_TIMEOUT},
};

use crate::{
    hook,
    ke::{
        event::{KeInitializeEvent, KeSetEvent},
        wait_for::KeWaitForSingleObject,
    },
};

/// How long a removal waits before it is told who keeps it: two seconds, in units of 100 ns.
static PATIENCE: i64 = -20_000_000;

/// # Safety
///
/// It is an initialized lock.
unsafe fn count<'a>(lock: *mut IO_REMOVE_LOCK_COMMON_BLOCK) -> &'a AtomicI32 {
    // SAFETY: the caller's promise.
    let count = unsafe { &raw mut (*lock).IoCount };
    // SAFETY: as above; it is only used through these routines.
    unsafe { AtomicI32::from_ptr(count) }
}

/// # Safety
///
/// It is an initialized lock.
unsafe fn removed<'a>(lock: *mut IO_REMOVE_LOCK_COMMON_BLOCK) -> &'a AtomicU8 {
    // SAFETY: the caller's promise.
    let removed = unsafe { &raw mut (*lock).Removed };
    // SAFETY: as above; it is only used through these routines.
    unsafe { AtomicU8::from_ptr(removed) }
}

/// # Safety
///
/// The lock is held once by the caller.
unsafe fn release(lock: *mut IO_REMOVE_LOCK_COMMON_BLOCK) {
    // SAFETY: the caller's promise.
    let count = unsafe { count(lock) };
    // AcqRel: what was done under the lock comes before the removal that waits for it.
    if count.fetch_sub(1, Ordering::AcqRel) == 1 {
        // SAFETY: the removal waits for the event, so the lock is still there.
        let event = unsafe { &raw mut (*lock).RemoveEvent };
        // SAFETY: as above.
        unsafe { KeSetEvent(event, 0, 0) };
    }
}

/// # Safety
///
/// It is an initialized lock.
unsafe fn acquire(lock: *mut IO_REMOVE_LOCK_COMMON_BLOCK) -> NTSTATUS {
    // SAFETY: the caller's promise.
    let count = unsafe { count(lock) };
    // SeqCst: with the store of `Removed` and its decrement, either the removal waits for this
    // acquisition or this one sees the removal.
    count.fetch_add(1, Ordering::SeqCst);
    // SAFETY: the caller's promise.
    if unsafe { removed(lock) }.load(Ordering::SeqCst) == 0 {
        return STATUS_SUCCESS;
    }
    // SAFETY: acquired above.
    unsafe { release(lock) };
    STATUS_DELETE_PENDING
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Makes a remove lock. The limits of a checked build's lock are not watched.
    ///
    /// Source: IoInitializeRemoveLock, a macro for this routine.
    ///
    /// # Safety
    ///
    /// `lock` is resident memory of `size` bytes.
    pub unsafe fn IoInitializeRemoveLockEx(
        lock: *mut IO_REMOVE_LOCK_COMMON_BLOCK,
        _tag: u32,
        _max_locked_minutes: u32,
        _high_watermark: u32,
        size: u32,
    ) {
        let whole = size_of::<CHECKED_REMOVE_LOCK>();
        let bytes = if size as usize == whole {
            whole
        } else {
            size_of::<IO_REMOVE_LOCK_COMMON_BLOCK>()
        };
        hook::remove_lock_made(lock);
        // SAFETY: the caller's promise.
        unsafe { lock.cast::<u8>().write_bytes(0, bytes) };
        // SAFETY: zeroes are a value of each field.
        let fields = unsafe { &mut *lock };
        fields.IoCount = 1;
        // SAFETY: within the lock. A notification event, not set.
        unsafe { KeInitializeEvent(&raw mut fields.RemoveEvent, 0, 0) };
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Counts a use of the device, unless it is being removed: then STATUS_DELETE_PENDING.
    ///
    /// Source: IoAcquireRemoveLock, a macro for this routine.
    ///
    /// # Safety
    ///
    /// It is an initialized lock.
    pub unsafe fn IoAcquireRemoveLockEx(
        lock: *mut IO_REMOVE_LOCK_COMMON_BLOCK,
        tag: *mut c_void,
        _file: *const u8,
        _line: u32,
        _size: u32,
    ) -> NTSTATUS {
        let caller = crate::export::caller() as usize;
        // SAFETY: the caller's promise.
        let status = unsafe { acquire(lock) };
        if status == STATUS_SUCCESS {
            hook::remove_lock_acquired(lock, tag.addr(), caller);
        }
        status
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Counts a use off.
    ///
    /// Source: IoReleaseRemoveLock, a macro for this routine.
    ///
    /// # Safety
    ///
    /// The caller has acquired the lock with this tag.
    pub unsafe fn IoReleaseRemoveLockEx(
        lock: *mut IO_REMOVE_LOCK_COMMON_BLOCK,
        tag: *mut c_void,
        _size: u32,
    ) {
        hook::remove_lock_releasing(lock, tag.addr(), false);
        // SAFETY: the caller's promise.
        unsafe { release(lock) };
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Counts a use off, lets nobody acquire the lock any more, and waits until nobody uses the
    /// device.
    ///
    /// Source: IoReleaseRemoveLockAndWait, a macro for this routine.
    ///
    /// # Safety
    ///
    /// As IoReleaseRemoveLockEx; called once for a lock.
    pub unsafe fn IoReleaseRemoveLockAndWaitEx(
        lock: *mut IO_REMOVE_LOCK_COMMON_BLOCK,
        tag: *mut c_void,
        _size: u32,
    ) {
        hook::remove_lock_releasing(lock, tag.addr(), true);
        // SAFETY: the caller's promise.
        // SeqCst: see `acquire`.
        unsafe { removed(lock) }.store(1, Ordering::SeqCst);
        // The caller's own use, and the one that the lock began with.
        // SAFETY: the caller's promise.
        unsafe { release(lock) };
        // SAFETY: as above.
        unsafe { release(lock) };
        // SAFETY: within the lock.
        let event = unsafe { &raw mut (*lock).RemoveEvent };
        // SAFETY: an initialized event.
        let status = unsafe { KeWaitForSingleObject(event.cast(), 0, 0, 0, &raw const PATIENCE) };
        if status == STATUS_TIMEOUT {
            hook::remove_lock_kept(lock);
            // SAFETY: as above.
            unsafe { KeWaitForSingleObject(event.cast(), 0, 0, 0, core::ptr::null()) };
        }
    }
}
