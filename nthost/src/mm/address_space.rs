//! The address space of a client process: its own lower half, the kernel's upper half.
//!
//! No code runs in user mode here: the host's client is the process's code. But the addresses
//! that it passes to the kernel are those of this space, valid or not, and what the kernel and
//! drivers do with them is what they would do with any process's.

use alloc::vec::Vec;

use x86_64::{
    PhysAddr,
    registers::control::{Cr3, Cr3Flags},
    structures::paging::{Mapper, PageTableFlags, PhysFrame},
};

use super::{
    PAGE_SIZE,
    paging::{self, Access, physical},
    phys::{self, Request},
    region::{RESERVED, Region, Regions},
};
use crate::ke::{
    lock::{HighGuard, HighLock},
    thread,
};

pub use super::region::{LOWEST_USER_ADDRESS, USER_PROBE_ADDRESS};

/// The address space of a process.
#[derive(Debug)]
pub struct AddressSpace {
    root: u64,
    /// Protects the lower half's tables and the regions.
    pub(super) inner: HighLock<Regions>,
}

/// Why a region was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegionError {
    /// No physical memory, or no addresses.
    NoMemory,
    /// The process has something there, or cannot have anything.
    Conflict,
}

impl AddressSpace {
    /// An empty one. `None` if memory is short.
    #[must_use]
    pub fn new() -> Option<Self> {
        let root = phys::allocate(&Request::any(1))?;
        let table = physical(root).cast::<u64>();
        let kernel = physical(paging::pml4_physical()).cast::<u64>();
        // SAFETY: the page was just allocated, and is in the physical map.
        unsafe { table.write_bytes(0, 512) };
        // SAFETY: the upper half of a root table.
        let from = unsafe { kernel.add(256) };
        // SAFETY: likewise.
        let to = unsafe { table.add(256) };
        // SAFETY: the kernel's half does not change at this level once nthost runs.
        unsafe { to.copy_from_nonoverlapping(from, 256) };
        Some(Self {
            root,
            inner: HighLock::new(Regions::default()),
        })
    }

    /// What it has where, for as long as nobody else is to look at it or change it. A leaf but for
    /// the locks of pages.
    #[must_use]
    pub fn regions(&self) -> HighGuard<'_, Regions> {
        self.inner.lock()
    }

    /// Allocates zeroed memory, where nothing is or at an address of choice; gives its address.
    ///
    /// # Errors
    ///
    /// [`RegionError`].
    pub fn allocate_at(
        &self,
        address: Option<u64>,
        length: u64,
        access: Access,
    ) -> Result<u64, RegionError> {
        let count = length.div_ceil(PAGE_SIZE).max(1);
        let mut frames = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let Some(frame) = phys::allocate(&Request::any(1)) else {
                free_frames(&frames);
                return Err(RegionError::NoMemory);
            };
            // SAFETY: the page was just allocated, and is in the physical map.
            unsafe { physical(frame).write_bytes(0, PAGE_SIZE as usize) };
            frames.push(frame);
        }
        let made = self.insert(address, frames, true, access);
        made.map_err(|(fault, frames)| {
            free_frames(&frames);
            fault
        })
    }

    /// Allocates zeroed memory; gives its address. `None` if memory is short.
    #[must_use]
    pub fn allocate(&self, length: u64, access: Access) -> Option<u64> {
        self.allocate_at(None, length, access).ok()
    }

    /// Lets the process see somebody else's pages, where nothing is or at an address of choice;
    /// gives their address.
    ///
    /// # Errors
    ///
    /// [`RegionError`].
    ///
    /// # Safety
    ///
    /// The pages may be used so until [`Self::remove_view`].
    pub unsafe fn map_view(
        &self,
        address: Option<u64>,
        frames: Vec<u64>,
        access: Access,
    ) -> Result<u64, RegionError> {
        self.insert(address, frames, false, access)
            .map_err(|(fault, _)| fault)
    }

    /// Takes pages that are somebody else's out of the process's sight. They are given back;
    /// `None` if there are none at this address.
    #[must_use]
    pub fn remove_view(&self, address: u64) -> Option<Vec<u64>> {
        self.remove_region(address, false)
    }

    fn insert(
        &self,
        address: Option<u64>,
        frames: Vec<u64>,
        own: bool,
        access: Access,
    ) -> Result<u64, (RegionError, Vec<u64>)> {
        let mut inner = self.inner.lock();
        let pages = frames.len() as u64;
        let chosen = match address {
            Some(address) if inner.is_free(address, pages) => address,
            Some(_) => return Err((RegionError::Conflict, frames)),
            None => match inner.choose(pages) {
                Some(address) => address,
                None => return Err((RegionError::NoMemory, frames)),
            },
        };
        for (index, &frame) in frames.iter().enumerate() {
            let at = chosen + index as u64 * PAGE_SIZE;
            // SAFETY: the address is new in this space, and the page may be used so.
            if !unsafe { self.map_page(at, frame, access) } {
                self.unmap(chosen, index as u64);
                return Err((RegionError::NoMemory, frames));
            }
        }
        inner.insert(chosen, Region { frames, own });
        Ok(chosen)
    }

    /// Maps a page; `false` if there is no memory for the tables.
    ///
    /// # Safety
    ///
    /// The caller holds the lock, nothing is mapped there, and the page may be used so.
    #[must_use]
    pub(super) unsafe fn map_page(&self, address: u64, frame: u64, access: Access) -> bool {
        let flags = paging::flags(access) | PageTableFlags::USER_ACCESSIBLE;
        let page = paging::page(address);
        let frame = PhysFrame::containing_address(PhysAddr::new(frame));
        let map = |tables: &mut x86_64::structures::paging::OffsetPageTable<'_>| {
            // SAFETY: the caller's promise.
            unsafe { tables.map_to(page, frame, flags, &mut paging::table_pages()) }
                .map(x86_64::structures::paging::mapper::MapperFlush::flush)
        };
        // SAFETY: the lock keeps others away from this lower half.
        unsafe { paging::with_tables(self.root, map) }.is_ok()
    }

    /// Unmaps pages, those of them that are mapped, on this processor. The caller holds the lock.
    pub(super) fn unmap(&self, address: u64, count: u64) {
        for index in 0..count {
            let page = paging::page(address + index * PAGE_SIZE);
            // SAFETY: the caller holds the lock.
            let unmapped = unsafe { paging::with_tables(self.root, |tables| tables.unmap(page)) };
            if let Ok((_, flush)) = unmapped {
                flush.flush();
            }
        }
    }

    /// Takes an allocation out of the space; gives its pages, which the caller frees once no
    /// one has them locked. `None` if there is none at this address, or a driver has secured
    /// some of it.
    #[must_use]
    pub fn remove(&self, address: u64) -> Option<Vec<u64>> {
        self.remove_region(address, true)
    }

    fn remove_region(&self, address: u64, own: bool) -> Option<Vec<u64>> {
        let mut inner = self.inner.lock();
        let (base, region) = inner.find(address)?;
        let range = base..base + region.frames.len() as u64 * PAGE_SIZE;
        if own && !inner.may_become(&range, false, false) {
            return None;
        }
        let mut region = inner.remove(address, own)?;
        self.unmap(address, region.frames.len() as u64);
        drop(inner);
        crate::ke::ipi::flush_tlb();
        region.frames.retain(|&frame| frame != RESERVED);
        Some(region.frames)
    }

    /// The physical address and the access of what the process has at an address.
    #[must_use]
    pub fn translate(&self, address: u64) -> Option<(u64, Access)> {
        if !(LOWEST_USER_ADDRESS..USER_PROBE_ADDRESS).contains(&address) {
            return None;
        }
        let _guard = self.inner.lock();
        self.translate_locked(address)
    }

    /// Does something with the page that an address is in while it stays the process's: given
    /// the physical address and the access. `None` if there is none. What is done takes no lock
    /// but that of locked pages.
    pub fn with_page<T>(&self, address: u64, visit: impl FnOnce(u64, Access) -> T) -> Option<T> {
        if !(LOWEST_USER_ADDRESS..USER_PROBE_ADDRESS).contains(&address) {
            return None;
        }
        let _guard = self.inner.lock();
        let (physical, access) = self.translate_locked(address)?;
        Some(visit(physical, access))
    }

    /// The same for an address of user space. The caller holds the lock.
    #[must_use]
    pub(super) fn translate_locked(&self, address: u64) -> Option<(u64, Access)> {
        // SAFETY: the lock keeps others from changing this lower half, which has small pages alone.
        let entry = unsafe { paging::small_page(self.root, address) }?;
        let mut access = Access::empty();
        access.set(Access::WRITE, entry & PageTableFlags::WRITABLE.bits() != 0);
        let frame = entry & 0x000f_ffff_ffff_f000;
        Some((frame + address % PAGE_SIZE, access))
    }

    /// Switches the processor to this space. The caller sees to it that the space lives as long
    /// as it is in use.
    pub fn enter(&self) {
        switch(self.root);
    }
}

/// The address space of the process that the thread which runs is in; none in the system's.
#[must_use]
pub fn current() -> Option<&'static AddressSpace> {
    // SAFETY: the thread that runs.
    let space: *const AddressSpace = unsafe { (*thread::current()).address_space };
    // SAFETY: a process outlives its threads.
    unsafe { space.as_ref() }
}

/// Switches the processor to the kernel's own space, which has no lower half.
pub fn enter_kernel() {
    switch(paging::pml4_physical());
}

fn switch(root: u64) {
    let frame = PhysFrame::containing_address(PhysAddr::new(root));
    if Cr3::read().0 != frame {
        // SAFETY: the upper half is the same in all spaces; nthost uses no lower half itself.
        unsafe { Cr3::write(frame, Cr3Flags::empty()) };
    }
}

fn free_frames(frames: &[u64]) {
    for &frame in frames {
        // SAFETY: they were allocated by the caller, and are not mapped.
        unsafe { phys::free(frame, 1) };
    }
}

impl Drop for AddressSpace {
    /// Frees the tables and whatever allocations are left.
    fn drop(&mut self) {
        // Else the next translation of this processor's would be its last.
        assert!(
            Cr3::read().0.start_address().as_u64() != self.root,
            "a process's address space went while a processor was in it"
        );
        let inner = core::mem::take(&mut *self.inner.lock());
        for frame in inner.own_frames() {
            // SAFETY: the process is gone; whoever has a page locked frees it in the end.
            unsafe { super::locked::free(frame) };
        }
        // SAFETY: no processor is in this space any more: its owner is gone.
        unsafe { free_table(self.root, 4) };
    }
}

/// Frees a page table and the tables below it, of a lower half.
///
/// # Safety
///
/// No processor uses it, and the pages that it maps are freed by others.
unsafe fn free_table(table: u64, level: u8) {
    let entries = if level == 4 { 256 } else { 512 };
    if level > 1 {
        for index in 0..entries {
            // SAFETY: an entry of the table.
            let entry = unsafe { physical(table).cast::<u64>().add(index) };
            // SAFETY: as above.
            let value = unsafe { entry.read() };
            if value & 1 != 0 {
                // SAFETY: the caller's promise holds for the tables below.
                unsafe { free_table(value & 0x000f_ffff_ffff_f000, level - 1) };
            }
        }
    }
    // SAFETY: page tables are allocated one page at a time.
    unsafe { phys::free(table, 1) };
}
