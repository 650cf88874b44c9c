//! A request that has been marked pending goes down with a completion routine or not at all.
#![no_std]

use wdm::{
    irp::{Irp, Pending},
    irql::Passive,
};

pub fn wrong(irp: Irp<Pending>, irql: &mut Passive) {
    let _ = irp.forward(irql); //~ E0599
}
