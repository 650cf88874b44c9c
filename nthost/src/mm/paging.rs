//! The kernel's half of the address space, which all processes share.
//!
//! | from                    | what |
//! |-------------------------|------|
//! | `0x0000_0000_0001_0000` | the process's own memory |
//! | `0xffff_8000_0000_0000` | all physical memory, for nthost itself |
//! | `0xffff_b000_0000_0000` | system space: pool, images, stacks, mappings, with guard pages |
//! | `0xffff_f780_0000_0000` | `KUSER_SHARED_DATA` |
//! | `0xffff_ffff_8000_0000` | nthost's image |

use alloc::{collections::VecDeque, vec::Vec};

use bitflags::bitflags;
use x86_64::{
    PhysAddr, VirtAddr,
    registers::control::Cr3,
    structures::paging::{
        FrameAllocator, Mapper, OffsetPageTable, Page, PageTable, PageTableFlags, PhysFrame,
        Size2MiB, Size4KiB, Translate, mapper::TranslateResult,
    },
};

use super::{
    PAGE_SIZE,
    phys::{self, Request},
};
pub use crate::hal::physical::{PHYSICAL_BASE, physical};
use crate::{
    ke::{ipi, lock::HighLock},
    mm::start_info::BootInfo,
};

/// Where system space begins.
pub const SYSTEM_BASE: u64 = 0xffff_b000_0000_0000;
/// Where system space ends.
pub const SYSTEM_END: u64 = 0xffff_c000_0000_0000;
/// Where the image is linked: this much above its physical address.
pub const KERNEL_BASE: u64 = 0xffff_ffff_8000_0000;
/// What the boot page tables map of physical memory.
const MAPPED_AT_START: u64 = 4 << 30;

bitflags! {
    /// How a page is mapped.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Access: u8 {
        /// It may be written.
        const WRITE = 1;
        /// It may be executed.
        const EXECUTE = 2;
        /// It is not cached.
        const UNCACHED = 4;
        /// It is not cached, but writes are combined.
        const COMBINED = 8;
        /// What says how it is cached.
        const CACHE = 4 | 8;
    }
}

/// Why a page was not mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// No page for a page table.
    NoMemory,
    /// Something is mapped there.
    InUse,
}

/// Protects the page tables of the kernel's half.
static TABLES: HighLock<()> = HighLock::new(());
/// Addresses that were given back and are kept from being given out again, the oldest first: whoever
/// still uses them finds nothing there. Taken before [`SYSTEM_SPACE`].
static RESTING: HighLock<Resting> = HighLock::new(Resting {
    ranges: VecDeque::new(),
    pages: 0,
});
/// For each page of memory, so many of addresses rest: their page tables, which stay, take 1/512 of
/// that.
const RESTING_PER_PAGE: u64 = 4;

/// Ranges of addresses, and how many pages they have together.
struct Resting {
    ranges: VecDeque<(u64, u64)>,
    pages: u64,
}

/// Protects the free ranges of system space, in pages, sorted.
static SYSTEM_SPACE: HighLock<Vec<(u64, u64)>> = HighLock::new(Vec::new());

unsafe extern "C" {
    /// The page tables of the start, which stay the kernel's own.
    static boot_pml4: [u64; 512];
}

/// The physical address of the kernel's page tables.
#[must_use]
pub fn pml4_physical() -> u64 {
    // It lies in a section that is linked at its physical address.
    let address = &raw const boot_pml4 as u64;
    debug_assert!(address < KERNEL_BASE);
    address
}

/// Gives pages for page tables.
pub(super) struct TablePages;

pub(super) const fn table_pages() -> TablePages {
    TablePages
}

// SAFETY: the pages come from the allocator of physical pages, so nobody else has them.
unsafe impl FrameAllocator<Size4KiB> for TablePages {
    fn allocate_frame(&mut self) -> Option<PhysFrame> {
        let address = phys::allocate(&Request::any(1))?;
        // SAFETY: the page is ours alone, and in the physical map.
        unsafe { physical(address).write_bytes(0, PAGE_SIZE as usize) };
        Some(PhysFrame::containing_address(PhysAddr::new(address)))
    }
}

/// Runs with the page tables whose root is at this physical address.
///
/// # Safety
///
/// It is a root table, nobody else changes its lower tables meanwhile.
pub(super) unsafe fn with_tables<T>(
    root: u64,
    operation: impl FnOnce(&mut OffsetPageTable<'_>) -> T,
) -> T {
    // SAFETY: the caller promises that it is a root table, in the physical map as all memory.
    let table = unsafe { &mut *physical(root).cast::<PageTable>() };
    // SAFETY: all page tables are in the physical map.
    let mut tables = unsafe { OffsetPageTable::new(table, VirtAddr::new(PHYSICAL_BASE)) };
    operation(&mut tables)
}

/// The entry of the page tables that an address's page of 4 KiB has; `None` if none is there.
///
/// # Safety
///
/// It is a root table, nobody changes its lower tables meanwhile, and the address is in a half that
/// has no larger pages, as a process's own.
#[inline]
pub(super) unsafe fn small_page(root: u64, address: u64) -> Option<u64> {
    /// Where a table or page is, in an entry.
    const FRAME: u64 = 0x000f_ffff_ffff_f000;
    let mut entry = root;
    for shift in [39_u32, 30, 21, 12] {
        let table = physical(entry & FRAME).cast::<u64>();
        // SAFETY: an entry of a table, which is in the physical map.
        let at = unsafe { table.add((address >> shift & 511) as usize) };
        // SAFETY: as above.
        entry = unsafe { at.read() };
        if entry & PageTableFlags::PRESENT.bits() == 0 {
            return None;
        }
    }
    Some(entry)
}

fn with_kernel<T>(operation: impl FnOnce(&mut OffsetPageTable<'_>) -> T) -> T {
    let _guard = TABLES.lock();
    // SAFETY: the guard keeps others away from the kernel's half.
    unsafe { with_tables(pml4_physical(), operation) }
}

pub(super) fn flags(access: Access) -> PageTableFlags {
    let mut flags = PageTableFlags::PRESENT;
    flags.set(PageTableFlags::WRITABLE, access.contains(Access::WRITE));
    flags.set(
        PageTableFlags::NO_EXECUTE,
        !access.contains(Access::EXECUTE),
    );
    // Which entries of the PAT they choose: see `cache`.
    flags.set(PageTableFlags::NO_CACHE, access.contains(Access::UNCACHED));
    flags.set(
        PageTableFlags::WRITE_THROUGH,
        access.contains(Access::COMBINED),
    );
    flags
}

pub(super) fn page(address: u64) -> Page<Size4KiB> {
    Page::containing_address(VirtAddr::new(address))
}

/// Maps the rest of physical memory, gives every table of the kernel's half its place, so that
/// processes can share them, and takes the boot's identity map away once it is not needed.
///
/// # Panics
///
/// If there is no memory for it.
pub fn initialize(info: &BootInfo) {
    let root = pml4_physical();
    with_kernel(|tables| {
        for range in info
            .memory
            .iter()
            .filter(|range| range.end() > MAPPED_AT_START)
        {
            let start = range.start.max(MAPPED_AT_START) & !0x1f_ffff;
            for address in (start..range.end()).step_by(0x20_0000) {
                let page =
                    Page::<Size2MiB>::containing_address(VirtAddr::new(PHYSICAL_BASE + address));
                let frame = PhysFrame::containing_address(PhysAddr::new(address));
                let access = flags(Access::WRITE);
                // SAFETY: the physical map is what nthost owns pages through.
                let mapped = unsafe { tables.map_to(page, frame, access, &mut TablePages) };
                mapped.expect("memory for the physical map").ignore();
            }
        }
    });
    let table = physical(root).cast::<u64>();
    for index in 257..512 {
        // SAFETY: entry of the root table, which only this processor uses yet.
        let entry = unsafe { table.add(index) };
        // SAFETY: as above.
        if unsafe { entry.read() } == 0 {
            let frame = TablePages.allocate_frame().expect("memory for page tables");
            // SAFETY: as above.
            unsafe { entry.write(frame.start_address().as_u64() | 3) };
        }
    }
    SYSTEM_SPACE.lock().push((
        SYSTEM_BASE / PAGE_SIZE,
        (SYSTEM_END - SYSTEM_BASE) / PAGE_SIZE,
    ));
}

/// Takes the identity map away: address 0 is nobody's from here on.
pub fn forget_identity_map() {
    let table = physical(pml4_physical()).cast::<u64>();
    // SAFETY: the first entry of the root table; all processors run at the kernel's addresses.
    unsafe { table.write(0) };
    ipi::flush_tlb();
}

/// Takes a range of addresses of system space, with a page on either side that is never mapped.
#[must_use]
pub fn reserve(pages: u64) -> Option<u64> {
    let mut space = SYSTEM_SPACE.lock();
    let index = space.iter().position(|&(_, free)| free >= pages + 2)?;
    let (first, free) = space[index];
    if free == pages + 2 {
        space.remove(index);
    } else {
        space[index] = (first + pages + 2, free - pages - 2);
    }
    Some((first + 1) * PAGE_SIZE)
}

/// Gives a range of addresses back that [`reserve`] gave; nothing is mapped there any more, and
/// nothing will be until as many others have been given back as there is memory for.
///
/// # Panics
///
/// If it was given back before.
pub fn release(address: u64, pages: u64) {
    let limit = phys::total_bytes() / PAGE_SIZE * RESTING_PER_PAGE;
    let mut resting = RESTING.lock();
    resting.ranges.push_back((address, pages));
    resting.pages += pages + 2;
    while resting.pages > limit
        && let Some((address, pages)) = resting.ranges.pop_front()
    {
        resting.pages -= pages + 2;
        make_free(address, pages);
    }
}

/// A range of addresses can be reserved again.
fn make_free(address: u64, pages: u64) {
    let (mut first, mut count) = (address / PAGE_SIZE - 1, pages + 2);
    let mut space = SYSTEM_SPACE.lock();
    let index = space.partition_point(|&(start, _)| start < first);
    if let Some(&(next, free)) = space.get(index).filter(|&&(next, _)| next == first + count) {
        assert!(next > first);
        count += free;
        space.remove(index);
    }
    if let Some(&(before, free)) = index.checked_sub(1).and_then(|index| space.get(index))
        && before + free == first
    {
        first = before;
        count += free;
        space[index - 1] = (first, count);
        return;
    }
    space.insert(index, (first, count));
}

/// Maps a page of the kernel's half. IRQL up to DISPATCH_LEVEL.
///
/// # Errors
///
/// [`MapError`].
///
/// # Safety
///
/// The address was reserved by the caller, and the physical page may be used so.
pub unsafe fn map(address: u64, frame: u64, access: Access) -> Result<(), MapError> {
    use x86_64::structures::paging::mapper::MapToError;
    let frame = PhysFrame::containing_address(PhysAddr::new(frame));
    with_kernel(|tables| {
        // SAFETY: the caller's promise.
        match unsafe { tables.map_to(page(address), frame, flags(access), &mut TablePages) } {
            Ok(flush) => {
                flush.flush();
                Ok(())
            }
            Err(MapToError::FrameAllocationFailed) => Err(MapError::NoMemory),
            Err(_) => Err(MapError::InUse),
        }
    })
}

/// Unmaps a page of the kernel's half, on this processor: [`ipi::flush_tlb`] has the others
/// forget it, once for any number of pages. Gives the physical address that was mapped there.
///
/// # Safety
///
/// Nobody uses the mapping any more.
#[must_use]
pub unsafe fn unmap(address: u64) -> Option<u64> {
    with_kernel(|tables| {
        let (frame, flush) = tables.unmap(page(address)).ok()?;
        flush.flush();
        Some(frame.start_address().as_u64())
    })
}

/// Changes how a page of the kernel's half may be accessed, on this processor, as [`unmap`].
///
/// # Safety
///
/// Nobody uses the mapping in a way that is not allowed any more.
#[must_use]
pub unsafe fn protect(address: u64, access: Access) -> bool {
    with_kernel(|tables| {
        // SAFETY: the caller's promise.
        let updated = unsafe { tables.update_flags(page(address), flags(access)) };
        updated
            .map(x86_64::structures::paging::mapper::MapperFlush::flush)
            .is_ok()
    })
}

/// Maps an array of physical pages at a new place in system space. `None` if addresses or
/// memory for page tables run out.
///
/// # Safety
///
/// The pages may be used so until [`unmap_range`].
#[must_use]
pub unsafe fn map_range(frames: impl ExactSizeIterator<Item = u64>, access: Access) -> Option<u64> {
    let pages = frames.len() as u64;
    let base = reserve(pages)?;
    for (index, frame) in frames.enumerate() {
        let index = index as u64;
        // SAFETY: the range was just reserved; the caller vouches for the frame.
        if unsafe { map(base + index * PAGE_SIZE, frame, access) }.is_err() {
            for index in 0..index {
                // SAFETY: nobody has seen this mapping.
                let _ = unsafe { unmap(base + index * PAGE_SIZE) };
            }
            release(base, pages);
            return None;
        }
    }
    Some(base)
}

/// Undoes [`map_range`], on all processors. The physical pages stay their owner's.
///
/// # Safety
///
/// The range was mapped so, and nobody uses it any more. IRQL below IPI_LEVEL.
pub unsafe fn unmap_range(address: u64, pages: u64) {
    for index in 0..pages {
        // SAFETY: the caller's promise.
        let _ = unsafe { unmap(address + index * PAGE_SIZE) };
    }
    ipi::flush_tlb();
    release(address, pages);
}

/// The page table entry of an address of the kernel's half; zero if there is none.
#[must_use]
pub fn entry(address: u64) -> u64 {
    let Ok(address) = VirtAddr::try_new(address) else {
        return 0;
    };
    with_kernel(|tables| match tables.translate(address) {
        TranslateResult::Mapped { frame, flags, .. } => {
            frame.start_address().as_u64() | flags.bits()
        }
        _ => 0,
    })
}

/// The physical address and the access of what is mapped at an address, in the address space
/// that the processor is in.
#[must_use]
pub fn translate(address: u64) -> Option<(u64, Access)> {
    let address = VirtAddr::try_new(address).ok()?;
    let root = Cr3::read().0.start_address().as_u64();
    let _guard = TABLES.lock();
    // SAFETY: it is the root in use; the tables are only read.
    let result = unsafe { with_tables(root, |tables| tables.translate(address)) };
    match result {
        TranslateResult::Mapped {
            frame,
            offset,
            flags,
        } => {
            let mut access = Access::empty();
            access.set(Access::WRITE, flags.contains(PageTableFlags::WRITABLE));
            access.set(Access::EXECUTE, !flags.contains(PageTableFlags::NO_EXECUTE));
            access.set(Access::UNCACHED, flags.contains(PageTableFlags::NO_CACHE));
            let combined = flags.contains(PageTableFlags::WRITE_THROUGH);
            access.set(Access::COMBINED, combined);
            Some((frame.start_address().as_u64() + offset, access))
        }
        _ => None,
    }
}
