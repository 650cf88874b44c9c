//! A request that was not marked pending stays in the thread of its dispatch routine, as does what
//! that routine returns: two of them cannot swap theirs.
#![no_std]

use wdm::{
    irp::{Dispatched, Fresh, Irp},
    spinlock::SpinLock,
};

fn shared<T: Sync>(_: &T) {}

pub fn wrong(irp: &SpinLock<Option<Irp<Fresh>>>, dispatched: &SpinLock<Option<Dispatched>>) {
    shared(irp); //~ E0277
    shared(dispatched); //~ E0277
}
