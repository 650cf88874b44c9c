//! Memory descriptor lists: memory that stays where it is while a device uses it.
//!
//! The rule of the kernel this stands for: pages that a device reads or writes must be locked, and
//! must be unlocked and given back by who locked them, before the request is completed whose
//! memory they are. ("Using MDLs".)
//!
//! # Example
//!
//! ```
//! use wdm::{
//!     Result,
//!     irp::{Fresh, Irp},
//!     irql::Passive,
//!     mdl::{Pages, UserPages},
//!     probe::LockOperation,
//! };
//!
//! /// Pages of the driver's own, on a node, anywhere in memory.
//! fn pages(node: Option<u16>, irql: &Passive) -> Result<Pages> {
//!     Pages::allocate(65536, u64::MAX, node, irql)
//! }
//!
//! /// Pages of the client's, whose address a request has brought. They are unlocked when this is dropped.
//! fn lock(irp: &Irp<Fresh>, address: u64, irql: &Passive) -> Result<UserPages> {
//!     UserPages::lock(irp, address, 4096, LockOperation::Write, irql)
//! }
//! ```

use core::ptr::NonNull;

use wdk_sys::{
    _MEMORY_CACHING_TYPE::MmCached,
    MDL, MDL_MAPPED_TO_SYSTEM_VA, MDL_SOURCE_IS_NONPAGED_POOL, PHYSICAL_ADDRESS, PVOID,
    ntddk::{
        ExFreePoolWithTag, IoAllocateMdl, IoFreeMdl, MmAllocateNodePagesForMdlEx,
        MmAllocatePagesForMdlEx, MmFreePagesFromMdl, MmMapLockedPagesSpecifyCache, MmUnlockPages,
        MmUnmapLockedPages,
    },
};

use crate::{
    Result, Status,
    constants::{KERNEL_MODE, MDL_MAPPING_NO_EXECUTE, NORMAL_PAGE_PRIORITY},
    irp::{Fresh, Irp},
    irql::Passive,
    probe::{self, LockOperation},
};

/// `MmGetMdlByteCount`.
///
/// # Safety
///
/// The MDL is valid.
pub(crate) const unsafe fn byte_count(mdl: NonNull<MDL>) -> usize {
    // SAFETY: valid by contract.
    unsafe { (*mdl.as_ptr()).ByteCount as usize }
}

/// `MmGetMdlVirtualAddress`: where the buffer begins in the address space that it was described
/// in. It serves as an index into the MDL, and is not to be used as an address.
///
/// # Safety
///
/// The MDL is valid.
pub(crate) const unsafe fn virtual_address(mdl: NonNull<MDL>) -> PVOID {
    // SAFETY: valid by contract.
    let mdl = unsafe { mdl.as_ref() };
    mdl.StartVa.wrapping_byte_add(mdl.ByteOffset as usize)
}

/// `MmGetSystemAddressForMdlSafe`: maps the pages into the system's address space, unless they
/// are already. Mappings of a locked MDL go when it is unlocked.
///
/// Source: nf-wdm-mmgetsystemaddressformdlsafe.
///
/// # Safety
///
/// The MDL's pages are locked, and nobody else maps it meanwhile. IRQL <= DISPATCH_LEVEL.
pub(crate) unsafe fn system_address(mdl: NonNull<MDL>) -> Result<NonNull<u8>> {
    // SAFETY: valid by contract.
    let (flags, mapped) = {
        // SAFETY: valid by contract.
        let mdl = unsafe { mdl.as_ref() };
        (mdl.MdlFlags.cast_unsigned(), mdl.MappedSystemVa)
    };
    let is_mapped = u32::from(flags) & (MDL_MAPPED_TO_SYSTEM_VA | MDL_SOURCE_IS_NONPAGED_POOL) != 0;
    let address = if is_mapped {
        mapped
    } else {
        // SAFETY: locked and not mapped, by contract and by the flags.
        unsafe { map(mdl) }
    };
    NonNull::new(address.cast()).ok_or(Status::INSUFFICIENT_RESOURCES)
}

/// # Safety
///
/// As for [`system_address`], and the MDL is not mapped.
unsafe fn map(mdl: NonNull<MDL>) -> PVOID {
    // SAFETY: by contract. A failure is reported, and does not end the system.
    unsafe {
        MmMapLockedPagesSpecifyCache(
            mdl.as_ptr(),
            KERNEL_MODE,
            MmCached,
            core::ptr::null_mut(),
            0,
            NORMAL_PAGE_PRIORITY | MDL_MAPPING_NO_EXECUTE,
        )
    }
}

/// Pages of the driver's own, locked and mapped: a buffer for DMA. Given back on drop.
pub struct Pages {
    mdl: NonNull<MDL>,
    address: NonNull<u8>,
    length: usize,
    node: Option<u16>,
}

// SAFETY: the pages and their mapping in system space belong to no thread.
unsafe impl Send for Pages {}
// SAFETY: they are only read and written byte by byte, as volatile, since a device may do so too.
unsafe impl Sync for Pages {}

/// Pages without their mapping, given back on drop.
struct Unmapped(NonNull<MDL>);

impl Drop for Unmapped {
    fn drop(&mut self) {
        // SAFETY: allocated by `MmAllocate…PagesForMdlEx`, and not mapped.
        unsafe { MmFreePagesFromMdl(self.0.as_ptr()) };
        // SAFETY: the MDL itself comes from pool, and must be freed to it.
        unsafe { ExFreePoolWithTag(self.0.as_ptr().cast(), 0) };
    }
}

impl Pages {
    /// Allocates `length` bytes of zeroed pages below `highest`, from a node if possible, or from
    /// any if that fails.
    ///
    /// Source: nf-wdm-mmallocatenodepagesformdlex, nf-wdm-mmallocatepagesformdlex.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`, also if only some of the pages were available: those are
    /// given back.
    pub fn allocate(
        length: usize,
        highest: u64,
        node: Option<u16>,
        _irql: &Passive,
    ) -> Result<Self> {
        let low = PHYSICAL_ADDRESS { QuadPart: 0 };
        let high = PHYSICAL_ADDRESS {
            QuadPart: highest.cast_signed(),
        };
        // One range only: no address to skip to.
        let skip = PHYSICAL_ADDRESS { QuadPart: 0 };
        let on_node = node.and_then(|node| {
            // SAFETY: at PASSIVE_LEVEL; a node that does not exist gives no memory.
            let mdl = unsafe {
                MmAllocateNodePagesForMdlEx(
                    low,
                    high,
                    skip,
                    length as u64,
                    MmCached,
                    u32::from(node),
                    0,
                )
            };
            whole(mdl, length)
        });
        let (pages, node) = if let Some(pages) = on_node {
            (pages, node)
        } else {
            // SAFETY: at PASSIVE_LEVEL.
            let mdl =
                unsafe { MmAllocatePagesForMdlEx(low, high, skip, length as u64, MmCached, 0) };
            let pages = whole(mdl, length).ok_or(Status::INSUFFICIENT_RESOURCES)?;
            (pages, None)
        };
        // SAFETY: locked by their allocation, and not mapped yet.
        let address = unsafe { map(pages.0) };
        let address = NonNull::new(address.cast()).ok_or(Status::INSUFFICIENT_RESOURCES)?;
        let mdl = pages.0;
        core::mem::forget(pages);
        Ok(Self {
            mdl,
            address,
            length,
            node,
        })
    }

    /// The node that they were asked from, unless it had none left.
    #[must_use]
    pub const fn node(&self) -> Option<u16> {
        self.node
    }

    /// Its length in bytes.
    #[must_use]
    pub const fn length(&self) -> usize {
        self.length
    }

    /// Writes one byte, if there is one at this offset.
    pub fn write(&self, offset: usize, value: u8) {
        if let Some(byte) = self.byte(offset) {
            // SAFETY: within the mapping.
            unsafe { byte.write_volatile(value) };
        }
    }

    /// Reads one byte, if there is one at this offset.
    #[must_use]
    pub fn read(&self, offset: usize) -> Option<u8> {
        let byte = self.byte(offset)?;
        // SAFETY: within the mapping.
        Some(unsafe { byte.read_volatile() })
    }

    fn byte(&self, offset: usize) -> Option<NonNull<u8>> {
        if offset >= self.length {
            return None;
        }
        // SAFETY: within the mapping, as checked.
        Some(unsafe { self.address.add(offset) })
    }

    pub(crate) const fn mdl(&self) -> NonNull<MDL> {
        self.mdl
    }
}

/// The pages if there are as many as asked for. The routines may give fewer, which only the MDL
/// tells; those are given back here.
fn whole(mdl: *mut MDL, length: usize) -> Option<Unmapped> {
    let pages = Unmapped(NonNull::new(mdl)?);
    // SAFETY: a valid MDL.
    let allocated = unsafe { byte_count(pages.0) };
    (allocated >= length).then_some(pages)
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: mapped by `allocate`.
        unsafe { MmUnmapLockedPages(self.address.as_ptr().cast(), self.mdl.as_ptr()) };
        drop(Unmapped(self.mdl));
    }
}

/// Pages of a client's buffer, probed and locked. Unlocked on drop, which must be before the
/// request of that client is completed.
///
/// What they were locked for is remembered in the lowest bit of the MDL's address, which is free
/// for that, so that they take no more than a word: pages that were locked to be read may be
/// anybody's, and are not to be written.
pub struct UserPages(NonNull<MDL>);

/// [`UserPages`] that may be written.
const WRITABLE: usize = 1;
const _: () = assert!(align_of::<MDL>() > WRITABLE, "the bit is free");

// SAFETY: locked pages belong to no thread.
unsafe impl Send for UserPages {}

impl UserPages {
    /// Probes and locks a buffer that the request names in the address space of its process.
    ///
    /// A request that was not marked pending is in the thread of its dispatch routine still, which
    /// is the one that made it as long as each driver above passes requests on from where it was
    /// given them. That a driver above does not do so for requests with addresses of a process is
    /// the rule that is left to it. ("Using Neither Buffered Nor Direct I/O".)
    ///
    /// Source: nf-wdm-ioallocatemdl, nf-wdm-mmprobeandlockpages.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`; or what `MmProbeAndLockPages` raises, such as
    /// `STATUS_ACCESS_VIOLATION` for an address that is not the client's or not accessible so.
    pub fn lock(
        _irp: &Irp<Fresh>,
        address: u64,
        length: u32,
        operation: LockOperation,
        _irql: &Passive,
    ) -> Result<Self> {
        let address = core::ptr::without_provenance_mut::<u8>(
            usize::try_from(address).map_err(|_| Status::ACCESS_VIOLATION)?,
        );
        // ANCHOR: lock
        // SAFETY: only describes the buffer; nothing is touched yet.
        let mdl = unsafe { IoAllocateMdl(address.cast(), length, 0, 0, core::ptr::null_mut()) };
        let mdl = NonNull::new(mdl).ok_or(Status::INSUFFICIENT_RESOURCES)?;
        // SAFETY: just made for this buffer, at PASSIVE_LEVEL.
        let locked = unsafe { probe::lock_user_pages(mdl, operation) };
        if let Err(status) = locked {
            // SAFETY: allocated above, and not locked.
            unsafe { IoFreeMdl(mdl.as_ptr()) };
            return Err(status);
        }
        // ANCHOR_END: lock
        Ok(Self(match operation {
            LockOperation::Read => mdl,
            LockOperation::Write => mdl.map_addr(|address| address | WRITABLE),
        }))
    }

    /// What they were locked for.
    #[must_use]
    pub fn operation(&self) -> LockOperation {
        if self.0.addr().get() & WRITABLE == 0 {
            LockOperation::Read
        } else {
            LockOperation::Write
        }
    }

    pub(crate) fn mdl(&self) -> NonNull<MDL> {
        let mdl = self.0.as_ptr().map_addr(|address| address & !WRITABLE);
        // SAFETY: an MDL's address, as it was before the bit was set.
        unsafe { NonNull::new_unchecked(mdl) }
    }
}

impl Drop for UserPages {
    fn drop(&mut self) {
        // SAFETY: locked by `lock`; callable at IRQL <= DISPATCH_LEVEL.
        unsafe { MmUnlockPages(self.mdl().as_ptr()) };
        // SAFETY: allocated by `lock`, and unlocked.
        unsafe { IoFreeMdl(self.mdl().as_ptr()) };
    }
}
