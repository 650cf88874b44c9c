//! Routines that are called once more after `DriverEntry`.
//!
//! Sources: IoRegisterDriverReinitialization, IoRegisterBootDriverReinitialization. Simplified:
//! both kinds are called as soon as the driver's own `DriverEntry` has succeeded.

use alloc::vec::Vec;
use core::ffi::c_void;

use nthost_nt::io::driver::{DRIVER_OBJECT, DRIVER_REINITIALIZE};

use crate::ke::lock::SpinLock;

#[derive(Debug)]
struct Registration {
    driver: usize,
    routine: DRIVER_REINITIALIZE,
    context: usize,
}

/// Those that have not been called. A leaf.
static REGISTRATIONS: SpinLock<Vec<Registration>> = SpinLock::new(Vec::new());

fn register(driver: *mut DRIVER_OBJECT, routine: DRIVER_REINITIALIZE, context: *mut c_void) {
    REGISTRATIONS.lock().push(Registration {
        driver: driver.addr(),
        routine,
        context: context.expose_provenance(),
    });
}

/// The driver does not run.
pub fn forget(driver: *mut DRIVER_OBJECT) {
    REGISTRATIONS
        .lock()
        .retain(|other| other.driver != driver.addr());
}

/// Calls the driver's routines, in the order of their registration; one may register again.
pub fn run(driver: *mut DRIVER_OBJECT) {
    loop {
        let mut registrations = REGISTRATIONS.lock();
        let index = registrations
            .iter()
            .position(|other| other.driver == driver.addr());
        let Some(index) = index else {
            return;
        };
        let next = registrations.remove(index);
        drop(registrations);
        // SAFETY: a driver object that was initialized.
        let extension = unsafe { (*driver).DriverExtension };
        // SAFETY: as its extension.
        let extension = unsafe { &mut *extension };
        extension.Count += 1;
        let context = core::ptr::with_exposed_provenance_mut(next.context);
        // SAFETY: the driver's own routine, with what it registered.
        unsafe { (next.routine)(driver, context, extension.Count) };
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Has a routine called after `DriverEntry`.
    ///
    /// Source: IoRegisterDriverReinitialization.
    ///
    /// # Safety
    ///
    /// The driver object is the caller's.
    pub unsafe fn IoRegisterDriverReinitialization(
        driver: *mut DRIVER_OBJECT,
        routine: DRIVER_REINITIALIZE,
        context: *mut c_void,
    ) {
        register(driver, routine, context);
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Has a boot driver's routine called after `DriverEntry`.
    ///
    /// Source: IoRegisterBootDriverReinitialization.
    ///
    /// # Safety
    ///
    /// The driver object is the caller's.
    pub unsafe fn IoRegisterBootDriverReinitialization(
        driver: *mut DRIVER_OBJECT,
        routine: DRIVER_REINITIALIZE,
        context: *mut c_void,
    ) {
        register(driver, routine, context);
    }
}
