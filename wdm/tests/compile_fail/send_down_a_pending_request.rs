//! A request that has been marked pending goes down with a completion routine or not at all.
#![no_std]

use wdm::{
    device::LowerDevice,
    irp::{Irp, Pending},
    irql::Passive,
};

pub fn wrong(irp: Irp<Pending>, lower: LowerDevice<'_>, irql: &mut Passive) {
    let _ = irp.forward(lower, irql); //~ E0599
}
