//! The demonstration: what the driver does, shown to a person step by step, and checked.
//!
//! It is printed as it happens. What is not as it should be is also a [`Fault`], so that
//! the program or test that runs it knows how it went without reading.

mod kernel;
mod removal;
mod requests;

use std::{
    fmt,
    io::{self, Write},
    time::{Duration, Instant},
};

use eduwdm_abi::edu::InterruptKind;

use crate::{error::Error, interrupt::Interrupt, nthost::NtHost};

/// How long one request may take: most of it is the waiting for other machines' work.
const REQUEST_LIMIT: Duration = Duration::from_mins(1);

/// What the machine is known to have.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Its processors.
    pub processors: usize,
    /// Its NUMA nodes.
    pub nodes: usize,
    /// Its `edu` devices.
    pub edu: usize,
    /// How they interrupt.
    pub interrupts: InterruptKind,
    /// When QEMU was started.
    pub started: Instant,
    /// Bytes of the driver's image.
    pub image_length: u64,
    /// The driver's service.
    pub service: String,
}

/// What is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Of which kind.
    pub kind: FaultKind,
    /// What it is.
    pub what: String,
}

/// The kinds of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Something answered otherwise than it should.
    WrongAnswer,
    /// Something failed that should not.
    Failure,
    /// Something took too long.
    Hang,
    /// Something was left behind.
    Leak,
    /// The kernel stopped.
    Bugcheck,
}

impl FaultKind {
    /// A program's exit code for it.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::WrongAnswer => 10,
            Self::Failure => 11,
            Self::Hang => 12,
            Self::Leak => 13,
            Self::Bugcheck => 14,
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WrongAnswer => "wrong answer",
            Self::Failure => "failure",
            Self::Hang => "hang",
            Self::Leak => "leak",
            Self::Bugcheck => "bugcheck",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.what)
    }
}

/// How the demonstration went.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What was not as it should be.
    pub faults: Vec<Fault>,
    /// From QEMU's start to the first factorial's answer.
    pub first_answer: Option<Duration>,
    /// How many things were compared with what they should be.
    pub checks: u32,
}

/// Runs the demonstration on a machine whose devices are started. At its end the devices are
/// removed and the driver is unloaded.
///
/// # Errors
///
/// Only if it cannot be printed; everything else is in the report.
pub fn run(host: &NtHost, expected: &Expected, out: &mut dyn Write) -> io::Result<Report> {
    let mut stage = Stage {
        host,
        expected,
        interrupt: Interrupt::default(),
        out,
        report: Report::default(),
    };
    for act in [kernel::show, requests::show, removal::show] {
        match act(&mut stage) {
            Ok(()) => {}
            Err(Trouble::Print(error)) => return Err(error),
            Err(Trouble::Over) => break,
            Err(Trouble::Fault(error)) => {
                stage.fault(kind(&error), error.to_string());
                // Without a machine there is nothing more to show.
                if matches!(error, Error::Disconnected(_)) {
                    break;
                }
            }
        }
    }
    Ok(stage.report)
}

const fn kind(error: &Error) -> FaultKind {
    match error {
        Error::TimedOut { .. } | Error::Stuck { .. } => FaultKind::Hang,
        Error::WrongAnswer(_) | Error::Malformed { .. } => FaultKind::WrongAnswer,
        _ => FaultKind::Failure,
    }
}

/// Why an act did not go on to its end.
enum Trouble {
    Print(io::Error),
    Fault(Error),
    /// There is nothing to go on with; why, is in the report.
    Over,
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Print(error)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Fault(error)
    }
}

/// What all acts have.
struct Stage<'a> {
    host: &'a NtHost,
    expected: &'a Expected,
    interrupt: Interrupt,
    out: &'a mut dyn Write,
    report: Report,
}

impl Stage<'_> {
    fn title(&mut self, title: &str) -> io::Result<()> {
        writeln!(self.out, "\n{title}")
    }

    fn line(&mut self, text: impl fmt::Display) -> io::Result<()> {
        writeln!(self.out, "    {text}")
    }

    fn fault(&mut self, kind: FaultKind, what: String) {
        self.report.faults.push(Fault { kind, what });
    }

    /// Checks that something is what it should be.
    fn check<T: PartialEq + fmt::Debug>(&mut self, what: &str, is: &T, should: &T) {
        self.report.checks += 1;
        if is != should {
            self.fault(
                FaultKind::WrongAnswer,
                format!("{what} is {is:?} and should be {should:?}"),
            );
        }
    }
}
