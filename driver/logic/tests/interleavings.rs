//! The hand-offs between processors, under every interleaving and every order that the memory
//! model allows: `cargo test --features loom --test interleavings`.

use eduwdm_logic::{
    handoff::{Attempt, Work},
    interrupt_bits::InterruptBits,
};
use loom::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
};

/// A queue as the driver has it: requests that were inserted, an engine behind a lock that is
/// only tried, and what was completed.
struct Queue {
    work: Work,
    inserted: AtomicU32,
    started: AtomicU32,
    lock: SpinLock,
}

/// A spin lock that is only tried. It is released by a plain store, as amd64's are: `loom`'s own
/// mutex would be a stronger barrier than the driver has.
struct SpinLock(AtomicBool);

impl SpinLock {
    fn try_acquire(&self) -> bool {
        // As `KeTryToAcquireSpinLockAtDpcLevel` may: a look first, then the exchange. One that
        // fails must not store here, since `loom` would not order that store before the release.
        !self.0.load(Ordering::Relaxed)
            && self
                .0
                .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
    }

    fn release(&self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Queue {
    fn new() -> Self {
        Self {
            work: Work::new(),
            inserted: AtomicU32::new(0),
            started: AtomicU32::new(0),
            lock: SpinLock(AtomicBool::new(false)),
        }
    }

    /// A thread inserts a request, posts and visits.
    fn submit(&self) {
        self.inserted.fetch_add(1, Ordering::Relaxed);
        self.work.post(1);
        self.visit();
    }

    fn visit(&self) -> Attempt {
        self.work.visit(|| {
            if !self.lock.try_acquire() {
                return Attempt::Missed;
            }
            if self.work.take() != 0 {
                let inserted = self.inserted.load(Ordering::Relaxed);
                let before = self.started.load(Ordering::Relaxed);
                assert!(before <= inserted, "a request was started twice");
                // With the lock held nobody else may have changed it meanwhile.
                self.started.store(inserted, Ordering::Relaxed);
            }
            self.lock.release();
            Attempt::Served
        })
    }
}

#[test]
fn nothing_is_left_when_every_thread_only_tries_the_lock() {
    loom::model(|| {
        let queue = Arc::new(Queue::new());
        let other = {
            let queue = queue.clone();
            thread::spawn(move || queue.submit())
        };
        queue.submit();
        other.join().unwrap();
        assert_eq!(
            queue.started.load(Ordering::Relaxed),
            2,
            "a request was left lying"
        );
    });
}

#[test]
fn nothing_is_left_when_the_lock_is_held_for_another_purpose() {
    loom::model(|| {
        let queue = Arc::new(Queue::new());
        // Somebody who opens or closes the queue holds the lock, and visits afterwards.
        let holder = {
            let queue = queue.clone();
            thread::spawn(move || {
                if queue.lock.try_acquire() {
                    queue.lock.release();
                }
                queue.visit();
            })
        };
        queue.submit();
        holder.join().unwrap();
        assert_eq!(
            queue.started.load(Ordering::Relaxed),
            1,
            "the request was left lying"
        );
    });
}

#[test]
fn each_bit_that_is_posted_is_taken_by_exactly_one_visitor() {
    loom::model(|| {
        let work = Arc::new(Work::new());
        let lock = Arc::new(Mutex::new([0_u32; 2]));
        let visitors: Vec<_> = (0..2)
            .map(|bit| {
                let work = work.clone();
                let lock = lock.clone();
                thread::spawn(move || {
                    work.post(1 << bit);
                    work.visit(|| {
                        let Ok(mut times) = lock.try_lock() else {
                            return Attempt::Missed;
                        };
                        let taken = work.take();
                        for (bit, times) in times.iter_mut().enumerate() {
                            *times += taken >> bit & 1;
                        }
                        Attempt::Served
                    });
                })
            })
            .collect();
        for visitor in visitors {
            visitor.join().unwrap();
        }
        assert_eq!(*lock.lock().unwrap(), [1, 1]);
    });
}

/// A DPC: queued or not, and running on any processor.
struct Dpc {
    queued: AtomicBool,
}

impl Dpc {
    /// Whether it was not queued already.
    fn insert(&self) -> bool {
        !self.queued.swap(true, Ordering::AcqRel)
    }

    fn dequeue(&self) {
        self.queued.swap(false, Ordering::AcqRel);
    }
}

#[test]
fn every_interrupt_is_seen_by_one_dpc_even_if_it_is_queued_already() {
    // Every execution with up to three preemptions: all of them would take minutes.
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let bits = Arc::new(InterruptBits::new());
        let dpc = Arc::new(Dpc {
            queued: AtomicBool::new(false),
        });
        let seen = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
        let run = {
            let (bits, dpc, seen) = (bits.clone(), dpc.clone(), seen.clone());
            move || {
                // The kernel takes a DPC off its queue before it calls its routine.
                dpc.dequeue();
                let taken = bits.take();
                for (bit, seen) in seen.iter().enumerate() {
                    if taken.bits >> bit & 1 != 0 {
                        seen.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        };
        // Two interrupts on two processors; the one that finds the DPC not queued will run it.
        let interrupts: Vec<_> = (0..2_u32)
            .map(|bit| {
                let (bits, dpc, run) = (bits.clone(), dpc.clone(), run.clone());
                thread::spawn(move || {
                    bits.save(1 << bit, bit);
                    if dpc.insert() {
                        run();
                    }
                })
            })
            .collect();
        for interrupt in interrupts {
            interrupt.join().unwrap();
        }
        for (bit, seen) in seen.iter().enumerate() {
            assert_eq!(seen.load(Ordering::Relaxed), 1, "interrupt {bit}");
        }
        assert_eq!(bits.take().bits, 0);
    });
}
