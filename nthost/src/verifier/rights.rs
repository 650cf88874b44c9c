//! Rights that a handle lacks for what a driver does with it. Windows compares them for callers in
//! user mode alone, so nothing fails for a driver; but the driver asked for less than it needs, and
//! the same call on behalf of a client would fail. It is told once for each place that calls.
//!
//! Source: ObReferenceObjectByHandle ("AccessMode").

use nthost_protocol::manifest::VerifierOption;

use super::{found, is_on};

/// A driver uses a handle for what takes the rights `wanted`.
pub fn check(handle: u64, wanted: u32, granted: u32) {
    let lacking = wanted & !granted;
    if lacking != 0 && is_on(VerifierOption::SecurityChecks) {
        found::warn(
            "uses a handle without the rights that it takes",
            format_args!("handle {handle:#x}, rights {lacking:#x}"),
        );
    }
}
