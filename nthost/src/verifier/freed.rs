//! What must not be in memory that is freed: DPCs and work items that are queued, timers that are
//! set, locks that are held, lookaside lists and resources that are in use.
//!
//! If the system goes on, what was found is taken out of its queue, or is in use no more: nobody
//! touches it when the memory is somebody else's.
//!
//! Source: "Miscellaneous Checks" of Driver Verifier; bug checks 0xC7 (TIMER_OR_DPC_INVALID),
//! 0xE4 (WORKER_INVALID) and 0xC4, subcodes 0xCC and 0xD2.

use nthost_protocol::manifest::VerifierOption;

use super::{found, is_on, locks};
use crate::{
    ex::{lookaside, resource, workitem},
    ke::{bugcheck::code, dpc, ktimer},
    pe::module::module_of,
};

/// Says what was found, and where if that is in a driver's image.
fn tell(what: &str, object: u64) {
    let (module, offset) = module_of(object);
    log!(
        "verifier",
        "{what} {object:#x} is in memory that is freed, {module}+{offset:#x}"
    );
}

/// Memory of these bytes is freed.
pub fn check(address: u64, size: u64) {
    if !is_on(VerifierOption::MiscellaneousChecks) {
        return;
    }
    let end = address + size;
    while let Some(dpc) = dpc::queued_in(address, size) {
        tell("queued DPC", dpc);
        // Parameter 1: 1 for a DPC. 2: the object. 3 and 4: where it was checked.
        found::report(code::TIMER_OR_DPC_INVALID, [1, dpc, address, end]);
        let dpc = core::ptr::with_exposed_provenance_mut(dpc as usize);
        // SAFETY: it is in a queue, and so it was initialized.
        unsafe { dpc::remove(dpc) };
    }
    while let Some(timer) = ktimer::set_in(address, size) {
        tell("set timer", timer);
        found::report(code::TIMER_OR_DPC_INVALID, [0, timer, address, end]);
        ktimer::forget(timer);
    }
    while let Some(item) = workitem::queued_in(address, size) {
        tell("queued work item", item);
        // Parameter 1: 0 for a work item that is freed. 2: the item. 3 and 4: what is freed.
        found::report(code::WORKER_INVALID, [0, item, address, end]);
        workitem::forget(item);
    }
    locks::freed(address, size);
    while let Some(list) = lookaside::within(address, size) {
        violation([0xcc, list, address, size]);
        lookaside::forget(list);
    }
    while let Some(resource) = resource::within(address, size) {
        violation([0xd2, resource, address, size]);
        resource::forget(resource);
    }
}

fn violation(parameters: [u64; 4]) {
    found::report(code::DRIVER_VERIFIER_DETECTED_VIOLATION, parameters);
}
