//! Faults on demand: calls that fail, IRPs that fail or stay away, timers and DPCs that are
//! late, interrupts that are lost, lists out of the device's reach and devices that are exchanged,
//! because the manifest or the host wants it so.
//!
//! A call that the documentation lets fail for lack of resources asks [`strikes`] with its own
//! name and with where the driver called it. Only calls of drivers count: what nthost itself
//! allocates does not fail.

use alloc::{format, string::String, vec::Vec};
use core::sync::atomic::{AtomicBool, Ordering};

use nthost_protocol::{Fault, FaultState, IrpEffect, fault::Standing};

use super::options;
use crate::{
    io::device,
    ke::lock::HighLock,
    mm::paging::KERNEL_BASE,
    pe::module::{self, module_of},
    pnp,
};

/// A fault, and where it struck last.
struct Entry {
    standing: Standing,
    /// The driver's image, in lower case; empty for any.
    image: String,
    /// What was struck, and where it was called.
    last: Option<(&'static str, u64)>,
}

/// Protects the faults. At any IRQL, since DPCs are queued at any.
static FAULTS: HighLock<Vec<Entry>> = HighLock::new(Vec::new());
/// Whether there are any, so that calls cost little without.
static ANY: AtomicBool = AtomicBool::new(false);

/// Adds a fault to come. PASSIVE_LEVEL.
pub fn add(fault: Fault) {
    let service = fault.service().to_ascii_lowercase();
    // The service's driver may have yet to be loaded: its image's name follows from the
    // manifest, and until it is known the service's own name stands for it.
    let image = options::image_of(&service).unwrap_or(service);
    let entry = Entry {
        standing: Standing::new(fault),
        image: image.to_ascii_lowercase(),
        last: None,
    };
    FAULTS.lock().push(entry);
    // Release: who sees that there are some sees this one.
    ANY.store(true, Ordering::Release);
}

/// Takes all faults back. PASSIVE_LEVEL.
pub fn clear() {
    ANY.store(false, Ordering::Relaxed);
    let faults = core::mem::take(&mut *FAULTS.lock());
    drop(faults);
}

/// The faults, how often each was met and how often it struck. PASSIVE_LEVEL.
#[must_use]
pub fn states() -> Vec<FaultState> {
    let count = FAULTS.lock().len();
    (0..count)
        .filter_map(|index| {
            let faults = FAULTS.lock();
            let entry = faults.get(index)?;
            let (standing, last) = (entry.standing.clone(), entry.last);
            drop(faults);
            let last = last.map_or_else(String::new, |(what, caller)| {
                let (module, offset) = module_of(caller);
                format!("{what} from {module}+{offset:#x}")
            });
            Some(standing.state(last))
        })
        .collect()
}

/// What all faults that match have to say, each of which counts this as one.
fn ask<T>(what: &'static str, address: u64, matches: impl Fn(&Fault) -> Option<T>) -> Option<T> {
    // Acquire: pairs with `add`.
    if !ANY.load(Ordering::Acquire) {
        return None;
    }
    let image = module::find(address).map_or("", |module| module.name.as_str());
    let mut found = None;
    for entry in FAULTS.lock().iter_mut() {
        if !entry.image.is_empty() && !entry.image.eq_ignore_ascii_case(image) {
            continue;
        }
        if let Some(effect) = matches(entry.standing.fault())
            && entry.standing.strikes()
        {
            entry.last = Some((what, address));
            found = Some(effect);
        }
    }
    found
}

/// Whether this call of a routine that may fail is to fail. Any IRQL. `caller` is where the
/// driver called it.
#[must_use]
pub fn strikes(routine: &'static str, caller: u64) -> bool {
    if caller == 0 || caller >= KERNEL_BASE {
        return false;
    }
    let struck = ask(routine, caller, |fault| match fault {
        Fault::Call {
            routine: wanted,
            offset,
            ..
        } => {
            let here = || module_of(caller).1;
            let named = wanted.is_empty() || wanted.eq_ignore_ascii_case(routine);
            (named && offset.is_none_or(|offset| offset == here())).then_some(())
        }
        Fault::RandomCalls {
            routine: wanted, ..
        } => (wanted.is_empty() || wanted.eq_ignore_ascii_case(routine)).then_some(()),
        _ => None,
    });
    if struck.is_some() {
        let (module, offset) = module_of(caller);
        log!("fault", "{routine} fails for {module}+{offset:#x}");
    }
    struck.is_some()
}

/// How many pages at the most an MDL is to get for which a driver asks for pages. IRQL up to
/// DISPATCH_LEVEL.
#[must_use]
pub fn fewer_pages(routine: &'static str, caller: u64) -> Option<u32> {
    if caller == 0 || caller >= KERNEL_BASE {
        return None;
    }
    ask(routine, caller, |fault| match fault {
        Fault::FewerPages { pages, .. } => Some(*pages),
        _ => None,
    })
}

/// By how many milliseconds a timer that is being set is late. Any IRQL. `routine` is that of
/// its DPC, zero if it has none.
#[must_use]
pub fn late_timer(routine: u64) -> u32 {
    let late = ask("timer", routine, |fault| match fault {
        Fault::LateTimer { milliseconds, .. } => Some(*milliseconds),
        _ => None,
    });
    late.unwrap_or(0)
}

/// By how many milliseconds a DPC that is about to run is late. Any IRQL.
#[must_use]
pub fn late_dpc(routine: u64) -> u32 {
    let late = ask("DPC", routine, |fault| match fault {
        Fault::LateDpc { milliseconds, .. } => Some(*milliseconds),
        _ => None,
    });
    late.unwrap_or(0)
}

/// Whether an interrupt is lost before this routine is called for it. Any IRQL.
#[must_use]
pub fn lost_interrupt(routine: u64) -> bool {
    let lost = ask("interrupt", routine, |fault| match fault {
        Fault::LostInterrupt { .. } => Some(()),
        _ => None,
    });
    if lost.is_some() {
        log!("fault", "an interrupt is lost");
    }
    lost.is_some()
}

/// Whether a list lies where the device does not reach. IRQL up to DISPATCH_LEVEL. `caller` is
/// where the driver asked for it.
#[must_use]
pub fn far_list(caller: u64) -> bool {
    let far = ask("list", caller, |fault| match fault {
        Fault::FarList { .. } => Some(()),
        _ => None,
    });
    far.is_some()
}

/// Whether a device is another one to who reads which it is. Any IRQL. `caller` is where that is.
#[must_use]
pub fn other_device(instance: &str, caller: u64) -> bool {
    let other = ask("device id", caller, |fault| match fault {
        Fault::OtherDevice { device, .. } => device.eq_ignore_ascii_case(instance).then_some(()),
        _ => None,
    });
    other.is_some()
}

/// What happens to an IRP that a driver sends to a device. IRQL up to DISPATCH_LEVEL.
#[must_use]
pub fn irp(device: usize, major: u8, minor: u8, caller: u64) -> Option<IrpEffect> {
    if caller >= KERNEL_BASE || !any() {
        return None;
    }
    let device = core::ptr::with_exposed_provenance_mut(device);
    let instance = pnp::instance_of(device::lowest(device))?;
    let effect = ask("IRP", caller, |fault| match fault {
        Fault::Irp {
            device,
            major: wanted,
            minor: wanted_minor,
            effect,
            ..
        } => (device.eq_ignore_ascii_case(&instance)
            && *wanted == major
            && wanted_minor.is_none_or(|wanted| wanted == minor))
        .then_some(*effect),
        _ => None,
    })?;
    log!(
        "fault",
        "irp {major:#x}/{minor:#x} of {instance}: {effect:?}"
    );
    Some(effect)
}

/// Whether there are faults to come at all.
#[must_use]
pub fn any() -> bool {
    ANY.load(Ordering::Relaxed)
}
