//! What a process has at which addresses: regions of its own memory, reserved and committed page
//! by page, and views of what is somebody else's; and what of it drivers have secured.
//!
//! Sources: ZwAllocateVirtualMemory, ZwFreeVirtualMemory, MmSecureVirtualMemory.

use alloc::{collections::BTreeMap, vec::Vec};
use core::ops::Range;

use super::PAGE_SIZE;

/// The lowest address that a process can have memory at (`MmLowestUserAddress`).
pub const LOWEST_USER_ADDRESS: u64 = 0x1_0000;
/// The first address that is not a process's (`MmUserProbeAddress`).
pub const USER_PROBE_ADDRESS: u64 = 0x7fff_ffff_0000;

/// Regions begin at multiples of this (the allocation granularity).
pub const GRANULARITY: u64 = 0x1_0000;

/// A page that is reserved, and not committed.
pub const RESERVED: u64 = 0;

/// Memory of a process: addresses that belong together.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Region {
    /// The physical pages in the order of their addresses; [`RESERVED`] where there is none.
    pub frames: Vec<u64>,
    /// They are the process's, and go with it; otherwise somebody else's that it sees.
    pub own: bool,
}

impl Region {
    fn length(&self) -> u64 {
        self.frames.len() as u64 * PAGE_SIZE
    }
}

/// Addresses that cannot be freed, nor be made less accessible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secured {
    /// Which addresses, in whole pages.
    pub range: Range<u64>,
    /// They stay writable, too.
    pub writable: bool,
}

/// The regions of a process.
#[derive(Debug)]
pub struct Regions {
    /// By address; they do not overlap.
    map: BTreeMap<u64, Region>,
    /// Where the next region is looked for whose address nobody chooses.
    next: u64,
    /// By number.
    secured: BTreeMap<u64, Secured>,
}

impl Default for Regions {
    fn default() -> Self {
        Self {
            map: BTreeMap::new(),
            next: LOWEST_USER_ADDRESS,
            secured: BTreeMap::new(),
        }
    }
}

impl Regions {
    /// Whether nothing is at these addresses, which a process can have.
    #[must_use]
    pub fn is_free(&self, address: u64, pages: u64) -> bool {
        let end = pages
            .checked_mul(PAGE_SIZE)
            .and_then(|length| address.checked_add(length));
        let Some(end) = end.filter(|&end| end <= USER_PROBE_ADDRESS) else {
            return false;
        };
        let before = self.map.range(..end).next_back();
        address >= LOWEST_USER_ADDRESS
            && before.is_none_or(|(&base, region)| base + region.length() <= address)
    }

    /// Addresses that nobody has chosen, with a gap of a page behind them, so that overruns are
    /// seen.
    pub fn choose(&mut self, pages: u64) -> Option<u64> {
        while !self.is_free(self.next, pages) {
            // Behind the first region that is in the way.
            let (&base, region) = self
                .containing(self.next)
                .or_else(|| self.map.range(self.next..).next())?;
            self.next = (base + region.length() + PAGE_SIZE).next_multiple_of(GRANULARITY);
        }
        let address = self.next;
        self.next = (address + (pages + 1) * PAGE_SIZE).next_multiple_of(GRANULARITY);
        Some(address)
    }

    /// The highest free addresses below a limit.
    #[must_use]
    pub fn choose_top(&self, pages: u64, limit: u64) -> Option<u64> {
        let length = pages.checked_mul(PAGE_SIZE)?;
        let below = |end: u64| Some(end.checked_sub(length)? & !(GRANULARITY - 1));
        let mut address = below(limit.min(USER_PROBE_ADDRESS))?;
        while !self.is_free(address, pages) {
            // Below the last region that is in the way.
            let (&base, _) = self.map.range(..address + length).next_back()?;
            address = below(base.checked_sub(PAGE_SIZE)?)?;
        }
        Some(address)
    }

    fn containing(&self, address: u64) -> Option<(&u64, &Region)> {
        let found = self.map.range(..=address).next_back();
        found.filter(|(base, region)| address < *base + region.length())
    }

    /// The region that an address is in, and where it begins.
    pub fn find(&mut self, address: u64) -> Option<(u64, &mut Region)> {
        let found = self.map.range_mut(..=address).next_back();
        found
            .map(|(&base, region)| (base, region))
            .filter(|(base, region)| address < base + region.length())
    }

    /// A new region, at addresses that are free.
    pub fn insert(&mut self, address: u64, region: Region) {
        self.map.insert(address, region);
    }

    /// Takes a region out; `None` if none of this kind begins at the address.
    pub fn remove(&mut self, address: u64, own: bool) -> Option<Region> {
        self.map.get(&address).filter(|found| found.own == own)?;
        self.map.remove(&address)
    }

    /// All physical pages that are the process's own.
    pub fn own_frames(&self) -> impl Iterator<Item = u64> {
        let own = self.map.values().filter(|region| region.own);
        own.flat_map(|region| region.frames.iter().copied())
            .filter(|&frame| frame != RESERVED)
    }

    /// Secures addresses, which are committed, under a number that nobody else has.
    pub fn secure(&mut self, number: u64, range: Range<u64>, writable: bool) {
        self.secured.insert(number, Secured { range, writable });
    }

    /// Undoes it; `None` if there is none of this number.
    pub fn unsecure(&mut self, number: u64) -> Option<Secured> {
        self.secured.remove(&number)
    }

    /// Whether these addresses may become what is not readable, or not writable.
    #[must_use]
    pub fn may_become(&self, range: &Range<u64>, readable: bool, writable: bool) -> bool {
        let mut within = self
            .secured
            .values()
            .filter(|held| held.range.start < range.end && range.start < held.range.end);
        within.all(|held| readable && (writable || !held.writable))
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn region(pages: usize) -> Region {
        Region {
            frames: vec![PAGE_SIZE; pages],
            own: true,
        }
    }

    #[test]
    fn regions_that_nobody_places_lie_between_those_that_somebody_has_placed() {
        let mut regions = Regions::default();
        let wish = LOWEST_USER_ADDRESS + 2 * PAGE_SIZE;
        regions.insert(wish, region(2));
        assert_eq!(regions.choose(2), Some(LOWEST_USER_ADDRESS));
        regions.insert(LOWEST_USER_ADDRESS, region(2));
        // Behind the second.
        let behind = LOWEST_USER_ADDRESS + GRANULARITY;
        assert_eq!(regions.choose(16), Some(behind));
        regions.insert(behind, region(16));
        // With a gap.
        assert_eq!(regions.choose(1), Some(behind + 2 * GRANULARITY));
        assert!(!regions.is_free(wish + PAGE_SIZE, 1));
        assert!(!regions.is_free(wish - PAGE_SIZE, 1));
        assert!(regions.is_free(wish + 2 * PAGE_SIZE, 1));
        assert!(!regions.is_free(0, 1), "the first 64 KiB are nobody's");
        assert!(!regions.is_free(USER_PROBE_ADDRESS - PAGE_SIZE, 2));
        assert!(!regions.is_free(USER_PROBE_ADDRESS - PAGE_SIZE, u64::MAX));
        assert_eq!(regions.choose(u64::MAX / PAGE_SIZE), None);
    }

    #[test]
    fn the_highest_addresses_are_those_below_what_is_there() {
        let mut regions = Regions::default();
        let top = USER_PROBE_ADDRESS - GRANULARITY;
        assert_eq!(regions.choose_top(2, u64::MAX), Some(top));
        regions.insert(top, region(2));
        assert_eq!(regions.choose_top(15, u64::MAX), Some(top - GRANULARITY));
        // With a gap.
        assert_eq!(
            regions.choose_top(16, u64::MAX),
            Some(top - 2 * GRANULARITY)
        );
        assert_eq!(regions.choose_top(1, 0x2_0000), Some(0x1_0000));
        assert_eq!(regions.choose_top(1, LOWEST_USER_ADDRESS), None);
    }

    #[test]
    fn what_is_secured_stays_as_accessible_as_was_said() {
        let mut regions = Regions::default();
        let held = 0x2_0000..0x2_2000;
        let (number, other) = (1, 2);
        regions.secure(number, held.clone(), false);
        regions.secure(other, 0x2_1000..0x2_2000, true);
        assert!(regions.may_become(&(0x2_0000..0x2_1000), true, false));
        assert!(!regions.may_become(&held, true, false), "part of it");
        assert!(!regions.may_become(&(0x2_0fff..0x2_1000), false, false));
        assert!(regions.may_become(&(0x2_2000..0x2_3000), false, false));
        assert!(regions.unsecure(other).is_some());
        assert!(regions.may_become(&held, true, false));
        assert!(regions.unsecure(number).is_some());
        assert_eq!(regions.unsecure(number), None);
        assert!(regions.may_become(&held, false, false));
    }
}
