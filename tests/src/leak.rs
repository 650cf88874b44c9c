//! What a machine has left of what requests and devices had: nothing, once they are gone.

use std::time::{Duration, Instant};

use nthost_protocol::host::Verifier;

use crate::Booted;

/// How long anything may take before the test fails: no test measures time.
const LIMIT: Duration = Duration::from_secs(30);

impl Booted {
    /// What the verifier counts now.
    ///
    /// # Panics
    ///
    /// If the machine has ended.
    #[must_use]
    pub fn counts(&self) -> Verifier {
        let counts = self.host.verifier();
        counts.unwrap_or_else(|fault| panic!("{fault}\n{}", self.log()))
    }

    /// Waits until no IRP is left: those of a client that has gone end when its process does.
    ///
    /// # Panics
    ///
    /// If they do not end.
    pub fn wait_for_no_irps(&self) {
        let begun = Instant::now();
        while self.counts().irps != 0 {
            assert!(
                begun.elapsed() < LIMIT,
                "IRPs are left: {:?}\n{}",
                self.counts(),
                self.log()
            );
        }
    }

    /// Checks that no request has left anything behind: no IRP, lock, locked page, map register. What
    /// the system itself has on its way, such as a power IRP, may come to its end first.
    ///
    /// # Panics
    ///
    /// If one has.
    pub fn assert_nothing_of_requests_left(&self) {
        let begun = Instant::now();
        loop {
            let counts = self.counts();
            let left = (
                counts.irps,
                counts.locks,
                counts.locked_pages,
                counts.map_registers,
            );
            if left == (0, 0, 0, 0) {
                return;
            }
            assert!(
                begun.elapsed() < LIMIT,
                "{left:?} IRPs, locks, locked pages and map registers are left: {counts:?}"
            );
        }
    }

    /// Checks that a device that is gone, with its driver, has left nothing at all.
    ///
    /// # Panics
    ///
    /// If it has.
    pub fn assert_nothing_left(&self) {
        self.assert_nothing_of_requests_left();
        let counts = self.counts();
        let left = [
            counts.pool_allocations,
            counts.interrupts,
            counts.pages,
            counts.mappings,
            counts.objects,
        ];
        assert_eq!(left, [0; 5], "{counts:?}");
    }
}
