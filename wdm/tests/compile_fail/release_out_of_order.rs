//! Spin locks are released in the reverse order: the second is held on the first one's level.
#![no_std]

use wdm::{irql::Passive, spinlock::SpinLock};

pub fn wrong(first: &SpinLock<u32>, second: &SpinLock<u32>, irql: &mut Passive) {
    let mut outer = first.acquire(irql);
    let (_, irql) = outer.parts();
    let inner = second.acquire_at_dpc_level(irql);
    drop(outer); //~ E0505
    drop(inner);
}
