//! The threads of a process. A thread takes its jobs one by one, as a program makes its calls one
//! by one: system calls, cancellations, and the ends of its own requests, which on NT are APCs.
//!
//! Sources: "Waits and APCs"; CancelIoEx for the order of requests and cancellations.

use alloc::{boxed::Box, collections::VecDeque, sync::Arc, vec::Vec};
use core::{
    ptr::null_mut,
    sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering},
};

use nthost_protocol::{Completion, Handle, ProcessRequest, RequestId, ThreadId};

use super::{attach, irp::Request, notify, process::Process, syscall};
use crate::{
    export::PASSIVE_LEVEL,
    ke::{
        dispatcher, irql,
        lock::SpinLock,
        owned_event::Event,
        thread::{self, Thread},
        time,
    },
};

/// How long a thread waits before it looks again whether a request has ended, in units of 100 ns.
const PATIENCE: u64 = 10_000;

/// A thread of a process.
pub struct Client {
    /// Its process.
    pub process: Arc<Process>,
    id: ThreadId,
    /// Protects the jobs. A leaf.
    jobs: SpinLock<Jobs>,
    /// The number of the last call that has begun: what it asks for can be canceled.
    begun: AtomicU64,
    arrived: Event,
    ended: AtomicBool,
    /// Null until it runs. A reference, which whoever ends the thread gives back.
    thread: AtomicPtr<Thread>,
}

/// What a thread has to do.
#[derive(Default)]
struct Jobs {
    queue: VecDeque<Job>,
    /// Its own requests that are complete: as the APCs on NT, they come before all else.
    complete: VecDeque<Box<Request>>,
    /// The number of the last call that has arrived.
    calls: u64,
    /// The call that the thread has taken: it need not have begun.
    taken: Option<Call>,
}

/// What a cancellation is about.
#[derive(Clone, Copy)]
pub(super) struct Call {
    pub(super) number: u64,
    pub(super) id: RequestId,
    pub(super) handle: Option<Handle>,
}

impl Jobs {
    fn take(&mut self) -> Option<Job> {
        if let Some(request) = self.complete.pop_front() {
            return Some(Job::Finish(request));
        }
        let job = self.queue.pop_front();
        if let Some(Job::Call(number, request)) = &job {
            self.taken = Some(Call::of(*number, request));
        }
        job
    }
}

impl Call {
    const fn of(number: u64, request: &ProcessRequest) -> Self {
        Self {
            number,
            id: syscall::id_of(request),
            handle: syscall::handle_of(request),
        }
    }
}

/// What a thread does as the code of a program.
pub type Program = Box<dyn FnOnce(&Arc<Client>) + Send>;

/// What a thread does next.
pub enum Job {
    /// A system call, with its number among its thread's.
    Call(u64, ProcessRequest),
    /// A cancellation, and the calls of other threads that arrived before it and are to be
    /// canceled by it: those must have begun.
    Cancel(ProcessRequest, Vec<(Arc<Client>, u64)>),
    /// A request of its own is complete.
    Finish(Box<Request>),
    /// What the machine itself has the thread do, as a program's code.
    Run(Program),
    /// It ends.
    End,
}

impl Client {
    /// One that has no thread yet.
    pub(super) fn new(process: Arc<Process>, id: ThreadId) -> Self {
        Self {
            process,
            id,
            jobs: SpinLock::new(Jobs::default()),
            begun: AtomicU64::new(0),
            arrived: Event::synchronization(),
            ended: AtomicBool::new(false),
            thread: AtomicPtr::new(null_mut()),
        }
    }

    /// The thread, once it runs.
    pub(super) fn thread(&self) -> *mut Thread {
        // Relaxed: it is written before anybody is told of the client.
        self.thread.load(Ordering::Relaxed)
    }

    /// Takes over a reference to the thread that runs [`Self::run`].
    pub(super) fn set_thread(&self, thread: *mut Thread) {
        self.thread.store(thread, Ordering::Relaxed);
    }

    /// The number of the last call that suits among those that the thread has taken or is to take.
    pub(super) fn last_call(&self, suits: impl Fn(Call) -> bool) -> Option<u64> {
        let jobs = self.jobs.lock();
        let queued = jobs.queue.iter().filter_map(|job| match job {
            Job::Call(number, request) => Some(Call::of(*number, request)),
            _ => None,
        });
        let calls = jobs.taken.into_iter().chain(queued);
        let last = calls.filter(|call| suits(*call)).last();
        drop(jobs);
        last.map(|call| call.number)
    }

    /// Has the thread do something. IRQL up to DISPATCH_LEVEL.
    pub fn queue(&self, job: Job) {
        self.jobs.lock().queue.push_back(job);
        self.wake();
    }

    /// Has the thread finish a request of its own, which is complete. IRQL up to DISPATCH_LEVEL.
    pub fn queue_complete(&self, request: Box<Request>) {
        self.jobs.lock().complete.push_back(request);
        self.wake();
    }

    /// There is something to do.
    fn wake(&self) {
        // The thread itself looks for jobs before it waits. At a raised IRQL this may have
        // interrupted it when it had just done so.
        if irql::current() != PASSIVE_LEVEL || thread::current() != self.thread() {
            self.arrived.set();
        }
    }

    /// Has the thread make a system call. On Windows a request has reached its driver when the
    /// function that makes it returns, so whoever cancels it then finds it there: a cancellation
    /// that arrives after a request does not overtake it here either.
    pub(super) fn call(&self, request: ProcessRequest) {
        if let ProcessRequest::Cancel { handle, target, .. } = &request {
            let after = self.process.not_begun(|call| {
                target.map_or_else(|| call.handle == Some(*handle), |target| call.id == target)
            });
            self.queue(Job::Cancel(request, after));
            return;
        }
        let mut jobs = self.jobs.lock();
        jobs.calls += 1;
        let number = jobs.calls;
        jobs.queue.push_back(Job::Call(number, request));
        drop(jobs);
        self.arrived.set();
    }

    /// Makes a system call, waits for its end and gives it, of which nobody else is told; none, if
    /// it was told already. In the thread itself, outside of other calls.
    pub fn call_and_wait(self: &Arc<Self>, request: ProcessRequest) -> Option<Completion> {
        let id = syscall::id_of(&request);
        let ended = syscall::execute(self, 0, request).or_else(|| self.wait_for(id));
        attach::check_own();
        ended
    }

    /// What the call asks for can be canceled, or the call has been made.
    pub fn call_has_begun(&self, number: u64) {
        // Release: whoever waits for it finds the request among those on their way.
        self.begun.fetch_max(number, Ordering::Release);
    }

    /// The thread's id.
    pub const fn id(&self) -> ThreadId {
        self.id
    }

    pub(super) fn run(self: &Arc<Self>) {
        // Whoever made the thread tells of it before it gives it something to do.
        while self.jobs.lock().queue.is_empty() {
            self.arrived.wait();
        }
        notify::thread_begins();
        loop {
            let job = self.jobs.lock().take();
            match job {
                None => self.arrived.wait(),
                Some(Job::Finish(request)) => {
                    if let Some(completion) = self.finish(request) {
                        self.process.complete(completion);
                    }
                }
                Some(Job::Run(program)) => program(self),
                Some(Job::End) => {
                    notify::thread_deleted();
                    break;
                }
                Some(Job::Call(_, ProcessRequest::Exit { id })) => {
                    self.process.exit(self);
                    let status = self.process.identity.exit_status();
                    self.process.complete(super::irp::refused(id, status));
                    break;
                }
                Some(Job::Call(number, request)) => {
                    if let Some(completion) = syscall::execute(self, number, request) {
                        self.process.complete(completion);
                    }
                    self.call_has_begun(number);
                    // A driver has returned to what is the user's mode here.
                    attach::check_own();
                }
                Some(Job::Cancel(request, after)) => {
                    for (client, number) in after {
                        // Acquire: pairs with `call_has_begun`.
                        while client.begun.load(Ordering::Acquire) < number {
                            self.finish_requests();
                            self.wait();
                        }
                    }
                    if let Some(completion) = syscall::execute(self, 0, request) {
                        self.process.complete(completion);
                    }
                }
            }
        }
        self.ended.store(true, Ordering::Release);
    }

    /// How a request has ended that is complete; none, if it cannot be finished yet.
    fn finish(&self, request: Box<Request>) -> Option<Completion> {
        if !self.process.end(request.id) {
            // Somebody is canceling it at this moment: it is finished when they are done.
            self.queue_complete(request);
            dispatcher::yield_now();
            return None;
        }
        Some(request.finish())
    }

    /// Takes a request that is complete, and leaves the thread's other jobs for later.
    fn take_complete(&self) -> Option<Box<Request>> {
        self.jobs.lock().complete.pop_front()
    }

    /// Finishes requests that are complete.
    pub fn finish_requests(&self) {
        while let Some(request) = self.take_complete() {
            if let Some(completion) = self.finish(request) {
                self.process.complete(completion);
            }
        }
    }

    /// Waits until a request of this thread's is finished, and gives how it has ended; none, if
    /// there is no such request any more. Others that are finished before it are told of.
    pub fn wait_for(&self, id: RequestId) -> Option<Completion> {
        loop {
            while let Some(request) = self.take_complete() {
                match self.finish(request) {
                    Some(completion) if completion.id == id => return Some(completion),
                    Some(completion) => self.process.complete(completion),
                    None => {}
                }
            }
            if !self.process.is_outstanding(id) {
                return None;
            }
            self.wait();
        }
    }

    /// Waits a while for something to do.
    pub(super) fn wait(&self) {
        self.arrived
            .wait_until(Some(time::interrupt_time() + PATIENCE));
    }

    /// Ends the thread, whose requests are finished, and waits for it.
    pub(super) fn stop(&self) {
        self.queue(Job::End);
        while !self.ended.load(Ordering::Acquire) {
            dispatcher::yield_now();
        }
        // SAFETY: the thread has left its last job, and nobody else refers to it.
        unsafe { thread::release(self.thread()) };
    }
}
