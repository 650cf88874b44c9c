//! Security descriptors in pointers. What they point to stays the caller's.
//!
//! Sources: the pages of the routines below; SECURITY_DESCRIPTOR.

use core::{ffi::c_void, ptr::null_mut};

use nthost_nt::{
    se::{
        ACL, SE_DACL_DEFAULTED, SE_DACL_PRESENT, SE_GROUP_DEFAULTED, SE_OWNER_DEFAULTED,
        SE_SACL_DEFAULTED, SE_SACL_PRESENT, SE_SELF_RELATIVE, SECURITY_DESCRIPTOR,
        SECURITY_DESCRIPTOR_RELATIVE, SECURITY_DESCRIPTOR_REVISION,
    },
    status::{
        NTSTATUS, STATUS_INVALID_ACL, STATUS_INVALID_SECURITY_DESCR, STATUS_INVALID_SID,
        STATUS_SUCCESS, STATUS_UNKNOWN_REVISION,
    },
};

use super::{
    acl,
    relative::{self, Parts},
    sid,
};

/// A descriptor in either format.
type Descriptor = *mut SECURITY_DESCRIPTOR;

/// Where a descriptor's parts are; null for none.
#[derive(Clone, Copy, Debug)]
struct Pointers {
    control: u16,
    owner: *mut c_void,
    group: *mut c_void,
    sacl: *mut ACL,
    dacl: *mut ACL,
}

/// What a descriptor of either format points to; `None` for an unknown revision.
///
/// # Safety
///
/// It is a descriptor.
unsafe fn pointers(descriptor: *const SECURITY_DESCRIPTOR) -> Option<Pointers> {
    // SAFETY: the caller's promise; both formats begin alike.
    let head = unsafe { descriptor.cast::<[u8; 4]>().read() };
    if u32::from(head[0]) != SECURITY_DESCRIPTOR_REVISION {
        return None;
    }
    let control = u16::from_le_bytes([head[2], head[3]]);
    let mut found = if control & SE_SELF_RELATIVE == 0 {
        // SAFETY: the caller's promise: it is in pointers.
        let absolute = unsafe { descriptor.read_unaligned() };
        Pointers {
            control,
            owner: absolute.Owner,
            group: absolute.Group,
            sacl: absolute.Sacl,
            dacl: absolute.Dacl,
        }
    } else {
        // SAFETY: the caller's promise: it is in one piece.
        let whole = unsafe {
            descriptor
                .cast::<SECURITY_DESCRIPTOR_RELATIVE>()
                .read_unaligned()
        };
        let at = |offset: u32| {
            if offset == 0 {
                null_mut()
            } else {
                let begin = descriptor.cast_mut().cast::<u8>();
                begin.wrapping_add(offset as usize).cast::<c_void>()
            }
        };
        Pointers {
            control,
            owner: at(whole.Owner),
            group: at(whole.Group),
            sacl: at(whole.Sacl).cast(),
            dacl: at(whole.Dacl).cast(),
        }
    };
    if control & SE_SACL_PRESENT == 0 {
        found.sacl = null_mut();
    }
    if control & SE_DACL_PRESENT == 0 {
        found.dacl = null_mut();
    }
    Some(found)
}

/// The parts of a descriptor of either format.
///
/// # Errors
///
/// `STATUS_UNKNOWN_REVISION`, or `STATUS_INVALID_SID` or `STATUS_INVALID_ACL` if one of them is not
/// valid.
///
/// # Safety
///
/// It is a descriptor, and so are its parts what they should be, as long as they are used.
pub unsafe fn parts<'a>(descriptor: *const SECURITY_DESCRIPTOR) -> Result<Parts<'a>, NTSTATUS> {
    // SAFETY: the caller's promise.
    let at = unsafe { pointers(descriptor) }.ok_or(STATUS_UNKNOWN_REVISION)?;
    // A part that is there must be valid.
    let there = |null: bool, part: Option<&'a [u8]>, fault| {
        if null || part.is_some() {
            Ok(part)
        } else {
            Err(fault)
        }
    };
    // SAFETY: the caller's promise.
    let owner = unsafe { sid::bytes(at.owner.cast()) };
    // SAFETY: the caller's promise.
    let group = unsafe { sid::bytes(at.group.cast()) };
    // SAFETY: the caller's promise.
    let sacl = unsafe { acl::valid(at.sacl) };
    // SAFETY: the caller's promise.
    let dacl = unsafe { acl::valid(at.dacl) };
    Ok(Parts {
        control: at.control,
        owner: there(at.owner.is_null(), owner, STATUS_INVALID_SID)?,
        group: there(at.group.is_null(), group, STATUS_INVALID_SID)?,
        sacl: there(at.sacl.is_null(), sacl, STATUS_INVALID_ACL)?,
        dacl: there(at.dacl.is_null(), dacl, STATUS_INVALID_ACL)?,
    })
}

/// A descriptor in pointers, to be changed.
///
/// # Safety
///
/// It is a descriptor that nobody else uses meanwhile.
unsafe fn absolute<'a>(descriptor: Descriptor) -> Result<&'a mut SECURITY_DESCRIPTOR, NTSTATUS> {
    // SAFETY: the caller's promise; both formats begin alike.
    let head = unsafe { descriptor.cast::<[u8; 4]>().read() };
    if u32::from(head[0]) != SECURITY_DESCRIPTOR_REVISION {
        return Err(STATUS_UNKNOWN_REVISION);
    }
    if u16::from_le_bytes([head[2], head[3]]) & SE_SELF_RELATIVE != 0 {
        return Err(STATUS_INVALID_SECURITY_DESCR);
    }
    // SAFETY: the caller's promise.
    Ok(unsafe { &mut *descriptor })
}

const fn set(control: &mut u16, bit: u16, value: bool) {
    if value {
        *control |= bit;
    } else {
        *control &= !bit;
    }
}

/// Gives a list, if there is one: whether, where, and whether by default.
///
/// # Safety
///
/// The results can be written.
unsafe fn give_list(
    control: u16,
    (present, defaulted): (u16, u16),
    list: *mut ACL,
    is_present: *mut u8,
    to: *mut *mut ACL,
    is_defaulted: *mut u8,
) {
    // SAFETY: the caller's promise.
    unsafe { is_present.write((control & present != 0).into()) };
    if control & present != 0 {
        // SAFETY: the caller's promise.
        unsafe { to.write(list) };
        // SAFETY: the caller's promise.
        unsafe { is_defaulted.write((control & defaulted != 0).into()) };
    }
}

/// Gives an identifier, and if there is one, whether by default.
///
/// # Safety
///
/// The results can be written.
unsafe fn give_sid(
    control: u16,
    defaulted: u16,
    sid: *mut c_void,
    to: *mut *mut c_void,
    is_defaulted: *mut u8,
) {
    // SAFETY: the caller's promise.
    unsafe { to.write(sid) };
    if !sid.is_null() {
        // SAFETY: the caller's promise.
        unsafe { is_defaulted.write((control & defaulted != 0).into()) };
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Makes a descriptor in pointers, which says nothing; `STATUS_UNKNOWN_REVISION`.
    ///
    /// Source: RtlCreateSecurityDescriptor.
    ///
    /// # Safety
    ///
    /// It is memory for one.
    pub unsafe fn RtlCreateSecurityDescriptor(
        descriptor: *mut SECURITY_DESCRIPTOR,
        revision: u32,
    ) -> NTSTATUS {
        if revision != SECURITY_DESCRIPTOR_REVISION {
            return STATUS_UNKNOWN_REVISION;
        }
        let value = SECURITY_DESCRIPTOR {
            Revision: revision as u8,
            Sbz1: 0,
            Control: 0,
            Owner: null_mut(),
            Group: null_mut(),
            Sacl: null_mut(),
            Dacl: null_mut(),
        };
        // SAFETY: the caller's promise.
        unsafe { descriptor.write(value) };
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Bytes that the descriptor and its parts take.
    ///
    /// Source: RtlLengthSecurityDescriptor.
    ///
    /// # Safety
    ///
    /// It is valid.
    pub unsafe fn RtlLengthSecurityDescriptor(descriptor: *const SECURITY_DESCRIPTOR) -> u32 {
        // SAFETY: the caller's promise.
        let parts = unsafe { parts(descriptor) }.unwrap_or_default();
        let head = if parts.control & SE_SELF_RELATIVE == 0 {
            size_of::<SECURITY_DESCRIPTOR>()
        } else {
            relative::HEAD
        };
        (head + parts.length()) as u32
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Whether a descriptor and its parts are valid.
    ///
    /// Source: RtlValidSecurityDescriptor.
    ///
    /// # Safety
    ///
    /// It points to memory, and so do its parts.
    pub unsafe fn RtlValidSecurityDescriptor(descriptor: *const SECURITY_DESCRIPTOR) -> u8 {
        // SAFETY: the caller's promise.
        unsafe { parts(descriptor) }.is_ok().into()
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Has a descriptor in pointers point to a discretionary list, or to none.
    /// `STATUS_UNKNOWN_REVISION`; `STATUS_INVALID_SECURITY_DESCR` if it is in one piece.
    ///
    /// Source: RtlSetDaclSecurityDescriptor.
    ///
    /// # Safety
    ///
    /// It is a descriptor; the list stays as long as it is used.
    pub unsafe fn RtlSetDaclSecurityDescriptor(
        descriptor: *mut SECURITY_DESCRIPTOR,
        present: u8,
        dacl: *mut ACL,
        defaulted: u8,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let descriptor = match unsafe { absolute(descriptor) } {
            Ok(descriptor) => descriptor,
            Err(status) => return status,
        };
        set(&mut descriptor.Control, SE_DACL_PRESENT, present != 0);
        if present != 0 {
            set(&mut descriptor.Control, SE_DACL_DEFAULTED, defaulted != 0);
            descriptor.Dacl = dacl;
        }
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Has a descriptor in pointers point to an owner, or to none; statuses as above.
    ///
    /// Source: RtlSetOwnerSecurityDescriptor.
    ///
    /// # Safety
    ///
    /// It is a descriptor; the owner stays as long as it is used.
    pub unsafe fn RtlSetOwnerSecurityDescriptor(
        descriptor: *mut SECURITY_DESCRIPTOR,
        owner: *mut c_void,
        defaulted: u8,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let descriptor = match unsafe { absolute(descriptor) } {
            Ok(descriptor) => descriptor,
            Err(status) => return status,
        };
        descriptor.Owner = owner;
        set(&mut descriptor.Control, SE_OWNER_DEFAULTED, defaulted != 0);
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Has a descriptor in pointers point to a primary group, or to none; statuses as above.
    ///
    /// Source: RtlSetGroupSecurityDescriptor.
    ///
    /// # Safety
    ///
    /// It is a descriptor; the group stays as long as it is used.
    pub unsafe fn RtlSetGroupSecurityDescriptor(
        descriptor: *mut SECURITY_DESCRIPTOR,
        group: *mut c_void,
        defaulted: u8,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let descriptor = match unsafe { absolute(descriptor) } {
            Ok(descriptor) => descriptor,
            Err(status) => return status,
        };
        descriptor.Group = group;
        set(&mut descriptor.Control, SE_GROUP_DEFAULTED, defaulted != 0);
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Where the discretionary list is, if there is one; `STATUS_UNKNOWN_REVISION`.
    ///
    /// Source: RtlGetDaclSecurityDescriptor.
    ///
    /// # Safety
    ///
    /// It is a descriptor; the results can be written.
    pub unsafe fn RtlGetDaclSecurityDescriptor(
        descriptor: *const SECURITY_DESCRIPTOR,
        present: *mut u8,
        dacl: *mut *mut ACL,
        defaulted: *mut u8,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let Some(at) = (unsafe { pointers(descriptor) }) else {
            return STATUS_UNKNOWN_REVISION;
        };
        let bits = (SE_DACL_PRESENT, SE_DACL_DEFAULTED);
        // SAFETY: the caller's promise.
        unsafe { give_list(at.control, bits, at.dacl, present, dacl, defaulted) };
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Where the system list is, if there is one; `STATUS_UNKNOWN_REVISION`.
    ///
    /// Source: RtlGetSaclSecurityDescriptor.
    ///
    /// # Safety
    ///
    /// It is a descriptor; the results can be written.
    pub unsafe fn RtlGetSaclSecurityDescriptor(
        descriptor: *const SECURITY_DESCRIPTOR,
        present: *mut u8,
        sacl: *mut *mut ACL,
        defaulted: *mut u8,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let Some(at) = (unsafe { pointers(descriptor) }) else {
            return STATUS_UNKNOWN_REVISION;
        };
        let bits = (SE_SACL_PRESENT, SE_SACL_DEFAULTED);
        // SAFETY: the caller's promise.
        unsafe { give_list(at.control, bits, at.sacl, present, sacl, defaulted) };
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Where the owner is, or null; `STATUS_UNKNOWN_REVISION`.
    ///
    /// Source: RtlGetOwnerSecurityDescriptor.
    ///
    /// # Safety
    ///
    /// It is a descriptor; the results can be written.
    pub unsafe fn RtlGetOwnerSecurityDescriptor(
        descriptor: *const SECURITY_DESCRIPTOR,
        owner: *mut *mut c_void,
        defaulted: *mut u8,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let Some(at) = (unsafe { pointers(descriptor) }) else {
            return STATUS_UNKNOWN_REVISION;
        };
        // SAFETY: the caller's promise.
        unsafe { give_sid(at.control, SE_OWNER_DEFAULTED, at.owner, owner, defaulted) };
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Where the primary group is, or null; `STATUS_UNKNOWN_REVISION`.
    ///
    /// Source: RtlGetGroupSecurityDescriptor.
    ///
    /// # Safety
    ///
    /// It is a descriptor; the results can be written.
    pub unsafe fn RtlGetGroupSecurityDescriptor(
        descriptor: *const SECURITY_DESCRIPTOR,
        group: *mut *mut c_void,
        defaulted: *mut u8,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let Some(at) = (unsafe { pointers(descriptor) }) else {
            return STATUS_UNKNOWN_REVISION;
        };
        // SAFETY: the caller's promise.
        unsafe { give_sid(at.control, SE_GROUP_DEFAULTED, at.group, group, defaulted) };
        STATUS_SUCCESS
    }
}

#[cfg(test)]
mod tests;
