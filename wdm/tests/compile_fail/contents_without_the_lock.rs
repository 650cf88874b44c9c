//! What a spin lock protects is inside of it.
#![no_std]

use wdm::spinlock::SpinLock;

pub fn wrong(lock: &SpinLock<u32>) -> u32 {
    *lock //~ E0308
}
