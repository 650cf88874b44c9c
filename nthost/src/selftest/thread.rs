//! Threads as objects, and drivers' own.

use alloc::boxed::Box;
use core::{
    ffi::c_void,
    ptr::{null, null_mut},
    sync::atomic::{AtomicU32, Ordering},
};

use nthost_nt::status::{STATUS_INVALID_CID, STATUS_PENDING, STATUS_SUCCESS, STATUS_UNSUCCESSFUL};

use super::{
    Outcome, Test, ensure, ensure_eq,
    object::{Event, Worker},
};
use crate::{
    ke::{critical_region::KeAreApcsDisabled, thread, wait_for::KeWaitForSingleObject},
    ob::{
        handle,
        object::{self, Kind},
    },
    ps::{
        query::{
            IoGetCurrentProcess, PsGetCurrentProcessId, PsGetThreadExitStatus, PsGetThreadId,
            PsIsSystemThread, PsLookupProcessByProcessId, PsLookupThreadByThreadId,
        },
        system_thread::{PsCreateSystemThread, PsTerminateSystemThread},
    },
};

/// The tests.
pub const TESTS: &[Test] = &[
    (
        "thread: the object stays as long as it is referenced",
        references,
    ),
    (
        "thread: a driver's thread runs in a critical region, and ends with its status",
        of_driver,
    ),
    ("thread: it is found by its id until it has ended", found),
    ("thread: only a driver's thread ends itself", not_ours),
    (
        "thread: system threads are the system process's",
        system_process,
    ),
    ("thread: a process is found by its id", found_process),
];

fn references() -> Outcome {
    let worker = Worker::new(|| {});
    let thread = worker.thread();
    object::reference(thread.cast());
    worker.join();
    ensure_eq!(object::kind(thread.cast()), Some(Kind::Thread));
    // SAFETY: the reference above keeps it.
    ensure_eq!(unsafe { PsGetThreadExitStatus(thread) }, STATUS_SUCCESS);
    object::dereference(thread.cast());
    // The last reference may have been the thread's own, which another thread gives back.
    for _ in 0..1000 {
        if object::kind(thread.cast()).is_none() {
            return Ok(());
        }
        crate::ke::dispatcher::yield_now();
    }
    ensure!(
        false,
        "{} references are left",
        object::references(thread.cast())
    );
    Ok(())
}

/// What a driver's thread is given, and finds.
struct Given {
    go: Event,
    apcs_disabled: AtomicU32,
}

unsafe extern "win64" fn start(context: *mut c_void) {
    // SAFETY: the test waits for the thread.
    let given = unsafe { &*context.cast::<Given>() };
    given.go.wait(None);
    // SAFETY: a query.
    let disabled = unsafe { KeAreApcsDisabled() };
    given
        .apcs_disabled
        .store(u32::from(disabled), Ordering::Release);
    // SAFETY: the thread is a driver's.
    unsafe { PsTerminateSystemThread(STATUS_UNSUCCESSFUL) };
}

/// Starts a driver's thread: its object, with a reference, and what it was given.
fn driver_thread() -> Result<(*mut thread::Thread, Box<Given>), i32> {
    let given = Box::new(Given {
        go: Event::synchronization(),
        apcs_disabled: AtomicU32::new(2),
    });
    let mut opened = 0;
    let context = (&raw const *given).cast_mut().cast();
    // SAFETY: what is null may be; the handle can be written.
    let status =
        unsafe { PsCreateSystemThread(&raw mut opened, 0, null(), 0, null_mut(), start, context) };
    if status != STATUS_SUCCESS {
        return Err(status);
    }
    let entry = handle::KERNEL.reference(opened);
    handle::KERNEL.close(opened);
    Ok((entry.map_or(null_mut(), |entry| entry.object).cast(), given))
}

fn wait_for(thread: *mut thread::Thread) {
    // SAFETY: the caller has a reference.
    unsafe { KeWaitForSingleObject(thread.cast(), 0, 0, 0, null()) };
}

fn of_driver() -> Outcome {
    let Ok((thread, given)) = driver_thread() else {
        return Err("the thread is not made".into());
    };
    ensure!(!thread.is_null(), "the handle is no kernel handle");
    // SAFETY: there is a reference.
    ensure_eq!(unsafe { PsGetThreadExitStatus(thread) }, STATUS_PENDING);
    given.go.set();
    wait_for(thread);
    // SAFETY: as above.
    let status = unsafe { PsGetThreadExitStatus(thread) };
    object::dereference(thread.cast());
    ensure_eq!(status, STATUS_UNSUCCESSFUL);
    ensure_eq!(given.apcs_disabled.load(Ordering::Acquire), 1);
    Ok(())
}

fn found() -> Outcome {
    let Ok((thread, given)) = driver_thread() else {
        return Err("the thread is not made".into());
    };
    // SAFETY: there is a reference.
    let id = unsafe { PsGetThreadId(thread) };
    let mut found = null_mut();
    // SAFETY: it can be written.
    let status = unsafe { PsLookupThreadByThreadId(id, &raw mut found) };
    given.go.set();
    wait_for(thread);
    let mut later = null_mut();
    // SAFETY: it can be written.
    let status_later = unsafe { PsLookupThreadByThreadId(id, &raw mut later) };
    ensure_eq!((status, found), (STATUS_SUCCESS, thread));
    ensure!(status_later < 0, "it is found after its end");
    object::dereference(found.cast());
    object::dereference(thread.cast());
    Ok(())
}

fn not_ours() -> Outcome {
    // SAFETY: the thread is nthost's own, so that the routine returns.
    let status = unsafe { PsTerminateSystemThread(STATUS_SUCCESS) };
    ensure!(status < 0, "it says {status:#x}");
    Ok(())
}

fn system_process() -> Outcome {
    // SAFETY: a query.
    let process = unsafe { IoGetCurrentProcess() };
    // SAFETY: a query.
    let id = unsafe { PsGetCurrentProcessId() };
    ensure_eq!(object::kind(process), Some(Kind::Process));
    ensure_eq!(id, 4);
    // SAFETY: the thread that runs.
    ensure_eq!(unsafe { PsIsSystemThread(thread::current()) }, 1);
    Ok(())
}

fn found_process() -> Outcome {
    let mut found = null_mut();
    // SAFETY: it can be written.
    let status = unsafe { PsLookupProcessByProcessId(4, &raw mut found) };
    ensure_eq!(status, STATUS_SUCCESS);
    // SAFETY: a query.
    ensure_eq!(found, unsafe { IoGetCurrentProcess() });
    object::dereference(found);
    // No id is odd.
    // SAFETY: it can be written.
    let status = unsafe { PsLookupProcessByProcessId(5, &raw mut found) };
    ensure_eq!((status, found), (STATUS_INVALID_CID, null_mut()));
    // SAFETY: the thread that runs.
    let thread = unsafe { PsGetThreadId(thread::current()) };
    // SAFETY: it can be written.
    let status = unsafe { PsLookupProcessByProcessId(thread, &raw mut found) };
    ensure_eq!((status, found), (STATUS_INVALID_CID, null_mut()));
    Ok(())
}
