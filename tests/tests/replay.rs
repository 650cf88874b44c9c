//! The same seed gives the same run: with time counted in instructions, to the instruction. And
//! with any seed the driver ends every request and gives everything back.
#![cfg(unix)]

use std::{thread, time::Duration};

use eduwdm_qemu::replay::{self, ROUNDS, Trace};
use eduwdm_tests::{Booted, boot};
use nthost_protocol::host::PnpOperation;

/// How often the trace is looked for, a hundredth of a second apart, before the test fails.
const LOOKS: u32 = 3000;

/// A run on a machine; what it was. It ends with everything given back.
fn run(machine: &str, seed: u64) -> Trace {
    println!(
        "{machine}: seed {seed:#x}; again with \
         `cargo xtask test --replay {seed:#x} --machine {machine}`"
    );
    let mut options = replay::options(seed, ROUNDS).unwrap_or_else(|fault| panic!("{fault}"));
    options.name = eduwdm_tests::options(options.manifest.clone()).name;
    let booted = boot(machine, &options).unwrap_or_else(|fault| panic!("seed {seed:#x}: {fault}"));
    // The log comes by another way than the news that the machine is ready.
    let found = |booted: &Booted| Trace::of(&booted.session.guest.log.lines());
    let trace = (0..LOOKS).find_map(|_| {
        let trace = found(&booted);
        if trace.is_none() {
            thread::sleep(Duration::from_millis(10));
        }
        trace
    });
    let trace = trace.unwrap_or_else(|| panic!("seed {seed:#x}: no trace\n{}", booted.log()));
    println!("{trace}");
    for kind in ["calls", "interrupts", "DPCs"] {
        assert!(trace.count(kind) > Some(0), "no {kind}: {trace}");
    }
    booted.assert_nothing_of_requests_left();
    for id in ["VEN_1234&DEV_11E8", "VEN_1B36&DEV_0005"] {
        let device = booted.instance(id, 0);
        for operation in [PnpOperation::QueryRemove, PnpOperation::Remove] {
            let done = booted.host.pnp(&device, operation);
            done.unwrap_or_else(|fault| panic!("seed {seed:#x}: {fault}"));
        }
    }
    booted.shut_down();
    trace
}

/// Where two runs part.
fn assert_same(one: &Trace, other: &Trace) {
    for (line, (a, b)) in one.log.iter().zip(&other.log).enumerate() {
        assert_eq!(a, b, "the logs part at line {line}");
    }
    assert_eq!(one, other);
}

#[test]
fn the_same_seed_gives_the_same_run_to_the_instruction_and_another_seed_another() {
    let first = run("up", 1);
    assert_same(&first, &run("up", 1));
    assert_ne!(first.line, run("up", 2).line);
}

#[test]
fn the_same_seed_gives_the_same_run_on_four_processors() {
    let first = run("smp4", 1);
    assert_same(&first, &run("smp4", 1));
}

#[test]
fn whatever_the_seed_every_request_ends_and_everything_is_given_back() {
    let base = eduwdm_tests::seed().unwrap_or(0x5eed_0000);
    for seed in base..base + 4 {
        run("up", seed);
        run("smp4", seed);
    }
}
