//! Acquiring a mutex may wait.
#![no_std]

use wdm::{irql::Dispatch, mutex::Mutex};

pub fn wrong(mutex: &Mutex<u32>, irql: &mut Dispatch) {
    drop(mutex.acquire(irql)); //~ E0308
}
