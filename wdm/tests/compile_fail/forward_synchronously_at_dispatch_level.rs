//! IoForwardIrpSynchronously waits for the drivers below.
#![no_std]

use wdm::{
    device::LowerDevice,
    irp::{Fresh, Irp},
    irql::Dispatch,
};

pub fn wrong(irp: Irp<Fresh>, lower: LowerDevice<'_>, irql: &mut Dispatch) -> Irp<Fresh> {
    irp.forward_synchronously(lower, irql) //~ E0308
}
