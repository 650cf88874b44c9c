//! Work items that belong to no device, and what a thread works for.
//!
//! Sources: ExQueueWorkItem, ExInitializeWorkItem, ExGetPreviousMode; bug check 0xE4
//! (WORKER_INVALID).

use alloc::collections::BTreeSet;
use core::sync::atomic::{AtomicPtr, Ordering};

use nthost_nt::{ex::WORK_QUEUE_ITEM, ke::LIST_ENTRY};

use super::worker::{self, Queue};
use crate::{
    driver_routine::{self, Kind},
    hook,
    ke::{
        bugcheck::{self, code},
        lock::HighLock,
        thread,
    },
    mm::pageable,
};

/// The work item is queued already.
const QUEUED_TWICE: u64 = 1;

/// The work items that are queued. A leaf.
static QUEUED: HighLock<BTreeSet<u64>> = HighLock::new(BTreeSet::new());

/// A queued work item in a range of memory.
#[must_use]
pub fn queued_in(address: u64, size: u64) -> Option<u64> {
    let queued = QUEUED.lock();
    queued.range(address..address + size).next().copied()
}

/// A queued work item is in memory that is freed: its routine is not called.
pub fn forget(item: u64) {
    QUEUED.lock().remove(&item);
}

/// The link that tells whether a work item is queued: drivers' inlined initialization clears it.
fn link<'a>(item: *mut WORK_QUEUE_ITEM) -> &'a AtomicPtr<LIST_ENTRY> {
    // SAFETY: the caller's work item.
    let place = unsafe { &raw mut (*item).List.Flink };
    // SAFETY: as above; it is only used through this while the item is initialized.
    unsafe { AtomicPtr::from_ptr(place) }
}

/// A work item on its way to a worker thread.
struct Queued(*mut WORK_QUEUE_ITEM);

// SAFETY: the item is the queue's until its routine is called.
unsafe impl Send for Queued {}

impl Queued {
    fn run(self) {
        if !QUEUED.lock().remove(&(self.0 as u64)) {
            return;
        }
        // SAFETY: the item is the queue's until now.
        let WORK_QUEUE_ITEM {
            WorkerRoutine: routine,
            Parameter: parameter,
            ..
        } = unsafe { self.0.read() };
        // The routine may free the item, or queue it again. Release: whoever queues it again has
        // not been seen by this call.
        link(self.0).store(core::ptr::null_mut(), Ordering::Release);
        if let Some(routine) = routine {
            driver_routine::call(Kind::WorkItem, routine as usize, self.0.addr(), || {
                // SAFETY: the driver's own routine, with its parameter.
                unsafe { routine(parameter) };
            });
        }
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Has a system worker thread call a work item's routine. One that is queued already ends
    /// in bug check 0xE4.
    ///
    /// Source: ExQueueWorkItem.
    ///
    /// # Safety
    ///
    /// It is an initialized work item, which stays until its routine is called.
    pub unsafe fn ExQueueWorkItem(item: *mut WORK_QUEUE_ITEM, kind: i32) {
        if pageable::contains(item as u64) {
            // Subcode 0x131: a work item in pageable memory.
            hook::misuse([0x131, item as u64, 0, 0]);
        }
        // Acquire: the item is seen as its last routine left it.
        if !link(item).swap(item.cast(), Ordering::AcqRel).is_null() {
            let parameters = [QUEUED_TWICE, item as u64, u64::from(kind.cast_unsigned()), 0];
            bugcheck::bugcheck(code::WORKER_INVALID, parameters);
        }
        QUEUED.lock().insert(item as u64);
        let queued = Queued(item);
        worker::queue(Queue::of(kind), move || {
            // The whole of it, not its pointer alone, is what may go to another thread.
            let queued: Queued = queued;
            queued.run();
        });
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Whether the thread that runs works for a process's own code (1, UserMode) or for the
    /// kernel (0, KernelMode).
    ///
    /// Source: ExGetPreviousMode.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn ExGetPreviousMode() -> i8 {
        // SAFETY: the thread that runs.
        i8::from(!unsafe { (*thread::current()).address_space }.is_null())
    }
}
