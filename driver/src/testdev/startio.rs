//! StartIo: requests one after the other, each left to a work item.
//!
//! While the device is stopped or has no power, StartIo parks the request that it is given and
//! does not go on to the next, so that the system queues those behind it. A request that has been
//! given to StartIo cannot be canceled by the system's means any more (that is what the
//! attribute NonCancelable is for), and a parked one may have to wait long: so it is parked in a
//! cancel-safe queue. So is one that the component is not active for: StartIo has it activated for
//! each request, and a request uses it while it is run.
//!
//! The activation belongs to the turn, not to the request. If the parked request is canceled, the
//! component becomes active all the same, and that is who goes on with the next: the system gives
//! StartIo no other before.

use eduwdm_abi::testdev::RunInput;
use wdm::{
    Result, Status,
    csq::{Refused, Request},
    device::Fdo,
    function::FunctionDevice,
    irp::{FileObject, Irp, Pending},
    irql::{self, Dispatch, Passive, UpToDispatch},
    pofx::Use,
    workitem::IrpWorkItem,
};
use zerocopy::{FromBytes, IntoBytes};

use super::Testdev;
use crate::tags;

type Device = Fdo<FunctionDevice<Testdev>>;

/// A request that StartIo could not run yet. What it asks for is in its buffer.
pub struct Parked;

impl Request for Parked {
    type Context = ();

    fn canceled(self, irp: Irp<Pending>, (): &(), irql: &mut UpToDispatch) {
        irp.complete(Status::CANCELLED, irql);
    }
}

/// StartIo.
pub fn start_io(device: &Device, irp: Irp<Pending>, irql: &mut Dispatch) {
    let testdev = &device.function;
    let activated = testdev.component.activate(irql);
    // Parked first and counted as busy then: a client that opens the device in between finds it
    // not busy, and leaves the rest to what follows.
    if let Err(Refused { irp, status, .. }) = testdev.parked.insert_pending(irp, Parked, irql) {
        // The queue is never closed.
        irp.complete(status, irql);
    }
    {
        let mut active = testdev.active.acquire_at_dpc_level(irql);
        active.busy = true;
        active.activated = Some(activated);
    }
    unpark(device, irql);
}

/// Goes on with the parked request, if there is one and the device may, or else with the next.
pub fn unpark(device: &Device, irql: &mut Dispatch) {
    let testdev = &device.function;
    // Given back without the lock, if it is not needed.
    let used: Option<Use> = testdev.component.enter();
    {
        let mut active = testdev.active.acquire_at_dpc_level(irql);
        let may_run = active.open && used.is_some();
        if !active.busy || !(may_run || active.refused.is_some()) {
            return;
        }
        active.busy = false;
        active.used = used;
    }
    match testdev.parked.remove_next(irql) {
        Some((irp, Parked)) => begin(device, irp, irql),
        // It was canceled.
        None => end(device, irql),
    }
}

/// Leaves a request to the work item, which goes on with the next; or completes it and goes on
/// with the next, if the request must be refused.
fn begin(device: &Device, irp: Irp<Pending>, irql: &mut Dispatch) {
    let testdev = &device.function;
    let left = {
        let mut active = testdev.active.acquire_at_dpc_level(irql);
        let (active, irql) = active.parts();
        match (active.refused, &active.work) {
            (Some(status), _) => Err((irp, status)),
            (None, None) => Err((irp, Status::DEVICE_NOT_READY)),
            (None, Some(work)) => {
                active.running = true;
                testdev.idle.clear(irql);
                let queued = work.queue(irp, irql);
                // Never an error: the system gives StartIo one request at a time.
                queued.map_err(|irp| (irp, Status::INTERNAL_ERROR))
            }
        }
    };
    if let Err((irp, status)) = left {
        irp.complete(status, irql);
        end(device, irql);
    }
}

/// A request is over: goes on with the next.
fn end(device: &Device, irql: &mut Dispatch) {
    let testdev = &device.function;
    let (activated, used) = {
        let mut active = testdev.active.acquire_at_dpc_level(irql);
        let (active, irql) = active.parts();
        active.running = false;
        testdev.idle.set(irql);
        (active.activated.take(), active.used.take())
    };
    drop(used);
    if let Some(activated) = activated {
        testdev.component.idle(activated, irql);
    }
    device.start_next(irql);
}

/// Runs a request to its end and completes it, in a system thread.
fn run(device: &Device, mut irp: Irp<Pending>, irql: &mut Passive) {
    let output = {
        let mut bars = device.function.bars.acquire(irql);
        // Validated by the dispatch routine; the I/O manager's copy has not changed since.
        let input = RunInput::read_from_prefix(irp.input());
        match (&mut *bars, input) {
            (Some(bars), Ok((input, _))) => bars.run(&input),
            _ => Err(Status::DEVICE_NOT_READY),
        }
    };
    let written = output.and_then(|output| irp.write_output(output.as_bytes()));
    irp.complete(Status::of(written), irql);
    irql::raise_to_dispatch(irql, |irql| end(device, irql));
}

/// Allocates what requests are left to, if it has not been yet.
///
/// # Errors
///
/// `STATUS_INSUFFICIENT_RESOURCES`.
pub fn prepare(device: &Device, irql: &mut Passive) -> Result<()> {
    let active = &device.function.active;
    if active.acquire(irql).work.is_none() {
        let work = IrpWorkItem::new(tags::WORK, device, run, irql)?;
        active.acquire(irql).work = Some(work);
    }
    Ok(())
}

/// Lets no request run any more, and waits until the running one is done. Those that come wait.
pub fn close(testdev: &Testdev, irql: &mut Passive) {
    testdev.active.acquire(irql).open = false;
    testdev.idle.wait(irql);
}

/// Lets requests run.
pub fn open(device: &Device, irql: &mut Passive) {
    {
        let mut active = device.function.active.acquire(irql);
        active.open = true;
        active.refused = None;
    }
    irql::raise_to_dispatch(irql, |irql| unpark(device, irql));
}

/// Ends the waiting requests, and those that may still come.
pub fn refuse(device: &Device, status: Status, irql: &mut Passive) {
    device.function.active.acquire(irql).refused = Some(status);
    irql::raise_to_dispatch(irql, |irql| unpark(device, irql));
    device.cancel_waiting(None, status, irql);
}

/// Cancels the waiting requests of a handle.
pub fn cancel_of(device: &Device, file_object: FileObject, irql: &mut Passive) {
    device.cancel_waiting(Some(file_object), Status::CANCELLED, irql);
    let parked = &device.function.parked;
    let removed = parked.remove_next_if(|_, of| of == file_object, irql);
    if let Some((irp, Parked)) = removed {
        irp.complete(Status::CANCELLED, irql);
    }
}
