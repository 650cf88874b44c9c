//! The rules for a driver that passes an IRP on, or completes one that it should have passed on.
//!
//! An IRP is a driver's from when its dispatch routine is called until it passes the IRP on, and
//! again from when its completion routine is called. Who calls is known by the image that the call
//! comes from.
//!
//! Sources: bug check 0xC9, I/O error codes; "Handling IRPs"; "Passing Plug and Play IRPs down the
//! Device Stack"; the pages of the minor codes, under "Sending This IRP".

use nthost_nt::{
    io::{
        device::DEVICE_OBJECT,
        irp::IRP,
        major::{
            IRP_MJ_PNP, IRP_MJ_POWER, IRP_MJ_SYSTEM_CONTROL, IRP_MN_CANCEL_STOP_DEVICE,
            IRP_MN_EJECT, IRP_MN_FILTER_RESOURCE_REQUIREMENTS, IRP_MN_QUERY_BUS_INFORMATION,
            IRP_MN_QUERY_INTERFACE, IRP_MN_QUERY_PNP_DEVICE_STATE, IRP_MN_QUERY_POWER,
            IRP_MN_QUERY_RESOURCES, IRP_MN_SET_LOCK, IRP_MN_SET_POWER, IRP_MN_START_DEVICE,
            IRP_MN_SURPRISE_REMOVAL,
        },
        stack::IO_STACK_LOCATION,
    },
    po::DevicePowerState,
    status::{STATUS_DELETE_PENDING, STATUS_NOT_SUPPORTED, nt_error, nt_success},
};

use nthost_protocol::manifest::VerifierOption;

use super::{code, record_of};
use crate::{
    hook,
    io::{
        device, driver,
        irp::{self, Origin},
        verify::{io_violation, is_device},
    },
    pe::module::{self, Module},
    pnp::node,
};

/// The image of the driver that a call comes from; none for nthost's own.
fn image(caller: usize) -> Option<&'static Module> {
    module::find(caller as u64)
}

/// Whether a device is one of the driver's with this image.
fn is_of(device: *mut DEVICE_OBJECT, image: &Module) -> bool {
    if !is_device(device) {
        return false;
    }
    // SAFETY: the device exists.
    let driver = unsafe { (*device).DriverObject };
    // SAFETY: a device's driver object outlives it.
    unsafe { (*driver).DriverStart as u64 == image.base }
}

/// Whether the driver that calls has passed the IRP on, and another still has it.
fn is_below(packet: &IRP, caller: usize) -> bool {
    if packet.CurrentLocation >= packet.StackCount {
        return false;
    }
    let Some(image) = image(caller) else {
        return false;
    };
    // SAFETY: the IRP has been sent, so it has a current location.
    let holder = unsafe { (*packet.overlay().CurrentStackLocation).DeviceObject };
    if is_of(holder, image) {
        return false;
    }
    let Some(record) = record_of((&raw const *packet).cast_mut()) else {
        return false;
    };
    let above = record.lock().holders_above(packet.CurrentLocation as usize);
    let is_own = |&device: &usize| is_of(core::ptr::with_exposed_provenance_mut(device), image);
    above.iter().any(is_own)
}

/// Whether the driver that calls has the IRP at the location below its present one: it was sent
/// there, and has skipped that.
fn has_skipped(packet: &IRP, caller: usize) -> bool {
    let Some((image, record)) = image(caller).zip(record_of((&raw const *packet).cast_mut()))
    else {
        return false;
    };
    let holder = record
        .lock()
        .holder((packet.CurrentLocation as usize).wrapping_sub(1));
    holder.is_some_and(|device| is_of(core::ptr::with_exposed_provenance_mut(device), image))
}

/// Whether the driver that sends an IRP has it.
pub fn check_sender(packet: &IRP, caller: usize) {
    if is_below(packet, caller) && !has_skipped(packet, caller) {
        io_violation(
            code::SENT_WHILE_BELOW,
            caller,
            (&raw const *packet).addr(),
            0,
        );
    }
}

/// What the driver that has an IRP was asked for; none, if nobody has it yet, or the first driver of
/// its stack skips its location.
fn current_major(packet: &IRP) -> Option<u8> {
    irp::has_location(packet).then(|| {
        // SAFETY: the IRP has been sent, so it has a current location.
        unsafe { (*packet.overlay().CurrentStackLocation).MajorFunction }
    })
}

/// An IRP is sent, whose next location has been set up.
pub fn check_sending(packet: &IRP, location: &IO_STACK_LOCATION, caller: usize) {
    let address = (&raw const *packet).addr();
    let unset = packet.IoStatus.status() == STATUS_NOT_SUPPORTED;
    let (major, minor) = (location.MajorFunction, location.MinorFunction);
    let Some(record) = record_of((&raw const *packet).cast_mut()) else {
        return;
    };
    let record = record.lock();
    let (sent, entered) = (
        record.sent,
        record.entered(packet.CurrentLocation as usize - 1),
    );
    drop(record);
    // Somebody else's IRP is a request of the driver's own from where it becomes another one.
    if !sent || current_major(packet).is_some_and(|before| before != major) {
        if image(caller).is_some() {
            check_first(major, minor, unset, (caller, address));
        }
        return;
    }
    if unset && entered.is_some_and(|status| status != STATUS_NOT_SUPPORTED) {
        match major {
            IRP_MJ_PNP => io_violation(code::PNP_STATUS_TAKEN_BACK, caller, address, 0),
            IRP_MJ_POWER => io_violation(code::POWER_STATUS_TAKEN_BACK, caller, address, 0),
            _ => {}
        }
    }
}

/// A driver in a stack of plug and play gets a request that each driver there must pass on, and has
/// no routine for it: the system's completes it as nobody's.
///
/// Source: bug check 0xC9, 0x21F; "Dispatch Routines Required in WDM Drivers".
pub fn check_routine(device: *mut DEVICE_OBJECT, routine: usize, major: u8) {
    let needed = matches!(major, IRP_MJ_PNP | IRP_MJ_POWER | IRP_MJ_SYSTEM_CONTROL);
    if !needed || !driver::is_default(routine) || !hook::watches(VerifierOption::IoVerification) {
        return;
    }
    let lowest = device::lowest(device);
    if lowest == device || node::of(lowest).is_none() {
        return;
    }
    // SAFETY: the device exists.
    let driver = unsafe { (*device).DriverObject };
    // SAFETY: a device's driver object outlives it.
    let Some(image) = image(unsafe { (*driver).DriverStart }.addr()) else {
        return;
    };
    log!(
        "verifier",
        "{} has no dispatch routine for the major function {major:#x}",
        image.name
    );
    io_violation(code::NO_ROUTINE, driver.addr(), major.into(), 0);
}

/// Whether an IRP that a driver sends would tell of its end by an event that is signalled.
#[must_use]
pub fn is_event_signalled(packet: &IRP) -> bool {
    let record = record_of((&raw const *packet).cast_mut());
    let first = record.is_some_and(|record| {
        let record = record.lock();
        record.origin == Origin::Synchronous && !record.sent
    });
    if !first || packet.UserEvent.is_null() {
        return false;
    }
    // SAFETY: the driver's event, which it keeps until the IRP is complete.
    let state = unsafe { &raw const (*packet.UserEvent).Header.SignalState };
    // SAFETY: as above; one word is read whole.
    unsafe { state.read_volatile() != 0 }
}

/// A driver sends an IRP that it made.
fn check_first(major: u8, minor: u8, unset: bool, (caller, address): (usize, usize)) {
    let restricted = match major {
        IRP_MJ_PNP => is_reserved(minor),
        IRP_MJ_POWER => matches!(minor, IRP_MN_SET_POWER | IRP_MN_QUERY_POWER),
        _ => false,
    };
    if restricted {
        io_violation(code::RESTRICTED_SENT, caller, address, 0);
    }
    let wrong = match major {
        IRP_MJ_PNP => code::PNP_STATUS_NOT_SET,
        IRP_MJ_POWER => code::POWER_STATUS_NOT_SET,
        IRP_MJ_SYSTEM_CONTROL => code::WMI_STATUS_NOT_SET,
        _ => return,
    };
    if !unset {
        io_violation(wrong, caller, address, 0);
    }
}

/// Plug-and-play requests that only the system sends.
const fn is_reserved(minor: u8) -> bool {
    matches!(
        minor,
        IRP_MN_START_DEVICE..=IRP_MN_CANCEL_STOP_DEVICE
            | IRP_MN_QUERY_RESOURCES..=IRP_MN_FILTER_RESOURCE_REQUIREMENTS
            | IRP_MN_EJECT..=IRP_MN_SET_LOCK
            | IRP_MN_QUERY_PNP_DEVICE_STATE..=IRP_MN_QUERY_BUS_INFORMATION
            | IRP_MN_SURPRISE_REMOVAL
    )
}

/// Whether a driver fails a request to set a power state, which drivers above the bus driver must
/// not, nor anybody if the state is the system's. Not who finds it failed by a driver below, nor
/// who cannot take the remove lock of a device that goes away.
///
/// Sources: IRP_MN_SET_POWER, "I/O Status Block"; "Handling a System Set-Power IRP in a Device
/// Power Policy Owner" for the remove lock.
fn fails_set_power(packet: &IRP, location: &IO_STACK_LOCATION, caller: usize) -> bool {
    let status = packet.IoStatus.status();
    let is_one = location.MajorFunction == IRP_MJ_POWER
        && location.MinorFunction == IRP_MN_SET_POWER
        && nt_error(status)
        // There is a rule of its own for a request that was left as it came.
        && status != STATUS_NOT_SUPPORTED
        && status != STATUS_DELETE_PENDING;
    let device = location.DeviceObject;
    if !is_one || image(caller).is_none() || !is_device(device) {
        return false;
    }
    let is_bus_driver = device::lowest(device) == device;
    if is_bus_driver && location.Parameters.power().Type == DevicePowerState {
        return false;
    }
    let below = record_of((&raw const *packet).cast_mut()).and_then(|record| {
        let below = (packet.CurrentLocation as usize).checked_sub(1)?;
        record.lock().seen(below).completed
    });
    !below.is_some_and(nt_error)
}

/// An IRP is completed at its current location.
pub fn check_completing(packet: &IRP, location: &IO_STACK_LOCATION, caller: usize) {
    let address = (&raw const *packet).addr();
    if is_below(packet, caller) {
        io_violation(code::COMPLETED_WHILE_BELOW, caller, address, 0);
    }
    if fails_set_power(packet, location, caller) {
        io_violation(code::FAILED_UNFAILABLE, caller, address, 0);
    }
    let (untouched, successful) = match location.MajorFunction {
        IRP_MJ_PNP => (
            code::COMPLETED_UNTOUCHED_PNP,
            code::COMPLETED_SUCCESSFUL_PNP,
        ),
        IRP_MJ_POWER => (
            code::COMPLETED_UNTOUCHED_POWER,
            code::COMPLETED_SUCCESSFUL_POWER,
        ),
        _ => return,
    };
    let device = location.DeviceObject;
    // The lowest device of the stack has nobody to pass it to.
    if image(caller).is_none() || !is_device(device) || device::lowest(device) == device {
        return;
    }
    let passed = record_of((&raw const *packet).cast_mut())
        .is_some_and(|record| record.lock().was_passed(packet.CurrentLocation as usize));
    if passed {
        return;
    }
    let status = packet.IoStatus.status();
    // Who has the interface gives it; the driver below is not asked.
    let answered =
        location.MajorFunction == IRP_MJ_PNP && location.MinorFunction == IRP_MN_QUERY_INTERFACE;
    if status == STATUS_NOT_SUPPORTED {
        io_violation(untouched, caller, address, 0);
    } else if nt_success(status) && !answered {
        io_violation(successful, caller, address, 0);
    }
}
