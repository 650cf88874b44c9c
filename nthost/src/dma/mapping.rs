//! A mapped transfer: what the device sees of a range of an MDL chain, until it is flushed.

use alloc::vec::Vec;
use core::ops::Range;

use nthost_nt::{
    mm::MDL,
    status::{NTSTATUS, STATUS_BUFFER_TOO_SMALL, STATUS_INSUFFICIENT_RESOURCES},
};

use super::plan::{self, Fragment, Way};
use crate::{
    dma::iommu::{
        domain::{Domain, Window},
        table::Rights,
    },
    hook::{self, DmaMisuse},
    mm::{
        PAGE_SIZE,
        mdl::{self, IO_SPACE, PAGES_LOCKED, PARTIAL, SOURCE_IS_NONPAGED_POOL},
        paging::physical,
        phys::{self, Request},
    },
};

/// What fills a map register beside the piece of a transfer that goes through it.
const PATTERN: u8 = 0x0f;

/// A map register in use: a page that the device reaches.
#[derive(Clone, Copy, Debug)]
struct Register {
    /// Its physical address.
    page: u64,
    /// The piece of the buffer that goes through it: it lies at the same place in its page.
    piece: Fragment,
    /// Where in the MDL chain the piece begins.
    offset: u64,
}

/// What the device may address, and how.
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    /// The lowest address: zero, but for what is to lie out of reach.
    pub lowest: u64,
    /// The highest address.
    pub highest: u64,
    /// It takes lists of pieces.
    pub scatter_gather: bool,
    /// The IOMMU's idea of it, if there is one.
    pub domain: Option<&'static Domain>,
}

impl Reach {
    /// All that the device does not reach; the same if it reaches everything.
    pub const fn beyond(self) -> Self {
        match self.highest.checked_add(1) {
            Some(lowest) => Self {
                lowest,
                highest: u64::MAX,
                ..self
            },
            None => self,
        }
    }
}

/// A mapped range.
#[derive(Debug)]
pub struct Mapping {
    registers: Vec<Register>,
    /// What the IOMMU lets the device reach.
    window: Option<Window>,
    /// As the device sees it.
    pub elements: Vec<Fragment>,
    /// Its bytes.
    pub length: u64,
    /// The first MDL of its chain, by its address.
    mdl: usize,
    /// Where in the MDL chain it begins.
    pub offset: u64,
    /// Up to where in the MDL chain it was flushed.
    flushed: u64,
    /// To the device.
    pub write: bool,
    /// How many map registers it counts for: the pages that it spans.
    pub count: u32,
}

/// A range of an MDL chain in pieces by page.
///
/// # Errors
///
/// `STATUS_BUFFER_TOO_SMALL` if the chain ends before the range does.
///
/// # Safety
///
/// It is a chain of MDLs.
pub unsafe fn fragments(
    chain: *mut MDL,
    offset: u64,
    length: u64,
) -> Result<Vec<Fragment>, NTSTATUS> {
    // SAFETY: the caller's promise.
    unsafe { pieces(chain, (offset, length), bytes) }
}

/// As [`fragments`], but up to the end of the chain's last page.
///
/// # Errors
///
/// As [`fragments`].
///
/// # Safety
///
/// As [`fragments`].
pub unsafe fn fragments_of_pages(
    chain: *mut MDL,
    offset: u64,
    length: u64,
) -> Result<Vec<Fragment>, NTSTATUS> {
    // SAFETY: the caller's promise.
    unsafe { pieces(chain, (offset, length), bytes_of_pages) }
}

/// Bytes that an MDL describes.
fn bytes(fields: &MDL) -> u64 {
    fields.ByteCount.into()
}

/// Bytes from where an MDL begins to where the last page of its chain ends; if it is not the last
/// of its chain, to where it ends itself.
fn bytes_of_pages(fields: &MDL) -> u64 {
    if !fields.Next.is_null() {
        return bytes(fields);
    }
    let start = u64::from(fields.ByteOffset);
    (start + bytes(fields)).next_multiple_of(PAGE_SIZE) - start
}

/// # Safety
///
/// As [`fragments`].
unsafe fn pieces(
    chain: *mut MDL,
    (offset, length): (u64, u64),
    bytes: fn(&MDL) -> u64,
) -> Result<Vec<Fragment>, NTSTATUS> {
    let mut found = Vec::new();
    let (mut mdl, mut skip, mut left) = (chain, offset, length);
    while left > 0 {
        // SAFETY: null, or an MDL of the chain.
        let fields = unsafe { mdl.as_ref() }.ok_or(STATUS_BUFFER_TOO_SMALL)?;
        let bytes = bytes(fields);
        if skip < bytes {
            let described = PAGES_LOCKED | SOURCE_IS_NONPAGED_POOL | PARTIAL | IO_SPACE;
            if fields.MdlFlags & described == 0 {
                hook::dma_misuse(DmaMisuse::NotLocked, [mdl.addr() as u64, 0, 0]);
            }
            let count = left.min(bytes - skip);
            // SAFETY: an MDL of the chain.
            let numbers = unsafe { mdl::pages(mdl) };
            let pages: Vec<_> = numbers.iter().map(|number| number * PAGE_SIZE).collect();
            let start = u64::from(fields.ByteOffset) + skip;
            found.extend(plan::fragments(&pages, start, count));
            left -= count;
            skip = 0;
        } else {
            skip -= bytes;
        }
        mdl = fields.Next;
    }
    Ok(found)
}

/// Bytes that an MDL chain describes.
///
/// # Safety
///
/// It is a chain of MDLs.
pub unsafe fn length(chain: *mut MDL) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { mdls(chain) }.map(bytes).sum()
}

/// As [`length`], but up to the end of the chain's last page.
///
/// # Safety
///
/// It is a chain of MDLs.
pub unsafe fn length_of_pages(chain: *mut MDL) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { mdls(chain) }.map(bytes_of_pages).sum()
}

/// The MDLs of a chain.
///
/// # Safety
///
/// It is a chain of MDLs, which stays.
unsafe fn mdls<'a>(chain: *mut MDL) -> impl Iterator<Item = &'a MDL> {
    // SAFETY: null, or an MDL of the chain.
    let first = unsafe { chain.as_ref() };
    core::iter::successors(first, |fields| {
        // SAFETY: as above.
        unsafe { fields.Next.as_ref() }
    })
}

impl Mapping {
    /// Maps a range of an MDL chain, or of its pages. For a transfer to the device its bytes are
    /// in the map registers from now on. What MmAllocateMdlForIoSpace describes is no memory, and
    /// goes through none.
    ///
    /// # Errors
    ///
    /// `STATUS_BUFFER_TOO_SMALL`, `STATUS_INSUFFICIENT_RESOURCES`.
    ///
    /// # Safety
    ///
    /// It is a chain of MDLs whose pages stay until the mapping is flushed.
    pub unsafe fn new(
        chain: *mut MDL,
        offset: u64,
        length: u64,
        write: bool,
        reach: Reach,
    ) -> Result<Self, NTSTATUS> {
        // SAFETY: the caller's promise.
        let pieces = unsafe { fragments_of_pages(chain, offset, length)? };
        // SAFETY: the caller's promise.
        let is_io_space = unsafe { mdls(chain) }.any(|mdl| mdl.MdlFlags & IO_SPACE != 0);
        let always = (hook::guards_transfers() || reach.lowest > 0) && !is_io_space;
        let ways = plan::ways(&pieces, reach.highest, always, reach.scatter_gather);
        let bounced = ways.iter().filter(|&&way| way == Way::Bounced).count();
        if is_io_space && bounced > 0 {
            return Err(STATUS_INSUFFICIENT_RESOURCES);
        }
        let mut pages = allocate(bounced as u64, reach)?.into_iter();
        let mut registers = Vec::with_capacity(bounced);
        let mut seen = Vec::with_capacity(pieces.len());
        let mut at = offset;
        for (&piece, way) in pieces.iter().zip(ways) {
            let page = match way {
                Way::Bounced => pages.next(),
                Way::Direct => None,
            };
            seen.push(page.map_or(piece, |page| {
                registers.push(Register {
                    page,
                    piece,
                    offset: at,
                });
                Fragment {
                    address: page + piece.address % PAGE_SIZE,
                    length: piece.length,
                }
            }));
            at += u64::from(piece.length);
        }
        let elements = plan::elements(seen);
        let rights = Rights {
            read: write,
            write: !write,
        };
        let ranges = elements
            .iter()
            .map(|element| (element.address, element.length.into()));
        let window = reach.domain.map(|domain| domain.open(ranges, rights));
        let window = window.transpose().inspect_err(|_| {
            for register in &registers {
                free(&[register.page]);
            }
        })?;
        for register in &registers {
            register.fill(write);
        }
        Ok(Self {
            registers,
            window,
            elements,
            length,
            mdl: chain.addr(),
            offset,
            flushed: offset,
            write,
            count: pieces.len() as u32,
        })
    }

    /// Whether a range of a chain is in it too.
    pub fn overlaps(&self, chain: *mut MDL, range: Range<u64>) -> bool {
        let end = self.offset + self.length;
        self.mdl == chain.addr() && range.start < end && self.offset < range.end
    }

    /// Flushes a range: for a transfer from the device, what it wrote there goes to the buffer.
    /// Whether all was flushed by now.
    pub fn flush(&mut self, range: Range<u64>, write: bool) -> bool {
        if !write {
            for register in &self.registers {
                register.copy_out(&range);
            }
        }
        if range.start <= self.flushed {
            self.flushed = self.flushed.max(range.end);
        }
        self.flushed >= self.offset + self.length
    }

    /// Ends the mapping: the map registers' pages, for the adapter to keep.
    pub fn end(mut self) -> Vec<u64> {
        // The device has no right to them any more.
        drop(self.window.take());
        let registers = self.registers.iter();
        let checked = registers.inspect(|register| register.check());
        checked.map(|register| register.page).collect()
    }
}

/// Pages for map registers: one behind the other if that can be had, and for a device without
/// scatter/gather in any case.
fn allocate(count: u64, reach: Reach) -> Result<Vec<u64>, NTSTATUS> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let request = Request {
        lowest: reach.lowest,
        highest: reach.highest,
        ..Request::any(count)
    };
    if let Some(first) = phys::allocate(&request) {
        return Ok((0..count).map(|index| first + index * PAGE_SIZE).collect());
    }
    if !reach.scatter_gather {
        return Err(STATUS_INSUFFICIENT_RESOURCES);
    }
    let mut pages = Vec::new();
    for _ in 0..count {
        let one = Request {
            pages: 1,
            ..request
        };
        let Some(page) = phys::allocate(&one) else {
            free(&pages);
            return Err(STATUS_INSUFFICIENT_RESOURCES);
        };
        pages.push(page);
    }
    Ok(pages)
}

/// Frees map registers' pages.
pub fn free(pages: &[u64]) {
    for &page in pages {
        // SAFETY: a map register's page, which no transfer goes through any more.
        unsafe { phys::free(page, 1) };
    }
}

/// Makes a map register's page one that nobody may write any more.
pub fn retire(page: u64) {
    // SAFETY: a map register's page, in the physical map.
    unsafe { physical(page).write_bytes(PATTERN, PAGE_SIZE as usize) };
}

/// Whether nobody has written a retired page; if somebody has, where.
pub fn check_retired(page: u64) -> Result<(), u64> {
    check(page, 0, PAGE_SIZE)
}

/// Whether a part of a page holds the pattern; if not, where it does not.
fn check(page: u64, from: u64, to: u64) -> Result<(), u64> {
    let first = physical(page + from);
    // SAFETY: a part of a map register's page, in the physical map.
    let bytes = unsafe { core::slice::from_raw_parts(first, (to - from) as usize) };
    let written = bytes.iter().position(|&byte| byte != PATTERN);
    written.map_or(Ok(()), |index| Err(page + from + index as u64))
}

impl Register {
    const fn start(&self) -> u64 {
        self.piece.address % PAGE_SIZE
    }

    const fn end(&self) -> u64 {
        self.start() + self.piece.length as u64
    }

    /// The pattern, and in it the bytes of a transfer to the device.
    fn fill(&self, write: bool) {
        retire(self.page);
        if write {
            let to = physical(self.page + self.start());
            let from = physical(self.piece.address);
            // SAFETY: a piece of a locked page, and as much of the register's.
            unsafe { to.copy_from_nonoverlapping(from, self.piece.length as usize) };
        }
    }

    /// What lies in this range of the chain goes to the buffer.
    fn copy_out(&self, range: &Range<u64>) {
        let first = range.start.max(self.offset) - self.offset;
        let end = range.end.min(self.offset + u64::from(self.piece.length));
        let bytes = end.saturating_sub(self.offset + first);
        let from = physical(self.page + self.start() + first);
        let to = physical(self.piece.address + first);
        // SAFETY: a part of a piece of a locked page, and as much of the register's.
        unsafe { to.copy_from_nonoverlapping(from, bytes as usize) };
    }

    /// Nobody has written beside the piece.
    fn check(&self) {
        let buffer = self.page + self.start();
        if let Err(at) = check(self.page, 0, self.start()) {
            hook::dma_misuse(DmaMisuse::Overrun, [4, buffer, at]);
        }
        if let Err(at) = check(self.page, self.end(), PAGE_SIZE) {
            hook::dma_misuse(DmaMisuse::Overrun, [5, buffer, at]);
        }
    }
}
