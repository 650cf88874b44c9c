//! A component: its condition, its state, and which state it is to be in.

use alloc::vec::Vec;

/// What a driver says of a state (ns-wdm-_po_fx_component_idle_state), in units of 100 ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdleState {
    /// The way back to F0 takes so long.
    pub latency: u64,
    /// It is worthwhile for as long at least.
    pub residency: u64,
}

/// Whether a driver may use a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It may.
    Active,
    /// The driver was told that it is idle, and has not said yet that it is done with it.
    Idling,
    /// It may not.
    Idle,
}

/// A component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// F0 and the others, by their number.
    states: Vec<IdleState>,
    /// The deepest state from which it can wake.
    wakeable: u32,
    /// It is in F0 while the device is not on.
    pub on_in_dx: bool,
    /// The components that it needs.
    pub providers: Vec<usize>,
    /// Activations that were not taken back.
    pub references: u32,
    /// Whether it may be used.
    pub condition: Condition,
    /// The number of its state.
    pub state: u32,
    /// The state that the driver was told to put it into, and has not said that it is in.
    pub changing: Option<u32>,
    /// A callback about it is being called.
    pub busy: bool,
    /// The longest way back that is tolerable.
    pub tolerable: u64,
    /// How long it stays idle.
    pub idle_time: u64,
    /// It is to wake.
    pub wakes: bool,
}

/// What is wrong with how a driver describes a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid;

impl Component {
    /// A component that is on and active.
    ///
    /// # Errors
    ///
    /// [`Invalid`] without states, or if it wakes from a state that it does not have.
    pub fn new(
        states: Vec<IdleState>,
        wakeable: u32,
        providers: Vec<usize>,
        on_in_dx: bool,
    ) -> Result<Self, Invalid> {
        let first = states.first().ok_or(Invalid)?;
        if *first != IdleState::default() || wakeable as usize >= states.len() {
            return Err(Invalid);
        }
        Ok(Self {
            states,
            wakeable,
            on_in_dx,
            providers,
            references: 0,
            condition: Condition::Active,
            state: 0,
            changing: None,
            busy: false,
            tolerable: u64::MAX,
            idle_time: u64::MAX,
            wakes: false,
        })
    }

    /// Whether it has other states than F0.
    #[must_use]
    pub const fn has_states(&self) -> bool {
        self.states.len() > 1
    }

    /// The deepest state that it may be in while it is idle.
    #[must_use]
    pub fn deepest(&self) -> u32 {
        let fits = |&number: &u32| {
            let IdleState { latency, residency } = self.states[number as usize];
            let too_deep = self.wakes && number > self.wakeable;
            !too_deep && latency <= self.tolerable && residency <= self.idle_time
        };
        (0..self.states.len() as u32).rev().find(fits).unwrap_or(0)
    }

    /// It is idle, and nothing is under way.
    #[must_use]
    pub fn rests(&self) -> bool {
        self.condition == Condition::Idle && self.changing.is_none() && !self.busy
    }
}

/// Whether the components that others need make an order: each is there, is needed once by
/// another at most, and no way from one to another is longer than four or comes back.
#[must_use]
pub fn make_an_order(components: &[Component]) -> bool {
    fn reaches(components: &[Component], from: usize, left: u32) -> bool {
        let providers = &components[from].providers;
        let once = |&provider: &usize| {
            let same = providers.iter().filter(|&&other| other == provider);
            same.count() == 1 && provider < components.len()
        };
        providers.iter().all(once)
            && (providers.is_empty()
                || left > 0
                    && providers
                        .iter()
                        .all(|&provider| reaches(components, provider, left - 1)))
    }
    (0..components.len()).all(|from| reaches(components, from, 4))
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn states() -> Vec<IdleState> {
        let state = |latency, residency| IdleState { latency, residency };
        vec![state(0, 0), state(10, 100), state(20, 200)]
    }

    #[test]
    fn the_deepest_state_is_what_all_hints_allow() {
        let mut component = Component::new(states(), 1, Vec::new(), false).unwrap();
        assert_eq!(component.deepest(), 2);
        component.tolerable = 19;
        assert_eq!(component.deepest(), 1);
        component.idle_time = 99;
        assert_eq!(component.deepest(), 0);
        (component.tolerable, component.idle_time) = (u64::MAX, u64::MAX);
        component.wakes = true;
        assert_eq!(component.deepest(), 1);
    }

    #[test]
    fn descriptions_that_make_no_sense_are_refused() {
        let new = |states, wakeable| Component::new(states, wakeable, Vec::new(), false);
        assert!(new(Vec::new(), 0).is_err());
        assert!(new(states(), 3).is_err());
        assert!(new(states().split_off(1), 0).is_err());
    }

    #[test]
    fn providers_make_an_order() {
        let with = |providers: &[&[usize]]| {
            let made = providers
                .iter()
                .map(|providers| Component::new(states(), 0, providers.to_vec(), false).unwrap());
            make_an_order(&made.collect::<Vec<_>>())
        };
        assert!(with(&[&[], &[0], &[0, 1]]));
        assert!(!with(&[&[1], &[0]]), "a circle");
        assert!(!with(&[&[], &[0, 0]]), "twice the same");
        assert!(!with(&[&[1]]), "one that is not there");
        assert!(with(&[&[], &[0], &[1], &[2], &[3]]), "four steps");
        assert!(!with(&[&[], &[0], &[1], &[2], &[3], &[4]]), "five steps");
    }
}
