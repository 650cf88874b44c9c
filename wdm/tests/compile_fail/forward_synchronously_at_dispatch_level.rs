//! IoForwardIrpSynchronously waits for the drivers below.
#![no_std]

use wdm::{
    irp::{Fresh, Irp},
    irql::Dispatch,
};

pub fn wrong(irp: Irp<Fresh>, irql: &mut Dispatch) -> Irp<Fresh> {
    irp.forward_synchronously(irql) //~ E0308
}
