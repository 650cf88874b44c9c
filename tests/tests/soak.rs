//! Everything at once, at random, for a while that is counted in requests.
#![cfg(unix)]

use eduwdm_qemu::soak::{self, Options};
use eduwdm_tests::{boot, manifest, options, seed};

/// Soaks a machine; what was done.
fn soak(machine: &str, requests: u64, life: bool) -> soak::Figures {
    let seed = seed().unwrap_or(0x50a4);
    println!("{machine}: seed {seed:#x}");
    let booted =
        boot(machine, &options(manifest())).unwrap_or_else(|fault| panic!("{machine}: {fault}"));
    let done = soak::run(
        booted.session.socket(),
        Options {
            seed,
            requests,
            duration: None,
            processes: 3,
            threads: 2,
            life,
        },
    );
    let figures = done.unwrap_or_else(|fault| panic!("{machine}, seed {seed:#x}: {fault}"));
    booted.shut_down();
    println!("{figures}");
    figures
}

#[test]
fn requests_of_all_kinds_end_once_and_right_while_devices_go_and_come() {
    for machine in ["smp4", "iommu"] {
        let figures = soak(machine, 1200, true);
        for what in [
            "cancellations",
            "hostile requests",
            "ended with success",
            "handles opened",
        ] {
            assert!(figures.count(what) > 10, "{machine}: {what}\n{figures}");
        }
    }
}

#[test]
fn where_nothing_happens_to_the_devices_nothing_but_success_and_cancellation_comes() {
    let figures = soak("edu4", 2000, false);
    for (what, count) in &figures.counts {
        let how = what.strip_prefix("ended with ");
        let documented = ["success", "STATUS_CANCELLED", "STATUS_IO_TIMEOUT"];
        assert!(
            how.is_none_or(|how| documented.iter().any(|known| how.starts_with(known))),
            "{what}: {count}\n{figures}"
        );
    }
}
