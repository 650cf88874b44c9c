//! Deferred procedure calls: each processor's queue, drained at DISPATCH_LEVEL.
//!
//! Source: "Organization of DPC Queues".

mod exports;

use core::{
    ffi::c_void,
    ptr::null_mut,
    sync::atomic::{AtomicU64, Ordering},
};

use nthost_nt::ke::{KDEFERRED_ROUTINE, KDPC, SINGLE_LIST_ENTRY};

use super::{
    dispatcher,
    dpc_queue::DpcQueue,
    lock::HighLock,
    pcr::{self, Pcr},
    threaded_dpc, watchdog,
};
pub use exports::*;

use crate::{
    driver_routine::{self, Kind},
    hook,
};

/// `KDPC.Type` of a normal DPC.
pub(super) const DPC_OBJECT: u8 = 0x13;
/// `KDPC.Type` of a threaded DPC.
pub(super) const THREADED_DPC_OBJECT: u8 = 0x1a;
/// `KDPC_IMPORTANCE`.
const LOW_IMPORTANCE: u8 = 0;
const MEDIUM_IMPORTANCE: u8 = 1;
const HIGH_IMPORTANCE: u8 = 2;
const MEDIUM_HIGH_IMPORTANCE: u8 = 3;
/// `KDPC.Number` counts the target processor from here.
const TARGETED: u16 = 0x800;

/// Makes a DPC of a type.
///
/// # Safety
///
/// `dpc` is memory for a DPC that is in no queue.
pub(super) unsafe fn initialize(
    dpc: *mut KDPC,
    kind: u8,
    routine: Option<KDEFERRED_ROUTINE>,
    context: *mut c_void,
) {
    let new = KDPC {
        Type: kind,
        Importance: MEDIUM_IMPORTANCE,
        Number: 0,
        DpcListEntry: SINGLE_LIST_ENTRY { Next: null_mut() },
        ProcessorHistory: 0,
        DeferredRoutine: routine,
        DeferredContext: context,
        SystemArgument1: null_mut(),
        SystemArgument2: null_mut(),
        DpcData: null_mut(),
    };
    // SAFETY: the caller's promise.
    unsafe { dpc.write(new) };
}

/// Makes the decision to queue a DPC one for all processors: it is in one queue at the most.
static QUEUED: HighLock<()> = HighLock::new(());
/// DPCs that have been run, on all processors.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// How many DPCs have been run.
#[must_use]
pub fn count() -> u64 {
    COUNT.load(Ordering::Relaxed)
}

/// The queue that a DPC is in: null if in none.
///
/// # Safety
///
/// The DPC exists.
unsafe fn queue_of(dpc: *mut KDPC) -> *const Pcr {
    // SAFETY: the caller's promise.
    let field = unsafe { &raw const (*dpc).DpcData };
    // SAFETY: likewise; one word is read whole.
    unsafe { field.read_volatile() }.cast::<Pcr>().cast_const()
}

/// Queues a DPC; says whether it was in no queue yet. Any IRQL.
///
/// # Safety
///
/// The DPC is initialized, and stays until it has run.
pub unsafe fn insert(dpc: *mut KDPC, argument1: *mut c_void, argument2: *mut c_void) -> bool {
    let guard = QUEUED.lock();
    // SAFETY: the caller's promise.
    if !unsafe { queue_of(dpc) }.is_null() {
        return false;
    }
    // SAFETY: the DPC is in no queue, so that only this processor uses it.
    let fields = unsafe { &mut *dpc };
    fields.SystemArgument1 = argument1;
    fields.SystemArgument2 = argument2;
    let target = match fields.Number.checked_sub(TARGETED) {
        Some(number) if u32::from(number) < pcr::count() => pcr::of(u32::from(number)),
        _ => pcr::current(),
    };
    fields.DpcData = (&raw const *target).cast_mut().cast();
    let importance = fields.Importance;
    let threaded = fields.Type == THREADED_DPC_OBJECT;
    let here = target.number == pcr::current().number;
    let mut queue = if threaded {
        target.threaded_dpcs.lock()
    } else {
        target.dpcs.lock()
    };
    queue.insert(dpc, importance == HIGH_IMPORTANCE);
    let depth = queue.depth;
    drop(queue);
    drop(guard);
    // Of low importance, the routine may wait until the processor's queue is looked at anyway;
    // for another processor, medium may as well. Both are only told apart while a queue is
    // short: "Organization of DPC Queues".
    let at_once = match importance {
        LOW_IMPORTANCE => depth > 4,
        MEDIUM_IMPORTANCE => here || depth > 4,
        _ => true,
    };
    if at_once || threaded || is_idle(target) {
        dispatcher::interrupt_processor(target);
    }
    true
}

fn is_idle(processor: &Pcr) -> bool {
    processor.current_thread.load(Ordering::Relaxed)
        == processor.idle_thread.load(Ordering::Relaxed)
}

/// Whether a DPC waits for this processor.
#[must_use]
pub fn is_waiting(processor: &Pcr) -> bool {
    !processor.dpcs.lock().first.is_null()
}

/// A DPC that is in a queue and lies in these bytes.
#[must_use]
pub fn queued_in(address: u64, size: u64) -> Option<u64> {
    let _guard = QUEUED.lock();
    let queues = pcr::all().flat_map(|pcr| [&pcr.dpcs, &pcr.threaded_dpcs]);
    queues.into_iter().find_map(|queue| {
        let mut entry = queue.lock().first;
        while !entry.is_null() {
            if (address..address + size).contains(&(entry as u64)) {
                return Some(entry as u64);
            }
            entry = DpcQueue::next_of(entry);
        }
        None
    })
}

/// Takes a DPC out of its queue; says whether it was in one. Any IRQL.
///
/// # Safety
///
/// The DPC is initialized.
pub unsafe fn remove(dpc: *mut KDPC) -> bool {
    let _guard = QUEUED.lock();
    // SAFETY: the caller's promise.
    let queue = unsafe { queue_of(dpc) };
    if queue.is_null() {
        return false;
    }
    // SAFETY: regions live for ever.
    let pcr = unsafe { &*queue };
    let removed = pcr.dpcs.lock().remove(dpc) || pcr.threaded_dpcs.lock().remove(dpc);
    if removed {
        // SAFETY: the DPC is in no queue any more.
        unsafe { (*dpc).DpcData = null_mut() };
    }
    removed
}

/// A DPC that is about to run, out of its queue.
struct Call {
    dpc: *mut KDPC,
    fields: KDPC,
}

impl Call {
    fn take(queue: &HighLock<DpcQueue>) -> Option<Self> {
        let _guard = QUEUED.lock();
        let dpc = queue.lock().take_first();
        if dpc.is_null() {
            return None;
        }
        // The object may be queued again, or freed, as soon as its routine runs: copied before.
        // SAFETY: a DPC in a queue exists.
        let fields = unsafe { dpc.read() };
        // SAFETY: as above.
        unsafe { (*dpc).DpcData = null_mut() };
        Some(Self { dpc, fields })
    }

    fn run(self) {
        COUNT.fetch_add(1, Ordering::Relaxed);
        let KDPC {
            DeferredRoutine: routine,
            DeferredContext: context,
            SystemArgument1: argument1,
            SystemArgument2: argument2,
            ..
        } = self.fields;
        if let Some(routine) = routine {
            driver_routine::call(Kind::Dpc, routine as usize, self.dpc.addr(), || {
                // SAFETY: the routine that was registered, with what was registered for it.
                unsafe { routine(self.dpc, context, argument1, argument2) };
            });
        }
    }
}

/// The first of a processor's DPCs that are not threaded, and its routine, zero if it has none.
#[must_use]
pub fn first(pcr: &Pcr) -> Option<(u64, u64)> {
    let _guard = QUEUED.lock();
    let dpc = pcr.dpcs.lock().first;
    // SAFETY: a DPC in a queue exists.
    let fields = unsafe { dpc.as_ref() }?;
    let routine = fields.DeferredRoutine;
    Some((
        dpc as u64,
        routine.map_or(0, |routine| routine as usize as u64),
    ))
}

/// Interrupts a processor for its DPCs at this time.
pub fn look_again(pcr: &Pcr, due: u64) {
    let again = |number| dispatcher::interrupt_processor(pcr::of(number as u32));
    dispatcher::lock()
        .dispatcher()
        .timers
        .set_call(due, again, pcr.number as usize);
}

/// Runs what is in this processor's queue. DISPATCH_LEVEL.
pub fn drain(pcr: &Pcr) {
    threaded_dpc::wake(pcr);
    loop {
        if pcr.dpcs.lock().depth != 0 && hook::postpones_dpcs() {
            return;
        }
        let Some(call) = Call::take(&pcr.dpcs) else {
            return;
        };
        pcr.in_dpc.store(true, Ordering::Relaxed);
        let routine = watchdog::Routine::begin();
        call.run();
        drop(routine);
        pcr.in_dpc.store(false, Ordering::Relaxed);
    }
}

/// Runs the first threaded DPC of this processor; whether there was one. PASSIVE_LEVEL.
pub(super) fn run_threaded(pcr: &Pcr) -> bool {
    let call = Call::take(&pcr.threaded_dpcs);
    call.is_some_and(|call| {
        call.run();
        true
    })
}

/// Whether threaded DPCs wait for this processor.
pub(super) fn has_threaded(pcr: &Pcr) -> bool {
    pcr.threaded_dpcs.lock().depth != 0
}

/// Has a DPC run on this processor, from the next time that it is queued.
///
/// # Safety
///
/// The DPC is initialized.
pub unsafe fn set_target(dpc: *mut KDPC, processor: u32) {
    // SAFETY: the caller's promise.
    unsafe { (*dpc).Number = TARGETED + processor as u16 };
}
