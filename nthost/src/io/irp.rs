//! IRPs: made, used again, freed.
//!
//! Sources: IoAllocateIrp, IoFreeIrp, IoReuseIrp, IoInitializeIrp; "Bug Check 0xC9".

use core::{ffi::c_void, mem::size_of, ptr::null_mut};

use nthost_nt::{
    io::{
        device::DEVICE_OBJECT,
        irp::{IO_STATUS_BLOCK, IO_TYPE_IRP, IRP},
        stack::IO_STACK_LOCATION,
    },
    ke::LIST_ENTRY,
    status::NTSTATUS,
};

pub use super::origin::{Origin, is_sent, set_sent};
use super::{irp_lookaside, thread_end, verify};
use crate::{hook, mm::guarded};

/// Bytes of an IRP with its stack locations (`IoSizeOfIrp`).
#[must_use]
pub const fn size(stack_count: i8) -> usize {
    size_of::<IRP>() + stack_count as usize * size_of::<IO_STACK_LOCATION>()
}

/// Makes an IRP of memory.
///
/// # Safety
///
/// The memory is this large, and the caller's.
unsafe fn initialize(irp: *mut IRP, packet_size: u16, stack_count: i8, allocation_flags: u8) {
    // SAFETY: the caller's promise.
    unsafe { irp.cast::<u8>().write_bytes(0, packet_size.into()) };
    // SAFETY: zeroes are a value of each field.
    let fields = unsafe { &mut *irp };
    fields.Type = IO_TYPE_IRP;
    fields.Size = packet_size;
    fields.StackCount = stack_count;
    // A CCHAR, which wraps.
    fields.CurrentLocation = stack_count.wrapping_add(1);
    fields.AllocationFlags = allocation_flags;
    let head = &raw mut fields.ThreadListEntry;
    fields.ThreadListEntry = LIST_ENTRY {
        Flink: head,
        Blink: head,
    };
    // SAFETY: the stack locations lie behind the IRP.
    let first = unsafe { irp.add(1) }.cast::<IO_STACK_LOCATION>();
    // SAFETY: one behind the last of them, at the end of the memory.
    let behind = unsafe { first.add(stack_count as usize) };
    fields.overlay_mut().CurrentStackLocation = behind;
}

/// Makes an IRP; null if there is no memory. IRQL up to DISPATCH_LEVEL.
#[must_use]
pub fn allocate(stack_count: i8, origin: Origin, caller: usize) -> *mut IRP {
    // The count is a CCHAR: what is beyond its room is negative.
    if stack_count <= 0 {
        return null_mut();
    }
    let bytes = size(stack_count);
    let Ok(packet_size) = u16::try_from(bytes) else {
        return null_mut();
    };
    // `initialize` zeroes it.
    let (irp, from) = irp_lookaside::take(stack_count).map_or_else(
        || {
            let memory = guarded::allocate_buffer(bytes);
            (memory.map_or_else(null_mut, <*mut u8>::cast), 0)
        },
        |irp| (irp, irp_lookaside::FIXED_SIZE),
    );
    if irp.is_null() {
        return null_mut();
    }
    // SAFETY: the memory was just allocated for it.
    unsafe { initialize(irp, packet_size, stack_count, origin.flags() | from) };
    hook::irp_made(irp, caller);
    irp
}

/// Frees an IRP. IRQL up to DISPATCH_LEVEL.
///
/// # Safety
///
/// Nobody uses it any more.
pub unsafe fn free(irp: *mut IRP) {
    hook::irp_freed(irp);
    // SAFETY: the caller's promise.
    let packet = unsafe { &mut *irp };
    if Origin::of(packet) == Origin::Synchronous {
        thread_end::remove(packet);
    }
    // SAFETY: as above. What is free in a list is there, and not to be freed as pool.
    let is_freed = unsafe { irp_lookaside::give(irp) }
        || (packet.Type != 0 || !irp_lookaside::is_kept(packet)) && guarded::free(irp.cast());
    if !is_freed {
        verify::io_violation(verify::NOT_AN_IRP_FREED, irp.addr(), 0, 0);
    }
}

/// Whether a driver's location is the current one. It is not before the IRP is sent, nor once it is
/// back at its top: the current location is then `StackCount + 1`, which is none of the IRP's own.
#[must_use]
pub const fn has_location(irp: &IRP) -> bool {
    irp.CurrentLocation.cast_unsigned() <= irp.StackCount.cast_unsigned()
}

/// Whether an IRP is complete: IoCompleteRequest leaves it at `StackCount + 2`, so that who completes
/// or cancels it once more is found (bug checks 0x44 and 0x48).
#[must_use]
pub const fn is_complete(irp: &IRP) -> bool {
    // Without a sign: with 127 locations, both are beyond what an `i8` has.
    irp.CurrentLocation.cast_unsigned() > irp.StackCount.cast_unsigned() + 1
}

/// The device of the current location; null where there is none.
///
/// # Safety
///
/// The IRP exists.
pub unsafe fn current_device(irp: *mut IRP) -> *mut DEVICE_OBJECT {
    // SAFETY: the caller's promise.
    if !has_location(unsafe { &*irp }) {
        return null_mut();
    }
    // SAFETY: as above, and it has a current location.
    unsafe { current(irp) }.DeviceObject
}

/// The stack location of the driver that has the IRP.
///
/// # Safety
///
/// The IRP exists and has been sent.
#[inline]
pub unsafe fn current<'a>(irp: *mut IRP) -> &'a mut IO_STACK_LOCATION {
    // SAFETY: the caller's promise.
    let location = unsafe { &*irp }.overlay().CurrentStackLocation;
    // SAFETY: an IRP's current location is one of its own.
    unsafe { &mut *location }
}

/// The stack location of the next lower driver, as `IoGetNextIrpStackLocation`.
///
/// # Safety
///
/// The IRP exists, and has a location left.
#[inline]
pub unsafe fn next<'a>(irp: *mut IRP) -> &'a mut IO_STACK_LOCATION {
    // SAFETY: the caller's promise.
    let location = unsafe { &*irp }.overlay().CurrentStackLocation;
    // SAFETY: the caller's promise: there is one below.
    let next = unsafe { location.sub(1) };
    // SAFETY: it is one of the IRP's own.
    unsafe { &mut *next }
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    fails: null_mut();
    /// Makes an IRP that the caller sends, and frees in its completion routine.
    ///
    /// Source: IoAllocateIrp.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn IoAllocateIrp(stack_size: i8, _charge_quota: u8) -> *mut IRP {
        allocate(stack_size, Origin::Allocated, verify::caller())
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    fails: null_mut();
    /// As IoAllocateIrp, for a device whose stack is known.
    ///
    /// Source: IoAllocateIrpEx.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn IoAllocateIrpEx(_device: *mut c_void, stack_size: i8, _charge_quota: u8) -> *mut IRP {
        allocate(stack_size, Origin::Allocated, verify::caller())
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Makes an IRP of the caller's own memory.
    ///
    /// Source: IoInitializeIrp.
    ///
    /// # Safety
    ///
    /// `irp` is `packet_size` bytes of resident memory for `stack_size` locations.
    pub unsafe fn IoInitializeIrp(irp: *mut IRP, packet_size: u16, stack_size: i8) {
        let caller = verify::caller();
        hook::irp_initializing(irp, caller);
        // SAFETY: the caller's promise.
        unsafe { initialize(irp, packet_size, stack_size, Origin::DriverMemory.flags()) };
        hook::irp_made(irp, caller);
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Makes an IRP ready to be sent once more.
    ///
    /// Source: IoReuseIrp.
    ///
    /// # Safety
    ///
    /// The IRP is the caller's: it was made by IoAllocateIrp or of the caller's own memory,
    /// and is not on its way.
    pub unsafe fn IoReuseIrp(irp: *mut IRP, status: NTSTATUS) {
        hook::irp_reusing(irp, verify::caller());
        // SAFETY: the caller's promise.
        let fields = unsafe { &mut *irp };
        let (packet_size, stack_count) = (fields.Size, fields.StackCount);
        let origin = Origin::of(fields);
        if origin == Origin::Synchronous {
            // It is its thread's, and stays in the thread's list no longer.
            thread_end::remove(fields);
        }
        let flags = origin.flags() | fields.AllocationFlags & irp_lookaside::FIXED_SIZE;
        // SAFETY: the IRP's own memory.
        unsafe { initialize(irp, packet_size, stack_count, flags) };
        fields.IoStatus = IO_STATUS_BLOCK::new(status, 0);
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Frees an IRP that the caller made.
    ///
    /// Source: IoFreeIrp.
    ///
    /// # Safety
    ///
    /// The IRP was made by IoAllocateIrp, IoBuildAsynchronousFsdRequest or IoMakeAssociatedIrp,
    /// and nobody uses it any more.
    pub unsafe fn IoFreeIrp(irp: *mut IRP) {
        hook::irp_freeing(irp, verify::caller());
        // SAFETY: the caller's promise.
        unsafe { free(irp) };
    }
}
