//! The console that nthost hears its host by: it interrupts, and nobody looks for what has
//! arrived.
#![cfg(unix)]

use std::thread;

use eductl::nthost::NtHost;
use eduwdm_tests::{boot, manifest, options};

/// Clients at once, and what each asks.
const CLIENTS: usize = 4;
const QUESTIONS: usize = 50;

#[test]
fn every_question_is_heard_by_the_consoles_interrupt() {
    for machine in ["up", "smp4"] {
        let booted = boot(machine, &options(manifest())).unwrap_or_else(|fault| panic!("{fault}"));
        assert!(
            !booted.log().contains("it is polled"),
            "the console has no interrupt"
        );
        // With nothing else to wake the console's thread, one that got lost would leave its
        // question without an answer.
        let socket = booted.session.socket();
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    let host = NtHost::connect(socket).unwrap();
                    for _ in 0..QUESTIONS {
                        assert_ne!(host.devices().unwrap(), []);
                    }
                });
            }
        });
        booted.shut_down();
    }
}
