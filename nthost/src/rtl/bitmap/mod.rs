//! Bitmaps: bits are numbered from zero, the lowest of the first word on. Nothing synchronizes
//! them: a driver uses a bitmap in one place at a time.
//!
//! A range that is not within its bitmap is forbidden: where the documentation does not give
//! it an answer, it ends in bug check 0x139, 8 (a range check).
//!
//! Sources: the RtlInitializeBitMap page and those that it leads to; RtlFindMostSignificantBit,
//! RtlFindLeastSignificantBit, RtlNumberOfSetBitsUlongPtr. All may be called at any IRQL at
//! which the bitmap is resident.

mod bits;
#[cfg(test)]
mod tests;

use nthost_nt::rtl::{RTL_BITMAP, RTL_BITMAP_RUN};

pub use bits::NOT_FOUND;
use bits::{Bits, Run, give};

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
