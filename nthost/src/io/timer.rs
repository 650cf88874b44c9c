//! A device's timer: its routine is called once a second while it is started.
//!
//! Sources: IoInitializeTimer, IoStartTimer, IoStopTimer, nc-wdm-io_timer_routine.

use alloc::collections::BTreeMap;
use core::{
    ffi::c_void,
    sync::atomic::{AtomicUsize, Ordering},
};

use nthost_nt::{
    io::device::DEVICE_OBJECT,
    status::{NTSTATUS, STATUS_SUCCESS},
};

use super::verify;
use crate::{
    driver_routine::{self, Kind},
    ke::{dispatcher, lock::SpinLock, time},
};

/// A timer's routine (nc-wdm-io_timer_routine).
#[expect(non_camel_case_types, reason = "the reference's own name")]
pub type IO_TIMER_ROUTINE =
    unsafe extern "win64" fn(device: *mut DEVICE_OBJECT, context: *mut c_void);

/// Units of 100 ns in a second.
const SECOND: u64 = 10_000_000;

#[derive(Clone, Copy, Debug)]
struct Timer {
    routine: IO_TIMER_ROUTINE,
    context: usize,
    started: bool,
    /// It is among the kernel's timers.
    armed: bool,
}

/// Protects the timers, by their devices. The dispatcher lock is taken while it is held.
static TIMERS: SpinLock<BTreeMap<usize, Timer>> = SpinLock::new(BTreeMap::new());
/// The device whose timer's routine runs; the routines run one at a time.
static RUNNING: AtomicUsize = AtomicUsize::new(NONE);
/// No device, not even of a driver that has none.
const NONE: usize = usize::MAX;

fn arm(device: usize) {
    let due = time::interrupt_time() + SECOND;
    dispatcher::lock()
        .dispatcher()
        .timers
        .set_call(due, expire, device);
}

/// A second is over. DISPATCH_LEVEL.
fn expire(device: usize) {
    let mut timers = TIMERS.lock();
    let Some(timer) = timers.get_mut(&device) else {
        return;
    };
    if !timer.started {
        timer.armed = false;
        return;
    }
    let Timer {
        routine, context, ..
    } = *timer;
    RUNNING.store(device, Ordering::Relaxed);
    drop(timers);
    let object = core::ptr::with_exposed_provenance_mut(device);
    let context = core::ptr::with_exposed_provenance_mut(context);
    driver_routine::call(Kind::Timer, routine as usize, device, || {
        // SAFETY: the driver's own routine, with what it registered; `remove` waits for it.
        unsafe { routine(object, context) };
    });
    // Release: what the routine did comes before the end of a `remove` that waits for it.
    RUNNING.store(NONE, Ordering::Release);
    if TIMERS.lock().contains_key(&device) {
        arm(device);
    }
}

/// Takes away the timer of a device that is deleted. When it returns, the routine does not run.
pub fn remove(device: *mut DEVICE_OBJECT) {
    TIMERS.lock().remove(&device.addr());
    while RUNNING.load(Ordering::Acquire) == device.addr() {
        core::hint::spin_loop();
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: nthost_nt::status::STATUS_INSUFFICIENT_RESOURCES;
    /// Gives a device its timer, stopped.
    ///
    /// Source: IoInitializeTimer.
    ///
    /// # Safety
    ///
    /// The device is the caller's.
    pub unsafe fn IoInitializeTimer(
        device: *mut DEVICE_OBJECT,
        routine: IO_TIMER_ROUTINE,
        context: *mut c_void,
    ) -> NTSTATUS {
        let timer = Timer {
            routine,
            context: context.expose_provenance(),
            started: false,
            armed: false,
        };
        let before = TIMERS.lock().insert(device.expose_provenance(), timer);
        if before.is_some() {
            verify::io_violation(verify::TIMER_INITIALIZED_TWICE, device.addr(), 0, 0);
        }
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Starts a device's timer.
    ///
    /// Source: IoStartTimer.
    ///
    /// # Safety
    ///
    /// The device has a timer.
    pub unsafe fn IoStartTimer(device: *mut DEVICE_OBJECT) {
        let mut timers = TIMERS.lock();
        let Some(timer) = timers.get_mut(&device.addr()) else {
            return;
        };
        timer.started = true;
        if !core::mem::replace(&mut timer.armed, true) {
            arm(device.addr());
        }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Stops a device's timer.
    ///
    /// Source: IoStopTimer.
    ///
    /// # Safety
    ///
    /// The device has a timer; the caller is not its routine.
    pub unsafe fn IoStopTimer(device: *mut DEVICE_OBJECT) {
        // SAFETY: the caller's promise.
        let timer = unsafe { &raw const (*device).Timer };
        // The device is what has the timer, and is looked at first.
        // SAFETY: as above.
        core::hint::black_box(unsafe { timer.read_unaligned() });
        if let Some(timer) = TIMERS.lock().get_mut(&device.addr()) {
            timer.started = false;
        }
        while RUNNING.load(Ordering::Acquire) == device.addr() {
            core::hint::spin_loop();
        }
    }
}
