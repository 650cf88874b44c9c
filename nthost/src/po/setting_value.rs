//! The values of the power settings.
//!
//! Source: the comments on the settings in wdm.h.

use alloc::vec::Vec;

use nthost_nt::guid::GUID;

const fn guid(first: u32, second: u16, third: u16, last: [u8; 8]) -> GUID {
    GUID {
        Data1: first,
        Data2: second,
        Data3: third,
        Data4: last,
    }
}

/// `GUID_ACDC_POWER_SOURCE`.
const POWER_SOURCE: GUID = guid(
    0x5d3e_9a59,
    0xe9d5,
    0x4b00,
    [0xa6, 0xbd, 0xff, 0x34, 0xff, 0x51, 0x65, 0x48],
);
/// `GUID_MONITOR_POWER_ON`.
const MONITOR_ON: GUID = guid(
    0x0273_1015,
    0x4510,
    0x4526,
    [0x99, 0xe6, 0xe5, 0xa1, 0x7e, 0xbd, 0x1a, 0xea],
);
/// `GUID_CONSOLE_DISPLAY_STATE`.
const DISPLAY_STATE: GUID = guid(
    0x6fe6_9556,
    0x704a,
    0x47a0,
    [0x8f, 0x24, 0xc2, 0x8d, 0x93, 0x6f, 0xda, 0x47],
);
/// `GUID_SYSTEM_AWAYMODE`.
const AWAY_MODE: GUID = guid(
    0x98a7_f580,
    0x01f7,
    0x48aa,
    [0x9c, 0x0f, 0x44, 0x35, 0x2c, 0x29, 0xe5, 0xc0],
);
/// `GUID_POWERSCHEME_PERSONALITY`.
const PERSONALITY: GUID = guid(
    0x245d_8541,
    0x3943,
    0x4422,
    [0xb0, 0x25, 0x13, 0xa7, 0x84, 0xf6, 0x79, 0xb7],
);
/// `GUID_TYPICAL_POWER_SAVINGS`: the balanced scheme.
const BALANCED: GUID = guid(
    0x381b_4222,
    0xf694,
    0x41f0,
    [0x96, 0x85, 0xff, 0x5b, 0xb2, 0x60, 0xdf, 0x2e],
);

/// The value of a setting; none of one that is not known.
#[must_use]
pub fn value(setting: GUID) -> Option<Vec<u8>> {
    let number = |value: u32| value.to_le_bytes().to_vec();
    match setting {
        // PoAc; off.
        POWER_SOURCE | AWAY_MODE => Some(number(0)),
        // On.
        MONITOR_ON | DISPLAY_STATE => Some(number(1)),
        PERSONALITY => Some(BALANCED.to_bytes().to_vec()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_plugged_in_and_on_and_balanced() {
        for (setting, expected) in [
            (POWER_SOURCE, 0_u32),
            (AWAY_MODE, 0),
            (MONITOR_ON, 1),
            (DISPLAY_STATE, 1),
        ] {
            let bytes = expected.to_le_bytes();
            assert_eq!(value(setting).as_deref(), Some(&bytes[..]), "{setting:?}");
        }
        let scheme = value(PERSONALITY).unwrap();
        assert_eq!(scheme[..4], 0x381b_4222_u32.to_le_bytes());
        assert_eq!(scheme.len(), size_of::<GUID>());
    }

    #[test]
    fn a_setting_that_is_not_known_has_no_value() {
        assert_eq!(value(BALANCED), None);
    }
}
