//! What must not be in memory that is freed: DPCs and work items that are queued, timers that are
//! set, locks that are held, lookaside lists and resources that are in use.
//!
//! Source: "Miscellaneous Checks" of Driver Verifier; bug checks 0xC7 (TIMER_OR_DPC_INVALID),
//! 0xE4 (WORKER_INVALID) and 0xC4, subcodes 0xCC and 0xD2.

use nthost_protocol::manifest::VerifierOption;

use super::{is_on, locks};
use crate::{
    ex::{lookaside, resource, workitem},
    ke::{
        bugcheck::{self, code},
        dpc,
    },
    pe::module::module_of,
};

/// Says what was found, and where if that is in a driver's image.
fn found(what: &str, object: u64) {
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
    if let Some(dpc) = dpc::queued_in(address, size) {
        found("queued DPC", dpc);
        // Parameter 1: 1 for a DPC. 2: the object. 3 and 4: where it was checked.
        bugcheck::bugcheck(
            code::TIMER_OR_DPC_INVALID,
            [1, dpc, address, address + size],
        );
    }
    if let Some(timer) = crate::ke::ktimer::set_in(address, size) {
        found("set timer", timer);
        bugcheck::bugcheck(
            code::TIMER_OR_DPC_INVALID,
            [0, timer, address, address + size],
        );
    }
    if let Some(item) = workitem::queued_in(address, size) {
        found("queued work item", item);
        // Parameter 1: 0 for a work item that is freed. 2: the item. 3 and 4: what is freed.
        let parameters = [0, item, address, address + size];
        bugcheck::bugcheck(code::WORKER_INVALID, parameters);
    }
    locks::freed(address, size);
    if let Some(list) = lookaside::within(address, size) {
        violation([0xcc, list, address, size]);
    }
    if let Some(resource) = resource::within(address, size) {
        violation([0xd2, resource, address, size]);
    }
}

fn violation(parameters: [u64; 4]) -> ! {
    bugcheck::bugcheck(code::DRIVER_VERIFIER_DETECTED_VIOLATION, parameters)
}
