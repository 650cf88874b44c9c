//! Queues that threads wait on for entries, of which only so many run at a time.
//!
//! A thread that has taken from a queue belongs to it until it takes from another or ends, and
//! counts against the queue's maximum as long as it does not wait. So one of them that waits for
//! something else lets another have an entry. The one that came last is served first.
//!
//! Sources: KeInitializeQueue, KeInsertQueue, KeInsertHeadQueue, KeRemoveQueue, KeRundownQueue.

use core::{mem::offset_of, ptr::null_mut};

use nthost_nt::{
    ke::{DISPATCHER_HEADER, KQUEUE, LIST_ENTRY},
    status::STATUS_ABANDONED,
};

use super::{
    dispatcher::{self, Guard},
    event::initialize_header,
    pcr,
    thread::Thread,
    wait::{self, WaitType, object},
    wait_for,
};

/// What a thread has to do with queues. The dispatcher lock protects it.
#[derive(Clone, Copy)]
pub struct Membership {
    /// The queue that it belongs to; null, if to none.
    queue: *mut KQUEUE,
    /// Its place among those that do.
    place: LIST_ENTRY,
    /// It is counted as one that runs.
    counted: bool,
    /// What it was given last.
    entry: *mut LIST_ENTRY,
}

impl Membership {
    /// In no queue.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            queue: null_mut(),
            place: LIST_ENTRY {
                Flink: null_mut(),
                Blink: null_mut(),
            },
            counted: false,
            entry: null_mut(),
        }
    }
}

impl Default for Membership {
    fn default() -> Self {
        Self::new()
    }
}

/// The queue that an object is, unless it is something else.
pub(super) fn of(object: *mut DISPATCHER_HEADER) -> Option<*mut KQUEUE> {
    // SAFETY: the caller's object; its type never changes.
    let kind = unsafe { (*object).Type };
    (kind == object::QUEUE).then_some(object.cast())
}

/// Whether a thread may have an entry now. The dispatcher lock is held.
pub(super) fn has_entry(object: *mut DISPATCHER_HEADER) -> bool {
    // SAFETY: the header is a queue's, which begins with it; the dispatcher lock is held.
    let queue = unsafe { &*object.cast::<KQUEUE>() };
    queue.Header.SignalState > 0 && queue.CurrentCount < queue.MaximumCount
}

/// Whether a queue has been run down. The dispatcher lock is held.
pub(super) fn is_run_down(queue: *mut KQUEUE) -> bool {
    // SAFETY: the caller's queue; the dispatcher lock is held.
    unsafe { (*queue).Header.Reserved1 != 0 }
}

/// Gives a thread the first entry. The dispatcher lock is held, and there is one.
pub(super) fn take(object: *mut DISPATCHER_HEADER, thread: *mut Thread) {
    // SAFETY: as in `has_entry`.
    let queue = unsafe { &mut *object.cast::<KQUEUE>() };
    let entry = queue.EntryListHead.Flink;
    // SAFETY: the entry is in the queue's list.
    unsafe { wait::remove(entry) };
    queue.Header.SignalState -= 1;
    // SAFETY: the thread exists; the dispatcher lock is held.
    unsafe { (*thread).queue.entry = entry };
    resume(thread);
}

/// A thread takes from a queue: it belongs to this one from now on, and has done with the entry
/// before. The dispatcher lock is held.
pub(super) fn enter(guard: &mut Guard, queue: *mut KQUEUE, thread: *mut Thread) {
    // SAFETY: it is the thread that runs; the guard stands for the lock.
    let member = unsafe { &raw mut (*thread).queue };
    // SAFETY: likewise.
    if unsafe { (*member).queue } != queue {
        leave(guard, thread);
        // SAFETY: likewise.
        unsafe { (*member).queue = queue };
        // SAFETY: the caller's queue.
        let head = unsafe { &raw mut (*queue).ThreadListHead };
        // SAFETY: the thread's own link.
        let place = unsafe { &raw mut (*member).place };
        // SAFETY: both belong to the queue's list, which the lock protects.
        unsafe { wait::insert_tail(head, place) };
    }
    // Its place goes to itself before it goes to another: a switch is spared.
    uncount(thread);
}

/// A thread is not counted any more; whether it was.
fn uncount(thread: *mut Thread) -> bool {
    // SAFETY: the callers' thread exists; they hold the lock.
    let member = unsafe { &mut (*thread).queue };
    let counted = core::mem::take(&mut member.counted);
    if counted {
        // SAFETY: a queue exists as long as threads belong to it.
        unsafe { (*member.queue).CurrentCount -= 1 };
    }
    counted
}

/// A thread is about to wait: another of its queue's may run. The dispatcher lock is held.
pub(super) fn pause(guard: &mut Guard, thread: *mut Thread) {
    // SAFETY: the thread that runs; the guard stands for the lock.
    let queue = unsafe { (*thread).queue.queue };
    if uncount(thread) {
        wait::wake(guard, queue.cast(), 0);
    }
}

/// A thread's wait is over. The dispatcher lock is held.
pub(super) fn resume(thread: *mut Thread) {
    // SAFETY: the callers' thread exists; they hold the lock.
    let member = unsafe { &mut (*thread).queue };
    if !member.queue.is_null() && !member.counted {
        member.counted = true;
        // SAFETY: as above.
        unsafe { (*member.queue).CurrentCount += 1 };
    }
}

/// A thread belongs to no queue any more. The dispatcher lock is held.
pub(super) fn leave(guard: &mut Guard, thread: *mut Thread) {
    // SAFETY: the thread that runs; the guard stands for the lock.
    if unsafe { (*thread).queue.queue }.is_null() {
        return;
    }
    pause(guard, thread);
    // SAFETY: likewise.
    let member = unsafe { &mut (*thread).queue };
    // SAFETY: it is in the list of its queue's.
    unsafe { wait::remove(&raw mut member.place) };
    member.queue = null_mut();
}

/// Adds an entry before or behind all others; gives how many there were.
///
/// # Safety
///
/// It is an initialized queue; the entry is in no list, and resident.
unsafe fn insert(queue: *mut KQUEUE, entry: *mut LIST_ENTRY, first: bool) -> i32 {
    let mut guard = dispatcher::lock();
    // SAFETY: the caller's promise.
    let fields = unsafe { &mut *queue };
    let before = fields.Header.SignalState;
    let head = &raw mut fields.EntryListHead;
    let next = if first {
        fields.EntryListHead.Flink
    } else {
        head
    };
    // SAFETY: the queue's list, which the lock protects, and the caller's entry.
    unsafe { wait::insert_tail(next, entry) };
    wait::signal(&mut guard, queue.cast(), before + 1);
    before
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Makes a queue, of whose threads so many run at a time; as many as there are processors, if
    /// `count` is zero.
    ///
    /// Source: KeInitializeQueue.
    ///
    /// # Safety
    ///
    /// `queue` is resident memory for a queue.
    pub unsafe fn KeInitializeQueue(queue: *mut KQUEUE, count: u32) {
        // SAFETY: the caller's promise.
        unsafe { initialize_header(queue.cast(), object::QUEUE, size_of::<KQUEUE>(), 0) };
        // SAFETY: likewise.
        let fields = unsafe { &mut *queue };
        wait::initialize_list(&raw mut fields.EntryListHead);
        wait::initialize_list(&raw mut fields.ThreadListHead);
        fields.CurrentCount = 0;
        fields.MaximumCount = if count == 0 { pcr::all().count() as u32 } else { count };
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Adds an entry behind all others, or gives it to a thread that waits for one. Gives how many
    /// entries there were.
    ///
    /// Source: KeInsertQueue.
    ///
    /// # Safety
    ///
    /// It is an initialized queue; the entry is in no list, and resident until it is taken.
    pub unsafe fn KeInsertQueue(queue: *mut KQUEUE, entry: *mut LIST_ENTRY) -> i32 {
        // SAFETY: the caller's promise.
        unsafe { insert(queue, entry, false) }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// As KeInsertQueue, before all others.
    ///
    /// Source: KeInsertHeadQueue.
    ///
    /// # Safety
    ///
    /// As KeInsertQueue.
    pub unsafe fn KeInsertHeadQueue(queue: *mut KQUEUE, entry: *mut LIST_ENTRY) -> i32 {
        // SAFETY: the caller's promise.
        unsafe { insert(queue, entry, true) }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// The first entry, which is the caller's from now on; it is waited for, for a time. At
    /// DISPATCH_LEVEL only with a time of zero. Instead of an entry, the address is
    /// STATUS_TIMEOUT, STATUS_USER_APC, or STATUS_ABANDONED for a queue that is run down.
    ///
    /// Source: KeRemoveQueue.
    ///
    /// # Safety
    ///
    /// It is an initialized queue; the time-out is null or a time.
    pub unsafe fn KeRemoveQueue(
        queue: *mut KQUEUE,
        wait_mode: i8,
        timeout: *const i64,
    ) -> *mut LIST_ENTRY {
        // SAFETY: the caller's promise.
        let due = unsafe { wait_for::due(timeout) };
        wait_for::check_irql(due, "KeRemoveQueue", &[queue as u64, 0, timeout as u64]);
        wait_for::check_place(wait_mode, queue as u64);
        let mode = wait_for::mode(wait_mode, 0);
        // SAFETY: the caller's promise.
        let status = unsafe { wait::wait_in(&[queue.cast()], WaitType::Any, due, mode) };
        if status == 0 {
            // SAFETY: the thread that runs, to which the entry was given; it alone takes another.
            unsafe { (*super::thread::current()).queue.entry }
        } else {
            status as usize as *mut LIST_ENTRY
        }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Empties a queue, and ends all waits for its entries, now and from now on, with
    /// STATUS_ABANDONED. Gives the first entry, which is linked in a circle with the others and
    /// nothing else; null, if there is none.
    ///
    /// Source: KeRundownQueue.
    ///
    /// # Safety
    ///
    /// It is an initialized queue.
    pub unsafe fn KeRundownQueue(queue: *mut KQUEUE) -> *mut LIST_ENTRY {
        let mut guard = dispatcher::lock();
        // SAFETY: the caller's promise; the lock is held.
        let fields = unsafe { &mut *queue };
        fields.Header.Reserved1 = 1;
        fields.Header.SignalState = 0;
        let head = &raw mut fields.EntryListHead;
        let first = fields.EntryListHead.Flink;
        // SAFETY: the head is in the list of the entries.
        unsafe { wait::remove(head) };
        wait::initialize_list(head);
        let threads = &raw mut fields.ThreadListHead;
        let offset = offset_of!(Thread, queue) + offset_of!(Membership, place);
        // SAFETY: the list of the queue's threads, which the lock protects.
        let mut place = unsafe { (*threads).Flink };
        while place != threads {
            leave(&mut guard, place.wrapping_byte_sub(offset).cast());
            // SAFETY: likewise.
            place = unsafe { (*threads).Flink };
        }
        wait::end_all(&mut guard, queue.cast(), STATUS_ABANDONED);
        if first == head { null_mut() } else { first }
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// How many entries there are in a queue. Reserved, as the reference has it.
    ///
    /// Source: KeReadStateQueue.
    ///
    /// # Safety
    ///
    /// It is an initialized queue.
    pub unsafe fn KeReadStateQueue(queue: *const KQUEUE) -> i32 {
        // SAFETY: the caller's promise.
        let state = unsafe { &raw const (*queue).Header.SignalState };
        // SAFETY: likewise; one word is read whole.
        unsafe { state.read_volatile() }
    }
}
