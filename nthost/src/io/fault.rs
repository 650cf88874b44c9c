//! Faults on demand: an IRP that a driver sends down fails, or stays away for a while, without
//! having reached the lower driver.

use alloc::collections::BTreeMap;

use nthost_nt::{
    io::{device::DEVICE_OBJECT, irp::IRP, stack::IO_STACK_LOCATION},
    status::NTSTATUS,
};
use nthost_protocol::IrpEffect;

use super::call;
use crate::{
    hook,
    ke::{lock::SpinLock, once::Once, owned_event::Event, thread, time},
};

/// What happens to an IRP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It is completed with this status.
    Fail(NTSTATUS),
    /// It is sent at this interrupt time.
    Pend(u64),
}

#[derive(Debug)]
struct Held {
    device: *mut DEVICE_OBJECT,
    irp: *mut IRP,
}

// SAFETY: whoever takes it out of the list owns the IRP.
unsafe impl Send for Held {}

/// Protects the IRPs that are held back: by when they are sent, and a number.
static HELD: SpinLock<BTreeMap<(u64, u64), Held>> = SpinLock::new(BTreeMap::new());
static HELD_CHANGED: Once<Event> = Once::new();

/// Starts the thread that sends the IRPs that were held back.
pub fn initialize() {
    HELD_CHANGED.set(Event::synchronization());
    thread::spawn("held irps", || {
        loop {
            let next = HELD.lock().first_key_value().map(|(&(due, _), _)| due);
            if let Some(changed) = HELD_CHANGED.get() {
                changed.wait_until(next);
            }
            send_due();
        }
    });
}

fn send_due() {
    loop {
        let mut held = HELD.lock();
        let Some(entry) = held.first_entry() else {
            return;
        };
        if entry.key().0 > time::interrupt_time() {
            return;
        }
        let Held { device, irp } = entry.remove();
        drop(held);
        // Its sender has been told that it is pending, whatever the routine returns now.
        // SAFETY: the IRP is held back at the location of its device.
        unsafe { call::dispatch(device, irp, false) };
    }
}

/// Whether something happens to an IRP that is about to be sent. Only what a driver sends is
/// concerned, and the count is of such IRPs.
pub fn before_send(
    device: *mut DEVICE_OBJECT,
    location: &IO_STACK_LOCATION,
    caller: usize,
) -> Option<Effect> {
    let (major, minor) = (location.MajorFunction, location.MinorFunction);
    let effect = hook::irp_sent(device.addr(), major, minor, caller as u64)?;
    Some(match effect {
        IrpEffect::Fail(status) => Effect::Fail(status),
        IrpEffect::Pend { milliseconds } => {
            Effect::Pend(time::interrupt_time() + u64::from(milliseconds) * 10_000)
        }
    })
}

/// Holds an IRP back until `due`.
pub fn send_later(device: *mut DEVICE_OBJECT, irp: *mut IRP, due: u64) {
    HELD.lock()
        .insert((due, irp.addr() as u64), Held { device, irp });
    if let Some(changed) = HELD_CHANGED.get() {
        changed.set();
    }
}
