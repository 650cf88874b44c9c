//! What a request costs, in instructions, which do not depend on how fast the machine is. The README
//! of nthost has them measured; here each is held to what it may be at the most.
#![cfg(unix)]

use eduwdm_qemu::figures::{self, REPEATED, RequestCost};

/// The most of each request; the local APIC's uses are hundredths. A factorial takes its time by
/// the host's clock, and the clock ticks meanwhile: its limits have room for that.
const LIMITS: [RequestCost; 3] = [
    RequestCost {
        name: "null",
        verified: 15_000,
        unverified: 2_000,
        switched: 4_000,
        driver_verified: 15_000,
        driver: 2_500,
        apic_hundredths: 50,
        among_many: 3_000,
    },
    RequestCost {
        name: "Identify",
        verified: 20_000,
        unverified: 3_300,
        switched: 9_000,
        driver_verified: 20_000,
        driver: 4_500,
        apic_hundredths: 50,
        among_many: 4_500,
    },
    RequestCost {
        name: "factorial",
        verified: 45_000,
        unverified: 16_000,
        switched: 18_000,
        driver_verified: 45_000,
        driver: 15_000,
        apic_hundredths: 2_000,
        among_many: 10_000,
    },
];

#[test]
fn a_request_takes_no_more_instructions_than_it_may() {
    let artifacts = eduwdm_tests::artifacts();
    let costs = figures::measure_requests(&artifacts, REPEATED, |_| ());
    let costs = costs.unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(costs.len(), LIMITS.len());
    let mut beyond = Vec::new();
    for (cost, limit) in costs.iter().zip(&LIMITS) {
        println!("{cost:?}");
        let name = limit.name;
        for (what, cost, limit) in [
            ("verifier on", cost.verified, limit.verified),
            ("verifier off", cost.unverified, limit.unverified),
            ("by another thread", cost.switched, limit.switched),
            (
                "by a driver, verifier on",
                cost.driver_verified,
                limit.driver_verified,
            ),
            ("by a driver", cost.driver, limit.driver),
            (
                "uses of the local APIC",
                cost.apic_hundredths,
                limit.apic_hundredths,
            ),
            ("among many", cost.among_many, limit.among_many),
        ] {
            if cost > limit {
                beyond.push(format!("{name}, {what}: {cost} of {limit}"));
            }
        }
    }
    assert!(beyond.is_empty(), "{beyond:#?}");
}
