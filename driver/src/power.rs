//! IRP_MJ_POWER.

use wdm::{
    device::Fdo,
    irp::{Dispatched, Fresh, Irp},
    irql::Passive,
};

use crate::function::{Function, FunctionDevice};

/// The dispatch routine.
pub fn dispatch<F: Function>(
    device: &Fdo<FunctionDevice<F>>,
    irp: Irp<Fresh>,
    irql: &Passive,
) -> Dispatched {
    irp.forward(device.lower(), irql)
}
