//! Which of the verifier's options are on: those of the manifest, from when it is read.

use core::sync::atomic::{AtomicU32, Ordering};

use nthost_protocol::manifest::VerifierOption;

use crate::mm::pool::{self, Special, special};

const fn bit(option: VerifierOption) -> u32 {
    1 << option as u32
}

static OPTIONS: AtomicU32 = AtomicU32::new(standard());

const fn standard() -> u32 {
    let mut bits = 0;
    let mut rest = VerifierOption::STANDARD;
    while let [first, others @ ..] = rest {
        bits |= bit(*first);
        rest = others;
    }
    bits
}

/// Turns these on and all others off.
pub fn set(options: &[VerifierOption]) {
    let bits = options.iter().fold(0, |bits, &option| bits | bit(option));
    // Relaxed: options are set before drivers are loaded.
    OPTIONS.store(bits, Ordering::Relaxed);
    choose_pool();
}

/// Which pool is special by the options that are on.
fn choose_pool() {
    special::set_underrun(is_on(VerifierOption::SpecialPoolUnderrun));
    pool::set_special(
        if is_on(VerifierOption::SpecialPool) || is_on(VerifierOption::SpecialPoolUnderrun) {
            Special::All
        } else if is_on(VerifierOption::ForceIrqlChecking) {
            Special::Paged
        } else {
            Special::None
        },
    );
}

/// Whether an option is on. Any IRQL.
#[must_use]
pub fn is_on(option: VerifierOption) -> bool {
    OPTIONS.load(Ordering::Relaxed) & bit(option) != 0
}

/// Whether any option is on. Any IRQL.
#[must_use]
pub fn is_any_on() -> bool {
    OPTIONS.load(Ordering::Relaxed) != 0
}
