//! Views of sections: in a process, or in system space. Each keeps its section.
//!
//! Sources: ZwMapViewOfSection, ZwUnmapViewOfSection, MmMapViewInSystemSpace,
//! MmUnmapViewInSystemSpace.

use alloc::{collections::BTreeMap, vec::Vec};
use core::ffi::c_void;

use nthost_nt::status::{
    NTSTATUS, STATUS_ACCESS_DENIED, STATUS_CONFLICTING_ADDRESSES, STATUS_INSUFFICIENT_RESOURCES,
    STATUS_INVALID_PAGE_PROTECTION, STATUS_INVALID_PARAMETER_3, STATUS_INVALID_PARAMETER_4,
    STATUS_INVALID_VIEW_SIZE, STATUS_MAPPED_ALIGNMENT, STATUS_NOT_MAPPED_VIEW,
    STATUS_NOT_SUPPORTED, STATUS_OBJECT_TYPE_MISMATCH, STATUS_SECTION_PROTECTION, STATUS_SUCCESS,
};

use super::{section_object::Section, virtual_memory::in_space};
use crate::{
    export,
    ke::lock::HighLock,
    mm::{
        PAGE_SIZE,
        account::{self, Kind as Held},
        address_space::{AddressSpace, RegionError, USER_PROBE_ADDRESS},
        cache::Cache,
        mapping,
        paging::{self, Access},
        region::GRANULARITY,
    },
    ob::{
        object::{self, Kind},
        reference_handle,
    },
};

/// `MEM_TOP_DOWN`.
const TOP_DOWN: u32 = 0x10_0000;

#[derive(Clone, Copy, Debug)]
struct View {
    section: *mut c_void,
    pages: u64,
}

// SAFETY: the section is an object of which the view has a reference.
unsafe impl Send for View {}

/// By the address of the space (zero: system space), and the first page's in it. Taken before a
/// space's own lock.
static VIEWS: HighLock<BTreeMap<(usize, u64), View>> = HighLock::new(BTreeMap::new());

fn key(space: &AddressSpace, base: u64) -> (usize, u64) {
    (core::ptr::from_ref(space).addr(), base)
}

/// What is to be seen of a section.
struct Wanted {
    base: u64,
    zero_bits: u64,
    offset: u64,
    size: u64,
    kind: u32,
    protection: u32,
}

/// The pages of a part of a section.
fn part(section: &Section, offset: u64, size: u64) -> Result<Vec<u64>, NTSTATUS> {
    let first = offset / PAGE_SIZE;
    let all = section.frames.len() as u64;
    let count = match size {
        0 => all.saturating_sub(first),
        size => size.div_ceil(PAGE_SIZE),
    };
    let end = first
        .checked_add(count)
        .filter(|&end| end <= all && count != 0);
    let end = end.ok_or(STATUS_INVALID_VIEW_SIZE)?;
    Ok(section.frames[first as usize..end as usize].to_vec())
}

impl Wanted {
    fn access(&self, section: &Section) -> Result<Access, NTSTATUS> {
        let access = mapping::protection(self.protection)?;
        let access = access.ok_or(STATUS_INVALID_PAGE_PROTECTION)?;
        if !section.access.contains(access) {
            return Err(STATUS_SECTION_PROTECTION);
        }
        Ok(Cache::of_access(section.access).applied(access))
    }

    /// Maps a section, whose reference the view takes over; gives the address and the bytes.
    fn map(&self, space: &AddressSpace, section: *mut Section) -> Result<(u64, u64), NTSTATUS> {
        // SAFETY: the caller has a reference to the section.
        let fields = unsafe { &*section };
        let access = self.access(fields)?;
        let frames = part(fields, self.offset, self.size)?;
        let pages = frames.len() as u64;
        let high = self.kind & TOP_DOWN != 0 || self.zero_bits != 0;
        let address = if self.base != 0 {
            Some(self.base)
        } else if high {
            let limit = u64::MAX >> self.zero_bits;
            let chosen = space.regions().choose_top(pages, limit);
            Some(chosen.ok_or(STATUS_INSUFFICIENT_RESOURCES)?)
        } else {
            None
        };
        // SAFETY: the section keeps its pages, and the view keeps the section.
        let mapped = unsafe { space.map_view(address, frames, access) };
        let base = mapped.map_err(|fault| match fault {
            RegionError::NoMemory => STATUS_INSUFFICIENT_RESOURCES,
            RegionError::Conflict => STATUS_CONFLICTING_ADDRESSES,
        })?;
        let view = View {
            section: section.cast(),
            pages,
        };
        VIEWS.lock().insert(key(space, base), view);
        Ok((base, pages * PAGE_SIZE))
    }
}

/// Undoes the view that an address is in.
fn unmap(space: &AddressSpace, address: u64) -> Result<(), NTSTATUS> {
    let mut views = VIEWS.lock();
    let below = views.range(key(space, 0)..=key(space, address));
    let found = below.last().map(|(&(_, base), &view)| (base, view));
    let (base, view) = found
        .filter(|(base, view)| address < base + view.pages * PAGE_SIZE)
        .ok_or(STATUS_NOT_MAPPED_VIEW)?;
    let range = base..base + view.pages * PAGE_SIZE;
    if !space.regions().may_become(&range, false, false) {
        // A driver has secured some of it.
        return Err(STATUS_ACCESS_DENIED);
    }
    views.remove(&key(space, base));
    drop(views);
    space.remove_view(base).ok_or(STATUS_NOT_MAPPED_VIEW)?;
    object::dereference(view.section);
    Ok(())
}

/// A process that ends has no views any more. PASSIVE_LEVEL.
pub fn end(space: &AddressSpace) {
    loop {
        let mut views = VIEWS.lock();
        let mut own = views.range(key(space, 0)..=key(space, u64::MAX));
        let Some((&place, &view)) = own.next() else {
            return;
        };
        views.remove(&place);
        drop(views);
        let _ = space.remove_view(place.1);
        object::dereference(view.section);
    }
}

fn map_in_system(section: *mut c_void, size: u64, caller: u64) -> Result<(u64, u64), NTSTATUS> {
    // SAFETY: the caller has a reference to the section.
    let fields = unsafe { &*section.cast::<Section>() };
    let frames = part(fields, 0, size)?;
    let pages = frames.len() as u64;
    // SAFETY: the section keeps its pages, and the view keeps the section.
    let base = unsafe { paging::map_range(frames.into_iter(), fields.access) }
        .ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
    object::reference(section);
    VIEWS.lock().insert((0, base), View { section, pages });
    account::take(Held::View, base, pages, caller);
    Ok((base, pages * PAGE_SIZE))
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: STATUS_INSUFFICIENT_RESOURCES;
    /// Maps a part of a section, or all from an offset on, into a process: says where, and how
    /// many bytes. STATUS_MAPPED_ALIGNMENT for an address or an offset that is no multiple of 64
    /// KiB: its page says that they are rounded, but Windows does not (ReactOS's tests of
    /// ZwMapViewOfSection). STATUS_SECTION_PROTECTION if the section does not allow the protection,
    /// STATUS_INVALID_VIEW_SIZE if it ends before. STATUS_NOT_SUPPORTED for the system's process
    /// and for large pages.
    ///
    /// Source: ZwMapViewOfSection.
    ///
    /// # Safety
    ///
    /// The address and the size can be read and written, the offset too unless it is null.
    pub unsafe fn ZwMapViewOfSection(
        section: u64,
        process: u64,
        base: *mut u64,
        zero_bits: u64,
        _commit: u64,
        offset: *mut u64,
        size: *mut u64,
        _inherit: i32,
        kind: u32,
        protection: u32,
    ) -> NTSTATUS {
        if zero_bits >= 21 {
            return STATUS_INVALID_PARAMETER_4;
        }
        if kind & !TOP_DOWN != 0 {
            return STATUS_NOT_SUPPORTED;
        }
        // SAFETY: the caller's promise.
        let start = unsafe { offset.as_ref() }.copied().unwrap_or(0);
        // SAFETY: the caller's promise.
        let (wish, bytes) = (unsafe { base.read() }, unsafe { size.read() });
        if wish >= USER_PROBE_ADDRESS || bytes > USER_PROBE_ADDRESS - wish {
            return STATUS_INVALID_PARAMETER_3;
        }
        if !wish.is_multiple_of(GRANULARITY) || !start.is_multiple_of(GRANULARITY) {
            return STATUS_MAPPED_ALIGNMENT;
        }
        let wanted = Wanted { base: wish, zero_bits, offset: start, size: bytes, kind, protection };
        let entry = match reference_handle(section, Some(Kind::Section), 0, 0) {
            Ok(entry) => entry,
            Err(status) => return status,
        };
        match in_space(process, |space| wanted.map(space, entry.object.cast())) {
            Ok((address, bytes)) => {
                // SAFETY: the caller's promise.
                unsafe { base.write(address) };
                // SAFETY: the caller's promise.
                unsafe { size.write(bytes) };
                if !offset.is_null() {
                    // SAFETY: the caller's promise.
                    unsafe { offset.write(start) };
                }
                STATUS_SUCCESS
            }
            Err(status) => {
                object::dereference(entry.object);
                status
            }
        }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Takes the view that an address is in out of a process. STATUS_NOT_MAPPED_VIEW if none is
    /// there, STATUS_ACCESS_DENIED if a driver has secured some of it.
    ///
    /// Source: ZwUnmapViewOfSection.
    ///
    /// # Safety
    ///
    /// Nobody uses the view any more.
    pub unsafe fn ZwUnmapViewOfSection(process: u64, address: u64) -> NTSTATUS {
        match in_space(process, |space| unmap(space, address)) {
            Ok(()) => STATUS_SUCCESS,
            Err(status) => status,
        }
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    fails: STATUS_INSUFFICIENT_RESOURCES;
    /// Maps the beginning of a section, or all of it, into system space; says where, and how many
    /// bytes. STATUS_INVALID_VIEW_SIZE if the section ends before.
    ///
    /// Source: MmMapViewInSystemSpace.
    ///
    /// # Safety
    ///
    /// It is an object; the address can be written, the size read and written.
    pub unsafe fn MmMapViewInSystemSpace(
        section: *mut c_void,
        base: *mut u64,
        size: *mut u64,
    ) -> NTSTATUS {
        let caller = export::caller();
        if object::kind(section) != Some(Kind::Section) {
            return STATUS_OBJECT_TYPE_MISMATCH;
        }
        // SAFETY: the caller's promise.
        let bytes = unsafe { size.read() };
        match map_in_system(section, bytes, caller) {
            Ok((address, bytes)) => {
                // SAFETY: the caller's promise.
                unsafe { base.write(address) };
                // SAFETY: the caller's promise.
                unsafe { size.write(bytes) };
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Undoes MmMapViewInSystemSpace. STATUS_NOT_MAPPED_VIEW for what is no such view.
    ///
    /// Source: MmUnmapViewInSystemSpace.
    ///
    /// # Safety
    ///
    /// Nobody uses the view any more.
    pub unsafe fn MmUnmapViewInSystemSpace(base: *mut c_void) -> NTSTATUS {
        let base = base as u64;
        let Some(view) = VIEWS.lock().remove(&(0, base)) else {
            return STATUS_NOT_MAPPED_VIEW;
        };
        account::give(Held::View, base);
        // SAFETY: it was mapped so; the caller promises that nobody uses it.
        unsafe { paging::unmap_range(base, view.pages) };
        object::dereference(view.section);
        STATUS_SUCCESS
    }
}
