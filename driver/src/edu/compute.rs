//! Factorials: one on the device at a time.
//!
//! A factorial costs four accesses to registers: n is written, the ISR reads and acknowledges
//! the interrupt status, and the result is read.

use eduwdm_abi::{
    Header,
    edu::{FactorialInput, FactorialOutput},
};
use eduwdm_logic::{
    factorial,
    watchdog::{Left, Seen},
};
use wdm::{
    Status,
    csq::Request,
    irp::{Irp, Pending},
    irql::{Dispatch, UpToDispatch},
    mmio::Registers,
    numa,
};
use zerocopy::IntoBytes;

use super::{
    Edu,
    queue::{Arrival, Counted, DEVICE_DONE, Ended, Engine, Queue, QueuedRequest, Turn},
    registers::{ComputeBlock, Factorial},
};

/// A factorial that was asked for.
pub struct FactorialRequest {
    n: u32,
    arrived: Arrival,
}

impl FactorialRequest {
    /// One that has arrived.
    pub const fn new(input: FactorialInput, arrived: Arrival) -> Self {
        Self {
            n: input.n,
            arrived,
        }
    }
}

impl QueuedRequest for FactorialRequest {
    fn into_arrival(self) -> Arrival {
        self.arrived
    }
}

impl Request for FactorialRequest {
    type Context = Counted;

    fn canceled(self, irp: Irp<Pending>, counted: &Counted, irql: &mut UpToDispatch) {
        let ended = self.arrived.ended(irp, Status::CANCELLED);
        ended.complete(counted, irql);
    }
}

/// The engine.
pub struct Compute {
    running: Option<Running>,
}

struct Running {
    irp: Irp<Pending>,
    request: FactorialRequest,
    left: Left,
}

/// How many factors the device multiplies in a millisecond, at the very least.
const FACTORS_PER_MS: u32 = 10_000;

impl Compute {
    /// An idle engine.
    pub const fn new() -> Self {
        Self { running: None }
    }

    /// The device has computed the running factorial: reads the result.
    ///
    /// It may have been pulled out since its interrupt, and what a register reads as then is no
    /// result. Only of one that could be that is the device asked whether it is there, so that all
    /// others cost no access more.
    fn finish(
        &mut self,
        registers: &Registers<ComputeBlock>,
        edu: &Edu,
        irql: &mut Dispatch,
    ) -> Option<Ended> {
        let Running {
            mut irp, request, ..
        } = self.running.take()?;
        let result = registers.read(Factorial);
        if !factorial::is_plausible(request.n, result) && !edu.answers_at_dispatch(irql) {
            return Some(request.arrived.ended(irp, Status::DEVICE_REMOVED));
        }
        let elapsed_100ns = request.arrived.at.elapsed_100ns();
        let output = FactorialOutput {
            header: Header::of::<FactorialOutput>(),
            n: request.n,
            result,
            interrupt_processor: edu.factorial_interrupt.take().processor,
            dpc_processor: numa::current_processor_index(),
            elapsed_100ns,
        };
        // That the answer fits was checked when the request came.
        let status = Status::of(irp.write_output(output.as_bytes()));
        Some(request.arrived.ended_after(elapsed_100ns, irp, status))
    }
}

impl Engine for Compute {
    type Request = FactorialRequest;
    type Registers = Registers<ComputeBlock>;
    type Ended = Option<Ended>;
    type After = core::convert::Infallible;

    fn turn(&mut self, turn: Turn<'_, Self>, irql: &mut Dispatch) -> Option<Self::After> {
        if turn.work & DEVICE_DONE != 0 {
            *turn.ended = self.finish(turn.registers, turn.edu, irql);
        }
        // Before the one that is done is completed, so that the device does not idle meanwhile.
        if turn.open
            && self.running.is_none()
            && let Some((irp, request)) = turn.waiting.remove_next(irql)
        {
            turn.registers.write(Factorial, request.n);
            let left = turn.edu.watchdog.start(request.n / FACTORS_PER_MS, irql);
            self.running = Some(Running { irp, request, left });
        }
        None
    }

    fn after(_queue: &Queue<Self>, _edu: &Edu, after: Self::After, _irql: &mut Dispatch) -> bool {
        match after {}
    }

    fn abandon(&mut self, status: Status, ended: &mut Self::Ended) -> Option<Self::After> {
        let running = self.running.take();
        *ended = running.map(|Running { irp, request, .. }| request.arrived.ended(irp, status));
        None
    }

    fn is_idle(&self) -> bool {
        self.running.is_none()
    }

    fn tick(&mut self) -> Seen {
        let running = self.running.as_mut();
        running.map_or(Seen::Idle, |running| running.left.tick())
    }

    fn seen(&self) -> Seen {
        let running = self.running.as_ref();
        running.map_or(Seen::Idle, |running| running.left.seen())
    }
}
