//! What a dispatch routine returns can only be had by completing the IRP, queuing it, or passing it down.
#![no_std]

use wdm::{
    irp::{Dispatched, Fresh, Irp},
    irql::Passive,
};

pub fn wrong(irp: Irp<Fresh>, _irql: &mut Passive) -> Dispatched {
    //~^ E0308
    let _ = irp.minor();
}
