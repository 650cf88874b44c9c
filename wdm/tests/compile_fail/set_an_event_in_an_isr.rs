//! KeSetEvent takes the dispatcher's lock, which is not for DIRQL.
#![no_std]

use wdm::{event::Event, irql::Dirql};

pub fn wrong(event: &Event, irql: &mut Dirql) {
    event.set(irql); //~ ERROR: IRQL <= DISPATCH_LEVEL only
}
