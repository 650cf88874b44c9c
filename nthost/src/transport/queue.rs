//! What is sent to the host, in the order in which it was queued, and the thread that sends it
//! and hands on what arrives.

use alloc::{collections::VecDeque, vec::Vec};
use core::{
    cell::UnsafeCell,
    sync::atomic::{AtomicU64, Ordering},
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

/// The frames that wait, and how many there were since the machine's start.
struct Outgoing {
    frames: VecDeque<Vec<u8>>,
    queued: u64,
}

/// Protects the frames that wait to be sent, and their count.
static OUTGOING: SpinLock<Outgoing> = SpinLock::new(Outgoing {
    frames: VecDeque::new(),
    queued: 0,
});

/// How many frames have left. They leave in their order, so it is the number of the last one, too.
static SENT: AtomicU64 = AtomicU64::new(0);

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
/// DISPATCH_LEVEL. A message that is too long is replaced by the complaint about it. The answer is
/// the message's number, by which [`is_sent`] tells whether it has left.
pub fn send(message: &ToHost) -> u64 {
    let frame = encode(message).or_else(|error| {
        use alloc::string::ToString;
        encode(&ToHost::Malformed(error.to_string()))
    });
    let number = {
        let mut outgoing = OUTGOING.lock();
        if let Ok(frame) = frame {
            outgoing.frames.push_back(frame);
            outgoing.queued += 1;
        }
        outgoing.queued
    };
    wake();
    number
}

/// Wakes the console's thread. IRQL up to DISPATCH_LEVEL.
pub(super) fn wake() {
    let mut guard = dispatcher::lock();
    wait::signal(&mut guard, WAKE.0.get().cast(), 1);
}

/// Whether the message of this number has left.
#[must_use]
pub fn is_sent(number: u64) -> bool {
    // Acquire: pairs with the thread that sends.
    SENT.load(Ordering::Acquire) >= number
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
        let next = OUTGOING.lock().frames.pop_front();
        if let Some(frame) = &next {
            console.send(frame)?;
            // Release: the frame has left.
            SENT.fetch_add(1, Ordering::Release);
        }
        let arrived = console.receive()?;
        if let Err(error) = arrival.take(&arrived, &mut handle, |message| {
            send(message);
        }) {
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
