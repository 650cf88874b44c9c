//! User memory is locked in the context of the thread that asked, not in whichever a DPC interrupted.
#![no_std]

use wdm::{irql::Dispatch, mdl::UserPages, probe::LockOperation};

pub fn wrong(address: u64, irql: &mut Dispatch) {
    drop(UserPages::lock(address, 16, LockOperation::Read, irql)); //~ E0308
}
