//! Events.
//!
//! Sources: KeInitializeEvent, KeSetEvent, KePulseEvent, KeResetEvent, KeClearEvent,
//! KeReadStateEvent.

use core::ptr::null_mut;
use nthost_nt::ke::{DISPATCHER_HEADER, KEVENT, LIST_ENTRY};

use super::{
    dispatcher,
    wait::{self, object},
    wait_for,
};
use crate::{export::APC_LEVEL, hook, mm::pageable};

fn header(kind: u8, size: usize, state: i32) -> DISPATCHER_HEADER {
    DISPATCHER_HEADER {
        Type: kind,
        Signalling: 0,
        Size: (size / 4) as u8,
        Reserved1: 0,
        SignalState: state,
        WaitListHead: LIST_ENTRY {
            Flink: null_mut(),
            Blink: null_mut(),
        },
    }
}

/// Makes the header of an object that nobody waits for.
///
/// # Safety
///
/// It is memory for a header.
pub(super) unsafe fn initialize_header(
    at: *mut DISPATCHER_HEADER,
    kind: u8,
    size: usize,
    state: i32,
) {
    if pageable::contains(at as u64) {
        // Subcode 0xE1: a synchronization object in pageable memory.
        hook::misuse([0xe1, at as u64, 0, 0]);
    }
    // SAFETY: the caller's promise.
    unsafe { at.write(header(kind, size, state)) };
    // SAFETY: as above.
    wait::initialize_list(unsafe { &raw mut (*at).WaitListHead });
}

nt_export! {
    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Makes a notification (0) or synchronization (1) event.
    ///
    /// Source: KeInitializeEvent.
    ///
    /// # Safety
    ///
    /// `event` is resident memory for an event.
    pub unsafe fn KeInitializeEvent(event: *mut KEVENT, kind: i32, state: u8) {
        let kind = if kind == 0 { object::NOTIFICATION_EVENT } else { object::SYNCHRONIZATION_EVENT };
        // SAFETY: the caller's promise.
        unsafe { initialize_header(event.cast(), kind, size_of::<KEVENT>(), i32::from(state != 0)) };
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Signals an event; gives its state before. With `wait`, the IRQL stays raised, and is
    /// lowered by the wait that must be the caller's next call.
    ///
    /// Source: KeSetEvent.
    ///
    /// # Safety
    ///
    /// It is an initialized event.
    pub unsafe fn KeSetEvent(event: *mut KEVENT, increment: i32, wait: u8) -> i32 {
        let mut guard = wait_for::lock(wait != 0, APC_LEVEL);
        wait::signal_with(&mut guard, event.cast(), 1, increment)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Signals an event, ends the waits for it, and takes the signal back, all in one; gives its
    /// state before.
    ///
    /// Source: KePulseEvent.
    ///
    /// # Safety
    ///
    /// It is an initialized event.
    pub unsafe fn KePulseEvent(event: *mut KEVENT, increment: i32, wait: u8) -> i32 {
        let mut guard = wait_for::lock(wait != 0, APC_LEVEL);
        let before = wait::signal_with(&mut guard, event.cast(), 1, increment);
        // SAFETY: the caller's promise; the lock is held.
        unsafe { (*event).Header.SignalState = 0 };
        before
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Takes an event's signal back; gives its state before.
    ///
    /// Source: KeResetEvent.
    ///
    /// # Safety
    ///
    /// It is an initialized event.
    pub unsafe fn KeResetEvent(event: *mut KEVENT) -> i32 {
        let _guard = dispatcher::lock();
        // SAFETY: the caller's promise; the lock is held.
        let header = unsafe { &mut (*event).Header };
        core::mem::take(&mut header.SignalState)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Takes an event's signal back.
    ///
    /// Source: KeClearEvent.
    ///
    /// # Safety
    ///
    /// It is an initialized event.
    pub unsafe fn KeClearEvent(event: *mut KEVENT) {
        // One word is written whole, and nobody is told: that needs no lock, and a fault is the
        // caller's exception.
        // SAFETY: the caller's promise.
        let state = unsafe { &raw mut (*event).Header.SignalState };
        // SAFETY: as above.
        unsafe { state.write_volatile(0) };
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// An event's state.
    ///
    /// Source: KeReadStateEvent.
    ///
    /// # Safety
    ///
    /// It is an initialized event.
    pub unsafe fn KeReadStateEvent(event: *const KEVENT) -> i32 {
        // SAFETY: the caller's promise.
        let state = unsafe { &raw const (*event).Header.SignalState };
        // SAFETY: likewise; one word is read whole.
        unsafe { state.read_volatile() }
    }
}
