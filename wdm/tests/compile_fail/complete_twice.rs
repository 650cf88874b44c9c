//! An IRP is the I/O manager's again when it has been completed.
#![no_std]

use wdm::{
    Status,
    irp::{Fresh, Irp},
    irql::Passive,
};

pub fn wrong(irp: Irp<Fresh>, irql: &mut Passive) {
    let _ = irp.complete(Status::SUCCESS, irql);
    let _ = irp.complete(Status::SUCCESS, irql); //~ E0382
}
