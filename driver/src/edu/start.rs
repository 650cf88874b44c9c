//! IRP_MN_START_DEVICE: what the device needs, acquired step by step.
//!
//! Each step's value gives back what it acquired when it is dropped. A step that fails drops
//! those before it, in the reverse order. The registers are given to the queues last, when
//! nothing can fail any more.

use wdm::{
    Result, Status,
    bus::BusInterface,
    contiguous::Contiguous,
    device::Fdo,
    dma::{Adapter, Channel, CommonBuffer, Description},
    dpc::Dpc,
    function::FunctionDevice,
    interrupt::Interrupt,
    irql::{self, Passive},
    mdl::Pages,
    mmio::{Mapping, Registers},
    numa,
    pnp::Resources,
    pool::Shared,
};

use super::{
    Edu, EduFunction,
    dma::{Buffers, Dma, IdleDma},
    events,
    failures::Failures,
    identification::Identification,
    interrupt::Isr,
    registers::{
        Bar0, Bar0Registers, Identification as IdentificationRegister, InterruptBits, RaiseBlock,
        Status as StatusRegister, StatusBits, identifies_edu,
    },
    topology::Placement,
    watchdog::Controls,
};
use crate::tags;

/// The most bytes that one request moves: the device's whole buffer.
const MAXIMUM_LENGTH: u32 = 4096;
/// The highest address that the device can reach.
const HIGHEST_ADDRESS: u64 = (1 << eduwdm_logic::transfer::DMA_ADDRESS_WIDTH) - 1;

/// What a started device has, beside its [`Controls`].
pub struct Hardware {
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
        bus: &Shared<BusInterface>,
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
        let buffers = buffers(&adapter, node, irql)?;
        let failures = Failures::new(device, irql)?;
        let channel = Channel::new(tags::DMA, adapter, device.reference(), edu.clone(), irql)?;

        let dpc = Dpc::new(tags::INTERRUPT, edu.clone(), irql)?;
        let dpc = Shared::new(tags::INTERRUPT, dpc, irql)?;
        let isr = Isr::new(registers.interrupt, edu.clone(), dpc.clone());
        let interrupt = Interrupt::connect(physical, tags::INTERRUPT, isr, irql)?;

        let placement = Placement {
            device_node: node,
            interrupt: interrupt_resource,
            buffer_node: buffers.write_pages.node(),
        };
        let kind = interrupt.kind();
        let controls = Controls::new(interrupt, bus.clone());
        let mut this = Self {
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
        edu.watchdog.install(edu, device, irql)?;
        *edu.controls.acquire(irql) = Some(controls);
        *edu.placement.acquire(irql) = Some(placement);
        let dma = Dma::new(registers.dma, buffers, failures);
        edu.dma.install(IdleDma { dma, channel }, irql);
        edu.compute.install(registers.compute, irql);
        edu.write.install((), irql);
        edu.read.install((), irql);
        edu.events.install((), irql);
        if let Err(status) = edu.wait_until_idle(irql) {
            this.give_back(irql);
            return Err(status);
        }
        // Nothing fails from here on.
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
        self.with_controls(
            |controls, irql| controls.interrupt.acquire(irql).power_up(),
            irql,
        );
    }

    /// Does something with the controls, which are there as long as the device is started.
    fn with_controls<T: Default>(
        &self,
        act: impl FnOnce(&mut Controls, &mut Passive) -> T,
        irql: &mut Passive,
    ) -> T {
        let mut controls = self.edu.controls.acquire(irql);
        let (controls, irql) = controls.parts();
        controls
            .as_mut()
            .map_or_else(T::default, |controls| act(controls, irql))
    }

    /// Whether the device may be touched.
    fn is_powered(&self, irql: &mut Passive) -> bool {
        self.with_controls(
            |controls, irql| controls.interrupt.acquire(irql).is_powered(),
            irql,
        )
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
        self.with_controls(
            |controls, irql| {
                controls.interrupt.acquire(irql).power_down();
                controls.interrupt.set_active(false, irql);
            },
            irql,
        );
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
        let said = self.with_controls(
            |controls, irql| Some(controls.interrupt.acquire(irql).silence()),
            irql,
        );
        // An interrupt may be on its way to another processor still, where the ISR would find nothing
        // any more. The client that raised an event was told that it is raised, and no other event will come.
        let raised = said.unwrap_or(InterruptBits::empty()) & InterruptBits::RAISED;
        if !raised.is_empty() {
            let edu = &self.edu;
            edu.raised
                .save(raised.bits(), numa::current_processor_index());
            irql::raise_to_dispatch(irql, |irql| edu.events.post(edu, events::RAISED, irql));
        }
    }

    /// The device has its power back; requests are held back still.
    ///
    /// # Errors
    ///
    /// `STATUS_DEVICE_HARDWARE_ERROR` if it does not answer as an `edu` device does: it may have
    /// been exchanged, or not come back. It is left as it is then, without power as far as the
    /// driver is concerned.
    pub fn power_up(&mut self, irql: &mut Passive) -> Result<()> {
        if let Some((identification, _)) = &self.parked
            && !identification.answers()
        {
            return Err(Status::DEVICE_HARDWARE_ERROR);
        }
        self.with_controls(
            |controls, irql| controls.interrupt.set_active(true, irql),
            irql,
        );
        self.initialize_device(irql);
        let edu = &self.edu;
        let finished = self.with_controls(|controls, irql| Some(controls.finish(edu, irql)), irql);
        self.unpark(irql);
        finished.unwrap_or(Ok(()))
    }

    /// Waits until the device is idle and gives everything back. A device with power can still
    /// interrupt, until its interrupt is disconnected: the ISR takes care of that.
    pub fn stop(mut self, irql: &mut Passive) {
        self.pause(irql);
        // It may be removed while it has no power.
        if self.is_powered(irql) {
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
    ///
    /// One that has no power is not asked: it would not answer, and could be taken for gone. It was
    /// idle when it lost its power, so nothing is on it.
    pub fn unplugged(self, irql: &mut Passive) {
        if !self.is_powered(irql) || self.edu.answers(irql) {
            return self.stop(irql);
        }
        self.with_controls(
            |controls, irql| controls.interrupt.acquire(irql).power_down(),
            irql,
        );
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
        edu.watchdog.uninstall(irql);
        // The interrupt goes first, so that nothing uses the rest any more. A recovery that is under
        // way has the mutex until it is done, and one that comes later finds nothing.
        let controls = edu.controls.acquire(irql).take();
        if let Some(controls) = controls {
            controls.interrupt.close(irql);
        }
        drop(edu.compute.take_registers(edu, irql));
        edu.write.take_registers(edu, irql);
        edu.read.take_registers(edu, irql);
        edu.events.take_registers(edu, irql);
        if let Some(IdleDma { dma, channel }) = edu.dma.uninstall(irql) {
            dma.close(irql);
            drop(channel);
        }
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

/// The memory of the DMA engine. Memory that the device reaches may be scarce, and little of this
/// has to be of that kind: what goes through the adapter is only copied less if it is, and the
/// descriptor page is no device's to see.
fn buffers(adapter: &Shared<Adapter>, node: Option<u16>, irql: &Passive) -> Result<Buffers> {
    let pages = || {
        let length = MAXIMUM_LENGTH as usize;
        // ANCHOR: buffers
        let pages = Pages::allocate(length, HIGHEST_ADDRESS, node, irql)
            .or_else(|_| Pages::allocate(length, u64::MAX, node, irql))?;
        // ANCHOR_END: buffers
        Shared::new(tags::DMA, pages, irql)
    };
    // Without one, a list that leaves the device's reach is refused.
    let bounce = CommonBuffer::allocate(adapter.clone(), MAXIMUM_LENGTH, irql);
    let bounce = bounce.ok().filter(|buffer| {
        let end = buffer.logical_address().checked_add(MAXIMUM_LENGTH.into());
        end.is_some_and(|end| end - 1 <= HIGHEST_ADDRESS)
    });
    Ok(Buffers {
        page: Contiguous::new(u64::MAX, node, irql)?,
        write_pages: pages()?,
        read_pages: pages()?,
        bounce,
    })
}
