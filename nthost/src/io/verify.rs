//! What the I/O manager sees a driver do wrong by itself, and tells whoever looks at I/O
//! ("Bug Check 0xC9", with the codes named there). What must be looked for is the verifier's.

use nthost_nt::io::device::DEVICE_OBJECT;
use nthost_protocol::manifest::VerifierOption;

use crate::hook;

/// DRIVER_VERIFIER_IOMANAGER_VIOLATION.
const IOMANAGER_VIOLATION: u32 = 0xc9;

/// What the reference has no code for.
pub const UNKNOWN: usize = 0x200;
/// Freed what is no IRP.
pub const NOT_AN_IRP_FREED: usize = 0x01;
/// Sent what is no IRP.
pub const NOT_AN_IRP_SENT: usize = 0x03;
/// `IoInitializeTimer` on a device that has one.
pub const TIMER_INITIALIZED_TWICE: usize = 0x0a;
/// Deleted a device that is attached to another.
pub const DELETED_ATTACHED: usize = 0x201;
/// Detached from a device that nothing is attached to.
pub const DETACHED_NOTHING: usize = 0x202;
/// Did not detach on removal.
pub const NOT_DETACHED: usize = 0x21d;
/// Did not delete its device on removal.
pub const NOT_DELETED: usize = 0x21e;
/// Detached its device at a surprise removal.
pub const DETACHED_AT_SURPRISE: usize = 0x241;
/// Deleted its device at a surprise removal.
pub const DELETED_AT_SURPRISE: usize = 0x242;
/// Deleted a device twice.
pub const DELETED_TWICE: usize = 0x240;
/// Left `DO_DEVICE_INITIALIZING` set after `AddDevice`.
pub const STILL_INITIALIZING: usize = 0x243;
/// Did not take over `DO_BUFFERED_IO` or `DO_DIRECT_IO`.
pub const IO_FLAGS_NOT_COPIED: usize = 0x244;
/// Set both `DO_BUFFERED_IO` and `DO_DIRECT_IO`.
pub const BOTH_IO_FLAGS: usize = 0x245;
/// Failed an IRP that cannot be failed.
pub const FAILED_UNFAILABLE: usize = 0x247;
/// What must be a PDO is none.
pub const NOT_A_PDO: usize = 0x24d;

/// Where the routine that drivers import, in whose body this stands, was called from.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "the frame read is that of the routine"
)]
#[must_use]
pub fn caller() -> usize {
    crate::export::caller() as usize
}

/// Bug check 0xC9, unless I/O verification is off; if it is only reported, this returns.
pub fn io_violation(code: usize, second: usize, third: usize, fourth: usize) {
    let parameters = [code, second, third, fourth].map(|parameter| parameter as u64);
    hook::violation(
        VerifierOption::IoVerification,
        IOMANAGER_VIOLATION,
        parameters,
    );
}

/// Whether it is a device object that exists.
#[must_use]
pub fn is_device(device: *mut DEVICE_OBJECT) -> bool {
    crate::ob::object::kind(device.cast()) == Some(crate::ob::object::Kind::Device)
}
