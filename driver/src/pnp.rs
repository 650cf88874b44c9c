//! IRP_MJ_PNP: the life of a device, as the PnP manager leads it.
//!
//! ```text
//!                  START                    QUERY_STOP
//!     NotStarted ---------> Started <------------------------> StopPending
//!                           |  ^  ^         CANCEL_STOP            |
//!              QUERY_REMOVE |  |  |            START               | STOP
//!                           v  |  +---------------------- Stopped <+
//!               RemovePending -+
//!                  CANCEL_REMOVE
//!
//!     from anywhere:  SURPRISE_REMOVAL -> SurpriseRemoved,  REMOVE -> gone
//! ```
//!
//! Source: "State Transitions for PnP Devices", and the page of each minor function for who
//! handles it first: a start or a cancel comes up from the bus, so the lower drivers go first;
//! a stop or a removal goes down to it, so this driver does.

use wdm::{
    Result, Status,
    device::Fdo,
    irp::{Dispatched, Fresh, Irp},
    irql::Passive,
    pnp::Minor,
};

use crate::function::{Function, FunctionDevice};

/// Where the device is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    /// AddDevice was called, or a start has failed.
    NotStarted,
    /// It works.
    Started,
    /// It holds its requests back and is idle: the PnP manager asked whether it may be stopped.
    StopPending,
    /// Its resources are taken away, to be given others.
    Stopped,
    /// The PnP manager asked whether it may be removed. Nothing new is opened.
    RemovePending,
    /// It has been unplugged.
    SurpriseRemoved,
}

/// What PnP keeps of a device.
pub struct PnpState<H> {
    life: Life,
    /// What the last start acquired.
    pub hardware: Option<H>,
    interface_enabled: bool,
}

impl<H> Default for PnpState<H> {
    fn default() -> Self {
        Self {
            life: Life::NotStarted,
            hardware: None,
            interface_enabled: false,
        }
    }
}

impl<H> PnpState<H> {
    /// What opening a handle gets now.
    pub const fn open_status(&self) -> Status {
        match self.life {
            Life::Started | Life::StopPending | Life::Stopped => Status::SUCCESS,
            Life::NotStarted => Status::DEVICE_NOT_READY,
            Life::RemovePending => Status::DELETE_PENDING,
            Life::SurpriseRemoved => Status::NO_SUCH_DEVICE,
        }
    }
}

/// The dispatch routine, for all but IRP_MN_REMOVE_DEVICE.
pub fn dispatch<F: Function>(
    device: &Fdo<FunctionDevice<F>>,
    irp: Irp<Fresh>,
    irql: &mut Passive,
) -> Dispatched {
    match Minor::of(&irp) {
        Minor::StartDevice => {
            let irp = irp.forward_synchronously(device.lower(), irql);
            if !irp.status().is_success() {
                return irp.complete_as_is(irql);
            }
            let status = match start(device, &irp, irql) {
                Ok(()) => Status::SUCCESS,
                Err(status) => {
                    wdk::println!("eduwdm: {}: start failed: {status}", F::NAME);
                    status
                }
            };
            irp.complete(status, 0, irql)
        }
        Minor::QueryStopDevice => {
            set_paused(device, true, Life::StopPending, irql);
            forward_with_success(device, irp, irql)
        }
        Minor::StopDevice => {
            stop(device, irql);
            forward_with_success(device, irp, irql)
        }
        Minor::QueryRemoveDevice => {
            set_life(device, Life::Started, Life::RemovePending, irql);
            forward_with_success(device, irp, irql)
        }
        Minor::CancelStopDevice => {
            let irp = irp.forward_synchronously(device.lower(), irql);
            set_paused(device, false, Life::Started, irql);
            irp.complete(Status::SUCCESS, 0, irql)
        }
        Minor::CancelRemoveDevice => {
            let irp = irp.forward_synchronously(device.lower(), irql);
            set_life(device, Life::RemovePending, Life::Started, irql);
            irp.complete(Status::SUCCESS, 0, irql)
        }
        Minor::SurpriseRemoval => {
            surprise_removal(device, irql);
            forward_with_success(device, irp, irql)
        }
        Minor::QueryCapabilities | Minor::QueryPnpDeviceState | Minor::Other(_) => {
            irp.forward(device.lower(), irql)
        }
    }
}

fn forward_with_success<F: Function>(
    device: &Fdo<FunctionDevice<F>>,
    mut irp: Irp<Fresh>,
    irql: &Passive,
) -> Dispatched {
    irp.set_status(Status::SUCCESS);
    irp.forward(device.lower(), irql)
}

/// IRP_MN_START_DEVICE, after the drivers below: the first, or one after a stop, perhaps with
/// other resources.
fn start<F: Function>(
    device: &Fdo<FunctionDevice<F>>,
    irp: &Irp<Fresh>,
    irql: &mut Passive,
) -> Result<()> {
    let resources = irp.resources().ok_or(Status::INVALID_DEVICE_REQUEST)?;
    let mut state = device.state.acquire(irql);
    let (state, irql) = state.parts();
    state.life = Life::NotStarted;
    let hardware = device.function.start(device.physical(), resources, irql)?;
    if !state.interface_enabled {
        if let Err(status) = device.interface.set_enabled(true, irql) {
            device.function.stop(hardware, irql);
            return Err(status);
        }
        state.interface_enabled = true;
    }
    state.hardware = Some(hardware);
    state.life = Life::Started;
    Ok(())
}

/// Holds requests back, or lets them run again, and notes the new state.
fn set_paused<F: Function>(
    device: &Fdo<FunctionDevice<F>>,
    paused: bool,
    life: Life,
    irql: &mut Passive,
) {
    let mut state = device.state.acquire(irql);
    let (state, irql) = state.parts();
    // A query may fail further up before it gets here, and its cancellation still comes.
    if let Some(hardware) = &mut state.hardware
        && state.life != life
    {
        if paused {
            device.function.pause(hardware, irql);
        } else {
            device.function.resume(hardware, irql);
        }
        state.life = life;
    }
}

fn set_life<F: Function>(
    device: &Fdo<FunctionDevice<F>>,
    from: Life,
    to: Life,
    irql: &mut Passive,
) {
    let mut state = device.state.acquire(irql);
    if state.life == from {
        state.life = to;
    }
}

/// IRP_MN_STOP_DEVICE: gives the resources back. Requests go on waiting.
fn stop<F: Function>(device: &Fdo<FunctionDevice<F>>, irql: &mut Passive) {
    let mut state = device.state.acquire(irql);
    let (state, irql) = state.parts();
    if let Some(hardware) = state.hardware.take() {
        device.function.stop(hardware, irql);
    }
    state.life = Life::Stopped;
}

/// IRP_MN_SURPRISE_REMOVAL: the device is gone, its handles are not.
fn surprise_removal<F: Function>(device: &Fdo<FunctionDevice<F>>, irql: &mut Passive) {
    let mut state = device.state.acquire(irql);
    let (state, irql) = state.parts();
    state.life = Life::SurpriseRemoved;
    disable_interface(device, state, irql);
    device
        .function
        .refuse_requests(Status::DEVICE_REMOVED, irql);
    if let Some(hardware) = state.hardware.take() {
        device.function.unplugged(hardware, irql);
    }
}

/// IRP_MN_REMOVE_DEVICE, up to where the device object goes: from any state.
pub fn remove<F: Function>(device: &Fdo<FunctionDevice<F>>, irql: &mut Passive) {
    let mut state = device.state.acquire(irql);
    let (state, irql) = state.parts();
    disable_interface(device, state, irql);
    device
        .function
        .refuse_requests(Status::DELETE_PENDING, irql);
    if let Some(hardware) = state.hardware.take() {
        device.function.stop(hardware, irql);
    }
    wdk::println!("eduwdm: {}: removed", F::NAME);
}

fn disable_interface<F: Function>(
    device: &FunctionDevice<F>,
    state: &mut PnpState<F::Hardware>,
    irql: &mut Passive,
) {
    if core::mem::take(&mut state.interface_enabled)
        && let Err(status) = device.interface.set_enabled(false, irql)
    {
        wdk::println!("eduwdm: {}: interface not disabled: {status}", F::NAME);
    }
}
