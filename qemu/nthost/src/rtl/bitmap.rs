//! Bitmaps: bits are numbered from zero, the lowest of the first word on. Nothing synchronizes
//! them: a driver uses a bitmap in one place at a time.
//!
//! A range that is not within its bitmap is forbidden: where the documentation does not give
//! it an answer, it ends in bug check 0x139, 8 (a range check).
//!
//! Sources: the RtlInitializeBitMap page and those that it leads to; RtlFindMostSignificantBit,
//! RtlFindLeastSignificantBit, RtlNumberOfSetBitsUlongPtr. All may be called at any IRQL at
//! which the bitmap is resident.

use nthost_nt::rtl::{RTL_BITMAP, RTL_BITMAP_RUN};

/// What a search gives that found nothing.
pub const NOT_FOUND: u32 = u32::MAX;
const BITS: u32 = u32::BITS;

/// The bits of a bitmap.
struct Bits<'a> {
    words: &'a mut [u32],
    count: u32,
}

/// A range of bits: its first, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    start: u32,
    length: u32,
}

/// A range that the documentation forbids.
fn out_of_range(start: u32, count: u32, size: u32) -> ! {
    #[cfg(target_os = "none")]
    {
        use crate::ke::bugcheck::{bugcheck, code};
        log!(
            "rtl",
            "{count} bits from bit {start} on, in a bitmap of {size}"
        );
        let parameters = [8, start.into(), count.into(), size.into()];
        bugcheck(code::KERNEL_SECURITY_CHECK_FAILURE, parameters)
    }
    #[cfg(not(target_os = "none"))]
    panic!("{count} bits from bit {start} on, in a bitmap of {size}")
}

impl<'a> Bits<'a> {
    /// # Safety
    ///
    /// It is an initialized bitmap, which nobody else uses.
    unsafe fn of(bitmap: *const RTL_BITMAP) -> Self {
        // SAFETY: the caller's promise.
        let RTL_BITMAP {
            SizeOfBitMap: count,
            Buffer: buffer,
        } = unsafe { bitmap.read() };
        let words: &'a mut [u32] = if count == 0 {
            &mut []
        } else {
            // SAFETY: the caller's promise.
            unsafe { core::slice::from_raw_parts_mut(buffer, count.div_ceil(BITS) as usize) }
        };
        Self { words, count }
    }

    /// The part of a word that belongs to the range from `start` up to, without, `end`.
    fn mask(word: u32, start: u32, end: u32) -> u32 {
        let first = word * BITS;
        let low = start.saturating_sub(first).min(BITS);
        let high = end.saturating_sub(first).min(BITS);
        let below = |bit: u32| u32::try_from((1_u64 << bit) - 1).unwrap_or(u32::MAX);
        below(high) & !below(low)
    }

    /// The words that a range has a part of, with that part.
    fn masks(start: u32, end: u32) -> impl Iterator<Item = (usize, u32)> {
        (start / BITS..end.div_ceil(BITS))
            .map(move |word| (word as usize, Self::mask(word, start, end)))
    }

    fn end_of(&self, start: u32, count: u32) -> Option<u32> {
        start.checked_add(count).filter(|&end| end <= self.count)
    }

    fn put(&mut self, start: u32, count: u32, set: bool) {
        let Some(end) = self.end_of(start, count) else {
            out_of_range(start, count, self.count)
        };
        for (word, mask) in Self::masks(start, end) {
            if set {
                self.words[word] |= mask;
            } else {
                self.words[word] &= !mask;
            }
        }
    }

    fn test(&self, bit: u32) -> bool {
        if bit >= self.count {
            out_of_range(bit, 1, self.count)
        }
        self.words[(bit / BITS) as usize] >> (bit % BITS) & 1 != 0
    }

    /// Whether a range, which is not empty, is within the bitmap and all set, or all clear.
    fn are(&self, start: u32, count: u32, set: bool) -> bool {
        let flip = if set { u32::MAX } else { 0 };
        count != 0
            && self.end_of(start, count).is_some_and(|end| {
                Self::masks(start, end).all(|(word, mask)| (self.words[word] ^ flip) & mask == 0)
            })
    }

    fn number_set(&self) -> u32 {
        Self::masks(0, self.count)
            .map(|(word, mask)| (self.words[word] & mask).count_ones())
            .sum()
    }

    /// The first bit from `from` on that is set, or clear; the bitmap's end if there is none.
    fn next(&self, from: u32, set: bool) -> u32 {
        let flip = if set { 0 } else { u32::MAX };
        let mut found = Self::masks(from.min(self.count), self.count)
            .map(|(word, mask)| (word, (self.words[word] ^ flip) & mask))
            .filter(|&(_, bits)| bits != 0);
        found.next().map_or(self.count, |(word, bits)| {
            word as u32 * BITS + bits.trailing_zeros()
        })
    }

    /// The first run of such bits from `from` on.
    fn run_from(&self, from: u32, set: bool) -> Option<Run> {
        let start = self.next(from, set);
        (start < self.count).then(|| Run {
            start,
            length: self.next(start, !set) - start,
        })
    }

    fn runs(&self, set: bool) -> impl Iterator<Item = Run> {
        let mut from = 0;
        core::iter::from_fn(move || {
            let run = self.run_from(from, set)?;
            from = run.start + run.length;
            Some(run)
        })
    }

    /// The last run that begins at `from` or before it, as far as `from`.
    fn run_before(&self, from: u32, set: bool) -> Option<Run> {
        let run = self.runs(set).take_while(|run| run.start <= from).last()?;
        let length = run.length.min((from - run.start).saturating_add(1));
        Some(Run { length, ..run })
    }

    /// The first of several runs that are the longest.
    fn longest(&self, set: bool) -> Option<Run> {
        self.runs(set).reduce(|longest, run| {
            if run.length > longest.length {
                run
            } else {
                longest
            }
        })
    }

    /// So many such bits in a row: from the hint on, or else from the first on.
    fn find(&self, count: u32, hint: u32, set: bool) -> Option<u32> {
        let hint = if hint < self.count { hint } else { 0 };
        if count == 0 {
            return Some(hint);
        }
        let mut from = hint;
        while let Some(run) = self.run_from(from, set) {
            if run.length >= count {
                return Some(run.start);
            }
            from = run.start + run.length;
        }
        self.runs(set)
            .find(|run| run.length >= count)
            .map(|run| run.start)
    }

    /// Finds as [`Self::find`], and turns the bits over.
    fn find_and_turn(&mut self, count: u32, hint: u32, set: bool) -> Option<u32> {
        let found = self.find(count, hint, set)?;
        self.put(found, count, !set);
        Some(found)
    }
}

/// Hands a run out: its start, and its length as the result.
///
/// # Safety
///
/// The index can be written.
unsafe fn give(run: Option<Run>, index: *mut u32) -> u32 {
    let Run { start, length } = run.unwrap_or(Run {
        start: 0,
        length: 0,
    });
    // SAFETY: the caller's promise.
    unsafe { index.write(start) };
    length
}

nt_export! {
    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Makes a bitmap of a buffer, whose bits stay as they are.
    ///
    /// Source: RtlInitializeBitMap.
    ///
    /// # Safety
    ///
    /// It is memory for a bitmap; the buffer has whole words for so many bits.
    pub unsafe fn RtlInitializeBitMap(bitmap: *mut RTL_BITMAP, buffer: *mut u32, size: u32) {
        let value = RTL_BITMAP { SizeOfBitMap: size, Buffer: buffer };
        // SAFETY: the caller's promise.
        unsafe { bitmap.write(value) };
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Sets a bit.
    ///
    /// Source: RtlSetBit.
    ///
    /// # Safety
    ///
    /// It is an initialized bitmap, which nobody else uses.
    pub unsafe fn RtlSetBit(bitmap: *mut RTL_BITMAP, bit: u32) {
        // SAFETY: the caller's promise.
        unsafe { Bits::of(bitmap) }.put(bit, 1, true);
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Clears a bit.
    ///
    /// Source: RtlClearBit.
    ///
    /// # Safety
    ///
    /// It is an initialized bitmap, which nobody else uses.
    pub unsafe fn RtlClearBit(bitmap: *mut RTL_BITMAP, bit: u32) {
        // SAFETY: the caller's promise.
        unsafe { Bits::of(bitmap) }.put(bit, 1, false);
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Whether a bit is set.
    ///
    /// Source: RtlTestBit.
    ///
    /// # Safety
    ///
    /// It is an initialized bitmap, which nobody changes.
    pub unsafe fn RtlTestBit(bitmap: *const RTL_BITMAP, bit: u32) -> u8 {
        // SAFETY: the caller's promise.
        u8::from(unsafe { Bits::of(bitmap) }.test(bit))
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Sets so many bits, from one on.
    ///
    /// Source: RtlSetBits.
    ///
    /// # Safety
    ///
    /// It is an initialized bitmap, which nobody else uses.
    pub unsafe fn RtlSetBits(bitmap: *mut RTL_BITMAP, start: u32, count: u32) {
        // SAFETY: the caller's promise.
        unsafe { Bits::of(bitmap) }.put(start, count, true);
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Clears so many bits, from one on.
    ///
    /// Source: RtlClearBits.
    ///
    /// # Safety
    ///
    /// It is an initialized bitmap, which nobody else uses.
    pub unsafe fn RtlClearBits(bitmap: *mut RTL_BITMAP, start: u32, count: u32) {
        // SAFETY: the caller's promise.
        unsafe { Bits::of(bitmap) }.put(start, count, false);
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Sets all bits.
    ///
    /// Source: RtlSetAllBits.
    ///
    /// # Safety
    ///
    /// It is an initialized bitmap, which nobody else uses.
    pub unsafe fn RtlSetAllBits(bitmap: *mut RTL_BITMAP) {
        // SAFETY: the caller's promise.
        unsafe { Bits::of(bitmap) }.words.fill(u32::MAX);
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Clears all bits.
    ///
    /// Source: RtlClearAllBits.
    ///
    /// # Safety
    ///
    /// It is an initialized bitmap, which nobody else uses.
    pub unsafe fn RtlClearAllBits(bitmap: *mut RTL_BITMAP) {
        // SAFETY: the caller's promise.
        unsafe { Bits::of(bitmap) }.words.fill(0);
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Whether so many bits from one on are clear; FALSE for none, and for bits that are not
    /// there.
    ///
    /// Source: RtlAreBitsClear.
    ///
    /// # Safety
    ///
    /// It is an initialized bitmap, which nobody changes.
    pub unsafe fn RtlAreBitsClear(bitmap: *const RTL_BITMAP, start: u32, count: u32) -> u8 {
        // SAFETY: the caller's promise.
        u8::from(unsafe { Bits::of(bitmap) }.are(start, count, false))
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Whether so many bits from one on are set; FALSE for none, and for bits that are not there.
    ///
    /// Source: RtlAreBitsSet.
    ///
    /// # Safety
    ///
    /// It is an initialized bitmap, which nobody changes.
    pub unsafe fn RtlAreBitsSet(bitmap: *const RTL_BITMAP, start: u32, count: u32) -> u8 {
        // SAFETY: the caller's promise.
        u8::from(unsafe { Bits::of(bitmap) }.are(start, count, true))
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// How many bits are set.
    ///
    /// Source: RtlNumberOfSetBits.
    ///
    /// # Safety
    ///
    /// It is an initialized bitmap, which nobody changes.
    pub unsafe fn RtlNumberOfSetBits(bitmap: *const RTL_BITMAP) -> u32 {
        // SAFETY: the caller's promise.
        unsafe { Bits::of(bitmap) }.number_set()
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// How many bits are clear.
    ///
    /// Source: RtlNumberOfClearBits.
    ///
    /// # Safety
    ///
    /// It is an initialized bitmap, which nobody changes.
    pub unsafe fn RtlNumberOfClearBits(bitmap: *const RTL_BITMAP) -> u32 {
        // SAFETY: the caller's promise.
        let bits = unsafe { Bits::of(bitmap) };
        bits.count - bits.number_set()
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The first of so many clear bits in a row, from the hint on or else from the first bit on;
    /// 0xFFFFFFFF if there are none.
    ///
    /// Source: RtlFindClearBits.
    ///
    /// # Safety
    ///
    /// It is an initialized bitmap, which nobody changes.
    pub unsafe fn RtlFindClearBits(bitmap: *const RTL_BITMAP, count: u32, hint: u32) -> u32 {
        // SAFETY: the caller's promise.
        unsafe { Bits::of(bitmap) }.find(count, hint, false).unwrap_or(NOT_FOUND)
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The first of so many set bits in a row, likewise.
    ///
    /// Source: RtlFindSetBits.
    ///
    /// # Safety
    ///
    /// It is an initialized bitmap, which nobody changes.
    pub unsafe fn RtlFindSetBits(bitmap: *const RTL_BITMAP, count: u32, hint: u32) -> u32 {
        // SAFETY: the caller's promise.
        unsafe { Bits::of(bitmap) }.find(count, hint, true).unwrap_or(NOT_FOUND)
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Finds clear bits as RtlFindClearBits, and sets them.
    ///
    /// Source: RtlFindClearBitsAndSet.
    ///
    /// # Safety
    ///
    /// It is an initialized bitmap, which nobody else uses.
    pub unsafe fn RtlFindClearBitsAndSet(bitmap: *mut RTL_BITMAP, count: u32, hint: u32) -> u32 {
        // SAFETY: the caller's promise.
        unsafe { Bits::of(bitmap) }.find_and_turn(count, hint, false).unwrap_or(NOT_FOUND)
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Finds set bits as RtlFindSetBits, and clears them.
    ///
    /// Source: RtlFindSetBitsAndClear.
    ///
    /// # Safety
    ///
    /// It is an initialized bitmap, which nobody else uses.
    pub unsafe fn RtlFindSetBitsAndClear(bitmap: *mut RTL_BITMAP, count: u32, hint: u32) -> u32 {
        // SAFETY: the caller's promise.
        unsafe { Bits::of(bitmap) }.find_and_turn(count, hint, true).unwrap_or(NOT_FOUND)
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The first run of clear bits: gives its length, zero if there is none.
    ///
    /// Source: RtlFindFirstRunClear.
    ///
    /// # Safety
    ///
    /// It is an initialized bitmap, which nobody changes; the index can be written.
    pub unsafe fn RtlFindFirstRunClear(bitmap: *const RTL_BITMAP, index: *mut u32) -> u32 {
        // SAFETY: the caller's promise.
        let run = unsafe { Bits::of(bitmap) }.run_from(0, false);
        // SAFETY: the caller's promise.
        unsafe { give(run, index) }
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The longest run of clear bits, likewise.
    ///
    /// Source: RtlFindLongestRunClear.
    ///
    /// # Safety
    ///
    /// It is an initialized bitmap, which nobody changes; the index can be written.
    pub unsafe fn RtlFindLongestRunClear(bitmap: *const RTL_BITMAP, index: *mut u32) -> u32 {
        // SAFETY: the caller's promise.
        let run = unsafe { Bits::of(bitmap) }.longest(false);
        // SAFETY: the caller's promise.
        unsafe { give(run, index) }
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The first run of clear bits from a bit on, likewise.
    ///
    /// Source: RtlFindNextForwardRunClear.
    ///
    /// # Safety
    ///
    /// It is an initialized bitmap, which nobody changes; the index can be written.
    pub unsafe fn RtlFindNextForwardRunClear(
        bitmap: *const RTL_BITMAP,
        from: u32,
        index: *mut u32,
    ) -> u32 {
        // SAFETY: the caller's promise.
        let run = unsafe { Bits::of(bitmap) }.run_from(from, false);
        // SAFETY: the caller's promise.
        unsafe { give(run, index) }
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The last run of clear bits up to a bit, likewise.
    ///
    /// Source: RtlFindLastBackwardRunClear.
    ///
    /// # Safety
    ///
    /// It is an initialized bitmap, which nobody changes; the index can be written.
    pub unsafe fn RtlFindLastBackwardRunClear(
        bitmap: *const RTL_BITMAP,
        from: u32,
        index: *mut u32,
    ) -> u32 {
        // SAFETY: the caller's promise.
        let run = unsafe { Bits::of(bitmap) }.run_before(from, false);
        // SAFETY: the caller's promise.
        unsafe { give(run, index) }
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Up to so many runs of clear bits: the first ones, or the longest from the longest on.
    /// Gives how many there are.
    ///
    /// Source: RtlFindClearRuns.
    ///
    /// # Safety
    ///
    /// It is an initialized bitmap, which nobody changes; the array has so many places.
    pub unsafe fn RtlFindClearRuns(
        bitmap: *const RTL_BITMAP,
        array: *mut RTL_BITMAP_RUN,
        size: u32,
        longest: u8,
    ) -> u32 {
        // SAFETY: the caller's promise.
        let bits = unsafe { Bits::of(bitmap) };
        let places = if size == 0 {
            &mut []
        } else {
            // SAFETY: the caller's promise.
            unsafe { core::slice::from_raw_parts_mut(array, size as usize) }
        };
        let mut count = 0;
        for Run { start, length } in bits.runs(false) {
            let run = RTL_BITMAP_RUN { StartingIndex: start, NumberOfBits: length };
            // What is there stays in order: the new run goes behind those that are as long.
            let place = if longest == 0 {
                count
            } else {
                places[..count].partition_point(|other| other.NumberOfBits >= length)
            };
            if place >= places.len() {
                if longest == 0 {
                    break;
                }
                continue;
            }
            count = (count + 1).min(places.len());
            places.copy_within(place..count - 1, place + 1);
            places[place] = run;
        }
        count as u32
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The highest bit that is set; -1 if none is.
    ///
    /// Source: RtlFindMostSignificantBit.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn RtlFindMostSignificantBit(set: u64) -> i8 {
        set.checked_ilog2().map_or(-1, |bit| bit as i8)
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The lowest bit that is set; -1 if none is.
    ///
    /// Source: RtlFindLeastSignificantBit.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn RtlFindLeastSignificantBit(set: u64) -> i8 {
        if set == 0 { -1 } else { set.trailing_zeros() as i8 }
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// How many bits of a word are set.
    ///
    /// Source: RtlNumberOfSetBitsUlongPtr.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn RtlNumberOfSetBitsUlongPtr(target: usize) -> u32 {
        target.count_ones()
    }
}

#[cfg(test)]
mod tests {
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
            let count =
                unsafe { RtlFindClearRuns(&raw mut bitmap, runs.as_mut_ptr(), size, longest) };
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
}
