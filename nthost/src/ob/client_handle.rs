//! A client's handle that a driver takes for the kernel's: the client may close it, and open
//! something else by the same number, whenever it likes.
//!
//! Sources: bug check 0xC4, subcode 0xF6; ObReferenceObjectByHandle ("AccessMode"). A handle that a
//! driver opened itself in its client's context is not looked at.

use nthost_protocol::manifest::VerifierOption;

use super::handle::{self, KERNEL_HANDLES};
use crate::{
    hook,
    ke::{bugcheck::code, process},
};

/// A handle is used for the kernel that `opener` opened, a driver's place or zero.
pub fn check(handle: u64, opener: u64, caller: u64) {
    if handle >= KERNEL_HANDLES || opener != 0 {
        return;
    }
    if handle::current().is_some() {
        // Parameter 2: the handle. 3: the process. 4: who calls.
        let parameters = [0xf6, handle, process::current() as u64, caller];
        let code = code::DRIVER_VERIFIER_DETECTED_VIOLATION;
        hook::violation(VerifierOption::SecurityChecks, code, parameters);
    }
}
