//! Memory descriptor lists: building and locking. Mapping is in [`super::mapping`].
//!
//! Sources: ns-wdm-_mdl, "Using MDLs", MmBuildMdlForNonPagedPool, MmProbeAndLockPages,
//! MmUnlockPages, IoAllocateMdl, IoFreeMdl, IoBuildPartialMdl.

use core::ffi::c_void;

use nthost_nt::{io::irp::IRP, mm::MDL, status::STATUS_ACCESS_VIOLATION};

use super::{
    PAGE_SIZE,
    address_space::{self, USER_PROBE_ADDRESS},
    locked, mapping, pageable,
    paging::{self, Access},
    pool::{self, flags as pool_flags},
    user_view,
};
use crate::{
    export, hook,
    ke::{
        bugcheck::{self, code},
        exception, irql,
    },
    mm::account::{self, Kind},
};

/// `MDL_MAPPED_TO_SYSTEM_VA`.
pub const MAPPED_TO_SYSTEM_VA: i16 = 0x0001;
/// `MDL_PAGES_LOCKED`.
pub const PAGES_LOCKED: i16 = 0x0002;
/// `MDL_SOURCE_IS_NONPAGED_POOL`.
pub const SOURCE_IS_NONPAGED_POOL: i16 = 0x0004;
/// `MDL_PARTIAL`.
pub const PARTIAL: i16 = 0x0010;
/// `MDL_PARTIAL_HAS_BEEN_MAPPED`.
pub const PARTIAL_HAS_BEEN_MAPPED: i16 = 0x0020;
/// `MDL_WRITE_OPERATION`.
pub const WRITE_OPERATION: i16 = 0x0080;
/// `MDL_PAGES_FOR_MDL` does not exist in the headers; this bit tells MDLs that
/// MmAllocatePagesForMdl made from others.
pub const OWNS_PAGES: i16 = 0x0100;
/// `MDL_IO_SPACE`.
pub const IO_SPACE: i16 = 0x0800;

/// The tag of MDLs in pool.
const TAG: u32 = u32::from_le_bytes(*b"Mdl ");

/// The pages that a buffer spans; of one that is longer than all memory, what is left of their
/// number, as NT reckons it.
#[must_use]
pub const fn span(address: u64, length: u64) -> u64 {
    (address % PAGE_SIZE)
        .wrapping_add(length)
        .div_ceil(PAGE_SIZE)
}

/// Where the buffer of an MDL begins. What an MDL says is its driver's: sums wrap, as on NT.
pub(super) fn start(mdl: &MDL) -> u64 {
    (mdl.StartVa as u64).wrapping_add(mdl.ByteOffset.into())
}

/// Where the page of this number is, of an MDL.
pub(super) const fn frame(page: u64) -> u64 {
    page.wrapping_mul(PAGE_SIZE)
}

/// The page numbers behind an MDL.
///
/// # Safety
///
/// It is an MDL, and nobody else changes its page numbers.
pub unsafe fn pages<'a>(mdl: *mut MDL) -> &'a mut [u64] {
    // SAFETY: the caller's promise.
    let fields = unsafe { &*mdl };
    let count = span(u64::from(fields.ByteOffset), u64::from(fields.ByteCount));
    // SAFETY: the page numbers follow the structure.
    let first = unsafe { mdl.add(1) }.cast::<u64>();
    // SAFETY: as above; there are as many as the buffer spans pages.
    unsafe { core::slice::from_raw_parts_mut(first, count as usize) }
}

/// Makes an MDL that describes a buffer's addresses, but no pages yet. `None` if memory is
/// short.
#[must_use]
pub fn allocate(address: u64, length: u64, caller: u64) -> Option<*mut MDL> {
    let count = span(address, length);
    let size = size_of::<MDL>() as u64 + 8 * count;
    let kind = pool_flags::NON_PAGED;
    let memory = pool::allocate(kind, size, TAG, caller)?;
    let mdl = core::ptr::with_exposed_provenance_mut::<MDL>(memory as usize);
    let page = address & !(PAGE_SIZE - 1);
    let value = MDL {
        Next: core::ptr::null_mut(),
        Size: size.min(0x7fff) as i16,
        MdlFlags: 0,
        AllocationProcessorNumber: 0,
        Reserved: 0,
        Process: core::ptr::null_mut(),
        MappedSystemVa: core::ptr::null_mut(),
        StartVa: core::ptr::with_exposed_provenance_mut(page as usize),
        ByteCount: length as u32,
        ByteOffset: (address % PAGE_SIZE) as u32,
    };
    // SAFETY: the memory was just allocated, and is large enough.
    unsafe { mdl.write(value) };
    Some(mdl)
}

/// Frees an MDL; its pages must not be locked, nor mapped by MmMapLockedPages.
///
/// # Safety
///
/// It is an MDL of [`allocate`], and nobody uses it any more.
pub unsafe fn free(mdl: *mut MDL) {
    // SAFETY: the caller's MDL.
    let flags = unsafe { (*mdl).MdlFlags };
    user_view::check_unmapped(mdl);
    if flags & PAGES_LOCKED != 0 && flags & (PARTIAL | OWNS_PAGES) == 0 {
        // SAFETY: the caller's MDL.
        let page = unsafe { pages(mdl) }.first().copied().unwrap_or(0);
        log!(
            "verifier",
            "MDL {mdl:?} is freed while its pages are locked"
        );
        // Bug check 0x4E, 0x9A: a page that is still locked for I/O.
        bugcheck::bugcheck(code::PFN_LIST_CORRUPT, [0x9a, page, 0, 1]);
    }
    if flags & MAPPED_TO_SYSTEM_VA != 0 && flags & PARTIAL == 0 {
        // Bug check 0xC4, subcode 0xB8: the pages are still mapped.
        hook::misuse([0xb8, mdl as u64, mapping::bits(flags), 0]);
    }
    if flags & PARTIAL_HAS_BEEN_MAPPED != 0 {
        // SAFETY: a partial MDL's own mapping goes with it.
        unsafe { mapping::unmap(mdl) };
    }
    pool::free(mdl as u64, None);
}

/// The physical address and access of an address of the current process or the kernel.
pub(super) fn translate(address: u64) -> Option<(u64, Access)> {
    if address >= USER_PROBE_ADDRESS {
        return paging::translate(address);
    }
    address_space::current()?.translate(address)
}

/// `LOCK_OPERATION`: whether the pages are going to be written.
const fn writes(operation: i32) -> bool {
    operation != 0
}

/// Locks the page at an address of the current process or the kernel, which stays where it is
/// from then on; gives its number. `None` if it cannot be accessed so.
fn lock_page(address: u64, write: bool) -> Option<u64> {
    let lock = |physical: u64, access: Access| {
        let frame = physical / PAGE_SIZE;
        let allowed = !write || access.contains(Access::WRITE);
        allowed.then(|| {
            locked::lock(frame * PAGE_SIZE);
            frame
        })
    };
    if address < USER_PROBE_ADDRESS {
        // The process may free the page at any time: not between the two.
        return address_space::current()?.with_page(address, lock)?;
    }
    let (physical, access) = paging::translate(address)?;
    lock(physical, access)
}

/// Locks the pages that an MDL's addresses stand for. Any fault leaves nothing locked.
///
/// # Errors
///
/// `STATUS_ACCESS_VIOLATION`, `STATUS_WORKING_SET_QUOTA`.
pub fn lock(mdl: *mut MDL, user: bool, operation: i32, caller: u64) -> Result<(), i32> {
    // SAFETY: the caller's MDL.
    let fields = unsafe { &mut *mdl };
    if fields.MdlFlags & (PAGES_LOCKED | SOURCE_IS_NONPAGED_POOL) != 0 {
        // Bug check 0xC4, subcode 0xB0: the MDL's pages are locked, or nonpaged.
        let unexpected = fields.MdlFlags & (PAGES_LOCKED | SOURCE_IS_NONPAGED_POOL);
        let flags = mapping::bits(fields.MdlFlags);
        hook::misuse([0xb0, mdl as u64, flags, mapping::bits(unexpected)]);
    }
    let start = start(fields);
    let end = start.checked_add(u64::from(fields.ByteCount));
    if user && end.is_none_or(|end| end > USER_PROBE_ADDRESS) {
        return Err(STATUS_ACCESS_VIOLATION);
    }
    if hook::call_fails("MmProbeAndLockPages", caller) {
        return Err(nthost_nt::status::STATUS_WORKING_SET_QUOTA);
    }
    // SAFETY: the caller's MDL.
    let pages = unsafe { pages(mdl) };
    if let Some(end) = end {
        pageable::lock(start, end - start);
    }
    for index in 0..pages.len() {
        let address = (fields.StartVa as u64).wrapping_add(frame(index as u64));
        if let Some(frame) = lock_page(address, writes(operation)) {
            pages[index] = frame;
            continue;
        }
        for page in &pages[..index] {
            locked::unlock(frame(*page));
        }
        if let Some(end) = end {
            pageable::unlock(start, end - start);
        }
        return Err(STATUS_ACCESS_VIOLATION);
    }
    fields.MdlFlags |= PAGES_LOCKED
        | if writes(operation) {
            WRITE_OPERATION
        } else {
            0
        };
    let space = address_space::current().filter(|_| start < USER_PROBE_ADDRESS);
    let space = space.map_or(0, |space| core::ptr::from_ref(space).addr());
    account::take_in(
        Kind::LockedPages,
        mdl as u64,
        pages.len() as u64,
        caller,
        space,
    );
    Ok(())
}

/// Locks the pages of a process's buffer for the I/O manager.
///
/// # Errors
///
/// `STATUS_ACCESS_VIOLATION`, and `STATUS_WORKING_SET_QUOTA` when chosen to fail.
pub fn lock_user(mdl: *mut MDL, write: bool) -> Result<(), i32> {
    lock(mdl, true, i32::from(write), 0)
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Makes the pages of an MDL's buffer resident, checks the access, and locks them. A buffer
    /// that cannot be accessed so raises STATUS_ACCESS_VIOLATION. For pageable and user
    /// addresses the IRQL is APC_LEVEL at the most.
    ///
    /// Source: MmProbeAndLockPages.
    ///
    /// # Safety
    ///
    /// It is an MDL of IoAllocateMdl, for addresses of the current process or the kernel.
    pub unsafe fn MmProbeAndLockPages(mdl: *mut MDL, mode: i8, operation: i32) {
        if let Err(status) = lock(mdl, mode != 0, operation, export::caller()) {
            exception::raise(status);
        }
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Checks that a buffer lies in user space and is aligned; raises STATUS_ACCESS_VIOLATION or
    /// STATUS_DATATYPE_MISALIGNMENT. It does not touch it.
    ///
    /// Source: ProbeForRead.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn ProbeForRead(address: u64, length: u64, alignment: u32) {
        if let Err(status) = probe(address, length, alignment) {
            exception::raise(status);
        }
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// As ProbeForRead, and that every page of it can be written.
    ///
    /// Source: ProbeForWrite.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn ProbeForWrite(address: u64, length: u64, alignment: u32) {
        let mut result = probe(address, length, alignment);
        if result.is_ok() && length != 0 {
            let mut page = address & !(PAGE_SIZE - 1);
            while page < address + length {
                if !translate(page).is_some_and(|(_, access)| access.contains(Access::WRITE)) {
                    result = Err(STATUS_ACCESS_VIOLATION);
                }
                page += PAGE_SIZE;
            }
        }
        if let Err(status) = result {
            exception::raise(status);
        }
    }
}

const fn probe(address: u64, length: u64, alignment: u32) -> Result<(), i32> {
    if length == 0 {
        return Ok(());
    }
    if address & (alignment as u64).saturating_sub(1) != 0 {
        return Err(nthost_nt::status::STATUS_DATATYPE_MISALIGNMENT);
    }
    match address.checked_add(length) {
        Some(end) if end <= USER_PROBE_ADDRESS => Ok(()),
        _ => Err(STATUS_ACCESS_VIOLATION),
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    fails: core::ptr::null_mut();
    /// Makes an MDL for a buffer, and hangs it on an IRP if one is given: as its only one, or
    /// (a secondary buffer) behind those that it has. NULL if memory is short.
    ///
    /// Source: IoAllocateMdl.
    ///
    /// # Safety
    ///
    /// The IRP is null or the caller's.
    pub unsafe fn IoAllocateMdl(
        address: *mut c_void,
        length: u32,
        secondary: u8,
        _charge_quota: u8,
        irp: *mut IRP,
    ) -> *mut MDL {
        let caller = export::caller();
        let Some(mdl) = allocate(address as u64, u64::from(length), caller) else {
            return core::ptr::null_mut();
        };
        // SAFETY: the caller's promise.
        if let Some(irp) = unsafe { irp.as_mut() } {
            if secondary == 0 {
                irp.MdlAddress = mdl.cast();
            } else {
                let mut last = irp.MdlAddress.cast::<MDL>();
                // SAFETY: the IRP's chain of MDLs.
                while !last.is_null() && !unsafe { (*last).Next }.is_null() {
                    // SAFETY: as above.
                    last = unsafe { (*last).Next };
                }
                if last.is_null() {
                    irp.MdlAddress = mdl.cast();
                } else {
                    // SAFETY: as above.
                    unsafe { (*last).Next = mdl };
                }
            }
        }
        mdl
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Frees an MDL.
    ///
    /// Source: IoFreeMdl.
    ///
    /// # Safety
    ///
    /// It is the caller's, and nobody uses it any more.
    pub unsafe fn IoFreeMdl(mdl: *mut MDL) {
        // SAFETY: the caller's promise.
        unsafe { free(mdl) };
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Has an MDL describe a part of what another describes.
    ///
    /// Source: IoBuildPartialMdl.
    ///
    /// # Safety
    ///
    /// The source's pages are known; the target has room for as many.
    pub unsafe fn IoBuildPartialMdl(
        source: *mut MDL,
        target: *mut MDL,
        address: *mut c_void,
        length: u32,
    ) {
        // SAFETY: the caller's promise.
        let from = unsafe { source.read_unaligned() };
        // SAFETY: the caller's promise.
        let mut to = unsafe { target.read_unaligned() };
        let before = (address as u64).wrapping_sub(from.StartVa as u64);
        let offset = before.wrapping_sub(from.ByteOffset.into()) as u32;
        let length = if length == 0 { from.ByteCount.wrapping_sub(offset) } else { length };
        let first = before / PAGE_SIZE;
        let count = span(address as u64 % PAGE_SIZE, length.into());
        let room = (i64::from(to.Size) - size_of::<MDL>() as i64) / 8;
        if i64::try_from(count).is_ok_and(|count| count > room) {
            bugcheck::bugcheck(code::TARGET_MDL_TOO_SMALL, [0; 4]);
        }
        to.StartVa =
            core::ptr::with_exposed_provenance_mut((address as u64 & !(PAGE_SIZE - 1)) as usize);
        to.ByteOffset = (address as u64 % PAGE_SIZE) as u32;
        to.ByteCount = length;
        to.Process = from.Process;
        let kept = from.MdlFlags
            & (PAGES_LOCKED | SOURCE_IS_NONPAGED_POOL | MAPPED_TO_SYSTEM_VA | IO_SPACE);
        to.MdlFlags = kept | PARTIAL;
        if kept & (MAPPED_TO_SYSTEM_VA | SOURCE_IS_NONPAGED_POOL) != 0 {
            let mapped = (from.MappedSystemVa as u64).wrapping_add(offset.into());
            to.MappedSystemVa = core::ptr::with_exposed_provenance_mut(mapped as usize);
        }
        // SAFETY: the caller's promise.
        unsafe { target.write_unaligned(to) };
        // The page numbers follow the structures. Whether the source has those is the caller's
        // business, as it is on NT.
        let from = source.wrapping_add(1).cast::<u8>().wrapping_add(8 * first as usize);
        // SAFETY: the caller's promise; the target has room, as was seen.
        unsafe { target.wrapping_add(1).cast::<u8>().copy_from(from, 8 * count as usize) };
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Fills in the pages of an MDL for nonpaged memory.
    ///
    /// Source: MmBuildMdlForNonPagedPool.
    ///
    /// # Safety
    ///
    /// The MDL's buffer is nonpaged.
    pub unsafe fn MmBuildMdlForNonPagedPool(mdl: *mut MDL) {
        // SAFETY: the caller's promise.
        let fields = unsafe { &mut *mdl };
        let start = start(fields);
        if pool::find(start).is_some_and(|(_, allocation)| allocation.paged) {
            let (level, flags) = (u64::from(irql::current()), mapping::bits(fields.MdlFlags));
            hook::misuse([0x7f, level, mdl as u64, flags]);
        }
        // SAFETY: the caller's promise.
        for (index, page) in unsafe { pages(mdl) }.iter_mut().enumerate() {
            let address = (fields.StartVa as u64).wrapping_add(frame(index as u64));
            let Some((physical, _)) = paging::translate(address) else {
                bugcheck::bugcheck(
                    code::PAGE_FAULT_IN_NONPAGED_AREA,
                    [address, 0, export::caller(), 0],
                );
            };
            *page = physical / PAGE_SIZE;
        }
        fields.MdlFlags |= SOURCE_IS_NONPAGED_POOL;
        let mapped = start;
        fields.MappedSystemVa = core::ptr::with_exposed_provenance_mut(mapped as usize);
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Unlocks an MDL's pages, and undoes their mapping.
    ///
    /// Source: MmUnlockPages.
    ///
    /// # Safety
    ///
    /// MmProbeAndLockPages locked them, and nobody uses them through the MDL any more.
    pub unsafe fn MmUnlockPages(mdl: *mut MDL) {
        // SAFETY: the caller's promise.
        let fields = unsafe { &mut *mdl };
        let flags = fields.MdlFlags;
        // Bug check 0xC4: 0x7D, nonpaged pool is never unlocked; 0xB4, nor is a part of another.
        if flags & SOURCE_IS_NONPAGED_POOL != 0 {
            hook::misuse([0x7d, mdl as u64, mapping::bits(flags), 0]);
            return;
        }
        if flags & PARTIAL != 0 {
            hook::misuse([0xb4, mdl as u64, mapping::bits(flags), mapping::bits(PARTIAL)]);
        }
        if account::give(Kind::LockedPages, mdl as u64).is_none() {
            // Bug check 0xC4, subcode 0x7C: pages are unlocked that are not locked.
            hook::misuse([0x7c, mdl as u64, u64::from(fields.MdlFlags.cast_unsigned()), 0]);
            return;
        }
        if fields.MdlFlags & MAPPED_TO_SYSTEM_VA != 0 {
            // SAFETY: the mapping goes with the lock.
            unsafe { mapping::unmap(mdl) };
        }
        // SAFETY: the caller's promise.
        for page in unsafe { pages(mdl) } {
            locked::unlock(frame(*page));
        }
        let start = start(fields);
        pageable::unlock(start, fields.ByteCount.into());
        fields.MdlFlags &= !(PAGES_LOCKED | WRITE_OPERATION);
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Bytes of an MDL for a buffer.
    ///
    /// Source: MmSizeOfMdl.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn MmSizeOfMdl(address: *mut c_void, length: u64) -> u64 {
        size_of::<MDL>() as u64 + 8 * span(address as u64, length)
    }
}
