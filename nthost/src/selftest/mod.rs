//! nthost tests its own kernel, on the machine that it booted on: the switch `selftest`, or
//! `selftest=WORD` for the tests whose names hold the word.
//!
//! `violation=NAME` with it makes one call that a driver must not make.
//!
//! The tests call the routines as drivers do. Each has a line in the log, `ok` or `FAILED`; the
//! emulator's exit status says whether all passed. Nothing is timed: a test that would not end
//! is ended by whoever started the machine.

mod affinity;
mod cache;
mod dpc;
mod error_log;
mod executive;
mod executive_lock;
mod format;
mod interrupt;
mod irp;
mod lock;
mod notify;
mod object;
mod once;
mod pool;
mod power;
mod priority;
mod property;
mod reference;
mod registers;
mod registry;
mod reserved;
mod stack;
mod target;
mod thread;
mod timer;
mod violation;
mod wait;
mod zw;

use alloc::string::String;

use crate::{
    hal::exit,
    ke::{bugcheck::exit_code, pcr},
    switches::Switches,
    verifier::noise,
};

/// What a test ends with: what was wrong, if anything was.
type Outcome = Result<(), String>;

/// A test's name, which says the rule that it checks, and its routine.
type Test = (&'static str, fn() -> Outcome);

/// Ends the test if something is not as it should be.
macro_rules! ensure {
    ($condition:expr, $($why:tt)*) => {
        if !$condition {
            return Err(alloc::format!($($why)*));
        }
    };
}

/// Ends the test if two values differ.
macro_rules! ensure_eq {
    ($left:expr, $right:expr $(,)?) => {{
        let (left, right) = (&$left, &$right);
        if left != right {
            return Err(alloc::format!(
                "{} is {left:?}, and should be {right:?}",
                stringify!($left)
            ));
        }
    }};
}

use {ensure, ensure_eq};

/// Runs the tests, and ends the machine.
pub fn run(switches: Switches<'_>) -> ! {
    if let Some(seed) = switches.noise() {
        log!("selftest", "scheduling noise from seed {seed:#x}");
        noise::start(seed);
    }
    if let Some(name) = switches.value("violation") {
        violation::run(name);
        exit::exit(exit_code::SELFTEST)
    }
    let word = switches.value("selftest").unwrap_or("");
    let suites = [
        wait::TESTS,
        dpc::TESTS,
        timer::TESTS,
        lock::TESTS,
        interrupt::TESTS,
        affinity::TESTS,
        priority::TESTS,
        thread::TESTS,
        stack::TESTS,
        executive::TESTS,
        executive_lock::TESTS,
        format::TESTS,
        registers::TESTS,
        registry::TESTS,
        once::TESTS,
        irp::TESTS,
        error_log::TESTS,
        property::TESTS,
        notify::TESTS,
        zw::TESTS,
        cache::TESTS,
        reserved::TESTS,
        reference::TESTS,
        power::TESTS,
        pool::TESTS,
    ];
    let (mut passed, mut failed) = (0, 0);
    for &(name, test) in suites.into_iter().flatten() {
        if !name.contains(word) {
            continue;
        }
        match test() {
            Ok(()) => {
                passed += 1;
                log!("selftest", "ok {name}");
            }
            Err(why) => {
                failed += 1;
                log!("selftest", "FAILED {name}: {why}");
            }
        }
    }
    log!(
        "selftest",
        "{passed} passed, {failed} failed, {} processors",
        pcr::count()
    );
    exit::exit(if failed == 0 && passed > 0 {
        exit_code::SUCCESS
    } else {
        exit_code::SELFTEST
    })
}
