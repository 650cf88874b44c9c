//! What nthost does with its devices by itself, before it listens to the host. Nothing of it
//! depends on when a message arrives: with a seed and time counted in instructions, a run is the
//! same again.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

/// Rounds, in each of which every device has requests from several threads, of which some are
/// canceled or their handle closed, while it is stopped, given other resources, or asked about
/// removal; between rounds it is removed and added. The seed of the scheduling noise chooses
/// (0 without any).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exercise {
    /// How many rounds.
    pub rounds: u32,
    /// The requests from which those of a round are chosen.
    #[serde(default)]
    pub requests: Vec<ExerciseRequest>,
    /// How often each of the requests is made before, one after the other, to measure what it
    /// takes: for each device the log says it in counts of the time-stamp counter.
    #[serde(default)]
    pub measure: u32,
    /// Control requests are then also made in other ways: by `ZwDeviceIoControlFile`, many at once,
    /// and by several threads at once.
    #[serde(default)]
    pub measure_all_ways: bool,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ExerciseRequest {
    /// `NtReadFile`.
    Read {
        /// Where in the file.
        offset: u64,
        /// Bytes.
        length: u32,
    },
    /// `NtWriteFile`, of bytes that the seed chooses.
    Write {
        /// Where in the file.
        offset: u64,
        /// Bytes.
        length: u32,
    },
    /// `NtDeviceIoControlFile`.
    Control {
        /// The control code.
        code: u32,
        /// The input buffer.
        #[serde(default)]
        input: Vec<u8>,
        /// Bytes of the output buffer.
        #[serde(default)]
        output: u32,
    },
}
