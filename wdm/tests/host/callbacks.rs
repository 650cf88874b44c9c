//! Routines that complete the IRP they were given and go on with the device: it stays until they
//! are done, though a removal has begun.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use wdk_sys::{IRP_MJ_POWER, STATUS_PENDING, STATUS_SUCCESS};
use wdm::{
    Status,
    device::Fdo,
    irp::{CompletionRoutine, Irp, Pending},
    irql::{Passive, UpToDispatch},
    workitem::IrpWorkItem,
};

use crate::{
    TAG,
    device::{Left, Stack, Tested},
    kernel::{irp::TestIrp, work},
};

/// Lets a removal go ahead, if it would.
fn let_others_run() {
    for _ in 0..100 {
        thread::yield_now();
    }
}

static REMOVING: AtomicBool = AtomicBool::new(false);

struct CompletesAndGoesOn;

impl CompletionRoutine<Tested> for CompletesAndGoesOn {
    fn completed(device: &Fdo<Tested>, irp: Irp<Pending>, irql: &mut UpToDispatch) {
        // The dispatch routine is still in the call that led here, and holds the device as well:
        // so the removal is only let in behind it, by the work item below.
        irp.complete_as_is(irql);
        let_others_run();
        assert!(device.own.load(Ordering::Relaxed));
    }
}

#[test]
fn a_completion_routine_may_go_on_with_the_device() {
    let stack = Stack::new();
    stack.act(|device, irp, irql| {
        irp.forward_with_completion::<_, CompletesAndGoesOn>(device, irql)
    });
    let irp = TestIrp::new(IRP_MJ_POWER, 0, |_| {});
    assert_eq!(irp.send(stack.device), STATUS_PENDING);
    assert_eq!(irp.ended(), Some((STATUS_SUCCESS, 0)));
    stack.remove();
}

#[test]
fn a_work_item_may_go_on_with_the_device() {
    fn routine(device: &Fdo<Tested>, irp: Irp<Pending>, irql: &mut Passive) {
        irp.complete(Status::SUCCESS, irql);
        // The removal is on its way by now, or never.
        while !REMOVING.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        let_others_run();
        assert!(device.own.load(Ordering::Relaxed));
    }
    static PENDING: Left<Irp<Pending>> = Left::new();

    let stack = Arc::new(Stack::new());
    stack.act(|_, irp, _| {
        let (irp, dispatched) = irp.pend();
        PENDING.put(irp);
        dispatched
    });
    let irp = TestIrp::new(IRP_MJ_POWER, 0, |_| {});
    assert_eq!(irp.send(stack.device), STATUS_PENDING);
    let item = IrpWorkItem::new(TAG, stack.fdo(), routine, &crate::passive()).unwrap();
    assert!(item.queue(PENDING.take(), &crate::passive()).is_ok());
    drop(item);
    let worker = thread::spawn(|| assert!(work::run_next()));
    while irp.ended().is_none() {
        thread::yield_now();
    }
    REMOVING.store(true, Ordering::Relaxed);
    stack.remove();
    worker.join().unwrap();
}

#[test]
fn a_request_of_another_device_is_refused() {
    static PENDING: Left<Irp<Pending>> = Left::new();
    fn routine(_: &Fdo<Tested>, _: Irp<Pending>, _: &mut Passive) {
        unreachable!();
    }

    let (stack, other) = (Stack::new(), Arc::new(Stack::new()));
    let device = other.clone();
    stack.act(move |_, irp, irql| match irp.major() {
        0 => {
            let (irp, dispatched) = irp.pend();
            PENDING.put(irp);
            dispatched
        }
        _ => irp.forward_with_completion::<_, CompletesAndGoesOn>(device.fdo(), irql),
    });
    let irp = TestIrp::new(IRP_MJ_POWER, 0, |_| {});
    irp.send(stack.device);
    assert_eq!(
        irp.ended(),
        Some((Status::INVALID_DEVICE_REQUEST.to_raw(), 0))
    );

    let irp = TestIrp::new(0, 0, |_| {});
    irp.send(stack.device);
    let item = IrpWorkItem::new(TAG, other.fdo(), routine, &crate::passive()).unwrap();
    let refused = item.queue(PENDING.take(), &crate::passive()).unwrap_err();
    refused.complete(Status::UNSUCCESSFUL, &crate::passive());
    drop(item);
    stack.remove();
    other.remove();
}
