//! IRP_MN_START_DEVICE: what the device needs, acquired step by step.
//!
//! Each step's value gives back what it acquired when it is dropped. A step that fails drops
//! those before it, in the reverse order. The registers are given to the queues last, when
//! nothing can fail any more.

use wdm::{
    Result, Status,
    contiguous::Contiguous,
    device::Fdo,
    dma::{Adapter, Channel, Description},
    dpc::Dpc,
    interrupt::Interrupt,
    irql::Passive,
    mdl::Pages,
    mmio::{Mapping, Registers},
    numa::{self, Processor},
    pnp::{InterruptResource, Resources},
    pool::Shared,
};

use super::{
    Edu, EduFunction,
    dma::{DescriptorPage, Dma, IdleDma},
    failures::Failures,
    identification::Identification,
    interrupt::Isr,
    registers::{
        Bar0, Bar0Registers, Identification as IdentificationRegister, RaiseBlock,
        Status as StatusRegister, StatusBits, identifies_edu,
    },
    topology::Placement,
};
use crate::{function::FunctionDevice, tags};

/// The most bytes that one request moves: the device's whole buffer.
const MAXIMUM_LENGTH: u32 = 4096;
/// The highest address that the device can reach.
const HIGHEST_ADDRESS: u64 = (1 << eduwdm_logic::transfer::DMA_ADDRESS_WIDTH) - 1;

/// What a started device has. The fields are given back in their order: the interrupt first, so
/// that nothing uses the rest any more.
pub struct Hardware {
    interrupt: Interrupt<Isr>,
    /// Gone when the ISR's share of it is, too; then it is neither queued nor running.
    _dpc: Shared<Dpc<Edu>>,
    /// What clients may use at once, while the device has no power.
    parked: Option<(Identification, Registers<RaiseBlock>)>,
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
        device: &Fdo<FunctionDevice<EduFunction>>,
        resources: Resources<'_>,
        irql: &mut Passive,
    ) -> Result<Self> {
        let physical = device.physical();
        let missing = Status::DEVICE_CONFIGURATION_ERROR;
        let memory = resources.memory().next().ok_or(missing)?;
        let interrupt_resource = resources.interrupts().next().ok_or(missing)?;
        let node = numa::device_node(physical, irql);

        let mapping = Mapping::<Bar0>::new(memory, irql)?;
        let registers = Bar0Registers::split(mapping, tags::REGISTERS, irql)?;
        let identification = registers.identification.read(IdentificationRegister);
        if !identifies_edu(identification) {
            return Err(Status::DEVICE_HARDWARE_ERROR);
        }

        let description = Description {
            address_width: eduwdm_logic::transfer::DMA_ADDRESS_WIDTH,
            maximum_length: MAXIMUM_LENGTH,
        };
        let adapter = Shared::new(tags::DMA, Adapter::get(physical, description, irql)?, irql)?;
        let pages = |irql: &Passive| {
            let length = MAXIMUM_LENGTH as usize;
            Shared::new(
                tags::DMA,
                Pages::allocate(length, HIGHEST_ADDRESS, node, irql)?,
                irql,
            )
        };
        let write_pages = pages(irql)?;
        let read_pages = pages(irql)?;
        let page = Contiguous::<DescriptorPage>::new(HIGHEST_ADDRESS, node, irql)?;
        let failures = Failures::new(device, irql)?;
        let channel = Channel::new(tags::DMA, adapter, device.reference(), edu.clone(), irql)?;

        let mut dpc = Dpc::new(tags::INTERRUPT, edu.clone(), irql)?;
        let dpc_processor = dpc_processor(&interrupt_resource, node);
        if let Some(processor) = dpc_processor {
            dpc.set_target(processor, irql)?;
        }
        let dpc = Shared::new(tags::INTERRUPT, dpc, irql)?;
        let isr = Isr::new(registers.interrupt, edu.clone(), dpc.clone());
        let interrupt = Interrupt::connect(physical, tags::INTERRUPT, isr, irql)?;

        let placement = Placement {
            device_node: node,
            interrupt: interrupt_resource,
            dpc_processor: dpc_processor.map(Processor::index),
            buffer_node: write_pages.node(),
            write_buffer: write_pages.physical_address(),
            read_buffer: read_pages.physical_address(),
            descriptor_page: page.physical_address(),
            registers: memory.start(),
        };
        let kind = interrupt.kind();
        let mut this = Self {
            interrupt,
            _dpc: dpc,
            parked: Some((
                Identification {
                    registers: registers.identification,
                    interrupt: kind,
                },
                registers.raise,
            )),
            edu: edu.clone(),
        };
        // Nothing fails from here on.
        *edu.placement.acquire(irql) = Some(placement);
        let dma = Dma::new(registers.dma, page, write_pages, read_pages, failures);
        edu.dma.install(IdleDma { dma, channel }, irql);
        edu.compute.install(registers.compute, irql);
        edu.write.install((), irql);
        edu.read.install((), irql);
        edu.events.install((), irql);
        this.initialize_device(irql);
        this.unpark(irql);
        this.resume(irql);
        Ok(this)
    }

    /// Brings the idle device into the state that the queues count on, after it got power or was
    /// reset: it interrupts when a factorial is done, and whatever it had to say is forgotten.
    pub fn initialize_device(&self, irql: &mut Passive) {
        self.edu.compute.with_registers(
            &self.edu,
            |compute| compute.write(StatusRegister, StatusBits::INTERRUPT_WHEN_DONE),
            irql,
        );
        self.edu.dma.forget_registers(irql);
        self.interrupt.acquire(irql).power_up();
    }

    /// Holds requests back and waits until the device is idle.
    pub fn pause(&self, irql: &mut Passive) {
        let edu = &self.edu;
        edu.for_each_queue(|queue| queue.close(edu, irql));
    }

    /// Lets requests run.
    pub fn resume(&self, irql: &mut Passive) {
        let edu = &self.edu;
        edu.for_each_queue(|queue| queue.reopen(edu, irql));
    }

    /// The device is about to lose its power; it has been paused.
    pub fn power_down(&mut self, irql: &mut Passive) {
        self.park(irql);
        self.silence(irql);
        self.interrupt.acquire(irql).power_down();
        self.interrupt.set_active(false, irql);
    }

    /// Has the idle device stop interrupting. A line that it still asserted when nobody claims its
    /// interrupts any more would interrupt for ever, and with it that of its neighbours. ("Making
    /// an ISR Active or Inactive".)
    fn silence(&self, irql: &mut Passive) {
        self.edu.compute.with_registers(
            &self.edu,
            |compute| compute.write(StatusRegister, StatusBits::empty()),
            irql,
        );
        self.interrupt.acquire(irql).silence();
    }

    /// The device has its power back; requests are held back still.
    pub fn power_up(&mut self, irql: &mut Passive) {
        self.interrupt.set_active(true, irql);
        self.initialize_device(irql);
        self.unpark(irql);
    }

    /// Waits until the device is idle and gives everything back. A device with power can still
    /// interrupt, until its interrupt is disconnected: the ISR takes care of that.
    pub fn stop(mut self, irql: &mut Passive) {
        self.pause(irql);
        // It may be removed while it has no power.
        let powered = self.interrupt.acquire(irql).is_powered();
        if powered {
            // So that nobody can raise an event any more.
            self.park(irql);
            self.silence(irql);
        }
        self.give_back(irql);
    }

    /// The device is removed without having been asked about: ends what is on it, and gives
    /// everything back.
    ///
    /// It need not be gone: that a device does not work, or that its bus does not see it, is told
    /// in the same way. One that is there may be moving data still, so it is waited for.
    /// ("Handling an IRP_MN_SURPRISE_REMOVAL Request".)
    pub fn unplugged(self, irql: &mut Passive) {
        let answers = match &self.parked {
            Some((identification, _)) => identification.answers(),
            None => self.edu.answers(irql),
        };
        if answers {
            return self.stop(irql);
        }
        self.interrupt.acquire(irql).power_down();
        let edu = &self.edu;
        edu.for_each_queue(|queue| queue.abandon(edu, Status::DEVICE_REMOVED, irql));
        // A request that was being mapped comes back, and ends.
        self.pause(irql);
        self.give_back(irql);
    }

    /// Takes from the routines of the device what they work with, and drops it.
    fn give_back(mut self, irql: &mut Passive) {
        self.park(irql);
        let edu = &self.edu;
        drop(edu.compute.take_registers(edu, irql));
        edu.write.take_registers(edu, irql);
        edu.read.take_registers(edu, irql);
        edu.events.take_registers(edu, irql);
        drop(edu.dma.uninstall(irql));
        *edu.placement.acquire(irql) = None;
    }

    /// Takes the registers for requests that are answered at once away from them.
    fn park(&mut self, irql: &mut Passive) {
        let identification = self.edu.identification.acquire(irql).take();
        let raise = self.edu.raise.acquire(irql).take();
        if let (Some(identification), Some(raise)) = (identification, raise) {
            self.parked = Some((identification, raise));
        }
    }

    /// Gives them back.
    fn unpark(&mut self, irql: &mut Passive) {
        if let Some((identification, raise)) = self.parked.take() {
            *self.edu.identification.acquire(irql) = Some(identification);
            *self.edu.raise.acquire(irql) = Some(raise);
        }
    }
}

/// The processor for the DPC: one that takes the interrupt, and of the device's node if there is
/// such, so that what the ISR wrote is near.
fn dpc_processor(interrupt: &InterruptResource, node: Option<u16>) -> Option<Processor> {
    let mut candidates = interrupt.affinity;
    if let Some((group, mask)) = node.map(numa::node_affinity)
        && group == interrupt.group
        && candidates & mask != 0
    {
        candidates &= mask;
    }
    let number = u8::try_from(candidates.trailing_zeros()).ok()?;
    (candidates != 0).then_some(Processor {
        group: interrupt.group,
        number,
    })
}
