//! The bits of a bitmap, and what is looked for among them.

use nthost_nt::rtl::RTL_BITMAP;

/// What a search gives that found nothing.
pub const NOT_FOUND: u32 = u32::MAX;
pub(super) const BITS: u32 = u32::BITS;

/// The bits of a bitmap.
pub(super) struct Bits<'a> {
    pub(super) words: &'a mut [u32],
    pub(super) count: u32,
}

/// A range of bits: its first, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) start: u32,
    pub(super) length: u32,
}

/// A range that the documentation forbids.
pub(super) fn out_of_range(start: u32, count: u32, size: u32) -> ! {
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
    pub(super) unsafe fn of(bitmap: *const RTL_BITMAP) -> Self {
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
    pub(super) fn mask(word: u32, start: u32, end: u32) -> u32 {
        let first = word * BITS;
        let low = start.saturating_sub(first).min(BITS);
        let high = end.saturating_sub(first).min(BITS);
        let below = |bit: u32| u32::try_from((1_u64 << bit) - 1).unwrap_or(u32::MAX);
        below(high) & !below(low)
    }

    /// The words that a range has a part of, with that part.
    pub(super) fn masks(start: u32, end: u32) -> impl Iterator<Item = (usize, u32)> {
        (start / BITS..end.div_ceil(BITS))
            .map(move |word| (word as usize, Self::mask(word, start, end)))
    }

    pub(super) fn end_of(&self, start: u32, count: u32) -> Option<u32> {
        start.checked_add(count).filter(|&end| end <= self.count)
    }

    pub(super) fn put(&mut self, start: u32, count: u32, set: bool) {
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

    pub(super) fn test(&self, bit: u32) -> bool {
        if bit >= self.count {
            out_of_range(bit, 1, self.count)
        }
        self.words[(bit / BITS) as usize] >> (bit % BITS) & 1 != 0
    }

    /// Whether a range, which is not empty, is within the bitmap and all set, or all clear.
    pub(super) fn are(&self, start: u32, count: u32, set: bool) -> bool {
        let flip = if set { u32::MAX } else { 0 };
        count != 0
            && self.end_of(start, count).is_some_and(|end| {
                Self::masks(start, end).all(|(word, mask)| (self.words[word] ^ flip) & mask == 0)
            })
    }

    pub(super) fn number_set(&self) -> u32 {
        Self::masks(0, self.count)
            .map(|(word, mask)| (self.words[word] & mask).count_ones())
            .sum()
    }

    /// The first bit from `from` on that is set, or clear; the bitmap's end if there is none.
    pub(super) fn next(&self, from: u32, set: bool) -> u32 {
        let flip = if set { 0 } else { u32::MAX };
        let mut found = Self::masks(from.min(self.count), self.count)
            .map(|(word, mask)| (word, (self.words[word] ^ flip) & mask))
            .filter(|&(_, bits)| bits != 0);
        found.next().map_or(self.count, |(word, bits)| {
            word as u32 * BITS + bits.trailing_zeros()
        })
    }

    /// The first run of such bits from `from` on.
    pub(super) fn run_from(&self, from: u32, set: bool) -> Option<Run> {
        let start = self.next(from, set);
        (start < self.count).then(|| Run {
            start,
            length: self.next(start, !set) - start,
        })
    }

    pub(super) fn runs(&self, set: bool) -> impl Iterator<Item = Run> {
        let mut from = 0;
        core::iter::from_fn(move || {
            let run = self.run_from(from, set)?;
            from = run.start + run.length;
            Some(run)
        })
    }

    /// The last run that begins at `from` or before it, as far as `from`.
    pub(super) fn run_before(&self, from: u32, set: bool) -> Option<Run> {
        let run = self.runs(set).take_while(|run| run.start <= from).last()?;
        let length = run.length.min((from - run.start).saturating_add(1));
        Some(Run { length, ..run })
    }

    /// The first of several runs that are the longest.
    pub(super) fn longest(&self, set: bool) -> Option<Run> {
        self.runs(set).reduce(|longest, run| {
            if run.length > longest.length {
                run
            } else {
                longest
            }
        })
    }

    /// So many such bits in a row: from the hint on, or else from the first on.
    pub(super) fn find(&self, count: u32, hint: u32, set: bool) -> Option<u32> {
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
    pub(super) fn find_and_turn(&mut self, count: u32, hint: u32, set: bool) -> Option<u32> {
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
pub(super) unsafe fn give(run: Option<Run>, index: *mut u32) -> u32 {
    let Run { start, length } = run.unwrap_or(Run {
        start: 0,
        length: 0,
    });
    // SAFETY: the caller's promise.
    unsafe { index.write(start) };
    length
}
