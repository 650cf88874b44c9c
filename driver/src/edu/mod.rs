//! The `edu` device: interrupts, and queues that the driver manages itself.
//!
//! [`Edu`] is what all of its routines share, on every processor. It has no lock of its own: each
//! part says what protects it.

mod cleanup;
mod compute;
mod dpc;
mod interrupt;
mod ioctl;
mod queue;
mod registers;
mod start;

use eduwdm_logic::interrupt_bits::InterruptBits;
use wdm::{
    Result, Status,
    device::PhysicalDevice,
    driver::DriverObject,
    irp::{Dispatched, Fresh, Irp},
    irql::Passive,
    mmio::Registers,
    pnp::Resources,
    pool::Shared,
    spinlock::SpinLock,
};

use self::{compute::Compute, queue::Queue, start::Hardware};
use crate::{
    function::{self, Function},
    tags,
};

/// What the routines of one device share.
pub struct Edu {
    /// From the ISR to the DPC. Atomic.
    interrupt_bits: InterruptBits,
    /// Factorials. Its own lock.
    compute: Queue<Compute>,
    /// What identifies the device, while it is started. The lock makes the write and the read of
    /// the liveness register one.
    identification: SpinLock<Option<Identification>>,
}

/// What a started device can be asked about itself.
struct Identification {
    registers: Registers<registers::IdentificationBlock>,
    interrupt: wdm::interrupt::Kind,
}

/// The kind of device that [`crate::function`] knows.
pub struct EduFunction {
    edu: Shared<Edu>,
}

/// AddDevice.
///
/// # Errors
///
/// Those of the kernel's routines; nothing is left behind.
pub fn add_device(
    driver: &DriverObject,
    physical: PhysicalDevice<'_>,
    irql: &mut Passive,
) -> Result<()> {
    let make = |_irql: &mut Passive| {
        let edu = Edu {
            interrupt_bits: InterruptBits::new(),
            compute: Queue::new(Compute::new())?,
            identification: SpinLock::new(None),
        };
        Ok(EduFunction {
            edu: Shared::new(tags::DEVICE, edu)?,
        })
    };
    function::add_device(driver, physical, make, irql)
}

impl Function for EduFunction {
    const NAME: &str = "edu";
    const INTERFACE: eduwdm_abi::InterfaceClass = eduwdm_abi::EDU_INTERFACE;
    type Hardware = Hardware;

    fn start(
        &self,
        physical: PhysicalDevice<'_>,
        resources: Resources<'_>,
        irql: &mut Passive,
    ) -> Result<Hardware> {
        Hardware::start(&self.edu, physical, resources, irql)
    }

    fn pause(&self, hardware: &mut Hardware, irql: &mut Passive) {
        hardware.pause(irql);
    }

    fn resume(&self, hardware: &mut Hardware, irql: &mut Passive) {
        hardware.resume(irql);
    }

    fn stop(&self, hardware: Hardware, irql: &mut Passive) {
        hardware.stop(irql);
    }

    fn unplugged(&self, hardware: Hardware, irql: &mut Passive) {
        hardware.unplugged(irql);
    }

    fn refuse_requests(&self, status: Status, irql: &mut Passive) {
        self.edu.compute.refuse(status, irql);
    }

    fn cleanup(&self, irp: &Irp<Fresh>, irql: &mut Passive) {
        self.edu.cleanup(irp.file_object(), irql);
    }

    fn read(&self, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
        irp.complete(Status::INVALID_DEVICE_REQUEST, 0, irql)
    }

    fn write(&self, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
        irp.complete(Status::INVALID_DEVICE_REQUEST, 0, irql)
    }

    fn device_control(&self, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
        self.edu.device_control(irp, irql)
    }
}
