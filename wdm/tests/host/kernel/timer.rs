//! Timers and DPCs. A timer expires when a test says so.

use std::sync::Mutex;

use wdk_sys::{BOOLEAN, KDPC, KTIMER, LARGE_INTEGER, PKDEFERRED_ROUTINE, PVOID};

use super::{DISPATCH_LEVEL, set_irql};

struct Set {
    timer: *mut KTIMER,
    dpc: *mut KDPC,
}

// SAFETY: addresses of what the drivers keep in place while the timer is set.
unsafe impl Send for Set {}

static SET: Mutex<Vec<Set>> = Mutex::new(Vec::new());

/// A timer that has expired: its DPC is queued.
pub struct Expired(Set);

impl Expired {
    /// The oldest timer that is set expires.
    pub fn next() -> Option<Self> {
        let mut set = SET.lock().unwrap();
        (!set.is_empty()).then(|| Self(set.remove(0)))
    }

    /// Runs its DPC.
    pub fn run(self) {
        let old = set_irql(DISPATCH_LEVEL);
        let dpc = self.0.dpc;
        // SAFETY: the driver keeps the DPC until it has run.
        unsafe {
            let routine = (*dpc).DeferredRoutine.unwrap();
            routine(
                dpc,
                (*dpc).DeferredContext,
                core::ptr::null_mut(),
                core::ptr::null_mut(),
            );
        }
        set_irql(old);
    }
}

#[unsafe(no_mangle)]
extern "C" fn KeInitializeTimer(_timer: *mut KTIMER) {}

#[unsafe(no_mangle)]
extern "C" fn KeInitializeDpc(dpc: *mut KDPC, routine: PKDEFERRED_ROUTINE, context: PVOID) {
    // SAFETY: the caller's structure.
    unsafe {
        (*dpc).DeferredRoutine = routine;
        (*dpc).DeferredContext = context;
    }
}

#[unsafe(no_mangle)]
extern "C" fn KeSetTimer(timer: *mut KTIMER, _due: LARGE_INTEGER, dpc: *mut KDPC) -> BOOLEAN {
    SET.lock().unwrap().push(Set { timer, dpc });
    0
}

#[unsafe(no_mangle)]
extern "C" fn KeCancelTimer(timer: *mut KTIMER) -> BOOLEAN {
    let mut set = SET.lock().unwrap();
    let found = set.iter().position(|set| set.timer == timer);
    found.map(|index| set.remove(index)).is_some().into()
}
