//! Work items: a driver's routine that a system worker thread calls at PASSIVE_LEVEL, with a
//! reference to the device or driver object meanwhile.
//!
//! Sources: IoAllocateWorkItem, IoQueueWorkItem, IoQueueWorkItemEx, IoTryQueueWorkItem,
//! IoFreeWorkItem, IoInitializeWorkItem, IoUninitializeWorkItem, IoSizeofWorkItem; "Bug Check
//! 0xE4: WORKER_INVALID".

use alloc::{boxed::Box, collections::BTreeSet};
use core::{
    ffi::c_void,
    mem::size_of,
    ptr::null_mut,
    sync::atomic::{AtomicBool, Ordering},
};

use crate::{
    driver_routine::{self, Kind},
    ex::worker::{self, Queue},
    ke::{bugcheck, irql, lock::SpinLock},
    ob::object,
};

/// WORKER_INVALID.
const WORKER_INVALID: u32 = 0xe4;
/// A work item that is queued was queued again.
const QUEUED_TWICE: u64 = 1;
/// A work item that is queued was freed.
const FREED_QUEUED: u64 = 2;
/// A work item was initialized for what is no object.
const INVALID_OBJECT: u64 = 3;

/// A work item's routine (nc-wdm-io_workitem_routine).
#[expect(non_camel_case_types, reason = "the reference's own name")]
pub type IO_WORKITEM_ROUTINE = unsafe extern "win64" fn(object: *mut c_void, context: *mut c_void);
/// One that gets the work item too (nc-wdm-io_workitem_routine_ex).
#[expect(non_camel_case_types, reason = "the reference's own name")]
pub type IO_WORKITEM_ROUTINE_EX =
    unsafe extern "win64" fn(object: *mut c_void, context: *mut c_void, item: *mut WorkItem);

/// A work item: opaque to drivers.
#[derive(Debug)]
#[repr(C)]
pub struct WorkItem {
    object: *mut c_void,
    queued: AtomicBool,
}

#[derive(Clone, Copy)]
enum Routine {
    Plain(IO_WORKITEM_ROUTINE),
    Ex(IO_WORKITEM_ROUTINE_EX),
}

impl Routine {
    fn address(self) -> u64 {
        match self {
            Self::Plain(routine) => routine as usize as u64,
            Self::Ex(routine) => routine as usize as u64,
        }
    }
}

/// What a worker thread calls.
struct Call {
    item: *mut WorkItem,
    object: *mut c_void,
    routine: Routine,
    context: *mut c_void,
}

// SAFETY: the item is queued once at a time, and is this call's until it is unqueued.
unsafe impl Send for Call {}

impl Call {
    fn run(self) {
        // The item may be freed or queued again by the routine.
        // SAFETY: a queued item exists.
        unsafe { &*self.item }
            .queued
            .store(false, Ordering::Release);
        let address = self.routine.address() as usize;
        driver_routine::call(Kind::WorkItem, address, self.item.addr(), || {
            match self.routine {
                // SAFETY: the driver's own routine, with what it was queued with.
                Routine::Plain(routine) => unsafe { routine(self.object, self.context) },
                // SAFETY: as above.
                Routine::Ex(routine) => unsafe { routine(self.object, self.context, self.item) },
            }
        });
        let level = irql::current();
        if level != crate::export::PASSIVE_LEVEL {
            // WORKER_THREAD_RETURNED_AT_BAD_IRQL.
            let parameters = [
                self.routine.address(),
                level.into(),
                self.item.addr() as u64,
                0,
            ];
            bugcheck::bugcheck(0xe1, parameters);
        }
        object::dereference(self.object);
    }
}

/// Queues a work item; `false` if it is queued already.
///
/// # Safety
///
/// The item is initialized.
unsafe fn queue(item: *mut WorkItem, routine: Routine, kind: i32, context: *mut c_void) -> bool {
    // SAFETY: the caller's promise.
    let fields = unsafe { &*item };
    // Acquire: what the routine did when it last ran is seen.
    if fields.queued.swap(true, Ordering::AcqRel) {
        return false;
    }
    object::reference(fields.object);
    let call = Call {
        item,
        object: fields.object,
        routine,
        context,
    };
    worker::queue(Queue::of(kind), move || call.run());
    true
}

/// # Safety
///
/// As IoQueueWorkItem.
unsafe fn queue_or_stop(item: *mut WorkItem, routine: Routine, kind: i32, context: *mut c_void) {
    // SAFETY: the caller's promise.
    if !unsafe { queue(item, routine, kind, context) } {
        let parameters = [
            QUEUED_TWICE,
            item.addr() as u64,
            u64::from(kind.cast_unsigned()),
            0,
        ];
        bugcheck::bugcheck(WORKER_INVALID, parameters);
    }
}

/// The items that IoAllocateWorkItem gave. A leaf.
static ALLOCATED: SpinLock<BTreeSet<usize>> = SpinLock::new(BTreeSet::new());

/// What is freed is none of those: "an invalid pool address" of bug check 0xC2.
const INVALID_ADDRESS: u64 = 0x46;

/// # Safety
///
/// The item is initialized.
unsafe fn check_not_queued(item: *mut WorkItem) {
    // SAFETY: the caller's promise.
    if unsafe { &*item }.queued.load(Ordering::Acquire) {
        bugcheck::bugcheck(WORKER_INVALID, [FREED_QUEUED, item.addr() as u64, 0, 0]);
    }
}

fn new(object: *mut c_void, item: *mut WorkItem) -> WorkItem {
    if object::kind(object).is_none() {
        let parameters = [INVALID_OBJECT, item.addr() as u64, object.addr() as u64, 0];
        bugcheck::bugcheck(WORKER_INVALID, parameters);
    }
    WorkItem {
        object,
        queued: AtomicBool::new(false),
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    fails: null_mut();
    /// Makes a work item for a device object.
    ///
    /// Source: IoAllocateWorkItem.
    ///
    /// # Safety
    ///
    /// The object exists.
    pub unsafe fn IoAllocateWorkItem(object: *mut c_void) -> *mut WorkItem {
        let item = Box::into_raw(Box::new(new(object, null_mut())));
        ALLOCATED.lock().insert(item.addr());
        item
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Frees a work item that is not queued.
    ///
    /// Source: IoFreeWorkItem.
    ///
    /// # Safety
    ///
    /// It was made by IoAllocateWorkItem.
    pub unsafe fn IoFreeWorkItem(item: *mut WorkItem) {
        // SAFETY: the caller's promise.
        unsafe { check_not_queued(item) };
        if !ALLOCATED.lock().remove(&item.addr()) {
            let parameters = [INVALID_ADDRESS, item.addr() as u64, 0, 0];
            bugcheck::bugcheck(bugcheck::code::BAD_POOL_CALLER, parameters);
        }
        // SAFETY: it was allocated, and is nobody's any more.
        drop(unsafe { Box::from_raw(item) });
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// How much memory IoInitializeWorkItem needs.
    ///
    /// Source: IoSizeofWorkItem.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn IoSizeofWorkItem() -> u32 {
        size_of::<WorkItem>() as u32
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Makes a work item of the caller's memory.
    ///
    /// Source: IoInitializeWorkItem.
    ///
    /// # Safety
    ///
    /// `item` is resident memory of IoSizeofWorkItem bytes; the object exists.
    pub unsafe fn IoInitializeWorkItem(object: *mut c_void, item: *mut WorkItem) {
        let fields = new(object, item);
        // SAFETY: the caller's promise.
        unsafe { item.write(fields) };
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The work item is not used any more.
    ///
    /// Source: IoUninitializeWorkItem.
    ///
    /// # Safety
    ///
    /// It was made by IoInitializeWorkItem.
    pub unsafe fn IoUninitializeWorkItem(item: *mut WorkItem) {
        // SAFETY: the caller's promise.
        unsafe { check_not_queued(item) };
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Has a worker thread call a routine. An item that is queued already ends in bug check
    /// 0xE4.
    ///
    /// Source: IoQueueWorkItem.
    ///
    /// # Safety
    ///
    /// The item is initialized, and stays until its routine is called.
    pub unsafe fn IoQueueWorkItem(
        item: *mut WorkItem,
        routine: IO_WORKITEM_ROUTINE,
        kind: i32,
        context: *mut c_void,
    ) {
        // SAFETY: the caller's promise.
        unsafe { queue_or_stop(item, Routine::Plain(routine), kind, context) };
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// As IoQueueWorkItem, for a routine that gets the item.
    ///
    /// Source: IoQueueWorkItemEx.
    ///
    /// # Safety
    ///
    /// As IoQueueWorkItem.
    pub unsafe fn IoQueueWorkItemEx(
        item: *mut WorkItem,
        routine: IO_WORKITEM_ROUTINE_EX,
        kind: i32,
        context: *mut c_void,
    ) {
        // SAFETY: the caller's promise.
        unsafe { queue_or_stop(item, Routine::Ex(routine), kind, context) };
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// As IoQueueWorkItemEx; FALSE if the item is queued already.
    ///
    /// Source: IoTryQueueWorkItem.
    ///
    /// # Safety
    ///
    /// As IoQueueWorkItem.
    pub unsafe fn IoTryQueueWorkItem(
        item: *mut WorkItem,
        routine: IO_WORKITEM_ROUTINE_EX,
        kind: i32,
        context: *mut c_void,
    ) -> u8 {
        // SAFETY: the caller's promise.
        u8::from(unsafe { queue(item, Routine::Ex(routine), kind, context) })
    }
}
