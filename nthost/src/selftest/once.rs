//! What is initialized once.

use alloc::sync::Arc;
use core::{
    ffi::c_void,
    ptr::{null_mut, without_provenance_mut},
    sync::atomic::{AtomicU32, AtomicUsize, Ordering},
};

use nthost_nt::status::{
    STATUS_INVALID_PARAMETER, STATUS_PENDING, STATUS_SUCCESS, STATUS_UNSUCCESSFUL,
};

use super::{Outcome, Test, ensure_eq, object::Worker};
use crate::{
    ke::dispatcher,
    rtl::once::{RtlRunOnceBeginInitialize, RtlRunOnceComplete, RtlRunOnceExecuteOnce},
};

/// The tests.
pub const TESTS: &[Test] = &[
    (
        "once: one initializes, and all get what came of it",
        execute,
    ),
    ("once: after a failure the next one tries", failure),
    ("once: of those who try for themselves the first wins", each),
];

const CHECK_ONLY: u32 = 1;
const ASYNC: u32 = 2;
const FAILED: u32 = 4;

static CALLS: AtomicU32 = AtomicU32::new(0);

unsafe extern "win64" fn initialize(
    _once: *mut usize,
    parameter: *mut c_void,
    context: *mut *mut c_void,
) -> u32 {
    for _ in 0..50 {
        dispatcher::yield_now();
    }
    CALLS.fetch_add(1, Ordering::AcqRel);
    // SAFETY: it can be written.
    unsafe { context.write(parameter) };
    u32::from(!parameter.is_null())
}

fn run(word: &AtomicUsize, parameter: usize) -> (i32, usize) {
    let mut context = null_mut();
    let parameter = without_provenance_mut(parameter);
    // SAFETY: the test's own.
    let status =
        unsafe { RtlRunOnceExecuteOnce(word.as_ptr(), initialize, parameter, &raw mut context) };
    (status, context.addr())
}

fn begin(word: &AtomicUsize, flags: u32) -> (i32, usize) {
    let mut context = null_mut();
    // SAFETY: the test's own.
    let status = unsafe { RtlRunOnceBeginInitialize(word.as_ptr(), flags, &raw mut context) };
    (status, context.addr())
}

fn complete(word: &AtomicUsize, flags: u32, context: usize) -> i32 {
    // SAFETY: the test's own.
    unsafe { RtlRunOnceComplete(word.as_ptr(), flags, without_provenance_mut(context)) }
}

fn execute() -> Outcome {
    CALLS.store(0, Ordering::Release);
    let word = Arc::new(AtomicUsize::new(0));
    let wrong = Arc::new(AtomicU32::new(0));
    let workers = [8, 16, 24].map(|parameter| {
        let (word, wrong) = (word.clone(), wrong.clone());
        Worker::new(move || {
            let (status, context) = run(&word, parameter);
            let expected = word.load(Ordering::Acquire) & !3;
            if status != STATUS_SUCCESS || context != expected {
                wrong.fetch_add(1, Ordering::AcqRel);
            }
        })
    });
    drop(workers);
    ensure_eq!(wrong.load(Ordering::Acquire), 0);
    ensure_eq!(CALLS.load(Ordering::Acquire), 1);
    let (status, context) = begin(&word, CHECK_ONLY);
    ensure_eq!(
        (status, context),
        (STATUS_SUCCESS, word.load(Ordering::Acquire) & !3)
    );
    Ok(())
}

fn failure() -> Outcome {
    let word = AtomicUsize::new(0);
    ensure_eq!(begin(&word, CHECK_ONLY).0, STATUS_UNSUCCESSFUL);
    ensure_eq!(run(&word, 0).0, STATUS_UNSUCCESSFUL);
    ensure_eq!(begin(&word, CHECK_ONLY).0, STATUS_UNSUCCESSFUL);
    ensure_eq!(run(&word, 8), (STATUS_SUCCESS, 8));
    let word = AtomicUsize::new(0);
    ensure_eq!(begin(&word, 0).0, STATUS_PENDING);
    ensure_eq!(complete(&word, 0, 1), STATUS_INVALID_PARAMETER);
    ensure_eq!(complete(&word, FAILED, 0), STATUS_SUCCESS);
    ensure_eq!(begin(&word, 0).0, STATUS_PENDING);
    ensure_eq!(complete(&word, 0, 16), STATUS_SUCCESS);
    ensure_eq!(complete(&word, 0, 16), STATUS_UNSUCCESSFUL);
    ensure_eq!(begin(&word, 0), (STATUS_SUCCESS, 16));
    Ok(())
}

fn each() -> Outcome {
    let word = AtomicUsize::new(0);
    ensure_eq!(begin(&word, ASYNC).0, STATUS_PENDING);
    ensure_eq!(begin(&word, ASYNC).0, STATUS_PENDING);
    ensure_eq!(begin(&word, 0).0, STATUS_INVALID_PARAMETER);
    ensure_eq!(begin(&word, ASYNC | CHECK_ONLY).0, STATUS_INVALID_PARAMETER);
    ensure_eq!(complete(&word, ASYNC, 8), STATUS_SUCCESS);
    ensure_eq!(complete(&word, ASYNC, 16), STATUS_UNSUCCESSFUL);
    ensure_eq!(begin(&word, ASYNC), (STATUS_SUCCESS, 8));
    Ok(())
}
