//! What the framework calls.
//!
//! The rule of the kernel this stands for: each call is answered once, whether or not the device is
//! there still. (nc-wdm-po_fx_component_idle_condition_callback,
//! nc-wdm-po_fx_device_power_not_required_callback.)

use wdk_sys::{DEVICE_OBJECT, PVOID, ULONG, ntddk::PoFxCompleteDevicePowerNotRequired};

use super::{Context, PowerManaged, PoweredOn};
use crate::{device::Fdo, irql::UpToDispatch, pool::Shared};

/// Calls a routine of the device, unless that is being removed.
///
/// # Safety
///
/// A callback of a registration of a device of this kind is being called, with this context.
unsafe fn with_device<D: PowerManaged>(
    context: &Context,
    act: impl FnOnce(&Fdo<D>, &mut UpToDispatch),
) {
    let Some(_present) = context.presence.enter() else {
        return;
    };
    let device: *mut DEVICE_OBJECT = context.device.as_ptr();
    // SAFETY: of this kind by contract, and it stays for now.
    let device: &Fdo<D> = unsafe { &*device.cast() };
    // SAFETY: callbacks are called at IRQL <= DISPATCH_LEVEL.
    let irql = &mut unsafe { UpToDispatch::assume() };
    act(device, irql);
}

/// `ComponentActiveConditionCallback`.
pub(super) unsafe extern "C" fn active_condition<D: PowerManaged>(
    context: PVOID,
    _component: ULONG,
) {
    // SAFETY: what `Framework::register` passed, which stays until the registration is taken back.
    let context = unsafe { Shared::<Context>::borrow_raw(context) };
    context.inner.active.reopen();
    // SAFETY: called with it.
    unsafe { with_device::<D>(context, D::component_active) };
}

/// `ComponentIdleConditionCallback`.
pub(super) unsafe extern "C" fn idle_condition(context: PVOID, _component: ULONG) {
    // SAFETY: what `Framework::register` passed, which stays until the registration is taken back.
    let context = unsafe { Shared::<Context>::borrow_raw(context) };
    // A user that is inside has activated the component again meanwhile, and reports when it leaves.
    if context.inner.active.close() {
        context.inner.complete_idle_condition();
    }
}

/// `DevicePowerRequiredCallback`.
pub(super) unsafe extern "C" fn power_required<D: PowerManaged>(context: PVOID) {
    // SAFETY: what `Framework::register` passed, which stays until the registration is taken back.
    let context = unsafe { Shared::<Context>::borrow_raw(context) };
    let report = PoweredOn(context.inner.clone());
    // SAFETY: called with it.
    unsafe {
        with_device::<D>(context, |device, irql| {
            D::power_required(device, report, irql);
        });
    };
}

/// `DevicePowerNotRequiredCallback`.
pub(super) unsafe extern "C" fn power_not_required<D: PowerManaged>(context: PVOID) {
    // SAFETY: what `Framework::register` passed, which stays until the registration is taken back.
    let context = unsafe { Shared::<Context>::borrow_raw(context) };
    // SAFETY: called with it.
    unsafe { with_device::<D>(context, D::power_not_required) };
    // SAFETY: asked for by this call.
    context
        .inner
        .call(|handle| unsafe { PoFxCompleteDevicePowerNotRequired(handle) });
}
