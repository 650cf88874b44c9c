//! The `pci-testdev` device: no interrupt, and a queue that the system manages.
//!
//! StartIo gets its requests one after the other, at DISPATCH_LEVEL, where nobody may stay for more
//! than 100 microseconds. A request makes up to a thousand accesses to registers, each of which may
//! take a microsecond, or ten in a virtual machine: so StartIo leaves it to a work item, and the
//! system's queue goes on when that is done. ("Guidelines for Writing DPC Routines".)

mod ioctl;
mod registers;
mod run;
mod startio;

use wdm::{
    Result, Status,
    csq::Csq,
    device::{Fdo, PhysicalDevice, StartIo},
    driver::DriverObject,
    event::Event,
    function::{self, Function, FunctionDevice, Notice, Start, Tags},
    guid::Guid,
    irp::{Dispatched, Fresh, Irp},
    irql::{self, Passive, UpToDispatch},
    mmio::{Mapping, Registers},
    mutex::Mutex,
    pnp::{Memory, Resources},
    pofx::{Activated, Component, Use},
    ports::PortRange,
    spinlock::SpinLock,
    workitem::IrpWorkItem,
};

use self::{
    registers::{AllOfBar0, Bar0, Bar0Registers},
    startio::Parked,
};
use crate::{driver::interface, parameters::Parameters, tags, trace};

/// The kind of device that [`wdm::function`] knows.
pub struct Testdev {
    /// What the device has, while it is started. A mutex: a request is run with it held, at
    /// PASSIVE_LEVEL.
    bars: Mutex<Option<Bars>>,
    /// What of the device requests use. Its own synchronisation.
    component: Component,
    /// Protects what StartIo decides by.
    active: SpinLock<Active>,
    /// Set while no request is run.
    idle: Event,
    /// The request that StartIo was given while requests may not be run, if it was. Protected by
    /// its own lock.
    parked: Csq<Parked>,
}

/// What StartIo decides by.
#[derive(Default)]
struct Active {
    /// What a request is left to, once the device has been started.
    work: Option<IrpWorkItem<FunctionDevice<Testdev>>>,
    /// Whether a request has been left to it, and is not done.
    running: bool,
    /// Whether requests may be run.
    open: bool,
    /// What requests end with instead.
    refused: Option<Status>,
    /// Whether StartIo has parked a request, and not gone on: the system queues those behind it.
    busy: bool,
    /// Of the request that StartIo was given, until its turn is over.
    activated: Option<Activated>,
    /// By that request.
    used: Option<Use>,
}

/// What the device has.
struct Bars {
    memory: Registers<AllOfBar0>,
    memory_length: u32,
    ports: PortRange,
    membar_length: u64,
}

/// AddDevice.
///
/// # Errors
///
/// Those of the kernel's routines; nothing is left behind.
pub fn add_device(
    driver: &DriverObject,
    physical: PhysicalDevice<'_>,
    parameters: Parameters,
    irql: &mut Passive,
) -> Result<()> {
    let make = |component: Component, irql: &mut Passive| {
        Ok(Testdev {
            component,
            bars: Mutex::new(tags::QUEUE, None, irql)?,
            active: SpinLock::new(Active::default()),
            idle: Event::new(tags::QUEUE, true, irql)?,
            parked: Csq::new(tags::QUEUE, (), irql)?,
        })
    };
    function::add_device(driver, physical, parameters.idle(), make, irql)
}

impl Bars {
    /// Maps what the PnP manager assigned: BAR0 and BAR1, and BAR2 where the device has it.
    fn new(resources: Resources<'_>, irql: &Passive) -> Result<Self> {
        let missing = Status::DEVICE_CONFIGURATION_ERROR;
        let mut memory = resources.memory();
        let bar0 = memory.next().ok_or(missing)?;
        let bar2 = memory.next();
        let ports = resources.ports().next().ok_or(missing)?;
        // SAFETY: the device knows no DMA.
        let ports = unsafe { PortRange::new(ports) }.ok_or(missing)?;
        if ports.length() < registers::PORTS_NEEDED {
            return Err(missing);
        }
        let mapping = Mapping::<Bar0>::new(bar0, irql)?;
        let Bar0Registers { all } = Bar0Registers::split(mapping, tags::REGISTERS, irql)?;
        Ok(Self {
            memory: all,
            memory_length: u32::try_from(bar0.length()).unwrap_or(u32::MAX),
            ports,
            membar_length: bar2.map_or(0, Memory::length),
        })
    }
}

impl Function for Testdev {
    const INTERFACE: Guid = interface(eduwdm_abi::TESTDEV_INTERFACE);
    const TAGS: Tags = tags::FRAME;
    /// Everything is where StartIo finds it. The device object comes back to it.
    type Hardware = ();
    const START_IO: Option<StartIo<FunctionDevice<Self>>> = Some(startio::start_io);

    fn start(
        &self,
        device: &Fdo<FunctionDevice<Self>>,
        start: Start<'_>,
        irql: &mut Passive,
    ) -> Result<()> {
        let bars = Bars::new(start.resources, irql)?;
        startio::prepare(device, irql)?;
        *self.bars.acquire(irql) = Some(bars);
        startio::open(device, irql);
        Ok(())
    }

    fn tell(notice: Notice<'_>) {
        trace::tell("pci-testdev", notice);
    }

    fn component_active(&self, device: &Fdo<FunctionDevice<Self>>, irql: &mut UpToDispatch) {
        irql::raise_to_dispatch(irql, |irql| startio::unpark(device, irql));
    }

    fn pause(&self, _device: &Fdo<FunctionDevice<Self>>, (): &mut (), irql: &mut Passive) {
        startio::close(self, irql);
    }

    fn resume(&self, device: &Fdo<FunctionDevice<Self>>, (): &mut (), irql: &mut Passive) {
        startio::open(device, irql);
    }

    fn stop(&self, (): (), irql: &mut Passive) {
        startio::close(self, irql);
        let bars = self.bars.acquire(irql).take();
        drop(bars);
    }

    fn refuse_requests(
        &self,
        device: &Fdo<FunctionDevice<Self>>,
        status: Status,
        irql: &mut Passive,
    ) {
        startio::refuse(device, status, irql);
    }

    fn cleanup(&self, device: &Fdo<FunctionDevice<Self>>, irp: &Irp<Fresh>, irql: &mut Passive) {
        startio::cancel_of(device, irp.file_object(), irql);
    }

    fn device_control(
        &self,
        device: &Fdo<FunctionDevice<Self>>,
        irp: Irp<Fresh>,
        irql: &mut Passive,
    ) -> Dispatched {
        self.dispatch_device_control(device, irp, irql)
    }
}
