//! What those have who use a device: its component, while it is active.
//!
//! The rule of the kernel this stands for: registers are touched while the component is in the active
//! condition; each activation is taken back once. (nf-wdm-pofxactivatecomponent,
//! nf-wdm-pofxidlecomponent.)

use wdk_sys::{
    PVOID, ULONG,
    ntddk::{PoFxActivateComponent, PoFxIdleComponent, PoFxReportDevicePoweredOn},
};

use super::{COMPONENT, Inner};
use crate::{
    constants::{PO_FX_FLAG_ASYNC_ONLY, PO_FX_FLAG_BLOCKING},
    irql::{self, AtOrBelowDispatch, Limit, Passive},
    pool::Shared,
};

/// The framework decides whether it calls callbacks before it returns.
const EITHER_WAY: ULONG = 0;

/// What is used of a device: what its registers are reached by.
#[derive(Clone)]
pub struct Component(pub(super) Shared<Inner>);

/// Somebody wants the component to be active. To be given back to [`Component::idle`] of the same
/// component; it stays active otherwise.
#[derive(Debug)]
#[must_use = "the component stays active until this is given back"]
pub struct Activated(());

/// The component is active until this is dropped, at IRQL <= DISPATCH_LEVEL; as by
/// [`Component::idle`].
#[must_use = "the component may become idle when this is dropped"]
pub struct Active(Shared<Inner>);

/// The component is used until this is dropped, at IRQL <= DISPATCH_LEVEL: the framework waits.
#[must_use = "the component may not be used any more when this is dropped"]
pub struct Use(Shared<Inner>);

impl Component {
    /// Has the component become active, and stay so until [`Self::idle`]. It may become active
    /// later, of which [`PowerManaged::component_active`](super::PowerManaged::component_active) tells, with the device's power before
    /// that if it has none. Both, and [`PowerManaged::power_required`](super::PowerManaged::power_required), may be called before this
    /// returns.
    ///
    /// Source: nf-wdm-pofxactivatecomponent.
    pub fn activate<I: AtOrBelowDispatch>(&self, _irql: &I) -> Activated {
        self.activate_with(EITHER_WAY);
        Activated(())
    }

    /// As [`Self::activate`], and waits until it is active.
    ///
    /// Source: nf-wdm-pofxactivatecomponent.
    pub fn activate_and_wait(&self, _irql: &mut Passive) -> Active {
        irql::expect_at_most(Limit::Passive, self.0.as_ptr());
        self.activate_with(PO_FX_FLAG_BLOCKING);
        Active(self.0.clone())
    }

    fn activate_with(&self, flags: ULONG) {
        // SAFETY: registered; the callers' tokens prove IRQL <= DISPATCH_LEVEL, or PASSIVE_LEVEL
        // where the call waits.
        self.0
            .call(|handle| unsafe { PoFxActivateComponent(handle, COMPONENT, flags) });
    }

    /// Nobody who called [`Self::activate`] for it uses the component any more. What follows from
    /// that is called in another thread, so locks may be held.
    ///
    /// Source: nf-wdm-pofxidlecomponent.
    pub fn idle<I: AtOrBelowDispatch>(&self, Activated(()): Activated, _irql: &I) {
        idle(&self.0);
    }

    /// Uses the component, if it is active. While somebody does, it is not made idle.
    #[must_use]
    pub fn enter(&self) -> Option<Use> {
        self.0.active.enter().then(|| Use(self.0.clone()))
    }

    /// Whether the component is idle, or becomes idle as soon as nobody uses it any more: it is used
    /// for nothing new until it is active again.
    #[must_use]
    pub fn is_idling(&self) -> bool {
        self.0.active.is_closed()
    }

    /// The system wakes up, or has not gone to sleep: the driver answers by requesting D0, and has
    /// the framework told when that is done; see [`crate::device::Fdo::request_power_on`].
    ///
    /// Source: nf-wdm-pofxreportdevicepoweredon.
    pub fn system_works(&self) -> PoweredOn {
        PoweredOn(self.0.clone())
    }
}

/// IRQL <= DISPATCH_LEVEL.
fn idle(inner: &Inner) {
    // SAFETY: registered, and activated before, by the callers' tokens.
    inner.call(|handle| unsafe { PoFxIdleComponent(handle, COMPONENT, PO_FX_FLAG_ASYNC_ONLY) });
}

impl Drop for Active {
    fn drop(&mut self) {
        idle(&self.0);
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        if self.0.active.leave() {
            self.0.complete_idle_condition();
        }
    }
}

/// The framework waits to be told that the device is in D0. It is told so when this is dropped, at
/// IRQL <= DISPATCH_LEVEL, whatever has become of the power.
///
/// Source: nf-wdm-pofxreportdevicepoweredon.
#[must_use = "the framework is told that the device is in D0 when this is dropped"]
pub struct PoweredOn(pub(super) Shared<Inner>);

impl PoweredOn {
    /// Becomes a pointer for the kernel to keep.
    pub(crate) fn into_raw(self) -> PVOID {
        let this = core::mem::ManuallyDrop::new(self);
        this.0.as_raw()
    }

    /// # Safety
    ///
    /// The pointer is from [`Self::into_raw`], and is taken back once.
    pub(crate) unsafe fn from_raw(raw: PVOID) -> Self {
        // SAFETY: by contract.
        Self(unsafe { Shared::from_raw(raw) })
    }
}

impl Drop for PoweredOn {
    fn drop(&mut self) {
        // SAFETY: registered; asked for once for each of these.
        self.0
            .call(|handle| unsafe { PoFxReportDevicePoweredOn(handle) });
    }
}
