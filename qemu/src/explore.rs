//! Schedules that nthost explores, by [the method](nthost_protocol::explore) that the protocol
//! describes: how a machine is run for that, and what comes of it.
//!
//! Time counts instructions, so that the same seed has the same run again.

use std::{
    fmt, process,
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use nthost_protocol::{
    Manifest,
    explore::Explore,
    manifest::{DriverImage, RegistryData, RegistryValue, Role},
};

use crate::{Artifacts, Machine, Options, Session, SessionError, machine::Choice, replay::SHIFT};

/// How long a machine may take on a busy host. What hangs in the machine itself ends sooner, by the
/// machine's own time.
const LIMIT: Duration = Duration::from_mins(10);

/// The number of the next machine of this process.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// To its end.
    Ended(Summary),
    /// By a bug check: the stop line, the stack and the schedule, with functions and lines.
    Found(String),
}

/// What nthost says of a run that came to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Steps of the driver.
    pub steps: u64,
    /// Schedules that were explored to their end.
    pub schedules: u64,
    /// How often a runner gave way.
    pub changes: u64,
    /// How often one was held to the limit, so that the method's guarantee does not hold there.
    pub limits: u64,
}

impl Summary {
    /// That of a line of the log; `None` if it is another line.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let (_, text) = line.split_once("] explore: ")?;
        let number = |what: &str| {
            let words: Vec<_> = text.split([' ', ',']).collect();
            let at = words.iter().position(|&word| word == what)?;
            words[..at].iter().rev().find_map(|word| word.parse().ok())
        };
        Some(Self {
            steps: number("steps")?,
            schedules: number("schedules")?,
            changes: number("changes")?,
            limits: number("holds")?,
        })
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            steps,
            schedules,
            changes,
            limits,
        } = self;
        write!(
            f,
            "{steps} steps, {schedules} schedules, {changes} changes, {limits} holds to the limit"
        )
    }
}

/// Why nothing can be said of a run.
#[derive(Debug, thiserror::Error)]
pub enum ExploreError {
    /// The machine could not be run.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// It is still running.
    #[error("the machine has not ended within {} s; its last line: {last}", LIMIT.as_secs())]
    Late {
        /// What it said last.
        last: String,
    },
}

/// Options for a machine that explores, with what this manifest loads.
#[must_use]
pub fn options(manifest: Manifest, explore: Option<Explore>) -> Options {
    let mut options = Options::new(Manifest {
        explore,
        ..manifest
    });
    options.accelerator = Choice::Tcg;
    // Nobody connects to it, and others may have the same machine.
    // Relaxed: only that they differ matters.
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    options.name = Some(format!("explore-{}-{number}", process::id()));
    options.extras.instruction_count = Some(SHIFT);
    options
}

/// Runs a machine until what it was to explore is done. Without any, it ends when all drivers are
/// started and its exercise is over.
///
/// # Errors
///
/// [`ExploreError`].
pub fn run(
    machine: &Machine,
    artifacts: &Artifacts,
    options: &Options,
) -> Result<Outcome, ExploreError> {
    let (lines, log) = mpsc::channel();
    let mut session = Session::start(machine, artifacts, options, move |line| {
        // Whoever wants no more of them has seen the last that matters.
        let _ = lines.send(line.to_owned());
    })?;
    let end = Instant::now() + LIMIT;
    let mut last = String::new();
    loop {
        match log.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                if let Some(summary) = Summary::parse(&line) {
                    return Ok(Outcome::Ended(summary));
                }
                last = line;
            }
            Err(RecvTimeoutError::Timeout) => return Err(ExploreError::Late { last }),
            // The machine has ended.
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    match session.finish(Duration::from_secs(10)) {
        Err(SessionError::Bugcheck(text)) => Ok(Outcome::Found(text)),
        Err(fault) => Err(fault.into()),
        Ok(()) => Err(SessionError::Ended {
            ending: crate::Ending::Exit(0),
            last,
        }
        .into()),
    }
}

/// How many steps a round of a race has, when nothing is explored.
///
/// # Errors
///
/// [`ExploreError`]; a race that shows by itself has its steps until then counted.
pub fn steps_of_round(
    race: Race,
    machine: &Machine,
    artifacts: &Artifacts,
) -> Result<u64, ExploreError> {
    /// Enough for the driver's begin and end not to matter.
    const ROUNDS: u32 = 20;
    let counting = Explore {
        seed: 0,
        depth: 1,
        length: 0,
    };
    let options = options(race.manifest(ROUNDS), Some(counting));
    let (steps, rounds) = match run(machine, artifacts, &options)? {
        Outcome::Ended(summary) => (summary.steps, ROUNDS),
        Outcome::Found(text) => (
            steps_in(&text).unwrap_or_default(),
            race.round_in(&text).unwrap_or_default() + 1,
        ),
    };
    Ok((steps / u64::from(rounds)).max(1))
}

/// After how many steps a bug check came.
fn steps_in(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once(" after ")?;
    rest.split_once(" steps")?.0.parse().ok()
}

/// A race of the driver `races.sys`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Race {
    /// Its number there.
    pub number: u32,
    /// What it is.
    pub name: &'static str,
    /// How many ordered events it takes.
    pub depth: u32,
}

/// The races of `races.sys`, by their numbers.
pub const RACES: [Race; 11] = {
    const fn race(number: u32, depth: u32, name: &'static str) -> Race {
        Race {
            number,
            name,
            depth,
        }
    }
    [
        race(0, 2, "lost update"),
        race(1, 2, "made twice"),
        race(2, 2, "used when it is gone"),
        race(3, 2, "ended twice"),
        race(4, 2, "lost wake-up"),
        race(5, 2, "published early"),
        race(6, 2, "deadlock of two mutexes"),
        race(7, 2, "looked at in one hold, changed in another"),
        race(8, 3, "lock of two flags"),
        race(9, 3, "count raised from zero"),
        race(10, 3, "chain of three threads"),
    ]
};

impl Race {
    /// A manifest that loads the driver with this race, for so many rounds.
    #[must_use]
    pub fn manifest(self, rounds: u32) -> Manifest {
        let value = |name: &str, number| RegistryValue {
            key: String::new(),
            name: name.to_owned(),
            data: RegistryData::Dword(number),
        };
        let driver = DriverImage {
            service: "races".to_owned(),
            image: "races.sys".to_owned(),
            role: Role::Function,
            hardware_ids: Vec::new(),
            service_values: vec![value("Race", self.number), value("Rounds", rounds)],
            device_values: Vec::new(),
            security: None,
        };
        Manifest {
            drivers: vec![driver],
            ..Manifest::default()
        }
    }

    /// In which round the bug check tells that the race has shown; `None` if it is another one.
    #[must_use]
    pub fn round_in(self, text: &str) -> Option<u32> {
        let (_, rest) = text.split_once("0xe2 (")?;
        let mut parameters = rest.split(", ");
        let mut number = || u32::from_str_radix(parameters.next()?.strip_prefix("0x")?, 16).ok();
        (number()? == self.number).then(number)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_run_is_a_line_of_the_log() {
        let line = "[0.123456 cpu0] explore: 120 steps, 3 whole schedules, 5 changes, 1 holds to \
                    the limit";
        let summary = Summary {
            steps: 120,
            schedules: 3,
            changes: 5,
            limits: 1,
        };
        assert_eq!(Summary::parse(line), Some(summary));
        assert_eq!(Summary::parse("[0.1 cpu0] pnp: 3 steps"), None);
    }

    #[test]
    fn a_race_is_known_by_its_bug_check() {
        let text = "*** STOP 0xe2 (0x4, 0x1f, 0x0, 0x0) MANUALLY_INITIATED_CRASH\n";
        assert_eq!(RACES[4].round_in(text), Some(0x1f));
        assert_eq!(RACES[5].round_in(text), None);
        assert_eq!(
            RACES[4].round_in("*** STOP 0xa (0x4, 0x1f, 0x0, 0x0)"),
            None
        );
    }

    #[test]
    fn the_races_have_their_numbers() {
        for (index, race) in RACES.iter().enumerate() {
            assert_eq!(race.number as usize, index);
        }
    }
}
