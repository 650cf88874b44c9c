//! Rights that a handle lacks for what a driver does with it. Windows compares them for callers in
//! user mode alone, so nothing fails for a driver; but the driver asked for less than it needs, and
//! the same call on behalf of a client would fail. It is told once for each place that calls.
//!
//! Source: ObReferenceObjectByHandle ("AccessMode").

use alloc::collections::BTreeSet;

use nthost_protocol::manifest::VerifierOption;

use super::is_on;
use crate::{
    ke::{lock::SpinLock, stack},
    pe::module::module_of,
};

/// The places that were told of. A leaf.
static TOLD: SpinLock<BTreeSet<u64>> = SpinLock::new(BTreeSet::new());

/// A driver uses a handle for what takes the rights `wanted`.
pub fn check(handle: u64, wanted: u32, granted: u32) {
    let lacking = wanted & !granted;
    if lacking == 0 || !is_on(VerifierOption::SecurityChecks) {
        return;
    }
    let caller = stack::driver();
    if caller != 0 && TOLD.lock().insert(caller) {
        let (module, offset) = module_of(caller);
        log!(
            "verifier",
            "{module}+{offset:#x} uses the handle {handle:#x} without the rights {lacking:#x}"
        );
    }
}
