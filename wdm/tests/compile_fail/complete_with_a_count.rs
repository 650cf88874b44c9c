//! A client gets as many bytes as were written, not as many as somebody says.
#![no_std]

use wdm::{
    Status,
    irp::{Fresh, Irp},
    irql::Passive,
};

pub fn wrong(irp: Irp<Fresh>, irql: &mut Passive) {
    let _ = irp.complete(Status::SUCCESS, 1 << 20, irql); //~ E0061
}
