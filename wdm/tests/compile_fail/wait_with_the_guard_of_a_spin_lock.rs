//! The guard's own proof is of DISPATCH_LEVEL.
#![no_std]

use wdm::{event::Event, irql::Passive, spinlock::SpinLock};

pub fn wrong(lock: &SpinLock<u32>, event: &Event, irql: &mut Passive) {
    let mut guard = lock.acquire(irql);
    let (_, irql) = guard.parts();
    event.wait(irql); //~ ERROR: IRQL <= APC_LEVEL only
}
