//! Transfers between memory and the device's buffer: the write queue and the read queue.
//!
//! Each has this engine. The device has one DMA engine for both, which is a value of its own
//! ([`super::dma::Dma`]): a request that runs owns it, along with its IRP and its mapped memory,
//! until the device is done with all of its steps. So the device is never told two things at
//! once, and memory that it may touch stays locked and mapped, even if the request is canceled
//! or its process ends meanwhile.
//!
//! ```text
//!     Idle --> Elsewhere (being mapped) --> Running --> Elsewhere (being unmapped) --> Idle
//!                        ^                     |
//!                        +---- (bounced) ------+
//! ```
//!
//! The list that the adapter gives is looked at, element by element. If one lies where the device
//! does not reach, the request's bytes are copied through a buffer of the engine's own, which does.
//!
//! Mapping and unmapping call the adapter, so both are done without the lock; what comes of them
//! is posted to the queue as work.

use eduwdm_abi::{Header, edu::LockedTransferOutput, statistics::QueueKind};
use eduwdm_logic::{
    transfer::{DeviceRange, Direction, Element, Progress, Step, StepError},
    watchdog::{Left, Seen},
};
use wdm::{
    Result, Status,
    csq::Request,
    dma::{Channel, Mapped, NotMapped, TransferMemory},
    irp::{Irp, Pending},
    irql::{Dispatch, UpToDispatch},
    mdl::UserPages,
};
use zerocopy::IntoBytes;

use super::{
    Edu,
    dma::{Dma, IdleDma},
    queue::{
        Arrival, Counted, DEVICE_DONE, ENGINE, Ended, Engine, LOOK, Queue, QueuedRequest, Turn,
    },
    selftest::SelfTest,
};

/// The memory of the request has been mapped, or could not be.
pub const MAPPED: u32 = ENGINE;
/// The request is over, and the DMA engine free.
const ENDED: u32 = ENGINE << 1;

/// What memory a transfer is about.
pub enum Memory {
    /// The buffer of a ReadFile or WriteFile, locked by the I/O manager.
    Direct,
    /// A buffer that the client named, locked by this driver.
    User(UserPages),
    /// The driver's own pages, for a self-test.
    SelfTest,
}

/// A transfer that was asked for, in the three words that an IRP has room for.
pub struct TransferRequest {
    arrived: Arrival,
    /// For [`Memory::User`].
    pages: Option<UserPages>,
    range: DeviceRange,
    self_test: bool,
}

impl TransferRequest {
    /// One that has arrived.
    pub fn new(memory: Memory, range: DeviceRange, arrived: Arrival) -> Self {
        let (pages, self_test) = match memory {
            Memory::Direct => (None, false),
            Memory::User(pages) => (Some(pages), false),
            Memory::SelfTest => (None, true),
        };
        Self {
            arrived,
            pages,
            range,
            self_test,
        }
    }

    /// When it arrived, and what memory it is about.
    fn into_parts(self) -> (Arrival, Memory) {
        let memory = match self.pages {
            Some(pages) => Memory::User(pages),
            None if self.self_test => Memory::SelfTest,
            None => Memory::Direct,
        };
        (self.arrived, memory)
    }
}

impl QueuedRequest for TransferRequest {
    fn into_arrival(self) -> Arrival {
        self.arrived
    }
}

impl Request for TransferRequest {
    type Context = Counted;

    fn canceled(self, irp: Irp<Pending>, counted: &Counted, irql: &mut UpToDispatch) {
        // Locked pages are given back before the request is completed.
        let ended = self.into_arrival().ended(irp, Status::CANCELLED);
        ended.complete(counted, irql);
    }
}

/// A request with the DMA engine: everything about it but its IRP and memory.
pub struct Job {
    pub dma: Dma,
    pub arrived: Arrival,
    pub direction: Direction,
    pub progress: Progress,
    pub answer: Answer,
    /// Its bytes move through the engine's own buffer.
    pub bounced: bool,
}

/// What a transfer that is over tells its client beside the status.
pub enum Answer {
    /// How many bytes were moved: a read or write, whose buffer they are in.
    Count,
    /// The same in a structure: the request's own output buffer is another than the one that the
    /// transfer was about.
    Moved,
    /// What a self-test has compared.
    Compared(SelfTest),
}

impl Answer {
    /// Tells it.
    ///
    /// # Errors
    ///
    /// That of writing the answer.
    fn tell(&self, irp: &mut Irp<Pending>, moved: u32, dma: &Dma) -> Result<()> {
        match self {
            // Recorded when the memory was given back.
            Self::Count => Ok(()),
            Self::Moved => {
                let output = LockedTransferOutput {
                    header: Header::of::<LockedTransferOutput>(),
                    moved,
                    reserved: 0,
                };
                irp.write_output(output.as_bytes())
            }
            Self::Compared(test) => test.finish(irp, dma),
        }
    }
}

impl Job {
    /// Starts the next step, if one is left.
    fn start_next_step(&mut self, held: &Held) -> Next {
        let element = |index| match held {
            Held::Mapped(mapped) => {
                let (address, length) = mapped.element(index)?;
                Some(Element { address, length })
            }
            Held::Bounced(..) => self.dma.bounced_element().filter(|_| index == 0),
        };
        match self.progress.next_step(element) {
            Ok(None) => Next::End(Status::SUCCESS),
            // Between two steps is where a canceled request can end: the device is not at it.
            Ok(Some(_)) if held.irp().is_canceled() => Next::End(Status::CANCELLED),
            Ok(Some(step)) => {
                // SAFETY: of the list that the memory is mapped by, or of the engine's own buffer; the
                // engine is kept with both until the device is done, or does not answer any more.
                unsafe { self.dma.start(step, self.direction) };
                Next::Step(step)
            }
            // The adapter was told what the device can address. Whatever it makes of that, with
            // buffers of its own or addresses of its own, this device drops the bits above.
            Err(StepError::OutOfReach) if !self.bounced => Next::Bounce,
            Err(_) => Next::End(Status::DEVICE_CONFIGURATION_ERROR),
        }
    }
}

enum Next {
    Step(Step),
    /// The list leaves the device's reach.
    Bounce,
    End(Status),
}

/// The memory of a request that has the DMA engine, as the device reaches it.
pub enum Held {
    /// By the adapter's list.
    Mapped(Mapped<Edu>),
    /// Not at all: its bytes move through the engine's own buffer, or it could not be mapped.
    Bounced(TransferMemory, Channel<Edu>),
}

impl Held {
    const fn irp(&self) -> &Irp<Pending> {
        match self {
            Self::Mapped(mapped) => mapped.irp(),
            Self::Bounced(memory, _) => memory.irp(),
        }
    }
}

/// Where the running request is.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one for each queue, and a box would be an allocation for each request"
)]
enum State {
    /// There is none.
    Idle,
    /// Being mapped or unmapped, without the lock.
    Elsewhere,
    /// On the device.
    Running(Running),
}

struct Running {
    job: Job,
    held: Held,
    step: Step,
    left: Left,
}

/// The engine of one direction.
pub struct Transfer {
    kind: QueueKind,
    state: State,
    /// Why the running request must end as soon as it comes back from elsewhere.
    abandoned: Option<Status>,
}

/// What is left to do without the lock.
pub enum After {
    /// Have the memory of a new request mapped.
    Map {
        irp: Irp<Pending>,
        request: TransferRequest,
        idle: IdleDma,
    },
    /// Have the memory of a request moved through the engine's own buffer.
    Bounce { job: Job, held: Held },
    /// Unmap the memory of a request that is over, and complete it.
    End {
        job: Job,
        held: Held,
        status: Status,
    },
}

impl Transfer {
    /// An idle engine for the write or the read queue.
    pub const fn new(kind: QueueKind) -> Self {
        Self {
            kind,
            state: State::Idle,
            abandoned: None,
        }
    }

    /// Puts a mapped request on the device, or ends it.
    fn run(&mut self, mut job: Job, held: Held, edu: &Edu, irql: &mut Dispatch) -> Option<After> {
        let next = self
            .abandoned
            .map_or_else(|| job.start_next_step(&held), Next::End);
        self.state = State::Elsewhere;
        match next {
            Next::Step(step) => {
                let left = edu.watchdog.start(0, irql);
                self.state = State::Running(Running {
                    job,
                    held,
                    step,
                    left,
                });
                None
            }
            Next::Bounce => Some(After::Bounce { job, held }),
            Next::End(status) => Some(After::End { job, held, status }),
        }
    }
}

impl Engine for Transfer {
    type Request = TransferRequest;
    /// The DMA registers are not the queue's: they are in the engine that both queues share.
    type Registers = ();
    /// None ends in a turn: its memory is unmapped first, without the lock.
    type Ended = Option<Ended>;
    type After = After;

    fn turn(&mut self, turn: Turn<'_, Self>, irql: &mut Dispatch) -> Option<After> {
        if turn.work & MAPPED != 0
            && let Some((job, result)) = turn.edu.dma.take_mapping(irql)
        {
            match result {
                Ok(held) => return self.run(job, held, turn.edu, irql),
                Err(NotMapped {
                    channel,
                    memory,
                    status,
                }) => {
                    return Some(After::End {
                        job,
                        held: Held::Bounced(memory, channel),
                        status,
                    });
                }
            }
        }
        if turn.work & DEVICE_DONE != 0
            && let State::Running(_) = self.state
            && let State::Running(Running {
                mut job,
                held,
                step,
                ..
            }) = core::mem::replace(&mut self.state, State::Elsewhere)
        {
            job.progress.advance(step);
            return self.run(job, held, turn.edu, irql);
        }
        if turn.work & ENDED != 0 {
            self.state = State::Idle;
            self.abandoned = None;
        }
        if turn.open
            && self.is_idle()
            && let Some((idle, (irp, request))) =
                turn.edu
                    .dma
                    .claim(self.kind, |irql| turn.waiting.remove_next(irql), irql)
        {
            self.state = State::Elsewhere;
            return Some(After::Map { irp, request, idle });
        }
        None
    }

    fn after(queue: &Queue<Self>, edu: &Edu, after: After, irql: &mut Dispatch) -> bool {
        match after {
            After::Map { irp, request, idle } => map(queue, edu, irp, request, idle, irql),
            After::Bounce { job, held } => bounce(queue, edu, job, held, irql),
            After::End { job, held, status } => end(queue, edu, job, held, status, irql),
        }
    }

    /// The DMA engine is free. First the other direction looks, so that both get their turn, then
    /// this one, and so on for as long as their requests end at once.
    fn freed(queue: &Queue<Self>, edu: &Edu, irql: &mut Dispatch) {
        let other = edu.other_direction(queue.counted().kind);
        // What to tell each of the two.
        let (mut next, mut then) = ((other, LOOK), (queue, ENDED));
        while next.1 != 0 || then.1 != 0 {
            let (queue, work) = next;
            next.1 = 0;
            if work != 0 && queue.post_only(edu, work, irql) {
                // It had the engine, and has freed it again.
                next.1 = ENDED;
                then.1 |= LOOK;
            }
            core::mem::swap(&mut next, &mut then);
        }
    }

    fn abandon(&mut self, status: Status, _ended: &mut Self::Ended) -> Option<After> {
        match core::mem::replace(&mut self.state, State::Elsewhere) {
            State::Idle => {
                self.state = State::Idle;
                None
            }
            State::Elsewhere => {
                self.abandoned = Some(status);
                None
            }
            State::Running(Running { job, held, .. }) => Some(After::End { job, held, status }),
        }
    }

    fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// While its memory is being mapped, a request is not on the device: the adapter may have none
    /// to give for as long as others have it.
    fn tick(&mut self) -> Seen {
        match &mut self.state {
            State::Idle => Seen::Idle,
            State::Elsewhere => Seen::Running,
            State::Running(running) => running.left.tick(),
        }
    }

    fn seen(&self) -> Seen {
        match &self.state {
            State::Idle => Seen::Idle,
            State::Elsewhere => Seen::Running,
            State::Running(running) => running.left.seen(),
        }
    }
}

/// The direction in which a queue moves bytes.
const fn direction_of(kind: QueueKind) -> Direction {
    match kind {
        QueueKind::Read => Direction::FromDevice,
        _ => Direction::ToDevice,
    }
}

/// Has the memory of a request mapped. Whether the DMA engine is free again.
fn map(
    queue: &Queue<Transfer>,
    edu: &Edu,
    irp: Irp<Pending>,
    request: TransferRequest,
    idle: IdleDma,
    irql: &mut Dispatch,
) -> bool {
    let range = request.range;
    let (arrived, memory) = request.into_parts();
    let IdleDma { dma, channel } = idle;
    let (memory, answer) = match memory {
        Memory::Direct => match TransferMemory::direct(irp) {
            Ok(memory) => (memory, Answer::Count),
            Err(irp) => {
                // Never for what the read and write routines let in: they look for the MDL.
                edu.dma.release(IdleDma { dma, channel }, irql);
                let ended = arrived.ended(irp, Status::INVALID_PARAMETER);
                ended.complete(queue.counted(), irql);
                return true;
            }
        },
        Memory::User(pages) => (TransferMemory::user(irp, pages), Answer::Moved),
        Memory::SelfTest => {
            let test = SelfTest::begin(&irp, range, &dma);
            let memory = TransferMemory::pages(irp, dma.write_pages());
            (memory, Answer::Compared(test))
        }
    };
    let job = Job {
        dma,
        arrived,
        direction: direction_of(queue.counted().kind),
        progress: Progress::new(range),
        answer,
        bounced: false,
    };
    map_for(queue, edu, job, memory, channel, range.length(), irql);
    false
}

/// Has memory mapped for a job, which waits for it in [`super::dma::DmaSlot`]. What comes of it
/// before this returns is left to the visit that calls this.
fn map_for(
    queue: &Queue<Transfer>,
    edu: &Edu,
    job: Job,
    memory: TransferMemory,
    channel: Channel<Edu>,
    length: u32,
    irql: &mut Dispatch,
) {
    let direction = match job.direction {
        Direction::ToDevice => wdm::dma::Direction::ToDevice,
        Direction::FromDevice => wdm::dma::Direction::FromDevice,
    };
    edu.dma.begin_mapping(job, irql);
    if let Err(not_mapped) = channel.map(memory, length, direction, irql) {
        edu.dma.put_mapping(Err(not_mapped), irql);
    }
    if edu.dma.mapping_called(irql) {
        queue.leave(MAPPED);
    }
}

/// Has a request moved through the engine's own buffer, since the device does not reach what its
/// list says. Whether the DMA engine is free then.
///
/// The list is given back first: while it is there, the adapter may have the bytes in buffers of
/// its own, and would copy them over those that are moved here.
fn bounce(
    queue: &Queue<Transfer>,
    edu: &Edu,
    mut job: Job,
    held: Held,
    irql: &mut Dispatch,
) -> bool {
    let (memory, channel) = unmap(held, irql);
    let length = job.progress.range().length();
    let filled = match (job.dma.bounce(length), job.direction) {
        // There was no memory for one.
        (None, _) => Err(Status::DEVICE_CONFIGURATION_ERROR),
        (Some(buffer), Direction::ToDevice) => memory.copy_to(buffer, length, irql),
        (Some(_), Direction::FromDevice) => Ok(()),
    };
    let held = Held::Bounced(memory, channel);
    if let Err(status) = filled {
        return end(queue, edu, job, held, status, irql);
    }
    job.bounced = true;
    job.progress.restart();
    edu.dma.begin_mapping(job, irql);
    edu.dma.put_mapping(Ok(held), irql);
    if edu.dma.mapping_called(irql) {
        queue.leave(MAPPED);
    }
    false
}

/// Gives a list back, if there is one.
fn unmap(held: Held, irql: &Dispatch) -> (TransferMemory, Channel<Edu>) {
    match held {
        Held::Mapped(mapped) => mapped.unmap(irql),
        Held::Bounced(memory, channel) => (memory, channel),
    }
}

/// Unmaps the memory of a request that is over, and completes it; or goes on with the second half
/// of a self-test. Whether the DMA engine is free then.
fn end(
    queue: &Queue<Transfer>,
    edu: &Edu,
    mut job: Job,
    held: Held,
    mut status: Status,
    irql: &mut Dispatch,
) -> bool {
    let (mut memory, channel) = unmap(held, irql);
    let length = job.progress.done();
    if job.bounced
        && job.direction == Direction::FromDevice
        && status.is_success()
        && let Some(buffer) = job.dma.bounce(length)
        && let Err(error) = memory.copy_from(buffer, length, irql)
    {
        status = error;
    }
    let mut irp = memory.into_irp(length);
    if let Answer::Compared(test) = &mut job.answer
        && status.is_success()
        && let Some((direction, range)) = test.second_half()
    {
        job.direction = direction;
        job.progress = Progress::new(range);
        job.bounced = false;
        let memory = TransferMemory::pages(irp, job.dma.read_pages());
        map_for(queue, edu, job, memory, channel, range.length(), irql);
        return false;
    }
    let told = if status.is_success() {
        job.answer.tell(&mut irp, length, &job.dma)
    } else {
        Err(status)
    };
    let status = told.err().unwrap_or(status);
    let Job { dma, arrived, .. } = job;
    dma.ended(status, irql);
    edu.dma.release(IdleDma { dma, channel }, irql);
    arrived.ended(irp, status).complete(queue.counted(), irql);
    true
}
