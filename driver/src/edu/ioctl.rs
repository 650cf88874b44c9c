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

/// The dispatch routine. A request that is refused is completed where that is found, and what the
/// dispatch routine returns for it goes the way of an error.
pub fn dispatch(
    edu: &Edu,
    device: &Fdo<FunctionDevice<EduFunction>>,
    irp: Irp<Fresh>,
    irql: &mut Passive,
) -> Dispatched {
    let (Ok(dispatched) | Err(dispatched)) = handle(edu, device, irp, irql);
    dispatched
}

/// The dispatch routine's return value, of a request that was taken or of one that was refused.
type Handled = core::result::Result<Dispatched, Dispatched>;

/// The codes that programs use all the time.
fn handle(
    edu: &Edu,
    device: &Fdo<FunctionDevice<EduFunction>>,
    irp: Irp<Fresh>,
    irql: &mut Passive,
) -> Handled {
    let code = irp.device_control().map_or(0, |control| control.code);
    match Ioctl::from_code(code) {
        Some(Ioctl::Identify) => {
            let irp = no_input::<Identity>(irp, irql)?;
            Ok(answer(edu.identify(irql), irp, irql))
        }
        Some(Ioctl::Liveness) => {
            let (irp, request) = input::<Liveness, Liveness>(irp, irql)?;
            Ok(answer(edu.liveness(request, irql), irp, irql))
        }
        Some(Ioctl::Factorial) => {
            let (irp, request) = input::<FactorialInput, FactorialOutput>(irp, irql)?;
            let request = FactorialRequest::new(request, Arrival::now(edu, irql));
            Ok(edu.compute.submit(edu, irp, request, irql))
        }
        Some(Ioctl::RaiseEvent) => {
            let (irp, request) = input::<RaiseEvent, ()>(irp, irql)?;
            let irp = check_events(request.bits, irp, irql)?;
            let raised = edu.raise_event(&request, irql);
            Ok(irp.complete(Status::of(raised), irql))
        }
        Some(Ioctl::WaitEvent) => {
            let (irp, request) = input::<WaitEventInput, WaitEventOutput>(irp, irql)?;
            let irp = check_events(request.mask, irp, irql)?;
            Ok(edu.wait_event(irp, &request, irql))
        }
        Some(Ioctl::LockedTransfer) => {
            let (irp, request) = input::<LockedTransfer, LockedTransferOutput>(irp, irql)?;
            Ok(edu.locked_transfer(irp, &request, irql))
        }
        Some(code) => handle_rare(code, edu, device, irp, irql),
        None => Ok(irp.complete(Status::INVALID_DEVICE_REQUEST, irql)),
    }
}

/// The others. Not inlined, so that the stack that they need is not taken for every request.
#[cold]
#[inline(never)]
fn handle_rare(
    code: Ioctl,
    edu: &Edu,
    device: &Fdo<FunctionDevice<EduFunction>>,
    irp: Irp<Fresh>,
    irql: &mut Passive,
) -> Handled {
    match code {
        Ioctl::DmaSelfTest => {
            let (irp, request) = input::<DmaSelfTestInput, DmaSelfTestOutput>(irp, irql)?;
            let range =
                DeviceRange::exact(request.device_offset, request.length, edu.buffer_length);
            let (irp, range) = accepted(range, irp, irql)?;
            let request = TransferRequest::new(Memory::SelfTest, range, Arrival::now(edu, irql));
            Ok(edu.write.submit(edu, irp, request, irql))
        }
        Ioctl::Statistics => Ok(edu.answer_statistics(irp, irql)),
        Ioctl::Topology => {
            let irp = no_input::<Topology>(irp, irql)?;
            Ok(answer(edu.topology(irql), irp, irql))
        }
        Ioctl::Reset => {
            let irp = no_input::<()>(irp, irql)?;
            let _active = edu.component.activate_and_wait(irql);
            let reset = edu.reset(device, irql);
            Ok(irp.complete(Status::of(reset), irql))
        }
        _ => Ok(irp.complete(Status::INVALID_DEVICE_REQUEST, irql)),
    }
}

/// What was validated, with its request. One that is refused is completed.
fn accepted<T>(
    validated: core::result::Result<T, Refusal>,
    irp: Irp<Fresh>,
    irql: &Passive,
) -> core::result::Result<(Irp<Fresh>, T), Dispatched> {
    match validated {
        Ok(value) => Ok((irp, value)),
        Err(refusal) => Err(irp.complete(status::of(refusal), irql)),
    }
}

/// The validated input of a request whose answer is an `A`.
fn input<T: Versioned, A>(
    irp: Irp<Fresh>,
    irql: &Passive,
) -> core::result::Result<(Irp<Fresh>, T), Dispatched> {
    let request = request::input(irp.input(), output_length(&irp), size_of::<A>());
    accepted(request, irp, irql)
}

/// Validates a request without input whose answer is an `A`.
fn no_input<A>(irp: Irp<Fresh>, irql: &Passive) -> core::result::Result<Irp<Fresh>, Dispatched> {
    let validated = request::no_input(irp.input(), output_length(&irp), size_of::<A>());
    accepted(validated, irp, irql).map(|(irp, ())| irp)
}

fn output_length(irp: &Irp<Fresh>) -> usize {
    irp.device_control()
        .map_or(0, |control| control.output_length)
}

/// Bits that clients may raise and wait for, and at least one of them.
fn check_events(
    bits: u32,
    irp: Irp<Fresh>,
    irql: &Passive,
) -> core::result::Result<Irp<Fresh>, Dispatched> {
    let validated = if bits == 0 || bits & !EVENT_USER_MASK != 0 {
        Err(Refusal::InvalidParameter)
    } else {
        Ok(())
    };
    accepted(validated, irp, irql).map(|(irp, ())| irp)
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
