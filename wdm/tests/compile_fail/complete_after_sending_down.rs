//! An IRP that was sent down is the next driver's.
#![no_std]

use wdm::{
    Status,
    device::LowerDevice,
    irp::{Dispatched, Fresh, Irp},
    irql::Passive,
};

pub fn wrong(irp: Irp<Fresh>, lower: LowerDevice<'_>, irql: &mut Passive) -> Dispatched {
    let _ = irp.forward(lower, irql);
    irp.complete(Status::SUCCESS, 0, irql) //~ E0382
}
