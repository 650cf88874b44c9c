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
    registration,
    run::{self, Registered, wrong},
};
use crate::{export::DISPATCH_LEVEL, ke::irql, pnp::node};

/// The device of a handle, which has this component.
fn of(handle: *mut c_void, component: u32) -> Option<Arc<Registered>> {
    let device = run::of(handle.addr())?;
    let count = device.change(|device| device.components.len());
    if component as usize >= count {
        run::violation(wrong::PARAMETER, handle.addr(), component.into(), 2);
        return None;
    }
    Some(device)
}

/// Changes a component's references; the condition follows as the flags say.
fn refer(handle: *mut c_void, component: u32, flags: u32, active: bool) {
    let Some(device) = of(handle, component) else {
        return;
    };
    let blocking = flags & PO_FX_FLAG_BLOCKING != 0;
    if blocking && irql::current() >= DISPATCH_LEVEL {
        run::violation(wrong::PARAMETER, handle.addr(), component.into(), 0);
    }
    if blocking && flags & PO_FX_FLAG_ASYNC_ONLY != 0 {
        run::violation(wrong::PARAMETER, handle.addr(), component.into(), 1);
    }
    let index = component as usize;
    let (changed, already) = device.change(|device| {
        let component = &mut device.components[index];
        let references = &mut component.references;
        let changed = if active {
            references.checked_add(1)
        } else {
            references.checked_sub(1)
        };
        *references = changed.unwrap_or(*references);
        // Also within the callback that says so: who waits there for its end waits for ever.
        let already = active && component.condition == Condition::Active;
        (changed.is_some(), already)
    });
    if !changed {
        run::violation(wrong::NOT_ACTIVATED, handle.addr(), component.into(), 0);
    }
    // Another thread may want the opposite meanwhile: then there is nothing to wait for.
    let is_there = move |component: &Component| {
        let is_active = component.condition == Condition::Active && !component.busy;
        let is_idle = component.condition != Condition::Active && !component.busy;
        if active {
            component.references == 0 || is_active
        } else {
            component.references > 0 || is_idle
        }
    };
    if blocking && !already {
        device.run_until(|device| !device.is_started() || is_there(&device.components[index]));
    } else if flags & PO_FX_FLAG_ASYNC_ONLY != 0 {
        device.run_later();
    } else {
        device.run();
    }
}

/// Changes what a driver says of a component.
fn hint(handle: *mut c_void, component: u32, change: impl FnOnce(&mut Component)) {
    if let Some(device) = of(handle, component) {
        device.change(|device| change(&mut device.components[component as usize]));
        device.run();
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
            device.change(super::device::Device::start);
            device.run();
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
        refer(handle, component, flags, true);
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
        refer(handle, component, flags, false);
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
            device.complete(0, super::device::Device::complete_not_required);
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
            device.complete(0, super::device::Device::powered_on);
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
            device.change(|device| device.set_timeout(timeout));
            device.run();
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
