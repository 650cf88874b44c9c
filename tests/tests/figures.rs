//! What a request costs, in instructions, which do not depend on how fast the machine is. The README
//! of nthost has them measured; here each is held to what it may be at the most.
#![cfg(unix)]

use eduwdm_qemu::figures::{self, REPEATED};

/// The most instructions of each request: with the verifier on, with it off, and with it off by
/// another thread.
const LIMITS: [(u64, u64, u64); 2] = [(15_000, 2_000, 4_000), (20_000, 3_500, 6_000)];

#[test]
fn a_request_takes_no_more_instructions_than_it_may() {
    let artifacts = eduwdm_tests::artifacts();
    let costs = figures::measure_requests(&artifacts, REPEATED, |_| ());
    let costs = costs.unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(costs.len(), LIMITS.len());
    for (cost, (verified, unverified, switched)) in costs.iter().zip(LIMITS) {
        println!("{cost:?}");
        assert!(cost.verified <= verified, "{cost:?}");
        assert!(cost.unverified <= unverified, "{cost:?}");
        assert!(cost.switched <= switched, "{cost:?}");
    }
}
