//! What a driver's memory, and memory that it allocated, must not leave behind when it is
//! unloaded.
//!
//! Sources: "Pool Tracking" and "Miscellaneous Checks" of Driver Verifier; bug check 0xC4,
//! subcode 0x62, for what was not freed; bug check 0xCE
//! (DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS) for lookaside lists, resources,
//! interrupts, timers, threads and callbacks; bug check 0xC4, subcode 0xDD, for event providers;
//! bug check 0xC7 for DPCs and timers in the image itself. For handles and symbolic links there is
//! none: here they count as what was allocated, 0x62. An enabled device interface is no fault: what
//! a driver leaves so at its device's removal is disabled then (IoSetDeviceInterfaceState).

use core::ops::Range;

use nthost_protocol::manifest::VerifierOption;

use super::{found, freed, is_on};
use crate::{
    dma::adapter,
    etw::provider,
    ex::{lookaside, resource, timer},
    io::{interrupt, notify},
    ke::{bugcheck::code, bugcheck_callback, nmi, thread::Thread},
    mm::{
        account::{self, Kind},
        pool, user_view,
    },
    ob::{self, callback, client_id, handle, handle_filter, object},
    pe::module::{Module, module_of},
    po::{fx, power_request, setting},
    ps,
    registry::filter,
};

fn line(what: &str, address: u64, caller: u64) {
    let (module, offset) = module_of(caller);
    log!(
        "verifier",
        "{what} {address:#x} is left, from {module}+{offset:#x}"
    );
}

/// A driver's unload routine has returned, its image is about to go. Whether something is left that
/// calls into it, and that was only reported. PASSIVE_LEVEL.
#[must_use]
pub fn check(module: &Module) -> bool {
    let image = module.base..module.base + u64::from(module.size);
    // A registration for these references the driver's object, which keeps its image.
    let mut called = notify::calling_into(&image).is_some();
    if is_on(VerifierOption::MiscellaneousChecks) {
        called |= check_objects(&image) | check_providers(&image);
        freed::check(module.base, u64::from(module.size));
    }
    if is_on(VerifierOption::PoolTracking) {
        check_memory(module, &image);
    }
    called
}

/// What the driver made and has not deleted, wherever it lies.
fn check_objects(image: &Range<u64>) -> bool {
    let lists = lookaside::all().into_iter();
    let lists = lists.map(|(address, caller)| ("lookaside list", address, caller));
    let resources = resource::all().into_iter();
    let resources = resources.map(|(address, caller)| ("resource", address, caller));
    let interrupt = interrupt::connected_from(image).into_iter();
    let interrupt = interrupt.map(|(address, caller)| ("connected interrupt", address, caller));
    let mut first = None;
    for (what, address, caller) in lists.chain(resources).chain(interrupt) {
        if image.contains(&caller) {
            line(what, address, caller);
            first.get_or_insert(address);
        }
    }
    if let Some(address) = callback::calling_into(image) {
        // It is the routine, which is in the image.
        line("registration of the callback", address, address);
        first.get_or_insert(address);
    }
    if let Some(address) = setting::calling_into(image) {
        log!(
            "verifier",
            "the power setting callback {address:#x} is left registered"
        );
        first.get_or_insert(address);
    }
    for (what, address) in [
        ("NMI callback", nmi::calling_into(image)),
        (
            "notification of processes, threads or images",
            ps::notify::calling_into(image),
        ),
        ("plug and play notification", notify::calling_into(image)),
        (
            "bug check callback",
            bugcheck_callback::registered_in(image),
        ),
        ("registry callback", filter::calling_into(image)),
        ("callback for handles", handle_filter::calling_into(image)),
        ("thread", thread_in(image)),
    ] {
        if let Some(address) = address {
            line(what, address, address);
            first.get_or_insert(address);
        }
    }
    if let Some((handle, address)) = power_request::of_image(image) {
        line("power request or system state", handle, address);
        first.get_or_insert(address);
    }
    if let Some((address, handle)) = fx::run::calling_into(image) {
        line(
            "registration with the power management framework",
            handle,
            address,
        );
        first.get_or_insert(address);
    }
    if let Some(address) = timer::calling_into(image) {
        line("timer that calls into the driver", address, image.start);
        first.get_or_insert(address);
    }
    if let Some(address) = first {
        // Parameter 1: what is referenced. 3: who would.
        let parameters = [address, 0, image.start, 0];
        found::report_at(
            image.start,
            code::DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS,
            parameters,
        );
    }
    first.is_some()
}

/// The routine of a thread that the driver made and that has not ended.
fn thread_in(image: &Range<u64>) -> Option<u64> {
    client_id::find_map(object::Kind::Thread, |_, thread| {
        // SAFETY: the thread exists as long as it is looked at.
        let routine = unsafe { (*thread.cast::<Thread>()).driver_routine };
        image.contains(&routine).then_some(routine)
    })
}

/// What the driver registered for tracing.
fn check_providers(image: &Range<u64>) -> bool {
    let mut left = false;
    for (handle, caller) in provider::registered() {
        if image.contains(&caller) {
            left = true;
            line("registration of an event provider", handle, caller);
            let parameters = [0xdd, caller, image.start, handle];
            found::report_at(caller, code::DRIVER_VERIFIER_DETECTED_VIOLATION, parameters);
        }
    }
    left
}

/// What the driver allocated, locked and mapped, and has not given back.
fn check_memory(module: &Module, image: &Range<u64>) {
    for (mdl, held) in account::all(Kind::LockedPages) {
        if image.contains(&held.caller) {
            line("MDL with locked pages", mdl, held.caller);
            // Bug check 0xCB. 3: the MDL. 4: how many pages.
            let parameters = [0, 0, mdl, held.count];
            let code = code::DRIVER_LEFT_LOCKED_PAGES_IN_PROCESS;
            found::report_at(held.caller, code, parameters);
        }
    }
    let mut left = 0;
    pool::for_each(|address, allocation| {
        if image.contains(&allocation.caller) {
            left += 1;
            let (caller, tag) = (allocation.caller, pool::tag_text(allocation.tag));
            let (of, offset) = module_of(caller);
            log!(
                "verifier",
                "pool {address:#x}, {} bytes, tag {tag}, is left, from {of}+{offset:#x}",
                allocation.size
            );
        }
    });
    for (kind, what) in [
        (Kind::Pages, "memory in pages"),
        (Kind::View, "view of a section"),
        (Kind::NonCached, "memory that is not cached"),
        (Kind::IoSpace, "mapped I/O space"),
        (Kind::MdlMapping, "mapped MDL"),
        (Kind::MappingAddress, "address reserved for mappings"),
    ] {
        for (address, held) in account::all(kind) {
            if image.contains(&held.caller) {
                left += 1;
                line(what, address, held.caller);
            }
        }
    }
    for (address, caller) in user_view::all() {
        if image.contains(&caller) {
            left += 1;
            line("MDL mapped in a process at", address, caller);
        }
    }
    for (adapter, caller) in adapter::all() {
        if image.contains(&caller) {
            left += 1;
            line("DMA adapter", adapter, caller);
        }
    }
    for (handle, opener) in handle::KERNEL.opened_from(image) {
        left += 1;
        line("handle", handle, opener);
    }
    for (link, caller) in ob::links_from(image) {
        left += 1;
        let (module, offset) = module_of(caller);
        log!(
            "verifier",
            "symbolic link {link} is left, from {module}+{offset:#x}"
        );
    }
    if left != 0 {
        let name = module.name.as_ptr() as u64;
        found::report_at(
            image.start,
            code::DRIVER_VERIFIER_DETECTED_VIOLATION,
            [0x62, name, 0, left],
        );
    }
}
