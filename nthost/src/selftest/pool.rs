//! Ordinary pool, which is what drivers have with the verifier off.

use alloc::vec::Vec;

use super::{Outcome, Test, ensure, ensure_eq};
use crate::mm::{
    PAGE_SIZE,
    pool::{self, Special, flags},
};

/// The tests.
pub const TESTS: &[Test] = &[
    (
        "pool: an allocation below a page crosses no page, and a larger one begins where one does",
        where_it_lies,
    ),
    ("pool: nobody has what another has", apart),
    (
        "pool: what others have freed is zeroed before it is handed out",
        zeroed,
    ),
    (
        "pool: an allocation is known by any address in it, and no longer once it is freed",
        known,
    ),
    ("pool: pages without use go back", given_back),
];

const TAG: u32 = u32::from_le_bytes(*b"Test");
const SIZES: [u64; 12] = [1, 15, 16, 17, 100, 272, 1000, 2001, 4016, 4017, 4096, 9000];

/// Ordinary pool while this lives.
pub struct Ordinary;

impl Ordinary {
    /// Has allocations be ordinary ones.
    pub fn begin() -> Self {
        pool::set_special(Special::None);
        Self
    }
}

impl Drop for Ordinary {
    fn drop(&mut self) {
        pool::set_special(Special::All);
    }
}

fn allocate(kind: u64, size: u64) -> Result<u64, alloc::string::String> {
    pool::allocate(kind, size, TAG, 0).ok_or_else(|| alloc::format!("no pool of {size} bytes"))
}

fn byte(address: u64) -> *mut u8 {
    core::ptr::with_exposed_provenance_mut(address as usize)
}

fn where_it_lies() -> Outcome {
    let _ordinary = Ordinary::begin();
    for kind in [flags::NON_PAGED, flags::PAGED, flags::NON_PAGED_EXECUTE] {
        for aligned in [0, flags::CACHE_ALIGNED] {
            for size in SIZES {
                let address = allocate(kind | aligned, size)?;
                let alignment = match (size >= PAGE_SIZE, aligned) {
                    (true, _) => PAGE_SIZE,
                    (_, 0) => 16,
                    _ => 64,
                };
                ensure_eq!(address % alignment, 0);
                let same_page = address / PAGE_SIZE == (address + size - 1) / PAGE_SIZE;
                ensure!(
                    same_page || size >= PAGE_SIZE,
                    "{size} bytes at {address:#x}"
                );
                // SAFETY: the last byte of the allocation.
                unsafe { byte(address + size - 1).write(1) };
                pool::free(address, Some(TAG));
            }
        }
    }
    Ok(())
}

fn apart() -> Outcome {
    let _ordinary = Ordinary::begin();
    let mut ranges = Vec::new();
    // More of each than a page and a processor's list hold.
    for size in SIZES {
        for _ in 0..300 {
            ranges.push((allocate(flags::NON_PAGED, size)?, size));
        }
    }
    ranges.sort_unstable();
    let overlap = ranges
        .windows(2)
        .find(|pair| pair[0].0 + pair[0].1 > pair[1].0);
    for &(address, _) in &ranges {
        pool::free(address, None);
    }
    ensure_eq!(overlap, None);
    Ok(())
}

fn zeroed() -> Outcome {
    let _ordinary = Ordinary::begin();
    let first = allocate(flags::NON_PAGED, 200)?;
    // SAFETY: the allocation.
    unsafe { byte(first).write_bytes(0xff, 200) };
    pool::free(first, None);
    let second = allocate(flags::NON_PAGED, 200)?;
    // SAFETY: the allocation.
    let bytes = unsafe { core::slice::from_raw_parts(byte(second), 200) };
    let is_zeroed = bytes.iter().all(|&byte| byte == 0);
    pool::free(second, None);
    ensure!(is_zeroed, "pool is not zeroed");
    Ok(())
}

fn known() -> Outcome {
    let _ordinary = Ordinary::begin();
    for size in SIZES {
        let address = allocate(flags::PAGED | flags::CACHE_ALIGNED, size)?;
        for at in [address, address + size - 1] {
            let found = pool::find(at).map(|(start, allocation)| (start, allocation.size));
            ensure_eq!(found, Some((address, size)));
        }
        ensure_eq!(
            pool::find(address + size).is_some_and(|(start, _)| start == address),
            false
        );
        ensure!(
            pool::find(address).is_some_and(|(_, allocation)| allocation.paged),
            "not paged"
        );
        let mut listed = false;
        pool::for_each(|other, _| listed |= other == address);
        ensure!(listed, "{size} bytes are not listed");
        pool::free(address, Some(TAG));
        ensure_eq!(pool::find(address), None);
    }
    Ok(())
}

fn given_back() -> Outcome {
    const BLOCKS: u64 = 1000;
    let _ordinary = Ordinary::begin();
    let before = crate::mm::phys::free_pages();
    let mut blocks = Vec::new();
    for _ in 0..BLOCKS {
        blocks.push(allocate(flags::NON_PAGED, 2000)?);
    }
    let used = before.saturating_sub(crate::mm::phys::free_pages());
    ensure!(
        used >= BLOCKS / 2,
        "{BLOCKS} blocks of half a page take {used} pages"
    );
    for address in blocks {
        pool::free(address, None);
    }
    let kept = before.saturating_sub(crate::mm::phys::free_pages());
    // A processor keeps a few blocks, and others use memory meanwhile.
    ensure!(kept < BLOCKS / 4, "{kept} of {used} pages are kept");
    Ok(())
}
