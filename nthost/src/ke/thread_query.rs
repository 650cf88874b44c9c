//! Threads as drivers see them: which runs, how urgent it is, how long it has run.
//!
//! Sources: KeGetCurrentThread, KeSetPriorityThread, KeSetBasePriorityThread,
//! KeQueryPriorityThread, KeQueryRuntimeThread, KeQueryTotalCycleTimeThread,
//! KeSetKernelStackSwapEnable.

use nthost_nt::status::STATUS_INVALID_PARAMETER_2;

use super::{
    bugcheck::{self, code},
    dispatcher,
    thread::{self, HIGH_PRIORITY, LOW_REALTIME_PRIORITY, NORMAL_PRIORITY, State, Thread},
    time,
};
use crate::hal::time as counter;

/// The counts of the time-stamp counter that a thread has run for.
///
/// # Safety
///
/// The thread exists.
unsafe fn cycles(thread: *mut Thread, now: u64) -> u64 {
    let _guard = dispatcher::lock();
    // SAFETY: the caller's promise; the lock is held.
    let thread = unsafe { &*thread };
    let running = thread.state == State::Running;
    let since = if running { thread.running_since } else { now };
    thread.cycles + now.saturating_sub(since)
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Says whether the stack of the thread that runs may be paged out while it waits in the name of
    /// user mode; gives whether it might before. No stack is paged out here: what it changes is what
    /// may be waited for. A thread that ends while it may not ends in bug check 0x94.
    ///
    /// Source: KeSetKernelStackSwapEnable.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeSetKernelStackSwapEnable(enable: u8) -> u8 {
        let thread = thread::current();
        // SAFETY: the thread that runs; only it uses the field.
        let resident = unsafe { &mut (*thread).stack_resident };
        u8::from(!core::mem::replace(resident, enable == 0))
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The thread that runs.
    ///
    /// Source: KeGetCurrentThread.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeGetCurrentThread() -> *mut thread::Thread {
        thread::current()
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Sets how urgent a thread is; gives how urgent it was. There are no priorities above 31,
    /// and 0 is the system's: they end in bug check 0x1E, as an invalid parameter.
    ///
    /// Source: KeSetPriorityThread.
    ///
    /// # Safety
    ///
    /// The thread exists.
    pub unsafe fn KeSetPriorityThread(thread: *mut Thread, priority: i32) -> i32 {
        let Some(new) = usize::try_from(priority).ok().filter(|new| (1..=HIGH_PRIORITY).contains(new))
        else {
            let status = u64::from(STATUS_INVALID_PARAMETER_2.cast_unsigned());
            let parameters = [status, thread as u64, u64::from(priority.cast_unsigned()), 0];
            bugcheck::bugcheck(code::KMODE_EXCEPTION_NOT_HANDLED, parameters)
        };
        let mut guard = dispatcher::lock();
        // SAFETY: the caller's promise; the lock is held.
        let before = unsafe { (*thread).priority };
        guard.set_priority(thread, new, new);
        before as i32
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Sets how urgent a thread is, compared with its process; gives the difference that was.
    /// The thread stays among those that are boosted, or among those that are not.
    ///
    /// Source: KeSetBasePriorityThread.
    ///
    /// # Safety
    ///
    /// The thread exists.
    pub unsafe fn KeSetBasePriorityThread(thread: *mut Thread, increment: i32) -> i32 {
        let mut guard = dispatcher::lock();
        // SAFETY: the caller's promise; the lock is held.
        let before = unsafe { (*thread).base_priority };
        let (lowest, highest) = if before < LOW_REALTIME_PRIORITY {
            (1, LOW_REALTIME_PRIORITY - 1)
        } else {
            (LOW_REALTIME_PRIORITY, HIGH_PRIORITY)
        };
        let process = NORMAL_PRIORITY as i32;
        let wanted = usize::try_from(process.saturating_add(increment)).unwrap_or(0);
        let new = wanted.clamp(lowest, highest);
        guard.set_priority(thread, new, new);
        before as i32 - process
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// How urgent a thread is at this moment.
    ///
    /// Source: KeQueryPriorityThread.
    ///
    /// # Safety
    ///
    /// The thread exists.
    pub unsafe fn KeQueryPriorityThread(thread: *mut Thread) -> i32 {
        let _guard = dispatcher::lock();
        // SAFETY: the caller's promise; the lock is held.
        unsafe { (*thread).priority as i32 }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Clock ticks that a thread has run for in kernel mode; those in user mode, of which there
    /// are none, go where `user` points.
    ///
    /// Source: KeQueryRuntimeThread.
    ///
    /// # Safety
    ///
    /// The thread exists; `user` can be written.
    pub unsafe fn KeQueryRuntimeThread(thread: *mut Thread, user: *mut u32) -> u32 {
        // SAFETY: the caller's promise.
        unsafe { user.write(0) };
        // SAFETY: the caller's promise.
        let cycles = unsafe { cycles(thread, counter::counter()) };
        (counter::units_of(cycles) / time::TICK) as u32
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Counts of the time-stamp counter that a thread has run for, and the counter itself.
    ///
    /// Source: KeQueryTotalCycleTimeThread.
    ///
    /// # Safety
    ///
    /// The thread exists; `stamp` can be written.
    pub unsafe fn KeQueryTotalCycleTimeThread(thread: *mut Thread, stamp: *mut u64) -> u64 {
        let now = counter::counter();
        // SAFETY: the caller's promise.
        unsafe { stamp.write(now) };
        // SAFETY: the caller's promise.
        unsafe { cycles(thread, now) }
    }
}
