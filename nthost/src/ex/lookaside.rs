//! Lookaside lists: entries of one size, kept for the next who needs one.
//!
//! Taking and giving back is inlined in drivers. The depth is theirs to read and the system's
//! to set: here it is zero, as pool is special pool, so that every entry comes from pool and
//! goes back there, and each use of a freed one faults.
//!
//! Sources: ExInitializeNPagedLookasideList, ExInitializePagedLookasideList,
//! ExInitializeLookasideListEx, their counterparts for deletion, ExFlushLookasideListEx, "Using
//! Lookaside Lists"; bug check 0xC4, subcodes 0xCA to 0xCD.

use alloc::collections::BTreeMap;
use core::{ffi::c_void, ptr::null_mut};

use nthost_nt::{
    ex::{ALLOCATE_FUNCTION_EX, FREE_FUNCTION_EX, GENERAL_LOOKASIDE_POOL},
    ke::{LIST_ENTRY, SLIST_HEADER},
    status::{NTSTATUS, STATUS_INVALID_PARAMETER_4, STATUS_INVALID_PARAMETER_5, STATUS_SUCCESS},
};

use super::slist;
use crate::{
    export, hook,
    ke::{
        bugcheck::{self, code},
        lock::HighLock,
    },
    mm::pool,
};

/// `LOOKASIDE_MINIMUM_BLOCK_SIZE`: an entry holds at least its link.
const MINIMUM_SIZE: u64 = 8;
/// `PagedPool`, `NonPagedPoolNx`, `POOL_RAISE_IF_ALLOCATION_FAILURE`,
/// `POOL_QUOTA_FAIL_INSTEAD_OF_RAISE`.
const PAGED_POOL: u32 = 1;
const NON_PAGED_POOL_NX: u32 = 512;
const RAISE_ON_FAILURE: u32 = 16;
const FAIL_INSTEAD_OF_RAISE: u32 = 8;

/// The lists in use and who made each. A leaf among locks.
static LISTS: HighLock<BTreeMap<u64, u64>> = HighLock::new(BTreeMap::new());

/// A list in use within a range of memory, if there is one.
#[must_use]
pub fn within(address: u64, size: u64) -> Option<u64> {
    let lists = LISTS.lock();
    lists
        .range(address..address + size)
        .next()
        .map(|(&list, _)| list)
}

/// A list is in memory that is freed: it is in use no more.
pub fn forget(list: u64) {
    LISTS.lock().remove(&list);
}

/// The lists in use, and who made each.
#[must_use]
pub fn all() -> BTreeMap<u64, u64> {
    LISTS.lock().clone()
}

/// What a list is made of.
struct Wanted {
    allocate: Option<ALLOCATE_FUNCTION_EX>,
    free: Option<FREE_FUNCTION_EX>,
    kind: u32,
    size: u64,
    tag: u32,
}

impl Wanted {
    /// Makes a list.
    ///
    /// # Safety
    ///
    /// It is resident memory for a list.
    unsafe fn make(self, list: *mut GENERAL_LOOKASIDE_POOL, caller: u64) {
        let address = list as u64;
        if self.size < MINIMUM_SIZE {
            hook::misuse([0xcd, address, self.size, MINIMUM_SIZE]);
        }
        if LISTS.lock().insert(address, caller).is_some() {
            hook::misuse([0xca, address, 0, 0]);
        }
        let value = GENERAL_LOOKASIDE_POOL {
            ListHead: SLIST_HEADER {
                Alignment: 0,
                Region: 0,
            },
            Depth: 0,
            MaximumDepth: 0,
            TotalAllocates: 0,
            AllocateMisses: 0,
            TotalFrees: 0,
            FreeMisses: 0,
            Type: self.kind.cast_signed(),
            Tag: self.tag,
            Size: self.size as u32,
            Allocate: self.allocate.or(Some(default_allocate)),
            Free: self.free.or(Some(default_free)),
            ListEntry: LIST_ENTRY {
                Flink: null_mut(),
                Blink: null_mut(),
            },
            LastTotalAllocates: 0,
            LastAllocateMisses: 0,
            Future: [0; 2],
        };
        // SAFETY: the caller's promise.
        unsafe { list.write(value) };
    }
}

/// Allocates an entry where the driver has no routine for it: called by the driver's own code,
/// as ExAllocatePoolWithTag would be.
unsafe extern "win64" fn default_allocate(
    kind: i32,
    bytes: usize,
    tag: u32,
    _list: *mut c_void,
) -> *mut c_void {
    let caller = export::caller();
    let kind = kind.cast_unsigned();
    let address = pool::allocate_for(
        "ExAllocateFromLookasideListEx",
        pool::from_pool_type(kind),
        bytes as u64,
        tag,
        caller,
    );
    if address.is_none() && kind & RAISE_ON_FAILURE != 0 {
        // The inlined code cannot be unwound from here: the status ends the system, as it does
        // where a driver has no handler.
        let status = nthost_nt::status::STATUS_INSUFFICIENT_RESOURCES;
        let parameters = [u64::from(status.cast_unsigned()), caller, 0, 0];
        bugcheck::bugcheck(code::KMODE_EXCEPTION_NOT_HANDLED, parameters);
    }
    pool::pointer(address)
}

/// Frees an entry where the driver has no routine for it.
unsafe extern "win64" fn default_free(entry: *mut c_void, _list: *mut c_void) {
    pool::free(entry as u64, None);
}

/// Frees the entries that a list holds.
///
/// # Safety
///
/// It is an initialized list.
unsafe fn flush(list: *mut GENERAL_LOOKASIDE_POOL) {
    // SAFETY: the caller's promise.
    let free = unsafe { (*list).Free };
    // SAFETY: the caller's promise.
    let head = unsafe { &raw mut (*list).ListHead };
    loop {
        // SAFETY: as above.
        let entry = unsafe { slist::pop(head) };
        let Some(free) = free.filter(|_| !entry.is_null()) else {
            return;
        };
        // SAFETY: the driver's own routine, or the one above, with an entry of the list.
        unsafe { free(entry.cast(), list.cast()) };
    }
}

/// Deletes a list.
///
/// # Safety
///
/// Nobody uses it any more.
unsafe fn delete(list: *mut GENERAL_LOOKASIDE_POOL) {
    if LISTS.lock().remove(&(list as u64)).is_none() {
        hook::misuse([0xcb, list as u64, 0, 0]);
        return;
    }
    // SAFETY: the caller's promise; it was initialized.
    unsafe { flush(list) };
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Makes a list of nonpaged entries.
    ///
    /// Source: ExInitializeNPagedLookasideList.
    ///
    /// # Safety
    ///
    /// It is resident memory for a list; the routines, if given, do what they should.
    pub unsafe fn ExInitializeNPagedLookasideList(
        list: *mut GENERAL_LOOKASIDE_POOL,
        allocate: Option<ALLOCATE_FUNCTION_EX>,
        free: Option<FREE_FUNCTION_EX>,
        flags: u32,
        size: u64,
        tag: u32,
        _depth: u16,
    ) {
        let caller = export::caller();
        let kind = flags & (NON_PAGED_POOL_NX | RAISE_ON_FAILURE);
        // SAFETY: the caller's promise.
        unsafe { Wanted { allocate, free, kind, size, tag }.make(list, caller) };
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Makes a list of paged entries.
    ///
    /// Source: ExInitializePagedLookasideList.
    ///
    /// # Safety
    ///
    /// As ExInitializeNPagedLookasideList.
    pub unsafe fn ExInitializePagedLookasideList(
        list: *mut GENERAL_LOOKASIDE_POOL,
        allocate: Option<ALLOCATE_FUNCTION_EX>,
        free: Option<FREE_FUNCTION_EX>,
        flags: u32,
        size: u64,
        tag: u32,
        _depth: u16,
    ) {
        let caller = export::caller();
        let kind = PAGED_POOL | flags & RAISE_ON_FAILURE;
        // SAFETY: the caller's promise.
        unsafe { Wanted { allocate, free, kind, size, tag }.make(list, caller) };
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Makes a list of entries of a type of pool. STATUS_INVALID_PARAMETER_4 for a type that is
    /// none, STATUS_INVALID_PARAMETER_5 for flags that are none or exclude each other.
    ///
    /// Source: ExInitializeLookasideListEx.
    ///
    /// # Safety
    ///
    /// As ExInitializeNPagedLookasideList.
    pub unsafe fn ExInitializeLookasideListEx(
        list: *mut GENERAL_LOOKASIDE_POOL,
        allocate: Option<ALLOCATE_FUNCTION_EX>,
        free: Option<FREE_FUNCTION_EX>,
        kind: i32,
        flags: u32,
        size: u64,
        tag: u32,
        _depth: u16,
    ) -> NTSTATUS {
        let kind = kind.cast_unsigned();
        let caller = export::caller();
        // NonPagedPool, PagedPool, their cache-aligned forms, each perhaps not executable.
        if !matches!(kind & !NON_PAGED_POOL_NX, 0 | 1 | 4 | 5) {
            return STATUS_INVALID_PARAMETER_4;
        }
        let kind = kind | match flags {
            0 => 0,
            1 => RAISE_ON_FAILURE,
            2 => FAIL_INSTEAD_OF_RAISE,
            _ => return STATUS_INVALID_PARAMETER_5,
        };
        // SAFETY: the caller's promise.
        unsafe { Wanted { allocate, free, kind, size, tag }.make(list, caller) };
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Deletes a list of nonpaged entries, and frees those that it holds.
    ///
    /// Source: ExDeleteNPagedLookasideList.
    ///
    /// # Safety
    ///
    /// Nobody uses it any more.
    pub unsafe fn ExDeleteNPagedLookasideList(list: *mut GENERAL_LOOKASIDE_POOL) {
        // SAFETY: the caller's promise.
        unsafe { delete(list) };
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Deletes a list of paged entries, and frees those that it holds.
    ///
    /// Source: ExDeletePagedLookasideList.
    ///
    /// # Safety
    ///
    /// Nobody uses it any more.
    pub unsafe fn ExDeletePagedLookasideList(list: *mut GENERAL_LOOKASIDE_POOL) {
        // SAFETY: the caller's promise.
        unsafe { delete(list) };
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Deletes a list, and frees the entries that it holds.
    ///
    /// Source: ExDeleteLookasideListEx.
    ///
    /// # Safety
    ///
    /// Nobody uses it any more.
    pub unsafe fn ExDeleteLookasideListEx(list: *mut GENERAL_LOOKASIDE_POOL) {
        // SAFETY: the caller's promise.
        unsafe { delete(list) };
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Frees the entries that a list holds.
    ///
    /// Source: ExFlushLookasideListEx.
    ///
    /// # Safety
    ///
    /// It is an initialized list.
    pub unsafe fn ExFlushLookasideListEx(list: *mut GENERAL_LOOKASIDE_POOL) {
        // SAFETY: the caller's promise.
        unsafe { flush(list) };
    }
}
