//! A queued IRP is the queue's: a cancellation may complete it at any moment.
#![no_std]

use wdm::{
    Status,
    csq::{Csq, Request},
    irp::{Fresh, Irp},
    irql::Passive,
};

pub fn wrong<R: Request>(queue: &Csq<R>, irp: Irp<Fresh>, request: R, irql: &mut Passive) {
    let _ = queue.insert(irp, request, irql);
    let _ = irp.complete(Status::SUCCESS, irql); //~ E0382
}
