//! What the processors can do.
//!
//! Source: ExIsProcessorFeaturePresent. Features that its page does not name are not there.

/// The registers of CPUID that tell features.
#[derive(Clone, Copy, Debug, Default)]
pub struct Leaves {
    /// Leaf 1, ECX.
    pub features_c: u32,
    /// Leaf 1, EDX.
    pub features_d: u32,
    /// Leaf 0x8000_0001, EDX.
    pub extended_d: u32,
}

/// Whether a feature (`PF_…`) is there.
#[must_use]
pub const fn is_present(feature: u32, leaves: &Leaves) -> bool {
    let (register, bit) = match feature {
        // PF_COMPARE_EXCHANGE_DOUBLE.
        2 => (leaves.features_d, 8),
        // PF_MMX_INSTRUCTIONS_AVAILABLE.
        3 => (leaves.features_d, 23),
        // PF_XMMI_INSTRUCTIONS_AVAILABLE.
        6 => (leaves.features_d, 25),
        // PF_3DNOW_INSTRUCTIONS_AVAILABLE.
        7 => (leaves.extended_d, 31),
        // PF_RDTSC_INSTRUCTION_AVAILABLE.
        8 => (leaves.features_d, 4),
        // PF_PAE_ENABLED.
        9 => (leaves.features_d, 6),
        // PF_XMMI64_INSTRUCTIONS_AVAILABLE, and PF_SSE_DAZ_MODE_AVAILABLE, which came with it.
        10 | 11 => (leaves.features_d, 26),
        // PF_NX_ENABLED: it is, where it can be.
        12 => (leaves.extended_d, 20),
        // PF_SSE3_INSTRUCTIONS_AVAILABLE.
        13 => (leaves.features_c, 0),
        // PF_COMPARE_EXCHANGE128.
        14 => (leaves.features_c, 13),
        // PF_XSAVE_ENABLED: by the system, too.
        17 => (leaves.features_c, 27),
        _ => return false,
    };
    register >> bit & 1 != 0
}

#[cfg(target_os = "none")]
pub use exported::has;

#[cfg(target_os = "none")]
mod exported {
    use core::arch::x86_64::__cpuid;

    use super::{Leaves, is_present};

    fn leaves() -> Leaves {
        #[allow(unused_unsafe, reason = "newer compilers know that it is safe")]
        // SAFETY: amd64 has both leaves.
        let (features, extended) = unsafe { (__cpuid(1), __cpuid(0x8000_0001)) };
        Leaves {
            features_c: features.ecx,
            features_d: features.edx,
            extended_d: extended.edx,
        }
    }

    /// Whether this machine's processors have a feature.
    #[must_use]
    pub fn has(feature: u32) -> bool {
        is_present(feature, &leaves())
    }

    nt_export! {
        irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
        /// Whether the processors have a feature.
        ///
        /// Source: ExIsProcessorFeaturePresent.
        ///
        /// # Safety
        ///
        /// None.
        pub unsafe fn ExIsProcessorFeaturePresent(feature: u32) -> u8 {
            has(feature).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_is_the_bit_that_the_manuals_say() {
        for (feature, register, bit) in [
            (2, 1, 8),
            (3, 1, 23),
            (6, 1, 25),
            (7, 2, 31),
            (8, 1, 4),
            (9, 1, 6),
            (10, 1, 26),
            (11, 1, 26),
            (12, 2, 20),
            (13, 0, 0),
            (14, 0, 13),
            (17, 0, 27),
        ] {
            let mut registers = [0, 0, 0];
            registers[register] = 1 << bit;
            let [features_c, features_d, extended_d] = registers;
            let leaves = Leaves {
                features_c,
                features_d,
                extended_d,
            };
            assert!(is_present(feature, &leaves), "{feature}");
            assert!(!is_present(feature, &Leaves::default()), "{feature}");
        }
    }

    #[test]
    fn nobody_has_faults_of_old_processors_or_features_that_are_not_documented() {
        let all = Leaves {
            features_c: u32::MAX,
            features_d: u32::MAX,
            extended_d: u32::MAX,
        };
        for feature in [0, 1, 4, 5, 15, 16, 18, 1000] {
            assert!(!is_present(feature, &all), "{feature}");
        }
    }
}
