//! STATUS_PENDING is what no request ends in.
#![no_std]

use wdm::{
    Status,
    irp::{Irp, Pending},
    irql::Passive,
};

pub fn wrong(irp: Irp<Pending>, irql: &mut Passive) {
    irp.complete(Status::PENDING, irql); //~ E0599
}
