//! The few places where this crate reaches into structures of the kernel that have anonymous
//! unions.
//!
//! Bindings number such unions in the order of the header (`__bindgen_anon_1`), and header sets
//! differ. Each accessor here spells the type that it expects to find, so that another numbering
//! does not compile, instead of finding something else.
//!
//! Sources: ns-wdm-_irp, ns-wdm-_io_stack_location, ns-wdm-_io_status_block.

use core::ptr::NonNull;

use wdk_sys::{
    DEVICE_OBJECT, IO_STACK_LOCATION, IRP, KDEVICE_QUEUE_ENTRY, LIST_ENTRY, NTSTATUS, PVOID,
};

/// `IoGetCurrentIrpStackLocation`.
///
/// # Safety
///
/// The IRP is owned by the caller's driver, which has a stack location in it.
pub unsafe fn current_stack_location(irp: NonNull<IRP>) -> *mut IO_STACK_LOCATION {
    // SAFETY: valid by contract.
    let location = unsafe { current_stack_location_field(irp) };
    // SAFETY: it is the I/O manager's invariant that the overlay holds the stack location while
    // a driver owns the IRP.
    unsafe { location.read() }
}

/// The device object that the I/O manager has called the driver for.
///
/// # Safety
///
/// As [`current_stack_location`].
pub unsafe fn device_object(irp: NonNull<IRP>) -> NonNull<DEVICE_OBJECT> {
    // SAFETY: by contract.
    let location = unsafe { current_stack_location(irp) };
    // SAFETY: valid while the driver owns the IRP.
    let object = unsafe { (*location).DeviceObject };
    // SAFETY: the I/O manager set it when it called this driver.
    unsafe { NonNull::new_unchecked(object) }
}

/// # Safety
///
/// The IRP is valid.
unsafe fn current_stack_location_field(irp: NonNull<IRP>) -> *mut *mut IO_STACK_LOCATION {
    let irp = irp.as_ptr();
    // SAFETY: valid by contract; only an address is formed.
    let location: *mut *mut IO_STACK_LOCATION = unsafe {
        &raw mut (*irp)
            .Tail
            .Overlay
            .__bindgen_anon_2
            .__bindgen_anon_1
            .CurrentStackLocation
    };
    location
}

/// `IoSkipCurrentIrpStackLocation`: gives the driver's stack location to the one below.
///
/// # Safety
///
/// As [`current_stack_location`]; no completion routine has been set.
pub unsafe fn skip_current_stack_location(irp: NonNull<IRP>) {
    // SAFETY: owned by contract.
    let location = unsafe { current_stack_location(irp) };
    // SAFETY: valid by contract.
    let field = unsafe { current_stack_location_field(irp) };
    // Only a driver that is called changes this again, and it may be the last location: the
    // address one behind it is formed, and not looked at.
    // SAFETY: nobody else changes the IRP while the driver owns it.
    unsafe { field.write(location.wrapping_add(1)) };
    // SAFETY: likewise.
    let current = unsafe { &mut (*irp.as_ptr()).CurrentLocation };
    *current += 1;
}

/// `IoGetNextIrpStackLocation`.
///
/// # Safety
///
/// The IRP is owned by the caller's driver, and there is a location left for the device below.
pub unsafe fn next_stack_location(irp: NonNull<IRP>) -> *mut IO_STACK_LOCATION {
    // SAFETY: valid by contract.
    let field = unsafe { current_stack_location_field(irp) };
    // SAFETY: it is the I/O manager's invariant that the overlay holds the stack location while
    // a driver owns the IRP.
    let current = unsafe { field.read() };
    // Stack locations are used from the last to the first.
    current.wrapping_sub(1)
}

/// `IoCopyCurrentIrpStackLocationToNext`: the device below gets the same parameters. No completion
/// routine is set yet.
///
/// # Safety
///
/// As [`current_stack_location`], and there is a location left for the device below.
pub unsafe fn copy_current_stack_location_to_next(irp: NonNull<IRP>) {
    // SAFETY: owned by contract.
    let current = unsafe { current_stack_location(irp) };
    // SAFETY: valid while the driver owns the IRP.
    let mut location = unsafe { *current };
    location.Control = 0;
    location.CompletionRoutine = None;
    location.Context = core::ptr::null_mut();
    // SAFETY: by contract.
    let next = unsafe { next_stack_location(irp) };
    // SAFETY: there is one by contract, which nobody uses yet.
    unsafe { next.write(location) };
}

/// `Irp->Tail.Overlay.DeviceQueueEntry`.
///
/// # Safety
///
/// The IRP is valid.
pub unsafe fn device_queue_entry(irp: NonNull<IRP>) -> *mut KDEVICE_QUEUE_ENTRY {
    let irp = irp.as_ptr();
    // SAFETY: valid by contract; only an address is formed.
    let entry: *mut KDEVICE_QUEUE_ENTRY =
        unsafe { &raw mut (*irp).Tail.Overlay.__bindgen_anon_1.DeviceQueueEntry };
    entry
}

/// `IoSetCancelRoutine(Irp, NULL)`, with the cancel spin lock held, under which nobody else
/// changes the field.
///
/// # Safety
///
/// The IRP is owned by the caller's driver, and the cancel spin lock is held.
pub unsafe fn clear_cancel_routine(irp: NonNull<IRP>) {
    // SAFETY: valid by contract; nobody else writes to it meanwhile.
    unsafe { (*irp.as_ptr()).CancelRoutine = None };
}

/// `Irp->Tail.Overlay.ListEntry`: free for the driver that owns the IRP.
///
/// # Safety
///
/// The IRP is valid.
pub unsafe fn list_entry(irp: NonNull<IRP>) -> NonNull<LIST_ENTRY> {
    let irp = irp.as_ptr();
    // SAFETY: valid by contract; only an address is formed.
    let entry: *mut LIST_ENTRY = unsafe { &raw mut (*irp).Tail.Overlay.__bindgen_anon_2.ListEntry };
    // SAFETY: a field of a valid structure is not null.
    unsafe { NonNull::new_unchecked(entry) }
}

/// The IRP of a list entry: the inverse of [`list_entry`].
///
/// # Safety
///
/// The entry is that of an IRP.
pub unsafe fn irp_of_list_entry(entry: NonNull<LIST_ENTRY>) -> NonNull<IRP> {
    const OFFSET: usize = core::mem::offset_of!(IRP, Tail.Overlay.__bindgen_anon_2.ListEntry);
    // SAFETY: within the IRP by contract.
    unsafe { entry.byte_sub(OFFSET) }.cast()
}

/// The first three words of `Irp->Tail.Overlay.DriverContext`: free for the driver that owns the
/// IRP. The fourth is the `IoCsqXxx` routines' own.
///
/// # Safety
///
/// The IRP is valid.
pub unsafe fn driver_context(irp: NonNull<IRP>) -> *mut [PVOID; 3] {
    let irp = irp.as_ptr();
    // SAFETY: valid by contract; only an address is formed.
    let context: *mut [PVOID; 4] = unsafe {
        &raw mut (*irp)
            .Tail
            .Overlay
            .__bindgen_anon_1
            .__bindgen_anon_1
            .DriverContext
    };
    context.cast()
}

/// `Irp->IoStatus.Status`.
///
/// # Safety
///
/// The IRP is owned by the caller's driver.
pub unsafe fn status(irp: NonNull<IRP>) -> NTSTATUS {
    let irp = irp.as_ptr();
    // SAFETY: valid by contract.
    let io_status = unsafe { &(*irp).IoStatus };
    // SAFETY: every bit pattern of the union is a status.
    let status: NTSTATUS = unsafe { io_status.__bindgen_anon_1.Status };
    status
}

/// Sets `Irp->IoStatus.Status` and `Information`.
///
/// # Safety
///
/// The IRP is owned by the caller's driver.
pub unsafe fn set_io_status(irp: NonNull<IRP>, status: NTSTATUS, information: usize) {
    let irp = irp.as_ptr();
    // SAFETY: valid by contract.
    let io_status = unsafe { &mut (*irp).IoStatus };
    io_status.__bindgen_anon_1.Status = status;
    io_status.Information = information as u64;
}

/// `Irp->AssociatedIrp.SystemBuffer`.
///
/// # Safety
///
/// The IRP is owned by the caller's driver, and the I/O manager made it for buffered I/O or a
/// device-control request.
pub unsafe fn system_buffer(irp: NonNull<IRP>) -> PVOID {
    let irp = irp.as_ptr();
    // SAFETY: valid by contract.
    let associated = unsafe { &(*irp).AssociatedIrp };
    // SAFETY: the active member by contract.
    let buffer: PVOID = unsafe { associated.SystemBuffer };
    buffer
}
