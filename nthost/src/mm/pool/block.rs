//! Pages of blocks: how a page of ordinary pool is divided, and the list of those pages of a node
//! and size class that have a free block.

use alloc::{collections::BTreeSet, vec::Vec};
use core::ptr::null_mut;

use super::{Allocation, PAGE_SIZE};
use crate::{
    ke::lock::HighLock,
    mm::{
        paging::{PHYSICAL_BASE, physical},
        phys,
        size_class::{self, BLOCK_HEADER, PAGE_HEADER, SizeClass},
        user_view,
    },
};

/// Nodes with lists of their own; those beyond share the lists of the last.
const NODES: usize = 64;
/// What a page's header begins with, together with the page's address.
const PAGE_MARK: u64 = 0x7061_6765_706f_6f6c;

/// All pages of blocks, for those who look through them. Changed when a page is taken or given
/// back, under the lock of its list. A leaf among locks.
static ALL: HighLock<BTreeSet<u64>> = HighLock::new(BTreeSet::new());

/// What a block begins with. In a free block the caller is [`Header::FREE`].
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Header {
    tag: u32,
    /// The owner's bytes.
    pub size: u16,
    /// Where in the block they begin; [`Header::PAGED`] beside it.
    offset: u16,
    pub caller: u64,
}

impl Header {
    const PAGED: u16 = 1 << 15;
    /// No routine's address: the block is free.
    pub const FREE: u64 = u64::MAX;

    pub const fn new(allocation: &Allocation, offset: u64) -> Self {
        let paged = if allocation.paged { Self::PAGED } else { 0 };
        Self {
            tag: allocation.tag,
            size: allocation.size as u16,
            offset: offset as u16 | paged,
            caller: allocation.caller,
        }
    }

    pub const fn offset(&self) -> u64 {
        (self.offset & !Self::PAGED) as u64
    }

    pub const fn allocation(&self) -> Allocation {
        Allocation {
            size: self.size as u64,
            tag: self.tag,
            caller: self.caller,
            paged: self.offset & Self::PAGED != 0,
        }
    }
}

const _: () = assert!(size_of::<Header>() as u64 == BLOCK_HEADER);

/// A free block: its header, and the next free one.
#[repr(C)]
pub(super) struct FreeBlock {
    pub header: Header,
    pub next: *mut Self,
}

/// The header of a page of blocks.
#[repr(C)]
struct PageHeader {
    mark: u64,
    class: SizeClass,
    node: u16,
    /// Blocks on this page's list.
    free: u16,
    first_free: *mut FreeBlock,
    /// The list of pages with a free block.
    next: *mut Self,
    previous: *mut Self,
}

const _: () = assert!(size_of::<PageHeader>() as u64 <= PAGE_HEADER);

/// The pages of a node and class that have a free block.
pub(super) struct Pages {
    first: *mut PageHeader,
    /// How many of them have nothing but free blocks.
    empty: u16,
}

// SAFETY: the pages belong to whoever holds the lock that this lies in.
unsafe impl Send for Pages {}

/// By node and class. A list's lock protects the headers of its pages and the blocks on their
/// lists. Taken with nothing else held; the lock of physical pages may be taken while it is.
static PAGES: [[HighLock<Pages>; size_class::COUNT]; NODES] = [const {
    [const {
        HighLock::new(Pages {
            first: null_mut(),
            empty: 0,
        })
    }; size_class::COUNT]
}; NODES];

/// The list of a node and class.
pub(super) fn pages_of(node: u16, class: SizeClass) -> &'static HighLock<Pages> {
    &PAGES[usize::from(node).min(NODES - 1)][class.index()]
}

impl Pages {
    /// Takes a block of a page that has a free one, or of a new page.
    pub fn take(&mut self, class: SizeClass, node: u16) -> Option<*mut FreeBlock> {
        if self.first.is_null() {
            let page = new_page(class, node)?;
            self.empty += 1;
            self.link(page);
        }
        let page = self.first;
        // SAFETY: a page of the list, whose lock is held.
        let header = unsafe { &mut *page };
        if header.free == class.blocks() {
            self.empty -= 1;
        }
        let block = header.first_free;
        // SAFETY: a free block of the page.
        header.first_free = unsafe { (*block).next };
        header.free -= 1;
        if header.free == 0 {
            self.unlink(page);
        }
        Some(block)
    }

    /// Gives a block back to its page, and the page back if it is the second without use.
    pub fn give(&mut self, block: *mut FreeBlock, class: SizeClass) {
        let page = page_of(block as u64);
        // SAFETY: the block's page, whose list's lock is held.
        let header = unsafe { &mut *page };
        // SAFETY: a free block of the page.
        unsafe { (*block).next = header.first_free };
        header.first_free = block;
        header.free += 1;
        if header.free == 1 {
            self.link(page);
        }
        if header.free < class.blocks() {
            return;
        }
        if self.empty == 0 {
            self.empty = 1;
            return;
        }
        self.unlink(page);
        header.mark = 0;
        let frame = page as u64 - PHYSICAL_BASE;
        ALL.lock().remove(&(page as u64));
        user_view::check_unlocked(frame);
        // SAFETY: it was allocated for the list, and none of its blocks is in use.
        unsafe { phys::free(frame, 1) };
    }

    fn link(&mut self, page: *mut PageHeader) {
        // SAFETY: pages of the list, whose lock is held.
        unsafe {
            (*page).previous = null_mut();
        }
        // SAFETY: as above.
        unsafe {
            (*page).next = self.first;
        }
        if !self.first.is_null() {
            // SAFETY: as above.
            unsafe { (*self.first).previous = page };
        }
        self.first = page;
    }

    fn unlink(&mut self, page: *mut PageHeader) {
        // SAFETY: a page of the list, whose lock is held.
        let header = unsafe { &*page };
        let (next, previous) = (header.next, header.previous);
        if previous.is_null() {
            self.first = next;
        } else {
            // SAFETY: as above.
            unsafe { (*previous).next = next };
        }
        if !next.is_null() {
            // SAFETY: as above.
            unsafe { (*next).previous = previous };
        }
    }
}

fn page_of(address: u64) -> *mut PageHeader {
    core::ptr::with_exposed_provenance_mut((address & !(PAGE_SIZE - 1)) as usize)
}

/// A page of a node, all of whose blocks are free.
fn new_page(class: SizeClass, node: u16) -> Option<*mut PageHeader> {
    let request = phys::Request {
        node: Some(node),
        ..phys::Request::any(1)
    };
    let page = physical(phys::allocate(&request)?) as u64;
    let mut first_free = null_mut();
    for index in (0..class.blocks()).rev() {
        let block: *mut FreeBlock =
            core::ptr::with_exposed_provenance_mut((page + class.offset(index)) as usize);
        let header = Header {
            tag: 0,
            size: 0,
            offset: 0,
            caller: Header::FREE,
        };
        // SAFETY: within the page, which is ours alone.
        unsafe {
            block.write(FreeBlock {
                header,
                next: first_free,
            });
        };
        first_free = block;
    }
    let header = PageHeader {
        mark: PAGE_MARK ^ page,
        class,
        node,
        free: class.blocks(),
        first_free,
        next: null_mut(),
        previous: null_mut(),
    };
    let at = page_of(page);
    // SAFETY: as above.
    unsafe { at.write(header) };
    ALL.lock().insert(page);
    Some(at)
}

/// Where an address is in a page of blocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The page's class.
    pub class: SizeClass,
    /// The page's node.
    pub node: u16,
    /// The block.
    pub block: *mut FreeBlock,
}

/// The block that an address is in; `None` if it is in no page of blocks.
pub(super) fn locate(address: u64) -> Option<Place> {
    // A page begins with its header; what begins with a page is no block.
    if address % PAGE_SIZE < PAGE_HEADER {
        return None;
    }
    let physical = address.checked_sub(PHYSICAL_BASE)?;
    if !phys::is_memory(physical) {
        return None;
    }
    let page = page_of(address);
    // SAFETY: all memory is in the physical map.
    if unsafe { (*page).mark } != PAGE_MARK ^ page as u64 {
        return None;
    }
    // SAFETY: the mark says that it is a page of blocks, whose class does not change.
    let class = unsafe { (*page).class };
    // SAFETY: nor does its node.
    let node = unsafe { (*page).node };
    let block = class.block_at(address & (PAGE_SIZE - 1))?;
    let start = page as u64 + class.offset(block);
    let block = core::ptr::with_exposed_provenance_mut(start as usize);
    Some(Place { class, node, block })
}

/// The allocation that a block has, and where it begins.
pub(super) fn allocation(start: u64) -> Option<(u64, Allocation)> {
    let header: *const Header = core::ptr::with_exposed_provenance(start as usize);
    // SAFETY: a block's header. If it is taken or given back at this moment, what is told of it
    // is out of date before anybody reads it.
    let header = unsafe { header.read() };
    let used = header.caller != Header::FREE;
    used.then(|| (start + header.offset(), header.allocation()))
}

/// All allocations in blocks.
pub(super) fn allocations() -> Vec<(u64, Allocation)> {
    let mut found = Vec::new();
    let pages: Vec<u64> = ALL.lock().iter().copied().collect();
    for page in pages {
        let all = ALL.lock();
        // While the lock is held, a page that is there stays.
        if all.contains(&page) {
            // SAFETY: a page of blocks.
            let class = unsafe { (*page_of(page)).class };
            let blocks = 0..class.blocks();
            found.extend(blocks.filter_map(|block| allocation(page + class.offset(block))));
        }
    }
    found
}
