//! Events.

use std::{
    sync::atomic::{AtomicI32, Ordering},
    thread,
};

use wdk_sys::{
    BOOLEAN, EVENT_TYPE, KEVENT, KPRIORITY, KPROCESSOR_MODE, KWAIT_REASON, LARGE_INTEGER, LONG,
    NTSTATUS, PVOID, STATUS_SUCCESS,
};

use super::{assert_at_most_dispatch, irql};

/// Whether it is set: the memory of the event, from its beginning.
fn state<'a>(event: *mut KEVENT) -> &'a AtomicI32 {
    // SAFETY: large enough and aligned, and nobody looks into it by other means.
    unsafe { AtomicI32::from_ptr(event.cast()) }
}

#[unsafe(no_mangle)]
extern "C" fn KeInitializeEvent(event: *mut KEVENT, _kind: EVENT_TYPE, set: BOOLEAN) {
    state(event).store(set.into(), Ordering::SeqCst);
}

#[unsafe(no_mangle)]
extern "C" fn KeSetEvent(event: *mut KEVENT, _increment: KPRIORITY, _wait: BOOLEAN) -> LONG {
    assert_at_most_dispatch();
    state(event).swap(1, Ordering::SeqCst)
}

#[unsafe(no_mangle)]
extern "C" fn KeClearEvent(event: *mut KEVENT) {
    state(event).store(0, Ordering::SeqCst);
}

#[unsafe(no_mangle)]
extern "C" fn KeWaitForSingleObject(
    object: PVOID,
    _reason: KWAIT_REASON,
    _mode: KPROCESSOR_MODE,
    _alertable: BOOLEAN,
    limit: *mut LARGE_INTEGER,
) -> NTSTATUS {
    assert!(irql() < super::DISPATCH_LEVEL && limit.is_null());
    while state(object.cast()).load(Ordering::SeqCst) == 0 {
        thread::yield_now();
    }
    STATUS_SUCCESS
}
