//! Faults on demand: allocations that fail, the n-th, or one in so many by a seed.

use core::sync::atomic::{AtomicU64, Ordering};

/// Calls until the one that fails; zero for none.
static COUNTDOWN: AtomicU64 = AtomicU64::new(0);
/// One call in so many fails; zero for none.
static ONE_IN: AtomicU64 = AtomicU64::new(0);
/// The state of the generator that chooses.
static RANDOM: AtomicU64 = AtomicU64::new(0);
/// Calls that could have failed, since the last setting.
static CALLS: AtomicU64 = AtomicU64::new(0);
/// Calls that did.
static FAILED: AtomicU64 = AtomicU64::new(0);

/// Has the n-th call from now on fail; none, if zero.
pub fn fail_nth(n: u64) {
    CALLS.store(0, Ordering::Relaxed);
    COUNTDOWN.store(n, Ordering::Relaxed);
}

/// Has one call in so many fail, chosen by a seed; none, if zero.
pub fn fail_one_in(count: u64, seed: u64) {
    CALLS.store(0, Ordering::Relaxed);
    RANDOM.store(seed, Ordering::Relaxed);
    ONE_IN.store(count, Ordering::Relaxed);
}

/// How many calls there were since the last setting, and how many failed in all.
#[must_use]
pub fn counts() -> (u64, u64) {
    (
        CALLS.load(Ordering::Relaxed),
        FAILED.load(Ordering::Relaxed),
    )
}

/// SplitMix64: every seed gives another, full-length sequence.
fn next_random() -> u64 {
    let mut z = RANDOM.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Whether this call of a routine that may fail is to fail.
pub fn strikes(_caller: u64) -> bool {
    CALLS.fetch_add(1, Ordering::Relaxed);
    // Each caller takes one off; whoever takes the last fails.
    let mut left = COUNTDOWN.load(Ordering::Relaxed);
    while let Some(fewer) = left.checked_sub(1) {
        match COUNTDOWN.compare_exchange_weak(left, fewer, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => break,
            Err(other) => left = other,
        }
    }
    let nth = left == 1;
    let one_in = ONE_IN.load(Ordering::Relaxed);
    let random = one_in != 0 && next_random().is_multiple_of(one_in);
    if nth || random {
        FAILED.fetch_add(1, Ordering::Relaxed);
    }
    nth || random
}
