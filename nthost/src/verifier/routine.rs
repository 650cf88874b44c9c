//! What a driver's routine must leave as it found it: the IRQL, and what holds the thread's APCs
//! back.
//!
//! Source: bug check 0xC4, subcodes 0x31, 0xC1, 0xC5, 0xFA, 0xFB and 0x111; bug check 0xC7, 4.

use nthost_protocol::manifest::VerifierOption;

use x86_64::instructions::interrupts;

use super::is_on;
use crate::{
    ke::{
        bugcheck::{self, code},
        irql, thread,
    },
    pe::module::module_of,
};

/// How things are before a driver's routine is called.
#[derive(Clone, Copy, Debug)]
pub struct Before {
    routine: u64,
    level: u8,
    apcs: i32,
}

fn apcs() -> i32 {
    // SAFETY: the thread that runs exists.
    let thread = unsafe { &*thread::current() };
    thread.kernel_apc_disable + thread.special_apc_disable
}

fn violation(parameters: [u64; 4]) {
    bugcheck::bugcheck(code::DRIVER_VERIFIER_DETECTED_VIOLATION, parameters)
}

fn count(apcs: i32) -> u64 {
    u64::from(apcs.cast_unsigned())
}

impl Before {
    /// The routine at this address is about to be called.
    #[must_use]
    pub fn calling(routine: u64) -> Self {
        Self {
            routine,
            level: irql::current(),
            apcs: apcs(),
        }
    }

    /// A dispatch routine has returned. The IRQL is the I/O manager's to check.
    pub fn after_dispatch(self) {
        if !interrupts::are_enabled() && is_on(VerifierOption::IoVerification) {
            self.blame("whether interrupts are enabled");
            violation([0xc1, self.routine, 0, 0]);
        }
        let apcs = apcs();
        if apcs != self.apcs && is_on(VerifierOption::IoVerification) {
            self.blame("what holds APCs back");
            violation([0xc5, self.routine, count(apcs), count(self.apcs)]);
        }
    }

    /// A completion routine has returned.
    pub fn after_completion(self) {
        let (level, apcs) = (irql::current(), apcs());
        if !is_on(VerifierOption::IoVerification) {
            return;
        }
        if level != self.level {
            self.blame("the IRQL");
            violation([0xfa, self.routine, self.level.into(), level.into()]);
        }
        if apcs != self.apcs {
            self.blame("what holds APCs back");
            violation([0xfb, self.routine, count(apcs), count(self.apcs)]);
        }
    }

    /// The routine has returned, so that no stack names it.
    fn blame(&self, what: &str) {
        let (module, offset) = module_of(self.routine);
        log!(
            "verifier",
            "the routine at {module}+{offset:#x} changed {what}"
        );
    }

    /// A DPC's routine has returned.
    pub fn after_dpc(self) {
        let (level, apcs) = (irql::current(), apcs());
        if !is_on(VerifierOption::MiscellaneousChecks) {
            return;
        }
        if level != self.level {
            self.blame("the IRQL");
        }
        if apcs != self.apcs {
            self.blame("what holds APCs back");
        }
        if level < self.level {
            // Parameter 4: 1 for a level that is not allowed inside a DPC's routine.
            violation([0x31, self.level.into(), level.into(), 1]);
        }
        if level > self.level {
            violation([0x30, level.into(), self.level.into(), 0]);
        }
        if apcs != self.apcs {
            let parameters = [4, self.routine, count(self.apcs), count(apcs)];
            bugcheck::bugcheck(code::TIMER_OR_DPC_INVALID, parameters);
        }
    }

    /// An interrupt's routine has returned.
    pub fn after_interrupt(self) {
        let level = irql::current();
        if level != self.level && is_on(VerifierOption::MiscellaneousChecks) {
            self.blame("the IRQL");
            violation([0x111, self.routine, self.level.into(), level.into()]);
        }
    }
}
