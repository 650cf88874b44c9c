//! Cancel-safe queues: code that removes an IRP from one gets it whole, and a queue is there for as
//! long as somebody is on the way to it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use wdk_sys::{IRP_MJ_DEVICE_CONTROL, STATUS_CANCELLED, STATUS_PENDING, STATUS_SUCCESS};
use wdm::{
    Status,
    csq::{Csq, Request},
    irp::{Irp, Pending},
    irql::UpToDispatch,
    pool::Shared,
};

use crate::{
    TAG,
    device::Stack,
    kernel::{csq::Cancellation, irp::TestIrp},
    passive,
};

/// A request with a number, and something in pool.
struct Numbered(
    usize,
    #[expect(dead_code, reason = "to be dropped")] Shared<AtomicUsize>,
);

/// What its queue shares.
struct Canceled(Shared<AtomicUsize>);

impl Request for Numbered {
    type Context = Canceled;

    fn canceled(self, irp: Irp<Pending>, context: &Canceled, irql: &mut UpToDispatch) {
        irp.complete(Status::CANCELLED, irql);
        // With the IRP completed, the queue is what keeps this.
        context.0.fetch_add(self.0, Ordering::Relaxed);
    }
}

struct Queue {
    stack: Stack,
    queue: Arc<Csq<Numbered>>,
    canceled: Shared<AtomicUsize>,
}

impl Queue {
    /// A queue behind a device that inserts what it gets, numbered by the minor function.
    fn new() -> Self {
        let canceled = Shared::new(TAG, AtomicUsize::new(0), &passive()).unwrap();
        let queue = Arc::new(Csq::new(TAG, Canceled(canceled.clone()), &passive()).unwrap());
        let stack = Stack::new();
        let inserts = Arc::downgrade(&queue);
        let counted = canceled.clone();
        stack.act(move |_, irp, irql| {
            let request = Numbered(irp.minor().into(), counted.clone());
            match inserts.upgrade().unwrap().insert(irp, request, irql) {
                Ok(dispatched) => dispatched,
                Err(refused) => {
                    refused.irp.complete(refused.status, irql);
                    refused.dispatched
                }
            }
        });
        Self {
            stack,
            queue,
            canceled,
        }
    }

    fn send(&self, number: u32) -> TestIrp {
        let irp = TestIrp::new(IRP_MJ_DEVICE_CONTROL, number, |_| {});
        assert_eq!(irp.send(self.stack.device), STATUS_PENDING);
        irp
    }
}

#[test]
fn requests_come_out_in_their_order_and_by_a_look() {
    let queue = Queue::new();
    let irps: Vec<_> = (1..=4).map(|number| queue.send(number)).collect();
    let irql = &mut passive();
    let mut order = Vec::new();
    let found = queue
        .queue
        .remove_next_if(|request, _| request.0 == 3, irql);
    for (irp, request) in found
        .into_iter()
        .chain(std::iter::from_fn(|| queue.queue.remove_next(irql)))
    {
        order.push(request.0);
        irp.complete(Status::SUCCESS, &passive());
    }
    assert_eq!(order, [3, 1, 2, 4]);
    assert!(
        irps.iter()
            .all(|irp| irp.ended() == Some((STATUS_SUCCESS, 0)))
    );
    queue.stack.remove();
}

#[test]
fn a_request_that_is_put_back_is_the_next_again() {
    let queue = Queue::new();
    let irps = [queue.send(1), queue.send(2)];
    let (irp, request) = queue.queue.remove_next(&passive()).unwrap();
    let put_back = queue.queue.insert_pending_first(irp, request, &passive());
    assert!(put_back.is_ok());
    for number in [1, 2] {
        let (irp, request) = queue.queue.remove_next(&passive()).unwrap();
        assert_eq!(request.0, number);
        irp.complete(Status::SUCCESS, &passive());
    }
    assert!(irps.iter().all(|irp| irp.ended().is_some()));
    queue.stack.remove();
}

#[test]
fn a_closed_queue_gives_back_what_it_refuses() {
    let queue = Queue::new();
    queue.queue.close(Status::DEVICE_REMOVED, &passive());
    let irp = queue.send(1);
    assert_eq!(irp.ended(), Some((Status::DEVICE_REMOVED.to_raw(), 0)));
    queue.queue.open(&passive());
    let irp = queue.send(2);
    Cancellation::begin(&irp).unwrap().finish();
    assert_eq!(irp.ended(), Some((STATUS_CANCELLED, 0)));
    assert_eq!(queue.canceled.load(Ordering::Relaxed), 2);
    queue.stack.remove();
}

#[test]
fn a_cancellation_outlives_the_queue() {
    let queue = Queue::new();
    let irps = [queue.send(1), queue.send(2)];
    let cancellation = Cancellation::begin(&irps[0]).unwrap();
    let Queue {
        stack,
        queue,
        canceled,
    } = queue;
    // Ends the second as canceled, and cannot have the first.
    drop(Arc::into_inner(queue).unwrap());
    assert_eq!(irps[0].ended(), None);
    assert_eq!(irps[1].ended(), Some((STATUS_CANCELLED, 0)));
    cancellation.finish();
    assert_eq!(irps[0].ended(), Some((STATUS_CANCELLED, 0)));
    assert_eq!(canceled.load(Ordering::Relaxed), 3);
    stack.remove();
}

#[test]
fn a_cancellation_and_a_removal_at_once_get_each_request_once() {
    let queue = Queue::new();
    for _ in 0..4 {
        let irps = Arc::new((1..=3).map(|number| queue.send(number)).collect::<Vec<_>>());
        let canceller = {
            let irps = irps.clone();
            std::thread::spawn(move || {
                for irp in irps.iter() {
                    if let Some(cancellation) = Cancellation::begin(irp) {
                        cancellation.finish();
                    }
                }
            })
        };
        while let Some((irp, _)) = queue.queue.remove_next(&passive()) {
            irp.complete(Status::SUCCESS, &passive());
        }
        canceller.join().unwrap();
        assert!(irps.iter().all(|irp| irp.ended().is_some()));
    }
    queue.stack.remove();
}
