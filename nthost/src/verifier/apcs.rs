//! Routines before which normal kernel APCs must be held back: whoever has a resource, a push lock
//! or a fast mutex that was taken "unsafe" could be stopped for ever by an APC of another's.
//!
//! Sources: the routines' pages; bug check 0xC4, subcodes 0x37 to 0x3A, 0xEA and 0xEB.

use super::{found, irql as irql_rule};
use crate::{
    export::{APC_LEVEL, Check, Routine},
    ke::{bugcheck::code, irql, thread},
};

/// The routines, and what is looked at.
pub const CHECKS: &[(&str, Check)] = &[
    ("ExAcquireResourceExclusiveLite", takes_resource),
    ("ExAcquireResourceSharedLite", takes_resource),
    ("ExAcquireSharedStarveExclusive", takes_resource),
    ("ExAcquireSharedWaitForExclusive", takes_resource),
    ("ExReleaseResourceLite", releases_resource),
    ("ExReleaseResourceForThreadLite", releases_resource),
    ("ExAcquirePushLockExclusiveEx", takes_push_lock),
    ("ExAcquirePushLockSharedEx", takes_push_lock),
    ("ExReleasePushLockExclusiveEx", releases_push_lock),
    ("ExReleasePushLockSharedEx", releases_push_lock),
    ("ExReleasePushLockEx", releases_push_lock),
    ("ExAcquireFastMutexUnsafe", fast_mutex),
    ("ExReleaseFastMutexUnsafe", fast_mutex),
];

/// The IRQL and the thread's count, if APCs are not held back.
fn unguarded() -> Option<(u8, i32)> {
    let level = irql::current();
    // SAFETY: the thread that runs exists.
    let thread = unsafe { &*thread::current() };
    (level < APC_LEVEL && !thread.holds_apcs_back()).then_some((level, thread.kernel_apc_disable))
}

fn violation(parameters: [u64; 4]) {
    found::report(code::DRIVER_VERIFIER_DETECTED_VIOLATION, parameters);
}

fn resource(subcode: u64, arguments: &[u64]) {
    if let (Some((level, _)), [resource, ..]) = (unguarded(), arguments) {
        violation([subcode, level.into(), 0, *resource]);
    }
}

fn takes_resource(_routine: &Routine, arguments: &[u64]) {
    resource(0x37, arguments);
}

fn releases_resource(_routine: &Routine, arguments: &[u64]) {
    resource(0x38, arguments);
}

fn push_lock(subcode: u64, arguments: &[u64]) {
    if let (Some((level, count)), [lock, ..]) = (unguarded(), arguments) {
        let count = u64::from(count.cast_unsigned());
        violation([subcode, level.into(), count, *lock]);
    }
}

fn takes_push_lock(_routine: &Routine, arguments: &[u64]) {
    push_lock(0xea, arguments);
}

fn releases_push_lock(_routine: &Routine, arguments: &[u64]) {
    push_lock(0xeb, arguments);
}

fn fast_mutex(routine: &Routine, arguments: &[u64]) {
    if unguarded().is_some() {
        irql_rule::violated(routine.name, arguments);
    }
}
