//! A machine that does not answer is told of, with what each of its processors does; one that is
//! asked to end says so before it does.
#![cfg(unix)]

use std::{
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use eductl::nthost::NtHost;
use eduwdm_tests::{Booted, boot, manifest, options};
use nthost_protocol::HostRequest;
use serde_json::json;

/// How long the machine may not answer here.
const LIMIT: Duration = Duration::from_secs(2);
/// How long anything may take before the test fails.
const LONG: Duration = Duration::from_mins(1);
/// How often is looked at the most, a twentieth of a second apart, before the test fails.
const LOOKS: u32 = 2000;

/// Looks until the machine is silent, or is not.
fn look_until(booted: &mut Booted, silent: bool) -> Option<String> {
    for _ in 0..LOOKS {
        let told = booted.session.silent(LIMIT);
        if told.is_some() == silent {
            return told;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("silent: {silent} is due\n{}", booted.log())
}

#[test]
fn a_machine_that_does_not_answer_is_told_of_with_the_place_of_each_processor() {
    let mut booted = boot("smp4", &options(manifest())).unwrap_or_else(|fault| panic!("{fault}"));
    // Halted by its monitor, it answers nothing, though it lives.
    booted
        .session
        .guest
        .monitor
        .execute("stop", json!({}))
        .unwrap();
    let told = look_until(&mut booted, true).unwrap();
    assert!(
        told.starts_with("the machine has not answered for 2 s:\n"),
        "{told}"
    );
    for processor in 0..4 {
        let begin = format!("    processor {processor}");
        let line = told.lines().find(|line| line.starts_with(&begin));
        let line = line.unwrap_or_else(|| panic!("processor {processor}: {told}"));
        // A processor stops where it has just taken an interrupt, too: in the entries of traps,
        // which are assembly, and have no lines.
        let entries = line.ends_with("nthost!trap_entries");
        assert!(
            entries || line.contains("nthost!") && line.contains(".rs:"),
            "{told}"
        );
    }
    booted
        .session
        .guest
        .monitor
        .execute("cont", json!({}))
        .unwrap();
    look_until(&mut booted, false);
    booted.shut_down();
}

#[test]
fn a_machine_answers_who_ends_it_whatever_else_it_is_asked() {
    /// How many ask beside the one that ends it.
    const OTHERS: usize = 6;
    /// How many answers there are before.
    const ANSWERS: u32 = 200;

    let mut booted = boot("smp4", &options(manifest())).unwrap_or_else(|fault| panic!("{fault}"));
    let socket = booted.session.socket().to_owned();
    let answers = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..OTHERS {
            let host = NtHost::connect(&socket).unwrap();
            let answers = &answers;
            scope.spawn(move || {
                while host.threads().is_ok() {
                    // Relaxed: nothing but the number is read.
                    answers.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..LOOKS {
            if answers.load(Ordering::Relaxed) >= ANSWERS {
                break;
            }
            thread::sleep(Duration::from_millis(50));
        }
        let answers = answers.load(Ordering::Relaxed);
        assert!(answers >= ANSWERS, "{answers} answers\n{}", booted.log());
        // Their questions go on meanwhile, and their answers are behind this one's.
        let asked = booted.host.host_success(HostRequest::Shutdown { code: 0 });
        asked.unwrap_or_else(|error| panic!("it ends without an answer: {error}"));
        booted
            .session
            .finish(LONG)
            .unwrap_or_else(|fault| panic!("{fault}"));
    });
}
