//! What becomes of a violation: it stops the machine, or it is told in the log and the driver goes
//! on. A person who brings a driver wants all findings of one run, and not the first alone.
//!
//! Which it is, the manifest says for each rule (`report`, `stop`). A violation that leaves nothing
//! to go on with always stops: those do not come here.

use alloc::{collections::BTreeSet, vec::Vec};
use core::sync::atomic::{AtomicU32, Ordering};

use nthost_protocol::manifest::Rule;

use crate::{
    ke::{bugcheck, lock::HighLock, stack},
    pe::module::module_of,
};

/// Rules that are told of unless the manifest says otherwise: what drivers of before Windows 8 do by
/// the dozen.
const REPORTED: &[Rule] = &[Rule {
    code: Some(0xc4),
    subcode: Some(0x2000),
}];

#[derive(Debug)]
struct Rules {
    report: Vec<Rule>,
    stop: Vec<Rule>,
    /// What was told, and where: each once.
    told: BTreeSet<(u32, u64, u64)>,
}

/// Protects what the manifest says and what was told. A leaf.
static RULES: HighLock<Rules> = HighLock::new(Rules {
    report: Vec::new(),
    stop: Vec::new(),
    told: BTreeSet::new(),
});
/// How many violations were told of.
static REPORTS: AtomicU32 = AtomicU32::new(0);

/// Reads what the manifest says. PASSIVE_LEVEL, before the first driver is loaded.
pub fn set(report: &[Rule], stop: &[Rule]) {
    let mut rules = RULES.lock();
    rules.report = report.to_vec();
    rules.stop = stop.to_vec();
}

/// How many violations were told of.
#[must_use]
pub fn reports() -> u32 {
    // Relaxed: a count.
    REPORTS.load(Ordering::Relaxed)
}

/// A driver breaks a rule: the bug check, or a line in the log, after which whoever found it goes on
/// as if it had not looked. Each place is told once.
pub fn found(code: u32, parameters: [u64; 4]) {
    let place = stack::driver();
    let subcode = parameters[0];
    let mut rules = RULES.lock();
    let is = |rules: &[Rule]| rules.iter().any(|rule| rule.is(code, subcode));
    if is(&rules.stop) || !(is(&rules.report) || is(REPORTED)) {
        drop(rules);
        bugcheck::bugcheck(code, parameters);
    }
    let first = rules.told.insert((code, subcode, place));
    drop(rules);
    if !first {
        return;
    }
    REPORTS.fetch_add(1, Ordering::Relaxed);
    let (module, offset) = module_of(place);
    let [first, second, third, fourth] = parameters;
    log!(
        "verifier",
        "reported: {code:#x} ({first:#x}, {second:#x}, {third:#x}, {fourth:#x}) from \
         {module}+{offset:#x}"
    );
}
