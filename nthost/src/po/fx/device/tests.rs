//! The order of callbacks.

use alloc::{vec, vec::Vec};

use proptest::prelude::*;

use super::*;
use crate::po::fx::component::IdleState;

const ALL: Has = Has {
    active: true,
    idle: true,
    power: true,
};

fn component(states: usize, providers: &[usize]) -> Component {
    let states = (0..states as u64).map(|number| IdleState {
        latency: number * 10,
        residency: number * 100,
    });
    Component::new(states.collect(), 0, providers.to_vec(), false).unwrap()
}

fn device(components: Vec<Component>) -> Device {
    let mut device = Device::new(components, ALL);
    device.start();
    device
}

/// Calls what is due and answers it at once, until nothing is.
fn run(device: &mut Device, now: u64) -> Vec<Callback> {
    let mut called = Vec::new();
    while let Next::Call(callback) = device.next(now) {
        called.push(callback);
        device.ended(callback);
        match callback {
            Callback::Idle(index) => device.complete_idle(index).unwrap(),
            Callback::State(index, _) => device.complete_state(index).unwrap(),
            Callback::PowerNotRequired => device.complete_not_required().unwrap(),
            Callback::PowerRequired => device.powered_on().unwrap(),
            Callback::Active(_) => {}
        }
    }
    called
}

use Callback::{Active, Idle, PowerNotRequired, PowerRequired, State};

#[test]
fn nothing_happens_before_power_management_starts() {
    let mut device = Device::new(vec![component(3, &[])], ALL);
    assert_eq!(run(&mut device, 0), []);
    device.start();
    assert_eq!(
        run(&mut device, 0),
        [Idle(0), State(0, 2), PowerNotRequired]
    );
}

#[test]
fn a_component_is_on_before_it_is_active_and_the_device_before_that() {
    let mut device = device(vec![component(2, &[]), component(1, &[])]);
    device.components[1].references = 1;
    assert_eq!(run(&mut device, 0), [Idle(0), State(0, 1)]);
    device.components[1].references = 0;
    assert_eq!(run(&mut device, 0), [Idle(1), PowerNotRequired]);
    device.components[0].references = 1;
    assert_eq!(run(&mut device, 0), [PowerRequired, State(0, 0), Active(0)]);
}

#[test]
fn a_reference_to_what_is_active_leaves_nothing_to_call() {
    let mut device = device(vec![component(1, &[]), component(1, &[0])]);
    device.components[1].references = 1;
    assert_eq!(
        run(&mut device, 0),
        [],
        "what it needs stays active with it"
    );
    assert_eq!(device.refer(1), Referred::NothingDue);
    assert_eq!(device.refer(0), Referred::NothingDue);
    assert_eq!(run(&mut device, 0), []);
    device.components[0].references = 0;
    device.components[1].references = 0;
    assert_eq!(run(&mut device, 0), [Idle(1), Idle(0), PowerNotRequired]);
    assert_eq!(device.refer(1), Referred::Inactive);
    assert_eq!(run(&mut device, 0), [PowerRequired, Active(0), Active(1)]);
}

#[test]
fn a_reference_is_refused_where_there_are_too_many() {
    let mut device = device(vec![component(1, &[])]);
    device.components[0].references = u32::MAX;
    assert_eq!(device.refer(0), Referred::TooOften);
}

#[test]
fn between_two_low_states_lies_f0() {
    let mut device = device(vec![component(3, &[])]);
    device.set_timeout(1000);
    assert_eq!(run(&mut device, 0), [Idle(0), State(0, 2)]);
    device.components[0].tolerable = 10;
    assert_eq!(run(&mut device, 0), [State(0, 0), State(0, 1)]);
}

#[test]
fn a_device_stays_on_for_its_timeout() {
    let mut device = device(vec![component(1, &[])]);
    device.set_timeout(50);
    assert_eq!(run(&mut device, 100), [Idle(0)]);
    assert_eq!(device.next(120), Next::Wait(150));
    device.components[0].references = 1;
    assert_eq!(run(&mut device, 130), [Active(0)]);
    device.components[0].references = 0;
    assert_eq!(run(&mut device, 140), [Idle(0)]);
    assert_eq!(run(&mut device, 189), []);
    assert_eq!(run(&mut device, 190), [PowerNotRequired]);
}

#[test]
fn providers_are_active_as_long_as_they_are_needed() {
    let mut device = device(vec![component(1, &[1]), component(1, &[])]);
    assert_eq!(run(&mut device, 0), [Idle(0), Idle(1), PowerNotRequired]);
    device.components[0].references = 1;
    assert_eq!(run(&mut device, 0), [PowerRequired, Active(1), Active(0)]);
    device.components[0].references = 0;
    assert_eq!(run(&mut device, 0), [Idle(0), Idle(1), PowerNotRequired]);
}

#[test]
fn a_component_that_is_on_in_dx_is_so_before_the_device_need_not_be() {
    let mut component = component(2, &[]);
    component.on_in_dx = true;
    component.state = 1;
    component.condition = Condition::Idle;
    let mut device = device(vec![component]);
    assert_eq!(run(&mut device, 0), [State(0, 0), PowerNotRequired]);
}

#[test]
fn what_was_not_asked_for_cannot_be_done() {
    let mut device = device(vec![component(2, &[])]);
    assert_eq!(device.complete_idle(0), Err(Unasked::IdleCondition));
    assert_eq!(device.complete_state(0), Err(Unasked::IdleState));
    assert_eq!(device.complete_not_required(), Err(Unasked::NotRequired));
    assert_eq!(device.powered_on(), Err(Unasked::PoweredOn));
    device.resume();
    assert_eq!(device.powered_on(), Ok(()));
    assert_eq!(device.powered_on(), Err(Unasked::PoweredOn));
}

#[test]
fn the_callback_and_the_wake_up_are_each_reported() {
    let mut device = device(vec![component(1, &[])]);
    assert_eq!(run(&mut device, 0), [Idle(0), PowerNotRequired]);
    device.resume();
    device.components[0].references = 1;
    assert_eq!(device.next(0), Next::Call(PowerRequired));
    device.ended(PowerRequired);
    assert_eq!(device.powered_on(), Ok(()));
    assert_eq!(device.powered_on(), Ok(()));
    assert_eq!(device.powered_on(), Err(Unasked::PoweredOn));
    assert_eq!(run(&mut device, 0), [Active(0)]);
}

#[test]
fn without_callbacks_all_changes_are_made_at_once_and_told() {
    let has = Has {
        active: false,
        idle: false,
        power: false,
    };
    for (user, provider) in [(0, 1), (1, 0)] {
        let mut components = vec![component(1, &[]), component(1, &[])];
        components[user].providers = vec![provider];
        let mut device = Device::new(components, has);
        device.start();
        let conditions = |device: &Device| {
            let components = device.components.iter();
            components
                .map(|component| component.condition)
                .collect::<Vec<_>>()
        };
        assert_eq!(device.next(0), Next::Nothing);
        assert_eq!(conditions(&device), [Condition::Idle; 2]);
        assert!(device.take_changed());
        device.components[user].references = 1;
        assert_eq!(device.next(0), Next::Nothing);
        assert_eq!(conditions(&device), [Condition::Active; 2]);
        assert_eq!(device.next(0), Next::Nothing);
        assert!(device.take_changed(), "though it was looked at again");
        assert!(!device.take_changed());
    }
}

#[test]
fn nothing_is_due_while_the_driver_has_not_answered() {
    let mut device = device(vec![component(2, &[])]);
    assert_eq!(device.next(0), Next::Call(Idle(0)));
    assert_eq!(device.next(0), Next::Nothing);
    device.ended(Idle(0));
    device.components[0].references = 1;
    assert_eq!(device.next(0), Next::Nothing);
    device.complete_idle(0).unwrap();
    assert_eq!(device.next(0), Next::Call(Active(0)));
    assert!(device.remove());
    device.ended(Active(0));
    device.components[0].references = 0;
    assert_eq!(device.next(0), Next::Nothing);
}

proptest! {
    /// Whatever is activated and given up: it comes to rest with those active that are wanted,
    /// and no callback breaks the rules of its page.
    #[test]
    fn callbacks_keep_their_rules(
        changes in proptest::collection::vec((0_usize..3, any::<bool>()), 1..30),
    ) {
        let mut device = device(vec![component(3, &[2]), component(1, &[]), component(2, &[])]);
        let mut on = true;
        let mut states = [0_u32; 3];
        let mut active = [true; 3];
        for (index, up) in changes {
            let references = &mut device.components[index].references;
            *references = if up { *references + 1 } else { references.saturating_sub(1) };
            for callback in run(&mut device, 0) {
                match callback {
                    Active(index) => {
                        prop_assert!(on && !active[index] && states[index] == 0);
                        prop_assert!(index != 0 || active[2], "its provider is not active");
                        active[index] = true;
                    }
                    Idle(index) => {
                        prop_assert!(active[index]);
                        prop_assert!(index != 2 || !active[0], "it is needed");
                        active[index] = false;
                    }
                    State(index, state) => {
                        prop_assert!(on && !active[index]);
                        prop_assert!(states[index] != state);
                        prop_assert!(states[index] == 0 || state == 0);
                        states[index] = state;
                    }
                    PowerRequired => {
                        prop_assert!(!on);
                        on = true;
                    }
                    PowerNotRequired => {
                        prop_assert!(on && active == [false; 3]);
                        on = false;
                    }
                }
            }
            let used = |index: usize| device.components[index].references > 0;
            prop_assert_eq!(active, [used(0), used(1), used(2) || used(0)]);
            prop_assert_eq!(on, active != [false; 3]);
        }
    }
}

#[test]
fn while_the_system_sleeps_no_power_is_asked_for_or_given_up() {
    let mut device = device(vec![component(1, &[])]);
    assert_eq!(run(&mut device, 0), [Idle(0), PowerNotRequired]);
    device.suspend();
    device.components[0].references = 1;
    assert_eq!(run(&mut device, 0), []);
    // The driver powers it up with the system, and says so.
    device.resume();
    device.powered_on().unwrap();
    assert_eq!(run(&mut device, 0), [Active(0)]);
    device.suspend();
    device.components[0].references = 0;
    assert_eq!(run(&mut device, 0), [Idle(0)]);
    device.resume();
    device.powered_on().unwrap();
    assert_eq!(run(&mut device, 0), [PowerNotRequired]);
}
