//! The `edu` device: interrupts, DMA, and queues that the driver manages itself.
//!
//! [`Edu`] is what all of its routines share, on every processor. It has no lock of its own: each
//! part says what protects it. The order in which locks are taken, and which routines can run at
//! the same time, is in [`crate::concurrency`].

mod compute;
mod dma;
mod dpc;
mod events;
mod failures;
mod identification;
mod interrupt;
mod ioctl;
mod locked;
mod queue;
mod read_write;
mod registers;
mod reset;
mod selftest;
mod start;
mod topology;
mod transfer;
mod watchdog;

use core::sync::atomic::{AtomicBool, Ordering};

use eduwdm_abi::statistics::QueueKind;
use eduwdm_logic::interrupt_bits::InterruptBits;
use wdm::{
    Result, Status,
    device::{Fdo, PhysicalDevice},
    driver::DriverObject,
    function::{self, Function, FunctionDevice, Notice, Start, Tags},
    guid::Guid,
    irp::{Dispatched, Fresh, Irp},
    irql::{Passive, UpToDispatch},
    mmio::Registers,
    mutex::Mutex,
    pofx::Component,
    pool::Shared,
    spinlock::SpinLock,
};

use self::{
    compute::Compute,
    dma::DmaSlot,
    events::Events,
    identification::Identification,
    queue::Queue,
    start::Hardware,
    topology::Placement,
    transfer::Transfer,
    watchdog::{Controls, Watchdog},
};
use crate::{driver::interface, parameters::Parameters, statistics::Statistics, tags, trace};

/// What the routines of one device share.
pub struct Edu {
    /// From the ISR to the DPC: all bits. Atomic.
    interrupt_bits: InterruptBits,
    /// From the DPC to the compute queue: where the last factorial's interrupt was. Atomic.
    factorial_interrupt: InterruptBits,
    /// From the DPC to the events queue: what clients raised. Atomic.
    raised: InterruptBits,
    /// Factorials. Its own lock.
    compute: Queue<Compute>,
    /// Transfers from memory to the device. Its own lock.
    write: Queue<Transfer>,
    /// Transfers from the device to memory. Its own lock.
    read: Queue<Transfer>,
    /// Waits for events. Its own lock.
    events: Queue<Events>,
    /// The DMA engine between requests. Its own locks.
    dma: DmaSlot,
    /// What the device can be asked about itself while it works. The lock makes the write and the
    /// read of the liveness register one.
    identification: SpinLock<Option<Identification>>,
    /// What makes the device interrupt, while it works. The lock protects nothing else.
    raise: SpinLock<Option<Registers<registers::RaiseBlock>>>,
    /// Where the device, its interrupt and its buffers are, while it is started. The lock
    /// protects nothing else.
    placement: SpinLock<Option<Placement>>,
    /// What of the device requests use. Its own synchronisation.
    component: Component,
    /// Looks whether the device finishes what it was told. Its own lock.
    watchdog: Watchdog,
    /// What controls the device, while it is started. A mutex: taken after that of the state.
    controls: Mutex<Option<Controls>>,
    /// The device does not finish what it was told. Atomic.
    failed: AtomicBool,
    /// Each processor its own. Atomic.
    statistics: Shared<Statistics>,
    /// Bytes of the device's buffer that requests may use. Never changes.
    buffer_length: u32,
    /// The device has been unplugged: all requests are refused from now on. Atomic.
    removed: AtomicBool,
}

/// The kind of device that [`wdm::function`] knows.
pub struct EduFunction {
    edu: Shared<Edu>,
}

impl EduFunction {
    fn is_removed(&self) -> bool {
        // Relaxed: see where it is set.
        self.edu.removed.load(Ordering::Relaxed)
    }
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
    let make = |component, irql: &mut Passive| {
        Ok(EduFunction {
            edu: Edu::new(parameters, component, irql)?,
        })
    };
    function::add_device(driver, physical, parameters.idle(), make, irql)
}

impl Edu {
    /// Makes it where it stays: it is large for the kernel's stack.
    fn new(parameters: Parameters, component: Component, irql: &Passive) -> Result<Shared<Self>> {
        let statistics = Shared::new(tags::STATISTICS, Statistics::new(irql)?, irql)?;
        let of = || (statistics.clone(), component.clone());
        let compute = queue::Parts::new(QueueKind::Compute, of(), irql)?;
        let write = queue::Parts::new(QueueKind::Write, of(), irql)?;
        let read = queue::Parts::new(QueueKind::Read, of(), irql)?;
        let events = queue::Parts::new(QueueKind::Events, of(), irql)?;
        let controls = Mutex::new(tags::WATCHDOG, None, irql)?;
        Shared::new_in_place(
            tags::DEVICE,
            |place, _| {
                Ok(place.write(Self {
                    interrupt_bits: InterruptBits::new(),
                    factorial_interrupt: InterruptBits::new(),
                    raised: InterruptBits::new(),
                    compute: Queue::new(Compute::new(), compute),
                    write: Queue::new(Transfer::new(QueueKind::Write), write),
                    read: Queue::new(Transfer::new(QueueKind::Read), read),
                    events: Queue::new(Events::new(), events),
                    dma: DmaSlot::new(),
                    identification: SpinLock::new(None),
                    raise: SpinLock::new(None),
                    placement: SpinLock::new(None),
                    component,
                    watchdog: Watchdog::new(parameters.operation_ms),
                    controls,
                    failed: AtomicBool::new(false),
                    statistics,
                    buffer_length: parameters.buffer_length,
                    removed: AtomicBool::new(false),
                }))
            },
            irql,
        )
    }

    /// The queue that shares the DMA engine with this one.
    const fn other_direction(&self, kind: QueueKind) -> &Queue<Transfer> {
        match kind {
            QueueKind::Read => &self.write,
            _ => &self.read,
        }
    }

    /// Does the same to each queue.
    fn for_each_queue(&self, mut act: impl FnMut(&dyn AnyQueue)) {
        act(&self.compute);
        act(&self.write);
        act(&self.read);
        act(&self.events);
    }
}

/// What is done to all queues alike.
trait AnyQueue {
    /// See [`Queue::component_active`].
    fn component_active(&self, edu: &Edu, irql: &mut UpToDispatch);
    /// See [`Queue::close`].
    fn close(&self, edu: &Edu, irql: &mut Passive);
    /// See [`Queue::reopen`].
    fn reopen(&self, edu: &Edu, irql: &mut Passive);
    /// See [`Queue::abandon`].
    fn abandon(&self, edu: &Edu, status: Status, irql: &mut Passive);
    /// See [`Queue::refuse`].
    fn refuse(&self, status: Status, irql: &Passive);
    /// See [`Queue::end_all_waiting`].
    fn end_all_waiting(&self, status: Status, irql: &Passive);
    /// See [`Queue::cancel_of`].
    fn cancel_of(&self, file_object: wdm::irp::FileObject, irql: &mut Passive);
}

impl<E: queue::Engine> AnyQueue for Queue<E> {
    fn component_active(&self, edu: &Edu, irql: &mut UpToDispatch) {
        Self::component_active(self, edu, irql);
    }

    fn close(&self, edu: &Edu, irql: &mut Passive) {
        Self::close(self, edu, irql);
    }

    fn reopen(&self, edu: &Edu, irql: &mut Passive) {
        Self::reopen(self, edu, irql);
    }

    fn abandon(&self, edu: &Edu, status: Status, irql: &mut Passive) {
        Self::abandon(self, edu, status, irql);
    }

    fn refuse(&self, status: Status, irql: &Passive) {
        Self::refuse(self, status, irql);
    }

    fn end_all_waiting(&self, status: Status, irql: &Passive) {
        Self::end_all_waiting(self, status, irql);
    }

    fn cancel_of(&self, file_object: wdm::irp::FileObject, irql: &mut Passive) {
        Self::cancel_of(self, file_object, irql);
    }
}

impl Function for EduFunction {
    const INTERFACE: Guid = interface(eduwdm_abi::EDU_INTERFACE);
    const TAGS: Tags = tags::FRAME;
    type Hardware = Hardware;

    fn start(
        &self,
        device: &Fdo<FunctionDevice<Self>>,
        Start { resources, bus }: Start<'_>,
        irql: &mut Passive,
    ) -> Result<Hardware> {
        let bus = bus.ok_or(Status::NOT_SUPPORTED)?;
        Hardware::start(&self.edu, device, resources, bus, irql)
    }

    fn tell(notice: Notice<'_>) {
        trace::tell("edu", notice);
    }

    fn has_failed(&self) -> bool {
        // Acquire: pairs with the recovery, which sets it before it has the PnP manager ask.
        self.edu.failed.load(Ordering::Acquire)
    }

    fn component_active(&self, _device: &Fdo<FunctionDevice<Self>>, irql: &mut UpToDispatch) {
        self.edu
            .for_each_queue(|queue| queue.component_active(&self.edu, irql));
    }

    fn pause(
        &self,
        _device: &Fdo<FunctionDevice<Self>>,
        hardware: &mut Hardware,
        irql: &mut Passive,
    ) {
        hardware.pause(irql);
    }

    fn resume(
        &self,
        _device: &Fdo<FunctionDevice<Self>>,
        hardware: &mut Hardware,
        irql: &mut Passive,
    ) {
        hardware.resume(irql);
    }

    fn power_down(&self, hardware: &mut Hardware, irql: &mut Passive) {
        hardware.power_down(irql);
    }

    fn power_up(&self, hardware: &mut Hardware, irql: &mut Passive) -> Result<()> {
        hardware.power_up(irql)
    }

    fn stop(&self, hardware: Hardware, irql: &mut Passive) {
        hardware.stop(irql);
    }

    fn unplugged(&self, hardware: Hardware, irql: &mut Passive) {
        hardware.unplugged(irql);
    }

    fn refuse_requests(
        &self,
        _device: &Fdo<FunctionDevice<Self>>,
        status: Status,
        irql: &mut Passive,
    ) {
        if status == Status::DEVICE_REMOVED {
            // Relaxed: a request that does not see it yet is refused by its queue.
            self.edu.removed.store(true, Ordering::Relaxed);
        }
        self.edu.for_each_queue(|queue| queue.refuse(status, irql));
    }

    fn cleanup(&self, _device: &Fdo<FunctionDevice<Self>>, irp: &Irp<Fresh>, irql: &mut Passive) {
        // What is on the device is completed when the device is done with it.
        let file_object = irp.file_object();
        self.edu
            .for_each_queue(|queue| queue.cancel_of(file_object, irql));
    }

    fn read(
        &self,
        _device: &Fdo<FunctionDevice<Self>>,
        irp: Irp<Fresh>,
        irql: &mut Passive,
    ) -> Dispatched {
        if self.is_removed() {
            return irp.complete(Status::DEVICE_REMOVED, irql);
        }
        self.edu.read_or_write(irp, QueueKind::Read, irql)
    }

    fn write(
        &self,
        _device: &Fdo<FunctionDevice<Self>>,
        irp: Irp<Fresh>,
        irql: &mut Passive,
    ) -> Dispatched {
        if self.is_removed() {
            return irp.complete(Status::DEVICE_REMOVED, irql);
        }
        self.edu.read_or_write(irp, QueueKind::Write, irql)
    }

    fn device_control(
        &self,
        device: &Fdo<FunctionDevice<Self>>,
        irp: Irp<Fresh>,
        irql: &mut Passive,
    ) -> Dispatched {
        if self.is_removed() {
            return irp.complete(Status::DEVICE_REMOVED, irql);
        }
        ioctl::dispatch(&self.edu, device, irp, irql)
    }
}
