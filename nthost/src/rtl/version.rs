//! Whether the system is of a version that a driver wants.
//!
//! Major, minor and service pack's numbers are compared as one: if the first of those that are
//! asked for decides, the others do not matter.
//!
//! Source: RtlVerifyVersionInfo, which is in `convert.rs` with the system's version.

use core::cmp::Ordering;

use nthost_nt::{
    rtl::RTL_OSVERSIONINFOEXW,
    status::{NTSTATUS, STATUS_INVALID_PARAMETER, STATUS_REVISION_MISMATCH},
};

/// `VER_…`: what is compared, as bits; each has three bits of the conditions by its number.
const MINOR: u32 = 0;
const MAJOR: u32 = 1;
const BUILD: u32 = 2;
const PLATFORM: u32 = 3;
const PACK_MINOR: u32 = 4;
const PACK_MAJOR: u32 = 5;
const SUITE: u32 = 6;
const PRODUCT: u32 = 7;

/// `VER_EQUAL` and on.
const EQUAL: u64 = 1;
const GREATER: u64 = 2;
const GREATER_EQUAL: u64 = 3;
const LESS: u64 = 4;
const LESS_EQUAL: u64 = 5;
const AND: u64 = 6;
const OR: u64 = 7;

const fn condition(conditions: u64, which: u32) -> u64 {
    conditions >> (3 * which) & 7
}

/// Whether an order meets a condition; `None` for a condition that is none for numbers.
const fn meets(order: Ordering, condition: u64) -> Option<bool> {
    Some(match condition {
        EQUAL => order.is_eq(),
        GREATER => order.is_gt(),
        GREATER_EQUAL => order.is_ge(),
        LESS => order.is_lt(),
        LESS_EQUAL => order.is_le(),
        _ => return None,
    })
}

/// The numbers of a version, and where they are among the conditions.
type Numbers = [(u32, u32); 4];

/// Whether a system is what is wanted, as far as the types say.
///
/// # Errors
///
/// `STATUS_INVALID_PARAMETER` for a condition that is none; `STATUS_REVISION_MISMATCH` if the
/// system is another.
pub fn verify(
    system: &RTL_OSVERSIONINFOEXW,
    wanted: &RTL_OSVERSIONINFOEXW,
    types: u32,
    conditions: u64,
) -> Result<(), NTSTATUS> {
    let asked = |which: u32| types >> which & 1 != 0;
    if types.trailing_zeros() > PRODUCT {
        return Err(STATUS_INVALID_PARAMETER);
    }
    let check = |which: u32, order: Ordering| {
        let met = meets(order, condition(conditions, which)).ok_or(STATUS_INVALID_PARAMETER)?;
        if met {
            Ok(())
        } else {
            Err(STATUS_REVISION_MISMATCH)
        }
    };
    for (which, has, wants) in [
        (BUILD, system.dwBuildNumber, wanted.dwBuildNumber),
        (PLATFORM, system.dwPlatformId, wanted.dwPlatformId),
        (
            PRODUCT,
            system.wProductType.into(),
            wanted.wProductType.into(),
        ),
    ] {
        if asked(which) {
            check(which, has.cmp(&wants))?;
        }
    }
    if asked(SUITE) {
        let (has, wants) = (system.wSuiteMask, wanted.wSuiteMask);
        let met = match condition(conditions, SUITE) {
            AND => has & wants == wants,
            OR => has & wants != 0,
            _ => return Err(STATUS_INVALID_PARAMETER),
        };
        if !met {
            return Err(STATUS_REVISION_MISMATCH);
        }
    }
    let numbers = |version: &RTL_OSVERSIONINFOEXW| -> Numbers {
        [
            (MAJOR, version.dwMajorVersion),
            (MINOR, version.dwMinorVersion),
            (PACK_MAJOR, version.wServicePackMajor.into()),
            (PACK_MINOR, version.wServicePackMinor.into()),
        ]
    };
    let pairs = numbers(system).into_iter().zip(numbers(wanted));
    let mut last = None;
    for ((which, has), (_, wants)) in pairs.filter(|((which, _), _)| asked(*which)) {
        last = Some((which, has.cmp(&wants)));
        if has != wants {
            break;
        }
    }
    last.map_or(Ok(()), |(which, order)| check(which, order))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(major: u32, minor: u32, pack: u16) -> RTL_OSVERSIONINFOEXW {
        RTL_OSVERSIONINFOEXW {
            dwOSVersionInfoSize: 0,
            dwMajorVersion: major,
            dwMinorVersion: minor,
            dwBuildNumber: 100,
            dwPlatformId: 2,
            szCSDVersion: [0; 128],
            wServicePackMajor: pack,
            wServicePackMinor: 0,
            wSuiteMask: 0b110,
            wProductType: 1,
            wReserved: 0,
        }
    }

    const fn for_all(conditions: &[(u32, u64)]) -> (u32, u64) {
        let (mut types, mut bits, mut index) = (0, 0, 0);
        while index < conditions.len() {
            let (which, condition) = conditions[index];
            types |= 1 << which;
            bits |= condition << (3 * which);
            index += 1;
        }
        (types, bits)
    }

    #[test]
    fn the_first_number_that_differs_decides() {
        let numbers = [MAJOR, MINOR, PACK_MAJOR];
        let (types, at_least) = for_all(&numbers.map(|which| (which, GREATER_EQUAL)));
        let system = version(6, 0, 0);
        for (wanted, expected) in [
            (version(5, 1, 1), Ok(())),
            (version(6, 0, 0), Ok(())),
            (version(6, 0, 1), Err(STATUS_REVISION_MISMATCH)),
            (version(6, 1, 0), Err(STATUS_REVISION_MISMATCH)),
            (version(7, 0, 0), Err(STATUS_REVISION_MISMATCH)),
        ] {
            let given = verify(&system, &wanted, types, at_least);
            assert_eq!(
                given, expected,
                "{}.{} pack {}",
                wanted.dwMajorVersion, wanted.dwMinorVersion, wanted.wServicePackMajor
            );
        }
    }

    #[test]
    fn each_condition_is_what_it_says() {
        let system = version(6, 0, 0);
        for (wants, met) in [
            (99, [false, true, true, false, false]),
            (100, [true, false, true, false, true]),
            (101, [false, false, false, true, true]),
        ] {
            for (condition, met) in (EQUAL..).zip(met) {
                let wanted = RTL_OSVERSIONINFOEXW {
                    dwBuildNumber: wants,
                    ..system
                };
                let (types, conditions) = for_all(&[(BUILD, condition)]);
                let given = verify(&system, &wanted, types, conditions);
                assert_eq!(given.is_ok(), met, "100 against {wants}, {condition}");
            }
        }
    }

    #[test]
    fn suites_are_all_there_or_one_of_them() {
        let system = version(6, 0, 0);
        for (suites, all, one) in [
            (0b110, true, true),
            (0b011, false, true),
            (0b001, false, false),
        ] {
            let wanted = RTL_OSVERSIONINFOEXW {
                wSuiteMask: suites,
                ..system
            };
            for (condition, met) in [(AND, all), (OR, one)] {
                let (types, conditions) = for_all(&[(SUITE, condition)]);
                let given = verify(&system, &wanted, types, conditions);
                assert_eq!(given.is_ok(), met, "{suites:b}");
            }
        }
    }

    #[test]
    fn what_asks_for_nothing_or_by_no_condition_is_wrong() {
        let system = version(6, 0, 0);
        let verify = |types, conditions| verify(&system, &system, types, conditions);
        assert_eq!(verify(0, 0), Err(STATUS_INVALID_PARAMETER));
        assert_eq!(verify(1 << BUILD, 0), Err(STATUS_INVALID_PARAMETER));
        assert_eq!(
            verify(1 << SUITE, EQUAL << (3 * SUITE)),
            Err(STATUS_INVALID_PARAMETER)
        );
    }
}
