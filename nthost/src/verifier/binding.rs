//! Which drivers' calls pass the gate down.
//!
//! As Driver Verifier does, nthost replaces the imports of the drivers that are verified. What is
//! made to happen at calls (faults, noise, breakpoints, the trace of a run) needs the calls of all
//! drivers. With neither, no import is replaced, and nothing is looked at.

use nthost_protocol::manifest::VerifierOption;

use super::{breakpoint, fault, is_on, options, trace};
use crate::{
    ke::noise,
    pe::module::{self, LoadOptions},
};

/// Whether the calls of all drivers pass the gate, verified or not.
fn is_for_all() -> bool {
    noise::seed().is_some() || fault::any() || breakpoint::are_enabled() || trace::is_on()
}

/// How the image of this name is to be loaded.
#[must_use]
pub fn load_options(image: &str) -> LoadOptions {
    LoadOptions {
        checked: is_for_all() || options::is_any_on_for(image),
        code_integrity: is_on(VerifierOption::CodeIntegrity),
    }
}

/// What passes the gate may have changed: drivers in memory are bound anew. PASSIVE_LEVEL.
pub fn renew() {
    let for_all = is_for_all();
    module::bind_all(|module| for_all || options::is_any_on_for(&module.name));
}
