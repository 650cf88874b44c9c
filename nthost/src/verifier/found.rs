//! What becomes of a rule that is found broken: it ends the system, or, if the manifest wants to
//! hear of all of them (`verifier_goes_on`), it is told in the log, once for each place, and the
//! system goes on as if nobody had looked.

use alloc::collections::BTreeSet;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::{
    ke::{bugcheck, lock::HighLock, stack},
    pe::module::module_of,
};

static GOES_ON: AtomicBool = AtomicBool::new(false);
/// What was told: the code, its first parameter, and the place in the driver. A leaf.
static TOLD: HighLock<BTreeSet<(u32, u64, u64)>> = HighLock::new(BTreeSet::new());

/// Has the system go on from now on. To be called before drivers are loaded.
pub fn go_on() {
    GOES_ON.store(true, Ordering::Relaxed);
}

/// A rule is broken that is reported by this bug check. Any IRQL.
pub fn report(code: u32, parameters: [u64; 4]) {
    report_at(stack::driver(), code, parameters);
}

/// As [`report`], by a routine of a driver's that has returned.
pub fn report_at(place: u64, code: u32, parameters: [u64; 4]) {
    if !GOES_ON.load(Ordering::Relaxed) {
        bugcheck::bugcheck(code, parameters);
    }
    let [first, second, third, fourth] = parameters;
    if TOLD.lock().insert((code, first, place)) {
        let (module, offset) = module_of(place);
        log!(
            "verifier",
            "found {code:#x} ({first:#x}, {second:#x}, {third:#x}, {fourth:#x}) at \
             {module}+{offset:#x}"
        );
    }
}
