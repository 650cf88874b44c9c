//! A spin lock belongs to DISPATCH_LEVEL: an ISR that acquired it would wait for the thread that it interrupted.
#![no_std]

use wdm::{irql::Dirql, spinlock::SpinLock};

pub fn wrong(lock: &SpinLock<u32>, irql: &mut Dirql) {
    drop(lock.acquire(irql)); //~ ERROR: IRQL <= DISPATCH_LEVEL only
}
