//! Time-outs: a timer, a cancellation and a removal may all want the request.

use std::sync::Arc;

use wdk_sys::{
    IRP_MJ_DEVICE_CONTROL, STATUS_CANCELLED, STATUS_IO_TIMEOUT, STATUS_PENDING, STATUS_SUCCESS,
};
use wdm::{
    Status,
    csq::{Csq, Request},
    irp::{Irp, Pending},
    irql::{Dispatch, UpToDispatch},
    timeout::{TimedRequest, Timeout},
};

use crate::{
    TAG,
    device::Stack,
    kernel::{csq::Cancellation, irp::TestIrp, timer::Expired},
    passive,
};

struct Wait {
    _timeout: Timeout<Self>,
}

impl Request for Wait {
    type Context = ();

    fn canceled(self, irp: Irp<Pending>, (): &(), irql: &mut UpToDispatch) {
        irp.complete(Status::CANCELLED, irql);
    }
}

impl TimedRequest for Wait {
    fn timed_out(self, irp: Irp<Pending>, (): &(), irql: &mut Dispatch) {
        irp.complete(Status::IO_TIMEOUT, irql);
    }
}

fn waiting() -> (Stack, Arc<Csq<Wait>>, TestIrp) {
    let queue = Arc::new(Csq::<Wait>::new(TAG, (), &passive()).unwrap());
    let stack = Stack::new();
    let inserts = Arc::downgrade(&queue);
    stack.act(move |_, irp, irql| {
        let queue = inserts.upgrade().unwrap();
        let (timeout, arm) = Timeout::new(TAG, &queue, irql).unwrap();
        let request = Wait { _timeout: timeout };
        match queue.insert_with_timeout(irp, request, arm, 10, irql) {
            Ok(dispatched) => dispatched,
            Err(refused) => {
                refused.irp.complete(refused.status, irql);
                refused.dispatched
            }
        }
    });
    let irp = TestIrp::new(IRP_MJ_DEVICE_CONTROL, 0, |_| {});
    assert_eq!(irp.send(stack.device), STATUS_PENDING);
    (stack, queue, irp)
}

/// Timers are all in one queue here, so what concerns it is one test.
#[test]
fn exactly_one_gets_the_request() {
    // The timer.
    let (stack, queue, irp) = waiting();
    Expired::next().unwrap().run();
    assert_eq!(irp.ended(), Some((STATUS_IO_TIMEOUT, 0)));
    assert!(queue.remove_next(&passive()).is_none());
    stack.remove();

    // A thread that removes it, before the timer.
    let (stack, queue, irp) = waiting();
    let (removed, request) = queue.remove_next(&passive()).unwrap();
    drop(request);
    assert!(Expired::next().is_none());
    removed.complete(Status::SUCCESS, &passive());
    assert_eq!(irp.ended(), Some((STATUS_SUCCESS, 0)));
    stack.remove();

    // A thread that removes it, with the timer's DPC queued: it finds nothing, even with the queue gone.
    let (stack, queue, irp) = waiting();
    let expired = Expired::next().unwrap();
    let (removed, request) = queue.remove_next(&passive()).unwrap();
    drop(request);
    removed.complete(Status::SUCCESS, &passive());
    drop(queue);
    stack.remove();
    expired.run();
    assert_eq!(irp.ended(), Some((STATUS_SUCCESS, 0)));

    // A cancellation, with the timer's DPC queued.
    let (stack, queue, irp) = waiting();
    let expired = Expired::next().unwrap();
    let cancellation = Cancellation::begin(&irp).unwrap();
    expired.run();
    assert_eq!(irp.ended(), None);
    drop(queue);
    cancellation.finish();
    assert_eq!(irp.ended(), Some((STATUS_CANCELLED, 0)));
    stack.remove();
}
