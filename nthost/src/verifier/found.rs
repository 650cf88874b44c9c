//! What becomes of a rule that is found broken: it ends the system, or, if the manifest wants to
//! hear of more than the first (`verifier_goes_on`), it is told in the log, once for each place, and
//! the system goes on as if nobody had looked.
//!
//! Each rule is one or the other by its name, which is the bug check that reports it and that bug
//! check's first parameter. What nobody can go on from ends the system whatever the manifest says.

use alloc::{collections::BTreeSet, vec::Vec};
use core::fmt;

use nthost_protocol::{Manifest, rule::Rule};

use crate::{
    ke::{bugcheck, lock::HighLock, once::Once, stack},
    pe::module::{self, module_of},
    switches::Switches,
};

/// Which rules the system goes on from, and which of these end it nevertheless.
struct Choice {
    goes_on: Vec<Rule>,
    stops: Vec<Rule>,
}

static CHOICE: Once<Choice> = Once::new();
/// What was told: the code, its first parameter, and the place in the driver. A leaf.
static TOLD: HighLock<BTreeSet<(u32, u64, u64)>> = HighLock::new(BTreeSet::new());
/// What was warned of, and the place in the driver. A leaf.
static WARNED: HighLock<BTreeSet<(&'static str, u64)>> = HighLock::new(BTreeSet::new());

/// Chooses by the manifest, and by the switches of the same names, which come on top. To be called
/// once, before drivers are loaded.
pub fn choose(manifest: &Manifest, switches: Switches<'_>) {
    let named = |name: &str, mut rules: Vec<Rule>| {
        match switches.rules(name) {
            Ok(more) => rules.extend(more),
            Err(fault) => log!("verifier", "{name}: {fault}"),
        }
        rules
    };
    CHOICE.set(Choice {
        goes_on: named("verifier_goes_on", manifest.verifier_goes_on.clone()),
        stops: named("verifier_stops", manifest.verifier_stops.clone()),
    });
}

/// A driver does what its documentation says not to do, but what no rule of Driver Verifier ends the
/// system for: it is told once for each place. Any IRQL.
pub fn warn(what: &'static str, details: fmt::Arguments<'_>) {
    let place = stack::driver();
    if place != 0 && WARNED.lock().insert((what, place)) {
        let (module, offset) = module_of(place);
        log!("verifier", "{module}+{offset:#x} {what}: {details}");
    }
}

fn goes_on(code: u32, first: u64) -> bool {
    let covers = |rules: &[Rule]| rules.iter().any(|rule| rule.covers(code, first));
    CHOICE
        .get()
        .is_some_and(|choice| covers(&choice.goes_on) && !covers(&choice.stops))
}

/// A rule is broken at this place that is reported by this bug check, by an instruction that can be
/// tried again: whether the system goes on, so that it is. Any IRQL.
#[must_use]
pub fn lets_retry(place: u64, code: u32, parameters: [u64; 4]) -> bool {
    let goes_on = goes_on(code, parameters[0]);
    if goes_on {
        report_at(place, code, parameters);
    }
    goes_on
}

/// A rule is broken that is reported by this bug check. Any IRQL.
pub fn report(code: u32, parameters: [u64; 4]) {
    let mut place = stack::driver();
    if place == 0 {
        // The routine has returned: most bug checks tell where it is.
        let mut told = parameters.iter().copied();
        place = told.find(|&it| module::find(it).is_some()).unwrap_or(0);
    }
    report_at(place, code, parameters);
}

/// As [`report`], by a routine of a driver's that has returned.
pub fn report_at(place: u64, code: u32, parameters: [u64; 4]) {
    let [first, second, third, fourth] = parameters;
    if !goes_on(code, first) {
        bugcheck::bugcheck(code, parameters);
    }
    if TOLD.lock().insert((code, first, place)) {
        let (module, offset) = module_of(place);
        log!(
            "verifier",
            "found {code:#x} ({first:#x}, {second:#x}, {third:#x}, {fourth:#x}) at \
             {module}+{offset:#x}"
        );
    }
}
