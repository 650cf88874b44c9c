//! Requests that wait for an event: for interrupt bits that a client has the device raise.
//!
//! Three can want to end such a request at the same time: the event, its time-out, and a
//! cancellation. The cancel-safe queue gives the IRP to one of them.

use arrayvec::ArrayVec;
use eduwdm_abi::{
    Header,
    edu::{WAIT_INFINITE, WaitEventInput, WaitEventOutput},
};
use eduwdm_logic::{interrupt_bits::Taken, watchdog::Seen};
use wdm::{
    Result, Status,
    csq::Request,
    irp::{Dispatched, Fresh, Irp, Pending},
    irql::{AtOrBelowDispatch, Dispatch, Passive, UpToDispatch},
    timeout::{Arm, TimedRequest, Timeout},
};
use zerocopy::IntoBytes;

use super::{
    Edu,
    queue::{Arrival, Counted, ENGINE, Ended, Engine, Queue, QueuedRequest, Turn},
};
use crate::tags;

/// Events were raised.
pub const RAISED: u32 = ENGINE;

/// A wait.
pub struct WaitRequest {
    mask: u32,
    arrived: Arrival,
    /// Disarmed when the wait is over.
    timeout: Option<Timeout<Self>>,
}

impl WaitRequest {
    /// A wait that arrives now, with what arms its time-out, if it has one.
    fn new(
        mask: u32,
        timeout_ms: u32,
        edu: &Edu,
        irql: &Passive,
    ) -> Result<(Self, Option<Arm<Self>>)> {
        let (timeout, arm) = if timeout_ms == WAIT_INFINITE {
            (None, None)
        } else {
            let (timeout, arm) = Timeout::new(tags::TIMEOUT, edu.events.waiting(), irql)?;
            (Some(timeout), Some(arm))
        };
        let request = Self {
            mask,
            arrived: Arrival::now(edu, irql),
            timeout,
        };
        Ok((request, arm))
    }

    /// One of its events was raised.
    fn raised(self, mut irp: Irp<Pending>, bits: u32, interrupt_processor: u32) -> Ended {
        let output = WaitEventOutput {
            header: Header::of::<WaitEventOutput>(),
            bits: self.mask & bits,
            interrupt_processor,
        };
        // That the answer fits was checked when the request came.
        let status = Status::of(irp.write_output(output.as_bytes()));
        self.arrived.ended(irp, status)
    }

    fn end<I: AtOrBelowDispatch>(
        self,
        irp: Irp<Pending>,
        status: Status,
        counted: &Counted,
        irql: &I,
    ) {
        let Self {
            arrived, timeout, ..
        } = self;
        drop(timeout);
        arrived.ended(irp, status).complete(counted, irql);
    }
}

impl QueuedRequest for WaitRequest {
    fn into_arrival(self) -> Arrival {
        self.arrived
    }
}

impl Request for WaitRequest {
    type Context = Counted;

    fn canceled(self, irp: Irp<Pending>, counted: &Counted, irql: &mut UpToDispatch) {
        self.end(irp, Status::CANCELLED, counted, irql);
    }
}

impl TimedRequest for WaitRequest {
    fn timed_out(self, irp: Irp<Pending>, counted: &Counted, irql: &mut Dispatch) {
        self.end(irp, Status::IO_TIMEOUT, counted, irql);
    }
}

impl Edu {
    /// [`eduwdm_abi::Ioctl::WaitEvent`], validated.
    pub fn wait_event(
        &self,
        irp: Irp<Fresh>,
        input: &WaitEventInput,
        irql: &mut Passive,
    ) -> Dispatched {
        if input.timeout_ms == 0 {
            return irp.complete(Status::IO_TIMEOUT, irql);
        }
        let waiting = self.events.waiting();
        let (request, arm) = match WaitRequest::new(input.mask, input.timeout_ms, self, irql) {
            Ok(made) => made,
            Err(status) => return irp.complete(status, irql),
        };
        self.events.count_inserted();
        let inserted = match arm {
            Some(arm) => waiting.insert_with_timeout(irp, request, arm, input.timeout_ms, irql),
            None => waiting.insert(irp, request, irql),
        };
        self.events.inserted(self, inserted, irql)
    }
}

/// The engine: nothing of it is ever on the device.
pub struct Events {
    /// What was raised, as far as not all waits have been looked at for it.
    raised: Taken,
}

impl Events {
    /// No event.
    pub const fn new() -> Self {
        Self {
            raised: Taken {
                bits: 0,
                processor: 0,
            },
        }
    }
}

impl Engine for Events {
    type Request = WaitRequest;
    type Registers = ();
    type Ended = ArrayVec<Ended, 8>;
    type After = core::convert::Infallible;

    fn turn(&mut self, turn: Turn<'_, Self>, irql: &mut Dispatch) -> Option<Self::After> {
        if turn.work & RAISED != 0 {
            let taken = turn.edu.raised.take();
            self.raised.bits |= taken.bits;
            self.raised.processor = taken.processor;
        }
        let Taken { bits, processor } = self.raised;
        if bits != 0 {
            let matches = |request: &WaitRequest, _| request.mask & bits != 0;
            loop {
                if turn.ended.is_full() {
                    // The rest after these have been completed.
                    *turn.left |= RAISED;
                    return None;
                }
                let Some((irp, request)) = turn.waiting.remove_next_if(matches, irql) else {
                    break;
                };
                // Never an error: there is room. `push` would bring a panic into the image.
                drop(turn.ended.try_push(request.raised(irp, bits, processor)));
            }
        }
        self.raised.bits = 0;
        None
    }

    fn after(_queue: &Queue<Self>, _edu: &Edu, after: Self::After, _irql: &mut Dispatch) -> bool {
        match after {}
    }

    fn abandon(&mut self, _status: Status, _ended: &mut Self::Ended) -> Option<Self::After> {
        None
    }

    fn is_idle(&self) -> bool {
        true
    }

    fn tick(&mut self) -> Seen {
        Seen::Idle
    }

    fn seen(&self) -> Seen {
        Seen::Idle
    }
}
