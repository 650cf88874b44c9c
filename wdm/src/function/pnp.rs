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

use bitflags::bitflags;

use super::{Function, FunctionDevice, Notice, Start};
use crate::{
    Result, Status,
    bus::{BusInterface, Identity},
    device::Fdo,
    irp::{Dispatched, Fresh, Irp},
    irql::Passive,
    pnp::Minor,
    pofx::Active,
    pool::Shared,
    power::DeviceState,
};

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

bitflags! {
    /// Why requests are held back.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Hold: u8 {
        /// The PnP manager may stop the device.
        const STOP = 1 << 0;
        /// The device has no power.
        const POWER = 1 << 1;
    }
}

/// What PnP and power keep of a device.
pub struct PnpState<H> {
    life: Life,
    /// What the last start acquired.
    hardware: Option<H>,
    /// The interface of the device's bus, and which device was there when it was started.
    bus: Option<(Shared<BusInterface>, Identity)>,
    hold: Hold,
    interface_enabled: bool,
    /// The device stays in D0 while it may be stopped, and is.
    stopping: Option<Active>,
}

impl<H> Default for PnpState<H> {
    fn default() -> Self {
        Self {
            life: Life::NotStarted,
            hardware: None,
            bus: None,
            hold: Hold::empty(),
            interface_enabled: false,
            stopping: None,
        }
    }
}

impl<H> PnpState<H> {
    /// What opening a handle gets now.
    pub(super) const fn open_status(&self) -> Status {
        match self.life {
            Life::Started | Life::StopPending | Life::Stopped => Status::SUCCESS,
            Life::NotStarted => Status::DEVICE_NOT_READY,
            Life::RemovePending => Status::DELETE_PENDING,
            Life::SurpriseRemoved => Status::NO_SUCH_DEVICE,
        }
    }

    /// The hardware, if the device works now.
    pub const fn working_hardware(&mut self) -> Option<&mut H> {
        if self.hold.is_empty() {
            self.hardware.as_mut()
        } else {
            None
        }
    }

    /// Holds requests back for one more reason. Gives the hardware, which is paused then.
    pub(super) fn hold<F>(
        &mut self,
        device: &Fdo<FunctionDevice<F>>,
        hold: Hold,
        irql: &mut Passive,
    ) -> Option<&mut H>
    where
        F: Function<Hardware = H>,
    {
        let hardware = self.hardware.as_mut()?;
        if self.hold.is_empty() {
            device.function.pause(device, hardware, irql);
        }
        self.hold |= hold;
        Some(hardware)
    }

    /// One reason less to hold requests back. They run again after the last.
    pub(super) fn release<F>(
        &mut self,
        device: &Fdo<FunctionDevice<F>>,
        hold: Hold,
        irql: &mut Passive,
    ) where
        F: Function<Hardware = H>,
    {
        let was_held = self.hold.contains(hold);
        self.hold -= hold;
        if let Some(hardware) = &mut self.hardware
            && was_held
            && self.hold.is_empty()
        {
            device.function.resume(device, hardware, irql);
        }
    }

    /// Whether the device that has its power back is the one that was started.
    ///
    /// # Errors
    ///
    /// `STATUS_NO_SUCH_DEVICE` if it is another; `STATUS_DEVICE_REMOVED` if there is none.
    pub(super) fn check_identity(&self, irql: &Passive) -> Result<()> {
        match &self.bus {
            Some((bus, identity)) if bus.identity(irql)? != *identity => {
                Err(Status::NO_SUCH_DEVICE)
            }
            _ => Ok(()),
        }
    }

    /// The paused hardware, if the device has no power.
    pub(super) fn unpowered_hardware(&mut self) -> Option<&mut H> {
        if self.hold.contains(Hold::POWER) {
            self.hardware.as_mut()
        } else {
            None
        }
    }
}

/// The dispatch routine, for all but IRP_MN_REMOVE_DEVICE.
pub(super) fn dispatch<F: Function>(
    device: &Fdo<FunctionDevice<F>>,
    mut irp: Irp<Fresh>,
    irql: &mut Passive,
) -> Dispatched {
    match Minor::of(&irp) {
        Minor::StartDevice => {
            let irp = irp.forward_synchronously(irql);
            if !irp.status().is_success() {
                return irp.complete_as_is(irql);
            }
            let status = match start(device, &irp, irql) {
                Ok(()) => {
                    device.idle.start(irql);
                    Status::SUCCESS
                }
                Err(status) => status,
            };
            F::tell(Notice::Start(status));
            irp.complete(status, irql)
        }
        Minor::QueryStopDevice => {
            query_stop(device, irql);
            forward_with_success(irp, irql)
        }
        Minor::StopDevice => {
            stop(device, irql);
            F::tell(Notice::Stop("stopped"));
            forward_with_success(irp, irql)
        }
        Minor::QueryRemoveDevice => {
            change_life(device, Life::Started, Life::RemovePending, irql);
            forward_with_success(irp, irql)
        }
        Minor::CancelStopDevice => {
            let irp = irp.forward_synchronously(irql);
            cancel_stop(device, irql);
            irp.complete(Status::SUCCESS, irql)
        }
        Minor::CancelRemoveDevice => {
            let irp = irp.forward_synchronously(irql);
            change_life(device, Life::RemovePending, Life::Started, irql);
            irp.complete(Status::SUCCESS, irql)
        }
        Minor::SurpriseRemoval => {
            surprise_removal(device, irql);
            F::tell(Notice::Stop("unplugged"));
            forward_with_success(irp, irql)
        }
        Minor::QueryCapabilities => {
            let irp = irp.forward_synchronously(irql);
            if let Some(map) = irp.power_map() {
                device.power.set_map(map, irql);
            }
            irp.complete_as_is(irql)
        }
        Minor::QueryPnpDeviceState if device.has_failed() => {
            irp.report_failed_device();
            forward_with_success(irp, irql)
        }
        Minor::QueryPnpDeviceState | Minor::Other(_) => irp.forward(irql),
    }
}

fn forward_with_success(mut irp: Irp<Fresh>, irql: &Passive) -> Dispatched {
    irp.set_status(Status::SUCCESS);
    irp.forward(irql)
}

/// IRP_MN_START_DEVICE, after the drivers below: the first, or one after a stop, perhaps with
/// other resources. The device has power then.
fn start<F: Function>(
    device: &Fdo<FunctionDevice<F>>,
    irp: &Irp<Fresh>,
    irql: &mut Passive,
) -> Result<()> {
    let resources = irp.resources().ok_or(Status::INVALID_DEVICE_REQUEST)?;
    let mut state = device.state.acquire(irql);
    let (state, irql) = state.parts();
    state.life = Life::NotStarted;
    state.hold = Hold::empty();
    state.bus = None;
    device.power.prepare(device, irql)?;
    let bus = match BusInterface::query(device.lower(), F::TAGS.bus, irql) {
        Ok(bus) => {
            let identity = bus.identity(irql)?;
            Some((Shared::new(F::TAGS.bus, bus, irql)?, identity))
        }
        // A device of a bus that has none, such as one of software alone.
        Err(Status::NOT_SUPPORTED) => None,
        Err(status) => return Err(status),
    };
    let start = Start {
        resources,
        bus: bus.as_ref().map(|(bus, _)| bus),
    };
    let hardware = device.function.start(device, start, irql)?;
    state.bus = bus;
    // Before anybody can open the device.
    let ready = device.idle.register(device, irql).and_then(|()| {
        if state.interface_enabled {
            return Ok(());
        }
        device.interface.set_enabled(true, irql)
    });
    if let Err(status) = ready {
        device.function.stop(hardware, irql);
        return Err(status);
    }
    state.interface_enabled = true;
    state.stopping = None;
    state.hardware = Some(hardware);
    state.life = Life::Started;
    device.set_power_state(DeviceState::D0, irql);
    Ok(())
}

/// IRP_MN_QUERY_STOP_DEVICE: from here on the device is idle.
fn query_stop<F: Function>(device: &Fdo<FunctionDevice<F>>, irql: &mut Passive) {
    // A device that is stopped must be in D0: the driver still programs it before its resources go.
    let active = device.idle.component().activate_and_wait(irql);
    let mut state = device.state.acquire(irql);
    let (state, irql) = state.parts();
    if state.life == Life::Started {
        state.hold(device, Hold::STOP, irql);
        state.life = Life::StopPending;
        state.stopping = Some(active);
    }
}

/// IRP_MN_CANCEL_STOP_DEVICE. It also comes if the query failed before it got here.
fn cancel_stop<F: Function>(device: &Fdo<FunctionDevice<F>>, irql: &mut Passive) {
    let mut state = device.state.acquire(irql);
    let (state, irql) = state.parts();
    if state.life == Life::StopPending {
        state.life = Life::Started;
        state.release(device, Hold::STOP, irql);
        state.stopping = None;
    }
}

fn change_life<F: Function>(
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
    state.bus = None;
    state.life = Life::Stopped;
}

/// IRP_MN_SURPRISE_REMOVAL: the device is gone, its handles are not.
fn surprise_removal<F: Function>(device: &Fdo<FunctionDevice<F>>, irql: &mut Passive) {
    {
        let mut state = device.state.acquire(irql);
        let (state, irql) = state.parts();
        state.life = Life::SurpriseRemoved;
        disable_interface(device, state, irql);
        device
            .function
            .refuse_requests(device, Status::DEVICE_REMOVED, irql);
        if let Some(hardware) = state.hardware.take() {
            device.function.unplugged(hardware, irql);
        }
        state.bus = None;
        state.stopping = None;
    }
    device.idle.unregister(irql);
}

/// IRP_MN_REMOVE_DEVICE, up to where the device object goes: from any state.
pub(super) fn remove<F: Function>(device: &Fdo<FunctionDevice<F>>, irql: &mut Passive) {
    {
        let mut state = device.state.acquire(irql);
        let (state, irql) = state.parts();
        disable_interface(device, state, irql);
        device
            .function
            .refuse_requests(device, Status::DELETE_PENDING, irql);
        if let Some(hardware) = state.hardware.take() {
            device.function.stop(hardware, irql);
        }
        state.bus = None;
        state.stopping = None;
    }
    // It may have been by a surprise removal.
    device.idle.unregister(irql);
    F::tell(Notice::Stop("removed"));
}

fn disable_interface<F: Function>(
    device: &FunctionDevice<F>,
    state: &mut PnpState<F::Hardware>,
    irql: &mut Passive,
) {
    if core::mem::take(&mut state.interface_enabled)
        && let Err(status) = device.interface.set_enabled(false, irql)
    {
        F::tell(Notice::Error("the interface was not disabled", status));
    }
}
