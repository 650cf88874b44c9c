//! A completed IRP cannot be sent to the next driver.
#![no_std]

use wdm::{
    Status,
    device::LowerDevice,
    irp::{Fresh, Irp},
    irql::Passive,
};

pub fn wrong(irp: Irp<Fresh>, lower: LowerDevice<'_>, irql: &mut Passive) {
    let _ = irp.complete(Status::SUCCESS, 0, irql);
    let _ = irp.forward(lower, irql); //~ E0382
}
