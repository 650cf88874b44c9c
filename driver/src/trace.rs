//! What the driver tells: ETW events, and lines for the debugger where somebody is meant to read
//! them along.
//!
//! The provider's name is `EduWdm`; its GUID follows from the name, as TraceLogging has it. An
//! event that nobody listens to costs a look at one variable, so nothing is made up for it first.
//! Successful requests that were not slow tell nothing at all.
//!
//! The last of what was told is kept for a crash dump ([`wdm::bugcheck`]).

use eduwdm_abi::statistics::QueueKind;
use tracelogging::{define_provider, write_event};
use wdm::{Status, bugcheck, function::Notice};

use crate::statistics::Outcome;

define_provider!(EDUWDM, "EduWdm");

/// From how long on a request is slow, in units of 100 ns. A transfer takes the device a tenth of
/// a second for each step.
const SLOW_100NS: u64 = 20_000_000;

/// Registers the provider. [`unregister`] must be called before the image goes.
pub fn register() {
    // SAFETY: DriverEntry calls this last, when it cannot fail any more, and Unload, which is
    // called for every driver whose DriverEntry succeeded, calls `unregister`.
    let result = unsafe { EDUWDM.register() };
    if result != 0 {
        // Events are lost then, and nothing else.
        wdk::println!("eduwdm: no ETW provider: {result:#x}");
    }
}

/// Takes the provider back.
pub fn unregister() {
    EDUWDM.unregister();
}

/// What has become of a device.
pub fn tell(device: &str, notice: Notice<'_>) {
    match notice {
        Notice::Start(status) => start(device, status),
        Notice::Stop(how) => stop(device, how),
        Notice::Error(what, status) => error(device, what, status),
    }
}

/// A device was started, or was not.
fn start(device: &str, status: Status) {
    bugcheck::note("start", status.to_raw().cast_unsigned().into());
    if status.is_success() {
        wdk::println!("eduwdm: {device}: started");
        write_event!(
            EDUWDM,
            "Start",
            level(Informational),
            str8("Device", device)
        );
    } else {
        error(device, "start failed", status);
    }
}

/// A device was stopped.
fn stop(device: &str, how: &str) {
    bugcheck::note(how, 0);
    wdk::println!("eduwdm: {device}: {how}");
    write_event!(
        EDUWDM,
        "Stop",
        level(Informational),
        str8("Device", device),
        str8("How", how)
    );
}

/// Something failed.
pub fn error(device: &str, what: &str, status: Status) {
    bugcheck::note(what, status.to_raw().cast_unsigned().into());
    wdk::println!("eduwdm: {device}: {what}: {status}");
    write_event!(
        EDUWDM,
        "Error",
        level(Error),
        str8("Device", device),
        str8("What", what),
        i32_hex("Status", &status.to_raw())
    );
}

/// A request is over.
pub fn request_ended(queue: QueueKind, outcome: Outcome, status: Status, elapsed_100ns: u64) {
    match outcome {
        Outcome::Completed if elapsed_100ns < SLOW_100NS => {}
        Outcome::Completed => write(queue, "slow", status, elapsed_100ns),
        Outcome::Failed => write(queue, "failed", status, elapsed_100ns),
        Outcome::Canceled => write(queue, "canceled", status, elapsed_100ns),
    }
}

/// Not inlined: what it needs of the stack is only taken where something is told.
#[cold]
#[inline(never)]
fn write(queue: QueueKind, outcome: &str, status: Status, elapsed_100ns: u64) {
    bugcheck::note(outcome, status.to_raw().cast_unsigned().into());
    write_event!(
        EDUWDM,
        "Request",
        level(Warning),
        str8("Queue", queue.name()),
        str8("Outcome", outcome),
        i32_hex("Status", &status.to_raw()),
        u64("Elapsed100ns", &elapsed_100ns)
    );
}
