//! Where a lower layer calls one above it: by a name of this list, behind which the upper layer
//! puts its own routine when the system starts. Until it does, or in a kernel without it, the
//! default is what happens.
//!
//! A hook is called with no lock held that its registrant might want, unless its text says more.

use alloc::vec::Vec;
use core::{
    ffi::c_void,
    fmt,
    sync::atomic::{AtomicPtr, Ordering},
};

use nthost_nt::{
    io::{
        device::DEVICE_OBJECT, driver::DRIVER_OBJECT, irp::IRP,
        remove_lock::IO_REMOVE_LOCK_COMMON_BLOCK,
    },
    status::NTSTATUS,
};
use nthost_protocol::{Completion, IrpEffect, ProcessId, Token, manifest::VerifierOption};

#[macro_use]
mod define;
mod told;

pub use told::{DebugTrap, Dispatch, DmaMisuse};

hooks! {
    /// What else a bug check tells, of the processor that stopped the system. All others have
    /// stopped. Any IRQL.
    fn bugcheck_report(port: &mut dyn fmt::Write, processor: u32) {
        let _ = (port, processor);
    }

    /// A debug exception before the instruction at this address; DR6 says why. Interrupts are off;
    /// `enabled` is whether they were on.
    fn debug_trap(rip: u64, why: u64, enabled: bool) -> DebugTrap {
        let _ = (rip, why, enabled);
        DebugTrap::Unknown
    }

    /// A device's interrupt of this vector has come, and no routine of it has run yet. The IRQL is
    /// the vector's class.
    fn interrupt(vector: u8) {
        let _ = vector;
    }

    /// The IOMMU has refused what a device tried. The IRQL is its vector's class.
    fn iommu_interrupt() {}

    /// This thread is about to run on this processor. The dispatcher lock is held.
    fn thread_runs(thread: u64) {
        let _ = thread;
    }

    /// By how much a timer is late that is being set, in units of 100 ns. The dispatcher lock may
    /// be held.
    fn timer_delay() -> u64 {
        0
    }

    /// As [`timer_delay`], for a timer whose DPC has this routine; zero if it has none.
    fn kernel_timer_delay(routine: u64) -> u64 {
        let _ = routine;
        0
    }

    /// Which of the processors is looked at first for a thread that is ready. The dispatcher lock
    /// is held.
    fn first_processor() -> u32 {
        0
    }

    /// Whether this processor leaves its DPCs for later, and is interrupted for them then.
    /// DISPATCH_LEVEL.
    fn postpones_dpcs() -> bool {
        false
    }

    /// A spin lock is about to be taken by this processor, at DISPATCH_LEVEL or above.
    fn spin_lock_taking(lock: u64) {
        let _ = lock;
    }

    /// A spin lock that only one can have is about to be waited for.
    fn spin_lock_waiting() {}

    /// A spin lock was taken by this processor.
    fn spin_lock_taken(lock: u64) {
        let _ = lock;
    }

    /// A spin lock is about to be released by this processor.
    fn spin_lock_releasing(lock: u64) {
        let _ = lock;
    }

    /// A mutex, fast or not, is about to be taken by this thread, which may wait for it.
    fn mutex_taking(mutex: u64) {
        let _ = mutex;
    }

    /// A fast mutex was taken by this thread.
    fn mutex_taken(mutex: u64) {
        let _ = mutex;
    }

    /// A fast mutex is about to be released by this thread.
    fn mutex_releasing(mutex: u64) {
        let _ = mutex;
    }

    /// A mutex that its owner may take again was taken by this thread.
    fn recursive_mutex_taken(mutex: u64) {
        let _ = mutex;
    }

    /// A mutex that its owner may take again is free now.
    fn recursive_mutex_free(mutex: u64) {
        let _ = mutex;
    }

    /// Pool, or the memory of an IRP or device object, is about to be freed. IRQL up to
    /// DISPATCH_LEVEL.
    fn memory_freed(address: u64, size: u64) {
        let _ = (address, size);
    }

    /// The IRP at this address was freed as pool: there is none any more. IRQL up to DISPATCH_LEVEL.
    fn irp_freed_as_pool(address: usize) {
        let _ = address;
    }

    /// The id of a process, which the caller keeps; the system's is 4. Any IRQL.
    fn process_id(process: *mut c_void) -> u64 {
        let _ = process;
        4
    }

    /// The handles of a process, which the caller keeps: a `HandleTable`; null for the system's
    /// process, which has the kernel's. Any IRQL.
    fn process_handles(process: *mut c_void) -> *const c_void {
        let _ = process;
        core::ptr::null()
    }

    /// Whom a process acts for, which the caller keeps; none, if it is the system's. IRQL up to
    /// DISPATCH_LEVEL.
    fn process_acts_for(process: *mut c_void) -> Option<Token> {
        let _ = process;
        None
    }

    /// How a call of a process's has ended: takes it, or gives it back for the host. IRQL up to
    /// DISPATCH_LEVEL.
    fn call_ended(process: ProcessId, completion: Completion) -> Option<Completion> {
        let _ = process;
        Some(completion)
    }

    /// The PCI function that is, or is above, a device of this physical device object: its bus,
    /// device and function; none, if there is none. IRQL up to DISPATCH_LEVEL.
    fn function_of(device: *mut DEVICE_OBJECT) -> Option<(u8, u8, u8)> {
        let _ = device;
        None
    }

    /// The name of the image that an address is in, and the offset in it. Any IRQL.
    fn image_of(address: u64) -> (&'static str, u64) {
        ("?", address)
    }

    /// A driver's image is at this base, and has not run yet. PASSIVE_LEVEL.
    fn image_loaded(base: u64) {
        let _ = base;
    }

    /// The last handle of a file is closed, which the caller keeps. PASSIVE_LEVEL.
    fn file_unused(file: *mut c_void) {
        let _ = file;
    }

    /// Which of these rights the thread that runs gets to a device.
    ///
    /// # Errors
    ///
    /// `STATUS_ACCESS_DENIED`, `STATUS_PRIVILEGE_NOT_HELD`.
    fn device_access(device: *mut DEVICE_OBJECT, access: u32) -> Result<u32, NTSTATUS> {
        let _ = device;
        Ok(access)
    }

    /// The path of a registry key, in UTF-16. The caller keeps the object. PASSIVE_LEVEL.
    fn key_path(key: *mut c_void) -> Vec<u16> {
        let _ = key;
        Vec::new()
    }

    /// The thread that runs ends: what it asked drivers for is to end before. PASSIVE_LEVEL.
    fn thread_ends() {}

    /// An object is about to be deleted. IRQL up to DISPATCH_LEVEL.
    fn object_deleted(object: usize) {
        let _ = object;
    }

    /// A device object is marked for deletion. IRQL up to APC_LEVEL.
    fn device_deleting(device: usize) {
        let _ = device;
    }

    /// The memory of a device object is about to be freed.
    fn device_deleted(device: usize) {
        let _ = device;
    }

    /// Whether there is an IRP at this address, which is no pool. IRQL up to DISPATCH_LEVEL.
    fn is_irp(address: usize) -> bool {
        let _ = address;
        false
    }

    /// Whether this call, of a routine that may fail for lack of resources after it has seen its
    /// arguments, is to fail. `caller` is where the driver called it. Any IRQL.
    fn call_fails(routine: &'static str, caller: u64) -> bool {
        let _ = (routine, caller);
        false
    }

    /// To how many pages this call, of a routine that may give fewer than asked for, is held.
    /// `caller` is where the driver called it. Any IRQL.
    fn fewer_pages(routine: &'static str, caller: u64) -> Option<u32> {
        let _ = (routine, caller);
        None
    }

    /// Whether somebody looks at what this option reports, so that it is worth telling more of it.
    /// Any IRQL.
    fn watches(option: VerifierOption) -> bool {
        let _ = option;
        false
    }

    /// The kernel has seen a driver do what this option reports, and goes on if nobody stops it:
    /// the bug check that it is reported by, with its parameters. Any IRQL.
    fn violation(option: VerifierOption, code: u32, parameters: [u64; 4]) {
        let _ = (option, code, parameters);
    }

    /// The kernel has seen a driver do what Driver Verifier reports whichever option is on, and a
    /// free build of Windows lets pass: the parameters of bug check 0xC4. The kernel goes on if
    /// nobody stops it. Any IRQL.
    fn misuse(parameters: [u64; 4]) {
        let _ = parameters;
    }

    /// As [`misuse`], where another bug check reports it.
    fn misuse_by(code: u32, parameters: [u64; 4]) {
        let _ = (code, parameters);
    }

    /// As [`misuse`], where nobody can go on: the thread is about to wait for itself, for ever, or
    /// the system to end by a bug check that every build has.
    fn fatal_misuse(parameters: [u64; 4]) {
        let _ = parameters;
    }

    /// The kernel has seen a driver use a DMA adapter in a wrong way, and goes on if nobody stops it;
    /// the details are those that Driver Verifier tells. Any IRQL.
    fn dma_misuse(misuse: DmaMisuse, details: [u64; 3]) {
        let _ = (misuse, details);
    }

    /// A routine was called at an IRQL that its documentation allows for other arguments alone.
    /// Any IRQL.
    fn wrong_irql(routine: &'static str, arguments: &[u64]) {
        let _ = (routine, arguments);
    }

    /// Whether each page of a transfer goes through a map register of its own, and guards lie
    /// around common buffers. Any IRQL.
    fn guards_transfers() -> bool {
        false
    }

    /// Whether an image whose code can be written is refused. Any IRQL.
    fn enforces_code_integrity() -> bool {
        false
    }

    /// Whether pageable memory is taken away while the IRQL is raised.
    fn takes_pageable_away() -> bool {
        false
    }

    /// A driver touches pageable memory that is taken away, at raised IRQL: the parameters of bug check
    /// 0xD1. Whether it is given back, and the system goes on. Any IRQL.
    fn pageable_touched(parameters: [u64; 4]) -> bool {
        let _ = parameters;
        false
    }

    /// A handle that grants some rights is used for others. PASSIVE_LEVEL.
    fn handle_used(handle: u64, wanted: u32, granted: u32) {
        let _ = (handle, wanted, granted);
    }

    /// The image at this base is about to go: its driver's unload routine has returned, or its
    /// initialization failed. Whether it must stay, since something calls into it. PASSIVE_LEVEL.
    fn image_unloading(base: u64) -> bool {
        let _ = base;
        false
    }

    /// An IRP was made, or made ready once more, by who called from there. IRQL up to
    /// DISPATCH_LEVEL.
    fn irp_made(irp: *mut IRP, caller: usize) {
        let _ = (irp, caller);
    }

    /// The memory of an IRP is about to be freed. IRQL up to DISPATCH_LEVEL.
    fn irp_freed(irp: *mut IRP) {
        let _ = irp;
    }

    /// A driver makes an IRP of this memory. IRQL up to DISPATCH_LEVEL.
    fn irp_initializing(irp: *mut IRP, caller: usize) {
        let _ = (irp, caller);
    }

    /// A driver makes an IRP ready to be used once more. IRQL up to DISPATCH_LEVEL.
    fn irp_reusing(irp: *mut IRP, caller: usize) {
        let _ = (irp, caller);
    }

    /// A driver frees what it takes for an IRP. IRQL up to DISPATCH_LEVEL.
    fn irp_freeing(irp: *mut IRP, caller: usize) {
        let _ = (irp, caller);
    }

    /// What its sender takes for an IRP is about to be sent to what it takes for a device. Any IRQL.
    fn irp_sending(device: *mut DEVICE_OBJECT, irp: *mut IRP, caller: usize) {
        let _ = (device, irp, caller);
    }

    /// A dispatch routine is about to be called. What it gives is given to [`irp_dispatched`].
    fn irp_dispatching(device: *mut DEVICE_OBJECT, irp: *mut IRP, routine: usize) -> Dispatch {
        let _ = (device, irp, routine);
        Dispatch::default()
    }

    /// A dispatch routine has returned. The IRP may be gone.
    fn irp_dispatched(before: Dispatch, irp: *mut IRP, routine: usize, status: NTSTATUS) {
        let _ = (before, irp, routine, status);
    }

    /// What its driver takes for an IRP is about to be completed. Any IRQL.
    fn irp_completing(irp: *mut IRP, caller: usize) {
        let _ = (irp, caller);
    }

    /// An IRP is about to leave its current location upwards.
    fn irp_leaving(irp: *mut IRP) {
        let _ = irp;
    }

    /// An IRP has left a location, and is at the one above, or at the top: it may be back at who
    /// made it.
    fn irp_back(irp: *mut IRP, at_top: bool) {
        let _ = (irp, at_top);
    }

    /// A completion routine has not kept an IRP that was pending below. `caller` completes it.
    fn irp_passed_up(irp: *mut IRP, routine: usize, caller: usize) {
        let _ = (irp, routine, caller);
    }

    /// What its maker takes for an IRP is about to be canceled. The cancel spin lock is held.
    fn irp_canceling(irp: *mut IRP) {
        let _ = irp;
    }

    /// A driver's unload routine has returned, or its DriverEntry has with a failure; its image is
    /// at this base. PASSIVE_LEVEL.
    fn driver_leaving(driver: *mut DRIVER_OBJECT, base: u64) {
        let _ = (driver, base);
    }

    /// A remove lock is made in this memory. PASSIVE_LEVEL.
    fn remove_lock_made(lock: *mut IO_REMOVE_LOCK_COMMON_BLOCK) {
        let _ = lock;
    }

    /// A remove lock was acquired with this tag. IRQL up to DISPATCH_LEVEL.
    fn remove_lock_acquired(lock: *mut IO_REMOVE_LOCK_COMMON_BLOCK, tag: usize, caller: usize) {
        let _ = (lock, tag, caller);
    }

    /// A remove lock is about to be released with this tag, for its removal or not. IRQL up to
    /// DISPATCH_LEVEL.
    fn remove_lock_releasing(lock: *mut IO_REMOVE_LOCK_COMMON_BLOCK, tag: usize, removal: bool) {
        let _ = (lock, tag, removal);
    }

    /// A removal has waited long for a remove lock. PASSIVE_LEVEL.
    fn remove_lock_kept(lock: *mut IO_REMOVE_LOCK_COMMON_BLOCK) {
        let _ = lock;
    }

    /// What becomes of an IRP that a driver sends to this device, in place of the lower driver's
    /// getting it. `caller` is where it was sent. IRQL up to DISPATCH_LEVEL.
    fn irp_sent(device: usize, major: u8, minor: u8, caller: u64) -> Option<IrpEffect> {
        let _ = (device, major, minor, caller);
        None
    }

    /// Whether an interrupt is lost before this routine is called for it. The IRQL is the vector's
    /// class.
    fn interrupt_lost(routine: u64) -> bool {
        let _ = routine;
        false
    }

    /// Whether a scatter/gather list that a driver asks for lies where the device does not reach.
    /// `caller` is where it was asked for. IRQL up to DISPATCH_LEVEL.
    fn list_out_of_reach(caller: u64) -> bool {
        let _ = caller;
        false
    }

    /// Whether the device of this instance is another one to who reads which it is. `caller` is
    /// where it is read. Any IRQL.
    fn device_exchanged(instance: &str, caller: u64) -> bool {
        let _ = (instance, caller);
        false
    }

    /// Whether each device's interrupts are to stay on one processor, apart from all else.
    fn fixes_interrupts() -> bool {
        false
    }
}
