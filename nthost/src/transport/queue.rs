//! What is sent to the host, in the order in which it was queued, and the thread that sends it
//! and hands on what arrives.

use alloc::{collections::VecDeque, vec::Vec};
use core::{
    cell::UnsafeCell,
    sync::atomic::{AtomicBool, Ordering},
};

use nthost_nt::ke::KEVENT;
use nthost_protocol::{ToGuest, ToHost, encode};

use super::{arrival::Arrival, console};
use crate::ke::{
    dispatcher,
    event::KeInitializeEvent,
    lock::SpinLock,
    time,
    wait::{self, WaitType},
};

/// How long the thread sleeps when there is nothing to do and no interrupt to wake it: a
/// millisecond, in units of 100 ns.
const NAP: u64 = 10_000;

/// Protects the frames that are to be sent.
static OUTGOING: SpinLock<VecDeque<Vec<u8>>> = SpinLock::new(VecDeque::new());

/// A frame that is in the queue no more is about to leave.
static SENDING: AtomicBool = AtomicBool::new(false);

/// Something is to be sent. A synchronization event.
struct Wake(UnsafeCell<KEVENT>);

// SAFETY: an event is used through the dispatcher lock.
unsafe impl Sync for Wake {}

static WAKE: Wake = Wake(UnsafeCell::new(KEVENT {
    Header: nthost_nt::ke::DISPATCHER_HEADER {
        Type: 0,
        Signalling: 0,
        Size: 0,
        Reserved1: 0,
        SignalState: 0,
        WaitListHead: nthost_nt::ke::LIST_ENTRY {
            Flink: core::ptr::null_mut(),
            Blink: core::ptr::null_mut(),
        },
    },
}));

/// Sends a message to the host, when the console's thread comes to it. IRQL up to
/// DISPATCH_LEVEL. A message that is too long is replaced by the complaint about it.
pub fn send(message: &ToHost) {
    let frame = encode(message).or_else(|error| {
        use alloc::string::ToString;
        encode(&ToHost::Malformed(error.to_string()))
    });
    let Ok(frame) = frame else { return };
    OUTGOING.lock().push_back(frame);
    wake();
}

/// Wakes the console's thread. IRQL up to DISPATCH_LEVEL.
pub(super) fn wake() {
    let mut guard = dispatcher::lock();
    wait::signal(&mut guard, WAKE.0.get().cast(), 1);
}

/// Whether everything that was queued has left.
#[must_use]
pub fn is_drained() -> bool {
    // Acquire: pairs with the thread that sends.
    OUTGOING.lock().is_empty() && !SENDING.load(Ordering::Acquire)
}

/// Has the console for good: sends, and calls `handle` for each message that arrives. What is no
/// message is answered by [`ToHost::Malformed`]; after a frame whose length makes no sense,
/// nothing more can be understood, and this says so and returns.
///
/// # Errors
///
/// If there is no console, or its connection is lost.
pub fn serve(mut handle: impl FnMut(ToGuest)) -> Result<(), &'static str> {
    // SAFETY: nobody uses the event before the console's thread is here to be woken, except to
    // signal it, which has no effect on who waits later.
    unsafe { KeInitializeEvent(WAKE.0.get(), 1, 0) };
    let mut console = console::find()?;
    let mut arrival = Arrival::default();
    loop {
        SENDING.store(true, Ordering::Relaxed);
        let next = OUTGOING.lock().pop_front();
        if let Some(frame) = &next {
            console.send(frame)?;
        }
        // Release: the frame has left.
        SENDING.store(false, Ordering::Release);
        let arrived = console.receive()?;
        if let Err(error) = arrival.take(&arrived, &mut handle, send) {
            log!("transport", "{error}");
            return Err("the host sends what is no frame");
        }
        if next.is_none() && arrived.is_empty() {
            let due = (!console.interrupts()).then(|| time::interrupt_time() + NAP);
            // SAFETY: the event is initialized and lives for ever.
            let _ = unsafe { wait::wait(&[WAKE.0.get().cast()], WaitType::Any, due) };
        }
    }
}
