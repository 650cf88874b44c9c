//! IRP_MJ_DEVICE_CONTROL: each request is validated whole before anything is done for it.

use eduwdm_abi::{
    Header, Ioctl,
    edu::{
        DEVICE_BUFFER_LENGTH, FactorialInput, FactorialOutput, Identity, InterruptKind, Liveness,
    },
};
use eduwdm_logic::request;
use wdm::{
    Result, Status,
    interrupt::Kind,
    irp::{Dispatched, Fresh, Irp},
    irql::Passive,
};
use zerocopy::IntoBytes;

use super::{
    Edu,
    compute::FactorialRequest,
    registers::{Identification, Liveness as LivenessRegister},
};
use crate::status;

/// The driver's version as the interface carries it: major, minor, patch, zero.
const DRIVER_VERSION: u32 = u32::from_be_bytes([
    version(env!("CARGO_PKG_VERSION_MAJOR")),
    version(env!("CARGO_PKG_VERSION_MINOR")),
    version(env!("CARGO_PKG_VERSION_PATCH")),
    0,
]);

const fn version(number: &str) -> u8 {
    match u8::from_str_radix(number, 10) {
        Ok(number) => number,
        Err(_) => panic!("a part of the version is above 255"),
    }
}

impl Edu {
    /// The dispatch routine.
    pub fn device_control(&self, mut irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
        let Some(control) = irp.device_control() else {
            return irp.complete(Status::INVALID_DEVICE_REQUEST, 0, irql);
        };
        let output = control.output_length;
        let answer = match Ioctl::from_code(control.code) {
            Some(Ioctl::Identify) => self.identify(irp.input(), output, irql).map(Answer::from),
            Some(Ioctl::Liveness) => self.liveness(irp.input(), output, irql).map(Answer::from),
            Some(Ioctl::Factorial) => {
                let input = request::input::<FactorialInput>(
                    irp.input(),
                    output,
                    size_of::<FactorialOutput>(),
                );
                match input {
                    Ok(input) => {
                        return self.compute.submit(irp, FactorialRequest::new(input), irql);
                    }
                    Err(refusal) => Err(status::of(refusal)),
                }
            }
            _ => Err(Status::INVALID_DEVICE_REQUEST),
        };
        let written = answer.and_then(|answer| irp.write_output(answer.as_bytes()));
        match written {
            Ok(length) => irp.complete(Status::SUCCESS, length, irql),
            Err(status) => irp.complete(status, 0, irql),
        }
    }

    fn identify(&self, input: &[u8], output: usize, irql: &mut Passive) -> Result<Identity> {
        request::no_input(input, output, size_of::<Identity>()).map_err(status::of)?;
        let identification = self.identification.acquire(irql);
        let this = identification.as_ref().ok_or(Status::DEVICE_NOT_READY)?;
        let register = this.registers.read(Identification);
        let [major, minor, _, _] = register.to_be_bytes();
        let (kind, count) = match this.interrupt {
            Kind::LineBased => (InterruptKind::LineBased, 1),
            Kind::MessageSignaled { messages } => (InterruptKind::MessageSignaled, messages),
        };
        Ok(Identity {
            header: Header::of::<Identity>(),
            identification: register,
            major_version: major.into(),
            minor_version: minor.into(),
            interrupt_kind: kind.to_wire(),
            interrupt_count: count,
            buffer_length: DEVICE_BUFFER_LENGTH,
            driver_version: DRIVER_VERSION,
        })
    }

    fn liveness(&self, input: &[u8], output: usize, irql: &mut Passive) -> Result<Liveness> {
        let request: Liveness =
            request::input(input, output, size_of::<Liveness>()).map_err(status::of)?;
        let mut identification = self.identification.acquire(irql);
        let this = identification.as_mut().ok_or(Status::DEVICE_NOT_READY)?;
        this.registers.write(LivenessRegister, request.value);
        Ok(Liveness {
            inverse: this.registers.read(LivenessRegister),
            ..request
        })
    }
}

/// An answer that is known at once.
enum Answer {
    Identity(Identity),
    Liveness(Liveness),
}

impl Answer {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Identity(answer) => answer.as_bytes(),
            Self::Liveness(answer) => answer.as_bytes(),
        }
    }
}

impl From<Identity> for Answer {
    fn from(answer: Identity) -> Self {
        Self::Identity(answer)
    }
}

impl From<Liveness> for Answer {
    fn from(answer: Liveness) -> Self {
        Self::Liveness(answer)
    }
}
