//! An IRP goes to the device below its own, and to no other.
#![no_std]

use wdm::{
    device::{Device, Fdo},
    irp::{Fresh, Irp},
    irql::Passive,
};

pub fn wrong<D: Device>(irp: Irp<Fresh>, other: &Fdo<D>, irql: &mut Passive) {
    let _ = irp.forward(other.lower(), irql); //~ E0061
}
