//! Waiting for objects, and what a signal does for those who wait.
//!
//! Sources: "Introduction to Kernel Dispatcher Objects", "Waits and APCs". All of it happens
//! under the dispatcher lock. The routines that drivers wait by are in [`super::wait_for`].

use core::ptr::null_mut;

use nthost_nt::{
    ke::{DISPATCHER_HEADER, LIST_ENTRY},
    status::{
        NTSTATUS, STATUS_ABANDONED, STATUS_ALERTED, STATUS_KERNEL_APC, STATUS_TIMEOUT,
        STATUS_USER_APC,
    },
};

use super::{
    apc,
    dispatcher::{self, Guard},
    irql, mutex, queue,
    thread::{self, State, Thread},
    time,
};
use crate::export::DISPATCH_LEVEL;

/// The most objects that a wait takes (`MAXIMUM_WAIT_OBJECTS`).
pub const MAXIMUM_WAIT_OBJECTS: usize = 64;

/// Types of dispatcher objects, as in their headers.
pub mod object {
    /// A notification event: signalled until it is cleared.
    pub const NOTIFICATION_EVENT: u8 = 0;
    /// A synchronization event: a wait that it ends clears it.
    pub const SYNCHRONIZATION_EVENT: u8 = 1;
    /// A mutex.
    pub const MUTANT: u8 = 2;
    /// A process.
    pub const PROCESS: u8 = 3;
    /// A queue.
    pub const QUEUE: u8 = 4;
    /// A semaphore.
    pub const SEMAPHORE: u8 = 5;
    /// A thread.
    pub const THREAD: u8 = 6;
    /// A notification timer.
    pub const NOTIFICATION_TIMER: u8 = 8;
    /// A synchronization timer.
    pub const SYNCHRONIZATION_TIMER: u8 = 9;
}

/// A thread's place in the list of those who wait for an object.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct WaitBlock {
    list: LIST_ENTRY,
    thread: *mut Thread,
    object: *mut DISPATCHER_HEADER,
    index: u16,
}

impl WaitBlock {
    /// Not in use.
    #[must_use]
    pub const fn new() -> Self {
        let list = LIST_ENTRY {
            Flink: null_mut(),
            Blink: null_mut(),
        };
        Self {
            list,
            thread: null_mut(),
            object: null_mut(),
            index: 0,
        }
    }
}

impl WaitBlock {
    /// What is waited for, if the block is in use.
    #[must_use]
    pub const fn object(&self) -> *mut DISPATCHER_HEADER {
        self.object
    }
}

impl Default for WaitBlock {
    fn default() -> Self {
        Self::new()
    }
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitType {
    /// All of the objects at once.
    All,
    /// Any one of them.
    Any,
}

/// What may end a wait early.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaitMode {
    /// The thread waits in the name of user mode (`UserMode`): its termination ends the wait.
    pub user: bool,
    /// An alert ends the wait.
    pub alertable: bool,
}

/// Empties a list.
pub fn initialize_list(head: *mut LIST_ENTRY) {
    // SAFETY: the caller owns the list head.
    unsafe {
        head.write(LIST_ENTRY {
            Flink: head,
            Blink: head,
        });
    };
}

/// # Safety
///
/// Both belong to lists that the dispatcher lock protects.
pub(super) unsafe fn insert_tail(head: *mut LIST_ENTRY, entry: *mut LIST_ENTRY) {
    // SAFETY: the caller's promise.
    let last = unsafe { (*head).Blink };
    // SAFETY: likewise.
    unsafe {
        entry.write(LIST_ENTRY {
            Flink: head,
            Blink: last,
        });
    };
    // SAFETY: likewise.
    unsafe { (*last).Flink = entry };
    // SAFETY: likewise.
    unsafe { (*head).Blink = entry };
}

/// # Safety
///
/// It is in a list that the dispatcher lock protects.
pub(super) unsafe fn remove(entry: *mut LIST_ENTRY) {
    // SAFETY: the caller's promise.
    let LIST_ENTRY {
        Flink: next,
        Blink: before,
    } = unsafe { entry.read() };
    // SAFETY: likewise.
    unsafe { (*before).Flink = next };
    // SAFETY: likewise.
    unsafe { (*next).Blink = before };
}

/// Whether a wait by this thread would end at once.
///
/// # Safety
///
/// The object exists; the dispatcher lock is held.
unsafe fn is_signaled(object: *mut DISPATCHER_HEADER, thread: *mut Thread) -> bool {
    // SAFETY: the caller's promise.
    let header = unsafe { &*object };
    match header.Type {
        object::MUTANT => mutex::is_available(object, thread),
        object::QUEUE => queue::has_entry(object),
        _ => header.SignalState > 0,
    }
}

/// What the end of a wait does to the object. The thread's IRQL is `level`.
///
/// # Safety
///
/// As [`is_signaled`], which said yes.
unsafe fn satisfy(object: *mut DISPATCHER_HEADER, thread: *mut Thread, level: u8) {
    // SAFETY: the caller's promise.
    let header = unsafe { &mut *object };
    match header.Type {
        object::SYNCHRONIZATION_EVENT | object::SYNCHRONIZATION_TIMER => header.SignalState = 0,
        object::SEMAPHORE => header.SignalState -= 1,
        object::MUTANT => mutex::acquire(object, thread, level >= DISPATCH_LEVEL),
        object::QUEUE => queue::take(object, thread),
        _ => {}
    }
}

/// Has a thread that waits come to its special kernel APCs, if its wait lets them in; it waits
/// again when they have run.
pub(super) fn interrupt_for_apcs(guard: &mut Guard, thread: *mut Thread) {
    // SAFETY: the caller has a reference to the thread; the guard stands for the lock.
    let waiting = unsafe { &*thread };
    if waiting.state == State::Waiting && waiting.has_apcs(waiting.wait_level) {
        end_wait(guard, thread, STATUS_KERNEL_APC, 0);
    }
}

/// Ends a thread's wait, and makes it more urgent for a while.
fn end_wait(guard: &mut Guard, thread: *mut Thread, status: NTSTATUS, increment: i32) {
    // SAFETY: the dispatcher lock is held; a thread that waits exists.
    let waiting = unsafe { &mut *thread };
    assert_eq!(waiting.state, State::Waiting);
    for index in 0..waiting.wait_count {
        // SAFETY: the blocks in use are in the lists of their objects.
        unsafe { remove(&raw mut waiting.wait_blocks[index].list) };
    }
    waiting.wait_count = 0;
    if waiting.wait_timer != (0, 0) {
        guard.dispatcher().timers.cancel(waiting.wait_timer);
        waiting.wait_timer = (0, 0);
    }
    waiting.wait_status = status;
    queue::resume(thread);
    waiting.state = State::Initialized;
    waiting.boost(increment);
    guard.make_ready(thread, false);
}

/// Sets an object's signal state, and ends the waits that it can end. Gives the state before.
pub fn signal(guard: &mut Guard, object: *mut DISPATCHER_HEADER, state: i32) -> i32 {
    signal_with(guard, object, state, 0)
}

/// As [`signal`]; the threads whose waits end are more urgent by `increment` for a while.
pub fn signal_with(
    guard: &mut Guard,
    object: *mut DISPATCHER_HEADER,
    state: i32,
    increment: i32,
) -> i32 {
    // SAFETY: the caller owns the object; the guard stands for the lock.
    let before = unsafe { (*object).SignalState };
    // SAFETY: as above.
    unsafe { (*object).SignalState = state };
    wake(guard, object, increment);
    before
}

/// Ends the waits that an object in its present state can end, oldest first.
pub fn wake(guard: &mut Guard, object: *mut DISPATCHER_HEADER, increment: i32) {
    // SAFETY: the caller owns the object.
    let head = unsafe { &raw mut (*object).WaitListHead };
    // SAFETY: the list is protected by the lock that the guard stands for.
    let mut entry = unsafe { (*head).Flink };
    while entry != head {
        let block = entry.cast::<WaitBlock>();
        // SAFETY: what is in the list is a block of a thread that waits.
        let WaitBlock { thread, index, .. } = unsafe { *block };
        // SAFETY: as above.
        if !unsafe { is_signaled(object, thread) } {
            // For a mutex it depends on the thread, but a mutex that one cannot have, none can.
            return;
        }
        // SAFETY: a thread that waits exists.
        let waiting = unsafe { &*thread };
        if waiting.wait_all {
            let blocks = &waiting.wait_blocks[..waiting.wait_count];
            // SAFETY: those who wait own their objects.
            let signaled = |block: &WaitBlock| unsafe { is_signaled(block.object, thread) };
            if !blocks.iter().all(signaled) {
                // SAFETY: the block is in the list still.
                entry = unsafe { (*entry).Flink };
                continue;
            }
            for block in blocks {
                // SAFETY: all of them are signalled.
                unsafe { satisfy(block.object, thread, 0) };
            }
            end_wait(guard, thread, 0, increment);
        } else {
            // SAFETY: it is signalled.
            unsafe { satisfy(object, thread, 0) };
            end_wait(guard, thread, i32::from(index), increment);
        }
        // From the beginning: with the wait, all of the thread's blocks have left the list, which
        // may have been more than this one. Those that stayed behind stay again.
        // SAFETY: the list is protected by the lock that the guard stands for.
        entry = unsafe { (*head).Flink };
    }
}

/// Ends all waits for an object, with a status.
pub(super) fn end_all(guard: &mut Guard, object: *mut DISPATCHER_HEADER, status: NTSTATUS) {
    // SAFETY: the caller owns the object.
    let head = unsafe { &raw mut (*object).WaitListHead };
    // SAFETY: the list is protected by the lock that the guard stands for.
    let mut entry = unsafe { (*head).Flink };
    while entry != head {
        // SAFETY: what is in the list is a block of a thread that waits.
        let WaitBlock { thread, .. } = unsafe { *entry.cast::<WaitBlock>() };
        end_wait(guard, thread, status, 0);
        // From the beginning: with the wait, all of the thread's blocks have left the list.
        // SAFETY: as above.
        entry = unsafe { (*head).Flink };
    }
}

/// A wait's time is over: called when its timer expires.
pub fn time_out(guard: &mut Guard, thread: *mut Thread) {
    // SAFETY: the timer was set by a thread that waits; ending the wait cancels the timer.
    unsafe { (*thread).wait_timer = (0, 0) };
    end_wait(guard, thread, STATUS_TIMEOUT, 0);
}

/// What ends a wait of this kind before it begins.
fn interruption(thread: &mut Thread, mode: WaitMode) -> Option<NTSTATUS> {
    if mode.alertable {
        // An alert for kernel mode ends a wait in either mode, one for user mode only in that.
        for alerted in thread.alerted.iter_mut().take(1 + usize::from(mode.user)) {
            if core::mem::take(alerted) {
                return Some(STATUS_ALERTED);
            }
        }
    }
    (mode.user && thread.terminating && !thread.holds_apcs_back()).then_some(STATUS_USER_APC)
}

/// Ends the thread's wait if it is one of a kind that something ends early.
fn interrupt(guard: &mut Guard, thread: *mut Thread) {
    // SAFETY: the callers have a reference to the thread; the guard stands for the lock.
    let waiting = unsafe { &mut *thread };
    if waiting.state == State::Waiting
        && let Some(status) = interruption(waiting, waiting.wait_mode)
    {
        end_wait(guard, thread, status, 0);
    }
}

/// Alerts a thread, in user mode or kernel mode: an alertable wait of its ends, the present one
/// or the next. IRQL up to DISPATCH_LEVEL.
///
/// # Safety
///
/// The thread exists.
pub unsafe fn alert(thread: *mut Thread, user: bool) {
    let mut guard = dispatcher::lock();
    // SAFETY: the caller's promise; the lock is held.
    unsafe { (*thread).alerted[usize::from(user)] = true };
    interrupt(&mut guard, thread);
}

/// Waits until the thread is alerted in kernel mode. IRQL below DISPATCH_LEVEL.
pub fn wait_for_alert() {
    let mode = WaitMode {
        user: false,
        alertable: true,
    };
    // SAFETY: there are no objects.
    unsafe { wait_in(&[], WaitType::Any, None, mode) };
}

/// A thread is to end: its waits in the name of user mode end from now on. IRQL up to
/// DISPATCH_LEVEL. Source: "Waits and APCs".
///
/// # Safety
///
/// The thread exists.
pub unsafe fn terminate(thread: *mut Thread) {
    let mut guard = dispatcher::lock();
    // SAFETY: the caller's promise; the lock is held.
    unsafe { (*thread).terminating = true };
    interrupt(&mut guard, thread);
}

/// Waits for objects in kernel mode, not alertably; see [`wait_in`].
///
/// # Safety
///
/// As [`wait_in`].
pub unsafe fn wait(
    objects: &[*mut DISPATCHER_HEADER],
    kind: WaitType,
    due: Option<u64>,
) -> NTSTATUS {
    // SAFETY: the caller's promise.
    unsafe { wait_in(objects, kind, due, WaitMode::default()) }
}

/// Waits for objects. `due` is when the wait ends without them, in interrupt time; zero means
/// not to wait at all. IRQL below DISPATCH_LEVEL, or `due` is zero, or a signal has announced
/// the wait.
///
/// # Safety
///
/// The objects are initialized and stay so.
pub unsafe fn wait_in(
    objects: &[*mut DISPATCHER_HEADER],
    kind: WaitType,
    due: Option<u64>,
    mode: WaitMode,
) -> NTSTATUS {
    let thread = thread::current();
    // SAFETY: the thread that runs, whose own field this is.
    let before = unsafe { (*thread).wait_next.take() };
    // A signal that has announced the wait has raised the level for it.
    let level = before.unwrap_or_else(irql::current);
    loop {
        // SAFETY: the caller's promise.
        let status = unsafe { wait_locked(thread, objects, (kind, level), due, mode) };
        if before.is_some() {
            irql::set(level);
        }
        if status != STATUS_KERNEL_APC {
            return status;
        }
        apc::deliver_below(level);
    }
}

/// `level` is that of who waits.
///
/// # Safety
///
/// As [`wait_in`]; it is the thread that runs.
unsafe fn wait_locked(
    thread: *mut Thread,
    objects: &[*mut DISPATCHER_HEADER],
    (kind, level): (WaitType, u8),
    due: Option<u64>,
    mode: WaitMode,
) -> NTSTATUS {
    let mut guard = dispatcher::lock();
    let queue = match *objects {
        [object] => queue::of(object),
        _ => None,
    };
    if let Some(queue) = queue {
        if queue::is_run_down(queue) {
            return STATUS_ABANDONED;
        }
        queue::enter(&mut guard, queue, thread);
    }
    // SAFETY: the caller's promise.
    let status = unsafe { wait_guarded(&mut guard, thread, objects, (kind, level), due, mode) };
    // A thread of a queue's counts again, however the wait has ended.
    queue::resume(thread);
    status
}

/// # Safety
///
/// As [`wait_locked`]; the guard stands for the dispatcher lock.
unsafe fn wait_guarded(
    guard: &mut Guard,
    thread: *mut Thread,
    objects: &[*mut DISPATCHER_HEADER],
    (kind, level): (WaitType, u8),
    due: Option<u64>,
    mode: WaitMode,
) -> NTSTATUS {
    // SAFETY: the caller's promise; the lock is held.
    let signaled = |object| unsafe { is_signaled(object, thread) };
    match kind {
        WaitType::Any => {
            if let Some(index) = objects.iter().position(|&object| signaled(object)) {
                // SAFETY: it is signalled.
                unsafe { satisfy(objects[index], thread, level) };
                return index as NTSTATUS;
            }
        }
        // A wait for nothing is a delay.
        WaitType::All => {
            if !objects.is_empty() && objects.iter().all(|&object| signaled(object)) {
                for &object in objects {
                    // SAFETY: all of them are signalled.
                    unsafe { satisfy(object, thread, level) };
                }
                return 0;
            }
        }
    }
    // SAFETY: the lock is held; it is the thread that runs.
    let waiting = unsafe { &mut *thread };
    if let Some(status) = interruption(waiting, mode) {
        return status;
    }
    if due.is_some_and(|due| due <= time::interrupt_time()) {
        return STATUS_TIMEOUT;
    }
    if waiting.has_apcs(level) {
        return STATUS_KERNEL_APC;
    }
    for (index, &object) in objects.iter().enumerate() {
        let block = &mut waiting.wait_blocks[index];
        (block.thread, block.object, block.index) = (thread, object, index as u16);
        // SAFETY: the object is the caller's.
        let head = unsafe { &raw mut (*object).WaitListHead };
        let next = match queue::of(object) {
            // Who waits for an entry goes before all others.
            // SAFETY: as above; the lock protects the list.
            Some(_) => unsafe { (*head).Flink },
            None => head,
        };
        // SAFETY: as above; the block is this thread's.
        unsafe { insert_tail(next, &raw mut block.list) };
    }
    waiting.wait_count = objects.len();
    waiting.wait_all = kind == WaitType::All;
    waiting.wait_mode = mode;
    waiting.wait_level = level;
    waiting.state = State::Waiting;
    if let Some(due) = due {
        waiting.wait_timer = guard.dispatcher().timers.set_wait(due, thread);
    }
    queue::pause(guard, thread);
    guard.switch();
    // SAFETY: as above; whoever ended the wait has left the status.
    unsafe { (*thread).wait_status }
}
