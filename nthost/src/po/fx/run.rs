//! The devices that are registered: whoever has changed something calls the driver's callbacks
//! until nothing is due.

use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};
use core::ops::Range;

use nthost_nt::{io::device::DEVICE_OBJECT, po_fx::PO_FX_CALLBACKS, status::STATUS_DELETE_PENDING};

use super::device::{Callback, Device, Next, Unasked};
use crate::{
    ex::worker::{self, Queue},
    ke::{
        bugcheck::{self, code},
        dispatcher,
        lock::{SpinGuard, SpinLock},
        owned_event::Event,
        time,
    },
};

/// What is wrong, by the codes of bug check 0xA0.
pub mod wrong {
    /// The device is registered already.
    pub const REGISTERED_TWICE: u64 = 0x600;
    /// The device is not registered any more.
    pub const NOT_REGISTERED: u64 = 0x607;
    /// A component was made idle that was not activated.
    pub const NOT_ACTIVATED: u64 = 0x608;
    /// Something was completed that was not asked for.
    pub const NOT_ASKED: u64 = 0x613;
    /// A parameter that must not be.
    pub const PARAMETER: u64 = 0x614;
}

/// A registered device.
pub struct Registered {
    /// What its handle is.
    handle: usize,
    pdo: usize,
    callbacks: PO_FX_CALLBACKS,
    /// How many components it has.
    pub components: usize,
    /// Protects what changes. A leaf; callbacks are called without it.
    state: SpinLock<State>,
}

struct State {
    device: Device,
    /// Who waits for a change.
    waiting: Vec<Arc<Event>>,
    /// For when the timer is set that is over first.
    due: Option<u64>,
    /// A work item is on its way that calls what is due when it runs. One will do for all.
    queued: bool,
}

// SAFETY: the context is the driver's, which has its callbacks called from any thread.
unsafe impl Send for Registered {}
// SAFETY: as above; what changes is protected by its lock.
unsafe impl Sync for Registered {}

/// The devices, by their handles. Taken before a device's own lock.
static DEVICES: SpinLock<BTreeMap<usize, Arc<Registered>>> = SpinLock::new(BTreeMap::new());

/// Bug check 0xA0.
pub fn violation(code: u64, handle: usize, third: u64, fourth: u64) {
    let parameters = [code, handle as u64, third, fourth];
    bugcheck::bugcheck(code::INTERNAL_POWER_ERROR, parameters);
}

/// The device of a handle. Bug check 0xA0 if there is none.
pub fn of(handle: usize) -> Option<Arc<Registered>> {
    let found = DEVICES.lock().get(&handle).cloned();
    if found.is_none() {
        let status = STATUS_DELETE_PENDING as u32;
        violation(wrong::NOT_REGISTERED, handle, status.into(), 0);
    }
    found
}

/// The first callback that is registered and lies in an image, with its handle.
#[must_use]
pub fn calling_into(image: &Range<u64>) -> Option<(u64, u64)> {
    let devices = DEVICES.lock();
    let mut found = devices.values().filter_map(|device| {
        let callbacks = &device.callbacks;
        let addresses = [
            callbacks
                .ComponentActiveConditionCallback
                .map(|f| f as usize),
            callbacks.ComponentIdleConditionCallback.map(|f| f as usize),
            callbacks.ComponentIdleStateCallback.map(|f| f as usize),
            callbacks.DevicePowerRequiredCallback.map(|f| f as usize),
            callbacks.DevicePowerNotRequiredCallback.map(|f| f as usize),
        ];
        let mut addresses = addresses
            .into_iter()
            .flatten()
            .map(|address| address as u64);
        let address = addresses.find(|address| image.contains(address))?;
        Some((address, device.handle as u64))
    });
    found.next()
}

/// The registration of a device, if it has one.
fn of_pdo(pdo: *mut DEVICE_OBJECT) -> Option<Arc<Registered>> {
    let devices = DEVICES.lock();
    let mut of_it = devices.values().filter(|device| device.pdo == pdo.addr());
    of_it.next().cloned()
}

/// The system is about to sleep: the device's driver is about to be told.
pub fn suspend(pdo: *mut DEVICE_OBJECT) {
    if let Some(device) = of_pdo(pdo) {
        device.change(Device::suspend);
    }
}

/// The system wakes: the device's driver is about to be told.
pub fn resume(pdo: *mut DEVICE_OBJECT) {
    if let Some(device) = of_pdo(pdo) {
        device.change(Device::resume);
    }
}

/// The system has woken: what waited for that goes on. Below DISPATCH_LEVEL.
pub fn resumed(pdo: *mut DEVICE_OBJECT) {
    if let Some(device) = of_pdo(pdo) {
        device.run_later();
    }
}

/// Registers a device; its handle.
pub fn register(pdo: *mut DEVICE_OBJECT, device: Device, callbacks: PO_FX_CALLBACKS) -> usize {
    let components = device.components.len();
    let registered = Arc::new_cyclic(|known: &alloc::sync::Weak<Registered>| Registered {
        handle: known.as_ptr().addr(),
        pdo: pdo.addr(),
        callbacks,
        components,
        state: SpinLock::new(State {
            device,
            waiting: Vec::new(),
            due: None,
            queued: false,
        }),
    });
    let handle = registered.handle;
    let mut devices = DEVICES.lock();
    if devices.values().any(|device| device.pdo == pdo.addr()) {
        drop(devices);
        violation(wrong::REGISTERED_TWICE, pdo.addr(), 0, 0);
        return handle;
    }
    devices.insert(handle, registered);
    handle
}

impl State {
    /// Whether the timer is to be set for this time. One that is set for an earlier time will do:
    /// what is due is asked again then. A device that is used again and again so keeps one timer,
    /// instead of one for each use.
    fn set_timer(&mut self, due: u64) -> bool {
        let is_set = self.due.is_some_and(|set| set <= due);
        if !is_set {
            self.due = Some(due);
        }
        !is_set
    }

    /// A timer is over: the one that was set last, or one before it.
    fn timer_is_over(&mut self, now: u64) {
        self.due = self.due.filter(|&set| set > now);
    }
}

/// Something has changed: who waits for that is told, without the lock.
#[inline]
fn tell_waiting(mut state: SpinGuard<'_, State>) {
    // As a rule nobody waits.
    if !state.waiting.is_empty() {
        let waiting = core::mem::take(&mut state.waiting);
        drop(state);
        for event in waiting {
            event.set();
        }
    }
}

impl Registered {
    /// Changes something.
    pub fn change<T>(&self, change: impl FnOnce(&mut Device) -> T) -> T {
        let mut state = self.state.lock();
        let result = change(&mut state.device);
        tell_waiting(state);
        result
    }

    /// Changes something, and says what is due then, for [`Self::go_on`].
    #[must_use = "what is due is to be called"]
    pub fn begin<T>(&self, change: impl FnOnce(&mut Device) -> T) -> (T, Option<Callback>) {
        let mut state = self.state.lock();
        let result = change(&mut state.device);
        (result, self.next(state, true))
    }

    /// What is due. Whoever waits for a change is told if there was one, and the timer is set if it
    /// is only due later. Gives the lock back.
    fn next(&self, mut state: SpinGuard<'_, State>, changed: bool) -> Option<Callback> {
        let next = state.device.next(time::interrupt_time());
        let changed = state.device.take_changed() || changed;
        let timer = match next {
            Next::Wait(due) => state.set_timer(due).then_some(due),
            Next::Call(_) | Next::Nothing => None,
        };
        if changed {
            tell_waiting(state);
        } else {
            drop(state);
        }
        if let Some(due) = timer {
            let mut lock = dispatcher::lock();
            lock.dispatcher().timers.set_call(due, expired, self.handle);
        }
        match next {
            Next::Call(callback) => Some(callback),
            Next::Wait(_) | Next::Nothing => None,
        }
    }

    /// Changes something that must have been asked for, and calls what is due then.
    pub fn complete(
        self: &Arc<Self>,
        component: u32,
        change: impl FnOnce(&mut Device) -> Result<(), Unasked>,
    ) {
        let (changed, due) = self.begin(change);
        if let Err(operation) = changed {
            violation(
                wrong::NOT_ASKED,
                self.handle,
                component.into(),
                operation as u64,
            );
        }
        self.go_on(due);
    }

    /// Calls callbacks until none is due.
    pub fn run(self: &Arc<Self>) {
        self.go_on(self.next(self.state.lock(), false));
    }

    /// Calls the callback that is due, and those that are due then.
    #[inline]
    pub fn go_on(&self, mut due: Option<Callback>) {
        while let Some(callback) = due {
            // SAFETY: the driver's own callbacks, until it unregisters.
            unsafe { self.call(callback) };
            ((), due) = self.begin(|device| device.ended(callback));
        }
    }

    /// Changes something, and calls in another thread what is due once that runs.
    pub fn change_and_run_later<T>(self: &Arc<Self>, change: impl FnOnce(&mut Device) -> T) -> T {
        let mut state = self.state.lock();
        let result = change(&mut state.device);
        let is_queued = core::mem::replace(&mut state.queued, true);
        tell_waiting(state);
        if !is_queued {
            let this = Arc::clone(self);
            worker::queue(Queue::Critical, move || {
                let mut state = this.state.lock();
                state.queued = false;
                this.go_on(this.next(state, false));
            });
        }
        result
    }

    /// Calls callbacks in another thread until none is due.
    pub fn run_later(self: &Arc<Self>) {
        self.change_and_run_later(|_| ());
    }

    /// Calls callbacks until none is due and this holds. Below DISPATCH_LEVEL.
    pub fn run_until(self: &Arc<Self>, holds: impl Fn(&Device) -> bool) {
        loop {
            self.run();
            let event = Arc::new(Event::notification());
            let mut state = self.state.lock();
            if holds(&state.device) {
                return;
            }
            state.waiting.push(Arc::clone(&event));
            drop(state);
            event.wait();
        }
    }

    /// Takes the registration back. No callback is called any more when it returns. Below
    /// DISPATCH_LEVEL.
    pub fn unregister(self: &Arc<Self>) {
        DEVICES.lock().remove(&self.handle);
        loop {
            let event = Arc::new(Event::notification());
            let mut state = self.state.lock();
            let is_busy = state.device.remove();
            // Nothing that others wait for comes any more.
            let waiting = core::mem::take(&mut state.waiting);
            if is_busy {
                state.waiting.push(Arc::clone(&event));
            }
            drop(state);
            for event in waiting {
                event.set();
            }
            if !is_busy {
                return;
            }
            event.wait();
        }
    }

    /// # Safety
    ///
    /// The driver has not unregistered the device.
    unsafe fn call(&self, callback: Callback) {
        let callbacks = &self.callbacks;
        let context = callbacks.DeviceContext;
        match callback {
            Callback::Active(index) => {
                if let Some(routine) = callbacks.ComponentActiveConditionCallback {
                    // SAFETY: the caller's promise.
                    unsafe { routine(context, index as u32) };
                }
            }
            Callback::Idle(index) => {
                if let Some(routine) = callbacks.ComponentIdleConditionCallback {
                    // SAFETY: the caller's promise.
                    unsafe { routine(context, index as u32) };
                }
            }
            Callback::State(index, state) => {
                if let Some(routine) = callbacks.ComponentIdleStateCallback {
                    // SAFETY: the caller's promise.
                    unsafe { routine(context, index as u32, state) };
                }
            }
            Callback::PowerRequired => {
                if let Some(routine) = callbacks.DevicePowerRequiredCallback {
                    // SAFETY: the caller's promise.
                    unsafe { routine(context) };
                }
            }
            Callback::PowerNotRequired => {
                if let Some(routine) = callbacks.DevicePowerNotRequiredCallback {
                    // SAFETY: the caller's promise.
                    unsafe { routine(context) };
                }
            }
        }
    }
}

/// A device's timeout may be over. DISPATCH_LEVEL.
fn expired(handle: usize) {
    let found = DEVICES.lock().get(&handle).cloned();
    if let Some(device) = found {
        device.state.lock().timer_is_over(time::interrupt_time());
        device.run_later();
    }
}
