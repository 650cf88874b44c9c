//! A request whose memory the device may touch cannot be completed: its IRP is with the mapping.
#![no_std]

use wdm::{
    Status,
    dma::{ListControl, Mapped},
    irql::Dispatch,
};

pub fn wrong<C: ListControl>(mapped: &Mapped<C>, irql: &mut Dispatch) {
    mapped.irp().complete(Status::SUCCESS, irql); //~ E0507
}
