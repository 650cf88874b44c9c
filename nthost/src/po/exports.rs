//! The power manager's routines that drivers can import.
//!
//! Sources: PoRequestPowerIrp, PoSetPowerState, PoStartNextPowerIrp,
//! IoRegisterShutdownNotification, IoUnregisterShutdownNotification.

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};
use core::{ffi::c_void, ptr::null_mut};

use nthost_nt::{
    io::{
        device::{DEVICE_OBJECT, DO_SHUTDOWN_REGISTERED},
        irp::{IO_STATUS_BLOCK, IRP},
        major::{IRP_MJ_SHUTDOWN, IRP_MN_QUERY_POWER, IRP_MN_SET_POWER, IRP_MN_WAIT_WAKE},
    },
    po::{DevicePowerState, POWER_STATE},
    status::{
        NTSTATUS, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER_2,
        STATUS_MORE_PROCESSING_REQUIRED, STATUS_PENDING, STATUS_SUCCESS,
    },
};

use super::{
    irp::{State, prepare},
    serial, wake, watchdog,
};
use crate::{
    ex::worker::{self, Queue},
    export::PASSIVE_LEVEL,
    io::{
        call, device,
        irp::{self, Origin},
        request,
    },
    ke::{irql, lock::SpinLock},
    ob::object,
};

/// What is called when the request is complete (nc-wdm-request_power_complete).
type Complete = unsafe extern "win64" fn(
    device: *mut DEVICE_OBJECT,
    minor: u8,
    state: POWER_STATE,
    context: *mut c_void,
    status: *mut IO_STATUS_BLOCK,
);

/// A request that a driver asked for.
struct Request {
    device: *mut DEVICE_OBJECT,
    top: *mut DEVICE_OBJECT,
    minor: u8,
    state: i32,
    complete: Option<Complete>,
    context: *mut c_void,
    irp: *mut IRP,
    /// For a set-power request, which no other is active beside.
    pdo: Option<*mut DEVICE_OBJECT>,
    /// The watchdog's number for it.
    watched: Option<usize>,
}

// SAFETY: the devices are kept by references, the rest is the driver's.
unsafe impl Send for Request {}

/// The completion routine of requests that drivers asked for.
unsafe extern "win64" fn completed(
    _device: *mut DEVICE_OBJECT,
    irp: *mut IRP,
    context: *mut c_void,
) -> NTSTATUS {
    // SAFETY: made by `PoRequestPowerIrp`, and the IRP comes back once.
    let request = unsafe { Box::from_raw(context.cast::<Request>()) };
    if let Some(watched) = request.watched {
        watchdog::end(watched);
    }
    if let Some(pdo) = request.pdo {
        serial::end(pdo);
    }
    if let Some(complete) = request.complete {
        let state = POWER_STATE {
            DeviceState: request.state,
        };
        // SAFETY: the IRP is here until it is freed below.
        let status = unsafe { &raw mut (*irp).IoStatus };
        // SAFETY: the driver's own routine, with its context.
        unsafe {
            complete(
                request.device,
                request.minor,
                state,
                request.context,
                status,
            );
        };
    }
    // SAFETY: the IRP is here until it is freed below.
    if wake::has_woken(unsafe { &*irp }) {
        log!("power", "the device {:?} woke the system", request.device);
    }
    // SAFETY: nobody has it any more.
    unsafe { irp::free(irp) };
    object::dereference(request.top.cast());
    STATUS_MORE_PROCESSING_REQUIRED
}

impl Request {
    fn send(mut self) {
        let (top, irp, minor) = (self.top, self.irp, self.minor);
        // SAFETY: the IRP was made for the top of the stack.
        let packet = unsafe { &mut *irp };
        // SAFETY: as above.
        let location = unsafe { irp::next(irp) };
        if minor == IRP_MN_WAIT_WAKE {
            prepare(packet, location, minor, State::Device(0));
            location.Parameters.wait_wake_mut().PowerState = self.state;
        } else {
            prepare(packet, location, minor, State::Device(self.state));
            self.watched = Some(watchdog::begin(top, irp));
        }
        let context = Box::into_raw(Box::new(self)).cast();
        request::on_completion(location, completed, context);
        // SAFETY: the IRP is set up, and the top is kept by a reference.
        unsafe { call::send(top, irp, 0) };
    }
}

/// The states that drivers have reported, by device object. A leaf.
static REPORTED: SpinLock<BTreeMap<usize, i32>> = SpinLock::new(BTreeMap::new());
/// Devices whose drivers want to hear of shutdown: those that do so first, and those that do so
/// after all others. A leaf.
static SHUTDOWN: SpinLock<[Vec<usize>; 2]> = SpinLock::new([Vec::new(), Vec::new()]);

/// A device is gone: another at its address starts afresh.
pub fn forget(device: *mut DEVICE_OBJECT) {
    REPORTED.lock().remove(&device.addr());
}

/// The system shuts down: those who asked are told, the last to ask first, and after them those
/// who want to be told last.
pub fn notify_shutdown() {
    let devices = core::mem::take(&mut *SHUTDOWN.lock());
    for device in devices
        .into_iter()
        .flat_map(|devices| devices.into_iter().rev())
    {
        let device: *mut DEVICE_OBJECT = core::ptr::with_exposed_provenance_mut(device);
        let top = device::highest(device);
        // SAFETY: the registration keeps the device, and the stack what is above it.
        unsafe {
            request::send(top, |_, location| location.MajorFunction = IRP_MJ_SHUTDOWN);
        }
        object::dereference(device.cast());
    }
}

/// Registers a device for shutdown.
///
/// # Safety
///
/// The device is the caller's.
unsafe fn register_shutdown(device: *mut DEVICE_OBJECT, last: bool) -> NTSTATUS {
    object::reference(device.cast());
    // SAFETY: the caller's promise.
    unsafe { (*device).Flags |= DO_SHUTDOWN_REGISTERED };
    let [first, behind] = &mut *SHUTDOWN.lock();
    let devices = if last { behind } else { first };
    devices.push(device.expose_provenance());
    STATUS_SUCCESS
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    fails: STATUS_INSUFFICIENT_RESOURCES;
    /// Has a power IRP sent to the top of a device's stack.
    ///
    /// Source: PoRequestPowerIrp.
    ///
    /// # Safety
    ///
    /// The device exists; the completion routine may be called up to DISPATCH_LEVEL; `sent` is
    /// null or can be written.
    pub unsafe fn PoRequestPowerIrp(
        device: *mut DEVICE_OBJECT,
        minor: u8,
        state: POWER_STATE,
        complete: Option<Complete>,
        context: *mut c_void,
        sent: *mut *mut IRP,
    ) -> NTSTATUS {
        if !matches!(minor, IRP_MN_SET_POWER | IRP_MN_QUERY_POWER | IRP_MN_WAIT_WAKE) {
            return STATUS_INVALID_PARAMETER_2;
        }
        let top = device::highest(device);
        // SAFETY: the stack of a device that exists.
        let irp = irp::allocate(unsafe { (*top).StackSize }, Origin::System, 0);
        if irp.is_null() {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        object::reference(top.cast());
        if !sent.is_null() {
            // Only a wait-wake request may be canceled by who asked for it.
            let known = if minor == IRP_MN_WAIT_WAKE { irp } else { null_mut() };
            // SAFETY: the caller's promise.
            unsafe { sent.write(known) };
        }
        let request = Request {
            device,
            top,
            minor,
            state: *state.state(),
            complete,
            context,
            irp,
            pdo: (minor == IRP_MN_SET_POWER).then(|| device::lowest(top)),
            watched: None,
        };
        let pdo = request.pdo;
        // Devices that are not in the paging path get power requests at PASSIVE_LEVEL.
        let send = move || {
            if irql::current() == PASSIVE_LEVEL {
                request.send();
            } else {
                worker::queue(Queue::Critical, move || request.send());
            }
        };
        match pdo {
            Some(pdo) => serial::begin(pdo, send),
            None => send(),
        }
        STATUS_PENDING
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Reports a device's new power state; gives the one before.
    ///
    /// Source: PoSetPowerState.
    ///
    /// # Safety
    ///
    /// The device exists.
    pub unsafe fn PoSetPowerState(
        device: *mut DEVICE_OBJECT,
        kind: i32,
        state: POWER_STATE,
    ) -> POWER_STATE {
        let state = *state.state();
        let before = if kind == DevicePowerState {
            REPORTED.lock().insert(device.addr(), state)
        } else {
            None
        };
        POWER_STATE { DeviceState: before.unwrap_or(nthost_nt::po::PowerDeviceUnspecified) }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Does nothing since Windows Vista, as the reference says.
    ///
    /// Source: PoStartNextPowerIrp.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn PoStartNextPowerIrp(_irp: *mut IRP) {
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: STATUS_INSUFFICIENT_RESOURCES;
    /// Has a device's driver hear of the system's shutdown, by IRP_MJ_SHUTDOWN.
    ///
    /// Source: IoRegisterShutdownNotification.
    ///
    /// # Safety
    ///
    /// The device is the caller's.
    pub unsafe fn IoRegisterShutdownNotification(device: *mut DEVICE_OBJECT) -> NTSTATUS {
        // SAFETY: the caller's promise.
        unsafe { register_shutdown(device, false) }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// As IoRegisterShutdownNotification, but the driver hears of it after all those.
    ///
    /// Source: IoRegisterLastChanceShutdownNotification.
    ///
    /// # Safety
    ///
    /// The device is the caller's.
    pub unsafe fn IoRegisterLastChanceShutdownNotification(device: *mut DEVICE_OBJECT) -> NTSTATUS {
        // SAFETY: the caller's promise.
        unsafe { register_shutdown(device, true) }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Takes the registration back.
    ///
    /// Source: IoUnregisterShutdownNotification.
    ///
    /// # Safety
    ///
    /// The device is the caller's.
    pub unsafe fn IoUnregisterShutdownNotification(device: *mut DEVICE_OBJECT) {
        let mut registered = SHUTDOWN.lock();
        let found = registered.iter_mut().find_map(|devices| {
            let index = devices.iter().position(|&other| other == device.addr())?;
            Some(devices.remove(index))
        });
        drop(registered);
        if found.is_none() {
            return;
        }
        // SAFETY: the caller's promise.
        unsafe { (*device).Flags &= !DO_SHUTDOWN_REGISTERED };
        object::dereference(device.cast());
    }
}
