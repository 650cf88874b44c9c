//! A queue of the device: waiting requests, and an engine that runs them one after the other.
//!
//! Requests wait in a cancel-safe queue. What is on the device is in the [`Engine`], inside the
//! queue's lock, and with it the registers that start the next: so nobody can touch those
//! registers without the lock, or while the queue is closed.
//!
//! Nobody waits for the lock but those who open and close the queue: a thread that has queued a
//! request, and the DPC, both post what they know and try; see [`eduwdm_logic::handoff`].
//! Requests are completed after the lock was released, since completion calls out of the driver.

use core::sync::atomic::{AtomicU32, Ordering};

use arrayvec::ArrayVec;
use eduwdm_logic::handoff::{Attempt, Work};
use wdm::{
    Result, Status,
    csq::{Csq, Refused, Request},
    event::Event,
    irp::{Dispatched, FileObject, Fresh, Irp, Pending},
    irql::{self, Dispatch, Passive},
    spinlock::SpinLock,
};

use crate::tags;

/// Requests were queued, or the queue was opened.
const LOOK: u32 = 1 << 0;
/// The device is done with the running request.
const DEVICE_DONE: u32 = 1 << 1;

/// A request that is over.
pub struct Ended {
    pub irp: Irp<Pending>,
    pub status: Status,
    pub information: usize,
}

/// The requests that ended in one turn, to be completed without the lock.
pub type EndedList = ArrayVec<Ended, 4>;

/// What runs the requests of a queue. All of it is called with the queue's lock held.
pub trait Engine: Send {
    /// What is remembered for a request.
    type Request: Request;
    /// The registers that the engine works with.
    type Registers: Send;

    /// The device is done with the running request.
    fn device_done(
        &mut self,
        registers: &mut Self::Registers,
        interrupt_processor: u32,
        ended: &mut EndedList,
    );

    /// Starts the next waiting request, if the engine is idle and there is one.
    fn start_next(
        &mut self,
        registers: &mut Self::Registers,
        waiting: &Csq<Self::Request>,
        ended: &mut EndedList,
        irql: &Dispatch,
    );

    /// Gives up the running request: the device will not answer any more.
    fn abandon(&mut self, status: Status, ended: &mut EndedList);

    /// Whether no request is running.
    fn is_idle(&self) -> bool;
}

/// A queue and its engine.
pub struct Queue<E: Engine> {
    /// Protected by its own lock.
    waiting: Csq<E::Request>,
    /// What is left to do. Atomic.
    work: Work,
    /// The processor of the interrupt that said that the device is done, for information only.
    interrupt_processor: AtomicU32,
    /// The queue's lock: protects the engine, its registers, and whether the queue is open.
    active: SpinLock<Active<E>>,
    /// Set when the queue is closed and its engine idle.
    quiet: Event,
}

struct Active<E: Engine> {
    engine: E,
    /// While the device is started.
    registers: Option<E::Registers>,
    /// Whether waiting requests may be started.
    open: bool,
}

impl<E: Engine> Queue<E> {
    /// A closed queue, which takes requests and lets them wait.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn new(engine: E) -> Result<Self> {
        Ok(Self {
            waiting: Csq::new(tags::QUEUE)?,
            work: Work::new(),
            interrupt_processor: AtomicU32::new(0),
            active: SpinLock::new(Active {
                engine,
                registers: None,
                open: false,
            }),
            quiet: Event::new(tags::QUEUE, true)?,
        })
    }

    /// Queues a request and starts it if nothing else is running.
    pub fn submit(&self, irp: Irp<Fresh>, request: E::Request, irql: &mut Passive) -> Dispatched {
        match self.waiting.insert(irp, request, irql) {
            Ok(dispatched) => {
                self.look(irql);
                dispatched
            }
            Err(Refused {
                irp,
                status,
                dispatched,
                ..
            }) => {
                irp.complete(status, 0, irql);
                dispatched
            }
        }
    }

    /// For the DPC: the device is done with the running request.
    pub fn device_done(&self, interrupt_processor: u32, irql: &mut Dispatch) {
        // Relaxed: published by the post.
        self.interrupt_processor
            .store(interrupt_processor, Ordering::Relaxed);
        self.work.post(DEVICE_DONE);
        self.visit(irql);
    }

    /// Gives the engine its registers and lets waiting requests run.
    pub fn open(&self, registers: E::Registers, irql: &mut Passive) {
        {
            let mut active = self.active.acquire(irql);
            active.registers = Some(registers);
            active.open = true;
        }
        self.look(irql);
    }

    /// Lets waiting requests run again after [`Self::close`].
    pub fn reopen(&self, irql: &mut Passive) {
        self.active.acquire(irql).open = true;
        self.look(irql);
    }

    /// Lets no waiting request run any more, and waits until the running one is done. The queue
    /// still takes requests.
    pub fn close(&self, irql: &mut Passive) {
        {
            let mut active = self.active.acquire(irql);
            let (active, irql) = active.parts();
            active.open = false;
            if active.engine.is_idle() {
                self.quiet.set(irql);
            } else {
                self.quiet.clear(irql);
            }
        }
        // Somebody may have missed the lock meanwhile.
        self.look(irql);
        self.quiet.wait(irql);
    }

    /// Takes the registers away from a closed queue whose engine is idle.
    pub fn take_registers(&self, irql: &mut Passive) -> Option<E::Registers> {
        let registers = self.active.acquire(irql).registers.take();
        self.look(irql);
        registers
    }

    /// Ends the running request: the device will not answer any more.
    pub fn abandon(&self, status: Status, irql: &mut Passive) {
        let mut ended = EndedList::new();
        {
            let mut active = self.active.acquire(irql);
            let (active, irql) = active.parts();
            active.open = false;
            active.engine.abandon(status, &mut ended);
            self.quiet.set(irql);
        }
        complete(ended, irql);
        self.look(irql);
    }

    /// Ends all waiting requests, and those that may still come, with this status.
    pub fn refuse(&self, status: Status, irql: &Passive) {
        // In this order, so that none is left behind.
        self.waiting.close(status, irql);
        while let Some((irp, _)) = self.waiting.remove_next(irql) {
            irp.complete(status, 0, irql);
        }
    }

    /// Ends the waiting requests of a handle.
    pub fn cancel_of(&self, file_object: FileObject, irql: &Passive) {
        while let Some((irp, _)) = self.waiting.remove_next_if(|_, of| of == file_object, irql) {
            irp.complete(Status::CANCELLED, 0, irql);
        }
    }

    /// Posts that there may be something to start, and visits.
    fn look(&self, irql: &mut Passive) {
        self.work.post(LOOK);
        let mut raised = irql::raise_to_dispatch(irql);
        self.visit(raised.irql());
    }

    /// Does what is left to do, unless somebody else has the lock, who will.
    fn visit(&self, irql: &mut Dispatch) {
        self.work.visit(|| {
            let mut ended = EndedList::new();
            {
                let Some(mut active) = self.active.try_acquire_at_dpc_level(irql) else {
                    return Attempt::Missed;
                };
                let work = self.work.take();
                let (active, irql) = active.parts();
                self.turn(active, work, &mut ended, irql);
            }
            complete(ended, irql);
            Attempt::Served
        });
    }

    /// One turn, with the lock held. The next request is started before the one that is done is
    /// completed, so that the device does not idle meanwhile.
    fn turn(&self, active: &mut Active<E>, work: u32, ended: &mut EndedList, irql: &Dispatch) {
        let Some(registers) = &mut active.registers else {
            return;
        };
        if work & DEVICE_DONE != 0 {
            // Relaxed: ordered by taking the work.
            let processor = self.interrupt_processor.load(Ordering::Relaxed);
            active.engine.device_done(registers, processor, ended);
        }
        if active.open {
            active
                .engine
                .start_next(registers, &self.waiting, ended, irql);
        } else if active.engine.is_idle() {
            self.quiet.set(irql);
        }
    }
}

fn complete<I: wdm::irql::AtOrBelowDispatch>(ended: EndedList, irql: &I) {
    for Ended {
        irp,
        status,
        information,
    } in ended
    {
        irp.complete(status, information, irql);
    }
}
