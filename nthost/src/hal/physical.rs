//! Physical memory, as the kernel sees it: all of it is mapped from one address on, from the first
//! instruction that needs it.

/// Bytes of a page.
pub const PAGE_SIZE: u64 = 4096;
/// Where physical memory is mapped.
pub const PHYSICAL_BASE: u64 = 0xffff_8000_0000_0000;

/// A range of physical memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PhysicalRange {
    /// Its first byte.
    pub start: u64,
    /// Its bytes.
    pub length: u64,
}

impl PhysicalRange {
    /// The byte behind the last.
    #[must_use]
    pub const fn end(self) -> u64 {
        self.start + self.length
    }
}

/// Where nthost sees a physical address.
#[must_use]
pub fn physical(address: u64) -> *mut u8 {
    core::ptr::with_exposed_provenance_mut((PHYSICAL_BASE + address) as usize)
}
