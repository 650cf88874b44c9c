//! A machine that does not answer is told of, with what each of its processors does.
#![cfg(unix)]

use std::{thread, time::Duration};

use eduwdm_tests::{Booted, boot, manifest, options};
use serde_json::json;

/// How long the machine may not answer here.
const LIMIT: Duration = Duration::from_secs(2);
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
        assert!(line.contains("nthost!") && line.contains(".rs:"), "{told}");
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
