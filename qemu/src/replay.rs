//! Runs that are the same again: time counted in instructions, one seed for all that is left to
//! chance, and nothing that depends on the host's pace.
//!
//! nthost uses the devices by itself (the manifest's exercise), so that it does not matter when
//! a client's message arrives. Factorials are left out: QEMU's `edu` computes them in a thread of
//! its own, at the host's pace.

use std::{fmt, path::Path};

use eduwdm_abi::{
    Header, Ioctl,
    edu::{RaiseEvent, WaitEventInput},
};
use nthost_protocol::exercise::{Exercise, ExerciseRequest};
use zerocopy::IntoBytes;

use crate::{
    Options,
    machine::Choice,
    manifest::{self, ManifestError},
};

/// The environment variable that has the tests' machines run with scheduling noise from a seed.
pub const SEED_VARIABLE: &str = "EDUWDM_SEED";

/// For how many rounds the tests have the devices used.
pub const ROUNDS: u32 = 12;

/// Each instruction takes 2^3 ns.
pub const SHIFT: u8 = 3;

/// A bit that the driver lets applications raise and wait for.
const EVENT: u32 = 0x80;

/// Options for a run with this seed, in which the driver's devices are used for so many rounds.
///
/// # Errors
///
/// If the driver's manifest cannot be read.
pub fn options(seed: u64, rounds: u32) -> Result<Options, ManifestError> {
    let mut manifest = manifest::load(Path::new(manifest::EDUWDM))?;
    manifest.noise = Some(seed);
    manifest.exercise = Some(Exercise {
        rounds,
        requests: requests(),
        measure: 0,
    });
    let mut options = Options::new(manifest);
    options.accelerator = Choice::Tcg;
    options.extras.instruction_count = Some(SHIFT);
    Ok(options)
}

fn requests() -> Vec<ExerciseRequest> {
    let read = |offset, length| ExerciseRequest::Read { offset, length };
    let write = |offset, length| ExerciseRequest::Write { offset, length };
    let control = |ioctl: Ioctl, input: &[u8], output| ExerciseRequest::Control {
        code: ioctl.code(),
        input: input.to_vec(),
        output,
    };
    let wait = |timeout_ms| WaitEventInput {
        header: Header::of::<WaitEventInput>(),
        mask: EVENT,
        timeout_ms,
    };
    let raise = RaiseEvent {
        header: Header::of::<RaiseEvent>(),
        bits: EVENT,
        reserved: 0,
    };
    vec![
        read(0, 4095),
        read(100, 1),
        write(0, 4095),
        write(7, 100),
        write(4000, 200),
        control(Ioctl::WaitEvent, wait(0).as_bytes(), 64),
        control(Ioctl::WaitEvent, wait(20).as_bytes(), 64),
        control(Ioctl::RaiseEvent, raise.as_bytes(), 0),
        control(Ioctl::Identify, &[], 4096),
        control(Ioctl::Statistics, &[], 1 << 16),
        control(Ioctl::TestdevInfo, &[], 4096),
        control(Ioctl::Reset, &[], 0),
    ]
}

/// What a run was: two runs with the same were the same to the instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Drivers' calls, devices' interrupts and changes of threads, and their fingerprint, in
    /// nthost's words.
    pub line: String,
    /// All that nthost had logged until then.
    pub log: Vec<String>,
}

impl Trace {
    /// That of the run that logged these lines; `None` if it has not come to its end.
    #[must_use]
    pub fn of(log: &[String]) -> Option<Self> {
        let at = log.iter().position(|line| line.contains("] trace: "))?;
        Some(Self {
            line: log[at].clone(),
            log: log[..at].to_vec(),
        })
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_what_was_logged_up_to_its_line() {
        let log: Vec<_> = [
            "[0.000001 cpu0] pnp: a",
            "[0.000002 cpu0] trace: 3 events until 7, fingerprint 0x9",
            "[0.000003 cpu0] pnp: b",
        ]
        .map(str::to_owned)
        .to_vec();
        let trace = Trace::of(&log).unwrap();
        assert_eq!(trace.log, log[..1]);
        assert_eq!(trace.line, log[1]);
        assert_eq!(Trace::of(&log[..1]), None);
    }

    #[test]
    fn a_replay_counts_instructions_and_has_its_seed_in_the_manifest() {
        let options = options(7, 3).unwrap();
        assert_eq!(options.manifest.noise, Some(7));
        assert_eq!(options.manifest.exercise.unwrap().rounds, 3);
        assert_eq!(options.extras.instruction_count, Some(SHIFT));
        let factorial = Ioctl::Factorial.code();
        let asks = |request: &ExerciseRequest| matches!(request, ExerciseRequest::Control { code, .. } if *code == factorial);
        assert!(!requests().iter().any(asks));
    }
}
