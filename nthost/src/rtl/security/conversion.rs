//! Security descriptors in pointers turned into those in one piece, and back.
//!
//! Sources: RtlAbsoluteToSelfRelativeSD, RtlSelfRelativeToAbsoluteSD.

use core::{ffi::c_void, ptr::null_mut};

use nthost_nt::{
    se::{ACL, SE_SELF_RELATIVE, SECURITY_DESCRIPTOR, SECURITY_DESCRIPTOR_REVISION},
    status::{NTSTATUS, STATUS_BAD_DESCRIPTOR_FORMAT, STATUS_BUFFER_TOO_SMALL, STATUS_SUCCESS},
};

use super::{descriptor::parts, relative};

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Writes a descriptor in pointers as one in one piece. `STATUS_BAD_DESCRIPTOR_FORMAT` if it
    /// is so already; `STATUS_BUFFER_TOO_SMALL`, and how long it must be.
    ///
    /// Source: RtlAbsoluteToSelfRelativeSD.
    ///
    /// # Safety
    ///
    /// It is a descriptor; there are as many bytes as the length says.
    pub unsafe fn RtlAbsoluteToSelfRelativeSD(
        descriptor: *const SECURITY_DESCRIPTOR,
        to: *mut u8,
        length: *mut u32,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let parts = match unsafe { parts(descriptor) } {
            Ok(parts) if parts.control & SE_SELF_RELATIVE == 0 => parts,
            _ => return STATUS_BAD_DESCRIPTOR_FORMAT,
        };
        let needed = relative::HEAD + parts.length();
        // SAFETY: the caller's promise.
        let room = unsafe { length.replace(needed as u32) };
        if needed > room as usize {
            return STATUS_BUFFER_TOO_SMALL;
        }
        // SAFETY: the caller's promise.
        parts.write(unsafe { core::slice::from_raw_parts_mut(to, needed) });
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Writes a descriptor in one piece as one in pointers, each of its parts to a place of its
    /// own. `STATUS_BAD_DESCRIPTOR_FORMAT` if it is not in one piece; `STATUS_BUFFER_TOO_SMALL`,
    /// and how long each must be.
    ///
    /// Source: RtlSelfRelativeToAbsoluteSD.
    ///
    /// # Safety
    ///
    /// It is a descriptor; there are as many bytes as each length says.
    pub unsafe fn RtlSelfRelativeToAbsoluteSD(
        from: *const SECURITY_DESCRIPTOR,
        to: *mut SECURITY_DESCRIPTOR,
        size: *mut u32,
        dacl: *mut ACL,
        dacl_size: *mut u32,
        sacl: *mut ACL,
        sacl_size: *mut u32,
        owner: *mut c_void,
        owner_size: *mut u32,
        group: *mut c_void,
        group_size: *mut u32,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let parts = match unsafe { parts(from) } {
            Ok(parts) if parts.control & SE_SELF_RELATIVE != 0 => parts,
            _ => return STATUS_BAD_DESCRIPTOR_FORMAT,
        };
        let pieces = [
            (parts.dacl, dacl.cast::<u8>(), dacl_size),
            (parts.sacl, sacl.cast(), sacl_size),
            (parts.owner, owner.cast(), owner_size),
            (parts.group, group.cast(), group_size),
        ];
        let whole = size_of::<SECURITY_DESCRIPTOR>() as u32;
        // SAFETY: the caller's promise.
        let mut fits = unsafe { size.replace(whole) } >= whole;
        for (part, _, room) in &pieces {
            let needed = part.map_or(0, <[u8]>::len) as u32;
            // SAFETY: the caller's promise.
            fits &= unsafe { room.replace(needed) } >= needed;
        }
        if !fits {
            return STATUS_BUFFER_TOO_SMALL;
        }
        let place = |(part, place, _): &(Option<&[u8]>, *mut u8, *mut u32)| {
            let Some(part) = part else {
                return null_mut();
            };
            // SAFETY: there is room for it.
            unsafe { place.copy_from(part.as_ptr(), part.len()) };
            *place
        };
        let value = SECURITY_DESCRIPTOR {
            Revision: SECURITY_DESCRIPTOR_REVISION as u8,
            Sbz1: 0,
            Control: parts.control & !SE_SELF_RELATIVE,
            Dacl: place(&pieces[0]).cast(),
            Sacl: place(&pieces[1]).cast(),
            Owner: place(&pieces[2]).cast(),
            Group: place(&pieces[3]).cast(),
        };
        // SAFETY: the caller's promise.
        unsafe { to.write(value) };
        STATUS_SUCCESS
    }
}
