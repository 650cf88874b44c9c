//! The error log's entries.

use nthost_nt::io::device::DO_BUFFERED_IO;

use super::{Outcome, Test, ensure, ensure_eq, target::Target};
use crate::io::error_log::{IoAllocateErrorLogEntry, IoFreeErrorLogEntry, IoWriteErrorLogEntry};

/// The tests.
pub const TESTS: &[Test] = &[
    (
        "error log: an entry keeps its device until it is written or freed",
        keeps,
    ),
    (
        "error log: an entry is as long as the reference allows, and about a device or a driver",
        bounds,
    ),
];

fn keeps() -> Outcome {
    let (target, _) = Target::new(DO_BUFFERED_IO);
    let references = target.references();
    for free in [
        IoWriteErrorLogEntry as unsafe extern "win64" fn(_),
        IoFreeErrorLogEntry,
    ] {
        // SAFETY: the device exists.
        let entry = unsafe { IoAllocateErrorLogEntry(target.get().cast(), 60) };
        ensure!(!entry.is_null(), "no entry");
        ensure_eq!(target.references(), references + 1);
        // SAFETY: within the entry.
        let code = unsafe { entry.cast::<u32>().add(3) };
        // SAFETY: as above; IO_ERR_TIMEOUT.
        unsafe { code.write(0xc004_0009) };
        // SAFETY: the entry is the test's.
        unsafe { free(entry) };
        ensure_eq!(target.references(), references);
    }
    Ok(())
}

fn bounds() -> Outcome {
    let (target, _) = Target::new(0);
    for (size, made) in [
        (0, false),
        (47, false),
        (48, true),
        (240, true),
        (241, false),
    ] {
        // SAFETY: the device exists.
        let entry = unsafe { IoAllocateErrorLogEntry(target.get().cast(), size) };
        ensure_eq!((size, !entry.is_null()), (size, made));
        if made {
            // SAFETY: the entry is the test's.
            unsafe { IoFreeErrorLogEntry(entry) };
        }
    }
    let mut nothing = 0_u64;
    // SAFETY: what is no object is found out by its address.
    let entry = unsafe { IoAllocateErrorLogEntry((&raw mut nothing).cast(), 48) };
    ensure!(entry.is_null(), "an entry about nothing");
    Ok(())
}
