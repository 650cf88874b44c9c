//! Which of several threads runs.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::{
    Outcome, Test, ensure, ensure_eq,
    object::{Event, Worker},
    wait::until_waiting,
};
use crate::{
    ke::{
        affinity::{KeRevertToUserAffinityThreadEx, KeSetSystemAffinityThreadEx},
        dispatcher,
        thread::{self, Affinity, Attributes, LOW_REALTIME_PRIORITY, NORMAL_PRIORITY},
        thread_query::{
            KeQueryPriorityThread, KeQueryTotalCycleTimeThread, KeSetBasePriorityThread,
            KeSetPriorityThread,
        },
    },
    verifier::noise,
};

/// The tests.
pub const TESTS: &[Test] = &[
    (
        "priority: a thread that is more urgent runs at once",
        preempts,
    ),
    (
        "priority: a thread that is less urgent runs when the others wait",
        gives_way,
    ),
    ("priority: equals take turns", turns),
    (
        "priority: the end of a wait boosts a thread, for a while",
        boost,
    ),
    ("priority: real-time threads are not boosted", no_boost),
    ("priority: a base priority stays in its class", base),
    (
        "priority: a ready thread that becomes more urgent runs",
        raised_while_ready,
    ),
    ("priority: a thread's time grows while it runs", cycles),
];

/// Keeps the test on processor 0 until dropped.
struct OnFirst(u64);

impl OnFirst {
    fn new() -> Self {
        // SAFETY: undone when dropped.
        Self(unsafe { KeSetSystemAffinityThreadEx(1) })
    }
}

impl Drop for OnFirst {
    fn drop(&mut self) {
        // SAFETY: what was given.
        unsafe { KeRevertToUserAffinityThreadEx(self.0) };
    }
}

/// A thread of processor 0.
fn attributes(priority: usize) -> Attributes {
    Attributes {
        priority,
        affinity: Affinity {
            group: Some(0),
            mask: 1,
        },
        ..Attributes::default()
    }
}

fn flag() -> (Arc<AtomicBool>, Arc<AtomicBool>) {
    let flag = Arc::new(AtomicBool::new(false));
    (flag.clone(), flag)
}

fn preempts() -> Outcome {
    let _here = OnFirst::new();
    let (set, ran) = flag();
    let worker = Worker::with(&attributes(NORMAL_PRIORITY + 1), move || {
        set.store(true, Ordering::Release);
    });
    let at_once = ran.load(Ordering::Acquire);
    worker.join();
    ensure!(at_once, "it has not run yet");
    Ok(())
}

fn gives_way() -> Outcome {
    let _here = OnFirst::new();
    let (set, ran) = flag();
    let worker = Worker::with(&attributes(NORMAL_PRIORITY - 1), move || {
        set.store(true, Ordering::Release);
    });
    for _ in 0..10 {
        dispatcher::yield_now();
    }
    let early = ran.load(Ordering::Acquire);
    worker.join();
    ensure!(
        !early || noise::seed().is_some(),
        "it ran before its betters waited"
    );
    ensure!(ran.load(Ordering::Acquire), "it never ran");
    Ok(())
}

fn turns() -> Outcome {
    // Neither of the two ever waits: the clock has to take the processor from them.
    let _here = OnFirst::new();
    let (first, second) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let spin = |own: &Arc<AtomicU32>, other: &Arc<AtomicU32>| {
        let (own, other) = (own.clone(), other.clone());
        Worker::with(&attributes(NORMAL_PRIORITY), move || {
            let begun = other.load(Ordering::Acquire);
            own.fetch_add(1, Ordering::AcqRel);
            while other.load(Ordering::Acquire) == begun && begun == 0 {
                core::hint::spin_loop();
            }
        })
    };
    let workers = [spin(&first, &second), spin(&second, &first)];
    drop(workers);
    ensure_eq!(
        first.load(Ordering::Acquire) + second.load(Ordering::Acquire),
        2
    );
    Ok(())
}

/// The priority of a thread at the end of a wait that a signal with this increment ends.
fn priority_after(increment: i32, base: usize) -> i32 {
    let event = Arc::new(Event::synchronization());
    let seen = Arc::new(AtomicU32::new(0));
    let worker = {
        let (event, seen) = (event.clone(), seen.clone());
        Worker::with(&attributes(base), move || {
            event.wait(None);
            // SAFETY: the thread that runs.
            let priority = unsafe { KeQueryPriorityThread(thread::current()) };
            seen.store(priority.cast_unsigned(), Ordering::Release);
        })
    };
    until_waiting(worker.thread());
    event.set_with(increment, false);
    worker.join();
    seen.load(Ordering::Acquire).cast_signed()
}

fn boost() -> Outcome {
    if noise::seed().is_some() {
        // A turn that noise ends takes from the boost.
        return Ok(());
    }
    let base = NORMAL_PRIORITY as i32;
    ensure_eq!(priority_after(2, NORMAL_PRIORITY), base + 2);
    ensure_eq!(priority_after(0, NORMAL_PRIORITY), base);
    ensure_eq!(
        priority_after(100, NORMAL_PRIORITY),
        LOW_REALTIME_PRIORITY as i32 - 1
    );
    Ok(())
}

fn no_boost() -> Outcome {
    let base = LOW_REALTIME_PRIORITY + 1;
    ensure_eq!(priority_after(3, base), base as i32);
    Ok(())
}

fn base() -> Outcome {
    let thread = thread::current();
    // SAFETY: the thread that runs, here and below.
    let first = unsafe { KeSetBasePriorityThread(thread, 100) };
    // SAFETY: as above.
    let high = unsafe { KeQueryPriorityThread(thread) };
    // SAFETY: as above.
    let second = unsafe { KeSetBasePriorityThread(thread, -100) };
    // SAFETY: as above.
    let low = unsafe { KeQueryPriorityThread(thread) };
    // SAFETY: as above.
    unsafe { KeSetBasePriorityThread(thread, first) };
    // SAFETY: as above.
    let restored = unsafe { KeQueryPriorityThread(thread) };
    ensure_eq!((first, second), (0, 7));
    ensure_eq!((high, low), (15, 1));
    ensure_eq!(restored, NORMAL_PRIORITY as i32);
    Ok(())
}

fn raised_while_ready() -> Outcome {
    let _here = OnFirst::new();
    let (set, ran) = flag();
    let worker = Worker::with(&attributes(NORMAL_PRIORITY - 2), move || {
        set.store(true, Ordering::Release);
    });
    let early = ran.load(Ordering::Acquire);
    // SAFETY: the worker has a reference.
    let before = unsafe { KeSetPriorityThread(worker.thread(), LOW_REALTIME_PRIORITY as i32) };
    let at_once = ran.load(Ordering::Acquire);
    worker.join();
    ensure!(
        !early || noise::seed().is_some(),
        "it ran before it was urgent"
    );
    ensure!(at_once, "it did not run when it was urgent");
    ensure_eq!(before, NORMAL_PRIORITY as i32 - 2);
    Ok(())
}

fn cycles() -> Outcome {
    let mut stamp = 0;
    let thread = thread::current();
    // SAFETY: the thread that runs; the stamp can be written.
    let first = unsafe { KeQueryTotalCycleTimeThread(thread, &raw mut stamp) };
    crate::hal::time::stall(100);
    // SAFETY: as above.
    let second = unsafe { KeQueryTotalCycleTimeThread(thread, &raw mut stamp) };
    ensure!(second > first, "{second} after {first}");
    ensure!(
        stamp >= second,
        "more than the counter itself: {second} of {stamp}"
    );
    Ok(())
}
