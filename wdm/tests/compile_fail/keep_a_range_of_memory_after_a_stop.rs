//! What the PnP manager assigned does not live longer than the request that assigned it.
#![no_std]

use wdm::{
    irp::{Dispatched, Fresh, Irp},
    irql::Passive,
    mmio::{Bar, Mapping},
    ports::PortRange,
};

pub fn wrong<B: Bar>(irp: Irp<Fresh>, irql: &mut Passive) -> Option<Dispatched> {
    let memory = irp.resources()?.memory().next()?;
    let dispatched = irp.complete_as_is(irql); //~ E0505
    drop(Mapping::<B>::new(memory, irql));
    Some(dispatched)
}

pub fn wrong_ports(irp: Irp<Fresh>, irql: &mut Passive) -> Option<Dispatched> {
    let ports = irp.resources()?.ports().next()?;
    let dispatched = irp.complete_as_is(irql); //~ E0505
    // SAFETY: not the mistake that this is about.
    unsafe { PortRange::new(ports) };
    Some(dispatched)
}
