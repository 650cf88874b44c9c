//! A power request that a driver does not complete in time ends the system.
//!
//! Sources: PoQueryWatchdogTime; bug check 0x9F.

use alloc::collections::BTreeMap;

use nthost_nt::io::{device::DEVICE_OBJECT, irp::IRP, major::IRP_MJ_POWER};

use crate::{
    io::device,
    ke::{
        bugcheck::{self, code},
        dispatcher,
        lock::SpinLock,
        time,
    },
    pe::module::module_of,
};

/// Units of 100 ns in a second.
const SECOND: u64 = 10_000_000;
/// So long a request may take.
const LIMIT: u64 = 120 * SECOND;

/// A request that is under way.
struct Watched {
    pdo: usize,
    top: usize,
    irp: usize,
    due: u64,
    timer: (u64, u64),
}

/// The requests, by number, and the last number. Taken behind the dispatcher's lock.
static WATCHED: SpinLock<(BTreeMap<usize, Watched>, usize)> = SpinLock::new((BTreeMap::new(), 0));

/// A request sets out for the top of a device's stack: the number for [`end`].
pub fn begin(top: *mut DEVICE_OBJECT, irp: *mut IRP) -> usize {
    let pdo = device::lowest(top).addr();
    let due = time::interrupt_time() + LIMIT;
    let mut lock = dispatcher::lock();
    let (watched, last) = &mut *WATCHED.lock();
    *last += 1;
    let timer = lock.dispatcher().timers.set_call(due, expired, *last);
    let request = Watched {
        pdo,
        top: top.expose_provenance(),
        irp: irp.addr(),
        due,
        timer,
    };
    watched.insert(*last, request);
    *last
}

/// A request is complete.
pub fn end(number: usize) {
    let mut lock = dispatcher::lock();
    let request = WATCHED.lock().0.remove(&number);
    if let Some(request) = request {
        lock.dispatcher().timers.cancel(request.timer);
    }
}

/// The time of a request may be over. DISPATCH_LEVEL.
fn expired(number: usize) {
    let request = WATCHED.lock().0.remove(&number);
    let Some(Watched { pdo, top, irp, .. }) = request else {
        return;
    };
    let top: *mut DEVICE_OBJECT = core::ptr::with_exposed_provenance_mut(top);
    // SAFETY: the request keeps the top of the stack.
    let driver = unsafe { (*top).DriverObject };
    // SAFETY: a device keeps its driver.
    let routine = unsafe { (*driver).MajorFunction[usize::from(IRP_MJ_POWER)] };
    let (module, _) = module_of(routine.map_or(0, |routine| routine as usize as u64));
    log!(
        "verifier",
        "the power IRP {irp:#x} was not completed for {} seconds; {module} got it first",
        LIMIT / SECOND
    );
    // 3: what Windows has for its debugger.
    let parameters = [3, pdo as u64, 0, irp as u64];
    bugcheck::bugcheck(code::DRIVER_POWER_STATE_FAILURE, parameters);
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Whether a power request is under way in a device's stack, and how many seconds are left
    /// for the first that is.
    ///
    /// Source: PoQueryWatchdogTime.
    ///
    /// # Safety
    ///
    /// `seconds` can be written.
    pub unsafe fn PoQueryWatchdogTime(pdo: *mut DEVICE_OBJECT, seconds: *mut u32) -> u8 {
        let (watched, _) = &*WATCHED.lock();
        let of_stack = watched.values().filter(|watched| watched.pdo == pdo.addr());
        let Some(due) = of_stack.map(|watched| watched.due).min() else {
            return 0;
        };
        let left = due.saturating_sub(time::interrupt_time()).div_ceil(SECOND);
        // SAFETY: the caller's promise.
        unsafe { seconds.write(left as u32) };
        1
    }
}
