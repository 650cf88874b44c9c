//! One set-power request at a time for each device: a second one waits until the first has been
//! completed by all drivers.
//!
//! Source: "Rules for Handling Power IRPs": "no more than one device set-power IRP can be active for
//! each PDO at any given time".

use alloc::{
    boxed::Box,
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use nthost_nt::io::device::DEVICE_OBJECT;

use crate::{
    ex::worker::{self, Queue},
    ke::{lock::SpinLock, owned_event::Event},
};

/// Sends a request.
type Send = Box<dyn FnOnce() + core::marker::Send>;

/// By PDO, while a request of it is active: those that wait. A leaf.
static ACTIVE: SpinLock<BTreeMap<usize, VecDeque<Send>>> = SpinLock::new(BTreeMap::new());

/// Has a request sent: now, or in another thread when those before it are done. [`end`] must follow
/// when it is.
pub fn begin(pdo: *mut DEVICE_OBJECT, send: impl FnOnce() + core::marker::Send + 'static) {
    let mut active = ACTIVE.lock();
    if let Some(waiting) = active.get_mut(&pdo.addr()) {
        waiting.push_back(Box::new(send));
        return;
    }
    active.insert(pdo.addr(), VecDeque::new());
    drop(active);
    send();
}

/// Waits until those before it are done, with a request that the caller sends then. [`end`] must
/// follow. PASSIVE_LEVEL.
pub fn wait(pdo: *mut DEVICE_OBJECT) {
    let turn = Arc::new(Event::notification());
    let come = Arc::clone(&turn);
    begin(pdo, move || come.set());
    turn.wait();
}

/// A request is done: the next one is sent.
pub fn end(pdo: *mut DEVICE_OBJECT) {
    let mut active = ACTIVE.lock();
    let next = active.get_mut(&pdo.addr()).and_then(VecDeque::pop_front);
    if next.is_none() {
        active.remove(&pdo.addr());
    }
    drop(active);
    if let Some(send) = next {
        worker::queue(Queue::Critical, send);
    }
}
