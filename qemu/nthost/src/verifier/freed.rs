//! What must not be in memory that is freed: DPCs that are queued, timers that are set.
//!
//! Source: "Miscellaneous Checks" of Driver Verifier; bug check 0xC7
//! (TIMER_OR_DPC_INVALID).

use crate::ke::{
    bugcheck::{self, code},
    dpc,
};

/// Memory of these bytes is freed.
pub fn check(address: u64, size: u64) {
    if let Some(dpc) = dpc::queued_in(address, size) {
        // Parameter 1: 1 for a DPC. 2: the object. 3 and 4: where it was checked.
        bugcheck::bugcheck(
            code::TIMER_OR_DPC_INVALID,
            [1, dpc, address, address + size],
        );
    }
    if let Some(timer) = crate::ke::ktimer::set_in(address, size) {
        bugcheck::bugcheck(
            code::TIMER_OR_DPC_INVALID,
            [0, timer, address, address + size],
        );
    }
}
