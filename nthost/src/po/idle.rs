//! Idle detection: a device that was not busy for as long as its driver says is put into the
//! power state that the driver says.
//!
//! Sources: PoRegisterDeviceForIdleDetection, PoSetDeviceBusy, PoSetDeviceBusyEx,
//! PoStartDeviceBusy, PoEndDeviceBusy. The system is plugged in, so that the policy is that for
//! performance.

use alloc::{collections::BTreeMap, vec::Vec};
use core::{
    mem::size_of,
    ptr::null_mut,
    sync::atomic::{AtomicBool, Ordering},
};

use nthost_nt::io::{device::DEVICE_OBJECT, major::IRP_MN_SET_POWER};

use super::{
    idle_counter::{Counter, seconds},
    irp::{self, State},
};
use crate::{
    ex::worker::{self, Queue},
    ke::{dispatcher, lock::SpinLock, time},
    mm::guarded,
    ob::object,
};

/// Units of 100 ns in a second.
const SECOND: u64 = 10_000_000;
/// The classes that have a policy: `FILE_DEVICE_DISK`, `FILE_DEVICE_MASS_STORAGE`.
const CLASSES: [u32; 2] = [0x07, 0x2d];
/// A device that is watched.
#[derive(Clone, Copy, Debug)]
struct Watched {
    counter: *mut Counter,
    /// Seconds; zero for never.
    limit: u32,
    /// `DEVICE_POWER_STATE`.
    state: i32,
}

// SAFETY: the counter is made of atomics, and is there as long as the device is watched.
unsafe impl Send for Watched {}

/// By device. The lock of the objects is taken while it is held.
static WATCHED: SpinLock<BTreeMap<usize, Watched>> = SpinLock::new(BTreeMap::new());
/// The timer is among the kernel's.
static ARMED: AtomicBool = AtomicBool::new(false);

/// # Safety
///
/// A pointer that PoRegisterDeviceForIdleDetection gave.
unsafe fn counter<'a>(pointer: *mut u32) -> &'a Counter {
    // SAFETY: the caller's promise.
    unsafe { &*pointer.cast::<Counter>() }
}

fn arm() {
    let due = time::interrupt_time() + SECOND;
    let mut lock = dispatcher::lock();
    lock.dispatcher().timers.set_call(due, count, 0);
}

/// A second is over: devices that are not busy come nearer to their limits. DISPATCH_LEVEL.
fn count(_argument: usize) {
    let mut idle = Vec::new();
    let watched = WATCHED.lock();
    for (&device, watched) in watched.iter() {
        // SAFETY: the counter is there as long as the device is watched.
        let counter = unsafe { &*watched.counter };
        if counter.count(watched.limit) {
            let device: *mut DEVICE_OBJECT = core::ptr::with_exposed_provenance_mut(device);
            object::reference(device.cast());
            idle.push((device.expose_provenance(), watched.state));
        }
    }
    let more = !watched.is_empty();
    drop(watched);
    for (device, state) in idle {
        worker::queue(Queue::Critical, move || power_down(device, state));
    }
    if more {
        arm();
    } else {
        ARMED.store(false, Ordering::Relaxed);
    }
}

/// Puts an idle device, which is referenced, into its state. PASSIVE_LEVEL.
fn power_down(device: usize, state: i32) {
    let device: *mut DEVICE_OBJECT = core::ptr::with_exposed_provenance_mut(device);
    let status = irp::send(device, IRP_MN_SET_POWER, State::Device(state));
    log!(
        "power",
        "idle device {device:?} to D{}: {status:#010x}",
        state - 1
    );
    object::dereference(device.cast());
}

/// A device is deleted, or no longer to be watched.
pub fn forget(device: *mut DEVICE_OBJECT) {
    let watched = WATCHED.lock().remove(&device.addr());
    if let Some(watched) = watched {
        guarded::free(watched.counter.cast());
    }
}

/// Watches a device, or changes how it is watched; its counter.
fn watch(device: *mut DEVICE_OBJECT, limit: u32, state: i32) -> *mut Counter {
    let mut watched = WATCHED.lock();
    if let Some(known) = watched.get_mut(&device.addr()) {
        (known.limit, known.state) = (limit, state);
        return known.counter;
    }
    drop(watched);
    let Some(memory) = guarded::allocate(size_of::<Counter>()) else {
        return null_mut();
    };
    let counter = memory.cast::<Counter>();
    let new = Watched {
        counter,
        limit,
        state,
    };
    WATCHED.lock().insert(device.expose_provenance(), new);
    if !ARMED.swap(true, Ordering::Relaxed) {
        arm();
    }
    counter
}

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    fails: null_mut();
    /// Has a device put into a power state once it has been idle for so many seconds; gives its
    /// counter. Zero for both times ends that, and NULL is given; so it is for -1 with a device
    /// whose class has no times of its own.
    ///
    /// Source: PoRegisterDeviceForIdleDetection.
    ///
    /// # Safety
    ///
    /// The device is the caller's.
    pub unsafe fn PoRegisterDeviceForIdleDetection(
        device: *mut DEVICE_OBJECT,
        conservation: u32,
        performance: u32,
        state: i32,
    ) -> *mut u32 {
        if conservation == 0 && performance == 0 {
            forget(device);
            return null_mut();
        }
        // SAFETY: the caller's promise.
        let has_class = CLASSES.contains(unsafe { &(*device).DeviceType });
        let times = (seconds(conservation, has_class), seconds(performance, has_class));
        let (Some(_), Some(limit)) = times else {
            return null_mut();
        };
        watch(device, limit, state).cast()
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The device is busy at this moment.
    ///
    /// Source: PoSetDeviceBusyEx.
    ///
    /// # Safety
    ///
    /// A pointer that PoRegisterDeviceForIdleDetection gave.
    pub unsafe fn PoSetDeviceBusyEx(pointer: *mut u32) {
        // SAFETY: the caller's promise.
        unsafe { counter(pointer) }.set_busy();
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The device is busy until PoEndDeviceBusy.
    ///
    /// Source: PoStartDeviceBusy.
    ///
    /// # Safety
    ///
    /// A pointer that PoRegisterDeviceForIdleDetection gave.
    pub unsafe fn PoStartDeviceBusy(pointer: *mut u32) {
        // SAFETY: the caller's promise.
        unsafe { counter(pointer) }.start();
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// One reason less for the device to be busy; without any, it begins to be idle.
    ///
    /// Source: PoEndDeviceBusy.
    ///
    /// # Safety
    ///
    /// A pointer that PoRegisterDeviceForIdleDetection gave, after PoStartDeviceBusy.
    pub unsafe fn PoEndDeviceBusy(pointer: *mut u32) {
        // SAFETY: the caller's promise.
        unsafe { counter(pointer) }.end();
    }
}
