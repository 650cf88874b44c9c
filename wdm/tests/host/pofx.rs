//! The power management framework is answered once for each time that it asks, and a component is
//! idle for it only when nobody uses it.

use std::sync::atomic::{AtomicU32, Ordering};

use wdm::{
    device::Fdo,
    irql::UpToDispatch,
    pofx::{Framework, PowerManaged, PoweredOn},
};

use crate::{
    TAG,
    device::{Left, Stack, Tested},
    kernel::pofx,
};

static REPORT: Left<PoweredOn> = Left::new();
static CALLED: AtomicU32 = AtomicU32::new(0);

impl PowerManaged for Tested {
    fn component_active(device: &Fdo<Self>, _irql: &mut UpToDispatch) {
        assert!(device.own.load(Ordering::Relaxed));
        CALLED.fetch_add(1, Ordering::Relaxed);
    }

    fn power_required(device: &Fdo<Self>, report: PoweredOn, _irql: &mut UpToDispatch) {
        assert!(device.own.load(Ordering::Relaxed));
        REPORT.put(report);
    }

    fn power_not_required(device: &Fdo<Self>, _irql: &mut UpToDispatch) {
        assert!(device.own.load(Ordering::Relaxed));
        CALLED.fetch_add(1, Ordering::Relaxed);
    }
}

fn count(counter: &AtomicU32) -> u32 {
    counter.load(Ordering::SeqCst)
}

// One test: what is called is counted for all devices.
#[test]
fn the_framework_is_answered_once_and_a_removed_device_not_called() {
    let stack = Stack::new();
    let mut irql = crate::passive();
    let framework = Framework::new(TAG, &irql).unwrap();
    let component = framework.component();

    // Without a registration, everybody may use it, and nobody is told.
    let used = component.enter();
    assert!(used.is_some() && !component.is_idling());
    drop(used);
    drop(component.system_works());
    let activated = component.activate(&irql);
    component.idle(activated, &irql);
    drop(component.activate_and_wait(&mut irql));

    framework.register(stack.fdo(), 100, &irql).unwrap();
    assert!(framework.register(stack.fdo(), 100, &irql).is_err());
    let known = pofx::last();
    framework.start(&irql);
    let activated = component.activate(&irql);
    let active = component.activate_and_wait(&mut irql);
    assert_eq!(known.activations.load(Ordering::SeqCst), 2);
    component.idle(activated, &irql);
    drop(active);
    assert_eq!(known.activations.load(Ordering::SeqCst), 0);

    // Idle while two use it: the last of them answers, and nobody else may from then on.
    let uses = (component.enter().unwrap(), component.enter().unwrap());
    known.call_idle();
    assert!(component.is_idling() && component.enter().is_none());
    drop(uses.0);
    assert_eq!(count(&known.idle), 0);
    drop(uses.1);
    assert_eq!(count(&known.idle), 1);
    assert!(component.enter().is_none());
    known.call_active();
    assert_eq!(count(&CALLED), 1);
    drop(component.enter().unwrap());
    // And while nobody does: at once.
    known.call_idle();
    assert_eq!(count(&known.idle), 2);
    known.call_active();

    known.call_not_required();
    assert_eq!((count(&CALLED), count(&known.not_required)), (3, 1));
    known.call_required();
    assert_eq!(count(&known.powered_on), 0);
    drop(REPORT.take());
    assert_eq!(count(&known.powered_on), 1);

    // The device is removed, and its driver not called any more: the framework is answered.
    stack.remove();
    known.call_active();
    known.call_required();
    known.call_not_required();
    assert_eq!(count(&CALLED), 3);
    assert_eq!(
        (count(&known.powered_on), count(&known.not_required)),
        (2, 2)
    );

    // Dropped, it is unregistered: the stand-in knows who calls it then.
    let late = component.system_works();
    drop(framework);
    drop(late);
    let activated = component.activate(&irql);
    component.idle(activated, &irql);
    drop(component.enter().unwrap());
}
