//! After its completion an IRP may be freed, or another's.
#![no_std]

use wdm::{
    Status,
    irp::{Fresh, Irp},
    irql::Passive,
};

pub fn wrong(irp: Irp<Fresh>, irql: &mut Passive) -> usize {
    let _ = irp.complete(Status::SUCCESS, irql);
    irp.information() //~ E0382
}
