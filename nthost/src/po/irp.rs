//! Power IRPs.
//!
//! Sources: PoRequestPowerIrp, IRP_MN_SET_POWER, IRP_MN_QUERY_POWER, "Rules for Handling Power
//! IRPs".

use nthost_nt::{
    io::{
        device::DEVICE_OBJECT,
        irp::{IO_STATUS_BLOCK, IRP},
        major::{IRP_MJ_POWER, IRP_MN_SET_POWER},
        stack::IO_STACK_LOCATION,
    },
    po::{DevicePowerState, POWER_STATE, SystemPowerState},
    status::{NTSTATUS, STATUS_NOT_SUPPORTED},
};

use super::{serial, watchdog};
use crate::{
    io::{device, request},
    ob::object,
};

/// A state that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// `DEVICE_POWER_STATE`.
    Device(i32),
    /// `SYSTEM_POWER_STATE`, why (`POWER_ACTION`), and which one the request before this one was
    /// about.
    System(i32, i32, i32),
}

/// `SYSTEM_POWER_STATE_CONTEXT`: the target of the system power request that the driver got
/// before, and which state that was for the user, which nothing here makes another.
const fn system_context(before: i32) -> u32 {
    let state = before.cast_unsigned() & 0xf;
    state << 8 | state << 12
}

/// Sets up a power IRP.
pub fn prepare(irp: &mut IRP, location: &mut IO_STACK_LOCATION, minor: u8, state: State) {
    irp.IoStatus = IO_STATUS_BLOCK::new(STATUS_NOT_SUPPORTED, 0);
    location.MajorFunction = IRP_MJ_POWER;
    location.MinorFunction = minor;
    let power = location.Parameters.power_mut();
    let (kind, value, action, context) = match state {
        State::Device(value) => (DevicePowerState, value, 0, 0),
        State::System(value, action, before) => {
            (SystemPowerState, value, action, system_context(before))
        }
    };
    power.SystemContext = context;
    power.Type = kind;
    power.State = POWER_STATE { DeviceState: value };
    power.ShutdownType = action;
}

/// Sends a power IRP to the top of a device's stack and waits. PASSIVE_LEVEL.
pub fn send(pdo: *mut DEVICE_OBJECT, minor: u8, state: State) -> NTSTATUS {
    let one_at_a_time = minor == IRP_MN_SET_POWER && matches!(state, State::Device(_));
    if one_at_a_time {
        serial::wait(pdo);
    }
    let top = device::highest(pdo);
    object::reference(top.cast());
    let mut watched = 0;
    // SAFETY: the reference keeps the top, and the stack keeps what is below it.
    let result = unsafe {
        request::send(top, |irp, location| {
            prepare(irp, location, minor, state);
            watched = watchdog::begin(top, irp);
        })
    };
    watchdog::end(watched);
    if one_at_a_time {
        serial::end(pdo);
    }
    object::dereference(top.cast());
    result.status()
}
