//! What a person sees of a step: its name when it begins, its time when it took more than a
//! second.

use std::{
    io::{IsTerminal, Write, stderr},
    time::{Duration, Instant},
};

/// Runs a step, and says so.
pub fn step<T>(name: &str, run: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let terminal = stderr().is_terminal();
    if terminal {
        eprint!("  {name} …");
        let _ = stderr().flush();
    } else {
        eprintln!("  {name}");
    }
    let begun = Instant::now();
    let result = run();
    let elapsed = begun.elapsed();
    let verdict = if result.is_ok() { "done" } else { "failed" };
    if terminal {
        eprintln!("\r  {name}: {verdict} ({:.1} s)", elapsed.as_secs_f64());
    } else if elapsed > Duration::from_secs(1) || result.is_err() {
        eprintln!("  {name}: {verdict} ({:.1} s)", elapsed.as_secs_f64());
    }
    result
}
