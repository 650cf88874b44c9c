//! Sorting, searching, and numbers that look random.
//!
//! The order of elements that compare equal is nobody's to rely on; here they keep it.

use core::{
    cmp::Ordering,
    ffi::c_void,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use super::c_export;

/// Compares two elements: negative, zero or positive.
type Compare = unsafe extern "win64" fn(first: *const c_void, second: *const c_void) -> i32;

/// The state of [`rand`], one for all: relaxed, as no order is promised between callers.
static SEED: AtomicU32 = AtomicU32::new(1);

/// An array of elements that only the driver knows.
#[derive(Clone, Copy)]
struct Elements {
    start: *mut u8,
    count: usize,
    size: usize,
    compare: Compare,
}

impl Elements {
    fn at(&self, index: usize) -> *mut u8 {
        // Whether so many are there is the owner's promise, and the processor's to find out.
        self.start.wrapping_add(index.wrapping_mul(self.size))
    }

    fn compare(&self, first: *const u8, second: *const u8) -> Ordering {
        // SAFETY: the driver's own routine, with elements.
        unsafe { (self.compare)(first.cast(), second.cast()) }.cmp(&0)
    }

    fn swap(&self, first: usize, second: usize) {
        // SAFETY: two elements that do not overlap.
        unsafe { core::ptr::swap_nonoverlapping(self.at(first), self.at(second), self.size) };
    }

    /// Lets an element sink in the heap of the first `count`, until none below it is greater.
    fn sink(&self, mut index: usize, count: usize) {
        loop {
            let mut greatest = index;
            for below in [2 * index + 1, 2 * index + 2] {
                if below < count && self.compare(self.at(below), self.at(greatest)).is_gt() {
                    greatest = below;
                }
            }
            if greatest == index {
                return;
            }
            self.swap(index, greatest);
            index = greatest;
        }
    }

    /// By a heap: no memory, no recursion on a kernel's stack, whatever the routine answers.
    fn sort(&self) {
        for index in (0..self.count / 2).rev() {
            self.sink(index, self.count);
        }
        for count in (1..self.count).rev() {
            self.swap(0, count);
            self.sink(0, count);
        }
    }

    fn find(&self, key: *const u8) -> Option<usize> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.compare(key, self.at(middle)) {
                Ordering::Less => high = middle,
                Ordering::Equal => return Some(middle),
                Ordering::Greater => low = middle + 1,
            }
        }
        None
    }
}

c_export! {
    /// Sorts an array by a routine that compares.
    fn qsort(start: *mut u8, count: usize, size: usize, compare: Compare) {
        Elements { start, count, size, compare }.sort();
    }
    /// Finds an element in a sorted array; null if there is none.
    fn bsearch(
        key: *const u8,
        start: *const u8,
        count: usize,
        size: usize,
        compare: Compare,
    ) -> *mut u8 {
        let elements = Elements { start: start.cast_mut(), count, size, compare };
        elements.find(key).map_or(core::ptr::null_mut(), |index| elements.at(index))
    }
    /// The next number of a sequence, from 0 to 32767.
    fn rand() -> i32 {
        let step = |seed: u32| seed.wrapping_mul(214_013).wrapping_add(2_531_011);
        let mut seed = SEED.load(Relaxed);
        while let Err(other) = SEED.compare_exchange_weak(seed, step(seed), Relaxed, Relaxed) {
            seed = other;
        }
        (step(seed) >> 16 & 0x7fff).cast_signed()
    }
    /// Begins another sequence.
    fn srand(seed: u32) {
        SEED.store(seed, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    unsafe extern "win64" fn bytes(first: *const c_void, second: *const c_void) -> i32 {
        // SAFETY: elements of three bytes.
        let first = unsafe { first.cast::<[u8; 3]>().read() };
        // SAFETY: as above.
        first.cmp(&unsafe { second.cast::<[u8; 3]>().read() }) as i32
    }

    #[test]
    fn any_array_is_sorted_and_found_in() {
        // SAFETY: no preconditions.
        unsafe { srand(7) };
        for count in 0..40_usize {
            // SAFETY: no preconditions.
            let next = || unsafe { rand() } as u8 % 16;
            let mut array: Vec<[u8; 3]> = (0..count).map(|_| [next(), next(), next()]).collect();
            let mut expected = array.clone();
            expected.sort_unstable();
            // SAFETY: an array of so many elements.
            unsafe { qsort(array.as_mut_ptr().cast(), count, 3, bytes) };
            assert_eq!(array, expected);
            for key in &array {
                // SAFETY: as above.
                let found =
                    unsafe { bsearch(key.as_ptr(), array.as_ptr().cast(), count, 3, bytes) };
                // SAFETY: what is found is an element.
                assert_eq!(unsafe { found.cast::<[u8; 3]>().read() }, *key);
            }
            let missing = [99, 0, 0];
            // SAFETY: as above.
            let found =
                unsafe { bsearch(missing.as_ptr(), array.as_ptr().cast(), count, 3, bytes) };
            assert!(found.is_null());
        }
    }
}
