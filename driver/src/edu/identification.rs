//! What the device can be asked about itself, at once.

use eduwdm_abi::{
    Header,
    edu::{Identity, InterruptKind, Liveness, RaiseEvent},
};
use wdm::{
    Result, Status,
    interrupt::Kind,
    irql::{Dispatch, Passive},
    mmio::Registers,
};

use super::{
    Edu,
    registers::{
        Identification as IdentificationRegister, IdentificationBlock, InterruptBits,
        InterruptRaise, Liveness as LivenessRegister, identifies_edu,
    },
};

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

/// The registers for it, and how the device interrupts.
pub struct Identification {
    pub registers: Registers<IdentificationBlock>,
    pub interrupt: Kind,
}

impl Identification {
    /// Whether the device is there.
    pub fn answers(&self) -> bool {
        identifies_edu(self.registers.read(IdentificationRegister))
    }
}

impl Edu {
    /// Whether the device is there, as far as it can be asked.
    pub fn answers(&self, irql: &mut Passive) -> bool {
        let identification = self.identification.acquire(irql);
        identification.as_ref().is_none_or(Identification::answers)
    }

    /// As [`Self::answers`], for who holds a queue's lock.
    pub fn answers_at_dispatch(&self, irql: &mut Dispatch) -> bool {
        let identification = self.identification.acquire_at_dpc_level(irql);
        identification.as_ref().is_none_or(Identification::answers)
    }

    /// [`eduwdm_abi::Ioctl::Identify`], validated.
    ///
    /// # Errors
    ///
    /// `STATUS_DEVICE_NOT_READY` while the device is stopped or has no power;
    /// `STATUS_DEVICE_REMOVED` if it does not answer.
    pub fn identify(&self, irql: &mut Passive) -> Result<Identity> {
        let _active = self.component.activate_and_wait(irql);
        let identification = self.identification.acquire(irql);
        let this = identification.as_ref().ok_or(Status::DEVICE_NOT_READY)?;
        let register = this.registers.read(IdentificationRegister);
        if !identifies_edu(register) {
            return Err(Status::DEVICE_REMOVED);
        }
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
            buffer_length: self.buffer_length,
            driver_version: DRIVER_VERSION,
        })
    }

    /// [`eduwdm_abi::Ioctl::Liveness`], validated.
    ///
    /// # Errors
    ///
    /// `STATUS_DEVICE_NOT_READY` while the device is stopped or has no power. A device that does not
    /// answer is what the client finds out by the answer.
    pub fn liveness(&self, request: Liveness, irql: &mut Passive) -> Result<Liveness> {
        let _active = self.component.activate_and_wait(irql);
        let mut identification = self.identification.acquire(irql);
        let this = identification.as_mut().ok_or(Status::DEVICE_NOT_READY)?;
        this.registers.write(LivenessRegister, request.value);
        Ok(Liveness {
            inverse: this.registers.read(LivenessRegister),
            ..request
        })
    }

    /// [`eduwdm_abi::Ioctl::RaiseEvent`], validated.
    ///
    /// # Errors
    ///
    /// As [`Self::identify`].
    pub fn raise_event(&self, request: &RaiseEvent, irql: &mut Passive) -> Result<()> {
        let _active = self.component.activate_and_wait(irql);
        let mut raise = self.raise.acquire(irql);
        let registers = raise.as_mut().ok_or(Status::DEVICE_NOT_READY)?;
        registers.write(
            InterruptRaise,
            InterruptBits::from_bits_retain(request.bits),
        );
        Ok(())
    }
}
