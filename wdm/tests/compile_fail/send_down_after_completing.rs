//! A completed IRP cannot be sent to the next driver.
#![no_std]

use wdm::{
    Status,
    irp::{Fresh, Irp},
    irql::Passive,
};

pub fn wrong(irp: Irp<Fresh>, irql: &mut Passive) {
    let _ = irp.complete(Status::SUCCESS, irql);
    let _ = irp.forward(irql); //~ E0382
}
