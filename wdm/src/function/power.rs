//! IRP_MJ_POWER: the function driver owns its device's power policy.
//!
//! ```text
//!     system asks:    QUERY_POWER Sx --> down the stack --> request QUERY_POWER D3 --> complete Sx
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
//! A query may be failed; what sets a power state must not be, by a function driver. Where no IRP
//! for the device can be had, the work item does without: for a sleep it has the driver do its own
//! part of a power-down, after which the device may lose its power at any time; for a wake-up it
//! asks again, and if it never gets one, the device has failed.
//!
//! Source: "Handling Device Power-Down IRPs", "Handling Device Power-Up IRPs", "Handling a System
//! Set-Power IRP in a Device Power Policy Owner", "Handling a System Query-Power IRP in a Device
//! Power Policy Owner", IRP_MN_SET_POWER.

use super::{Function, FunctionDevice, Notice, pnp::Hold};
use crate::{
    Result, Status,
    device::Fdo,
    irp::{CompletionRoutine, Dispatched, Fresh, Irp, Pending},
    irql::{AtOrBelowDispatch, Passive, UpToDispatch},
    power::{DeviceState, NotPoweredOn, PowerMap, PowerRequest},
    spinlock::SpinLock,
    time,
    workitem::IrpWorkItem,
};

/// What power keeps of a device beside [`super::PnpState`].
pub struct PowerState<F: Function> {
    /// Which state the device has for each of the system. The lock protects nothing
    /// else.
    map: SpinLock<PowerMap>,
    /// What goes on with a power IRP at PASSIVE_LEVEL, once the device has been started. The lock
    /// protects nothing else.
    work: SpinLock<Option<IrpWorkItem<FunctionDevice<F>>>>,
}

impl<F: Function> PowerState<F> {
    /// What holds for every device.
    pub fn new() -> Self {
        Self {
            map: SpinLock::new(PowerMap::default()),
            work: SpinLock::new(None),
        }
    }

    /// Allocates what power IRPs will need, if it has not been yet.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn prepare(&self, device: &Fdo<FunctionDevice<F>>, irql: &mut Passive) -> Result<()> {
        if self.work.acquire(irql).is_none() {
            let item = IrpWorkItem::new(F::TAGS.work, device, work::<F>, irql)?;
            *self.work.acquire(irql) = Some(item);
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
        PowerRequest::QuerySystem(_) => {
            irp.set_status(Status::SUCCESS);
            irp.forward_with_completion::<_, SystemQueried>(device, irql)
        }
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
            irp.forward(irql)
        }
        PowerRequest::QueryDevice(_) => {
            // Requests are held back when it comes to it, so there is nothing to refuse.
            irp.set_status(Status::SUCCESS);
            irp.forward(irql)
        }
        PowerRequest::Other => irp.forward(irql),
    }
}

/// The drivers below have nothing against a state of the system, or have.
struct SystemQueried;

impl<F: Function> CompletionRoutine<FunctionDevice<F>> for SystemQueried {
    fn completed(device: &Fdo<FunctionDevice<F>>, irp: Irp<Pending>, irql: &mut UpToDispatch) {
        let (status, request) = (irp.status(), irp.power_request());
        let PowerRequest::QuerySystem(system) = request else {
            // It is only set for those.
            irp.complete_as_is(irql);
            return;
        };
        if !status.is_success() {
            irp.complete_as_is(irql);
            return;
        }
        let state = device.power.map(irql).device_state(system);
        if let Err(refused) = device.request_power_for(state, irp, irql) {
            refused.system_irp.complete(refused.status, irql);
        }
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
        // Whatever the drivers below made of it: the system goes to that state.
        let (irp, status) = if system.is_working() {
            // The system does not wait for the device.
            let report = device.idle.component().system_works();
            match device.request_power_on(report, irql) {
                Ok(()) => {
                    irp.complete_as_is(irql);
                    return;
                }
                Err(NotPoweredOn { report, status }) => {
                    device.idle.keep(report, irql);
                    (irp, status)
                }
            }
        } else {
            let state = device.power.map(irql).device_state(system);
            match device.request_power_for(state, irp, irql) {
                Ok(()) => return,
                Err(refused) => (refused.system_irp, refused.status),
            }
        };
        F::tell(Notice::Error("no power IRP for the device", status));
        leave_to_work_item(device, irp, irql);
    }
}

/// Has [`work`] called with the IRP.
fn leave_to_work_item<F: Function>(
    device: &Fdo<FunctionDevice<F>>,
    irp: Irp<Pending>,
    irql: &mut UpToDispatch,
) {
    let not_queued = {
        let mut item = device.power.work.acquire(irql);
        let (item, irql) = item.parts();
        match item {
            Some(item) => item.queue(irp, irql).err(),
            // It has not been started yet, so there is nothing to be done for its power.
            None => Some(irp),
        }
    };
    if let Some(irp) = not_queued {
        irp.complete_as_is(irql);
    }
}

/// What a power IRP needs PASSIVE_LEVEL for, in a system thread.
fn work<F: Function>(device: &Fdo<FunctionDevice<F>>, irp: Irp<Pending>, irql: &mut Passive) {
    match irp.power_request() {
        PowerRequest::SetDevice(_) => power_up(device, irql),
        PowerRequest::SetSystem(system) if system.is_working() => request_power_again(device, irql),
        // The device may lose its power without being told.
        PowerRequest::SetSystem(_) => power_down(device, DeviceState::D3, irql),
        _ => {}
    }
    irp.complete_as_is(irql);
}

/// There was no IRP to power the device up: its requests wait for one, and the framework for being
/// told.
pub fn request_power_again<F: Function>(device: &Fdo<FunctionDevice<F>>, irql: &mut Passive) {
    /// How often, and how long after the last time.
    const ATTEMPTS: u32 = 50;
    const PAUSE_MS: u32 = 100;
    let Some(mut report) = device.idle.take_report(irql) else {
        return;
    };
    let mut status = Status::INSUFFICIENT_RESOURCES;
    for _ in 0..ATTEMPTS {
        time::delay(PAUSE_MS, irql);
        match device.request_power_on(report, irql) {
            Ok(()) => return,
            Err(refused) => (report, status) = (refused.report, refused.status),
        }
    }
    drop(report);
    device.fail(device, "it cannot be powered up", status, irql);
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
        leave_to_work_item(device, irp, irql);
    }
}

/// The rest of a power-up.
fn power_up<F: Function>(device: &Fdo<FunctionDevice<F>>, irql: &mut Passive) {
    let mut pnp = device.state.acquire(irql);
    let (pnp, irql) = pnp.parts();
    // It may be another than before: what its registers mean is known of the one that was started.
    let known = pnp.check_identity(irql);
    if let Some(hardware) = pnp.unpowered_hardware()
        && let Err(status) = known.and_then(|()| device.function.power_up(hardware, irql))
    {
        // The IRP must not fail. Requests go on waiting until the device is removed.
        device.fail(device, "it does not work with its power back", status, irql);
        return;
    }
    device.set_power_state(DeviceState::D0, irql);
    pnp.release(device, Hold::POWER, irql);
}
