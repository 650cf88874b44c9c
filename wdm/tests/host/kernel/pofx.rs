//! The power management framework, which calls a callback when a test says so.

use std::{
    cell::Cell,
    sync::{
        Mutex,
        atomic::{AtomicI32, AtomicU32, Ordering},
    },
};

use wdk_sys::{
    NTSTATUS, PDEVICE_OBJECT, PO_FX_DEVICE_V1, POHANDLE, STATUS_SUCCESS, ULONG, ULONGLONG,
};

use super::{assert_at_most_dispatch, irql};

/// What a handle stands for. It stays, so that a test can ask afterwards.
pub struct Registered {
    description: PO_FX_DEVICE_V1,
    pub activations: AtomicI32,
    /// Of PoFxCompleteIdleCondition, PoFxCompleteDevicePowerNotRequired, PoFxReportDevicePoweredOn.
    pub idle: AtomicU32,
    pub not_required: AtomicU32,
    pub powered_on: AtomicU32,
    unregistered: AtomicU32,
}

// SAFETY: the driver gives the callbacks for any thread.
unsafe impl Sync for Registered {}
// SAFETY: likewise.
unsafe impl Send for Registered {}

/// All that ever were, so that none is taken for lost.
static ALL: Mutex<Vec<&'static Registered>> = Mutex::new(Vec::new());

thread_local! {
    static LAST: Cell<Option<&'static Registered>> = const { Cell::new(None) };
}

/// What this thread has registered last.
pub fn last() -> &'static Registered {
    LAST.get().expect("something is registered")
}

impl Registered {
    pub fn call_active(&self) {
        // SAFETY: as the driver has registered it.
        unsafe {
            self.description.ComponentActiveConditionCallback.unwrap()(
                self.description.DeviceContext,
                0,
            );
        };
    }

    pub fn call_idle(&self) {
        // SAFETY: as above.
        unsafe {
            self.description.ComponentIdleConditionCallback.unwrap()(
                self.description.DeviceContext,
                0,
            );
        };
    }

    pub fn call_required(&self) {
        // SAFETY: as above.
        unsafe {
            self.description.DevicePowerRequiredCallback.unwrap()(self.description.DeviceContext);
        };
    }

    pub fn call_not_required(&self) {
        // SAFETY: as above.
        unsafe {
            self.description.DevicePowerNotRequiredCallback.unwrap()(
                self.description.DeviceContext,
            );
        };
    }

    fn count(&self, counter: &AtomicU32) {
        assert_at_most_dispatch();
        assert_eq!(
            self.unregistered.load(Ordering::SeqCst),
            0,
            "not registered"
        );
        counter.fetch_add(1, Ordering::SeqCst);
    }
}

fn of<'a>(handle: POHANDLE) -> &'a Registered {
    // SAFETY: from `PoFxRegisterDevice`, and never freed.
    unsafe { &*handle.cast::<Registered>() }
}

#[unsafe(no_mangle)]
extern "C" fn PoFxRegisterDevice(
    _physical: PDEVICE_OBJECT,
    description: *mut PO_FX_DEVICE_V1,
    handle: *mut POHANDLE,
) -> NTSTATUS {
    assert_eq!(irql(), 0);
    let registered: &'static Registered = Box::leak(Box::new(Registered {
        // SAFETY: the driver's, during this call.
        description: unsafe { description.read() },
        activations: AtomicI32::new(0),
        idle: AtomicU32::new(0),
        not_required: AtomicU32::new(0),
        powered_on: AtomicU32::new(0),
        unregistered: AtomicU32::new(0),
    }));
    // SAFETY: the driver's.
    unsafe { handle.write(core::ptr::from_ref(registered).cast_mut().cast()) };
    ALL.lock().unwrap().push(registered);
    LAST.set(Some(registered));
    STATUS_SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn PoFxUnregisterDevice(handle: POHANDLE) {
    assert_eq!(irql(), 0);
    of(handle).count(&of(handle).unregistered);
}

#[unsafe(no_mangle)]
extern "C" fn PoFxStartDevicePowerManagement(_handle: POHANDLE) {
    assert_eq!(irql(), 0);
}

#[unsafe(no_mangle)]
extern "C" fn PoFxSetDeviceIdleTimeout(_handle: POHANDLE, _timeout: ULONGLONG) {}

#[unsafe(no_mangle)]
extern "C" fn PoFxActivateComponent(handle: POHANDLE, _component: ULONG, _flags: ULONG) {
    of(handle).activations.fetch_add(1, Ordering::SeqCst);
}

#[unsafe(no_mangle)]
extern "C" fn PoFxIdleComponent(handle: POHANDLE, _component: ULONG, _flags: ULONG) {
    let before = of(handle).activations.fetch_sub(1, Ordering::SeqCst);
    assert!(before > 0, "activated before");
}

#[unsafe(no_mangle)]
extern "C" fn PoFxCompleteIdleCondition(handle: POHANDLE, _component: ULONG) {
    of(handle).count(&of(handle).idle);
}

#[unsafe(no_mangle)]
extern "C" fn PoFxCompleteDevicePowerNotRequired(handle: POHANDLE) {
    of(handle).count(&of(handle).not_required);
}

#[unsafe(no_mangle)]
extern "C" fn PoFxReportDevicePoweredOn(handle: POHANDLE) {
    of(handle).count(&of(handle).powered_on);
}
