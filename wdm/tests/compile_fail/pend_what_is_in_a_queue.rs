//! An IRP is marked pending before it is queued: afterwards it may be gone.
#![no_std]

use wdm::{
    csq::{Csq, Request},
    irp::{Dispatched, Fresh, Irp},
    irql::Passive,
};

pub fn wrong<R: Request>(
    queue: &Csq<R>,
    irp: Irp<Fresh>,
    request: R,
    irql: &mut Passive,
) -> Dispatched {
    drop(queue.insert(irp, request, irql));
    irp.pend().1 //~ E0382
}
