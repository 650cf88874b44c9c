//! References to objects, and the limits of a thread's stack.

use core::ptr::null;

use nthost_nt::status::STATUS_INVALID_HANDLE;

use super::{Outcome, Test, ensure, ensure_eq, target::Target};
use crate::{
    ke::stack::{IoGetInitialStack, IoGetStackLimits, IoWithinStackLimits},
    ob::{
        handle, object,
        tagged::{
            ObCloseHandle, ObReferenceObjectByPointerWithTag, ObReferenceObjectSafe,
            ObfDereferenceObjectWithTag, ObfReferenceObjectWithTag,
        },
    },
};

/// The tests.
pub const TESTS: &[Test] = &[
    ("reference: a tag makes no difference", tagged),
    (
        "reference: a kernel handle is no handle for user mode",
        closed,
    ),
    (
        "reference: a local variable lies within the stack's limits",
        stack,
    ),
];

const TAG: u32 = u32::from_le_bytes(*b"Test");

fn tagged() -> Outcome {
    let (target, _) = Target::new(0);
    let object = target.get().cast();
    let before = target.references();
    // SAFETY: the object exists.
    let count = unsafe { ObfReferenceObjectWithTag(object, TAG) };
    ensure_eq!(count as u64, before + 1);
    // SAFETY: as above.
    let status = unsafe { ObReferenceObjectByPointerWithTag(object, 0, null(), 0, TAG) };
    ensure_eq!((status, target.references()), (0, before + 2));
    // SAFETY: as above.
    let answer = unsafe { ObReferenceObjectSafe(object) };
    ensure_eq!(answer, 1);
    for _ in 0..3 {
        // SAFETY: the references were taken above.
        unsafe { ObfDereferenceObjectWithTag(object, TAG) };
    }
    ensure_eq!(target.references(), before);
    let mut nothing = 0_u64;
    // SAFETY: memory that is no object.
    let answer = unsafe { ObReferenceObjectSafe((&raw mut nothing).cast()) };
    ensure_eq!(answer, 0);
    Ok(())
}

fn closed() -> Outcome {
    let (target, _) = Target::new(0);
    object::reference(target.get().cast());
    let opened = handle::KERNEL.insert(target.get().cast(), 0);
    // SAFETY: the test's own handle.
    let answer = unsafe { ObCloseHandle(opened, 1) };
    ensure_eq!(answer, STATUS_INVALID_HANDLE);
    // SAFETY: as above.
    let answer = unsafe { ObCloseHandle(opened, 0) };
    ensure_eq!(answer, 0);
    Ok(())
}

fn stack() -> Outcome {
    let local = 0_u64;
    let address = (&raw const local).addr() as u64;
    let (mut low, mut high) = (0, 0);
    // SAFETY: two variables to be written.
    unsafe { IoGetStackLimits(&raw mut low, &raw mut high) };
    ensure!(
        (low..high).contains(&address),
        "{address:#x} is not in {low:#x}..{high:#x}"
    );
    // SAFETY: none is needed.
    let answer = unsafe { IoGetInitialStack() };
    ensure_eq!(answer, high);
    for (start, size, within) in [
        (address, 8, 1),
        (low, high - low, 1),
        (low - 1, 1, 0),
        (address, high - address + 1, 0),
        (address, u64::MAX, 0),
    ] {
        // SAFETY: none is needed.
        let answer = unsafe { IoWithinStackLimits(start, size) };
        ensure_eq!(answer, within);
    }
    Ok(())
}
