//! System worker threads: work that is done at PASSIVE_LEVEL on behalf of others.
//!
//! Source: "System Worker Threads". There is a queue for each kind of work, with threads of its
//! own: so work that waits for other work of another kind is not in its way.

use alloc::{boxed::Box, collections::VecDeque, format};

use crate::ke::{lock::SpinLock, once::Once, owned_event::Event, pcr, thread};

/// The kinds of work (`WORK_QUEUE_TYPE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// `CriticalWorkQueue`: reserved for the system and for drivers of the paging path.
    Critical = 0,
    /// `DelayedWorkQueue`: what drivers use.
    Delayed = 1,
    /// `HyperCriticalWorkQueue`: reserved.
    HyperCritical = 2,
    /// Not a driver's: transitions of the plug-and-play manager, which may wait for work items of
    /// drivers.
    Pnp = 3,
    /// Not a driver's: what the host asks for, which may wait for transitions.
    Host = 4,
}

/// How many kinds there are.
const KINDS: usize = 5;

impl Queue {
    /// The queue of a `WORK_QUEUE_TYPE`; the priority-numbered ones of later systems count as
    /// delayed.
    #[must_use]
    pub const fn of(kind: i32) -> Self {
        match kind {
            0 => Self::Critical,
            2 => Self::HyperCritical,
            _ => Self::Delayed,
        }
    }
}

type Work = Box<dyn FnOnce() + Send>;

/// Protects one queue. A leaf.
static QUEUES: [SpinLock<VecDeque<Work>>; KINDS] =
    [const { SpinLock::new(VecDeque::new()) }; KINDS];
static ARRIVED: [Once<Event>; KINDS] = [const { Once::new() }; KINDS];

/// How many threads a kind of work has: at least enough that one piece of work may wait for
/// another of its kind.
fn threads() -> u32 {
    pcr::count().clamp(2, 8)
}

/// Starts the threads.
pub fn initialize() {
    for (index, arrived) in ARRIVED.iter().enumerate() {
        arrived.set(Event::synchronization());
        for number in 0..threads() {
            thread::spawn(&format!("worker {index}.{number}"), move || serve(index));
        }
    }
}

fn serve(index: usize) {
    loop {
        let mut queue = QUEUES[index].lock();
        let work = queue.pop_front();
        let more = !queue.is_empty();
        drop(queue);
        if more && let Some(arrived) = ARRIVED[index].get() {
            arrived.set();
        }
        match work {
            Some(work) => work(),
            None => {
                if let Some(arrived) = ARRIVED[index].get() {
                    arrived.wait();
                }
            }
        }
    }
}

/// Has a worker thread do something. IRQL up to DISPATCH_LEVEL.
pub fn queue(queue: Queue, work: impl FnOnce() + Send + 'static) {
    let index = queue as usize;
    QUEUES[index].lock().push_back(Box::new(work));
    if let Some(arrived) = ARRIVED[index].get() {
        arrived.set();
    }
}
