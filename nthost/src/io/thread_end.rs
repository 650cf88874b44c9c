//! Requests of a thread that ends: those that the I/O manager has made for drivers in that
//! thread are cancelled, and the thread ends when they are complete.
//!
//! Sources: IoBuildSynchronousFsdRequest, IoBuildDeviceIoControlRequest. What processes' threads
//! ask for is ended with them by `ps`.

use alloc::vec::Vec;

use nthost_nt::io::irp::IRP;

use super::{cancel, finish, irp};
use crate::ke::{owned_event::Event, thread, time};

/// How long it is before one looks again, in units of 100 ns.
const PAUSE: u64 = 10_000;

/// The thread's requests that are on their way.
fn requests() -> Vec<usize> {
    let own = thread::current().addr();
    let mut found = Vec::new();
    irp::for_each(|irp, record| {
        if record.thread == own && record.sent {
            found.push(irp);
        }
    });
    found
}

/// Cancels a request, unless it is being finished at this moment.
fn cancel_request(irp: usize) {
    let irp: *mut IRP = core::ptr::with_exposed_provenance_mut(irp);
    let Some(record) = irp::record(irp).filter(|record| record.lock().keep()) else {
        return;
    };
    // SAFETY: it is kept.
    unsafe { cancel::cancel(irp) };
    if record.lock().let_go() {
        // SAFETY: it is complete, and nobody else keeps it.
        unsafe { finish::finish_for_requester(irp) };
    }
}

/// Ends the requests of the thread that runs. PASSIVE_LEVEL.
pub fn end_requests() {
    let mut left = requests();
    if left.is_empty() {
        return;
    }
    for &irp in &left {
        cancel_request(irp);
    }
    let never = Event::notification();
    loop {
        left.retain(|&irp| {
            let record = irp::record(core::ptr::with_exposed_provenance_mut(irp));
            record.is_some_and(|record| record.lock().thread == thread::current().addr())
        });
        if left.is_empty() && finish::nothing_on_its_way() {
            return;
        }
        never.wait_until(Some(time::interrupt_time() + PAUSE));
    }
}
