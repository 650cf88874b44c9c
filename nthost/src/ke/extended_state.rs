//! Saving floating-point and vector state around a driver's use of it.
//!
//! nthost enables the x87 and SSE state alone (`XSTATE_MASK_LEGACY`): drivers see by
//! RtlGetEnabledExtendedFeatures, and by CPUID, that there is no AVX. The legacy state is saved
//! whole, whatever part of it is asked for.
//!
//! Sources: KeSaveExtendedProcessorState, KeRestoreExtendedProcessorState,
//! KeSaveFloatingPointState, KeRestoreFloatingPointState, RtlGetEnabledExtendedFeatures.

use core::{
    arch::asm,
    sync::atomic::{AtomicU32, Ordering},
};

use alloc::{boxed::Box, collections::BTreeMap};

use nthost_nt::status::{
    NTSTATUS, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER, STATUS_SUCCESS,
};

use super::{bugcheck, irql, lock::SpinLock, thread};

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

// SAFETY: the thread is only compared.
unsafe impl Send for Saved {}

/// `XSTATE_SAVE` is opaque, and larger than this.
#[derive(Debug)]
#[repr(C)]
pub struct Save {
    saved: *mut Saved,
}

/// `KFLOATING_SAVE`: four bytes, which number what is kept elsewhere.
#[derive(Debug)]
#[repr(C)]
pub struct FloatingSave {
    number: u32,
}

/// What KeSaveFloatingPointState saved, by its number. A leaf.
static FLOATING: SpinLock<BTreeMap<u32, Box<Saved>>> = SpinLock::new(BTreeMap::new());
/// The last number.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// The state as it is; none if memory is short.
fn save() -> Option<Box<Saved>> {
    let layout = core::alloc::Layout::new::<Saved>();
    // SAFETY: the layout has a size.
    let memory = unsafe { alloc::alloc::alloc(layout) }.cast::<Saved>();
    if memory.is_null() {
        return None;
    }
    let saved = Saved {
        state: Legacy([0; 512]),
        level: irql::current(),
        thread: thread::current(),
    };
    // SAFETY: memory for it, just allocated.
    unsafe { memory.write(saved) };
    // SAFETY: 512 bytes at a multiple of 16.
    let state = unsafe { &raw mut (*memory).state };
    // SAFETY: as above.
    unsafe { asm!("fxsave64 [{}]", in(reg) state, options(nostack, preserves_flags)) };
    // SAFETY: allocated with this layout, and written above.
    Some(unsafe { Box::from_raw(memory) })
}

fn restore(saved: &Saved, at: u64) {
    // The rules of nesting: the same thread, at the same IRQL.
    if saved.level != irql::current() || saved.thread != thread::current() {
        bugcheck::bugcheck(
            bugcheck::code::IRQL_NOT_LESS_OR_EQUAL,
            [at, u64::from(irql::current()), u64::from(saved.level), 0],
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
        let Some(saved) = save() else { return STATUS_INSUFFICIENT_RESOURCES };
        // SAFETY: the caller's promise.
        unsafe { at.write(Save { saved: Box::into_raw(saved) }) };
        STATUS_SUCCESS
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
        // SAFETY: the caller's promise.
        let saved = unsafe { (*at).saved };
        // SAFETY: it came from the other routine, and is given back once.
        let saved = unsafe { Box::from_raw(saved) };
        restore(&saved, at as u64);
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Saves x87 and SSE state.
    ///
    /// Source: KeSaveFloatingPointState.
    ///
    /// # Safety
    ///
    /// `at` can be written, and is given to KeRestoreFloatingPointState.
    pub unsafe fn KeSaveFloatingPointState(at: *mut FloatingSave) -> NTSTATUS {
        let Some(saved) = save() else { return STATUS_INSUFFICIENT_RESOURCES };
        // Relaxed: only that they differ matters.
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        FLOATING.lock().insert(number, saved);
        // SAFETY: the caller's promise.
        unsafe { at.write(FloatingSave { number }) };
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Restores what KeSaveFloatingPointState saved.
    ///
    /// Source: KeRestoreFloatingPointState.
    ///
    /// # Safety
    ///
    /// KeSaveFloatingPointState filled `at`.
    pub unsafe fn KeRestoreFloatingPointState(at: *mut FloatingSave) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let number = unsafe { (*at).number };
        let Some(saved) = FLOATING.lock().remove(&number) else {
            return STATUS_INVALID_PARAMETER;
        };
        restore(&saved, at as u64);
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
