//! What can go wrong, in words, and the exit codes that scripts know it by.

use std::{io, path::PathBuf, time::Duration};

use crate::status::Status;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No device of the driver's is there.
    #[error(
        "no eduwdm device is present\n  Is the driver installed, and has the machine an edu or \
         pci-testdev device?"
    )]
    NoDevice,
    /// No device is called that.
    #[error("no device is called “{asked}”; there are: {}", known.join(", "))]
    UnknownDevice {
        /// Index or path.
        asked: String,
        /// The indices and paths.
        known: Vec<String>,
    },
    /// The device is of the other kind.
    #[error("{path} is a {is} device, and this takes a {wanted} device")]
    WrongKind {
        /// Which device.
        path: String,
        /// What it is.
        is: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// The system or the driver refused.
    #[error("{operation} failed: {}", status.explain())]
    Refused {
        /// What was asked.
        operation: String,
        /// The answer.
        status: Status,
    },
    /// It took too long; the request was cancelled and has ended.
    #[error("{operation} was not done within {limit:?}; it has been cancelled")]
    TimedOut {
        /// What was asked.
        operation: String,
        /// How long was waited.
        limit: Duration,
    },
    /// The person interrupted; the requests were cancelled and have ended.
    #[error("interrupted; the requests outstanding were cancelled")]
    Interrupted,
    /// A cancelled request did not end.
    #[error("{operation} was cancelled {limit:?} ago and has not ended: the driver holds on to it")]
    Stuck {
        /// What was asked.
        operation: String,
        /// How long was waited.
        limit: Duration,
    },
    /// The answer has another form than the contract says.
    #[error("the answer to {operation} makes no sense: {what}")]
    Malformed {
        /// What was asked.
        operation: String,
        /// What is wrong with it.
        what: String,
    },
    /// The device did not do what it should.
    #[error("wrong answer: {0}")]
    WrongAnswer(String),
    /// There is no connection to the test kernel, or there is none any more.
    #[error("{0}")]
    Disconnected(String),
    /// A file of the person's.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// What was asked for makes no sense.
    #[error("{0}")]
    Usage(String),
}

impl Error {
    /// The program's exit code for it.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::NoDevice | Self::UnknownDevice { .. } | Self::WrongKind { .. } => 1,
            Self::Usage(_) => 2,
            Self::Refused { status, .. } => {
                if status.is_device_gone() {
                    6
                } else {
                    3
                }
            }
            Self::WrongAnswer(_) | Self::Malformed { .. } => 4,
            Self::TimedOut { .. } | Self::Stuck { .. } => 5,
            Self::Disconnected(_) => 6,
            Self::File { .. } => 7,
            Self::Interrupted => 130,
        }
    }

    /// A name for machines to tell it by.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NoDevice => "no-device",
            Self::UnknownDevice { .. } => "unknown-device",
            Self::WrongKind { .. } => "wrong-kind",
            Self::Refused { .. } => "refused",
            Self::TimedOut { .. } => "timed-out",
            Self::Interrupted => "interrupted",
            Self::Stuck { .. } => "stuck",
            Self::Malformed { .. } => "malformed",
            Self::WrongAnswer(_) => "wrong-answer",
            Self::Disconnected(_) => "disconnected",
            Self::File { .. } => "file",
            Self::Usage(_) => "usage",
        }
    }

    /// The status, if the system or the driver gave one.
    #[must_use]
    pub const fn status(&self) -> Option<Status> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }
}
