//! The framework's routines that drivers can import.
//!
//! Sources: PoFxRegisterDevice, PoFxUnregisterDevice, PoFxStartDevicePowerManagement,
//! PoFxActivateComponent, PoFxIdleComponent, PoFxCompleteIdleCondition, PoFxCompleteIdleState,
//! PoFxCompleteDevicePowerNotRequired, PoFxReportDevicePoweredOn, PoFxSetDeviceIdleTimeout,
//! PoFxSetComponentLatency, PoFxSetComponentResidency, PoFxSetComponentWake.

use alloc::sync::Arc;
use core::ffi::c_void;

use nthost_nt::{
    io::device::DEVICE_OBJECT,
    po_fx::{PO_FX_DEVICE_V1, PO_FX_FLAG_ASYNC_ONLY, PO_FX_FLAG_BLOCKING},
    status::{NTSTATUS, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER, STATUS_SUCCESS},
};

use super::{
    component::{Component, Condition},
    device::{Device, Referred},
    registration,
    run::{self, Registered, wrong},
};
use crate::{export::DISPATCH_LEVEL, ke::irql, pnp::node};

/// The device of a handle, which has this component.
fn of(handle: *mut c_void, component: u32) -> Option<Arc<Registered>> {
    let device = run::of(handle.addr())?;
    if component as usize >= device.components {
        run::violation(wrong::PARAMETER, handle.addr(), component.into(), 2);
        return None;
    }
    Some(device)
}

/// The device of a handle for a change of a component's references with these flags, and how the
/// condition follows.
fn of_reference(
    handle: *mut c_void,
    component: u32,
    flags: u32,
) -> Option<(Arc<Registered>, Follows)> {
    let device = of(handle, component)?;
    let blocking = flags & PO_FX_FLAG_BLOCKING != 0;
    let later = flags & PO_FX_FLAG_ASYNC_ONLY != 0;
    if blocking && irql::current() >= DISPATCH_LEVEL {
        run::violation(wrong::PARAMETER, handle.addr(), component.into(), 0);
    }
    if blocking && later {
        run::violation(wrong::PARAMETER, handle.addr(), component.into(), 1);
    }
    let follows = if later {
        Follows::Later
    } else if blocking {
        Follows::BeforeReturn
    } else {
        Follows::Now
    };
    Some((device, follows))
}

/// How a component's condition follows its references.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Follows {
    /// The routine's thread calls what is due.
    Now,
    /// As above, and the routine returns when the condition has changed.
    BeforeReturn,
    /// Another thread calls what is due.
    Later,
}

fn activate(handle: *mut c_void, component: u32, flags: u32) {
    let Some((device, follows)) = of_reference(handle, component, flags) else {
        return;
    };
    let index = component as usize;
    let referred = device.change(|device| device.refer(index));
    match referred {
        Referred::NothingDue => return,
        Referred::TooOften => {
            run::violation(wrong::NOT_ACTIVATED, handle.addr(), component.into(), 0);
        }
        Referred::Active | Referred::Inactive => {}
    }
    if follows == Follows::Later {
        return device.run_later();
    }
    device.run();
    // Also within the callback that says so it is active: who waits there for its end waits for
    // ever. Another thread may want the opposite meanwhile: then there is nothing to wait for.
    if follows == Follows::BeforeReturn && referred != Referred::Active {
        device.run_until(|device| {
            let component = &device.components[index];
            let is_active = component.condition == Condition::Active && !component.busy;
            !device.is_started() || component.references == 0 || is_active
        });
    }
}

fn idle(handle: *mut c_void, component: u32, flags: u32) {
    let Some((device, follows)) = of_reference(handle, component, flags) else {
        return;
    };
    let index = component as usize;
    let release = |device: &mut Device| {
        let references = &mut device.components[index].references;
        let left = references.checked_sub(1);
        *references = left.unwrap_or(0);
        left.is_some()
    };
    let (was_active, due) = if follows == Follows::Later {
        (device.change_and_run_later(release), None)
    } else {
        device.begin(release)
    };
    if !was_active {
        run::violation(wrong::NOT_ACTIVATED, handle.addr(), component.into(), 0);
    }
    device.go_on(due);
    if follows == Follows::BeforeReturn {
        device.run_until(|device| {
            let component = &device.components[index];
            let is_idle = component.condition != Condition::Active && !component.busy;
            !device.is_started() || component.references > 0 || is_idle
        });
    }
}

/// Changes what a driver says of a component.
fn hint(handle: *mut c_void, component: u32, change: impl FnOnce(&mut Component)) {
    if let Some(device) = of(handle, component) {
        let component = component as usize;
        let ((), due) = device.begin(|device| change(&mut device.components[component]));
        device.go_on(due);
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: STATUS_INSUFFICIENT_RESOURCES;
    /// Registers a device, whose components are active until its power management starts.
    ///
    /// Source: PoFxRegisterDevice.
    ///
    /// # Safety
    ///
    /// The description is as its version says; `handle` can be written. The callbacks may be
    /// called until the device is unregistered.
    pub unsafe fn PoFxRegisterDevice(
        pdo: *mut DEVICE_OBJECT,
        description: *const PO_FX_DEVICE_V1,
        handle: *mut *mut c_void,
    ) -> NTSTATUS {
        if pdo.is_null() || node::of(pdo).is_none() {
            return STATUS_INVALID_PARAMETER;
        }
        // SAFETY: the caller's promise.
        let (device, callbacks) = match unsafe { registration::read(description) } {
            Ok(read) => read,
            Err(status) => return status,
        };
        let registered = run::register(pdo, device, callbacks);
        // SAFETY: the caller's promise.
        unsafe { handle.write(core::ptr::with_exposed_provenance_mut(registered)) };
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Takes a registration back; no callback is called from then on.
    ///
    /// Source: PoFxUnregisterDevice.
    ///
    /// # Safety
    ///
    /// Not from a callback of the device.
    pub unsafe fn PoFxUnregisterDevice(handle: *mut c_void) {
        if let Some(device) = run::of(handle.addr()) {
            device.unregister();
        }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Makes those components idle that are not activated, and keeps it so.
    ///
    /// Source: PoFxStartDevicePowerManagement.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn PoFxStartDevicePowerManagement(handle: *mut c_void) {
        if let Some(device) = run::of(handle.addr()) {
            let ((), due) = device.begin(Device::start);
            device.go_on(due);
        }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Wants a component to be active.
    ///
    /// Source: PoFxActivateComponent.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn PoFxActivateComponent(handle: *mut c_void, component: u32, flags: u32) {
        activate(handle, component, flags);
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Does not want a component to be active any more.
    ///
    /// Source: PoFxIdleComponent.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn PoFxIdleComponent(handle: *mut c_void, component: u32, flags: u32) {
        idle(handle, component, flags);
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// The driver does not use the component any more.
    ///
    /// Source: PoFxCompleteIdleCondition.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn PoFxCompleteIdleCondition(handle: *mut c_void, component: u32) {
        if let Some(device) = of(handle, component) {
            device.complete(component, |device| device.complete_idle(component as usize));
        }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// The component is in the state that it was to be in.
    ///
    /// Source: PoFxCompleteIdleState.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn PoFxCompleteIdleState(handle: *mut c_void, component: u32) {
        if let Some(device) = of(handle, component) {
            device.complete(component, |device| device.complete_state(component as usize));
        }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// The driver has heard that its device need not be on.
    ///
    /// Source: PoFxCompleteDevicePowerNotRequired.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn PoFxCompleteDevicePowerNotRequired(handle: *mut c_void) {
        if let Some(device) = run::of(handle.addr()) {
            device.complete(0, Device::complete_not_required);
        }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// The device is on, as it was to be.
    ///
    /// Source: PoFxReportDevicePoweredOn.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn PoFxReportDevicePoweredOn(handle: *mut c_void) {
        if let Some(device) = run::of(handle.addr()) {
            device.complete(0, Device::powered_on);
        }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// For so many units of 100 ns all components are idle before the device need not be on.
    ///
    /// Source: PoFxSetDeviceIdleTimeout.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn PoFxSetDeviceIdleTimeout(handle: *mut c_void, timeout: u64) {
        if let Some(device) = run::of(handle.addr()) {
            let ((), due) = device.begin(|device| device.set_timeout(timeout));
            device.go_on(due);
        }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// The longest way back to F0 that is tolerable, in units of 100 ns.
    ///
    /// Source: PoFxSetComponentLatency.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn PoFxSetComponentLatency(handle: *mut c_void, component: u32, latency: u64) {
        hint(handle, component, |component| component.tolerable = latency);
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// How long the component stays idle, in units of 100 ns.
    ///
    /// Source: PoFxSetComponentResidency.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn PoFxSetComponentResidency(handle: *mut c_void, component: u32, residency: u64) {
        hint(handle, component, |component| component.idle_time = residency);
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Whether the component is to wake.
    ///
    /// Source: PoFxSetComponentWake.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn PoFxSetComponentWake(handle: *mut c_void, component: u32, wakes: u8) {
        hint(handle, component, |component| component.wakes = wakes != 0);
    }
}
