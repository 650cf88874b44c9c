//! The end of a thread, and of the object that stands for it.

use alloc::boxed::Box;
use core::sync::atomic::Ordering;

use nthost_nt::status::NTSTATUS;

use super::{State, Thread, current, stack::free_stack};
use crate::{
    export::DISPATCH_LEVEL,
    hook,
    ke::{bugcheck, dispatcher, irql, pcr, queue, wait},
    ob::{client_id, object},
};

/// Ends the thread that runs. PASSIVE_LEVEL. A thread that still owns a mutex ends in bug check
/// 0x4000008A, as on Windows.
pub fn exit(status: NTSTATUS) -> ! {
    hook::thread_ends();
    let thread = current();
    // SAFETY: the thread that runs exists.
    let mutants = unsafe { (*thread).mutants };
    // SAFETY: as above.
    if mutants.Flink != unsafe { &raw mut (*thread).mutants } {
        bugcheck::bugcheck(
            bugcheck::code::THREAD_TERMINATE_HELD_MUTEX,
            [thread as u64, mutants.Flink as u64, 0, 0],
        );
    }
    // SAFETY: the thread that runs exists.
    if unsafe { (*thread).stack_resident } {
        bugcheck::bugcheck(bugcheck::code::KERNEL_STACK_LOCKED_AT_EXIT, [0; 4]);
    }
    // SAFETY: as above.
    client_id::remove(unsafe { (*thread).id });
    // The thread's own reference goes here. If it is the last, the object is deleted by a thread
    // of its own, because of the raised IRQL, and not before this one has left its stack.
    let raised = irql::Raised::to(DISPATCH_LEVEL);
    object::dereference(thread.cast());
    let mut guard = dispatcher::lock();
    // SAFETY: the deletion waits for the state that is set below.
    let ended = unsafe { &mut *thread };
    ended.exit_status = status;
    wait::signal(&mut guard, &raw mut ended.header, 1);
    queue::leave(&mut guard, thread);
    ended.state = State::Terminated;
    guard.switch();
    drop(raised);
    unreachable!("a thread that has ended was chosen to run")
}

/// Gives a reference to a thread object back. It is freed with the last, when the thread has
/// ended: at PASSIVE_LEVEL this may wait for the end. IRQL up to DISPATCH_LEVEL.
///
/// # Safety
///
/// The caller has a reference, and does not use it any more.
pub unsafe fn release(thread: *mut Thread) {
    object::dereference(thread.cast());
}

/// Frees a thread object that nobody refers to. PASSIVE_LEVEL.
pub(super) fn delete(thread: *mut core::ffi::c_void) {
    let thread = thread.cast::<Thread>();
    loop {
        let guard = dispatcher::lock();
        // SAFETY: the thread exists until it is freed below.
        let ended = unsafe { (*thread).state } == State::Terminated;
        let running = pcr::all().any(|pcr| pcr.current_thread.load(Ordering::Relaxed) == thread);
        drop(guard);
        if ended && !running {
            break;
        }
        dispatcher::yield_now();
    }
    // SAFETY: nobody refers to it any more.
    let thread = unsafe { Box::from_raw(thread) };
    // SAFETY: the thread has left its stack: it ended, and another runs on its processor.
    unsafe { free_stack(thread.stack_limit) };
    // It may be the last, and the process's page tables go with it: no processor uses them.
    if !thread.process.is_null() {
        object::dereference(thread.process.cast());
    }
}
