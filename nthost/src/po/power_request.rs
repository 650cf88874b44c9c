//! Power requests and system states: what drivers say the system is required for. As nothing
//! but the host puts the system to sleep, which may do so at any time, it is told of them then.
//!
//! Sources: PoCreatePowerRequest, PoSetPowerRequest, PoClearPowerRequest, PoDeletePowerRequest,
//! PoRegisterSystemState, PoSetSystemState, PoUnregisterSystemState.

use alloc::collections::BTreeMap;
use core::{
    ffi::c_void,
    ops::Range,
    ptr::{null_mut, without_provenance_mut},
};

use nthost_nt::{
    io::device::DEVICE_OBJECT,
    status::{
        NTSTATUS, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER, STATUS_NOT_SUPPORTED,
        STATUS_SUCCESS,
    },
};

use crate::{export, ke::lock::SpinLock, pe::module::module_of};

/// `PowerRequestSystemRequired`, the one type that drivers may ask for.
const SYSTEM_REQUIRED: i32 = 1;

/// What keeps the system working.
enum Reason {
    /// A power request object, and how often it is set.
    Request(u32),
    /// A registered state: `ES_…`.
    State(u32),
}

/// Who gave a reason.
struct Given {
    reason: Reason,
    caller: u64,
}

/// The reasons, by their handles, and the last handle. A leaf.
static GIVEN: SpinLock<(BTreeMap<usize, Given>, usize)> = SpinLock::new((BTreeMap::new(), 0));

fn give(reason: Reason, caller: u64) -> *mut c_void {
    let (given, last) = &mut *GIVEN.lock();
    // No address, so that whoever reads there is found out.
    *last += 16;
    given.insert(*last, Given { reason, caller });
    without_provenance_mut(*last)
}

/// Who of an image has not taken a reason back: its handle and where it was given.
#[must_use]
pub fn of_image(image: &Range<u64>) -> Option<(u64, u64)> {
    let (given, _) = &*GIVEN.lock();
    let mut left = given
        .iter()
        .filter(|(_, given)| image.contains(&given.caller));
    left.next()
        .map(|(&handle, given)| (handle as u64, given.caller))
}

/// The system goes to sleep: what speaks against it is told.
pub fn tell() {
    let (given, _) = &*GIVEN.lock();
    for (handle, Given { reason, caller }) in given {
        let (module, _) = module_of(*caller);
        match reason {
            Reason::Request(0) => {}
            Reason::Request(count) => {
                log!(
                    "power",
                    "{module} requires the system, {count} times ({handle:#x})"
                );
            }
            Reason::State(flags) => {
                log!(
                    "power",
                    "{module} says the system is in use: {flags:#x} ({handle:#x})"
                );
            }
        }
    }
}

/// Counts a request up or down.
fn count(request: *mut c_void, kind: i32, change: impl FnOnce(u32) -> Option<u32>) -> NTSTATUS {
    if kind != SYSTEM_REQUIRED {
        return STATUS_NOT_SUPPORTED;
    }
    let (given, _) = &mut *GIVEN.lock();
    let Some(Given {
        reason: Reason::Request(count),
        ..
    }) = given.get_mut(&request.addr())
    else {
        return STATUS_INVALID_PARAMETER;
    };
    let Some(changed) = change(*count) else {
        return STATUS_INVALID_PARAMETER;
    };
    *count = changed;
    STATUS_SUCCESS
}

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    fails: STATUS_INSUFFICIENT_RESOURCES;
    /// Makes a power request, which is not set.
    ///
    /// Source: PoCreatePowerRequest.
    ///
    /// # Safety
    ///
    /// `request` can be written.
    pub unsafe fn PoCreatePowerRequest(
        request: *mut *mut c_void,
        device: *mut DEVICE_OBJECT,
        _context: *const c_void,
    ) -> NTSTATUS {
        let (made, status) = if device.is_null() {
            (null_mut(), STATUS_INVALID_PARAMETER)
        } else {
            (give(Reason::Request(0), export::caller()), STATUS_SUCCESS)
        };
        // SAFETY: the caller's promise.
        unsafe { request.write(made) };
        status
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Sets a power request once more.
    ///
    /// Source: PoSetPowerRequest.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn PoSetPowerRequest(request: *mut c_void, kind: i32) -> NTSTATUS {
        count(request, kind, |count| count.checked_add(1))
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Takes back that a power request was set once.
    ///
    /// Source: PoClearPowerRequest.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn PoClearPowerRequest(request: *mut c_void, kind: i32) -> NTSTATUS {
        count(request, kind, |count| count.checked_sub(1))
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Deletes a power request.
    ///
    /// Source: PoDeletePowerRequest.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn PoDeletePowerRequest(request: *mut c_void) {
        GIVEN.lock().0.remove(&request.addr());
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    fails: null_mut();
    /// Says that the system is in use, or changes what was said of it; gives the handle.
    ///
    /// Source: PoRegisterSystemState.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn PoRegisterSystemState(handle: *mut c_void, flags: u32) -> *mut c_void {
        if handle.is_null() {
            return give(Reason::State(flags), export::caller());
        }
        let (given, _) = &mut *GIVEN.lock();
        match given.get_mut(&handle.addr()) {
            Some(Given { reason: Reason::State(known), .. }) => {
                *known = flags;
                handle
            }
            _ => null_mut(),
        }
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Takes a state back.
    ///
    /// Source: PoUnregisterSystemState.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn PoUnregisterSystemState(handle: *mut c_void) {
        GIVEN.lock().0.remove(&handle.addr());
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Says that the system is in use at this moment, which no idleness is counted from.
    ///
    /// Source: PoSetSystemState.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn PoSetSystemState(_flags: u32) {
    }
}
