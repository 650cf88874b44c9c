//! The device's DMA engine: its registers, and what else a transfer needs, as one value that one
//! request at a time owns.

use core::sync::atomic::{AtomicU32, Ordering};

use eduwdm_abi::statistics::QueueKind;
use eduwdm_logic::transfer::{Direction, Element, Programmed, Step};
use wdm::{
    Status,
    contiguous::Contiguous,
    dma::{Channel, CommonBuffer, ListControl, Mapped, NotMapped},
    irql::{Dispatch, Passive},
    mdl::Pages,
    mmio::Registers,
    pool::Shared,
    spinlock::SpinLock,
};
use zerocopy::FromZeros;

use super::{
    Edu,
    failures::Failures,
    registers::{CommandBits, DmaBlock, DmaCommand, DmaCount, DmaDestination, DmaSource},
    transfer::{Held, Job, MAPPED},
};

/// What the device was told to do, in one physically contiguous page: the last transfers, for who
/// looks at a dump, or at the memory from outside of the virtual machine.
#[derive(FromZeros)]
#[repr(C)]
pub struct DescriptorPage {
    /// How many transfers have been started.
    started: u64,
    _reserved: u64,
    descriptors: [Descriptor; 127],
}

/// One transfer, as it was written to the registers.
#[derive(FromZeros)]
#[repr(C)]
struct Descriptor {
    source: u64,
    destination: u64,
    count: u64,
    command: u64,
}

const _: () = assert!(size_of::<DescriptorPage>() <= 4096, "it is one page");

/// The DMA engine.
pub struct Dma {
    registers: Registers<DmaBlock>,
    programmed: Programmed,
    page: Contiguous<DescriptorPage>,
    write_pages: Shared<Pages>,
    read_pages: Shared<Pages>,
    bounce: Option<CommonBuffer>,
    failures: Failures,
}

/// What memory a DMA engine has of its own.
pub struct Buffers {
    /// What the device was told.
    pub page: Contiguous<DescriptorPage>,
    /// The self-test's source.
    pub write_pages: Shared<Pages>,
    /// The self-test's destination.
    pub read_pages: Shared<Pages>,
    /// What lists are copied through that leave the device's reach, if there was memory for it.
    pub bounce: Option<CommonBuffer>,
}

impl Dma {
    /// Gives back what takes PASSIVE_LEVEL for that.
    pub fn close(self, irql: &mut Passive) {
        if let Some(bounce) = self.bounce {
            bounce.close(irql);
        }
    }

    /// The engine of a device that has just been started.
    pub fn new(registers: Registers<DmaBlock>, buffers: Buffers, failures: Failures) -> Self {
        let Buffers {
            page,
            write_pages,
            read_pages,
            bounce,
        } = buffers;
        Self {
            registers,
            programmed: Programmed::default(),
            page,
            write_pages,
            read_pages,
            bounce,
            failures,
        }
    }

    /// What a transfer can be copied through, if it fits.
    pub fn bounce(&mut self, length: u32) -> Option<&mut CommonBuffer> {
        self.bounce
            .as_mut()
            .filter(|buffer| buffer.length() >= length)
    }

    /// The list of a transfer that is copied through it.
    pub fn bounced_element(&self) -> Option<Element> {
        let buffer = self.bounce.as_ref()?;
        Some(Element {
            address: buffer.logical_address(),
            length: buffer.length(),
        })
    }

    /// A transfer has ended.
    pub fn ended(&self, status: Status, irql: &Dispatch) {
        self.failures.ended(status, irql);
    }

    /// Starts a step: writes the registers that change, and the command.
    ///
    /// # Safety
    ///
    /// The step's memory is mapped for the device in this direction, and the owner of this engine
    /// keeps it so until the device is done or was reset.
    pub unsafe fn start(&mut self, step: Step, direction: Direction) {
        let mut command = CommandBits::START | CommandBits::INTERRUPT_WHEN_DONE;
        if direction == Direction::FromDevice {
            command |= CommandBits::FROM_DEVICE;
        }
        self.note(step, direction, command);
        let changes = self.programmed.program(step, direction);
        if let Some(source) = changes.source {
            // SAFETY: by contract.
            unsafe { self.registers.write_dma(DmaSource, source) };
        }
        if let Some(destination) = changes.destination {
            // SAFETY: by contract.
            unsafe { self.registers.write_dma(DmaDestination, destination) };
        }
        if let Some(count) = changes.count {
            // SAFETY: by contract.
            unsafe { self.registers.write_dma(DmaCount, count) };
        }
        // SAFETY: by contract.
        unsafe { self.registers.write_dma(DmaCommand, command) };
    }

    fn note(&mut self, step: Step, direction: Direction, command: CommandBits) {
        let page = &mut *self.page;
        let slots = page.descriptors.len() as u64;
        let slot = usize::try_from(page.started % slots).unwrap_or(0);
        let (source, destination) = match direction {
            Direction::ToDevice => (step.memory(), step.device()),
            Direction::FromDevice => (step.device(), step.memory()),
        };
        if let Some(descriptor) = page.descriptors.get_mut(slot) {
            *descriptor = Descriptor {
                source,
                destination,
                count: step.count().into(),
                command: command.bits(),
            };
        }
        page.started += 1;
    }

    /// What the device is at.
    fn command(&self) -> CommandBits {
        self.registers.read(DmaCommand)
    }

    /// The device lost power or was reset: its registers hold nothing any more.
    pub const fn forget_registers(&mut self) {
        self.programmed.forget();
    }

    /// The self-test's source.
    pub fn write_pages(&self) -> Shared<Pages> {
        self.write_pages.clone()
    }

    /// The self-test's destination.
    pub fn read_pages(&self) -> Shared<Pages> {
        self.read_pages.clone()
    }
}

/// The DMA engine when no request has it, with the channel that maps for the next.
pub struct IdleDma {
    pub dma: Dma,
    pub channel: Channel<Edu>,
}

/// Where the DMA engine is kept between requests, and a request while it is being mapped.
pub struct DmaSlot {
    /// Protects nothing but the place itself. Taken after a queue's lock.
    idle: SpinLock<Option<IdleDma>>,
    /// Which queue's request has the engine, to route the device's interrupts. Atomic.
    owner: AtomicU32,
    /// The request that is being mapped. Taken after a queue's lock.
    mapping: SpinLock<Mapping>,
}

#[derive(Default)]
struct Mapping {
    job: Option<Job>,
    result: Option<MapResult>,
    /// The adapter is being called. What comes of it meanwhile is seen to after the call.
    calling: bool,
}

/// What came of mapping.
pub type MapResult = Result<Held, NotMapped<Edu>>;

/// [`DmaSlot::owner`]: no queue's request.
const NOBODY: u32 = u32::MAX;

impl DmaSlot {
    /// An empty place: the device is not started.
    pub const fn new() -> Self {
        Self {
            idle: SpinLock::new(None),
            owner: AtomicU32::new(NOBODY),
            mapping: SpinLock::new(Mapping {
                job: None,
                result: None,
                calling: false,
            }),
        }
    }

    /// Takes the engine for the request that `next` gives, if both are there.
    ///
    /// The two are one step under the lock: if a queue took the engine, found no request and
    /// put it back, the other queue might have looked for it in between, and nobody would tell it
    /// to look again.
    pub fn claim<R>(
        &self,
        kind: QueueKind,
        next: impl FnOnce(&Dispatch) -> Option<R>,
        irql: &mut Dispatch,
    ) -> Option<(IdleDma, R)> {
        let mut idle = self.idle.acquire_at_dpc_level(irql);
        let (idle, irql) = idle.parts();
        if idle.is_none() {
            return None;
        }
        let request = next(irql)?;
        // Release: pairs with `owner`. The device's interrupt comes much later than this anyway.
        self.owner.store(kind as u32, Ordering::Release);
        idle.take().map(|idle| (idle, request))
    }

    /// Puts the engine back.
    pub fn release(&self, idle: IdleDma, irql: &mut Dispatch) {
        self.owner.store(NOBODY, Ordering::Release);
        *self.idle.acquire_at_dpc_level(irql) = Some(idle);
    }

    /// Puts the engine of a started device in its place.
    pub fn install(&self, idle: IdleDma, irql: &mut Passive) {
        *self.idle.acquire(irql) = Some(idle);
    }

    /// Takes the engine away from a device whose queues are closed, so that no request has it.
    pub fn uninstall(&self, irql: &mut Passive) -> Option<IdleDma> {
        self.idle.acquire(irql).take()
    }

    /// The device lost power or was reset, with its queues closed.
    pub fn forget_registers(&self, irql: &mut Passive) {
        if let Some(idle) = &mut *self.idle.acquire(irql) {
            idle.dma.forget_registers();
        }
    }

    /// Whether the device is at a transfer of no request any more. What does not answer is.
    pub fn is_transferring(&self, irql: &mut Passive) -> bool {
        let idle = self.idle.acquire(irql);
        let command = idle.as_ref().map(|idle| idle.dma.command());
        command.is_some_and(|command| command.contains(CommandBits::START))
    }

    /// The queue whose request has the engine.
    pub fn owner(&self) -> Option<QueueKind> {
        // Acquire: pairs with `claim`.
        let owner = self.owner.load(Ordering::Acquire);
        QueueKind::ALL
            .into_iter()
            .find(|&kind| kind as u32 == owner)
    }

    /// Keeps a job while its memory is being mapped: the adapter is called next.
    pub fn begin_mapping(&self, job: Job, irql: &mut Dispatch) {
        let mut mapping = self.mapping.acquire_at_dpc_level(irql);
        mapping.job = Some(job);
        mapping.calling = true;
    }

    /// The adapter was called. Whether it is known already what came of it.
    pub fn mapping_called(&self, irql: &mut Dispatch) -> bool {
        let mut mapping = self.mapping.acquire_at_dpc_level(irql);
        mapping.calling = false;
        mapping.result.is_some()
    }

    /// Keeps what came of mapping, until the queue's next turn. Whether somebody has to see to
    /// that turn: the one who calls the adapter does so, if that call is not over.
    pub fn put_mapping(&self, result: MapResult, irql: &mut Dispatch) -> bool {
        let mut mapping = self.mapping.acquire_at_dpc_level(irql);
        mapping.result = Some(result);
        !mapping.calling
    }

    /// The job, when its mapping is done.
    pub fn take_mapping(&self, irql: &mut Dispatch) -> Option<(Job, MapResult)> {
        let mut mapping = self.mapping.acquire_at_dpc_level(irql);
        let result = mapping.result.take()?;
        mapping.job.take().map(|job| (job, result))
    }
}

impl ListControl for Edu {
    /// It may be called inside of [`Channel::map`], where the visit that asked for the mapping
    /// goes on with it: it is not begun anew on top of that visit.
    fn mapped(&self, mapped: Mapped<Self>, irql: &mut Dispatch) {
        if !self.dma.put_mapping(Ok(Held::Mapped(mapped)), irql) {
            return;
        }
        match self.dma.owner() {
            Some(QueueKind::Read) => self.read.post(self, MAPPED, irql),
            _ => self.write.post(self, MAPPED, irql),
        }
    }
}
