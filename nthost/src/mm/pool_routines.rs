//! Pool as drivers allocate and free it.
//!
//! Sources: ExAllocatePool2, ExAllocatePool3, ExAllocatePoolWithTag, ExAllocatePoolWithQuotaTag,
//! ExAllocatePoolWithTagPriority, ExFreePoolWithTag; bug check 0xC4, 0x0 and 0x2000.

use core::ffi::c_void;

use nthost_protocol::manifest::VerifierOption;

use nthost_nt::status::{STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER};

use super::{
    phys,
    pool::{self, Placement, allocate_for, flags, free, from_pool_type, pointer},
};
use crate::{
    export, hook,
    ke::{bugcheck::code, exception, irql},
};

/// `POOL_RAISE_IF_ALLOCATION_FAILURE`.
const RAISE_IF_FAILURE: u32 = 16;
/// `POOL_QUOTA_FAIL_INSTEAD_OF_RAISE`.
const QUOTA_FAIL_INSTEAD_OF_RAISE: u32 = 8;
/// The tag of allocations that were given none.
const NO_TAG: u32 = u32::from_le_bytes(*b"None");

/// `POOL_EXTENDED_PARAMETER`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ExtendedParameter {
    /// The type in the lowest byte, and [`OPTIONAL`].
    kind: u64,
    value: u64,
}

/// The parameter may be ignored.
const OPTIONAL: u64 = 1 << 8;
/// `PoolExtendedParameterPriority`, `PoolExtendedParameterNumaNode`.
const PRIORITY: u64 = 1;
const NODE: u64 = 3;
/// `EX_POOL_PRIORITY`.
const PRIORITIES: [u32; 9] = [0, 8, 9, 16, 24, 25, 32, 40, 41];
/// `MM_ANY_NODE_OK`.
const ANY_NODE: u32 = 0x8000_0000;

/// Whether flags say where, and nothing that is not known, for some bytes with a tag.
const fn is_valid(pool: u64, size: u64, tag: u32) -> bool {
    let unknown = pool & flags::REQUIRED & !flags::KNOWN != 0;
    (pool & flags::KINDS).is_power_of_two() && !unknown && size != 0 && tag != 0
}

/// Says why a driver gets nothing, which it may take for a shortage of memory.
fn tell_invalid(routine: &str, pool: u64, size: u64, tag: u32, caller: u64) {
    let why = match pool & flags::KINDS {
        _ if size == 0 => "no bytes are asked for",
        _ if tag == 0 => "there is no tag",
        0 => "the flags do not say of which kind (these are POOL_FLAG_…, not a POOL_TYPE)",
        kinds if !kinds.is_power_of_two() => "the flags say of several kinds",
        _ => "flags are unknown",
    };
    let (module, offset) = hook::image_of(caller);
    log!(
        "verifier",
        "{routine} gives NULL to {module}+{offset:#x}: {why}, flags {pool:#x}"
    );
}

impl ExtendedParameter {
    /// Does what it says, if that can be.
    fn apply(self, pool: u64, placement: &mut Placement) -> bool {
        let value = self.value as u32;
        match self.kind & 0xff {
            PRIORITY => PRIORITIES.contains(&value),
            NODE => {
                let node = value & !ANY_NODE;
                let known = (node as usize) < phys::node_count();
                if !known || pool & flags::KINDS != flags::NON_PAGED {
                    return false;
                }
                placement.node = u16::try_from(node).ok();
                placement.nowhere_else = value & ANY_NODE == 0;
                true
            }
            _ => false,
        }
    }
}

/// What parameters say; `None` if one that is not optional cannot be followed.
///
/// # Safety
///
/// There are so many.
unsafe fn placement_of(
    parameters: *const ExtendedParameter,
    count: u32,
    pool: u64,
) -> Option<Placement> {
    let mut placement = Placement::default();
    for index in 0..count as usize {
        // SAFETY: the caller's promise.
        let at = unsafe { parameters.add(index) };
        // SAFETY: the caller's promise.
        let parameter = unsafe { at.read() };
        if !parameter.apply(pool, &mut placement) && parameter.kind & OPTIONAL == 0 {
            return None;
        }
    }
    Some(placement)
}

/// Pool that holds no code is nonpaged pool that cannot be run: bug check 0xC4, 0x2000. `kind` is
/// what the driver passed.
fn check_executable(pool: u64, kind: u64, tag: u32, caller: u64) {
    if pool & flags::NON_PAGED_EXECUTE != 0 {
        let parameters = [0x2000, caller, kind, tag.into()];
        let code = code::DRIVER_VERIFIER_DETECTED_VIOLATION;
        hook::violation(VerifierOption::CodeIntegrity, code, parameters);
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Allocates pool, zeroed unless asked otherwise. NULL if memory is short, for flags that
    /// say nothing or too much of where, for no bytes, and for no tag; a raised status instead
    /// with `POOL_FLAG_RAISE_ON_FAILURE`.
    ///
    /// Source: ExAllocatePool2.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn ExAllocatePool2(pool: u64, size: u64, tag: u32) -> *mut c_void {
        let caller = export::caller();
        let valid = is_valid(pool, size, tag);
        if !valid {
            tell_invalid("ExAllocatePool2", pool, size, tag, caller);
        }
        check_executable(pool, pool, tag, caller);
        let address = if valid { allocate_for("ExAllocatePool2", pool, size, tag, caller) } else { None };
        if address.is_none() && pool & flags::RAISE_ON_FAILURE != 0 {
            let status = if valid {
                STATUS_INSUFFICIENT_RESOURCES
            } else {
                STATUS_INVALID_PARAMETER
            };
            exception::raise(status);
        }
        pointer(address)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// As ExAllocatePool2, with parameters: a priority, which changes nothing here, and a node,
    /// for nonpaged pool. Others, secure pool among them, are ignored if they are optional; else
    /// the allocation fails.
    ///
    /// Source: ExAllocatePool3, POOL_EXTENDED_PARAMETER.
    ///
    /// # Safety
    ///
    /// There are so many parameters.
    pub unsafe fn ExAllocatePool3(
        pool: u64, size: u64, tag: u32, parameters: *const ExtendedParameter, count: u32
    ) -> *mut c_void {
        let caller = export::caller();
        // SAFETY: the caller's promise.
        let placement = unsafe { placement_of(parameters, count, pool) };
        let valid = is_valid(pool, size, tag);
        if !valid {
            tell_invalid("ExAllocatePool3", pool, size, tag, caller);
        }
        check_executable(pool, pool, tag, caller);
        let placed = if valid { placement } else { None };
        let struck = || hook::call_fails("ExAllocatePool3", caller);
        let address = placed.filter(|_| !struck()).and_then(|placement| {
            pool::allocate_at(pool, size, tag, caller, placement)
        });
        if address.is_none() && pool & flags::RAISE_ON_FAILURE != 0 {
            let status = if placed.is_some() {
                STATUS_INSUFFICIENT_RESOURCES
            } else {
                STATUS_INVALID_PARAMETER
            };
            exception::raise(status);
        }
        pointer(address)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Allocates pool, not zeroed. NULL if memory is short, or a raised status with
    /// `POOL_RAISE_IF_ALLOCATION_FAILURE`.
    ///
    /// Source: ExAllocatePoolWithTag.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn ExAllocatePoolWithTag(kind: i32, size: u64, tag: u32) -> *mut c_void {
        let kind = kind.cast_unsigned();
        older("ExAllocatePoolWithTag", kind, size, tag, kind & RAISE_IF_FAILURE != 0, export::caller())
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// As ExAllocatePoolWithTag, with the tag of those who have none.
    ///
    /// Source: ExAllocatePool.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn ExAllocatePool(kind: i32, size: u64) -> *mut c_void {
        let kind = kind.cast_unsigned();
        older("ExAllocatePool", kind, size, NO_TAG, kind & RAISE_IF_FAILURE != 0, export::caller())
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Allocates pool, not zeroed, for the current process. There are no quotas in nthost, so it
    /// fails only if memory is short: by a raised status, or with
    /// `POOL_QUOTA_FAIL_INSTEAD_OF_RAISE` by NULL.
    ///
    /// Source: ExAllocatePoolWithQuotaTag.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn ExAllocatePoolWithQuotaTag(
        kind: i32, size: u64, tag: u32
    ) -> *mut c_void {
        let kind = kind.cast_unsigned();
        older("ExAllocatePoolWithQuotaTag", kind, size, tag, kind & QUOTA_FAIL_INSTEAD_OF_RAISE == 0, export::caller())
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// As ExAllocatePoolWithQuotaTag, with the tag of those who have none.
    ///
    /// Source: ExAllocatePoolWithQuota.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn ExAllocatePoolWithQuota(kind: i32, size: u64) -> *mut c_void {
        let kind = kind.cast_unsigned();
        older("ExAllocatePoolWithQuota", kind, size, NO_TAG, kind & QUOTA_FAIL_INSTEAD_OF_RAISE == 0, export::caller())
    }
}

/// The older routines: the verifier finds fault with no bytes at all (bug check 0xC4, 0x0).
fn older(
    routine: &'static str,
    kind: u32,
    size: u64,
    tag: u32,
    raise: bool,
    caller: u64,
) -> *mut c_void {
    if size == 0 {
        hook::misuse([0, u64::from(irql::current()), u64::from(kind), 0]);
    }
    check_executable(from_pool_type(kind), kind.into(), tag, caller);
    let address = allocate_for(routine, from_pool_type(kind), size.max(1), tag, caller);
    if address.is_none() && raise {
        let status = STATUS_INSUFFICIENT_RESOURCES;
        exception::raise(status);
    }
    pointer(address)
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// As ExAllocatePoolWithTag, with a priority, which says what to do when memory is low; it
    /// never raises.
    ///
    /// Source: ExAllocatePoolWithTagPriority.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn ExAllocatePoolWithTagPriority(
        kind: i32,
        size: u64,
        tag: u32,
        _priority: i32,
    ) -> *mut c_void {
        let kind = kind.cast_unsigned();
        let caller = export::caller();
        if size == 0 {
            hook::misuse([0, u64::from(irql::current()), u64::from(kind), 0]);
        }
        check_executable(from_pool_type(kind), kind.into(), tag, caller);
        pointer(allocate_for("ExAllocatePoolWithTagPriority", from_pool_type(kind), size.max(1), tag, caller))
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Frees pool; its tag, unless zero, must be the one that it was allocated with.
    ///
    /// Source: ExFreePoolWithTag.
    ///
    /// # Safety
    ///
    /// The memory is the caller's, and nobody uses it any more.
    pub unsafe fn ExFreePoolWithTag(address: *mut c_void, tag: u32) {
        free(address as u64, Some(tag));
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Frees pool.
    ///
    /// Source: ExFreePool.
    ///
    /// # Safety
    ///
    /// The memory is the caller's, and nobody uses it any more.
    pub unsafe fn ExFreePool(address: *mut c_void) {
        free(address as u64, None);
    }
}
