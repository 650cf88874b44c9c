//! What travels between `nthost` and the host over the virtio-serial port.
//!
//! A frame is a little-endian `u32` with the length of what follows, and then one message in
//! `postcard`'s encoding: a [`ToGuest`] in one direction, a [`ToHost`] in the other. The
//! requests of a client process are the system calls that the Win32 functions end in, so that
//! what the driver sees is what it would see on Windows; those of the host itself stand for
//! what a person does at the machine (pull the card, put the machine to sleep).
#![no_std]
extern crate alloc;

pub mod breakpoint;
pub mod exercise;
pub mod explore;
pub mod fault;
pub mod frame;
pub mod host;
pub mod manifest;
pub mod process;
pub mod random;
pub mod rule;
pub mod thread;

use serde::{Deserialize, Serialize};

pub use breakpoint::BreakpointRequest;
pub use fault::{Fault, FaultState, IrpEffect};
pub use frame::{Decoder, FrameError, MAX_FRAME, encode};
pub use host::{HostAnswer, HostRequest};
pub use manifest::Manifest;
pub use process::{
    Buffer, Completion, Handle, ProcessId, ProcessRequest, RequestId, ThreadId, Token,
};
pub use rule::Rule;

/// The version of this protocol; both sides state theirs in the first message.
pub const PROTOCOL_VERSION: u32 = 1;

/// A status as the kernel gives it.
pub type NtStatus = i32;

/// From the host to nthost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToGuest {
    /// The first message: the host's [`PROTOCOL_VERSION`].
    Hello(u32),
    /// A system call of a client process. The process comes into being with its first.
    Process {
        /// Which process.
        process: ProcessId,
        /// What it asks.
        request: ProcessRequest,
    },
    /// Something that is done to the machine. Each is answered, in any order.
    Host {
        /// Chosen by the host, to match the answer.
        id: u64,
        /// What is done.
        request: HostRequest,
    },
}

/// From nthost to the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToHost {
    /// The answer to [`ToGuest::Hello`]: nthost's [`PROTOCOL_VERSION`]. It comes once the
    /// drivers are loaded and the devices started (or not, as the host can ask).
    Hello(u32),
    /// A system call that ended.
    Completion {
        /// Which process's.
        process: ProcessId,
        /// How it ended.
        completion: Completion,
    },
    /// The answer to a [`ToGuest::Host`] with this id.
    Answer {
        /// As in the request.
        id: u64,
        /// The answer.
        answer: HostAnswer,
    },
    /// A frame from the host was not understood: why, in words. Nothing was done for it.
    Malformed(alloc::string::String),
}
