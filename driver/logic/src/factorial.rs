//! What a factorial can be, in the 32 bits that the device has for it.
//!
//! A register of a device that does not answer reads as all ones on a PCI bus, and as zero on some
//! emulated ones. Neither is a result of a device that is there, but for one: from 34 on, so many
//! factors are even that the lower 32 bits of the product are all zero.

/// From here on, the lower 32 bits of a factorial are zero.
const ZERO_FROM: u32 = 34;

/// Whether a device that is there can have computed this.
#[must_use]
pub const fn is_plausible(n: u32, result: u32) -> bool {
    match result {
        // An odd factorial is 1.
        u32::MAX => false,
        0 => n >= ZERO_FROM,
        _ => true,
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    #[test]
    fn every_factorial_is_plausible_and_what_no_device_answers_is_not() {
        let mut factorial = 1_u32;
        for n in 0..200 {
            if n > 0 {
                factorial = factorial.wrapping_mul(n);
            }
            assert!(is_plausible(n, factorial), "{n}: {factorial:#x}");
            assert!(!is_plausible(n, u32::MAX), "{n}");
            assert_eq!(is_plausible(n, 0), factorial == 0, "{n}");
        }
    }
}
