//! What a driver is told of an access that is on its way: who wants it, what for, and which
//! privileges have given it.
//!
//! Sources: ns-wdm-_access_state, ns-wdm-_io_security_context, SeAppendPrivileges.

use alloc::boxed::Box;
use core::{mem::offset_of, ptr::null_mut};

use nthost_nt::{
    se::{ACCESS_STATE, LUID_AND_ATTRIBUTES, PRIVILEGE_SET, SECURITY_SUBJECT_CONTEXT},
    status::{NTSTATUS, STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS},
};

use super::subject::{SeCaptureSubjectContext, SeReleaseSubjectContext};
use crate::{
    export,
    mm::pool::{self, flags},
};

/// How many privileges an access state has room for.
const ROOM: usize = 3;
/// The tag of privileges that found no room there.
const TAG: u32 = u32::from_le_bytes(*b"SePr");

/// What an access state points to: the privileges that found no room in it.
#[derive(Debug)]
#[repr(C)]
struct Auxiliary {
    privileges: *mut PRIVILEGE_SET,
}

/// An access state of the kernel's, for as long as a driver is asked.
pub struct AccessState {
    state: ACCESS_STATE,
    auxiliary: Auxiliary,
}

impl AccessState {
    /// That of the thread that runs, or of whom it acts for. PASSIVE_LEVEL.
    #[must_use]
    pub fn new(wanted: u32, granted: u32) -> Box<Self> {
        let nobody = SECURITY_SUBJECT_CONTEXT {
            ClientToken: null_mut(),
            ImpersonationLevel: 0,
            PrimaryToken: null_mut(),
            ProcessAuditId: 0,
        };
        let mut made = Box::new(Self {
            state: ACCESS_STATE {
                OriginalDesiredAccess: wanted,
                PreviouslyGrantedAccess: granted,
                ..ACCESS_STATE::new(nobody)
            },
            auxiliary: Auxiliary {
                privileges: null_mut(),
            },
        });
        made.state.AuxData = (&raw mut made.auxiliary).cast();
        // SAFETY: it is memory for a context.
        unsafe { SeCaptureSubjectContext(&raw mut made.state.SubjectSecurityContext) };
        made
    }

    /// What drivers get.
    pub const fn pointer(&mut self) -> *mut ACCESS_STATE {
        &raw mut self.state
    }
}

impl Drop for AccessState {
    fn drop(&mut self) {
        // SAFETY: it was captured.
        unsafe { SeReleaseSubjectContext(&raw mut self.state.SubjectSecurityContext) };
        if !self.auxiliary.privileges.is_null() {
            pool::free(self.auxiliary.privileges as u64, Some(TAG));
        }
    }
}

/// A set's privileges: how many, and the first.
///
/// # Safety
///
/// It is a set.
unsafe fn privileges(set: *mut PRIVILEGE_SET) -> (usize, *mut LUID_AND_ATTRIBUTES) {
    // SAFETY: the caller's promise.
    let count = unsafe { set.cast::<u32>().read_unaligned() };
    (
        count as usize,
        set.wrapping_byte_add(offset_of!(PRIVILEGE_SET, Privilege))
            .cast(),
    )
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: nthost_nt::status::STATUS_INSUFFICIENT_RESOURCES;
    /// Adds privileges to those of an access state, which has room for three: if there are more, all
    /// are in a set of its own, in paged pool, from then on.
    ///
    /// Source: SeAppendPrivileges.
    ///
    /// # Safety
    ///
    /// The state is one that the system has made; the set is one.
    pub unsafe fn SeAppendPrivileges(
        state: *mut ACCESS_STATE,
        added: *mut PRIVILEGE_SET,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let (more, from) = unsafe { privileges(added) };
        // SAFETY: as above.
        let auxiliary = unsafe { (*state).AuxData }.cast::<Auxiliary>();
        // SAFETY: as above: the system's own.
        let own = unsafe { (*auxiliary).privileges };
        // SAFETY: as above.
        let within = unsafe { &raw mut (*state).Privileges }.cast::<PRIVILEGE_SET>();
        let set = if own.is_null() { within } else { own };
        // SAFETY: a set of the state's.
        let (count, first) = unsafe { privileges(set) };
        let total = count + more;
        let (to, place) = if own.is_null() && total <= ROOM {
            (set, first)
        } else {
            let size = size_of::<PRIVILEGE_SET>() + total.saturating_sub(1) * size_of::<LUID_AND_ATTRIBUTES>();
            let new = pool::allocate(flags::PAGED, size as u64, TAG, export::caller());
            let Some(new) = new else { return STATUS_INSUFFICIENT_RESOURCES };
            let new = core::ptr::with_exposed_provenance_mut::<PRIVILEGE_SET>(new as usize);
            // SAFETY: a set of the state's.
            let control = unsafe { (*set).Control };
            // SAFETY: just allocated.
            unsafe { (*new).Control = control };
            // SAFETY: just allocated.
            let (_, place) = unsafe { privileges(new) };
            // SAFETY: there is room for them.
            unsafe { place.copy_from(first, count) };
            (new, place)
        };
        // SAFETY: there is room for the total.
        let behind = unsafe { place.add(count) };
        // SAFETY: as above, and the caller's promise.
        unsafe { behind.cast::<u8>().copy_from(from.cast(), more * size_of::<LUID_AND_ATTRIBUTES>()) };
        // SAFETY: a set of the state's, or a new one.
        unsafe { (*to).PrivilegeCount = total as u32 };
        if to != set {
            if !own.is_null() {
                pool::free(own as u64, Some(TAG));
            }
            // SAFETY: the system's own.
            unsafe { (*auxiliary).privileges = to };
            // SAFETY: the caller's promise.
            unsafe { (*state).PrivilegesAllocated = 1 };
        }
        STATUS_SUCCESS
    }
}
