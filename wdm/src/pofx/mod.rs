//! The power management framework (PoFx): a device that nobody uses loses its power, and gets it
//! back when somebody wants to use it.
//!
//! The rules of the kernel this stands for: the power policy owner registers its device while that
//! is started and in D0, and takes the registration back when the device is removed. Registers are
//! touched while the component that they belong to is in the active condition, and in no other: who
//! wants to touch them activates the component, and waits until the framework says that it is
//! active. What the framework asks, the driver answers, once for each time. ("Component-Level Power
//! Management", nf-wdm-pofxregisterdevice, nf-wdm-pofxreportdevicepoweredon.)
//!
//! A device here has one component, with one state, F0: while the device has power, the component
//! has. What is left is when the device needs power, which the framework finds out by the
//! component's condition: when it has been idle for long enough, the framework says that power is
//! not required.
//!
//! [`Framework`] is the registration. A [`Component`] is what those have who use the device:
//! [`Component::activate`] has it become active and stay so until [`Component::idle`], and
//! [`Component::enter`] keeps it active if it is that already. So a component is idle as far as the
//! framework knows only when nobody is inside.
//!
//! Without a registration, everybody may use the component at any time.
//!
//! # Example
//!
//! ```
//! use wdm::{irql::Passive, pofx::Component};
//!
//! /// Has the device in D0 while `act` uses it.
//! fn with_power(component: &Component, act: impl FnOnce(), irql: &mut Passive) {
//!     let active = component.activate_and_wait(irql);
//!     act();
//!     // From here on it may go to D3 for being idle.
//!     drop(active);
//! }
//! ```

mod callbacks;
mod component;

use core::{
    ffi::c_void,
    sync::atomic::{AtomicBool, AtomicPtr, Ordering},
};

use wdk_sys::{
    GUID, NTSTATUS, PO_FX_COMPONENT_IDLE_STATE, PO_FX_COMPONENT_V1, PO_FX_DEVICE_V1,
    PO_FX_VERSION_V1, POHANDLE, PVOID, ULONG,
    ntddk::{
        PoFxCompleteIdleCondition, PoFxRegisterDevice, PoFxSetDeviceIdleTimeout,
        PoFxStartDevicePowerManagement, PoFxUnregisterDevice,
    },
};

use crate::{
    Result, Status,
    device::{Device, DeviceReference, Fdo},
    event::Event,
    irql::{self, AtOrBelowDispatch, Limit, Passive, UpToDispatch},
    pool::{Shared, Tag},
    presence::Presence,
    rundown::Rundown,
};

pub use self::component::{Activated, Active, Component, PoweredOn, Use};

/// The number of the only component.
const COMPONENT: ULONG = 0;

/// A kind of device whose power the framework manages.
pub trait PowerManaged: Device {
    /// The component has become active: what waits for that may go on.
    ///
    /// Source: nc-wdm-po_fx_component_active_condition_callback.
    fn component_active(device: &Fdo<Self>, irql: &mut UpToDispatch);

    /// The device must be in D0: the driver requests that, and has it reported when it is done;
    /// see [`Fdo::request_power_on`].
    ///
    /// Source: nc-wdm-po_fx_device_power_required_callback.
    fn power_required(device: &Fdo<Self>, report: PoweredOn, irql: &mut UpToDispatch);

    /// The device need not be in D0 any more: the driver may request another state, for which it
    /// does not wait.
    ///
    /// Source: nc-wdm-po_fx_device_power_not_required_callback.
    fn power_not_required(device: &Fdo<Self>, irql: &mut UpToDispatch);
}

/// What a registration and those who use the component share.
struct Inner {
    tag: Tag,
    /// What the framework knows the registration by, while `calls` is open.
    handle: AtomicPtr<c_void>,
    /// What the callbacks are given: an owner of a [`Context`]. Null without a registration.
    context: AtomicPtr<c_void>,
    /// Power management has started.
    started: AtomicBool,
    /// Open while there is a registration: entered for each use of the handle.
    calls: Rundown,
    /// Set when `calls` has been closed and nobody is inside any more.
    quiet: Event,
    /// Open while the component is active: entered by those who use it.
    active: Rundown,
}

/// What the callbacks are given.
struct Context {
    inner: Shared<Inner>,
    device: DeviceReference,
    presence: Shared<Presence>,
}

impl Inner {
    /// Does something with the handle, if there is a registration. IRQL <= DISPATCH_LEVEL.
    fn call(&self, call: impl FnOnce(POHANDLE)) {
        if !self.calls.enter() {
            return;
        }
        // Relaxed: `enter` has seen what was done before `calls` was opened.
        call(self.handle.load(Ordering::Relaxed).cast());
        if self.calls.leave() {
            // SAFETY: by contract of this function.
            let irql = unsafe { UpToDispatch::assume() };
            self.quiet.set(&irql);
        }
    }

    /// Nobody uses the component any more that the framework has made idle.
    fn complete_idle_condition(&self) {
        // SAFETY: asked for by `idle_condition`, once for each time. Callable at IRQL <=
        // DISPATCH_LEVEL, as all who use the component are.
        self.call(|handle| unsafe { PoFxCompleteIdleCondition(handle, COMPONENT) });
    }
}

/// The registration of a device, or what will be one.
pub struct Framework(Shared<Inner>);

impl Framework {
    /// None yet.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn new<I: AtOrBelowDispatch>(tag: Tag, irql: &I) -> Result<Self> {
        let inner = Inner {
            tag,
            handle: AtomicPtr::new(core::ptr::null_mut()),
            context: AtomicPtr::new(core::ptr::null_mut()),
            started: AtomicBool::new(false),
            calls: Rundown::closed(),
            quiet: Event::new(tag, false, irql)?,
            active: Rundown::open(),
        };
        Shared::new(tag, inner, irql).map(Self)
    }

    /// The component, for those who use the device.
    #[must_use]
    pub fn component(&self) -> Component {
        Component(self.0.clone())
    }

    /// Whether there is a registration.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        !self.0.context.load(Ordering::Relaxed).is_null()
    }

    /// Registers a device that has been started and is in D0; power is not required when it has
    /// been idle for so many milliseconds. The component is active until [`Self::start`].
    ///
    /// Nobody may have activated the component before, and not have made it idle since: the
    /// framework does not know of that.
    ///
    /// Source: nf-wdm-pofxregisterdevice, nf-wdm-pofxsetdeviceidletimeout.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_DEVICE_STATE` if it is registered, and those of `PoFxRegisterDevice`.
    pub fn register<D: PowerManaged>(
        &self,
        device: &Fdo<D>,
        idle_ms: u32,
        irql: &Passive,
    ) -> Result<()> {
        let context = Context {
            inner: self.0.clone(),
            device: device.reference(),
            presence: device.presence(),
        };
        let context = Shared::new(self.0.tag, context, irql)?.into_raw();
        let first = self.0.context.compare_exchange(
            core::ptr::null_mut(),
            context,
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
        if first.is_err() {
            // SAFETY: given up just above, and nobody was given it.
            drop(unsafe { Shared::<Context>::from_raw(context) });
            return Err(Status::INVALID_DEVICE_STATE);
        }
        let mut handle = core::ptr::null_mut();
        // SAFETY: a PDO at PASSIVE_LEVEL, whose power policy is this driver's. The context is an
        // owner that stays until the registration is taken back.
        let status = unsafe { register::<D>(device, context, &raw mut handle) };
        if let Err(status) = Status::check(status) {
            self.0
                .context
                .store(core::ptr::null_mut(), Ordering::Relaxed);
            // SAFETY: given up above; without a registration nobody has it.
            drop(unsafe { Shared::<Context>::from_raw(context) });
            return Err(status);
        }
        // SAFETY: just registered; callable at any level up to DISPATCH_LEVEL.
        unsafe { PoFxSetDeviceIdleTimeout(handle, u64::from(idle_ms) * HUNDRED_NS_IN_MS) };
        self.0.handle.store(handle.cast(), Ordering::Relaxed);
        self.0.started.store(false, Ordering::Relaxed);
        self.0.active.reopen();
        self.0.calls.reopen();
        Ok(())
    }

    /// Has the framework begin, once for each registration: a component that nobody has activated
    /// becomes idle.
    ///
    /// Source: nf-wdm-pofxstartdevicepowermanagement.
    pub fn start(&self, _irql: &Passive) {
        if self.0.started.swap(true, Ordering::AcqRel) {
            return;
        }
        // SAFETY: registered, at PASSIVE_LEVEL.
        self.0
            .call(|handle| unsafe { PoFxStartDevicePowerManagement(handle) });
    }

    /// Takes the registration back, if there is one. No callback is called from then on, and
    /// everybody may use the component.
    ///
    /// Source: nf-wdm-pofxunregisterdevice.
    pub fn unregister(&self, irql: &mut Passive) {
        let inner = &*self.0;
        // Taken by one caller.
        let context = inner.context.swap(core::ptr::null_mut(), Ordering::AcqRel);
        if context.is_null() {
            return;
        }
        if !inner.calls.close() {
            inner.quiet.wait(irql);
        }
        inner.quiet.clear(irql);
        let handle = inner.handle.load(Ordering::Relaxed).cast();
        // SAFETY: registered, at PASSIVE_LEVEL; nobody uses the handle any more.
        unsafe { PoFxUnregisterDevice(handle) };
        inner.active.reopen();
        // SAFETY: given up by `register`; no callback is called any more.
        drop(unsafe { Shared::<Context>::from_raw(context) });
    }
}

impl Drop for Framework {
    /// A registration that is left is taken back, at PASSIVE_LEVEL.
    fn drop(&mut self) {
        if self.is_registered() {
            irql::expect_at_most(Limit::Passive, self.0.as_ptr());
            // SAFETY: just looked.
            self.unregister(&mut unsafe { Passive::assume() });
        }
    }
}

const HUNDRED_NS_IN_MS: u64 = 10_000;

/// Describes the device to the framework, which copies what it is told.
///
/// # Safety
///
/// The context is one of [`Context`] for this device, and stays until the registration is taken
/// back; PASSIVE_LEVEL.
unsafe fn register<D: PowerManaged>(
    device: &Fdo<D>,
    context: PVOID,
    handle: *mut POHANDLE,
) -> NTSTATUS {
    let mut on = PO_FX_COMPONENT_IDLE_STATE::default();
    let mut description = PO_FX_DEVICE_V1 {
        Version: PO_FX_VERSION_V1,
        ComponentCount: 1,
        ComponentActiveConditionCallback: Some(callbacks::active_condition::<D>),
        ComponentIdleConditionCallback: Some(callbacks::idle_condition),
        // There is no other state than F0.
        ComponentIdleStateCallback: None,
        DevicePowerRequiredCallback: Some(callbacks::power_required::<D>),
        DevicePowerNotRequiredCallback: Some(callbacks::power_not_required::<D>),
        PowerControlCallback: None,
        DeviceContext: context,
        Components: [PO_FX_COMPONENT_V1 {
            Id: GUID::default(),
            IdleStateCount: 1,
            DeepestWakeableIdleState: 0,
            IdleStates: &raw mut on,
        }],
    };
    // SAFETY: by contract; the description lives until the call is over.
    unsafe { PoFxRegisterDevice(device.physical().as_ptr(), &raw mut description, handle) }
}
