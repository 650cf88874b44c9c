//! IRP_MN_START_DEVICE: what the device needs, acquired step by step.
//!
//! Each step's value gives back what it acquired when it is dropped. A step that fails drops
//! those before it, in the reverse order, and so does the end of [`Hardware`]. The registers are
//! given to the queues last, when nothing can fail any more.

use wdm::{
    Result, Status, device::PhysicalDevice, dpc::Dpc, interrupt::Interrupt, irql::Passive,
    mmio::Mapping, pnp::Resources, pool::Shared,
};

use super::{
    Edu, Identification,
    interrupt::Isr,
    registers::{
        Bar0, Bar0Registers, IDENTIFICATION_LOW, Identification as IdentificationRegister,
        NO_ANSWER, Status as StatusRegister, StatusBits,
    },
};
use crate::tags;

/// What a started device has. The fields are given back in their order: the interrupt first, so
/// that nothing uses the rest any more.
pub struct Hardware {
    interrupt: Interrupt<Isr>,
    /// Gone when the ISR's share of it is, too; then it is neither queued nor running.
    _dpc: Shared<Dpc<Edu>>,
    edu: Shared<Edu>,
}

impl Hardware {
    /// Acquires everything and lets the queues run.
    ///
    /// # Errors
    ///
    /// `STATUS_DEVICE_CONFIGURATION_ERROR` if a resource is missing or too small;
    /// `STATUS_DEVICE_HARDWARE_ERROR` if the device does not answer as an `edu` device does;
    /// and those of the kernel's routines.
    pub fn start(
        edu: &Shared<Edu>,
        physical: PhysicalDevice<'_>,
        resources: Resources<'_>,
        irql: &mut Passive,
    ) -> Result<Self> {
        let memory = resources
            .memory()
            .next()
            .ok_or(Status::DEVICE_CONFIGURATION_ERROR)?;
        let mapping = Mapping::<Bar0>::new(memory, irql)?;
        let Bar0Registers {
            identification,
            mut compute,
            interrupt,
        } = Bar0Registers::split(mapping, tags::REGISTERS, irql)?;
        let register = identification.read(IdentificationRegister);
        if register == NO_ANSWER || register & 0xff != IDENTIFICATION_LOW {
            return Err(Status::DEVICE_HARDWARE_ERROR);
        }
        let dpc = Shared::new(tags::INTERRUPT, Dpc::new(tags::INTERRUPT, edu.clone())?)?;
        let isr = Isr::new(interrupt, edu.clone(), dpc.clone());
        let interrupt = Interrupt::connect(physical, tags::INTERRUPT, isr, irql)?;
        compute.write(StatusRegister, StatusBits::INTERRUPT_WHEN_DONE);
        interrupt.acquire(irql).power_up();
        *edu.identification.acquire(irql) = Some(Identification {
            registers: identification,
            interrupt: interrupt.kind(),
        });
        edu.compute.open(compute, irql);
        Ok(Self {
            interrupt,
            _dpc: dpc,
            edu: edu.clone(),
        })
    }

    /// Holds requests back and waits until the device is idle.
    pub fn pause(&self, irql: &mut Passive) {
        self.edu.compute.close(irql);
    }

    /// Lets requests run again.
    pub fn resume(&self, irql: &mut Passive) {
        self.edu.compute.reopen(irql);
    }

    /// Waits until the device is idle and gives everything back.
    pub fn stop(self, irql: &mut Passive) {
        self.pause(irql);
        self.interrupt.acquire(irql).power_down();
        if let Some(mut compute) = self.edu.compute.take_registers(irql) {
            compute.write(StatusRegister, StatusBits::empty());
        }
        *self.edu.identification.acquire(irql) = None;
    }

    /// The device does not answer any more: ends what is on it, and gives everything back.
    pub fn unplugged(self, irql: &mut Passive) {
        self.interrupt.acquire(irql).power_down();
        self.edu.compute.abandon(Status::DEVICE_REMOVED, irql);
        drop(self.edu.compute.take_registers(irql));
        *self.edu.identification.acquire(irql) = None;
    }
}
