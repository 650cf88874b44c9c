//! Control Flow Guard's table of an image: the functions that may be called by a pointer.
//!
//! Source: "PE Format" ("Load Configuration Layout"): the table's address, its count and
//! `GuardFlags` are at 0x80, 0x88 and 0x90; an entry is an RVA and as many more bytes as the flags'
//! upper four bits say.

use alloc::vec::Vec;

/// `IMAGE_GUARD_CF_FUNCTION_TABLE_PRESENT`.
const TABLE_PRESENT: u32 = 0x400;

/// Where the table is, as a load configuration says: its address, the number of its entries, and how
/// many bytes each has. `None` if there is no table.
#[must_use]
pub fn table(configuration: &[u8]) -> Option<(u64, usize, usize)> {
    let long = |offset: usize| {
        let bytes = configuration.get(offset..)?.first_chunk::<8>()?;
        Some(u64::from_le_bytes(*bytes))
    };
    let flags = configuration.get(0x90..)?.first_chunk::<4>()?;
    let flags = u32::from_le_bytes(*flags);
    let address = long(0x80)?;
    if flags & TABLE_PRESENT == 0 || address == 0 {
        return None;
    }
    let count = usize::try_from(long(0x88)?).ok()?;
    Some((address, count, 4 + (flags >> 28) as usize))
}

/// The functions of a table, in order. One that leads out of the image ends where that does.
#[must_use]
pub fn functions(table: &[u8], count: usize, stride: usize) -> Vec<u32> {
    let entries = table.chunks_exact(stride).take(count);
    let mut functions: Vec<u32> = entries
        .filter_map(|entry| entry.first_chunk().copied().map(u32::from_le_bytes))
        .collect();
    functions.sort_unstable();
    functions
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn configuration(flags: u32) -> Vec<u8> {
        let mut bytes = vec![0; 0x94];
        bytes[0x80..0x88].copy_from_slice(&0x1_4000_2000_u64.to_le_bytes());
        bytes[0x88..0x90].copy_from_slice(&2_u64.to_le_bytes());
        bytes[0x90..].copy_from_slice(&flags.to_le_bytes());
        bytes
    }

    #[test]
    fn a_table_is_where_the_flags_say_that_there_is_one() {
        assert_eq!(table(&configuration(0x100)), None);
        assert_eq!(table(&configuration(0x500)), Some((0x1_4000_2000, 2, 4)));
        assert_eq!(
            table(&configuration(0x1000_0500)),
            Some((0x1_4000_2000, 2, 5))
        );
        assert_eq!(table(&configuration(0x500)[..0x90]), None, "an old one");
    }

    #[test]
    fn functions_are_read_in_order_and_not_beyond_the_table() {
        let bytes = [0x20, 0x10, 0, 0, 9, 0x10, 0x10, 0, 0, 9, 0x30, 0x10];
        assert_eq!(functions(&bytes, 2, 5), [0x1010, 0x1020]);
        assert_eq!(functions(&bytes, 1, 5), [0x1020]);
        assert_eq!(functions(&bytes, usize::MAX, 5), [0x1010, 0x1020]);
    }
}
