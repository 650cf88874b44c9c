//! Idle power-down: a device that no request is for goes to D3, and back to D0 for the next one.
//!
//! The power management framework (PoFx) decides when, and the driver tells it what it needs to
//! know: a request has the device's component active from when it arrives until it ends, and what
//! is answered at once for as long as that takes. A request that finds the device without power
//! waits in its queue, as it does while the system sleeps; the framework has the device powered
//! up, and the queues go on.
//!
//! ```text
//!     a request arrives:  activate --> (power required --> request SET_POWER D0) --> active --> run
//!     the last one ends:  idle --> the time is over --> power not required --> request SET_POWER D3
//! ```
//!
//! PoRegisterDeviceForIdleDetection would do for a device that is only to go to D3. It tells nothing
//! to the framework, which wants to know on Modern Standby what may lose its power, so it is not used.
//! A wait for an event is a request, too: a device without power cannot report an event. A client
//! that has one outstanding keeps the device in D0.
//!
//! The framework's routines are called with no lock held that a power IRP of the device takes:
//! some of them call back before they return.
//!
//! Source: "Component-Level Power Management", nf-wdm-pofxregisterdevice,
//! nf-wdm-pofxunregisterdevice, nf-wdm-pofxreportdevicepoweredon.

use core::num::NonZeroU32;

use super::{Function, FunctionDevice, Notice, power};
use crate::{
    Result,
    device::Fdo,
    irql::{Passive, UpToDispatch},
    pofx::{Component, Framework, PowerManaged, PoweredOn},
    power::{DeviceState, NotPoweredOn},
    spinlock::SpinLock,
    workitem::{DeviceWork, WorkItem},
};

/// What idle power-down keeps of a device.
pub struct IdlePower<F: Function> {
    framework: Framework,
    /// For how long the device is idle before it goes to D3; `None` for never.
    idle_ms: Option<NonZeroU32>,
    /// What the framework is told when the device has power, while there was no IRP for that. The
    /// lock protects nothing else.
    report: SpinLock<Option<PoweredOn>>,
    /// Asks for an IRP again. The lock protects nothing else.
    again: SpinLock<Option<WorkItem<DeviceWork<FunctionDevice<F>>>>>,
}

impl<F: Function> IdlePower<F> {
    /// That of a device that has not been started.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn new(idle_ms: Option<NonZeroU32>, irql: &Passive) -> Result<Self> {
        Ok(Self {
            framework: Framework::new(F::TAGS.idle, irql)?,
            idle_ms,
            report: SpinLock::new(None),
            again: SpinLock::new(None),
        })
    }

    /// The component, for those who use the device.
    pub fn component(&self) -> Component {
        self.framework.component()
    }

    /// Registers a device that is being started, unless it is already, or is never to go to D3.
    /// Until [`Self::start`], it does not.
    ///
    /// # Errors
    ///
    /// Those of the framework.
    pub fn register(&self, device: &Fdo<FunctionDevice<F>>, irql: &mut Passive) -> Result<()> {
        let Some(idle_ms) = self.idle_ms.filter(|_| !self.framework.is_registered()) else {
            return Ok(());
        };
        let work = DeviceWork::new(device, power::request_power_again);
        let item = WorkItem::new(F::TAGS.work, device.reference(), work, irql)?;
        *self.again.acquire(irql) = Some(item);
        self.framework.register(device, idle_ms.get(), irql)
    }

    /// The device works: from here on it may go to D3. To be called without locks.
    pub fn start(&self, irql: &Passive) {
        self.framework.start(irql);
    }

    /// The device is removed, and its hardware not used any more. To be called without locks.
    pub fn unregister(&self, irql: &mut Passive) {
        self.framework.unregister(irql);
    }

    /// Keeps the report for the framework until there is an IRP. What is kept already is reported
    /// at once: one answer is left.
    pub fn keep(&self, report: PoweredOn, irql: &mut UpToDispatch) {
        let before = self.report.acquire(irql).replace(report);
        drop(before);
    }

    /// Takes it back.
    pub fn take_report(&self, irql: &mut Passive) -> Option<PoweredOn> {
        self.report.acquire(irql).take()
    }

    /// Has an IRP asked for again.
    fn ask_again(&self, irql: &mut UpToDispatch) {
        let mut again = self.again.acquire(irql);
        let (again, irql) = again.parts();
        if let Some(again) = again {
            // False if it is going to already.
            again.queue(irql);
        }
    }
}

impl<F: Function> PowerManaged for FunctionDevice<F> {
    fn component_active(device: &Fdo<Self>, irql: &mut UpToDispatch) {
        device.function.component_active(device, irql);
    }

    fn power_required(device: &Fdo<Self>, report: PoweredOn, irql: &mut UpToDispatch) {
        if let Err(NotPoweredOn { report, status }) = device.request_power_on(report, irql) {
            F::tell(Notice::Error("no power IRP for the device", status));
            device.idle.keep(report, irql);
            device.idle.ask_again(irql);
        }
    }

    fn power_not_required(device: &Fdo<Self>, irql: &mut UpToDispatch) {
        // Requests that arrive meanwhile are finished before the power goes, or wait for it.
        if let Err(status) = device.request_power(DeviceState::D3, irql) {
            F::tell(Notice::Error(
                "no power IRP for the device, which stays on",
                status,
            ));
        }
    }
}
