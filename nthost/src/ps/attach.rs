//! A thread in another process: it keeps who it is, but the addresses and the handles that it
//! uses are the other process's, until it comes back.
//!
//! Sources: KeStackAttachProcess, KeUnstackDetachProcess, "Bug Check 0x5", "Bug Check 0x6".

use core::{ffi::c_void, mem::offset_of, ptr::null_mut, sync::atomic::Ordering};

use nthost_nt::ke::LIST_ENTRY;

use super::{identity, process::Process};
use crate::{
    export::DISPATCH_LEVEL,
    ke::{
        apc,
        bugcheck::{self, code},
        irql, pcr, thread,
    },
    mm::address_space::AddressSpace,
    ob::object::{self, Kind},
};

/// `KAPC_STATE`: where the thread was before.
#[repr(C)]
#[expect(
    missing_debug_implementations,
    reason = "its lists are the driver's memory"
)]
pub struct ApcState {
    lists: [LIST_ENTRY; 2],
    /// The process: null for its own, [`SAME`] if it has not moved.
    process: *mut c_void,
    in_progress: u8,
    kernel_pending: u8,
    user_pending: u8,
}

const _: () = assert!(offset_of!(ApcState, process) == 0x20 && size_of::<ApcState>() == 0x30);

/// The thread was in the process already.
const SAME: *mut c_void = core::ptr::without_provenance_mut(1);

/// The address space of a process; none of the system's.
pub fn space_of(process: *mut c_void) -> *const AddressSpace {
    if process == identity::system() {
        return core::ptr::null();
    }
    // SAFETY: a process that is not the system's is a `Process`, and the caller has a reference.
    unsafe { &raw const (*process.cast::<Process>()).space }
}

/// Has the thread that runs use a process's addresses: null for its own.
fn enter(process: *mut c_void) {
    let current = thread::current();
    // A switch of threads would find one and not the other.
    let _raised = irql::Raised::to(DISPATCH_LEVEL);
    // SAFETY: the thread that runs exists; only it changes these fields.
    let thread = unsafe { &mut *current };
    thread.attached = process;
    // SAFETY: as above.
    let own = unsafe { identity::of_thread(current) };
    thread.address_space = space_of(if process.is_null() { own } else { process });
    thread.enter_address_space();
    apc::may_come();
}

/// A thread comes back from a driver to where it must not be in another process, or ends: bug
/// check 0x05 if it is in one.
#[inline]
pub fn check_own() {
    // SAFETY: the thread that runs exists.
    let attached = unsafe { (*thread::current()).attached };
    if !attached.is_null() {
        // SAFETY: as above.
        let own = unsafe { identity::of_thread(thread::current()) };
        invalid(own, attached);
    }
}

fn in_dpc() -> bool {
    // Relaxed: the processor's own.
    pcr::current().in_dpc.load(Ordering::Relaxed)
}

fn invalid(first: *mut c_void, second: *mut c_void) -> ! {
    let dpc = u64::from(in_dpc());
    let index = u64::from(!second.is_null());
    let parameters = [first as u64, second as u64, index, dpc];
    bugcheck::bugcheck(code::INVALID_PROCESS_ATTACH_ATTEMPT, parameters)
}

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Has the thread that runs use the addresses and handles of a process, and notes where it
    /// was. What is no process, or a DPC that calls, ends in bug check 0x05.
    ///
    /// Source: KeStackAttachProcess.
    ///
    /// # Safety
    ///
    /// The caller has a reference to the process until it has come back, and `state` is its own.
    pub unsafe fn KeStackAttachProcess(process: *mut c_void, state: *mut ApcState) {
        // SAFETY: the thread that runs exists.
        let before = unsafe { (*thread::current()).attached };
        if object::kind(process) != Some(Kind::Process) || in_dpc() {
            invalid(process, before);
        }
        let moves = process != identity::current();
        // SAFETY: the caller's promise.
        unsafe { (*state).process = if moves { before } else { SAME } };
        if moves {
            enter(process);
        }
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Comes back to where KeStackAttachProcess left. A thread that is in no other process ends
    /// in bug check 0x06.
    ///
    /// Source: KeUnstackDetachProcess.
    ///
    /// # Safety
    ///
    /// The state is of the last call of KeStackAttachProcess that has not been undone.
    pub unsafe fn KeUnstackDetachProcess(state: *mut ApcState) {
        // SAFETY: the caller's promise.
        let before = unsafe { (*state).process };
        if before == SAME {
            return;
        }
        // SAFETY: the thread that runs exists.
        if unsafe { (*thread::current()).attached }.is_null() {
            bugcheck::bugcheck(code::INVALID_PROCESS_DETACH_ATTEMPT, [0; 4]);
        }
        enter(before);
        // SAFETY: the caller's promise; a state serves once.
        unsafe { (*state).process = null_mut() };
    }
}
