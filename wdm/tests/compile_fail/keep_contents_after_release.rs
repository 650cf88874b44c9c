//! What a spin lock protects cannot be kept longer than the lock.
#![no_std]

use wdm::{irql::Passive, spinlock::SpinLock};

pub fn wrong<'a>(lock: &'a SpinLock<u32>, irql: &'a mut Passive) -> &'a u32 {
    let guard = lock.acquire(irql);
    &*guard //~ E0515
}
