//! What ends at PASSIVE_LEVEL only is not closed where a lock is held.
#![no_std]

use wdm::{
    dpc::{DeferredRoutine, Dpc},
    interface::DeviceInterface,
    interrupt::{Interrupt, InterruptService},
    irql::Dispatch,
    registry::Key,
};

pub fn wrong<C: DeferredRoutine, S: InterruptService>(
    dpc: Dpc<C>,
    interrupt: Interrupt<S>,
    key: Key,
    interface: DeviceInterface,
    irql: &mut Dispatch,
) {
    dpc.close(irql); //~ E0308
    interrupt.close(irql); //~ E0308
    key.close(irql); //~ E0308
    interface.close(irql); //~ ERROR: IRQL <= APC_LEVEL only
}
