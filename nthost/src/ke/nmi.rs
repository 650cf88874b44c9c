//! Routines that drivers want to be called at a nonmaskable interrupt.
//!
//! Sources: KeRegisterNmiCallback, KeDeregisterNmiCallback. One that nobody handles ends in bug
//! check 0x80 (NMI_HARDWARE_FAILURE).

use core::{
    ffi::c_void,
    ops::Range,
    ptr::null_mut,
    sync::atomic::{AtomicPtr, Ordering},
};

use alloc::boxed::Box;

use nthost_nt::status::{NTSTATUS, STATUS_INVALID_HANDLE, STATUS_SUCCESS};

use super::{irql, lock::HighLock};
use crate::export::HIGH_LEVEL;

/// A routine; it says whether the interrupt was its device's.
type Callback = unsafe extern "win64" fn(context: *mut c_void, handled: u8) -> u8;

/// A registration. It is never freed: an interrupt may be reading it on another processor.
struct Registration {
    /// Null once it was taken back.
    callback: AtomicPtr<c_void>,
    context: *mut c_void,
    earlier: *mut Self,
}

/// The latest registration. The interrupt reads the list without the lock: it may come while a
/// processor holds it.
static LATEST: AtomicPtr<Registration> = AtomicPtr::new(null_mut());
/// Makes changes to the list one after the other.
static CHANGE: HighLock<()> = HighLock::new(());

fn registrations() -> impl Iterator<Item = &'static Registration> {
    // Acquire: what was registered is seen whole.
    let mut next = LATEST.load(Ordering::Acquire);
    core::iter::from_fn(move || {
        // SAFETY: registrations live for ever.
        let registration = unsafe { next.as_ref() }?;
        next = registration.earlier;
        Some(registration)
    })
}

/// A routine in these bytes that is registered.
#[must_use]
pub fn calling_into(image: &Range<u64>) -> Option<u64> {
    let callbacks = registrations().map(|known| known.callback.load(Ordering::Acquire) as u64);
    callbacks
        .into_iter()
        .find(|callback| image.contains(callback))
}

/// A nonmaskable interrupt: calls the routines, the latest first; whether one handled it.
#[must_use]
pub fn interrupt() -> bool {
    let before = irql::current();
    irql::set(HIGH_LEVEL);
    let mut handled = false;
    for registration in registrations() {
        let callback = registration.callback.load(Ordering::Acquire);
        if !callback.is_null() {
            // SAFETY: it was made from a routine of this type.
            let callback = unsafe { core::mem::transmute::<*mut c_void, Callback>(callback) };
            // SAFETY: the driver's routine, with what it registered.
            handled |= unsafe { callback(registration.context, u8::from(handled)) } != 0;
        }
    }
    irql::set(before);
    handled
}

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Registers a routine; gives a handle to take it back.
    ///
    /// Source: KeRegisterNmiCallback.
    ///
    /// # Safety
    ///
    /// The routine may be called at HIGH_LEVEL until it is taken back.
    pub unsafe fn KeRegisterNmiCallback(callback: Callback, context: *mut c_void) -> *mut c_void {
        let _guard = CHANGE.lock();
        let registration = Box::into_raw(Box::new(Registration {
            callback: AtomicPtr::new(callback as *mut c_void),
            context,
            earlier: LATEST.load(Ordering::Relaxed),
        }));
        // Release: an interrupt that finds it sees all of it.
        LATEST.store(registration, Ordering::Release);
        registration.cast()
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Takes a registration back; STATUS_INVALID_HANDLE if there is none.
    ///
    /// Source: KeDeregisterNmiCallback.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeDeregisterNmiCallback(handle: *mut c_void) -> NTSTATUS {
        let _guard = CHANGE.lock();
        let found = registrations().find(|registration| {
            core::ptr::from_ref(*registration).cast() == handle.cast_const()
        });
        let taken = found.is_some_and(|registration| {
            !registration.callback.swap(null_mut(), Ordering::AcqRel).is_null()
        });
        if taken { STATUS_SUCCESS } else { STATUS_INVALID_HANDLE }
    }
}
