//! Numbers that look random, by a seed of the caller's; and generic rights.
//!
//! Sources: RtlRandom, RtlRandomEx, RtlMapGenericMask.

/// The greatest number that is given, and one more: the modulus.
const MODULUS: u64 = 0x7fff_ffff;

/// The next of a sequence that comes to each number below the modulus but one.
const fn next(seed: u32) -> u32 {
    // A multiplier and an increment for a prime modulus: no number comes twice in a period.
    ((seed as u64 * 0x7fff_ffed + 0x7fff_ffc3) % MODULUS) as u32
}

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// A number from 0 to MAXLONG-1; the seed is another then.
    ///
    /// Source: RtlRandom.
    ///
    /// # Safety
    ///
    /// The seed can be read and written.
    pub unsafe fn RtlRandom(seed: *mut u32) -> u32 {
        // SAFETY: the caller's promise.
        let value = next(unsafe { seed.read() });
        // SAFETY: the caller's promise.
        unsafe { seed.write(value) };
        value
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// As RtlRandom.
    ///
    /// Source: RtlRandomEx.
    ///
    /// # Safety
    ///
    /// The seed can be read and written.
    pub unsafe fn RtlRandomEx(seed: *mut u32) -> u32 {
        // SAFETY: the caller's promise.
        let value = next(unsafe { seed.read() });
        // SAFETY: the caller's promise.
        unsafe { seed.write(value) };
        value
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Turns generic rights into those that they stand for: to read, write, execute and all.
    ///
    /// Source: RtlMapGenericMask.
    ///
    /// # Safety
    ///
    /// The rights can be read and written, the mapping be read.
    pub unsafe fn RtlMapGenericMask(access: *mut u32, mapping: *const [u32; 4]) {
        // SAFETY: the caller's promise.
        let (given, mapping) = (unsafe { access.read() }, unsafe { mapping.read() });
        let generic = [0x8000_0000, 0x4000_0000, 0x2000_0000, 0x1000_0000];
        let mapped = generic
            .into_iter()
            .zip(mapping)
            .filter(|(right, _)| given & right != 0)
            .fold(given & 0x0fff_ffff, |access, (_, rights)| access | rights);
        // SAFETY: the caller's promise.
        unsafe { access.write(mapped) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_within_their_range_and_all_over_it() {
        let (mut seed, mut quarters) = (0x1234, [0_u32; 4]);
        for _ in 0..4000 {
            // SAFETY: the test's own.
            let value = unsafe { RtlRandomEx(&raw mut seed) };
            assert!(u64::from(value) < MODULUS);
            assert_eq!(value, seed);
            quarters[(value >> 29) as usize] += 1;
        }
        assert!(
            quarters.iter().all(|count| (800..1200).contains(count)),
            "{quarters:?}"
        );
    }

    #[test]
    fn generic_rights_become_those_that_they_stand_for() {
        for (given, expected) in [
            (0x8000_0000, 0x1),
            (0xc000_0010, 0x13),
            (0x2000_0000, 0x4),
            (0x1000_0000, 0xff),
            (0x0012_0003, 0x0012_0003),
        ] {
            let (mut access, mapping) = (given, [1, 2, 4, 0xff]);
            // SAFETY: the test's own.
            unsafe { RtlMapGenericMask(&raw mut access, &raw const mapping) };
            assert_eq!(access, expected, "{given:#x}");
        }
    }
}
