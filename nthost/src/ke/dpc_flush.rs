//! Waiting for the DPCs that are queued.
//!
//! Source: KeFlushQueuedDpcs. A DPC of each kind is put at the end of each processor's queues:
//! when they have run, so have all that were queued before them.

use alloc::vec::Vec;
use core::{
    ffi::c_void,
    mem::MaybeUninit,
    ptr::null_mut,
    sync::atomic::{AtomicU32, Ordering},
};

use nthost_nt::ke::KDPC;

use super::{
    dispatcher,
    dpc::{self, DPC_OBJECT, THREADED_DPC_OBJECT},
    pcr,
};

/// A flush's DPC has run. `left` counts those that have not.
unsafe extern "win64" fn arrived(
    _dpc: *mut KDPC,
    left: *mut c_void,
    _argument1: *mut c_void,
    _argument2: *mut c_void,
) {
    // SAFETY: the counter stays until all DPCs have run.
    let left = unsafe { &*left.cast::<AtomicU32>() };
    // Release: what the DPCs before this one did is seen by who waits.
    left.fetch_sub(1, Ordering::Release);
}

/// Waits until every DPC that is queued on any processor now has run. PASSIVE_LEVEL.
pub fn flush_queued_dpcs() {
    let mut queues = Vec::new();
    for pcr in pcr::all() {
        queues.push((pcr.number, DPC_OBJECT));
        // Without its thread the processor never had a threaded DPC.
        if dpc::has_threaded(pcr) || !pcr.dpc_thread.load(Ordering::Relaxed).is_null() {
            queues.push((pcr.number, THREADED_DPC_OBJECT));
        }
    }
    let left = AtomicU32::new(queues.len() as u32);
    let context = (&raw const left).cast_mut().cast();
    let mut dpcs: Vec<MaybeUninit<KDPC>> = queues.iter().map(|_| MaybeUninit::uninit()).collect();
    for ((processor, kind), place) in queues.into_iter().zip(&mut dpcs) {
        let dpc = place.as_mut_ptr();
        // SAFETY: the place is memory for a DPC, and stays until all have run.
        unsafe { dpc::initialize(dpc, kind, Some(arrived), context) };
        // SAFETY: it is initialized.
        unsafe { dpc::set_target(dpc, processor) };
        // SAFETY: it is initialized, and stays.
        unsafe { dpc::insert(dpc, null_mut(), null_mut()) };
        dispatcher::interrupt_processor(pcr::of(processor));
    }
    // Acquire: pairs with the DPCs.
    while left.load(Ordering::Acquire) != 0 {
        dispatcher::yield_now();
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Returns when the DPCs that were queued on any processor have run.
    ///
    /// Source: KeFlushQueuedDpcs.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeFlushQueuedDpcs() {
        flush_queued_dpcs();
    }
}
