//! Tokens asked and opened.
//!
//! Sources: SeQueryInformationToken, ZwQueryInformationToken, SeQueryAuthenticationIdToken,
//! SeTokenType, SeTokenIsRestricted, ZwOpenProcessTokenEx, ZwOpenThreadTokenEx. No token is
//! restricted here.

use core::ffi::c_void;

use nthost_nt::status::{
    NTSTATUS, STATUS_BUFFER_TOO_SMALL, STATUS_INVALID_PARAMETER, STATUS_NO_MEMORY, STATUS_NO_TOKEN,
    STATUS_SUCCESS,
};

use super::{
    impersonation,
    information::{PRIMARY, authentication_id, of_token, value_of_token},
    token,
};
use crate::{
    export,
    mm::pool::{self, flags},
    ob::{
        attributes,
        object::{self, Kind},
        process, reference_handle,
    },
};

/// The tag of what is told of tokens.
const TAG: u32 = u32::from_le_bytes(*b"SeTk");
/// `NtCurrentThread()`.
const CURRENT_THREAD: u64 = u64::MAX - 1;

/// A token's information in pool, or in the caller's variable.
///
/// # Safety
///
/// `to` can be written.
unsafe fn tell(
    token: *const c_void,
    asked: i32,
    to: *mut u64,
    caller: u64,
) -> Result<(), NTSTATUS> {
    let who = token::identity(token).ok_or(STATUS_INVALID_PARAMETER)?;
    if let Some(value) = value_of_token(who, asked) {
        // SAFETY: the caller's promise.
        unsafe { to.cast::<u32>().write(value) };
        return Ok(());
    }
    let size = of_token(who, asked, 0)?.len() as u64;
    let place = pool::allocate_for("SeQueryInformationToken", flags::PAGED, size, TAG, caller);
    let place = place.ok_or(STATUS_NO_MEMORY)?;
    let bytes = of_token(who, asked, place)?;
    let buffer = core::ptr::with_exposed_provenance_mut::<u8>(place as usize);
    // SAFETY: just allocated, and so long.
    unsafe { buffer.copy_from(bytes.as_ptr(), bytes.len()) };
    // SAFETY: the caller's promise.
    unsafe { to.write(place) };
    Ok(())
}

/// A handle to a process's token.
fn open(process: u64, access: u32, flags: u32) -> Result<u64, NTSTATUS> {
    let process = process::reference(process)?;
    // SAFETY: a process, which the reference keeps.
    let token = unsafe { token::PsReferencePrimaryToken(process) };
    object::dereference(process);
    Ok(attributes::table(flags).insert(token, access))
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Tells of a token, in paged pool that ExFreePool frees; the session and the integrity level in
    /// the variable itself. STATUS_INVALID_INFO_CLASS.
    ///
    /// Source: SeQueryInformationToken.
    ///
    /// # Safety
    ///
    /// It is a token; `information` can be written.
    pub unsafe fn SeQueryInformationToken(
        token: *const c_void,
        class: i32,
        information: *mut u64,
    ) -> NTSTATUS {
        let caller = export::caller();
        // SAFETY: the caller's promise.
        match unsafe { tell(token, class, information, caller) } {
            Ok(()) => STATUS_SUCCESS,
            Err(status) => status,
        }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Tells of the token that a handle stands for, and how many bytes that takes.
    /// STATUS_BUFFER_TOO_SMALL, STATUS_INVALID_INFO_CLASS.
    ///
    /// Source: ZwQueryInformationToken.
    ///
    /// # Safety
    ///
    /// There are so many bytes; `needed` can be written.
    pub unsafe fn ZwQueryInformationToken(
        handle: u64,
        class: i32,
        information: *mut u8,
        length: u32,
        needed: *mut u32,
    ) -> NTSTATUS {
        let entry = match reference_handle(handle, Some(Kind::Token), 0, 0) {
            Ok(entry) => entry,
            Err(status) => return status,
        };
        let who = token::identity(entry.object);
        object::dereference(entry.object);
        let told = who.ok_or(STATUS_INVALID_PARAMETER);
        match told.and_then(|who| of_token(who, class, information as u64)) {
            Ok(bytes) => {
                // SAFETY: the caller's promise.
                unsafe { needed.write(bytes.len() as u32) };
                if bytes.len() > length as usize {
                    return STATUS_BUFFER_TOO_SMALL;
                }
                // SAFETY: there is room.
                unsafe { information.copy_from(bytes.as_ptr(), bytes.len()) };
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// The logon session of a token: a LUID.
    ///
    /// Source: SeQueryAuthenticationIdToken.
    ///
    /// # Safety
    ///
    /// It is a token; `id` can be written.
    pub unsafe fn SeQueryAuthenticationIdToken(token: *const c_void, id: *mut u64) -> NTSTATUS {
        let Some(who) = token::identity(token) else { return STATUS_INVALID_PARAMETER };
        // SAFETY: the caller's promise.
        unsafe { id.write_unaligned(authentication_id(who)) };
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Whether a token is a primary one or one to impersonate with: all here are primary ones.
    ///
    /// Source: SeTokenType.
    ///
    /// # Safety
    ///
    /// It is a token.
    pub unsafe fn SeTokenType(_token: *const c_void) -> i32 {
        PRIMARY as i32
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Whether a token has identifiers that restrict it: none here has.
    ///
    /// Source: SeTokenIsRestricted.
    ///
    /// # Safety
    ///
    /// It is a token.
    pub unsafe fn SeTokenIsRestricted(_token: *const c_void) -> u8 {
        0
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Opens a process's token.
    ///
    /// Source: ZwOpenProcessTokenEx.
    ///
    /// # Safety
    ///
    /// `handle` can be written.
    pub unsafe fn ZwOpenProcessTokenEx(
        process: u64,
        access: u32,
        flags: u32,
        handle: *mut u64,
    ) -> NTSTATUS {
        match open(process, access, flags) {
            Ok(opened) => {
                // SAFETY: the caller's promise.
                unsafe { handle.write(opened) };
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Opens the token that a thread impersonates with. STATUS_NO_TOKEN if it does not,
    /// STATUS_INVALID_HANDLE for what is no thread.
    ///
    /// Source: ZwOpenThreadTokenEx.
    ///
    /// # Safety
    ///
    /// `handle` can be written.
    pub unsafe fn ZwOpenThreadTokenEx(
        thread: u64,
        access: u32,
        _as_self: u8,
        flags: u32,
        handle: *mut u64,
    ) -> NTSTATUS {
        let client = if thread == CURRENT_THREAD {
            impersonation::current()
        } else {
            match reference_handle(thread, Some(Kind::Thread), 0, 0) {
                Ok(entry) => {
                    let client = impersonation::of_thread(entry.object);
                    object::dereference(entry.object);
                    client
                }
                Err(status) => return status,
            }
        };
        let Some((who, _)) = client else { return STATUS_NO_TOKEN };
        let token = token::of(who);
        object::reference(token);
        let opened = attributes::table(flags).insert(token, access);
        // SAFETY: the caller's promise.
        unsafe { handle.write(opened) };
        STATUS_SUCCESS
    }
}
