//! nthost's tests of its own kernel, on machines with one processor, several, and two nodes.
#![cfg(unix)]

use std::time::Duration;

use eduwdm_qemu::{
    Machine,
    command_line::Extras,
    guest::{Ending, Guest, Kernel},
    machine::Choice,
};
use eduwdm_tests::artifacts;
use nthost_protocol::Manifest;

/// How long a machine may take: a test that would not end is one that fails.
const LIMIT: Duration = Duration::from_mins(5);

/// Boots a machine that tests itself, and checks what it says.
#[track_caller]
fn passes(machine: &str, switches: &[&str]) {
    let machine = Machine::load(machine).unwrap_or_else(|fault| panic!("{fault}"));
    let artifacts = artifacts();
    let kernel = Kernel {
        image: &artifacts.kernel,
        manifest: &Manifest::default(),
        images: &[],
        accelerator: Choice::Auto,
        directory: &artifacts.directory,
        extras: Extras {
            switches: switches.iter().map(ToString::to_string).collect(),
            ..Extras::default()
        },
    };
    let mut guest =
        Guest::start(&machine, &kernel, |_| ()).unwrap_or_else(|fault| panic!("{fault}"));
    let ending = guest.wait(LIMIT);
    let log = guest.log.lines();
    let passed = log
        .iter()
        .filter(|line| line.contains("selftest: ok "))
        .count();
    assert!(
        ending == Ending::Exit(0) && passed > 0,
        "{ending}, {passed} passed:\n{}",
        log.join("\n")
    );
}

#[test]
fn the_kernel_keeps_its_rules_on_one_processor() {
    passes("up", &["selftest"]);
}

#[test]
fn the_kernel_keeps_its_rules_on_four_processors() {
    passes("smp4", &["selftest"]);
}

#[test]
fn the_kernel_keeps_its_rules_on_two_nodes() {
    passes("numa2x2", &["selftest"]);
}

#[test]
fn the_kernel_keeps_its_rules_when_scheduling_is_noisy() {
    passes("smp4", &["selftest", "noise=0x5eed"]);
}
