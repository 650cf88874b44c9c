//! What can go wrong, in words, and the exit codes that scripts know it by.

use std::{io, path::PathBuf, time::Duration};

use crate::status::Status;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No device of the driver's is there.
    #[error(
        "no eduwdm device is present\n  Is the driver installed, and has the machine an edu or \
         pci-testdev device? For devices of other drivers there is `eductl io`."
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
    #[error(
        "{path} is {} {is} device, and this takes {} {wanted} device",
        article(is),
        article(wanted)
    )]
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
    /// It took too long; the request was canceled and has ended.
    #[error("{operation} was not done within {limit:?}; it has been canceled")]
    TimedOut {
        /// What was asked.
        operation: String,
        /// How long was waited.
        limit: Duration,
    },
    /// Finding or opening the device took too long: the program ends, and with it what it asked.
    #[error("{operation} was not done within {limit:?}; what was asked ends with this program")]
    Late {
        /// What was asked.
        operation: String,
        /// How long was waited.
        limit: Duration,
    },
    /// As [`Self::Refused`], where the output has told it already.
    #[error("{operation} failed: {}", status.explain())]
    Told {
        /// What was asked.
        operation: String,
        /// The answer.
        status: Status,
    },
    /// The person interrupted; the requests were canceled and have ended.
    #[error("interrupted; the requests outstanding were canceled")]
    Interrupted,
    /// A canceled request did not end.
    #[error("{operation} was canceled {limit:?} ago and has not ended: the driver holds on to it")]
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
            Self::Refused { status, .. } | Self::Told { status, .. } => {
                if status.is_device_gone() {
                    6
                } else {
                    3
                }
            }
            Self::WrongAnswer(_) | Self::Malformed { .. } => 4,
            Self::TimedOut { .. } | Self::Late { .. } | Self::Stuck { .. } => 5,
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
            Self::Refused { .. } | Self::Told { .. } => "refused",
            Self::TimedOut { .. } | Self::Late { .. } => "timed-out",
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
            Self::Refused { status, .. } | Self::Told { status, .. } => Some(*status),
            _ => None,
        }
    }
}

/// The article that a word has: that of its first sound, as far as a letter tells it.
fn article(word: &str) -> &'static str {
    if word.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_of_the_wrong_kind_has_its_article() {
        let fault = Error::WrongKind {
            path: "x".to_owned(),
            is: "edu",
            wanted: "pci-testdev",
        };
        let words = "x is an edu device, and this takes a pci-testdev device";
        assert_eq!(fault.to_string(), words);
    }
}
