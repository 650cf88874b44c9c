//! Factorials: one on the device at a time.

use eduwdm_abi::{
    Header,
    edu::{FactorialInput, FactorialOutput},
};
use wdm::{
    Status,
    csq::{Csq, Request},
    irp::{Irp, Pending},
    irql::{Dispatch, UpToDispatch},
    mmio::Registers,
    numa,
    time::Instant,
};
use zerocopy::IntoBytes;

use super::{
    queue::{Ended, EndedList, Engine},
    registers::{ComputeBlock, Factorial},
};

/// A factorial that was asked for.
pub struct FactorialRequest {
    n: u32,
    arrived: Instant,
}

impl FactorialRequest {
    /// One that arrives now.
    pub fn new(input: FactorialInput) -> Self {
        Self {
            n: input.n,
            arrived: Instant::now(),
        }
    }
}

impl Request for FactorialRequest {
    fn canceled(self, irp: Irp<Pending>, irql: &mut UpToDispatch) {
        irp.complete(Status::CANCELLED, 0, irql);
    }
}

/// The engine.
pub struct Compute {
    running: Option<(Irp<Pending>, FactorialRequest)>,
}

impl Compute {
    /// An idle engine.
    pub const fn new() -> Self {
        Self { running: None }
    }
}

impl Engine for Compute {
    type Request = FactorialRequest;
    type Registers = Registers<ComputeBlock>;

    fn device_done(
        &mut self,
        registers: &mut Self::Registers,
        interrupt_processor: u32,
        ended: &mut EndedList,
    ) {
        let Some((mut irp, request)) = self.running.take() else {
            return;
        };
        let output = FactorialOutput {
            header: Header::of::<FactorialOutput>(),
            n: request.n,
            result: registers.read(Factorial),
            interrupt_processor,
            dpc_processor: numa::current_processor_index(),
            elapsed_100ns: request.arrived.elapsed_100ns(),
        };
        // That the answer fits was checked when the request came.
        let (status, information) = match irp.write_output(output.as_bytes()) {
            Ok(length) => (Status::SUCCESS, length),
            Err(status) => (status, 0),
        };
        ended.push(Ended {
            irp,
            status,
            information,
        });
    }

    fn start_next(
        &mut self,
        registers: &mut Self::Registers,
        waiting: &Csq<FactorialRequest>,
        _ended: &mut EndedList,
        irql: &Dispatch,
    ) {
        if self.running.is_none()
            && let Some((irp, request)) = waiting.remove_next(irql)
        {
            registers.write(Factorial, request.n);
            self.running = Some((irp, request));
        }
    }

    fn abandon(&mut self, status: Status, ended: &mut EndedList) {
        if let Some((irp, _)) = self.running.take() {
            ended.push(Ended {
                irp,
                status,
                information: 0,
            });
        }
    }

    fn is_idle(&self) -> bool {
        self.running.is_none()
    }
}
