//! The gate up: how the kernel calls a driver's routine, be it a dispatch routine, a DPC's or a
//! callback.
//!
//! By itself the gate just calls. Who wants to look at what a routine finds and leaves states two
//! functions, which then run before and after each.

use core::sync::atomic::{AtomicPtr, Ordering};

/// What a driver's routine is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A dispatch routine; the object is the device.
    Dispatch,
    /// A completion routine; the object is the IRP.
    Completion,
    /// A cancel routine; the object is the IRP.
    Cancel,
    /// StartIo; the object is the device.
    StartIo,
    /// An interrupt's routine; the object is the interrupt object.
    Interrupt,
    /// A DPC's routine; the object is the DPC.
    Dpc,
    /// The routine of a device's or an executive timer; the object is the device or the timer.
    Timer,
    /// A work item's routine; the object is the work item.
    WorkItem,
    /// A system thread's routine.
    Thread,
    /// What a driver is called back for besides: a notification, an adapter or controller that is
    /// free, a critical section of an interrupt's.
    Callback,
}

/// A call of a driver's routine.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// What the routine is for.
    pub kind: Kind,
    /// Where it is.
    pub routine: u64,
    /// What it is called for, by its kind.
    pub object: u64,
}

/// What is remembered of the system across a call.
#[derive(Clone, Copy, Debug)]
pub struct Before {
    /// The IRQL.
    pub level: u8,
    /// What holds the thread's APCs back.
    pub apcs: i32,
    /// The device of the IRP that is canceled; zero for any other call.
    pub device: u64,
}

/// What is done before and after each call.
#[derive(Debug)]
pub struct Gate {
    /// The routine is about to be called, at its IRQL and with the locks that are held for it.
    pub enter: fn(&Call) -> Before,
    /// The routine has returned.
    pub leave: fn(&Call, Before),
}

static GATE: AtomicPtr<Gate> = AtomicPtr::new(core::ptr::null_mut());

/// Has this done from now on.
pub fn watch(gate: &'static Gate) {
    // Release: the gate is seen whole.
    GATE.store(core::ptr::from_ref(gate).cast_mut(), Ordering::Release);
}

/// Calls a driver's routine: `run` does nothing else. At the IRQL of its kind.
#[inline]
pub fn call<R>(kind: Kind, routine: usize, object: usize, run: impl FnOnce() -> R) -> R {
    // Acquire: pairs with `watch`.
    let gate = GATE.load(Ordering::Acquire);
    // SAFETY: `watch` puts nothing but static gates there.
    let Some(gate) = (unsafe { gate.as_ref() }) else {
        return run();
    };
    let call = Call {
        kind,
        routine: routine as u64,
        object: object as u64,
    };
    let before = (gate.enter)(&call);
    let result = run();
    (gate.leave)(&call, before);
    result
}
