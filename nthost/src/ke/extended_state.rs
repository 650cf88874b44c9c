//! Saving floating-point and vector state around a driver's use of it.
//!
//! nthost enables the x87 and SSE state alone (`XSTATE_MASK_LEGACY`): drivers see by
//! RtlGetEnabledExtendedFeatures, and by CPUID, that there is no AVX. The legacy state is saved
//! whole, whatever part of it is asked for.
//!
//! Sources: KeSaveExtendedProcessorState, KeRestoreExtendedProcessorState,
//! KeSaveFloatingPointState, KeRestoreFloatingPointState, RtlGetEnabledExtendedFeatures.

use core::arch::asm;

use alloc::boxed::Box;

use nthost_nt::status::{
    NTSTATUS, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER, STATUS_SUCCESS,
};

use super::{bugcheck, irql, thread};

/// `XSTATE_MASK_LEGACY`: x87 and SSE.
const LEGACY: u64 = 3;

/// What FXSAVE writes.
#[repr(C, align(16))]
struct Legacy([u8; 512]);

/// What a save keeps in memory of its own.
struct Saved {
    state: Legacy,
    level: u8,
    thread: *mut thread::Thread,
}

/// `XSTATE_SAVE` and `KFLOATING_SAVE` are opaque, and both larger than this.
#[derive(Debug)]
#[repr(C)]
pub struct Save {
    saved: *mut Saved,
}

fn save(at: *mut Save) -> NTSTATUS {
    let layout = core::alloc::Layout::new::<Saved>();
    // SAFETY: the layout has a size.
    let memory = unsafe { alloc::alloc::alloc(layout) }.cast::<Saved>();
    if memory.is_null() {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    let saved = Saved {
        state: Legacy([0; 512]),
        level: irql::current(),
        thread: thread::current(),
    };
    // SAFETY: memory for it, just allocated.
    unsafe { memory.write(saved) };
    // SAFETY: 512 bytes at a multiple of 16.
    unsafe { asm!("fxsave64 [{}]", in(reg) memory, options(nostack, preserves_flags)) };
    // SAFETY: the caller's structure.
    unsafe { at.write(Save { saved: memory }) };
    STATUS_SUCCESS
}

fn restore(at: *mut Save) {
    // SAFETY: the caller's structure, which `save` filled.
    let saved = unsafe { (*at).saved };
    // SAFETY: it came from `save`, and is given back once.
    let saved = unsafe { Box::from_raw(saved) };
    // The rules of nesting: the same thread, at the same IRQL.
    if saved.level != irql::current() || saved.thread != thread::current() {
        bugcheck::bugcheck(
            bugcheck::code::IRQL_NOT_LESS_OR_EQUAL,
            [
                at as u64,
                u64::from(irql::current()),
                u64::from(saved.level),
                0,
            ],
        );
    }
    // SAFETY: what FXSAVE wrote.
    unsafe { asm!("fxrstor64 [{}]", in(reg) &raw const saved.state, options(nostack)) };
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Saves extended state. Features that are not enabled may not be asked for.
    ///
    /// Source: KeSaveExtendedProcessorState.
    ///
    /// # Safety
    ///
    /// `at` can be written, and is given to KeRestoreExtendedProcessorState.
    pub unsafe fn KeSaveExtendedProcessorState(mask: u64, at: *mut Save) -> NTSTATUS {
        if mask & !LEGACY != 0 {
            return STATUS_INVALID_PARAMETER;
        }
        save(at)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Restores what KeSaveExtendedProcessorState saved, in the same thread and at the same IRQL.
    ///
    /// Source: KeRestoreExtendedProcessorState.
    ///
    /// # Safety
    ///
    /// KeSaveExtendedProcessorState filled `at`.
    pub unsafe fn KeRestoreExtendedProcessorState(at: *mut Save) {
        restore(at);
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Saves x87 and SSE state.
    ///
    /// Source: KeSaveFloatingPointState.
    ///
    /// # Safety
    ///
    /// As KeSaveExtendedProcessorState.
    pub unsafe fn KeSaveFloatingPointState(at: *mut Save) -> NTSTATUS {
        save(at)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Restores what KeSaveFloatingPointState saved.
    ///
    /// Source: KeRestoreFloatingPointState.
    ///
    /// # Safety
    ///
    /// KeSaveFloatingPointState filled `at`.
    pub unsafe fn KeRestoreFloatingPointState(at: *mut Save) -> NTSTATUS {
        restore(at);
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Which of these features of the processor's extended state are enabled.
    ///
    /// Source: RtlGetEnabledExtendedFeatures.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn RtlGetEnabledExtendedFeatures(mask: u64) -> u64 {
        mask & LEGACY
    }
}
