//! Bitmaps against a model of them, a bit at a time.

use alloc::{vec, vec::Vec};

use super::*;

/// A bitmap as text, `#` for each bit that is set, with bits beyond its end that are set.
fn with<T>(text: &str, operation: impl FnOnce(&mut Bits<'_>) -> T) -> T {
    let count = text.len() as u32;
    let mut words = vec![u32::MAX; text.len().div_ceil(32)];
    let mut bits = Bits {
        words: &mut words,
        count,
    };
    for (bit, char) in text.chars().enumerate() {
        bits.put(bit as u32, 1, char == '#');
    }
    operation(&mut bits)
}

fn text(bits: &Bits<'_>) -> alloc::string::String {
    (0..bits.count)
        .map(|bit| if bits.test(bit) { '#' } else { '.' })
        .collect()
}

#[test]
fn a_range_is_set_and_cleared_and_nothing_beside_it() {
    for size in [1_u32, 31, 32, 33, 64, 95] {
        for start in 0..size {
            for count in 0..=size - start {
                let empty = ".".repeat(size as usize);
                with(&empty, |bits| {
                    bits.put(start, count, true);
                    let expected = (0..size)
                        .map(|bit| {
                            if (start..start + count).contains(&bit) {
                                '#'
                            } else {
                                '.'
                            }
                        })
                        .collect::<alloc::string::String>();
                    assert_eq!(text(bits), expected);
                    assert_eq!(bits.number_set(), count);
                    assert_eq!(bits.are(start, count, true), count != 0);
                    bits.put(start, count, false);
                    assert_eq!(text(bits), empty);
                });
            }
        }
    }
}

#[test]
fn a_test_of_no_bits_or_of_bits_beyond_the_end_is_false() {
    with("########", |bits| {
        assert!(bits.are(0, 8, true));
        assert!(!bits.are(0, 0, true));
        assert!(!bits.are(0, 9, true));
        assert!(!bits.are(8, 1, true));
        assert!(!bits.are(1, u32::MAX, true));
    });
}

#[test]
#[should_panic(expected = "9 bits from bit 0 on, in a bitmap of 8")]
fn bits_beyond_the_end_are_not_set() {
    with("........", |bits| bits.put(0, 9, true));
}

#[test]
fn a_search_goes_from_the_hint_to_the_end_and_then_from_the_start() {
    with("..##...#....", |bits| {
        assert_eq!(bits.find(1, 0, false), Some(0));
        assert_eq!(bits.find(1, 1, false), Some(1));
        assert_eq!(bits.find(3, 0, false), Some(4));
        assert_eq!(bits.find(3, 5, false), Some(8));
        assert_eq!(bits.find(3, 10, false), Some(4));
        assert_eq!(bits.find(4, 9, false), Some(8));
        assert_eq!(bits.find(5, 0, false), None);
        assert_eq!(bits.find(1, 99, false), Some(0));
        assert_eq!(bits.find(2, 0, true), Some(2));
        assert_eq!(bits.find(3, 0, true), None);
    });
}

#[test]
fn what_is_found_and_turned_is_found_once() {
    with("....", |bits| {
        assert_eq!(bits.find_and_turn(3, 0, false), Some(0));
        assert_eq!(bits.find_and_turn(3, 0, false), None);
        assert_eq!(text(bits), "###.");
        assert_eq!(bits.find_and_turn(2, 1, true), Some(1));
        assert_eq!(text(bits), "#...");
    });
}

#[test]
fn runs_are_found_forward_backward_and_by_length() {
    let run = |start, length| Some(Run { start, length });
    with("#..###...#...#", |bits| {
        assert_eq!(bits.run_from(0, false), run(1, 2));
        assert_eq!(bits.run_from(2, false), run(2, 1));
        assert_eq!(bits.run_from(4, false), run(6, 3));
        assert_eq!(bits.run_from(13, false), None);
        assert_eq!(bits.run_before(13, false), run(10, 3));
        assert_eq!(bits.run_before(7, false), run(6, 2));
        assert_eq!(bits.run_before(5, false), run(1, 2));
        assert_eq!(bits.run_before(0, false), None);
        assert_eq!(bits.run_before(u32::MAX, false), run(10, 3));
        assert_eq!(bits.longest(false), run(6, 3));
        assert_eq!(bits.longest(true), run(3, 3));
    });
}

#[test]
fn the_longest_runs_come_from_the_longest_on() {
    let mut words = [0b1110_1111_0111_0010_u32];
    let mut bitmap = RTL_BITMAP {
        SizeOfBitMap: 16,
        Buffer: words.as_mut_ptr(),
    };
    let none = RTL_BITMAP_RUN {
        StartingIndex: 0,
        NumberOfBits: 0,
    };
    let mut find = |size: u32, longest| {
        let mut runs = [none; 8];
        // SAFETY: the bitmap and the array are the test's own.
        let count = unsafe { RtlFindClearRuns(&raw mut bitmap, runs.as_mut_ptr(), size, longest) };
        runs[..count as usize]
            .iter()
            .map(|run| (run.StartingIndex, run.NumberOfBits))
            .collect::<Vec<_>>()
    };
    assert_eq!(find(8, 0), [(0, 1), (2, 2), (7, 1), (12, 1)]);
    assert_eq!(find(2, 0), [(0, 1), (2, 2)]);
    assert_eq!(find(8, 1), [(2, 2), (0, 1), (7, 1), (12, 1)]);
    assert_eq!(find(2, 1), [(2, 2), (0, 1)]);
    assert_eq!(find(0, 1), []);
}

#[test]
fn the_highest_and_the_lowest_bit_are_numbered_from_zero() {
    for (value, high, low) in [
        (0, -1, -1),
        (1, 0, 0),
        (0x8000_0000_0000_0000, 63, 63),
        (0x6, 2, 1),
    ] {
        // SAFETY: they have no preconditions.
        assert_eq!(unsafe { RtlFindMostSignificantBit(value) }, high);
        // SAFETY: as above.
        assert_eq!(unsafe { RtlFindLeastSignificantBit(value) }, low);
    }
}
