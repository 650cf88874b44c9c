//! What an ISR works with is shared under the interrupt spin lock.
#![no_std]

use wdm::interrupt::{Interrupt, InterruptService};

pub fn wrong<S: InterruptService>(interrupt: &Interrupt<S>) -> &S {
    interrupt.service() //~ E0599
}
