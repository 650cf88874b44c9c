//! Checks of what the caller may: its context, its privileges, its access.
//!
//! Sources: SeCaptureSubjectContext, SeLockSubjectContext, SeReleaseSubjectContext,
//! SeAccessCheck, SeFreePrivileges, SePrivilegeCheck, SeSinglePrivilegeCheck. Tokens do not
//! change, so that locking them is but the critical region that comes with it.

use core::ptr::null_mut;

use nthost_nt::{
    io::create::MAXIMUM_ALLOWED,
    se::{
        GENERIC_MAPPING, LUID_AND_ATTRIBUTES, PRIVILEGE_SET, PRIVILEGE_SET_ALL_NECESSARY,
        SE_PRIVILEGE_USED_FOR_ACCESS, SECURITY_DESCRIPTOR, SECURITY_SUBJECT_CONTEXT,
    },
    status::{NTSTATUS, STATUS_ACCESS_DENIED, STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS},
};

use super::{
    access::{self, Granted},
    identity::{Identity, SECURITY, TAKE_OWNERSHIP},
    impersonation, token,
};
use crate::{
    export, hook,
    ke::{
        critical_region::{KeEnterCriticalRegion, KeLeaveCriticalRegion},
        process,
    },
    mm::pool::{self, flags},
    ob::object,
    rtl::security::descriptor,
};

/// The tag of sets of privileges.
const TAG: u32 = u32::from_le_bytes(*b"SePr");
/// `KernelMode`.
const KERNEL_MODE: i8 = 0;

/// Whom a context describes.
///
/// # Safety
///
/// It was captured.
unsafe fn subject(context: *const SECURITY_SUBJECT_CONTEXT) -> Identity {
    // SAFETY: the caller's promise.
    let context = unsafe { &*context };
    let own = context.ClientToken;
    let token = if own.is_null() {
        context.PrimaryToken
    } else {
        own
    };
    // A token that nobody knows is nobody's in particular.
    token::identity(token).unwrap_or(Identity::User)
}

/// The privileges that were used, in memory that SeFreePrivileges frees; null for none.
fn used(granted: Granted, caller: u64) -> Result<*mut PRIVILEGE_SET, NTSTATUS> {
    let used = [
        (granted.security, SECURITY),
        (granted.take_ownership, TAKE_OWNERSHIP),
    ];
    let used = used.into_iter().filter(|(used, _)| *used);
    let count = used.clone().count();
    if count == 0 {
        return Ok(null_mut());
    }
    let size = size_of::<PRIVILEGE_SET>() + (count - 1) * size_of::<LUID_AND_ATTRIBUTES>();
    let place = pool::allocate_for("SeAccessCheck", flags::PAGED, size as u64, TAG, caller);
    let place = place.ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
    let set: *mut PRIVILEGE_SET = core::ptr::with_exposed_provenance_mut(place as usize);
    // SAFETY: just allocated.
    unsafe { (*set).PrivilegeCount = count as u32 };
    // SAFETY: as above.
    unsafe { (*set).Control = PRIVILEGE_SET_ALL_NECESSARY };
    // SAFETY: as above.
    let first = unsafe { &raw mut (*set).Privilege }.cast::<LUID_AND_ATTRIBUTES>();
    for (index, (_, privilege)) in used.enumerate() {
        let entry = LUID_AND_ATTRIBUTES {
            Luid: [privilege, 0],
            Attributes: SE_PRIVILEGE_USED_FOR_ACCESS,
        };
        // SAFETY: there is room for the count.
        let place = unsafe { first.add(index) };
        // SAFETY: as above.
        unsafe { place.write(entry) };
    }
    Ok(set)
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Tells whom the thread that runs acts for, with a reference to the token.
    ///
    /// Source: SeCaptureSubjectContext.
    ///
    /// # Safety
    ///
    /// It is memory for a context.
    pub unsafe fn SeCaptureSubjectContext(context: *mut SECURITY_SUBJECT_CONTEXT) {
        let client = impersonation::current();
        let client_token = client.map_or(null_mut(), |(who, _)| {
            let token = token::of(who);
            object::reference(token);
            token
        });
        let token = token::of(token::of_process());
        object::reference(token);
        let value = SECURITY_SUBJECT_CONTEXT {
            ClientToken: client_token,
            ImpersonationLevel: client.map_or(0, |(_, level)| level),
            PrimaryToken: token,
            ProcessAuditId: hook::process_id(process::current()),
        };
        // SAFETY: the caller's promise.
        unsafe { context.write(value) };
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Keeps a context's tokens as they are.
    ///
    /// Source: SeLockSubjectContext.
    ///
    /// # Safety
    ///
    /// It was captured.
    pub unsafe fn SeLockSubjectContext(_context: *const SECURITY_SUBJECT_CONTEXT) {
        // SAFETY: SeUnlockSubjectContext leaves it.
        unsafe { KeEnterCriticalRegion() };
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Lets a context's tokens change again.
    ///
    /// Source: SeUnlockSubjectContext.
    ///
    /// # Safety
    ///
    /// This thread locked it.
    pub unsafe fn SeUnlockSubjectContext(_context: *const SECURITY_SUBJECT_CONTEXT) {
        // SAFETY: the caller's promise: SeLockSubjectContext entered it.
        unsafe { KeLeaveCriticalRegion() };
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Gives the references of a context back.
    ///
    /// Source: SeReleaseSubjectContext.
    ///
    /// # Safety
    ///
    /// It was captured, and not released.
    pub unsafe fn SeReleaseSubjectContext(context: *mut SECURITY_SUBJECT_CONTEXT) {
        // SAFETY: the caller's promise.
        let context = unsafe { &mut *context };
        let primary = core::mem::replace(&mut context.PrimaryToken, null_mut());
        object::dereference(primary);
        let client = core::mem::replace(&mut context.ClientToken, null_mut());
        if !client.is_null() {
            object::dereference(client);
        }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Whether somebody gets access to what a descriptor protects, and if not, why.
    ///
    /// Source: SeAccessCheck.
    ///
    /// # Safety
    ///
    /// The descriptor is null or one; the context was captured; the results can be written.
    pub unsafe fn SeAccessCheck(
        descriptor: *const SECURITY_DESCRIPTOR,
        context: *const SECURITY_SUBJECT_CONTEXT,
        _locked: u8,
        desired: u32,
        before: u32,
        privileges: *mut *mut PRIVILEGE_SET,
        mapping: *const GENERIC_MAPPING,
        mode: i8,
        granted: *mut u32,
        status: *mut NTSTATUS,
    ) -> u8 {
        let caller = export::caller();
        // SAFETY: the caller's promise.
        let mapping = unsafe { mapping.read() };
        if !privileges.is_null() {
            // SAFETY: the caller's promise.
            unsafe { privileges.write(null_mut()) };
        }
        let result = if mode == KERNEL_MODE {
            // The kernel has what it wants.
            let all = if desired & MAXIMUM_ALLOWED == 0 { 0 } else { mapping.GenericAll };
            let wanted = access::map(desired & !MAXIMUM_ALLOWED, &mapping);
            Ok(all | wanted | before)
        } else if descriptor.is_null() {
            Err(STATUS_ACCESS_DENIED)
        } else {
            // SAFETY: the caller's promise.
            let parts = unsafe { descriptor::parts(descriptor) };
            // SAFETY: the caller's promise.
            let who = unsafe { subject(context) };
            parts
                .and_then(|parts| access::check(&parts, who, desired, before, &mapping))
                .and_then(|granted| {
                    if !privileges.is_null() {
                        let used = used(granted, caller)?;
                        // SAFETY: the caller's promise.
                        unsafe { privileges.write(used) };
                    }
                    Ok(granted.access)
                })
        };
        let (access, why) = match result {
            Ok(access) => (access, STATUS_SUCCESS),
            Err(status) => (0, status),
        };
        // SAFETY: the caller's promise.
        unsafe { granted.write(access) };
        // SAFETY: the caller's promise.
        unsafe { status.write(why) };
        (why == STATUS_SUCCESS).into()
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Frees the privileges that SeAccessCheck gave.
    ///
    /// Source: SeFreePrivileges.
    ///
    /// # Safety
    ///
    /// It gave them.
    pub unsafe fn SeFreePrivileges(privileges: *mut PRIVILEGE_SET) {
        pool::free(privileges as u64, Some(TAG));
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Whether somebody has privileges, enabled: all, or any, as the set says. Those that it has
    /// are marked. Everybody has all of them in kernel mode.
    ///
    /// Source: SePrivilegeCheck.
    ///
    /// # Safety
    ///
    /// The set has as many as it says; the context was captured.
    pub unsafe fn SePrivilegeCheck(
        privileges: *mut PRIVILEGE_SET,
        context: *const SECURITY_SUBJECT_CONTEXT,
        mode: i8,
    ) -> u8 {
        // SAFETY: the caller's promise.
        let (count, control) = unsafe { privileges.cast::<[u32; 2]>().read() }.into();
        // SAFETY: the caller's promise.
        let who = unsafe { subject(context) };
        // SAFETY: the caller's promise.
        let first = unsafe { &raw mut (*privileges).Privilege }.cast::<LUID_AND_ATTRIBUTES>();
        let mut held = 0;
        for index in 0..count as usize {
            // SAFETY: the set has so many.
            let place = unsafe { first.add(index) };
            // SAFETY: as above.
            let entry = unsafe { &mut *place };
            if mode == KERNEL_MODE || entry.Luid[1] == 0 && who.has(entry.Luid[0]) {
                entry.Attributes = SE_PRIVILEGE_USED_FOR_ACCESS;
                held += 1;
            }
        }
        let all = control & PRIVILEGE_SET_ALL_NECESSARY != 0;
        (mode == KERNEL_MODE || if all { held == count } else { held > 0 }).into()
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Whether the thread that runs has a privilege; it has all of them in kernel mode.
    ///
    /// Source: SeSinglePrivilegeCheck.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn SeSinglePrivilegeCheck(privilege: u64, mode: i8) -> u8 {
        let number = u32::try_from(privilege);
        (mode == KERNEL_MODE || number.is_ok_and(|number| token::current().has(number))).into()
    }
}
