//! A completion routine may run at DISPATCH_LEVEL: nobody knows.
#![no_std]

use wdm::{
    event::Event,
    irp::{Irp, Pending},
    irql::UpToDispatch,
};

pub fn wrong(event: &Event, irp: Irp<Pending>, irql: &mut UpToDispatch) {
    event.wait(irql); //~ ERROR: IRQL <= APC_LEVEL only
    irp.complete_as_is(irql);
}
