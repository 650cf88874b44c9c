//! Access tokens: objects that describe whom a process acts for. There is one for each identity,
//! for ever.
//!
//! Sources: PsReferencePrimaryToken, PsDereferencePrimaryToken, SeTokenIsAdmin.

use core::ffi::c_void;

use super::{identity::Identity, impersonation, well_known::ADMINISTRATORS};
use crate::{
    hook,
    ke::process,
    ob::object::{self, Kind},
};

/// A token. Drivers only pass its address on.
#[derive(Debug)]
#[repr(C)]
struct Token {
    identity: Identity,
}

static SYSTEM: Token = Token {
    identity: Identity::System,
};
static ADMINISTRATOR: Token = Token {
    identity: Identity::Administrator,
};
static USER: Token = Token {
    identity: Identity::User,
};

/// Makes the tokens objects, with a reference that nobody gives back.
pub fn initialize() {
    for token in [&SYSTEM, &ADMINISTRATOR, &USER] {
        object::insert(address(token), Kind::Token, |_| ());
    }
}

const fn address(token: &'static Token) -> *mut c_void {
    core::ptr::from_ref(token).cast_mut().cast()
}

/// The token of an identity. No reference is taken.
#[must_use]
pub const fn of(identity: Identity) -> *mut c_void {
    address(match identity {
        Identity::System => &SYSTEM,
        Identity::Administrator => &ADMINISTRATOR,
        Identity::User => &USER,
    })
}

/// Whom a token describes; `None` if it is none.
#[must_use]
pub fn identity(token: *const c_void) -> Option<Identity> {
    [&SYSTEM, &ADMINISTRATOR, &USER]
        .into_iter()
        .find(|known| core::ptr::eq(address(known), token))
        .map(|known| known.identity)
}

/// Whom the thread that runs acts for.
#[must_use]
pub fn current() -> Identity {
    if let Some((who, _)) = impersonation::current() {
        return who;
    }
    of_process()
}

/// Whom the process acts for in whose context the thread runs.
#[must_use]
pub fn of_process() -> Identity {
    acts_for(process::current())
}

/// Whom a process acts for, which the caller keeps.
fn acts_for(process: *mut c_void) -> Identity {
    hook::process_acts_for(process).map_or(Identity::System, Identity::from)
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// A process's token, with a reference for the caller.
    ///
    /// Source: PsReferencePrimaryToken.
    ///
    /// # Safety
    ///
    /// It is a process.
    pub unsafe fn PsReferencePrimaryToken(process: *mut c_void) -> *mut c_void {
        let token = of(acts_for(process));
        object::reference(token);
        token
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Gives a reference to a token back.
    ///
    /// Source: PsDereferencePrimaryToken.
    ///
    /// # Safety
    ///
    /// The caller has one.
    pub unsafe fn PsDereferencePrimaryToken(token: *mut c_void) {
        object::dereference(token);
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Whether a token is an administrator's.
    ///
    /// Source: SeTokenIsAdmin.
    ///
    /// # Safety
    ///
    /// It is a token.
    pub unsafe fn SeTokenIsAdmin(token: *const c_void) -> u8 {
        identity(token).is_some_and(|it| it.is(&ADMINISTRATORS)).into()
    }
}
