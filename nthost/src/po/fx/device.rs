//! What the framework has a device's driver do next: from the state that all is in follows which
//! callback is due, whatever led to it.

use alloc::vec::Vec;

use super::component::{Component, Condition};

/// A callback of the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callback {
    /// ComponentActiveConditionCallback.
    Active(usize),
    /// ComponentIdleConditionCallback.
    Idle(usize),
    /// ComponentIdleStateCallback.
    State(usize, u32),
    /// DevicePowerRequiredCallback.
    PowerRequired,
    /// DevicePowerNotRequiredCallback.
    PowerNotRequired,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A callback, of whose end [`Device::ended`] is told.
    Call(Callback),
    /// Nothing, before this time.
    Wait(u64),
    /// Nothing, before something changes.
    Nothing,
}

/// Which callbacks there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Has {
    /// ComponentActiveConditionCallback.
    pub active: bool,
    /// ComponentIdleConditionCallback.
    pub idle: bool,
    /// Both of the device's own.
    pub power: bool,
}

/// Where a registration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Registered,
    /// Power management has started.
    Started,
    /// Nothing is called any more.
    Removed,
}

/// Whether the device is on, as the framework knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Power {
    On,
    /// The driver was told that it need not be, and has not answered.
    Leaving,
    NotRequired,
    /// The driver was told that it must be, and has not said that it is.
    Required,
}

/// What a driver says is done that nobody asked for: the numbers of bug check 0xA0, code 0x613.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unasked {
    /// PoFxCompleteDevicePowerNotRequired.
    NotRequired = 0,
    /// PoFxReportDevicePoweredOn.
    PoweredOn = 1,
    /// PoFxCompleteIdleCondition.
    IdleCondition = 2,
    /// PoFxCompleteIdleState.
    IdleState = 3,
}

/// What comes of a reference to a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Referred {
    /// It has as many as there can be.
    TooOften,
    /// It was not active, or not any more.
    Inactive,
    /// It was active.
    Active,
    /// It was active, and so was the device: nothing is to be called for it.
    NothingDue,
}

/// A device.
#[derive(Debug)]
pub struct Device {
    /// Its components.
    pub components: Vec<Component>,
    has: Has,
    stage: Stage,
    power: Power,
    /// A callback about the device is being called.
    busy: bool,
    /// The system sleeps: its devices' power is the system's affair.
    asleep: bool,
    /// How often the system has woken since the driver last said that the device is on: it says so
    /// after each time, though it was not told to power it up.
    resuming: u32,
    /// For so long all components are idle before the device need not be on.
    timeout: u64,
    /// Since when they are.
    idle_since: Option<u64>,
    /// That was long enough.
    leaving: bool,
    /// How many conditions have changed without a callback, since that was asked.
    silent: u64,
}

impl Device {
    /// A device that is on, with its components active.
    #[must_use]
    pub const fn new(components: Vec<Component>, has: Has) -> Self {
        Self {
            components,
            has,
            stage: Stage::Registered,
            power: Power::On,
            busy: false,
            asleep: false,
            resuming: 0,
            timeout: 0,
            idle_since: None,
            leaving: false,
            silent: 0,
        }
    }

    /// Somebody uses a component, or a component that needs it is not idle yet.
    fn is_wanted(&self, index: usize) -> bool {
        let needs = |(other, component): (usize, &Component)| {
            component.providers.contains(&index)
                && (component.condition != Condition::Idle || self.is_wanted(other))
        };
        self.components[index].references > 0 || self.components.iter().enumerate().any(needs)
    }

    /// What is due at this time.
    pub fn next(&mut self, now: u64) -> Next {
        if self.stage == Stage::Removed {
            return Next::Nothing;
        }
        let due = self.next_of_components();
        due.map_or_else(|| self.next_of_device(now), Next::Call)
    }

    /// What is due of the components. A change without a callback may be what another waits for.
    fn next_of_components(&mut self) -> Option<Callback> {
        loop {
            let before = self.silent;
            let due = (0..self.components.len()).find_map(|index| self.next_of(index));
            if due.is_some() || self.silent == before {
                return due;
            }
        }
    }

    /// Whether a component's condition has changed without a callback since the last time.
    pub const fn take_changed(&mut self) -> bool {
        core::mem::replace(&mut self.silent, 0) > 0
    }

    fn next_of(&mut self, index: usize) -> Option<Callback> {
        let component = &self.components[index];
        if component.busy || component.changing.is_some() {
            return None;
        }
        let wanted = self.is_wanted(index);
        match component.condition {
            Condition::Active if self.is_started() && !wanted => self.idle(index),
            Condition::Idle if self.power == Power::On && wanted => {
                let ready = |&provider: &usize| {
                    let provider = &self.components[provider];
                    provider.condition == Condition::Active && !provider.busy
                };
                if !component.providers.iter().all(ready) {
                    None
                } else if component.state != 0 {
                    Some(self.change(index, 0))
                } else {
                    self.activate(index)
                }
            }
            Condition::Idle if self.power == Power::On => {
                let leaving = component.on_in_dx && self.leaving;
                let state = if leaving { 0 } else { component.deepest() };
                // From one state of less power to another the way leads through F0.
                let step = if component.state == 0 { state } else { 0 };
                (component.state != state).then(|| self.change(index, step))
            }
            _ => None,
        }
    }

    fn idle(&mut self, index: usize) -> Option<Callback> {
        let component = &mut self.components[index];
        if !self.has.idle {
            component.condition = Condition::Idle;
            self.silent += 1;
            return self.next_of(index);
        }
        component.condition = Condition::Idling;
        component.busy = true;
        Some(Callback::Idle(index))
    }

    fn activate(&mut self, index: usize) -> Option<Callback> {
        let component = &mut self.components[index];
        component.condition = Condition::Active;
        component.busy = self.has.active;
        self.silent += u64::from(!self.has.active);
        self.has.active.then_some(Callback::Active(index))
    }

    fn change(&mut self, index: usize, state: u32) -> Callback {
        // Registration has seen to it that there is a callback if there are states.
        let component = &mut self.components[index];
        component.changing = Some(state);
        component.busy = true;
        Callback::State(index, state)
    }

    fn next_of_device(&mut self, now: u64) -> Next {
        let wanted = (0..self.components.len()).any(|index| self.is_wanted(index));
        let idle = |component: &Component| component.condition == Condition::Idle;
        if self.busy || self.asleep || !self.has.power || !self.is_started() {
            return Next::Nothing;
        }
        match self.power {
            Power::On if wanted || !self.components.iter().all(idle) => {
                self.idle_since = None;
                self.leaving = false;
                Next::Nothing
            }
            Power::On => {
                let since = *self.idle_since.get_or_insert(now);
                let due = since.saturating_add(self.timeout);
                if now < due {
                    Next::Wait(due)
                } else if !self.leaving {
                    self.leaving = true;
                    // Components that are on while the device is not, come first.
                    self.next(now)
                } else if !self.components.iter().all(Component::rests) {
                    Next::Nothing
                } else {
                    self.call_device(Power::Leaving, Callback::PowerNotRequired)
                }
            }
            Power::NotRequired if wanted => {
                self.call_device(Power::Required, Callback::PowerRequired)
            }
            Power::NotRequired | Power::Leaving | Power::Required => Next::Nothing,
        }
    }

    const fn call_device(&mut self, power: Power, callback: Callback) -> Next {
        self.power = power;
        self.busy = true;
        Next::Call(callback)
    }

    /// A component has one reference more.
    pub fn refer(&mut self, index: usize) -> Referred {
        let component = &mut self.components[index];
        let Some(references) = component.references.checked_add(1) else {
            return Referred::TooOften;
        };
        component.references = references;
        match component.condition {
            // Nothing is due that was not due before: what it needs is active too.
            Condition::Active if self.power == Power::On => Referred::NothingDue,
            Condition::Active => Referred::Active,
            Condition::Idling | Condition::Idle => Referred::Inactive,
        }
    }

    /// A callback has returned.
    pub fn ended(&mut self, callback: Callback) {
        match callback {
            Callback::Active(index) | Callback::Idle(index) | Callback::State(index, _) => {
                self.components[index].busy = false;
            }
            Callback::PowerRequired | Callback::PowerNotRequired => self.busy = false,
        }
    }

    /// PoFxStartDevicePowerManagement.
    pub fn start(&mut self) {
        self.stage = Stage::Started;
    }

    /// Whether power management has started.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.stage == Stage::Started
    }

    /// PoFxUnregisterDevice: nothing is due any more. Whether callbacks are still being called.
    pub fn remove(&mut self) -> bool {
        self.stage = Stage::Removed;
        self.busy || self.components.iter().any(|component| component.busy)
    }

    /// The system is about to sleep.
    pub const fn suspend(&mut self) {
        self.asleep = true;
        self.idle_since = None;
        self.leaving = false;
    }

    /// The system wakes.
    pub const fn resume(&mut self) {
        self.asleep = false;
        self.resuming = self.resuming.saturating_add(1);
    }

    /// PoFxSetDeviceIdleTimeout.
    pub const fn set_timeout(&mut self, timeout: u64) {
        self.timeout = timeout;
    }

    /// PoFxCompleteIdleCondition.
    ///
    /// # Errors
    ///
    /// [`Unasked`].
    pub fn complete_idle(&mut self, index: usize) -> Result<(), Unasked> {
        let component = &mut self.components[index];
        if component.condition != Condition::Idling {
            return Err(Unasked::IdleCondition);
        }
        component.condition = Condition::Idle;
        Ok(())
    }

    /// PoFxCompleteIdleState.
    ///
    /// # Errors
    ///
    /// [`Unasked`].
    pub fn complete_state(&mut self, index: usize) -> Result<(), Unasked> {
        let component = &mut self.components[index];
        component.state = component.changing.take().ok_or(Unasked::IdleState)?;
        Ok(())
    }

    /// PoFxCompleteDevicePowerNotRequired.
    ///
    /// # Errors
    ///
    /// [`Unasked`].
    pub fn complete_not_required(&mut self) -> Result<(), Unasked> {
        if self.power != Power::Leaving {
            return Err(Unasked::NotRequired);
        }
        self.power = Power::NotRequired;
        self.idle_since = None;
        self.leaving = false;
        Ok(())
    }

    /// PoFxReportDevicePoweredOn.
    ///
    /// # Errors
    ///
    /// [`Unasked`].
    pub fn powered_on(&mut self) -> Result<(), Unasked> {
        // The driver reports after each of both, the callback and the system's power request.
        if self.power == Power::Required {
            self.power = Power::On;
            return Ok(());
        }
        self.resuming = self.resuming.checked_sub(1).ok_or(Unasked::PoweredOn)?;
        if self.power == Power::NotRequired {
            self.power = Power::On;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
