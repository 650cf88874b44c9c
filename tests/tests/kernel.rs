//! nthost's tests of its own kernel, on machines with one processor, several, and two nodes.
#![cfg(unix)]

use std::time::Duration;

use eduwdm_qemu::{
    Machine,
    command_line::{Extras, KVM_MODEL},
    guest::{Ending, Guest, Kernel},
    machine::Choice,
};
use eduwdm_tests::artifacts;
use nthost_protocol::Manifest;

/// How long a machine may take: a test that would not end is one that fails.
const LIMIT: Duration = Duration::from_mins(5);

fn load(machine: &str) -> Machine {
    Machine::load(machine).unwrap_or_else(|fault| panic!("{fault}"))
}

/// Boots a machine with these switches; how it ended, and what it said.
#[track_caller]
fn run(machine: &str, switches: &[&str]) -> (Ending, Vec<String>) {
    run_on(&load(machine), None, switches)
}

/// The same on a machine whose clock begins at this date, if one is given.
#[track_caller]
fn run_on(machine: &Machine, clock: Option<&str>, switches: &[&str]) -> (Ending, Vec<String>) {
    let artifacts = artifacts();
    let kernel = Kernel {
        image: &artifacts.kernel,
        manifest: &Manifest::default(),
        images: &[],
        accelerator: Choice::default(),
        directory: &artifacts.directory,
        extras: Extras {
            switches: switches.iter().map(ToString::to_string).collect(),
            clock: clock.map(ToOwned::to_owned),
            ..Extras::default()
        },
    };
    let mut guest =
        Guest::start(machine, &kernel, |_| ()).unwrap_or_else(|fault| panic!("{fault}"));
    let ending = guest.wait(LIMIT);
    (ending, guest.log.lines())
}

/// Boots a machine that tests itself, and checks what it says.
#[track_caller]
fn passes(machine: &str, switches: &[&str]) {
    passes_on(&load(machine), switches);
}

#[track_caller]
fn passes_on(machine: &Machine, switches: &[&str]) {
    let (ending, log) = run_on(machine, None, switches);
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
fn system_time_begins_with_the_machines_clock() {
    let clock = Some("2031-12-31T23:00:00");
    let (ending, log) = run_on(&load("up"), clock, &["selftest=real-time"]);
    let said = log
        .iter()
        .any(|line| line.contains("the clock says 2031-12-31 23:"));
    assert!(
        ending == Ending::Exit(0) && said,
        "{ending}:\n{}",
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

/// What a driver must not do, and the bug check that it ends in.
const VIOLATIONS: &[(&str, &str)] = &[
    ("0x32", "0x000000c4 (0x32, 0x0, "),
    ("0x33", "0x000000c4 (0x33, 0x2, "),
    ("0x34", "0x000000c4 (0x34, 0x0, 0x0, "),
    ("0x39", "0x000000c4 (0x39, 0x0, 0x0, "),
    ("0x3b", "0x000000c4 (0x3b, 0x2, "),
    ("0x3b-delay", "0x000000c4 (0x3b, 0x2, 0x0, "),
    ("0x3e", "0x000000c4 (0x3e, 0x0, "),
    ("0x40", "0x000000c4 (0x40, 0x0, "),
    ("0x41", "0x000000c4 (0x41, 0x0, "),
    ("0x42", "0x000000c4 (0x42, 0x5, "),
    ("0x80", "0x000000c4 (0x80, 0x5, "),
    ("0xea", "0x000000c4 (0xea, 0x0, 0x0, "),
    ("0x1007", "0x000000c4 (0x1007, "),
    ("0x20011", "0x000000c4 (0x20011, "),
    ("0x2001f", "0x000000c4 (0x2001f, "),
    ("0x20023", "0x000000c4 (0x20023, "),
    ("0x0f", "0x0000000f ("),
    ("0x10", "0x00000010 ("),
    ("0x1001", "0x000000c4 (0x1001, "),
    ("0x1001-mutex", "0x000000c4 (0x1001, "),
    ("0x1003", "0x000000c4 (0x1003, "),
    ("0xcd-over", "0x000000cd ("),
    ("0xcd-under", "0x000000cd ("),
    ("0xc1-over", "0x000000c1 ("),
    ("0xc1-under", "0x000000c1 ("),
    ("0xc2-twice", "0x000000c2 (0x7, "),
    ("0xc2-tag", "0x000000c2 (0xa, "),
    ("0x19", "0x00000019 (0x20, "),
    ("0x7e", "0x0000007e (0xffffffff80000003, "),
    ("0x139", "0x00000139 (0x8, 0x27, 0x2, 0x28)"),
];

#[test]
fn the_kernel_runs_on_the_model_of_a_processor_that_kvm_is_given() {
    let mut machine = load("smp4");
    // Of two options that say the same, QEMU takes the last.
    machine.arguments = ["-cpu", KVM_MODEL].map(str::to_owned).into();
    passes_on(&machine, &["selftest"]);
}

#[test]
fn a_call_that_is_not_allowed_ends_in_its_own_bug_check() {
    for (name, expected) in VIOLATIONS {
        let switch = format!("violation={name}");
        let (ending, log) = run("up", &["selftest", &switch]);
        let stop = log
            .iter()
            .find_map(|line| line.strip_prefix("*** STOP: "))
            .unwrap_or_default();
        assert!(
            ending != Ending::Exit(0) && stop.starts_with(expected),
            "{name}: {ending}, {stop:?} should be {expected:?}:\n{}",
            log.join("\n")
        );
    }
}
