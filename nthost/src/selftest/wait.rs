//! Waits and what ends them.

use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicU32, Ordering};

use nthost_nt::status::{STATUS_ALERTED, STATUS_SUCCESS, STATUS_TIMEOUT, STATUS_USER_APC};

use super::{
    Outcome, Test, ensure, ensure_eq,
    object::{Event, Mutex, Semaphore, Worker, wait_for},
};
use crate::{
    export::{DISPATCH_LEVEL, PASSIVE_LEVEL},
    ke::{
        critical_region::KeAreApcsDisabled,
        dispatcher, irql,
        thread::{State, Thread},
        time,
        wait::{self, WaitMode},
    },
};

/// The tests.
pub const TESTS: &[Test] = &[
    (
        "wait: events pass between two threads, each its turn",
        turns,
    ),
    ("wait: a synchronization event ends one wait", one_wait),
    ("wait: a notification event ends all waits", all_waits),
    ("wait: all objects or none are taken", all_or_nothing),
    ("wait: any tells which", any_tells),
    ("wait: a time-out comes after its time", time_out),
    ("wait: a pulse ends waits and leaves no signal", pulse),
    (
        "wait: a signal that announces a wait keeps the IRQL",
        announced,
    ),
    (
        "wait: a semaphore ends as many waits as its count",
        semaphore,
    ),
    (
        "wait: a mutex is its owner's, as often as it was taken",
        mutex,
    ),
    ("wait: an alert ends alertable waits alone", alert),
    (
        "wait: termination ends waits of user mode alone",
        termination,
    ),
];

/// Whether a thread waits for an object: the waits of scheduling noise are for none.
///
/// # Safety
///
/// The thread exists, and the dispatcher lock is held.
unsafe fn waits(thread: *mut Thread) -> bool {
    // SAFETY: the caller's promise.
    let thread = unsafe { &*thread };
    thread.state == State::Waiting && thread.wait_count > 0
}

/// Lets others run until a thread waits for an object.
pub fn until_waiting(thread: *mut Thread) {
    loop {
        let guard = dispatcher::lock();
        // SAFETY: the test has a reference to the thread; the lock is held.
        let waiting = unsafe { waits(thread) };
        drop(guard);
        if waiting {
            return;
        }
        dispatcher::yield_now();
    }
}

fn turns() -> Outcome {
    const ROUNDS: u32 = 200;
    let (go, done) = (
        Arc::new(Event::synchronization()),
        Arc::new(Event::synchronization()),
    );
    let count = Arc::new(AtomicU32::new(0));
    let worker = {
        let (go, done, count) = (go.clone(), done.clone(), count.clone());
        Worker::new(move || {
            for _ in 0..ROUNDS {
                go.wait(None);
                count.fetch_add(1, Ordering::SeqCst);
                done.set();
            }
        })
    };
    for round in 1..=ROUNDS {
        go.set();
        done.wait(None);
        ensure_eq!(count.load(Ordering::SeqCst), round);
    }
    worker.join();
    Ok(())
}

/// Threads that wait for an event, and count themselves when they are through.
fn waiters(event: &Arc<Event>, count: &Arc<AtomicU32>, threads: usize) -> Vec<Worker> {
    let workers: Vec<_> = (0..threads)
        .map(|_| {
            let (event, count) = (event.clone(), count.clone());
            Worker::new(move || {
                event.wait(None);
                count.fetch_add(1, Ordering::SeqCst);
            })
        })
        .collect();
    for worker in &workers {
        until_waiting(worker.thread());
    }
    workers
}

fn still_waiting(workers: &[Worker]) -> usize {
    let _guard = dispatcher::lock();
    let waiting = workers.iter().filter(|worker| {
        // SAFETY: the worker has a reference; the lock is held.
        unsafe { waits(worker.thread()) }
    });
    waiting.count()
}

fn one_wait() -> Outcome {
    let event = Arc::new(Event::synchronization());
    let count = Arc::new(AtomicU32::new(0));
    let workers = waiters(&event, &count, 3);
    for left in (0..3).rev() {
        ensure_eq!(event.set(), 0);
        // What ends a wait makes the thread ready in the same step.
        ensure_eq!(still_waiting(&workers), left);
        ensure!(!event.is_set(), "the event is still set");
    }
    drop(workers);
    ensure_eq!(count.load(Ordering::SeqCst), 3);
    event.set();
    ensure!(event.is_set(), "nobody waited, and the signal is lost");
    ensure!(event.set() != 0, "the state before is not given");
    Ok(())
}

fn all_waits() -> Outcome {
    let event = Arc::new(Event::notification());
    let count = Arc::new(AtomicU32::new(0));
    let workers = waiters(&event, &count, 3);
    event.set();
    ensure_eq!(still_waiting(&workers), 0);
    drop(workers);
    ensure!(event.is_set(), "the event is not set any more");
    ensure_eq!(event.wait(Some(0)), STATUS_SUCCESS);
    Ok(())
}

fn all_or_nothing() -> Outcome {
    let (first, second) = (Event::synchronization(), Event::synchronization());
    let objects = [first.get().cast(), second.get().cast()];
    first.set();
    ensure_eq!(wait_for(&objects, true, Some(0)), STATUS_TIMEOUT);
    ensure!(first.is_set(), "one of the objects was taken alone");
    second.set();
    ensure_eq!(wait_for(&objects, true, Some(0)), STATUS_SUCCESS);
    ensure!(
        !first.is_set() && !second.is_set(),
        "an object was not taken"
    );
    Ok(())
}

fn any_tells() -> Outcome {
    let (first, second) = (Event::synchronization(), Event::synchronization());
    let objects = [first.get().cast(), second.get().cast()];
    second.set();
    ensure_eq!(wait_for(&objects, false, None), 1);
    first.set();
    second.set();
    ensure_eq!(wait_for(&objects, false, None), 0);
    ensure!(second.is_set(), "more than one object was taken");
    Ok(())
}

fn time_out() -> Outcome {
    let event = Event::synchronization();
    let begun = time::interrupt_time();
    ensure_eq!(event.wait(Some(5)), STATUS_TIMEOUT);
    let waited = time::interrupt_time() - begun;
    ensure!(waited >= 50_000, "the wait took {waited} units of 50000");
    Ok(())
}

fn pulse() -> Outcome {
    let event = Arc::new(Event::notification());
    let count = Arc::new(AtomicU32::new(0));
    let workers = waiters(&event, &count, 2);
    event.pulse();
    ensure_eq!(still_waiting(&workers), 0);
    drop(workers);
    ensure!(!event.is_set(), "the event is still set");
    Ok(())
}

fn announced() -> Outcome {
    let (first, second) = (Event::synchronization(), Event::synchronization());
    second.set();
    first.set_with(0, true);
    let between = irql::current();
    let status = second.wait(None);
    let after = irql::current();
    ensure_eq!(between, DISPATCH_LEVEL);
    ensure_eq!((status, after), (STATUS_SUCCESS, PASSIVE_LEVEL));
    // The wait may also take its time.
    first.set_with(0, true);
    ensure_eq!(second.wait(Some(2)), STATUS_TIMEOUT);
    ensure_eq!(irql::current(), PASSIVE_LEVEL);
    Ok(())
}

fn semaphore() -> Outcome {
    let semaphore = Semaphore::semaphore(1, 3);
    ensure_eq!(semaphore.release(2), 1);
    for _ in 0..3 {
        ensure_eq!(semaphore.wait(Some(0)), STATUS_SUCCESS);
    }
    ensure_eq!(semaphore.wait(Some(0)), STATUS_TIMEOUT);
    Ok(())
}

fn mutex() -> Outcome {
    let mutex = Arc::new(Mutex::mutex());
    // SAFETY: the routine only reads.
    let held_back = || unsafe { KeAreApcsDisabled() } != 0;
    ensure!(!held_back(), "APCs are held back from the start");
    ensure_eq!(mutex.wait(None), STATUS_SUCCESS);
    ensure_eq!(mutex.wait(None), STATUS_SUCCESS);
    ensure!(held_back(), "the owner's APCs are not held back");
    let other = mutex.clone();
    let refused = Arc::new(AtomicU32::new(0));
    let result = refused.clone();
    Worker::new(move || {
        let status = other.wait(Some(0)).cast_unsigned();
        result.store(status, Ordering::SeqCst);
    })
    .join();
    ensure_eq!(
        refused.load(Ordering::SeqCst),
        STATUS_TIMEOUT.cast_unsigned()
    );
    ensure_eq!(mutex.release(), -1);
    ensure_eq!(mutex.state(), 0);
    ensure_eq!(mutex.release(), 0);
    ensure_eq!(mutex.state(), 1);
    ensure!(!held_back(), "the APCs are held back after the release");
    Ok(())
}

/// How waits in a mode end when something happens to the thread.
fn end_of_wait(mode: WaitMode, happen: impl Fn(*mut Thread)) -> i32 {
    let event = Arc::new(Event::synchronization());
    let status = Arc::new(AtomicU32::new(0));
    let worker = {
        let (event, status) = (event.clone(), status.clone());
        Worker::new(move || {
            let ended = event.wait_in(None, mode);
            status.store(ended.cast_unsigned(), Ordering::SeqCst);
        })
    };
    until_waiting(worker.thread());
    happen(worker.thread());
    // A wait that did not end so ends by the event.
    event.set();
    worker.join();
    status.load(Ordering::SeqCst).cast_signed()
}

fn alert() -> Outcome {
    for (user, alertable, by_user, expected) in [
        (false, true, false, STATUS_ALERTED),
        (false, false, false, STATUS_SUCCESS),
        (true, true, true, STATUS_ALERTED),
        (true, true, false, STATUS_ALERTED),
        (false, true, true, STATUS_SUCCESS),
        (true, false, true, STATUS_SUCCESS),
    ] {
        let mode = WaitMode { user, alertable };
        let ended = end_of_wait(mode, |thread| {
            // SAFETY: the worker has a reference.
            unsafe { wait::alert(thread, by_user) };
        });
        ensure!(
            ended == expected,
            "{mode:?}, alerted in user mode: {by_user}, ends with {ended:#x}"
        );
    }
    Ok(())
}

fn termination() -> Outcome {
    for (user, expected) in [(true, STATUS_USER_APC), (false, STATUS_SUCCESS)] {
        let mode = WaitMode {
            user,
            alertable: false,
        };
        let ended = end_of_wait(mode, |thread| {
            // SAFETY: the worker has a reference.
            unsafe { wait::terminate(thread) };
        });
        ensure!(ended == expected, "{mode:?} ends with {ended:#x}");
    }
    Ok(())
}
