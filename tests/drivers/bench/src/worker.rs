//! A thread that keeps so many requests outstanding.
//!
//! The rules of the kernel this stands for: a driver waits for the end of its threads by their
//! objects before what they use is freed (nf-wdm-pscreatesystemthread); a thread that is told of each
//! end by a semaphore has seen them all when it has waited as often (nf-wdm-kereleasesemaphore).

use core::{
    cell::UnsafeCell,
    sync::atomic::{AtomicPtr, Ordering},
};

use eduwdm_abi::bench::{CLASSES, Kind, class_of};
use wdm::{
    Result,
    irql::Passive,
    numa::Processor,
    pool::PoolBox,
    wdk_sys::{
        _KWAIT_REASON::Executive,
        GROUP_AFFINITY, KSEMAPHORE,
        ntddk::{
            KeInitializeSemaphore, KeReleaseSemaphore, KeRevertToUserGroupAffinityThread,
            KeSetSystemGroupAffinityThread, KeWaitForSingleObject,
        },
    },
};

use crate::{TAG, slot::Slot, target::Target};

/// `KernelMode`, as `KPROCESSOR_MODE` holds it.
const KERNEL_MODE: i8 = 0;

/// The slots whose requests are over.
pub struct Completed {
    /// The one that was put last. Atomic: put by any processor, and taken by the worker all at once.
    last: AtomicPtr<Slot>,
    /// How many were put, and not waited for yet.
    count: UnsafeCell<KSEMAPHORE>,
}

// SAFETY: a semaphore's routines synchronise themselves; the rest is atomic.
unsafe impl Sync for Completed {}

impl Completed {
    /// None, in its place.
    fn new(limit: i32, irql: &Passive) -> Result<PoolBox<Self>> {
        let completed = Self {
            last: AtomicPtr::default(),
            count: UnsafeCell::default(),
        };
        let completed = PoolBox::new(TAG, completed, irql)?;
        // SAFETY: in pool, where it stays until it is freed.
        unsafe { KeInitializeSemaphore(completed.count.get(), 0, limit) };
        Ok(completed)
    }

    /// Puts a slot.
    ///
    /// # Safety
    ///
    /// The caller has the slot, and gives it up; IRQL <= DISPATCH_LEVEL.
    pub unsafe fn put(&self, slot: *mut Slot) {
        let link = |last| {
            // SAFETY: had until the exchange succeeds.
            unsafe { (*slot).next = last };
            Some(slot)
        };
        // Release, for who takes it: what the request has left, and the link. It never fails.
        let _ = self
            .last
            .fetch_update(Ordering::Release, Ordering::Relaxed, link);
        // The last that is done with this list: when the worker has waited for it, the list may go.
        // SAFETY: initialised; no more are put than there are slots.
        unsafe { KeReleaseSemaphore(self.count.get(), 0, 1, 0) };
    }

    /// Waits until there is one more.
    fn wait(&self, _irql: &mut Passive) {
        let object = self.count.get().cast();
        // SAFETY: at PASSIVE_LEVEL, for an object that lives as long as the slots.
        let _ = unsafe {
            KeWaitForSingleObject(object, Executive, KERNEL_MODE, 0, core::ptr::null_mut())
        };
    }

    /// Takes all that there are, the last first.
    fn take(&self) -> *mut Slot {
        // Acquire: pairs with `put`.
        self.last.swap(core::ptr::null_mut(), Ordering::Acquire)
    }
}

/// What a worker has found.
pub struct Found {
    /// Requests that have ended as they should.
    pub right: u64,
    /// Requests that have not.
    pub wrong: u64,
    /// How many took how long.
    pub latencies: PoolBox<[u64]>,
}

/// A worker, before it runs and after.
pub struct Worker {
    /// Dropped before the list that they are put to.
    slots: PoolBox<[Slot]>,
    completed: PoolBox<Completed>,
    requests: u32,
    processor: Processor,
    pub found: Found,
}

impl Worker {
    /// One that makes so many requests of this kind on this processor, and keeps `depth` of them
    /// outstanding.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn new(
        target: &Target,
        (kind, length): (Kind, u32),
        (depth, requests): (u32, u32),
        processor: Processor,
        irql: &Passive,
    ) -> Result<Self> {
        let limit = i32::try_from(depth).unwrap_or(i32::MAX);
        let completed = Completed::new(limit, irql)?;
        let list: *const Completed = completed.as_ptr();
        let slot = |_| Slot::new(target, kind, length, list, irql);
        let depth = depth.min(requests) as usize;
        Ok(Self {
            slots: PoolBox::try_slice(TAG, depth, slot, irql)?,
            completed,
            requests,
            processor,
            found: Found {
                right: 0,
                wrong: 0,
                latencies: PoolBox::slice(TAG, CLASSES, |_| 0, irql)?,
            },
        })
    }

    /// Makes all requests, and waits for their ends.
    pub fn work(&mut self, target: &Target, irql: &mut Passive) {
        let affinity = GROUP_AFFINITY {
            Mask: 1 << self.processor.number,
            Group: self.processor.group,
            Reserved: [0; 3],
        };
        let mut affinity = affinity;
        let mut previous = GROUP_AFFINITY::default();
        // SAFETY: a system thread, at PASSIVE_LEVEL; the processor is active.
        unsafe { KeSetSystemGroupAffinityThread(&raw mut affinity, &raw mut previous) };
        let mut sent = 0;
        for slot in self.slots.iter_mut() {
            sent += 1;
            // SAFETY: it was not sent yet, and stays in its place.
            unsafe { Slot::send(slot, target) };
        }
        let mut over: *mut Slot = core::ptr::null_mut();
        for _ in 0..self.requests {
            self.completed.wait(irql);
            if over.is_null() {
                over = self.completed.take();
            }
            // As many are in the list as were waited for.
            let slot: *mut Slot = over;
            // SAFETY: out of the list, so it is this thread's.
            let ended = unsafe { &*slot };
            over = ended.next;
            if ended.is_right() {
                self.found.right += 1;
            } else {
                self.found.wrong += 1;
            }
            let class = class_of(ended.took_100ns.saturating_mul(100));
            if let Some(count) = self.found.latencies.get_mut(class) {
                *count += 1;
            }
            if sent < self.requests {
                sent += 1;
                // SAFETY: this thread's, and in its place.
                unsafe { Slot::send(slot, target) };
            }
        }
        // SAFETY: what was set above is put back, at PASSIVE_LEVEL.
        unsafe { KeRevertToUserGroupAffinityThread(&raw mut previous) };
    }
}
