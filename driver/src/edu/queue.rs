//! A queue of the device: waiting requests, and an engine that runs them one after the other.
//!
//! Requests wait in a cancel-safe queue. What is on the device is in the [`Engine`], inside the
//! queue's lock, and with it the registers that start the next: so nobody can touch those
//! registers without the lock, or while the queue is closed.
//!
//! A queue uses the device's component while a request is on the device, and starts none while the
//! component is idle or is about to become idle: see [`wdm::pofx`].
//!
//! Nobody waits for the lock but those who open and close the queue, and who recovers the device: a thread that has queued a
//! request, and the DPC, both post what they know and try; see [`eduwdm_logic::handoff`]. What
//! calls out of the driver, such as completing a request, is done after the lock was released.

use core::sync::atomic::{AtomicBool, Ordering};

use arrayvec::ArrayVec;
use bitflags::bitflags;
use eduwdm_abi::statistics::QueueKind;
use eduwdm_logic::{
    handoff::{Attempt, Work},
    watchdog::Seen,
};
use wdm::{
    Result, Status,
    csq::{Csq, Refused, Request},
    event::Event,
    irp::{Dispatched, FileObject, Fresh, Irp, Pending},
    irql::{self, AtOrBelowDispatch, Dispatch, Passive, UpToDispatch},
    pofx::{Activated, Component, Use},
    pool::Shared,
    spinlock::SpinLock,
    time::Instant,
};

use super::Edu;
use crate::{
    statistics::{Outcome, Statistics},
    tags, trace,
};

/// There may be something to start: requests were queued, or the queue was opened.
pub const LOOK: u32 = 1 << 0;
/// For how long a request that is on the device is waited for before the device is asked whether
/// it is there. A transfer takes a tenth of a second.
const PATIENCE_MS: u32 = 1000;
/// The device is done with the running request.
pub const DEVICE_DONE: u32 = 1 << 1;
/// The first of the bits that mean something to the engine alone.
pub const ENGINE: u32 = 1 << 8;

/// What all requests of a queue share: where they are counted, and what of the device they use.
pub struct Counted {
    pub kind: QueueKind,
    pub statistics: Shared<Statistics>,
    pub component: Component,
}

/// When a request arrived. The component must be active from then until the request ends.
pub struct Arrival {
    pub at: Instant,
    activated: Activated,
}

impl Arrival {
    /// A request arrives now.
    pub fn now(edu: &Edu, irql: &Passive) -> Self {
        Self {
            at: Instant::now(),
            activated: edu.component.activate(irql),
        }
    }

    /// The request is over now.
    pub fn ended(self, irp: Irp<Pending>, status: Status) -> Ended {
        let elapsed_100ns = self.at.elapsed_100ns();
        self.ended_after(elapsed_100ns, irp, status)
    }

    /// The request is over, so many units of 100 ns after it arrived.
    pub fn ended_after(self, elapsed_100ns: u64, irp: Irp<Pending>, status: Status) -> Ended {
        Ended {
            irp,
            activated: self.activated,
            elapsed_100ns,
            status,
        }
    }
}

/// A request that is over.
pub struct Ended {
    irp: Irp<Pending>,
    activated: Activated,
    /// From its arrival on. The clock is read once for each request: it costs as much as many
    /// instructions.
    elapsed_100ns: u64,
    status: Status,
}

impl Ended {
    /// Counts the request and completes it.
    pub fn complete<I: AtOrBelowDispatch>(self, counted: &Counted, irql: &I) {
        let elapsed = self.elapsed_100ns;
        let outcome = match self.status {
            Status::CANCELLED => Outcome::Canceled,
            status if status.is_success() => Outcome::Completed,
            _ => Outcome::Failed,
        };
        counted.statistics.ended(counted.kind, outcome, elapsed);
        trace::request_ended(counted.kind, outcome, self.status, elapsed);
        counted.component.idle(self.activated, irql);
        self.irp.complete(self.status, irql);
    }
}

/// The requests that ended in one turn, to be completed without the lock: as many as an engine may
/// end at once. Most end one, and make room for no more.
pub trait EndedRequests: Default {
    /// Takes the one that ended first.
    fn take_first(&mut self) -> Option<Ended>;
}

impl EndedRequests for Option<Ended> {
    fn take_first(&mut self) -> Option<Ended> {
        self.take()
    }
}

impl<const N: usize> EndedRequests for ArrayVec<Ended, N> {
    fn take_first(&mut self) -> Option<Ended> {
        self.pop_at(0)
    }
}

/// What an engine gets for one turn.
pub struct Turn<'a, E: Engine> {
    pub edu: &'a Edu,
    /// What was posted.
    pub work: u32,
    /// Whether waiting requests may be started.
    pub open: bool,
    pub registers: &'a mut E::Registers,
    pub waiting: &'a Csq<E::Request>,
    pub ended: &'a mut E::Ended,
    /// Work that this turn leaves for another.
    pub left: &'a mut u32,
}

/// A request of this driver's queues.
pub trait QueuedRequest: Request<Context = Counted> {
    /// When it arrived. What else the request holds, such as locked pages, is given back.
    fn into_arrival(self) -> Arrival;
}

bitflags! {
    /// Why waiting requests are not started.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Hold: u8 {
        /// PnP, power or a reset that a client asked for.
        const STATE = 1 << 0;
        /// The device did not finish what it was told.
        const RECOVERY = 1 << 1;
    }
}

/// What runs the requests of a queue.
pub trait Engine: Send + Sized + 'static {
    /// What is remembered for a request.
    type Request: QueuedRequest;
    /// What the engine works with while the device is started.
    type Registers: Send;
    /// Room for the requests that end in one turn.
    type Ended: EndedRequests;
    /// What is left to do when the lock has been released.
    type After;

    /// One turn, with the queue's lock held: deals with what was posted, and starts the next
    /// request if it may and none is running.
    fn turn(&mut self, turn: Turn<'_, Self>, irql: &mut Dispatch) -> Option<Self::After>;

    /// The rest of a turn, without the lock. Says whether it has freed what other queues wait
    /// for too: [`Self::freed`] follows when nobody is inside of the queue any more.
    fn after(queue: &Queue<Self>, edu: &Edu, after: Self::After, irql: &mut Dispatch) -> bool;

    /// Has the others, and this queue, go on. Not called from inside of a turn, so that requests
    /// that end at once, one after the other, do not take a stack frame each.
    fn freed(_queue: &Queue<Self>, _edu: &Edu, _irql: &mut Dispatch) {}

    /// Gives up the running request, with the lock held: the device will not answer any more.
    fn abandon(&mut self, status: Status, ended: &mut Self::Ended) -> Option<Self::After>;

    /// Whether no request is running.
    fn is_idle(&self) -> bool;

    /// The watchdog's timer has ticked, with the lock held.
    fn tick(&mut self) -> Seen;

    /// What the last tick has found.
    fn seen(&self) -> Seen;
}

/// A queue and its engine.
pub struct Queue<E: Engine> {
    /// Protected by its own lock.
    waiting: Csq<E::Request>,
    /// What is left to do. Atomic.
    work: Work,
    /// The queue's lock: protects the engine, its registers, and whether the queue is open.
    active: SpinLock<Active<E>>,
    /// Set when the queue is closed and its engine idle.
    quiet: Event,
    /// Nothing was started for want of the component. Atomic.
    turned_away: AtomicBool,
}

struct Active<E: Engine> {
    engine: E,
    /// While the device is started.
    registers: Option<E::Registers>,
    /// Waiting requests may be started while there is none.
    holds: Hold,
    /// The component is used, which it is while the engine is not idle.
    in_use: Option<Use>,
}

/// What a queue is made of that there may be no memory for.
pub struct Parts<E: Engine> {
    waiting: Csq<E::Request>,
    quiet: Event,
}

impl<E: Engine> Parts<E> {
    /// Those of one queue.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn new(
        kind: QueueKind,
        (statistics, component): (Shared<Statistics>, Component),
        irql: &Passive,
    ) -> Result<Self> {
        let counted = Counted {
            kind,
            statistics,
            component,
        };
        Ok(Self {
            waiting: Csq::new(tags::QUEUE, counted, irql)?,
            quiet: Event::new(tags::QUEUE, true, irql)?,
        })
    }
}

impl<E: Engine> Queue<E> {
    /// A closed queue, which takes requests and lets them wait.
    pub fn new(engine: E, parts: Parts<E>) -> Self {
        Self {
            waiting: parts.waiting,
            work: Work::new(),
            active: SpinLock::new(Active {
                engine,
                registers: None,
                holds: Hold::STATE,
                in_use: None,
            }),
            quiet: parts.quiet,
            turned_away: AtomicBool::new(false),
        }
    }

    /// The queue of waiting requests, for who inserts in a way of their own; see
    /// [`Self::inserted`].
    pub const fn waiting(&self) -> &Csq<E::Request> {
        &self.waiting
    }

    /// Where this queue is counted.
    pub fn counted(&self) -> &Counted {
        self.waiting.context()
    }

    /// Queues a request, and starts it if nothing else is running.
    pub fn submit(
        &self,
        edu: &Edu,
        irp: Irp<Fresh>,
        request: E::Request,
        irql: &mut Passive,
    ) -> Dispatched {
        self.count_inserted();
        let inserted = self.waiting.insert(irp, request, irql);
        self.inserted(edu, inserted, irql)
    }

    /// To be called before an insertion: by when it returns, the request may be over.
    pub fn count_inserted(&self) {
        let counted = self.counted();
        counted.statistics.queue(counted.kind).inserted.increment();
    }

    /// What follows an insertion: the start, or the completion of what was refused.
    pub fn inserted(
        &self,
        edu: &Edu,
        inserted: core::result::Result<Dispatched, Refused<E::Request>>,
        irql: &mut Passive,
    ) -> Dispatched {
        match inserted {
            Ok(dispatched) => {
                self.look(edu, irql);
                dispatched
            }
            Err(Refused {
                irp,
                request,
                status,
                dispatched,
            }) => {
                self.end_waiting(irp, request, status, irql);
                dispatched
            }
        }
    }

    /// Posts work and does it, unless somebody else has the lock, who will.
    pub fn post(&self, edu: &Edu, work: u32, irql: &mut Dispatch) {
        if self.post_only(edu, work, irql) {
            E::freed(self, edu, irql);
        }
    }

    /// As [`Self::post`], but leaves [`Engine::freed`] to the caller, if it says so.
    pub fn post_only(&self, edu: &Edu, work: u32, irql: &mut Dispatch) -> bool {
        self.work.post(work);
        self.visit(edu, irql)
    }

    /// Posts work to the visit that calls this, which does it when the call returns.
    pub fn leave(&self, work: u32) {
        self.work.post(work);
    }

    /// Gives the engine its registers. The queue stays closed.
    pub fn install(&self, registers: E::Registers, irql: &mut Passive) {
        self.active.acquire(irql).registers = Some(registers);
    }

    /// Lets waiting requests run, at first and after [`Self::close`].
    pub fn reopen(&self, edu: &Edu, irql: &mut Passive) {
        self.active.acquire(irql).holds -= Hold::STATE;
        self.look(edu, irql);
    }

    /// Lets no waiting request run any more, and waits until the running one is done. The queue
    /// still takes requests.
    pub fn close(&self, edu: &Edu, irql: &mut Passive) {
        {
            let mut active = self.active.acquire(irql);
            let (active, irql) = active.parts();
            active.holds |= Hold::STATE;
            // A turn sets the event when the engine has become idle.
            if active.engine.is_idle() {
                self.quiet.set(irql);
            } else {
                self.quiet.clear(irql);
            }
        }
        self.look(edu, irql);
        // A device that is gone never says that it is done. Nobody may have been told yet, and
        // who would tell may be waiting for this.
        while !self.quiet.wait_for(PATIENCE_MS, irql) {
            if !edu.answers(irql) {
                self.abandon(edu, Status::DEVICE_REMOVED, irql);
            }
        }
    }

    /// Takes the registers away from a queue that was closed.
    pub fn take_registers(&self, edu: &Edu, irql: &mut Passive) -> Option<E::Registers> {
        let registers = self.active.acquire(irql).registers.take();
        self.look(edu, irql);
        registers
    }

    /// Does something with the registers of a queue that was closed.
    pub fn with_registers(
        &self,
        edu: &Edu,
        act: impl FnOnce(&mut E::Registers),
        irql: &mut Passive,
    ) {
        if let Some(registers) = &mut self.active.acquire(irql).registers {
            act(registers);
        }
        self.look(edu, irql);
    }

    /// Ends the running request: the device will not answer any more. [`Self::close`] follows.
    pub fn abandon(&self, edu: &Edu, status: Status, irql: &mut Passive) {
        self.take_running(edu, Hold::STATE, |_| true, status, irql);
    }

    /// The watchdog's timer has ticked. A queue whose lock is held is at work.
    pub fn tick(&self, edu: &Edu, irql: &mut Dispatch) -> Seen {
        let seen = match self.active.try_acquire_at_dpc_level(irql) {
            Some(mut active) => active.engine.tick(),
            None => return Seen::Running,
        };
        self.post(edu, LOOK, irql);
        seen
    }

    /// Whether the running request has been on the device for too long.
    pub fn is_overdue(&self, edu: &Edu, irql: &mut Passive) -> bool {
        let seen = self.active.acquire(irql).engine.seen();
        self.look(edu, irql);
        seen == Seen::Overdue
    }

    /// Lets no waiting request run, and ends the running one if it has been on the device for too
    /// long: the device is known not to move its data any more. [`Self::recovered`] follows.
    pub fn end_overdue(&self, edu: &Edu, irql: &mut Passive) {
        let overdue = |engine: &E| engine.seen() == Seen::Overdue;
        self.take_running(edu, Hold::RECOVERY, overdue, Status::IO_TIMEOUT, irql);
    }

    /// The device is idle and works again.
    pub fn recovered(&self, edu: &Edu, irql: &mut Passive) {
        self.active.acquire(irql).holds -= Hold::RECOVERY;
        self.look(edu, irql);
    }

    /// Holds the waiting requests back, and ends the running one, if it is one of those meant.
    fn take_running(
        &self,
        edu: &Edu,
        hold: Hold,
        meant: impl FnOnce(&E) -> bool,
        status: Status,
        irql: &mut Passive,
    ) {
        let mut ended = E::Ended::default();
        let after = {
            let mut active = self.active.acquire(irql);
            active.holds |= hold;
            if meant(&active.engine) {
                active.engine.abandon(status, &mut ended)
            } else {
                None
            }
        };
        self.complete(&mut ended, irql);
        irql::raise_to_dispatch(irql, |irql| {
            if let Some(after) = after
                && E::after(self, edu, after, irql)
            {
                E::freed(self, edu, irql);
            }
            self.post(edu, LOOK, irql);
        });
    }

    /// Ends all waiting requests, and those that may still come, with this status.
    pub fn refuse(&self, status: Status, irql: &Passive) {
        // In this order, so that none is left behind.
        self.waiting.close(status, irql);
        self.end_all_waiting(status, irql);
    }

    /// Ends all waiting requests with this status.
    pub fn end_all_waiting(&self, status: Status, irql: &Passive) {
        while let Some((irp, request)) = self.waiting.remove_next(irql) {
            self.end_waiting(irp, request, status, irql);
        }
    }

    /// Cancels the waiting requests of a handle.
    pub fn cancel_of(&self, file_object: FileObject, irql: &mut Passive) {
        while let Some((irp, request)) =
            self.waiting.remove_next_if(|_, of| of == file_object, irql)
        {
            self.end_waiting(irp, request, Status::CANCELLED, irql);
        }
    }

    fn end_waiting(&self, irp: Irp<Pending>, request: E::Request, status: Status, irql: &Passive) {
        // What the request holds is given back before it is completed.
        let ended = request.into_arrival().ended(irp, status);
        ended.complete(self.counted(), irql);
    }

    /// The component has become active.
    pub fn component_active(&self, edu: &Edu, irql: &mut UpToDispatch) {
        // SeqCst: see `Self::turn`.
        if self.turned_away.swap(false, Ordering::SeqCst) {
            self.look(edu, irql);
        }
    }

    /// Posts that there may be something to start, and visits.
    fn look<I: AtOrBelowDispatch>(&self, edu: &Edu, irql: &mut I) {
        irql::raise_to_dispatch(irql, |irql| self.post(edu, LOOK, irql));
    }

    /// Does what is left to do, unless somebody else has the lock, who will. Says whether
    /// something was freed.
    fn visit(&self, edu: &Edu, irql: &mut Dispatch) -> bool {
        let mut freed = false;
        let visit = self.work.visit(|| {
            let mut ended = E::Ended::default();
            let mut left = 0;
            // ANCHOR: visit
            let (after, used) = {
                let Some(mut active) = self.active.try_acquire_at_dpc_level(irql) else {
                    return Attempt::Missed;
                };
                let work = self.work.take();
                let (active, irql) = active.parts();
                self.turn(edu, active, work, &mut ended, &mut left, irql)
            };
            // Tells the framework, if it waits, without the lock.
            drop(used);
            self.complete(&mut ended, irql);
            // ANCHOR_END: visit
            if let Some(after) = after {
                freed |= E::after(self, edu, after, irql);
            }
            if left != 0 {
                self.work.post(left);
            }
            Attempt::Served
        });
        if visit == Attempt::Missed {
            let counted = self.counted();
            let queue = counted.statistics.queue(counted.kind);
            queue.try_lock_misses.increment();
        }
        freed
    }

    /// One turn, with the lock held. Gives back what was used of the device, too, if nothing is on
    /// it any more.
    fn turn(
        &self,
        edu: &Edu,
        active: &mut Active<E>,
        work: u32,
        ended: &mut E::Ended,
        left: &mut u32,
        irql: &mut Dispatch,
    ) -> (Option<E::After>, Option<Use>) {
        let Some(registers) = active.registers.as_mut() else {
            return (None, None);
        };
        let held = !active.holds.is_empty();
        let mut usable = !held && use_component(&mut active.in_use, edu);
        if !held && !usable {
            // SeqCst: it has become active before this, or its callback finds the flag.
            self.turned_away.store(true, Ordering::SeqCst);
            usable = use_component(&mut active.in_use, edu);
        }
        let turn = Turn {
            edu,
            work,
            open: usable,
            registers,
            waiting: &self.waiting,
            ended,
            left,
        };
        let after = active.engine.turn(turn, irql);
        if !active.engine.is_idle() {
            return (after, None);
        }
        if held {
            self.quiet.set(irql);
        }
        (after, active.in_use.take())
    }

    fn complete<I: AtOrBelowDispatch>(&self, ended: &mut E::Ended, irql: &I) {
        while let Some(ended) = ended.take_first() {
            ended.complete(self.counted(), irql);
        }
    }
}

/// Uses the component, if it is not used yet. Returns whether a request may be started: not if the
/// component is about to become idle, because the device must finish its requests first.
fn use_component(in_use: &mut Option<Use>, edu: &Edu) -> bool {
    if in_use.is_none() {
        *in_use = edu.component.enter();
    }
    in_use.is_some() && !edu.component.is_idling()
}
