//! Copies between ranges that overlap, by a routine that is not for those: what arrives depends on
//! the order in which it copies.
//!
//! Source: bug check 0xC4, subcode 0xF0. A range that is copied to itself is let pass.

use nthost_protocol::manifest::VerifierOption;

use crate::{hook, ke::bugcheck::code};

/// A driver calls `memcpy`, or RtlCopyMemory.
pub fn check(to: *const u8, from: *const u8, count: usize) {
    let apart = to.addr().abs_diff(from.addr());
    if apart == 0 || apart >= count {
        return;
    }
    // Parameters 2 to 4: where to, where from, and how many bytes.
    let parameters = [0xf0, to as u64, from as u64, count as u64];
    let code = code::DRIVER_VERIFIER_DETECTED_VIOLATION;
    hook::violation(VerifierOption::MiscellaneousChecks, code, parameters);
}
