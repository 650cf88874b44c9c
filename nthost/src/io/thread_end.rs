//! The requests that the I/O manager has made for drivers in a thread: the thread has a list of
//! them, and when it ends they are canceled, and it waits until they are complete.
//!
//! A request is finished by an APC of its thread ([`super::finish`]), so at APC_LEVEL the thread
//! can look at its requests and cancel them, and none of them goes.
//!
//! Sources: IoBuildSynchronousFsdRequest, IoBuildDeviceIoControlRequest; `ThreadListEntry` of
//! ns-wdm-_irp. What processes' threads ask for is ended with them by `ps`.

use alloc::vec::Vec;

use nthost_nt::{io::irp::IRP, ke::LIST_ENTRY};

use super::{cancel, irp};
use crate::{
    export::APC_LEVEL,
    ke::{
        irql::Raised,
        owned_event::Event,
        thread::{self, Thread},
        time,
    },
};

/// How long it is before one looks again, in units of 100 ns.
const PAUSE: u64 = 10_000;

/// Puts an IRP that was made for the thread that runs into its list. IRQL up to APC_LEVEL.
pub(super) fn insert(packet: &mut IRP) {
    let thread: *mut Thread = thread::current();
    packet.overlay_mut().Thread = thread.cast();
    // SAFETY: the thread that runs exists.
    let mut guard = unsafe { &*thread }.requests.lock();
    let head: *mut LIST_ENTRY = &raw mut *guard;
    if guard.Flink.is_null() {
        (guard.Flink, guard.Blink) = (head, head);
    }
    let (entry, last) = (&raw mut packet.ThreadListEntry, guard.Blink);
    packet.ThreadListEntry = LIST_ENTRY {
        Flink: head,
        Blink: last,
    };
    // SAFETY: the last in the list, or its head; the lock is held.
    unsafe { (*last).Flink = entry };
    // SAFETY: the lock is held. The head itself may have been the last.
    unsafe { (*head).Blink = entry };
}

/// Takes an IRP that [`insert`] put there out of its thread's list. IRQL up to DISPATCH_LEVEL.
pub(super) fn remove(packet: &mut IRP) {
    let thread: *const Thread = packet.overlay().Thread.cast();
    let entry = &raw mut packet.ThreadListEntry;
    // SAFETY: a thread does not end before its requests are finished.
    let guard = unsafe { &*thread }.requests.lock();
    let LIST_ENTRY { Flink, Blink } = packet.ThreadListEntry;
    // SAFETY: it is in the list, or in none; the lock is held.
    unsafe { (*Blink).Flink = Flink };
    // SAFETY: as above.
    unsafe { (*Flink).Blink = Blink };
    packet.ThreadListEntry = LIST_ENTRY {
        Flink: entry,
        Blink: entry,
    };
    drop(guard);
}

/// The thread's requests that are on their way. APC_LEVEL.
fn requests() -> Vec<*mut IRP> {
    // SAFETY: the thread that runs exists.
    let mut guard = unsafe { &*thread::current() }.requests.lock();
    let head: *mut LIST_ENTRY = &raw mut *guard;
    let mut found = Vec::new();
    let mut entry = guard.Flink;
    while entry != head && !entry.is_null() {
        let packet = entry.map_addr(|at| at - core::mem::offset_of!(IRP, ThreadListEntry));
        let packet: *mut IRP = packet.cast();
        // SAFETY: an IRP in the list exists; the lock is held.
        if irp::is_sent(unsafe { &*packet }) {
            found.push(packet);
        }
        // SAFETY: as above.
        entry = unsafe { (*entry).Flink };
    }
    found
}

/// Cancels the thread's requests, and says how many there are. PASSIVE_LEVEL.
fn cancel_all() -> usize {
    let raised = Raised::to(APC_LEVEL);
    let left = requests();
    for &irp in &left {
        // SAFETY: it is finished, and goes, when the thread is below APC_LEVEL again.
        unsafe { cancel::cancel(irp) };
    }
    drop(raised);
    left.len()
}

/// Ends the requests of the thread that runs. PASSIVE_LEVEL.
pub fn end_requests() {
    if cancel_all() == 0 {
        return;
    }
    let never = Event::notification();
    loop {
        never.wait_until(Some(time::interrupt_time() + PAUSE));
        let raised = Raised::to(APC_LEVEL);
        let left = requests();
        drop(raised);
        if left.is_empty() {
            return;
        }
    }
}
