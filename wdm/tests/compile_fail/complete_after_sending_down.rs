//! An IRP that was sent down is the next driver's.
#![no_std]

use wdm::{
    Status,
    irp::{Dispatched, Fresh, Irp},
    irql::Passive,
};

pub fn wrong(irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
    let _ = irp.forward(irql);
    irp.complete(Status::SUCCESS, irql) //~ E0382
}
