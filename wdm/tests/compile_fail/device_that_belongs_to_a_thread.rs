//! The thread that removes a device is not the one that added it.
#![no_std]

use wdm::{
    device::{Device, Fdo},
    irp::{Dispatched, Fresh, Irp},
    irql::Passive,
};

pub struct Local(*mut u8);

// SAFETY: nothing reaches the pointer.
unsafe impl Sync for Local {}

impl Device for Local { //~ E0277
    fn create(_: &Fdo<Self>, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
        irp.complete_as_is(irql)
    }
    fn cleanup(_: &Fdo<Self>, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
        irp.complete_as_is(irql)
    }
    fn close(_: &Fdo<Self>, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
        irp.complete_as_is(irql)
    }
    fn read(_: &Fdo<Self>, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
        irp.complete_as_is(irql)
    }
    fn write(_: &Fdo<Self>, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
        irp.complete_as_is(irql)
    }
    fn device_control(_: &Fdo<Self>, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
        irp.complete_as_is(irql)
    }
    fn power(_: &Fdo<Self>, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
        irp.complete_as_is(irql)
    }
    fn pnp(_: &Fdo<Self>, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
        irp.complete_as_is(irql)
    }
    fn remove(_: &Fdo<Self>, _: &mut Passive) {}
}
