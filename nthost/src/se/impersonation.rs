//! Threads that act for a client instead of their process, for a while.
//!
//! Sources: SeCreateClientSecurity, SeImpersonateClientEx, PsRevertToSelf,
//! PsReferenceImpersonationToken, PsDereferenceImpersonationToken. The client's own token is what is
//! impersonated: tokens do not change here, so that no copy is made.

use alloc::collections::BTreeMap;
use core::{ffi::c_void, ptr::null_mut};

use nthost_nt::status::{NTSTATUS, STATUS_BAD_IMPERSONATION_LEVEL, STATUS_SUCCESS};

use super::{
    identity::Identity,
    information::authentication_id,
    token::{self, PsReferencePrimaryToken},
};
use crate::{
    ke::{lock::SpinLock, process, thread},
    ob::object,
};

/// `SecurityImpersonation`: at this level, a server may act for its client.
const IMPERSONATION: i32 = 2;
/// `SecurityDelegation`, the highest.
const DELEGATION: i32 = 3;

/// `SECURITY_QUALITY_OF_SERVICE`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct QualityOfService {
    length: u32,
    level: i32,
    tracking: u8,
    effective_only: u8,
}

/// `TOKEN_CONTROL`: what a token is known by.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct TokenControl {
    token: [u32; 2],
    authentication: [u32; 2],
    modified: [u32; 2],
    source_name: [u8; 8],
    source: [u32; 2],
}

/// `SECURITY_CLIENT_CONTEXT`.
#[derive(Debug)]
#[repr(C)]
pub struct ClientContext {
    quality: QualityOfService,
    token: *mut c_void,
    direct: u8,
    direct_effective_only: u8,
    remote: u8,
    control: TokenControl,
}

/// Whom threads act for, and how far, by their addresses. A leaf.
static CLIENTS: SpinLock<BTreeMap<usize, (Identity, i32)>> = SpinLock::new(BTreeMap::new());

/// Whom a thread acts for, and how far, if it is not its process.
#[must_use]
pub fn of_thread(thread: *mut c_void) -> Option<(Identity, i32)> {
    CLIENTS.lock().get(&thread.addr()).copied()
}

/// Whom the thread that runs acts for, and how far, if it is not its process.
#[must_use]
pub fn current() -> Option<(Identity, i32)> {
    of_thread(thread::current().cast())
}

/// The thread that runs acts for its process again. At the end of it, too.
pub fn end() {
    CLIENTS.lock().remove(&thread::current().addr());
}

const fn luid(value: u64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Keeps whom a thread acts for, so that another can act for the same.
    /// STATUS_BAD_IMPERSONATION_LEVEL if the client does not let itself be impersonated.
    ///
    /// Source: SeCreateClientSecurity.
    ///
    /// # Safety
    ///
    /// It is a thread; the quality of service can be read, the context written.
    pub unsafe fn SeCreateClientSecurity(
        client: *mut c_void,
        quality: *const QualityOfService,
        remote: u8,
        context: *mut ClientContext,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let quality = unsafe { quality.read() };
        if !(0..=DELEGATION).contains(&quality.level) {
            return STATUS_BAD_IMPERSONATION_LEVEL;
        }
        let token = match of_thread(client) {
            Some((_, level)) if level < IMPERSONATION => return STATUS_BAD_IMPERSONATION_LEVEL,
            Some((who, _)) => {
                let token = token::of(who);
                object::reference(token);
                token
            }
            None => {
                // SAFETY: the caller's promise.
                let process = unsafe { process::of_thread(client.cast()) };
                // SAFETY: a process outlives its threads.
                unsafe { PsReferencePrimaryToken(process) }
            }
        };
        let session = luid(token::identity(token).map_or(0, authentication_id));
        let value = ClientContext {
            quality,
            token,
            direct: 0,
            direct_effective_only: quality.effective_only,
            remote,
            control: TokenControl {
                token: session,
                authentication: session,
                modified: session,
                source_name: *b"nthost  ",
                source: [0, 0],
            },
        };
        // SAFETY: the caller's promise.
        unsafe { context.write(value) };
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Has a thread, or the one that runs, act for a client. STATUS_BAD_IMPERSONATION_LEVEL if the
    /// client lets itself be identified at the most.
    ///
    /// Source: SeImpersonateClientEx.
    ///
    /// # Safety
    ///
    /// The context is one of SeCreateClientSecurity; the thread is null or one.
    pub unsafe fn SeImpersonateClientEx(
        context: *const ClientContext,
        server: *mut c_void,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let context = unsafe { &*context };
        let Some(who) = token::identity(context.token) else {
            return STATUS_BAD_IMPERSONATION_LEVEL;
        };
        if context.quality.level < IMPERSONATION {
            return STATUS_BAD_IMPERSONATION_LEVEL;
        }
        let server = if server.is_null() { thread::current().cast() } else { server };
        CLIENTS.lock().insert(server.addr(), (who, context.quality.level));
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// The thread that runs acts for its process again.
    ///
    /// Source: PsRevertToSelf.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn PsRevertToSelf() {
        end();
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// The token that a thread impersonates with, with a reference, and how far; NULL without one.
    ///
    /// Source: PsReferenceImpersonationToken.
    ///
    /// # Safety
    ///
    /// It is a thread; the results can be written.
    pub unsafe fn PsReferenceImpersonationToken(
        client: *mut c_void,
        copy_on_open: *mut u8,
        effective_only: *mut u8,
        level: *mut i32,
    ) -> *mut c_void {
        let Some((who, found)) = of_thread(client) else { return null_mut() };
        // SAFETY: the caller's promise.
        unsafe { copy_on_open.write(0) };
        // SAFETY: the caller's promise.
        unsafe { effective_only.write(0) };
        // SAFETY: the caller's promise.
        unsafe { level.write(found) };
        let token = token::of(who);
        object::reference(token);
        token
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Gives a reference to such a token back.
    ///
    /// Source: PsDereferenceImpersonationToken.
    ///
    /// # Safety
    ///
    /// The caller has one, or it is null.
    pub unsafe fn PsDereferenceImpersonationToken(token: *mut c_void) {
        if !token.is_null() {
            object::dereference(token);
        }
    }
}
