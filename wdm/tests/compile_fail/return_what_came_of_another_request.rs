//! That a queue has refused a request that was marked pending before says nothing of the request
//! that a dispatch routine was given.
#![no_std]

use wdm::{
    csq::{Csq, Refused, Request},
    irp::{Dispatched, Irp, Pending},
    irql::Passive,
};

pub fn wrong<R: Request>(
    queue: &Csq<R>,
    irp: Irp<Pending>,
    request: R,
    irql: &mut Passive,
) -> Option<Dispatched> {
    let Refused { dispatched, irp, .. } = queue.insert_pending(irp, request, irql).err()?;
    irp.complete_as_is(irql);
    Some(dispatched) //~ E0308
}
