//! How many instructions of a driver's image a request costs: QEMU logs each instruction of the
//! drivers that it executes, and each access to a port, so that what nthost writes to its log tells
//! where a request's instructions begin and end.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
    process::Command,
};

use nthost_protocol::exercise::{Exercise, ExerciseRequest};

use crate::{
    Artifacts, Machine,
    figures::{self, FiguresError},
    guest::PROGRAM,
    machine::Device,
    replay,
};

/// What QEMU is to log, for its `-d`.
pub const EVENTS: &str = "exec,nochain,trace:memory_region_ops_write";
/// The first serial port, which carries nthost's log.
const LOG_PORT: &str = " addr 0x3f8 value 0x";

/// How a QEMU is told to log each instruction, not each block of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SingleStep {
    /// By `-singlestep`.
    Switch,
    /// By the accelerator's property `one-insn-per-tb`, which 8.1 has put in its place.
    Property,
}

impl SingleStep {
    /// Of the QEMU that is installed.
    ///
    /// # Errors
    ///
    /// When it cannot be asked.
    pub fn installed() -> io::Result<Self> {
        let output = Command::new(PROGRAM).arg("--version").output()?;
        Ok(Self::of(&String::from_utf8_lossy(&output.stdout)))
    }

    /// Of the one that says `QEMU emulator version 7.2.22 (…)`.
    fn of(said: &str) -> Self {
        let number = said.split_once("version ").map_or("", |(_, rest)| rest);
        let mut numbers = number
            .split(|character: char| !character.is_ascii_digit())
            .map(|number| number.parse().unwrap_or(0_u32));
        let version = (numbers.next(), numbers.next());
        if version >= (Some(8), Some(1)) {
            Self::Property
        } else {
            Self::Switch
        }
    }
}

/// Instructions of drivers that a request costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageCost {
    /// In all requests of the kind.
    pub instructions: u64,
    /// How many there were.
    pub requests: u64,
}

impl ImageCost {
    /// Of one request, on average, rounded up.
    #[must_use]
    pub const fn each(self) -> u64 {
        self.instructions.div_ceil(self.requests)
    }
}

/// What each of these requests costs the driver of the machine's `edu`, made `repeated` times by a
/// thread of a process. The trace is left in `file`.
///
/// # Errors
///
/// [`FiguresError`].
pub fn measure(
    artifacts: &Artifacts,
    requests: Vec<ExerciseRequest>,
    repeated: u32,
    file: &Path,
) -> Result<Vec<ImageCost>, FiguresError> {
    let mut machine = Machine::load("up")?;
    machine
        .devices
        .retain(|device| matches!(device, Device::Edu { .. }));
    let mut options = figures::named(replay::options(0, 0)?);
    options.manifest.noise = None;
    options.manifest.verifier = Some(Vec::new());
    let single_step =
        SingleStep::installed().map_err(|error| FiguresError::Unmeasured(0, error.to_string()))?;
    options.extras.image_trace = Some((file.to_owned(), single_step));
    // What opening the device costs is counted with the first, which is not told of.
    let first = requests.first().cloned();
    options.manifest.exercise = Some(Exercise {
        rounds: 0,
        requests: first.into_iter().chain(requests).collect(),
        measure: repeated,
        measure_all_ways: false,
    });
    let (_, log) = figures::run(&machine, artifacts, &options)?;
    let counted = costs(file, u64::from(repeated) + 1)?;
    match counted.get(1..) {
        Some(counted) if !counted.is_empty() => Ok(counted.to_vec()),
        _ => Err(FiguresError::Unmeasured(0, log.join("\n"))),
    }
}

/// What the requests cost whose measurements nthost's log tells of, in their order.
fn costs(file: &Path, requests: u64) -> io::Result<Vec<ImageCost>> {
    let mut costs = Vec::new();
    let mut instructions = 0;
    let mut line = Vec::new();
    let mut said = String::new();
    let mut reader = BufReader::new(File::open(file)?);
    while reader.read_until(b'\n', &mut line)? != 0 {
        let text = String::from_utf8_lossy(&line);
        if text.starts_with("Trace ") {
            instructions += 1;
        } else if let Some(character) = written(&text) {
            if character != '\n' {
                said.push(character);
            } else if said.contains("] measure: ") {
                if said.contains(" and ends in ") {
                    costs.push(ImageCost {
                        instructions,
                        requests,
                    });
                }
                instructions = 0;
                said.clear();
            } else {
                said.clear();
            }
        }
        line.clear();
    }
    Ok(costs)
}

/// The character that nthost has written to its log.
fn written(line: &str) -> Option<char> {
    let (_, rest) = line.split_once(LOG_PORT)?;
    let value = rest.split(' ').next()?;
    u8::from_str_radix(value, 16).ok().map(char::from)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn each_version_is_told_in_its_own_words() {
        let of = |version| SingleStep::of(&format!("QEMU emulator version {version} (Debian)"));
        assert_eq!(of("7.2.22"), SingleStep::Switch);
        assert_eq!(of("8.0.5"), SingleStep::Switch);
        assert_eq!(of("8.1.0"), SingleStep::Property);
        assert_eq!(of("10.0.2"), SingleStep::Property);
    }

    #[test]
    fn a_request_costs_what_ran_between_two_lines_of_the_log() {
        let mut trace = String::new();
        let ran = |trace: &mut String, count| {
            for _ in 0..count {
                trace.push_str("Trace 0: 0x7f00 [0000/ffffb00000001000/00c0b0/ff000001]\n");
            }
        };
        let says = |trace: &mut String, line: &str| {
            for byte in line.bytes() {
                let event = "memory_region_ops_write cpu 0 mr 0x55";
                let name = "size 1 name 'serial'";
                writeln!(trace, "{event} addr 0x3f8 value {byte:#x} {name}").unwrap();
            }
        };
        ran(&mut trace, 9);
        says(
            &mut trace,
            "[0 cpu0] measure: a: request 0 takes 8 counts, and ends in 0x0\n",
        );
        ran(&mut trace, 3);
        says(&mut trace, "[0 cpu0] driver: nothing\n");
        says(
            &mut trace,
            "[0 cpu0] measure: a: request 0 by another thread takes 9 counts\n",
        );
        ran(&mut trace, 5);
        says(
            &mut trace,
            "[0 cpu0] measure: a: request 1 takes 8 counts, and ends in 0x0\n",
        );
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("trace");
        std::fs::write(&file, trace).unwrap();
        let costs = costs(&file, 2).unwrap();
        let each: Vec<_> = costs
            .iter()
            .map(|cost| (cost.instructions, cost.each()))
            .collect();
        assert_eq!(each, [(9, 5), (5, 3)]);
    }
}
