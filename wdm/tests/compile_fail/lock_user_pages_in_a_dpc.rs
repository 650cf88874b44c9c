//! User memory is locked in the context of the thread that asked, not in whichever a DPC interrupted.
#![no_std]

use wdm::{
    irp::{Fresh, Irp},
    irql::Dispatch,
    mdl::UserPages,
    probe::LockOperation,
};

pub fn wrong(irp: &Irp<Fresh>, address: u64, irql: &mut Dispatch) {
    drop(UserPages::lock(irp, address, 16, LockOperation::Read, irql)); //~ E0308
}
