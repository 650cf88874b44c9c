//! Power IRPs.
//!
//! The rule of the kernel this stands for: system IRPs tell what the system does, device IRPs
//! what the device must do; the driver that owns the device's power policy answers the first by
//! requesting the second. Power goes down from the top of the stack and comes up from its bottom.
//! ("Handling Power IRPs".)
//!
//! # Example
//!
//! ```
//! use wdm::{
//!     device::{Device, Fdo},
//!     irp::{Irp, Fresh},
//!     irql::Passive,
//!     power::{DeviceState, PowerRequest},
//! };
//!
//! /// What a device that goes down says beforehand.
//! fn going_down<D: Device>(device: &Fdo<D>, irp: &Irp<Fresh>, irql: &Passive) {
//!     if let PowerRequest::SetDevice(state) = irp.power_request()
//!         && !state.is_working()
//!     {
//!         device.set_power_state(DeviceState::D3, irql);
//!     }
//! }
//! ```

use core::ptr::NonNull;

use wdk_sys::{
    _DEVICE_POWER_STATE::{PowerDeviceD0, PowerDeviceD3},
    _POWER_STATE_TYPE::{DevicePowerState as DEVICE, SystemPowerState as SYSTEM},
    _SYSTEM_POWER_STATE::PowerSystemWorking,
    DEVICE_OBJECT, DEVICE_POWER_STATE, IO_STATUS_BLOCK, IRP, IRP_MJ_PNP, IRP_MJ_POWER,
    IRP_MN_QUERY_CAPABILITIES, IRP_MN_QUERY_POWER, IRP_MN_SET_POWER, POWER_STATE, PVOID,
    SYSTEM_POWER_STATE, UCHAR,
    ntddk::{PoRequestPowerIrp, PoSetPowerState},
};

use crate::{
    Result, Status,
    constants::{IRP_MN_QUERY_POWER_CODE, IRP_MN_SET_POWER_CODE},
    device::{Device, Fdo},
    irp::{Irp, Pending, State},
    irql::{AtOrBelowDispatch, UpToDispatch},
    pofx::PoweredOn,
};

/// A device's power state. Devices that only work or do not have the first and the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceState(DEVICE_POWER_STATE);

impl DeviceState {
    /// The device works.
    pub const D0: Self = Self(PowerDeviceD0);
    /// The device has no power, or may have none.
    pub const D3: Self = Self(PowerDeviceD3);

    /// Whether the device works in it.
    #[must_use]
    pub const fn is_working(self) -> bool {
        self.0 == Self::D0.0
    }

    fn to_raw(self) -> POWER_STATE {
        POWER_STATE {
            DeviceState: self.0,
        }
    }
}

/// A system's power state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemState(SYSTEM_POWER_STATE);

impl SystemState {
    /// Whether the system works in it.
    #[must_use]
    pub const fn is_working(self) -> bool {
        self.0 == PowerSystemWorking
    }
}

/// Which state the device has for each state of the system: the most powered one that its
/// bus allows.
#[derive(Clone, Copy, Debug)]
pub struct PowerMap([DeviceState; STATES]);

/// Entries of `DEVICE_CAPABILITIES::DeviceState`, one for each `SYSTEM_POWER_STATE`.
const STATES: usize = 7;

impl Default for PowerMap {
    /// D0 while the system works, D3 otherwise: what every bus allows.
    fn default() -> Self {
        let mut states = [DeviceState::D3; STATES];
        if let Some(working) = states.get_mut(PowerSystemWorking as usize) {
            *working = DeviceState::D0;
        }
        Self(states)
    }
}

impl PowerMap {
    /// The device's state for one of the system. A device that only works or does not is in D3
    /// unless it must work.
    #[must_use]
    pub fn device_state(&self, system: SystemState) -> DeviceState {
        // Whatever the bus says, or has left out, of the working state.
        if system.is_working() {
            return DeviceState::D0;
        }
        let index = usize::try_from(system.0).unwrap_or(usize::MAX);
        match self.0.get(index) {
            Some(state) if state.is_working() => DeviceState::D0,
            _ => DeviceState::D3,
        }
    }
}

impl<S: State> Irp<S> {
    /// The map, if this is an IRP_MN_QUERY_CAPABILITIES that the drivers below have completed
    /// with success.
    ///
    /// Source: ns-wdm-_device_capabilities.
    #[must_use]
    pub fn power_map(&self) -> Option<PowerMap> {
        let is_query = u32::from(self.major()) == IRP_MJ_PNP
            && u32::from(self.minor()) == IRP_MN_QUERY_CAPABILITIES;
        if !is_query || !self.status().is_success() {
            return None;
        }
        // SAFETY: the active member for this minor function.
        let parameters = unsafe { &self.stack_location().Parameters.DeviceCapabilities };
        let capabilities = parameters.Capabilities;
        if capabilities.is_null() {
            return None;
        }
        // SAFETY: the sender's structure, valid while the IRP is.
        let states = unsafe { (*capabilities).DeviceState };
        Some(PowerMap(states.map(DeviceState)))
    }
}

/// What IRP_MJ_POWER asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerRequest {
    /// Whether the system may go to this state.
    QuerySystem(SystemState),
    /// The system goes to this state.
    SetSystem(SystemState),
    /// Whether the device may go to this state.
    QueryDevice(DeviceState),
    /// The device goes to this state.
    SetDevice(DeviceState),
    /// Anything else: a function driver passes it down as it is.
    Other,
}

impl<S: State> Irp<S> {
    /// What the IRP asks for.
    #[must_use]
    pub fn power_request(&self) -> PowerRequest {
        if u32::from(self.major()) != IRP_MJ_POWER {
            return PowerRequest::Other;
        }
        // SAFETY: the active member for this major function.
        let power = unsafe { &self.stack_location().Parameters.Power };
        // SAFETY: every bit pattern of the union is a number.
        let state = unsafe { power.State.DeviceState };
        match (u32::from(self.minor()), power.Type) {
            (IRP_MN_QUERY_POWER, SYSTEM) => PowerRequest::QuerySystem(SystemState(state)),
            (IRP_MN_SET_POWER, SYSTEM) => PowerRequest::SetSystem(SystemState(state)),
            (IRP_MN_QUERY_POWER, DEVICE) => PowerRequest::QueryDevice(DeviceState(state)),
            (IRP_MN_SET_POWER, DEVICE) => PowerRequest::SetDevice(DeviceState(state)),
            _ => PowerRequest::Other,
        }
    }
}

/// A system power IRP for which no IRP for the device could be had.
#[must_use = "the system's IRP must be completed"]
pub struct NotRequested {
    /// The system's IRP. One that sets a power state must not fail.
    pub system_irp: Irp<Pending>,
    /// Why.
    pub status: Status,
}

impl<D: Device> Fdo<D> {
    /// Tells the power manager the device's new state: before it leaves D0, after it reached it.
    ///
    /// Source: nf-wdm-posetpowerstate.
    pub fn set_power_state<I: AtOrBelowDispatch>(&self, state: DeviceState, _irql: &I) {
        // SAFETY: this driver's device object; the callers leave D0 at PASSIVE_LEVEL.
        unsafe { PoSetPowerState(self.as_ptr(), DEVICE, state.to_raw()) };
    }

    /// Requests what a system power IRP asks for of the device: to a query a query, to a set-power
    /// IRP a set-power IRP. When it is done, the system's IRP is completed: a query with its
    /// status, a set-power IRP with what the drivers below have left in it, since that must not
    /// fail.
    ///
    /// Source: nf-wdm-porequestpowerirp, "Handling a System Query-Power IRP in a Device Power
    /// Policy Owner", "Sending a Device Set-Power IRP in Response to a System Set-Power IRP".
    ///
    /// # Errors
    ///
    /// [`NotRequested`] with the status of `PoRequestPowerIrp`.
    pub fn request_power_for<I: AtOrBelowDispatch>(
        &self,
        state: DeviceState,
        system_irp: Irp<Pending>,
        _irql: &I,
    ) -> core::result::Result<(), NotRequested> {
        let minor = match system_irp.power_request() {
            PowerRequest::QuerySystem(_) => IRP_MN_QUERY_POWER_CODE,
            _ => IRP_MN_SET_POWER_CODE,
        };
        let context = system_irp.into_raw();
        // SAFETY: this driver's device object; the IRP is taken back by `power_complete`.
        let status = unsafe {
            PoRequestPowerIrp(
                self.as_ptr(),
                minor,
                state.to_raw(),
                Some(power_complete),
                context.as_ptr().cast(),
                core::ptr::null_mut(),
            )
        };
        // STATUS_PENDING is the success.
        Status::check(status).map_err(|status| NotRequested {
            // SAFETY: not sent, so `power_complete` is not called.
            system_irp: unsafe { Irp::<Pending>::from_raw(context) },
            status,
        })
    }

    /// Requests D0 for the device, and has the framework told when that is done.
    ///
    /// Source: nf-wdm-porequestpowerirp, nf-wdm-pofxreportdevicepoweredon.
    ///
    /// # Errors
    ///
    /// [`NotPoweredOn`] with the status of `PoRequestPowerIrp`.
    pub fn request_power_on<I: AtOrBelowDispatch>(
        &self,
        report: PoweredOn,
        _irql: &I,
    ) -> core::result::Result<(), NotPoweredOn> {
        let context = report.into_raw();
        // SAFETY: this driver's device object; the context is taken back by `powered_on`.
        let status = unsafe {
            PoRequestPowerIrp(
                self.as_ptr(),
                IRP_MN_SET_POWER_CODE,
                DeviceState::D0.to_raw(),
                Some(powered_on),
                context,
                core::ptr::null_mut(),
            )
        };
        // STATUS_PENDING is the success.
        Status::check(status).map_err(|status| NotPoweredOn {
            // SAFETY: not sent, so `powered_on` is not called.
            report: unsafe { PoweredOn::from_raw(context) },
            status,
        })
    }

    /// Requests a set-power IRP for the device, and waits for nothing.
    ///
    /// # Errors
    ///
    /// Those of `PoRequestPowerIrp`.
    pub fn request_power<I: AtOrBelowDispatch>(&self, state: DeviceState, _irql: &I) -> Result<()> {
        // SAFETY: this driver's device object; no completion routine.
        let status = unsafe {
            PoRequestPowerIrp(
                self.as_ptr(),
                IRP_MN_SET_POWER_CODE,
                state.to_raw(),
                None,
                core::ptr::null_mut(),
                core::ptr::null_mut(),
            )
        };
        Status::check(status)
    }
}

/// A device for which no IRP to power it up could be had.
#[must_use = "the framework is told that the device is in D0 when this is dropped"]
pub struct NotPoweredOn {
    /// For a later request.
    pub report: PoweredOn,
    /// Why.
    pub status: Status,
}

/// `PowerCompletion`: the device is in D0, or is not, which is all the same to the framework.
unsafe extern "C" fn powered_on(
    _device: *mut DEVICE_OBJECT,
    _minor: UCHAR,
    _state: POWER_STATE,
    context: PVOID,
    _io_status: *mut IO_STATUS_BLOCK,
) {
    // SAFETY: given up by `request_power_on` for this one call.
    drop(unsafe { PoweredOn::from_raw(context) });
}

/// `PowerCompletion`: the device's IRP is done, so the system's is.
unsafe extern "C" fn power_complete(
    _device: *mut DEVICE_OBJECT,
    _minor: UCHAR,
    _state: POWER_STATE,
    context: PVOID,
    io_status: *mut IO_STATUS_BLOCK,
) {
    // SAFETY: what `request_power_for` passed.
    let system_irp = unsafe { NonNull::new_unchecked(context.cast::<IRP>()) };
    // SAFETY: given up by `request_power_for` for this one call.
    let system_irp = unsafe { Irp::<Pending>::from_raw(system_irp) };
    // SAFETY: the I/O manager's, valid during the call.
    let io_status = unsafe { &*io_status };
    // SAFETY: every bit pattern of the union is a status.
    let status = unsafe { io_status.__bindgen_anon_1.Status };
    // SAFETY: called at IRQL <= DISPATCH_LEVEL.
    let irql = unsafe { UpToDispatch::assume() };
    match system_irp.power_request() {
        PowerRequest::QuerySystem(_) => system_irp.complete(Status::from_raw(status), &irql),
        // "A driver must not fail a request to set the system power state."
        _ => system_irp.complete_as_is(&irql),
    }
}
