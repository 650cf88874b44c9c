//! The `pci-testdev` device: no interrupt, and a queue that the system manages.
//!
//! Its requests are run one after the other by StartIo, at DISPATCH_LEVEL, each to its end. What
//! they work with is in [`Testdev::active`], inside of a lock that StartIo takes.

mod ioctl;
mod registers;
mod run;
mod startio;

use wdm::{
    Result, Status,
    csq::Csq,
    device::{Fdo, PhysicalDevice, StartIo},
    driver::DriverObject,
    irp::{Dispatched, Fresh, Irp},
    irql::Passive,
    mmio::{Mapping, Registers},
    pnp::{Memory, Resources},
    ports::PortRange,
    spinlock::SpinLock,
};

use self::{
    registers::{AllOfBar0, Bar0, Bar0Registers},
    startio::Parked,
};
use crate::{
    function::{self, Function, FunctionDevice},
    tags,
};

/// The kind of device that [`crate::function`] knows.
pub struct Testdev {
    /// Protects everything that StartIo works with.
    active: SpinLock<Active>,
    /// The request that StartIo was given while requests may not be run, if it was. Protected by
    /// its own lock.
    parked: Csq<Parked>,
}

/// What StartIo works with.
#[derive(Default)]
struct Active {
    /// While the device is started.
    bars: Option<Bars>,
    /// Whether requests may be run.
    open: bool,
    /// What requests end with instead.
    refused: Option<Status>,
    /// Whether StartIo has parked a request, and not gone on: the system queues those behind it.
    busy: bool,
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
    irql: &mut Passive,
) -> Result<()> {
    let make = |irql: &mut Passive| {
        Ok(Testdev {
            active: SpinLock::new(Active::default()),
            parked: Csq::new(tags::QUEUE, (), irql)?,
        })
    };
    function::add_device(driver, physical, make, irql)
}

impl Bars {
    /// Maps what the PnP manager assigned: BAR0 and BAR1, and BAR2 where the device has it.
    fn new(resources: Resources<'_>, irql: &Passive) -> Result<Self> {
        let missing = Status::DEVICE_CONFIGURATION_ERROR;
        let mut memory = resources.memory();
        let bar0 = memory.next().ok_or(missing)?;
        let bar2 = memory.next();
        let ports = resources.ports().next().ok_or(missing)?;
        let ports = PortRange::new(ports).ok_or(missing)?;
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
    const NAME: &str = "pci-testdev";
    const INTERFACE: eduwdm_abi::InterfaceClass = eduwdm_abi::TESTDEV_INTERFACE;
    /// Everything is where StartIo finds it. The device object comes back to it.
    type Hardware = ();
    const START_IO: Option<StartIo<FunctionDevice<Self>>> = Some(startio::start_io);

    fn start(
        &self,
        device: &Fdo<FunctionDevice<Self>>,
        resources: Resources<'_>,
        irql: &mut Passive,
    ) -> Result<()> {
        let bars = Bars::new(resources, irql)?;
        self.active.acquire(irql).bars = Some(bars);
        startio::open(device, irql);
        Ok(())
    }

    /// StartIo runs requests to their end with the lock held: when this has it, none is running.
    fn pause(&self, _device: &Fdo<FunctionDevice<Self>>, (): &mut (), irql: &mut Passive) {
        self.active.acquire(irql).open = false;
    }

    fn resume(&self, device: &Fdo<FunctionDevice<Self>>, (): &mut (), irql: &mut Passive) {
        startio::open(device, irql);
    }

    /// A paused device is not touched, and keeps nothing that a power loss would take.
    fn power_down(&self, (): &mut (), _irql: &mut Passive) {}

    fn power_up(&self, (): &mut (), _irql: &mut Passive) {}

    fn stop(&self, (): (), irql: &mut Passive) {
        let bars = {
            let mut active = self.active.acquire(irql);
            active.open = false;
            active.bars.take()
        };
        drop(bars);
    }

    fn unplugged(&self, (): (), irql: &mut Passive) {
        self.stop((), irql);
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

    fn read(
        &self,
        _device: &Fdo<FunctionDevice<Self>>,
        irp: Irp<Fresh>,
        irql: &mut Passive,
    ) -> Dispatched {
        irp.complete(Status::INVALID_DEVICE_REQUEST, 0, irql)
    }

    fn write(
        &self,
        _device: &Fdo<FunctionDevice<Self>>,
        irp: Irp<Fresh>,
        irql: &mut Passive,
    ) -> Dispatched {
        irp.complete(Status::INVALID_DEVICE_REQUEST, 0, irql)
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
