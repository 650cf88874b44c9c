//! What a guard proves ends with it.
#![no_std]

use wdm::{
    irql::{Dispatch, Passive},
    spinlock::SpinLock,
};

pub fn wrong<'a>(lock: &'a SpinLock<u32>, irql: &'a mut Passive) -> &'a mut Dispatch {
    let mut guard = lock.acquire(irql);
    guard.parts().1 //~ E0515
}
