//! A request is completed by the DPC, not by the ISR.
#![no_std]

use wdm::{
    Status,
    irp::{Irp, Pending},
    irql::Dirql,
};

pub fn wrong(irp: Irp<Pending>, irql: &mut Dirql) {
    irp.complete(Status::SUCCESS, irql); //~ ERROR: IRQL <= DISPATCH_LEVEL only
}
