//! Waiting for objects, and what a signal does for those who wait.
//!
//! Sources: KeWaitForSingleObject, KeWaitForMultipleObjects, "Introduction to Kernel Dispatcher
//! Objects". All of it happens under the dispatcher lock.

use core::ptr::null_mut;

use nthost_nt::{
    ke::{DISPATCHER_HEADER, LIST_ENTRY},
    status::{NTSTATUS, STATUS_TIMEOUT},
};

use super::{
    dispatcher::{self, Guard},
    thread::{self, State, Thread},
    time,
};

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
unsafe fn insert_tail(head: *mut LIST_ENTRY, entry: *mut LIST_ENTRY) {
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
unsafe fn remove(entry: *mut LIST_ENTRY) {
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
    if header.Type == object::MUTANT {
        return super::event::mutant_available(object, thread);
    }
    header.SignalState > 0
}

/// What the end of a wait does to the object.
///
/// # Safety
///
/// As [`is_signaled`], which said yes.
unsafe fn satisfy(object: *mut DISPATCHER_HEADER, thread: *mut Thread) {
    // SAFETY: the caller's promise.
    let header = unsafe { &mut *object };
    match header.Type {
        object::SYNCHRONIZATION_EVENT | object::SYNCHRONIZATION_TIMER => header.SignalState = 0,
        object::SEMAPHORE => header.SignalState -= 1,
        object::MUTANT => super::event::mutant_acquire(object, thread),
        _ => {}
    }
}

/// Ends a thread's wait.
fn end_wait(guard: &mut Guard, thread: *mut Thread, status: NTSTATUS) {
    // SAFETY: the dispatcher lock is held; a thread that waits exists.
    let waiting = unsafe { &mut *thread };
    debug_assert_eq!(waiting.state, State::Waiting);
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
    waiting.state = State::Initialized;
    guard.make_ready(thread, false);
}

/// Sets an object's signal state, and ends the waits that it can end. Gives the state before.
pub fn signal(guard: &mut Guard, object: *mut DISPATCHER_HEADER, state: i32) -> i32 {
    // SAFETY: the caller owns the object; the guard stands for the lock.
    let before = unsafe { (*object).SignalState };
    // SAFETY: as above.
    unsafe { (*object).SignalState = state };
    wake(guard, object);
    before
}

/// Ends the waits that an object in its present state can end, oldest first.
pub fn wake(guard: &mut Guard, object: *mut DISPATCHER_HEADER) {
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
        // SAFETY: as above.
        entry = unsafe { (*entry).Flink };
        // SAFETY: a thread that waits exists.
        let waiting = unsafe { &*thread };
        if waiting.wait_all {
            let blocks = &waiting.wait_blocks[..waiting.wait_count];
            // SAFETY: those who wait own their objects.
            let signaled = |block: &WaitBlock| unsafe { is_signaled(block.object, thread) };
            if !blocks.iter().all(signaled) {
                continue;
            }
            for block in blocks {
                // SAFETY: all of them are signalled.
                unsafe { satisfy(block.object, thread) };
            }
            end_wait(guard, thread, 0);
        } else {
            // SAFETY: it is signalled.
            unsafe { satisfy(object, thread) };
            end_wait(guard, thread, i32::from(index));
        }
    }
}

/// A wait's time is over: called when its timer expires.
pub fn time_out(guard: &mut Guard, thread: *mut Thread) {
    // SAFETY: the timer was set by a thread that waits; ending the wait cancels the timer.
    unsafe { (*thread).wait_timer = (0, 0) };
    end_wait(guard, thread, STATUS_TIMEOUT);
}

/// Waits for objects. `due` is when the wait ends without them, in interrupt time; zero means
/// not to wait at all. IRQL below DISPATCH_LEVEL, or `due` is zero.
///
/// # Safety
///
/// The objects are initialized and stay so.
pub unsafe fn wait(
    objects: &[*mut DISPATCHER_HEADER],
    kind: WaitType,
    due: Option<u64>,
) -> NTSTATUS {
    let thread = thread::current();
    let mut guard = dispatcher::lock();
    // SAFETY: the caller's promise; the lock is held.
    let signaled = |&&object: &&*mut DISPATCHER_HEADER| unsafe { is_signaled(object, thread) };
    match kind {
        WaitType::Any => {
            if let Some(index) = objects.iter().position(|object| signaled(&object)) {
                // SAFETY: it is signalled.
                unsafe { satisfy(objects[index], thread) };
                return index as NTSTATUS;
            }
        }
        WaitType::All => {
            if objects.iter().all(|object| signaled(&object)) {
                for &object in objects {
                    // SAFETY: all of them are signalled.
                    unsafe { satisfy(object, thread) };
                }
                return 0;
            }
        }
    }
    if due.is_some_and(|due| due <= time::interrupt_time()) {
        return STATUS_TIMEOUT;
    }
    // SAFETY: the lock is held; it is the thread that runs.
    let waiting = unsafe { &mut *thread };
    for (index, &object) in objects.iter().enumerate() {
        let block = &mut waiting.wait_blocks[index];
        (block.thread, block.object, block.index) = (thread, object, index as u16);
        // SAFETY: the object is the caller's.
        let head = unsafe { &raw mut (*object).WaitListHead };
        // SAFETY: as above; the block is this thread's.
        unsafe { insert_tail(head, &raw mut block.list) };
    }
    waiting.wait_count = objects.len();
    waiting.wait_all = kind == WaitType::All;
    waiting.state = State::Waiting;
    if let Some(due) = due {
        waiting.wait_timer = guard.dispatcher().timers.set_wait(due, thread);
    }
    guard.switch();
    // SAFETY: as above; whoever ended the wait has left the status.
    unsafe { (*thread).wait_status }
}
