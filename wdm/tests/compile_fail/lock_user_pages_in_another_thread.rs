//! Addresses of a process mean something in the thread that made the request, where its dispatch
//! routine is called, and in no other: a request that was marked pending may be anywhere.
#![no_std]

use wdm::{
    irp::{Irp, Pending},
    irql::Passive,
    mdl::UserPages,
    probe::LockOperation,
};

pub fn wrong(irp: &Irp<Pending>, address: u64, irql: &mut Passive) {
    drop(UserPages::lock(irp, address, 16, LockOperation::Read, irql)); //~ E0308
}
