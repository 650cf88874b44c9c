//! Runs that are the same again: time counted in instructions, one seed for all that is left to
//! chance, and nothing that depends on the host's pace.
//!
//! nthost uses the devices by itself (the manifest's exercise), so that it does not matter when
//! a client's message arrives. Transfers are part of it: `edu` ends them by a timer of the machine's
//! time, which counts instructions. Factorials are left out: `edu` computes them in a thread of
//! QEMU's own, at the host's pace, which no option of QEMU's ties to the machine's time, so that
//! the interrupt of their end comes anywhere.

use std::{fmt, path::Path};

use eduwdm_abi::{
    Header, Ioctl,
    edu::{DmaSelfTestInput, Liveness, RaiseEvent, WaitEventInput},
    testdev::{RunInput, TEST_COUNT},
};
use nthost_protocol::{
    Manifest,
    exercise::{Exercise, ExerciseRequest},
};
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
    let mut manifest = manifest(rounds)?;
    manifest.noise = Some(seed);
    let mut options = Options::new(manifest);
    options.accelerator = Choice::Tcg;
    options.extras.instruction_count = Some(SHIFT);
    Ok(options)
}

/// What has the driver's devices used for so many rounds.
///
/// # Errors
///
/// If the driver's manifest cannot be read.
pub fn manifest(rounds: u32) -> Result<Manifest, ManifestError> {
    let mut manifest = manifest::load(Path::new(manifest::EDUWDM))?;
    manifest.exercise = Some(Exercise {
        rounds,
        requests: requests(),
        measure: 0,
        measure_all_ways: false,
    });
    Ok(manifest)
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
    let liveness = Liveness {
        header: Header::of::<Liveness>(),
        value: 0x1234_5678,
        inverse: 0,
    };
    let self_test = DmaSelfTestInput {
        header: Header::of::<DmaSelfTestInput>(),
        seed: 1,
        length: 3000,
        device_offset: 500,
    };
    let mut requests = vec![
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
        control(Ioctl::Liveness, liveness.as_bytes(), 64),
        control(Ioctl::DmaSelfTest, self_test.as_bytes(), 64),
        control(Ioctl::Topology, &[], 4096),
        control(Ioctl::TestdevInfo, &[], 4096),
        control(Ioctl::Reset, &[], 0),
    ];
    // By memory and by I/O ports.
    for (bar, test) in (0..2).flat_map(|bar| (0..TEST_COUNT).map(move |test| (bar, test))) {
        let run = RunInput {
            header: Header::of::<RunInput>(),
            bar,
            test,
            writes: 10,
            reserved: 0,
        };
        requests.push(control(Ioctl::TestdevRun, run.as_bytes(), 64));
    }
    requests
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
    /// How many events of a kind there were, in nthost's word for it.
    #[must_use]
    pub fn count(&self, kind: &str) -> Option<u64> {
        let words: Vec<_> = self.line.split([' ', ',']).collect();
        let pair = words.windows(2).find(|pair| pair[1] == kind)?;
        pair[0].parse().ok()
    }

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

    #[test]
    fn a_trace_says_how_many_events_of_each_kind_there_were() {
        let line = "[1.0 cpu0] trace: 12 calls, 3 interrupts, 4 changes of threads and 5 DPCs until \
                    7, fingerprint 0x9";
        let trace = Trace {
            line: line.to_owned(),
            log: Vec::new(),
        };
        assert_eq!(trace.count("interrupts"), Some(3));
        assert_eq!(trace.count("DPCs"), Some(5));
        assert_eq!(trace.count("timers"), None);
    }
}
