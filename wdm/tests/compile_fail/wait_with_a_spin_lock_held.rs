//! The holder of a spin lock is at DISPATCH_LEVEL: the old level's proof is lent to the guard.
#![no_std]

use wdm::{event::Event, irql::Passive, spinlock::SpinLock};

pub fn wrong(lock: &SpinLock<u32>, event: &Event, irql: &mut Passive) {
    let guard = lock.acquire(irql);
    event.wait(irql); //~ E0499
    drop(guard);
}
