//! IRP_MJ_DEVICE_CONTROL: each request is validated whole before anything is done for it.

use eduwdm_abi::{
    Ioctl,
    edu::{
        DmaSelfTestInput, DmaSelfTestOutput, EVENT_USER_MASK, FactorialInput, FactorialOutput,
        Identity, Liveness, LockedTransfer, LockedTransferOutput, RaiseEvent, WaitEventInput,
        WaitEventOutput,
    },
    topology::Topology,
};
use eduwdm_logic::{
    request::{self, Refusal, Versioned},
    transfer::DeviceRange,
};
use wdm::{
    Result, Status,
    device::Fdo,
    function::FunctionDevice,
    irp::{Dispatched, Fresh, Irp},
    irql::Passive,
};
use zerocopy::{Immutable, IntoBytes};

use super::{
    Edu, EduFunction,
    compute::FactorialRequest,
    queue::Arrival,
    transfer::{Memory, TransferRequest},
};
use crate::status;

/// The dispatch routine.
pub fn dispatch(
    edu: &Edu,
    device: &Fdo<FunctionDevice<EduFunction>>,
    irp: Irp<Fresh>,
    irql: &mut Passive,
) -> Dispatched {
    let code = irp.device_control().map_or(0, |control| control.code);
    match Ioctl::from_code(code) {
        Some(Ioctl::Identify) => match no_input::<Identity>(&irp) {
            Ok(()) => answer(edu.identify(irql), irp, irql),
            Err(status) => irp.complete(status, irql),
        },
        Some(Ioctl::Liveness) => match input::<Liveness, Liveness>(&irp) {
            Ok(request) => answer(edu.liveness(request, irql), irp, irql),
            Err(status) => irp.complete(status, irql),
        },
        Some(Ioctl::Factorial) => match input::<FactorialInput, FactorialOutput>(&irp) {
            Ok(request) => {
                let request = FactorialRequest::new(request, Arrival::now(edu, irql));
                edu.compute.submit(edu, irp, request, irql)
            }
            Err(status) => irp.complete(status, irql),
        },
        Some(Ioctl::RaiseEvent) => {
            let raised = input::<RaiseEvent, ()>(&irp).and_then(|request| {
                check_events(request.bits)?;
                edu.raise_event(&request, irql)
            });
            done(raised, irp, irql)
        }
        Some(Ioctl::WaitEvent) => {
            let request = input::<WaitEventInput, WaitEventOutput>(&irp).and_then(|request| {
                check_events(request.mask)?;
                Ok(request)
            });
            match request {
                Ok(request) => edu.wait_event(irp, &request, irql),
                Err(status) => irp.complete(status, irql),
            }
        }
        Some(Ioctl::LockedTransfer) => match input::<LockedTransfer, LockedTransferOutput>(&irp) {
            Ok(request) => edu.locked_transfer(irp, &request, irql),
            Err(status) => irp.complete(status, irql),
        },
        Some(Ioctl::DmaSelfTest) => {
            let range = input::<DmaSelfTestInput, DmaSelfTestOutput>(&irp).and_then(|request| {
                DeviceRange::exact(request.device_offset, request.length, edu.buffer_length)
                    .map_err(status::of)
            });
            match range {
                Ok(range) => {
                    let request =
                        TransferRequest::new(Memory::SelfTest, range, Arrival::now(edu, irql));
                    edu.write.submit(edu, irp, request, irql)
                }
                Err(status) => irp.complete(status, irql),
            }
        }
        Some(Ioctl::Statistics) => edu.answer_statistics(irp, irql),
        Some(Ioctl::Topology) => match no_input::<Topology>(&irp) {
            Ok(()) => answer(edu.topology(irql), irp, irql),
            Err(status) => irp.complete(status, irql),
        },
        Some(Ioctl::Reset) => {
            let reset = no_input::<()>(&irp).and_then(|()| {
                let _active = edu.component.activate_and_wait(irql);
                edu.reset(device, irql)
            });
            done(reset, irp, irql)
        }
        Some(Ioctl::TestdevInfo | Ioctl::TestdevRun) | None => {
            irp.complete(Status::INVALID_DEVICE_REQUEST, irql)
        }
    }
}

/// The validated input of a request whose answer is an `A`.
fn input<T: Versioned, A>(irp: &Irp<Fresh>) -> Result<T> {
    request::input(irp.input(), output_length(irp), size_of::<A>()).map_err(status::of)
}

/// Validates a request without input whose answer is an `A`.
fn no_input<A>(irp: &Irp<Fresh>) -> Result<()> {
    request::no_input(irp.input(), output_length(irp), size_of::<A>()).map_err(status::of)
}

fn output_length(irp: &Irp<Fresh>) -> usize {
    irp.device_control()
        .map_or(0, |control| control.output_length)
}

/// Bits that clients may raise and wait for, and at least one of them.
fn check_events(bits: u32) -> Result<()> {
    if bits == 0 || bits & !EVENT_USER_MASK != 0 {
        return Err(status::of(Refusal::InvalidParameter));
    }
    Ok(())
}

/// Completes a request with its answer.
fn answer<A: IntoBytes + Immutable>(
    answer: Result<A>,
    mut irp: Irp<Fresh>,
    irql: &Passive,
) -> Dispatched {
    let told = answer.and_then(|answer| irp.write_output(answer.as_bytes()));
    irp.complete(Status::of(told), irql)
}

/// Completes a request without an answer.
fn done(result: Result<()>, irp: Irp<Fresh>, irql: &Passive) -> Dispatched {
    irp.complete(Status::of(result), irql)
}
