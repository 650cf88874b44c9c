//! The formats of the IOMMU's tables and fault records. Pure arithmetic.

/// Bytes of a page, and of a table.
const PAGE: u64 = 4096;
/// An entry points to something.
const PRESENT: u64 = 1;
const READ: u64 = 1;
const WRITE: u64 = 2;

/// What a device may do with a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Read it.
    pub read: bool,
    /// Write it.
    pub write: bool,
}

/// How deep a device's table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depth {
    /// How many tables lead to a page.
    pub levels: u32,
    /// How context entries say that.
    width: u64,
}

impl Depth {
    /// The least deep that a unit has, by its capabilities; `None` if it has none that is known.
    #[must_use]
    pub const fn of(capabilities: u64) -> Option<Self> {
        let supported = capabilities >> 8 & 0x1f;
        if supported & 2 != 0 {
            let (levels, width) = (3, 1);
            return Some(Self { levels, width });
        }
        if supported & 4 != 0 {
            let (levels, width) = (4, 2);
            return Some(Self { levels, width });
        }
        None
    }
}

/// The requester id of a function: what its accesses carry.
#[must_use]
pub const fn source(bus: u8, device: u8, function: u8) -> u16 {
    (bus as u16) << 8 | (device as u16) << 3 | function as u16
}

/// The entry for a bus in the root table.
#[must_use]
pub const fn root_entry(context_table: u64) -> [u64; 2] {
    [context_table | PRESENT, 0]
}

/// The table that an entry points to, if it points to any.
#[must_use]
pub const fn target(entry: u64) -> Option<u64> {
    if entry & (READ | WRITE) == 0 {
        None
    } else {
        Some(entry & !(PAGE - 1))
    }
}

/// The entry for a function in its bus's context table: its own table, and the number under
/// which the unit keeps what it has read of it.
#[must_use]
pub const fn context_entry(table: u64, depth: Depth, number: u16) -> [u64; 2] {
    [table | PRESENT, depth.width | (number as u64) << 8]
}

/// The entry for a further table.
#[must_use]
pub const fn table_entry(table: u64) -> u64 {
    table | READ | WRITE
}

/// The entry for a page.
#[must_use]
pub const fn page_entry(page: u64, rights: Rights) -> u64 {
    let bits = ((rights.read as u64) * READ) | ((rights.write as u64) * WRITE);
    if bits == 0 { 0 } else { page | bits }
}

/// Where the entry for an address is in the table of a level; level 1 has the pages.
#[must_use]
pub const fn index(address: u64, level: u32) -> u64 {
    address >> (12 + 9 * (level - 1)) & 0x1ff
}

/// The pages of a range.
pub fn pages(address: u64, length: u64) -> impl Iterator<Item = u64> {
    let first = address / PAGE;
    let end = (address + length).div_ceil(PAGE);
    (first..end).map(|page| page * PAGE)
}

/// An access that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Who tried.
    pub source: u16,
    /// The page.
    pub page: u64,
    /// It was a write.
    pub write: bool,
    /// Why, by the specification's appendix.
    pub reason: u8,
}

impl Fault {
    /// What a record says, if it has been written.
    #[must_use]
    pub const fn read(low: u64, high: u64) -> Option<Self> {
        if high >> 63 == 0 {
            return None;
        }
        Some(Self {
            source: high as u16,
            page: low & !(PAGE - 1),
            write: high >> 62 & 1 == 0,
            reason: (high >> 32) as u8,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_deep_table_is_taken() {
        let levels = |capabilities| Depth::of(capabilities).map(|depth| depth.levels);
        assert_eq!(levels(0b0_0110 << 8), Some(3));
        assert_eq!(levels(0b0_0100 << 8), Some(4));
        assert_eq!(levels(0b1_0001 << 8), None);
    }

    #[test]
    fn entries_have_the_formats_of_the_specification() {
        assert_eq!(source(0x40, 0x1f, 7), 0x40ff);
        assert_eq!(root_entry(0x5000), [0x5001, 0]);
        let depth = Depth::of(2 << 8).unwrap();
        assert_eq!(context_entry(0x6000, depth, 0x12), [0x6001, 0x1201]);
        assert_eq!(target(table_entry(0x7000)), Some(0x7000));
        let rights = |read, write| Rights { read, write };
        assert_eq!(page_entry(0x8000, rights(true, false)), 0x8001);
        assert_eq!(page_entry(0x8000, rights(false, true)), 0x8002);
        assert_eq!(page_entry(0x8000, rights(false, false)), 0);
        assert_eq!(target(page_entry(0x8000, rights(false, false))), None);
    }

    #[test]
    fn an_address_is_cut_into_indices() {
        let address = 1 << 39 | 2 << 30 | 3 << 21 | 4 << 12 | 0xfff;
        let found: [u64; 4] = [4, 3, 2, 1].map(|level| index(address, level));
        assert_eq!(found, [1, 2, 3, 4]);
    }

    #[test]
    fn a_range_has_the_pages_that_it_touches() {
        let of = |address, length| pages(address, length).collect::<alloc::vec::Vec<_>>();
        assert_eq!(of(0x1fff, 2), [0x1000, 0x2000]);
        assert_eq!(of(0x1000, 0x1000), [0x1000]);
    }

    #[test]
    fn a_record_says_who_tried_what() {
        assert_eq!(Fault::read(0x1234_5000, 0x5_0000_0080), None);
        let read = Fault::read(0x1234_5abc, 0xc000_0006_0000_0080).unwrap();
        let expected = Fault {
            source: 0x80,
            page: 0x1234_5000,
            write: false,
            reason: 6,
        };
        assert_eq!(read, expected);
        assert!(Fault::read(0, 0x8000_0005_0000_0080).unwrap().write);
    }
}
