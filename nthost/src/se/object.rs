//! The security descriptors of objects: devices have them, if somebody gave them one.
//!
//! Sources: ObGetObjectSecurity, ObReleaseObjectSecurity, ZwSetSecurityObject,
//! ZwQuerySecurityObject. A file that was opened by its device's name alone has the device's.

use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};
use core::ffi::c_void;

use nthost_nt::{
    io::file::FILE_OBJECT,
    se::{
        DACL_SECURITY_INFORMATION, GROUP_SECURITY_INFORMATION, OWNER_SECURITY_INFORMATION,
        SACL_SECURITY_INFORMATION, SE_DACL_DEFAULTED, SE_DACL_PRESENT, SE_GROUP_DEFAULTED,
        SE_OWNER_DEFAULTED, SE_SACL_DEFAULTED, SE_SACL_PRESENT, SECURITY_DESCRIPTOR,
    },
    status::{
        NTSTATUS, STATUS_ACCESS_VIOLATION, STATUS_BUFFER_TOO_SMALL, STATUS_INSUFFICIENT_RESOURCES,
        STATUS_INVALID_OWNER, STATUS_OBJECT_TYPE_MISMATCH, STATUS_SUCCESS,
    },
};

use crate::{
    export,
    ke::lock::SpinLock,
    mm::pool::{self, flags},
    ob::{
        object::{self, Kind},
        reference_handle,
    },
    rtl::security::{
        descriptor,
        relative::{self, Parts},
    },
};

/// The tag of copies for drivers.
const TAG: u32 = u32::from_le_bytes(*b"SeSd");

/// The descriptors of objects that have one, in one piece. A leaf.
static DESCRIPTORS: SpinLock<BTreeMap<usize, Arc<[u8]>>> = SpinLock::new(BTreeMap::new());

/// Gives an object its descriptor, in place of the one before.
pub fn set(object: *mut c_void, descriptor: Arc<[u8]>) {
    let before = DESCRIPTORS.lock().insert(object.addr(), descriptor);
    drop(before);
}

/// Replaces an object's descriptor by one that is made of it. IRQL up to DISPATCH_LEVEL.
fn change(object: *mut c_void, with: impl FnOnce(&Parts<'_>) -> Vec<u8>) {
    let mut all = DESCRIPTORS.lock();
    let old = all.get(&object.addr());
    let old = old
        .and_then(|bytes| relative::parts(bytes))
        .unwrap_or_default();
    let new = with(&old).into();
    let before = all.insert(object.addr(), new);
    drop(all);
    drop(before);
}

/// The object is gone.
pub fn forget(object: usize) {
    let before = DESCRIPTORS.lock().remove(&object);
    drop(before);
}

/// An object's descriptor.
#[must_use]
pub fn get(object: *mut c_void) -> Option<Arc<[u8]>> {
    DESCRIPTORS.lock().get(&object.addr()).cloned()
}

/// A descriptor in one piece.
fn written(parts: &Parts<'_>) -> Vec<u8> {
    let mut bytes = alloc::vec![0; relative::HEAD + parts.length()];
    parts.write(&mut bytes);
    bytes
}

/// The parts that are meant, of one descriptor, and the others of another.
fn merge<'a>(new: &Parts<'a>, old: &Parts<'a>, information: u32) -> Parts<'a> {
    let mut merged = *old;
    let mut take = |what: u32, bits: u16| {
        let taken = information & what != 0;
        if taken {
            merged.control = merged.control & !bits | new.control & bits;
        }
        taken
    };
    let owner = take(OWNER_SECURITY_INFORMATION, SE_OWNER_DEFAULTED);
    let group = take(GROUP_SECURITY_INFORMATION, SE_GROUP_DEFAULTED);
    let sacl = take(
        SACL_SECURITY_INFORMATION,
        SE_SACL_PRESENT | SE_SACL_DEFAULTED,
    );
    let dacl = take(
        DACL_SECURITY_INFORMATION,
        SE_DACL_PRESENT | SE_DACL_DEFAULTED,
    );
    if owner {
        merged.owner = new.owner;
    }
    if group {
        merged.group = new.group;
    }
    if sacl {
        merged.sacl = new.sacl;
    }
    if dacl {
        merged.dacl = new.dacl;
    }
    merged
}

/// The device that a handle leads to, with a reference.
fn device_of(handle: u64) -> Result<*mut c_void, NTSTATUS> {
    let entry = reference_handle(handle, None, 0, 0)?;
    let device = match object::kind(entry.object) {
        Some(Kind::Device) => return Ok(entry.object),
        Some(Kind::File) => {
            // SAFETY: a file object, which the reference keeps alive.
            let file = unsafe { &*entry.object.cast::<FILE_OBJECT>() };
            (file.FileName.Length == 0).then_some(file.DeviceObject)
        }
        _ => None,
    };
    if let Some(device) = device {
        object::reference(device.cast());
    }
    object::dereference(entry.object);
    device.map_or(Err(STATUS_OBJECT_TYPE_MISMATCH), |device| Ok(device.cast()))
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Gives a copy of an object's descriptor; null if it has none.
    ///
    /// Source: ObGetObjectSecurity.
    ///
    /// # Safety
    ///
    /// The object exists; the results can be written.
    pub unsafe fn ObGetObjectSecurity(
        object: *mut c_void,
        descriptor: *mut *mut u8,
        allocated: *mut u8,
    ) -> NTSTATUS {
        let caller = export::caller();
        let (mut copy, mut is_allocated) = (core::ptr::null_mut::<u8>(), 0);
        if let Some(bytes) = get(object) {
            let size = bytes.len() as u64;
            let place = pool::allocate_for("ObGetObjectSecurity", flags::PAGED, size, TAG, caller);
            let Some(place) = place else {
                return STATUS_INSUFFICIENT_RESOURCES;
            };
            copy = core::ptr::with_exposed_provenance_mut(place as usize);
            // SAFETY: it is as long.
            unsafe { copy.copy_from(bytes.as_ptr(), bytes.len()) };
            is_allocated = 1;
        }
        // SAFETY: the caller's promise.
        unsafe { descriptor.write(copy) };
        // SAFETY: the caller's promise.
        unsafe { allocated.write(is_allocated) };
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Gives back what ObGetObjectSecurity gave.
    ///
    /// Source: ObReleaseObjectSecurity.
    ///
    /// # Safety
    ///
    /// It did, with this flag.
    pub unsafe fn ObReleaseObjectSecurity(descriptor: *mut u8, allocated: u8) {
        if allocated != 0 && !descriptor.is_null() {
            pool::free(descriptor as u64, Some(TAG));
        }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: nthost_nt::status::STATUS_INSUFFICIENT_RESOURCES;
    /// Changes a device's descriptor: who may open it from now on, for instance.
    /// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_VIOLATION` for no
    /// descriptor, `STATUS_UNKNOWN_REVISION`, `STATUS_INVALID_SID`, `STATUS_INVALID_ACL` and
    /// `STATUS_INVALID_OWNER` for one that does not do.
    ///
    /// Source: ZwSetSecurityObject.
    ///
    /// # Safety
    ///
    /// Null, or a descriptor.
    pub unsafe fn ZwSetSecurityObject(
        handle: u64,
        information: u32,
        descriptor: *const SECURITY_DESCRIPTOR,
    ) -> NTSTATUS {
        if descriptor.is_null() {
            return STATUS_ACCESS_VIOLATION;
        }
        // SAFETY: the caller's promise.
        let new = match unsafe { descriptor::parts(descriptor) } {
            Ok(new) => new,
            Err(status) => return status,
        };
        if information & OWNER_SECURITY_INFORMATION != 0 && new.owner.is_none() {
            return STATUS_INVALID_OWNER;
        }
        let device = match device_of(handle) {
            Ok(device) => device,
            Err(status) => return status,
        };
        // The caller's memory may be pageable: it is read before the lock is taken.
        let new = written(&new);
        let new = relative::parts(&new).unwrap_or_default();
        change(device, |old| written(&merge(&new, old, information)));
        object::dereference(device);
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Copies parts of a device's descriptor, in one piece. `STATUS_INVALID_HANDLE`,
    /// `STATUS_OBJECT_TYPE_MISMATCH`; `STATUS_BUFFER_TOO_SMALL`, and how long it must be.
    ///
    /// Source: ZwQuerySecurityObject.
    ///
    /// # Safety
    ///
    /// There are as many bytes as said; the length can be written.
    pub unsafe fn ZwQuerySecurityObject(
        handle: u64,
        information: u32,
        to: *mut u8,
        room: u32,
        needed: *mut u32,
    ) -> NTSTATUS {
        let device = match device_of(handle) {
            Ok(device) => device,
            Err(status) => return status,
        };
        let whole = get(device);
        object::dereference(device);
        let whole = whole.as_deref().and_then(relative::parts).unwrap_or_default();
        let bytes = written(&merge(&whole, &Parts::default(), information));
        // SAFETY: the caller's promise.
        unsafe { needed.write(bytes.len() as u32) };
        if bytes.len() > room as usize {
            return STATUS_BUFFER_TOO_SMALL;
        }
        // SAFETY: there is room.
        unsafe { to.copy_from(bytes.as_ptr(), bytes.len()) };
        STATUS_SUCCESS
    }
}
