//! Interrupts, as if a device had sent them to this processor, and their spin locks.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::{
    cell::UnsafeCell,
    ffi::c_void,
    ptr::null_mut,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

use super::{Outcome, Test, ensure, ensure_eq, object::Worker};
use crate::{
    export::DISPATCH_LEVEL,
    ke::{
        affinity::{KeRevertToUserAffinityThreadEx, KeSetSystemAffinityThreadEx},
        interrupt::{self, Interrupt, Service},
        interrupt_lock::{
            KeAcquireInterruptSpinLock, KeReleaseInterruptSpinLock, KeSynchronizeExecution,
        },
        irql::{self, Raised},
    },
};

/// The tests.
pub const TESTS: &[Test] = &[
    (
        "interrupt: its routine runs at the IRQL of its vector",
        level,
    ),
    (
        "interrupt: it waits until the IRQL is below its own",
        held_back,
    ),
    (
        "interrupt: a disconnected routine is not called",
        disconnected,
    ),
    (
        "interrupt: on a shared level-triggered line, the first to claim ends the search",
        shared_level,
    ),
    (
        "interrupt: on a shared latched line, all are asked",
        shared_latched,
    ),
    ("interrupt: its spin lock keeps its routine away", spin_lock),
    (
        "interrupt: KeSynchronizeExecution runs at the routine's IRQL",
        synchronize,
    ),
];

/// What a routine sees, and answers.
#[derive(Default)]
struct Seen {
    count: AtomicU32,
    level: AtomicU32,
    claims: u8,
}

unsafe extern "win64" fn note(_interrupt: *mut c_void, context: *mut c_void) -> u8 {
    // SAFETY: the test's own, which disconnects the routine first.
    let seen = unsafe { &*context.cast::<Seen>() };
    seen.level
        .store(u32::from(irql::current()), Ordering::Relaxed);
    seen.count.fetch_add(1, Ordering::AcqRel);
    seen.claims
}

/// A connected interrupt, disconnected when this is dropped.
struct Connected(Box<UnsafeCell<Interrupt>>);

impl Connected {
    fn new<T>(
        vector: u8,
        level_sensitive: bool,
        routine: interrupt::ServiceRoutine,
        context: &T,
    ) -> Self {
        let object = Box::new(UnsafeCell::new(Interrupt {
            service: Service::Line(routine),
            context: core::ptr::from_ref(context).cast_mut().cast(),
            lock: null_mut(),
            own_lock: 0,
            vector,
            synchronize_irql: vector >> 4,
            level_sensitive,
            count: AtomicU64::new(0),
        }));
        let interrupt = object.get();
        // SAFETY: nobody else has it yet.
        let own_lock = unsafe { &raw mut (*interrupt).own_lock };
        // SAFETY: likewise.
        unsafe { (*interrupt).lock = own_lock };
        // SAFETY: it is complete, and stays until it is disconnected.
        unsafe { interrupt::connect(interrupt) };
        Self(object)
    }

    fn get(&self) -> *mut Interrupt {
        self.0.get()
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        // SAFETY: it was connected.
        unsafe { interrupt::disconnect(self.get()) };
    }
}

/// A vector of the test's own.
struct Vector(u8);

impl Vector {
    fn new() -> Self {
        Self(interrupt::allocate_vector().expect("a free vector"))
    }
}

impl Drop for Vector {
    fn drop(&mut self) {
        interrupt::free_vector(self.0);
    }
}

/// Interrupts this processor, and gives it the time to notice.
fn simulate(vector: u8) {
    let raised = Raised::to(DISPATCH_LEVEL.max(vector >> 4));
    interrupt::simulate(vector);
    // Lowering the IRQL delivers what waits.
    drop(raised);
}

fn level() -> Outcome {
    let vector = Vector::new();
    let seen = Seen::default();
    let connected = Connected::new(vector.0, false, note, &seen);
    simulate(vector.0);
    drop(connected);
    ensure_eq!(seen.count.load(Ordering::Acquire), 1);
    ensure_eq!(seen.level.load(Ordering::Relaxed), u32::from(vector.0 >> 4));
    ensure_eq!(irql::current(), 0);
    Ok(())
}

fn held_back() -> Outcome {
    let vector = Vector::new();
    let seen = Seen::default();
    let connected = Connected::new(vector.0, false, note, &seen);
    let raised = Raised::to(vector.0 >> 4);
    interrupt::simulate(vector.0);
    for _ in 0..1000 {
        core::hint::spin_loop();
    }
    let early = seen.count.load(Ordering::Acquire);
    drop(raised);
    let late = seen.count.load(Ordering::Acquire);
    drop(connected);
    ensure_eq!((early, late), (0, 1));
    Ok(())
}

fn disconnected() -> Outcome {
    let vector = Vector::new();
    let seen = Seen::default();
    drop(Connected::new(vector.0, false, note, &seen));
    let unclaimed = interrupt::unclaimed();
    simulate(vector.0);
    ensure_eq!(seen.count.load(Ordering::Acquire), 0);
    ensure!(
        interrupt::unclaimed() > unclaimed,
        "the interrupt is not counted as unclaimed"
    );
    Ok(())
}

/// Which of three routines are called, of which the second claims the interrupt.
fn shared(level_sensitive: bool) -> [u32; 3] {
    let vector = Vector::new();
    let seen = [0, 1, 0].map(|claims| Seen {
        claims,
        ..Seen::default()
    });
    let connected: Vec<_> = seen
        .iter()
        .map(|seen| Connected::new(vector.0, level_sensitive, note, seen))
        .collect();
    simulate(vector.0);
    drop(connected);
    seen.map(|seen| seen.count.load(Ordering::Acquire))
}

fn shared_level() -> Outcome {
    ensure_eq!(shared(true), [1, 1, 0]);
    Ok(())
}

fn shared_latched() -> Outcome {
    ensure_eq!(shared(false), [1, 1, 1]);
    Ok(())
}

/// A number that the routine and threads change under the interrupt's lock alone.
struct Shared {
    value: UnsafeCell<u64>,
}

// SAFETY: the number is the lock's holder's.
unsafe impl Sync for Shared {}

impl Shared {
    fn add(&self) {
        // SAFETY: the lock is held.
        let before = unsafe { self.value.get().read_volatile() };
        for _ in 0..20 {
            core::hint::spin_loop();
        }
        // SAFETY: the lock is held.
        unsafe { self.value.get().write_volatile(before + 1) };
    }
}

unsafe extern "win64" fn add(_interrupt: *mut c_void, context: *mut c_void) -> u8 {
    // SAFETY: the test's own, which disconnects the routine first.
    unsafe { &*context.cast::<Shared>() }.add();
    1
}

fn spin_lock() -> Outcome {
    const ROUNDS: u64 = 300;
    struct Pointer(*mut Interrupt);
    // SAFETY: the interrupt object stays connected until the threads have ended.
    unsafe impl Send for Pointer {}
    let vector = Vector::new();
    let shared = Arc::new(Shared {
        value: UnsafeCell::new(0),
    });
    let connected = Connected::new(vector.0, false, add, &*shared);
    let workers: Vec<_> = (0..2)
        .map(|_| {
            let (shared, interrupt) = (shared.clone(), Pointer(connected.get()));
            Worker::new(move || {
                let interrupt = interrupt;
                for _ in 0..ROUNDS {
                    // SAFETY: the interrupt is connected.
                    let before = unsafe { KeAcquireInterruptSpinLock(interrupt.0) };
                    shared.add();
                    // SAFETY: it was taken above.
                    unsafe { KeReleaseInterruptSpinLock(interrupt.0, before) };
                }
            })
        })
        .collect();
    for _ in 0..ROUNDS {
        simulate(vector.0);
    }
    drop(workers);
    // SAFETY: the interrupt is connected.
    let served = unsafe { (*connected.get()).count.load(Ordering::Acquire) };
    drop(connected);
    // SAFETY: nobody else uses it any more.
    let value = unsafe { shared.value.get().read() };
    ensure_eq!(served, ROUNDS);
    ensure_eq!(value, 3 * ROUNDS);
    Ok(())
}

fn synchronize() -> Outcome {
    unsafe extern "win64" fn routine(context: *mut c_void) -> u8 {
        // SAFETY: the test's own.
        let seen = unsafe { &*context.cast::<Seen>() };
        seen.level
            .store(u32::from(irql::current()), Ordering::Relaxed);
        7
    }
    let vector = Vector::new();
    let seen = Seen::default();
    let connected = Connected::new(vector.0, false, note, &seen);
    // Somewhere else than where the test began, if there is anywhere else.
    // SAFETY: it is undone below.
    let before = unsafe { KeSetSystemAffinityThreadEx(1) };
    let context = (&raw const seen).cast_mut().cast();
    // SAFETY: the interrupt is connected.
    let result = unsafe { KeSynchronizeExecution(connected.get(), routine, context) };
    // SAFETY: what was given above.
    unsafe { KeRevertToUserAffinityThreadEx(before) };
    drop(connected);
    ensure_eq!(result, 7);
    ensure_eq!(seen.level.load(Ordering::Relaxed), u32::from(vector.0 >> 4));
    ensure_eq!(irql::current(), 0);
    Ok(())
}
