//! IRP_MJ_POWER: the function driver owns its device's power policy.
//!
//! ```text
//!     system sleeps:  SET_POWER Sx --> down the stack --> request SET_POWER D3 --> complete Sx
//!     system wakes:   SET_POWER S0 --> down the stack --> request SET_POWER D0, complete S0
//!     D3 arrives:     hold requests, wait until idle, power_down --> down the stack
//!     D0 arrives:     down the stack --> (work item) power_up, requests run again --> complete
//! ```
//!
//! Waking up does not wait for the device: its requests wait instead. What needs PASSIVE_LEVEL
//! after the bus driver has completed a D0 is left to a work item, since completion routines may
//! run at DISPATCH_LEVEL.
//!
//! Source: "Handling Device Power-Down IRPs", "Handling Device Power-Up IRPs", "Handling a System
//! Set-Power IRP in a Device Power Policy Owner".

use wdm::{
    Result, Status,
    device::Fdo,
    irp::{CompletionRoutine, Dispatched, Fresh, Irp, Pending},
    irql::{AtOrBelowDispatch, Passive, UpToDispatch},
    power::{DeviceState, PowerMap, PowerRequest},
    spinlock::SpinLock,
    workitem::IrpWorkItem,
};

use crate::{
    function::{Function, FunctionDevice},
    pnp::Hold,
    tags, trace,
};

/// What power keeps of a device beside [`crate::pnp::PnpState`].
pub struct PowerState<F: Function> {
    /// Which state the device is to be in for each of the system. The lock protects nothing
    /// else.
    map: SpinLock<PowerMap>,
    /// What goes on with a power-up, once the device has been started. The lock protects nothing
    /// else.
    power_up: SpinLock<Option<IrpWorkItem<FunctionDevice<F>>>>,
}

impl<F: Function> PowerState<F> {
    /// What holds for every device.
    pub fn new() -> Self {
        Self {
            map: SpinLock::new(PowerMap::default()),
            power_up: SpinLock::new(None),
        }
    }

    /// Allocates what a power-up will need, if it has not been yet.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn prepare(&self, device: &Fdo<FunctionDevice<F>>, irql: &mut Passive) -> Result<()> {
        if self.power_up.acquire(irql).is_none() {
            let item = IrpWorkItem::new(tags::WORK, device, power_up::<F>, irql)?;
            *self.power_up.acquire(irql) = Some(item);
        }
        Ok(())
    }

    /// What the bus driver said of this one.
    pub fn set_map(&self, map: PowerMap, irql: &mut Passive) {
        *self.map.acquire(irql) = map;
    }

    fn map<I: AtOrBelowDispatch>(&self, irql: &mut I) -> PowerMap {
        *self.map.acquire(irql)
    }
}

/// The dispatch routine.
pub fn dispatch<F: Function>(
    device: &Fdo<FunctionDevice<F>>,
    mut irp: Irp<Fresh>,
    irql: &mut Passive,
) -> Dispatched {
    match irp.power_request() {
        PowerRequest::SetSystem(_) => {
            irp.set_status(Status::SUCCESS);
            irp.forward_with_completion::<_, SystemChanged>(device, irql)
        }
        PowerRequest::SetDevice(state) if state.is_working() => {
            irp.forward_with_completion::<_, DevicePowered>(device, irql)
        }
        PowerRequest::SetDevice(state) => {
            power_down(device, state, irql);
            irp.set_status(Status::SUCCESS);
            irp.forward(device.lower(), irql)
        }
        PowerRequest::QuerySystem(_) | PowerRequest::QueryDevice(_) => {
            // Requests are held back when it comes to it, so there is nothing to refuse.
            irp.set_status(Status::SUCCESS);
            irp.forward(device.lower(), irql)
        }
        PowerRequest::Other => irp.forward(device.lower(), irql),
    }
}

/// The drivers below have dealt with a system set-power IRP.
struct SystemChanged;

impl<F: Function> CompletionRoutine<FunctionDevice<F>> for SystemChanged {
    fn completed(device: &Fdo<FunctionDevice<F>>, irp: Irp<Pending>, irql: &mut UpToDispatch) {
        let PowerRequest::SetSystem(system) = irp.power_request() else {
            // It is only set for those.
            irp.complete_as_is(irql);
            return;
        };
        let state = device.power.map(irql).device_state(system);
        if system.is_working() {
            // The system does not wait for the device.
            if let Err(status) = device.request_power(state, irql) {
                trace::error(F::NAME, "no IRP to power the device up", status);
            }
            irp.complete_as_is(irql);
        } else {
            device.request_power_for(state, irp, irql);
        }
    }
}

/// IRP_MN_SET_POWER to a state without power, before the drivers below.
fn power_down<F: Function>(
    device: &Fdo<FunctionDevice<F>>,
    state: DeviceState,
    irql: &mut Passive,
) {
    {
        let mut pnp = device.state.acquire(irql);
        let (pnp, irql) = pnp.parts();
        // A device that is down already, or not started, has nothing to be done.
        if pnp.unpowered_hardware().is_none()
            && let Some(hardware) = pnp.hold(device, Hold::POWER, irql)
        {
            device.function.power_down(hardware, irql);
        }
    }
    device.set_power_state(state, irql);
}

/// The drivers below have powered the device up.
struct DevicePowered;

impl<F: Function> CompletionRoutine<FunctionDevice<F>> for DevicePowered {
    fn completed(device: &Fdo<FunctionDevice<F>>, irp: Irp<Pending>, irql: &mut UpToDispatch) {
        if !irp.status().is_success() {
            irp.complete_as_is(irql);
            return;
        }
        let not_queued = {
            let mut item = device.power.power_up.acquire(irql);
            let (item, irql) = item.parts();
            match item {
                Some(item) => item.queue(irp, irql).err(),
                // It has not been started yet, so there is nothing to power up.
                None => Some(irp),
            }
        };
        if let Some(irp) = not_queued {
            irp.complete_as_is(irql);
        }
    }
}

/// The rest of a power-up, in a system thread.
fn power_up<F: Function>(device: &Fdo<FunctionDevice<F>>, irp: Irp<Pending>, irql: &mut Passive) {
    {
        let mut pnp = device.state.acquire(irql);
        let (pnp, irql) = pnp.parts();
        if let Some(hardware) = pnp.unpowered_hardware() {
            device.function.power_up(hardware, irql);
        }
        device.set_power_state(DeviceState::D0, irql);
        pnp.release(device, Hold::POWER, irql);
    }
    irp.complete_as_is(irql);
}
