//! The size classes of ordinary pool: how a page is divided into blocks.
//!
//! A page begins with its own header. Blocks of one size fill the rest, so that no allocation
//! crosses a page boundary, as ExAllocatePool2 promises for allocations below a page. Each block
//! begins with a header of 16 bytes, as `POOL_HEADER` has on amd64.

use super::PAGE_SIZE;

/// Bytes of a page's own header.
pub const PAGE_HEADER: u64 = 64;
/// Bytes of a block's header.
pub const BLOCK_HEADER: u64 = 16;

/// The sizes of blocks, headers included. All are multiples of 16, and waste at most an eighth
/// of a page.
const SIZES: [u16; 23] = [
    32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 288, 336, 400, 448, 496, 576, 672, 800, 1008,
    1344, 2016, 4032,
];
/// How many classes there are.
pub const COUNT: usize = SIZES.len();

/// A size class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeClass(u8);

impl SizeClass {
    /// The smallest class whose blocks hold so many bytes beside their header; `None` if that
    /// takes whole pages.
    #[must_use]
    pub fn of(bytes: u64) -> Option<Self> {
        let needed = bytes.checked_add(BLOCK_HEADER)?;
        let index = SIZES.partition_point(|&size| u64::from(size) < needed);
        (index < COUNT).then_some(Self(index as u8))
    }

    /// The class of this number.
    ///
    /// # Panics
    ///
    /// If there are not so many.
    #[must_use]
    pub const fn from_index(index: usize) -> Self {
        assert!(index < COUNT);
        Self(index as u8)
    }

    /// Its number.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// Bytes of a block, header included.
    #[must_use]
    pub const fn block_size(self) -> u64 {
        SIZES[self.0 as usize] as u64
    }

    /// Blocks of a page.
    #[must_use]
    pub const fn blocks(self) -> u16 {
        ((PAGE_SIZE - PAGE_HEADER) / self.block_size()) as u16
    }

    /// Where a block begins in its page.
    #[must_use]
    pub const fn offset(self, block: u16) -> u64 {
        PAGE_HEADER + block as u64 * self.block_size()
    }

    /// The block that an offset in a page lies in; `None` for the page's header and its rest.
    #[must_use]
    pub const fn block_at(self, offset: u64) -> Option<u16> {
        if offset < PAGE_HEADER {
            return None;
        }
        let block = ((offset - PAGE_HEADER) / self.block_size()) as u16;
        if block < self.blocks() {
            Some(block)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> impl Iterator<Item = SizeClass> {
        (0..COUNT).map(SizeClass::from_index)
    }

    #[test]
    fn blocks_keep_the_alignment_of_pool_and_lie_in_one_page() {
        for class in all() {
            let last = class.offset(class.blocks() - 1) + class.block_size();
            assert!(last <= PAGE_SIZE, "{class:?}");
            assert_eq!(class.offset(1) % 16, 0, "{class:?}");
            assert!(
                PAGE_SIZE - last <= PAGE_SIZE / 8,
                "{class:?} wastes {}",
                PAGE_SIZE - last
            );
        }
    }

    #[test]
    fn an_allocation_gets_the_smallest_class_that_holds_it() {
        for bytes in 0..=4016 {
            let class = SizeClass::of(bytes).expect("it fits");
            assert!(class.block_size() >= bytes + BLOCK_HEADER);
            let smaller = class.index().checked_sub(1).map(SizeClass::from_index);
            assert!(smaller.is_none_or(|class| class.block_size() < bytes + BLOCK_HEADER));
        }
        for bytes in [4017, 4096, u64::MAX] {
            assert_eq!(SizeClass::of(bytes), None);
        }
    }

    #[test]
    fn each_offset_of_a_page_is_in_the_block_that_has_it() {
        for class in all() {
            for block in 0..class.blocks() {
                let first = class.offset(block);
                assert_eq!(class.block_at(first), Some(block));
                assert_eq!(class.block_at(first + class.block_size() - 1), Some(block));
            }
            assert_eq!(class.block_at(PAGE_HEADER - 1), None);
            assert_eq!(class.block_at(class.offset(class.blocks())), None);
        }
    }
}
