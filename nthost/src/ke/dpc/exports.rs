//! DPCs for drivers.
//!
//! Sources: KeInitializeDpc and the pages of the other routines.

use core::{ffi::c_void, sync::atomic::Ordering};

use nthost_nt::{
    ke::{KDEFERRED_ROUTINE, KDPC, KDPC_WATCHDOG_INFORMATION, PROCESSOR_NUMBER},
    status::{NTSTATUS, STATUS_INVALID_PARAMETER, STATUS_SUCCESS, STATUS_UNSUCCESSFUL},
};

use super::{
    DPC_OBJECT, HIGH_IMPORTANCE, LOW_IMPORTANCE, MEDIUM_HIGH_IMPORTANCE, MEDIUM_IMPORTANCE,
    THREADED_DPC_OBJECT, initialize, insert, remove, set_target,
};
use crate::ke::{pcr, processor};

nt_export! {
    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Makes a DPC of medium importance for whatever processor queues it.
    ///
    /// Source: KeInitializeDpc.
    ///
    /// # Safety
    ///
    /// `dpc` is nonpaged memory for a DPC that is in no queue.
    pub unsafe fn KeInitializeDpc(
        dpc: *mut KDPC,
        routine: Option<KDEFERRED_ROUTINE>,
        context: *mut c_void,
    ) {
        // SAFETY: the caller's promise.
        unsafe { initialize(dpc, DPC_OBJECT, routine, context) };
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Makes a threaded DPC of medium importance for whatever processor queues it.
    ///
    /// Source: KeInitializeThreadedDpc.
    ///
    /// # Safety
    ///
    /// As KeInitializeDpc.
    pub unsafe fn KeInitializeThreadedDpc(
        dpc: *mut KDPC,
        routine: Option<KDEFERRED_ROUTINE>,
        context: *mut c_void,
    ) {
        // SAFETY: the caller's promise.
        unsafe { initialize(dpc, THREADED_DPC_OBJECT, routine, context) };
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Queues a DPC; FALSE if it is queued already.
    ///
    /// Source: KeInsertQueueDpc.
    ///
    /// # Safety
    ///
    /// As [`insert`].
    pub unsafe fn KeInsertQueueDpc(
        dpc: *mut KDPC,
        argument1: *mut c_void,
        argument2: *mut c_void,
    ) -> u8 {
        // SAFETY: the caller's promise.
        u8::from(unsafe { insert(dpc, argument1, argument2) })
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Takes a DPC out of its queue; FALSE if it is in none.
    ///
    /// Source: KeRemoveQueueDpc.
    ///
    /// # Safety
    ///
    /// As [`remove`].
    pub unsafe fn KeRemoveQueueDpc(dpc: *mut KDPC) -> u8 {
        // SAFETY: the caller's promise.
        u8::from(unsafe { remove(dpc) })
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Sets how urgent a DPC is, from the next time that it is queued.
    ///
    /// Source: KeSetImportanceDpc.
    ///
    /// # Safety
    ///
    /// The DPC is initialized.
    pub unsafe fn KeSetImportanceDpc(dpc: *mut KDPC, importance: i32) {
        let importance = match importance {
            0 => LOW_IMPORTANCE,
            2 => HIGH_IMPORTANCE,
            3 => MEDIUM_HIGH_IMPORTANCE,
            _ => MEDIUM_IMPORTANCE,
        };
        // SAFETY: the caller's promise.
        unsafe { (*dpc).Importance = importance };
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Has a DPC run on a processor of group 0, if there is one with this number.
    ///
    /// Source: KeSetTargetProcessorDpc.
    ///
    /// # Safety
    ///
    /// The DPC is initialized.
    pub unsafe fn KeSetTargetProcessorDpc(dpc: *mut KDPC, number: i8) {
        let number = PROCESSOR_NUMBER { Group: 0, Number: number.cast_unsigned(), Reserved: 0 };
        if let Some(target) = processor::find(number) {
            // SAFETY: the caller's promise.
            unsafe { set_target(dpc, target.number) };
        }
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Has a DPC run on a processor; STATUS_INVALID_PARAMETER if there is none such.
    ///
    /// Source: KeSetTargetProcessorDpcEx.
    ///
    /// # Safety
    ///
    /// The DPC is initialized; `number` is a processor's number.
    pub unsafe fn KeSetTargetProcessorDpcEx(
        dpc: *mut KDPC,
        number: *const PROCESSOR_NUMBER,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let Some(target) = processor::find(unsafe { number.read() }) else {
            return STATUS_INVALID_PARAMETER;
        };
        // SAFETY: the caller's promise.
        unsafe { set_target(dpc, target.number) };
        STATUS_SUCCESS
    }

    irql: DISPATCH_LEVEL..=DISPATCH_LEVEL;
    /// Whether this processor runs a DPC.
    ///
    /// Source: KeIsExecutingDpc.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeIsExecutingDpc() -> u32 {
        u32::from(pcr::current().in_dpc.load(Ordering::Relaxed))
    }

    irql: DISPATCH_LEVEL..=HIGH_LEVEL;
    /// Whether the caller should let others have the processor: a DPC or a thread waits for it.
    ///
    /// Source: KeShouldYieldProcessor.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeShouldYieldProcessor() -> u32 {
        let pcr = pcr::current();
        let waits = pcr.dpcs.lock().depth != 0 || pcr.reschedule.load(Ordering::Relaxed);
        u32::from(waits)
    }

    irql: DISPATCH_LEVEL..=HIGH_LEVEL;
    /// The limits of the DPC that runs, and what is left of them, in ticks of the watchdog.
    /// STATUS_UNSUCCESSFUL if none runs.
    ///
    /// Source: KeQueryDpcWatchdogInformation.
    ///
    /// # Safety
    ///
    /// `information` is where they go.
    pub unsafe fn KeQueryDpcWatchdogInformation(
        information: *mut KDPC_WATCHDOG_INFORMATION,
    ) -> NTSTATUS {
        if !pcr::current().in_dpc.load(Ordering::Relaxed) {
            return STATUS_UNSUCCESSFUL;
        }
        // SAFETY: the caller's promise.
        unsafe { information.write(pcr::current().watchdog.information()) };
        STATUS_SUCCESS
    }
}
