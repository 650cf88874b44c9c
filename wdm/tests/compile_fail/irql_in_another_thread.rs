//! A proof is of this thread, and of no other.
#![no_std]

use wdm::irql::Passive;

fn send<T: Send>(_value: T) {}

pub fn wrong(irql: Passive) {
    send(irql); //~ E0277
}
