//! Processes and their threads. A thread takes its jobs one by one, as a program makes its
//! calls one by one; a process ends by cancelling what is outstanding, closing its handles and
//! freeing its memory, in this order.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, VecDeque},
    format,
    sync::Arc,
    vec::Vec,
};
use core::{
    ffi::c_void,
    sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering},
};

use nthost_nt::{
    io::{file::FILE_OBJECT, irp::IRP},
    status::{NTSTATUS, STATUS_PROCESS_IS_TERMINATING, STATUS_SUCCESS},
};
use nthost_protocol::{
    Completion, Handle, ProcessId, ProcessRequest, RequestId, ThreadId, ToHost, Token,
};

use super::{
    attach,
    identity::{self, Identity},
    irp::Request,
    locked_pages, notify, syscall,
};
use crate::{
    io::cancel,
    ke::{
        lock::SpinLock,
        owned_event::Event,
        thread::{self, Attributes, Thread},
        time,
    },
    mm::{address_space::AddressSpace, user_view, view},
    ob::{
        client_id,
        handle::HandleTable,
        object::{self, Kind},
    },
    pnp::exercise,
    se, transport,
};

/// The thread that makes the calls that belong to no thread of the client's.
const MAIN: ThreadId = ThreadId(u32::MAX);

/// A request that is on its way.
#[derive(Clone, Copy, Debug)]
struct Outstanding {
    /// Null once it is complete and gone.
    irp: *mut IRP,
    file: *mut FILE_OBJECT,
    thread: ThreadId,
    /// Somebody is cancelling it: it must not be freed meanwhile.
    pins: u32,
}

// SAFETY: the pointers are used while the request is pinned, or compared.
unsafe impl Send for Outstanding {}

/// A process.
#[repr(C)]
pub struct Process {
    /// What drivers can ask of it. The first field: their pointers lead to it.
    pub identity: Identity,
    /// As the host knows it.
    pub id: ProcessId,
    /// Its memory.
    pub space: AddressSpace,
    /// Its handles.
    pub handles: HandleTable,
    /// Whom it acts for, as it said when it opened something last. A leaf.
    pub acts_for: SpinLock<se::identity::Identity>,
    /// Protects the requests on their way. A leaf.
    outstanding: SpinLock<BTreeMap<RequestId, Outstanding>>,
    /// No request begins any more. Written with the lock of the requests held.
    exiting: AtomicBool,
    /// The status with which a driver has refused the process; zero if none has.
    refused: AtomicI32,
    /// Protects the threads. Taken before a thread's jobs.
    clients: SpinLock<BTreeMap<ThreadId, Arc<Client>>>,
}

/// A thread of a process.
pub struct Client {
    /// Its process.
    pub process: Arc<Process>,
    id: ThreadId,
    /// Protects the jobs. A leaf.
    jobs: SpinLock<Jobs>,
    /// The number of the last call that has begun: what it asks for can be cancelled.
    begun: AtomicU64,
    arrived: Event,
    ended: AtomicBool,
    thread: SpinLock<ThreadPointer>,
}

#[derive(Clone, Copy)]
struct ThreadPointer(*mut Thread);

// SAFETY: only kept, to be released by whoever ends the process.
unsafe impl Send for ThreadPointer {}

/// The process whose handles the thread that runs uses; none for the system's.
#[must_use]
pub fn current() -> Option<&'static Process> {
    let process = identity::current();
    if process == identity::system() {
        return None;
    }
    // SAFETY: the process that the thread was made for, which outlives it, or is attached to,
    // of which the driver has a reference.
    unsafe { process.cast::<Process>().as_ref() }
}

/// What a thread has to do.
#[derive(Default)]
struct Jobs {
    queue: VecDeque<Job>,
    /// The number of the last call that has arrived.
    calls: u64,
    /// The call that the thread has taken: it need not have begun.
    taken: Option<Call>,
}

/// What a cancellation is about.
#[derive(Clone, Copy)]
struct Call {
    number: u64,
    id: RequestId,
    handle: Option<Handle>,
}

impl Jobs {
    fn take(&mut self) -> Option<Job> {
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

/// What a thread does next.
pub enum Job {
    /// A system call, with its number among its thread's.
    Call(u64, ProcessRequest),
    /// A cancellation, and the calls of other threads that arrived before it and are to be
    /// cancelled by it: those must have begun.
    Cancel(ProcessRequest, Vec<(Arc<Client>, u64)>),
    /// A request of its own is complete.
    Finish(Box<Request>),
    /// It ends.
    End,
}

/// Protects the processes. A leaf.
static PROCESSES: SpinLock<BTreeMap<ProcessId, Arc<Process>>> = SpinLock::new(BTreeMap::new());

/// Has a process make a system call. The process comes into being with its first.
pub fn dispatch(id: ProcessId, request: ProcessRequest) {
    let known = PROCESSES.lock().get(&id).cloned();
    let is_new = known.is_none();
    let process = known.or_else(|| {
        let process = Arc::new(Process {
            identity: Identity::new(client_id::allocate()),
            id,
            space: AddressSpace::new()?,
            handles: HandleTable::new(0),
            acts_for: SpinLock::new(Token::default().into()),
            outstanding: SpinLock::new(BTreeMap::new()),
            exiting: AtomicBool::new(false),
            refused: AtomicI32::new(STATUS_SUCCESS),
            clients: SpinLock::new(BTreeMap::new()),
        });
        let object = Arc::into_raw(process.clone()).cast_mut().cast();
        object::insert(object, Kind::Process, delete);
        client_id::insert(process.identity.id, object);
        PROCESSES.lock().insert(id, process.clone());
        Some(process)
    });
    let client = process.and_then(|process| process.client(syscall::thread_of(&request)));
    let Some((client, fresh)) = client else {
        let status = nthost_nt::status::STATUS_INSUFFICIENT_RESOURCES;
        let completion = super::irp::refused(syscall::id_of(&request), status);
        tell(id, completion);
        return;
    };
    let mut request = request;
    if is_new {
        let object = Arc::as_ptr(&client.process).cast_mut().cast();
        if let Err(status) = notify::process_created(object) {
            // Relaxed: the job that is queued below reads it.
            client.process.refused.store(status, Ordering::Relaxed);
            PROCESSES.lock().remove(&id);
            let id = syscall::id_of(&request);
            request = ProcessRequest::Exit { id };
        }
    }
    if fresh {
        let thread = client.thread.lock().0;
        // SAFETY: the client has a reference to its thread.
        unsafe { notify::thread_created(thread) };
    }
    client.call(request);
}

/// Tells whoever made a call how it ended: the host, but for an exercise's.
fn tell(process: ProcessId, completion: Completion) {
    if !exercise::takes(process, &completion) {
        transport::send(&ToHost::Completion {
            process,
            completion,
        });
    }
}

/// No driver refers to a process any more, and it has ended.
fn delete(process: *mut c_void) {
    // SAFETY: the reference that was made a pointer when the object was.
    drop(unsafe { Arc::from_raw(process.cast::<Process>()) });
}

impl Process {
    /// The thread with this id, which comes into being with its first call, and whether it just
    /// has; `None` if there is no memory for it.
    fn client(self: &Arc<Self>, id: Option<ThreadId>) -> Option<(Arc<Client>, bool)> {
        let id = id.unwrap_or(MAIN);
        if let Some(client) = self.clients.lock().get(&id) {
            return Some((client.clone(), false));
        }
        let client = Arc::new(Client {
            process: self.clone(),
            id,
            jobs: SpinLock::new(Jobs::default()),
            begun: AtomicU64::new(0),
            arrived: Event::synchronization(),
            ended: AtomicBool::new(false),
            thread: SpinLock::new(ThreadPointer(core::ptr::null_mut())),
        });
        let object = Arc::as_ptr(self).cast_mut();
        let attributes = Attributes {
            address_space: &raw const self.space,
            process: object.cast(),
            ..Attributes::default()
        };
        let own = client.clone();
        let name = format!("process {} thread {}", self.id.0, id.0.cast_signed());
        // The thread's own: the last `Arc` of a process must not go while one runs in its
        // addresses, and the thread drops its `Arc` before it has ended.
        object::reference(object.cast());
        let spawned = thread::spawn_with(&name, &attributes, move || own.run());
        let Some(thread) = spawned else {
            object::dereference(object.cast());
            return None;
        };
        *client.thread.lock() = ThreadPointer(thread);
        self.clients.lock().insert(id, client.clone());
        Some((client, true))
    }

    /// Tells the host how a call ended.
    pub fn complete(&self, completion: Completion) {
        tell(self.id, completion);
    }

    /// A request is about to be sent, and can be cancelled from now on.
    ///
    /// # Errors
    ///
    /// `STATUS_PROCESS_IS_TERMINATING`.
    pub fn begin(&self, request: &Request, thread: ThreadId) -> Result<(), NTSTATUS> {
        let outstanding = Outstanding {
            irp: request.irp,
            file: request.file,
            thread,
            pins: 0,
        };
        let mut requests = self.outstanding.lock();
        // Relaxed: the lock orders it.
        if self.exiting.load(Ordering::Relaxed) {
            return Err(STATUS_PROCESS_IS_TERMINATING);
        }
        requests.insert(request.id, outstanding);
        Ok(())
    }

    /// The threads that have not come yet to a call which a cancellation is about, with the
    /// call's number.
    fn not_begun(&self, suits: impl Fn(Call) -> bool) -> Vec<(Arc<Client>, u64)> {
        let last_of = |client: &Arc<Client>| {
            let jobs = client.jobs.lock();
            let queued = jobs.queue.iter().filter_map(|job| match job {
                Job::Call(number, request) => Some(Call::of(*number, request)),
                _ => None,
            });
            let last = jobs
                .taken
                .into_iter()
                .chain(queued)
                .filter(|call| suits(*call))
                .last();
            drop(jobs);
            last.map(|call| (client.clone(), call.number))
        };
        self.clients.lock().values().filter_map(last_of).collect()
    }

    /// A request is complete: whether it may be freed, for nobody is cancelling it.
    fn end(&self, id: RequestId) -> bool {
        let mut outstanding = self.outstanding.lock();
        if outstanding
            .get(&id)
            .is_some_and(|request| request.pins != 0)
        {
            return false;
        }
        outstanding.remove(&id);
        true
    }

    /// A request's IRP is complete: whether it may be freed before the request is finished. From
    /// then on nobody cancels it.
    pub fn let_irp_go(&self, id: RequestId) -> bool {
        let mut outstanding = self.outstanding.lock();
        let request = outstanding.get_mut(&id).filter(|request| request.pins == 0);
        request.is_some_and(|request| {
            request.irp = core::ptr::null_mut();
            true
        })
    }

    /// Cancels requests that are on their way: how many there were.
    pub fn cancel(&self, suits: impl Fn(RequestId, *mut FILE_OBJECT, ThreadId) -> bool) -> usize {
        let mut pinned = Vec::new();
        for (&id, request) in self.outstanding.lock().iter_mut() {
            if suits(id, request.file, request.thread) {
                request.pins += 1;
                pinned.push((id, request.irp));
            }
        }
        for &(id, irp) in &pinned {
            if !irp.is_null() {
                // SAFETY: the pin keeps the IRP from being freed.
                unsafe { cancel::cancel(irp) };
            }
            if let Some(request) = self.outstanding.lock().get_mut(&id) {
                request.pins -= 1;
            }
        }
        pinned.len()
    }

    /// Waits until no request of a thread, or of any, is on its way. The threads finish them.
    fn wait_for_requests(&self, client: &Client, thread: Option<ThreadId>) {
        loop {
            let left = self
                .outstanding
                .lock()
                .values()
                .any(|request| thread.is_none_or(|thread| thread == request.thread));
            if !left {
                return;
            }
            client.finish_requests();
            client
                .arrived
                .wait_until(Some(time::interrupt_time() + 10_000));
        }
    }

    /// Ends the process, in its main thread: requests, handles, threads.
    pub fn exit(self: &Arc<Self>, client: &Client) {
        PROCESSES.lock().remove(&self.id);
        {
            let _requests = self.outstanding.lock();
            self.exiting.store(true, Ordering::Relaxed);
        }
        self.cancel(|_, _, _| true);
        self.wait_for_requests(client, None);
        let others: Vec<_> = self.clients.lock().values().cloned().collect();
        for other in others {
            if other.id != client.id {
                other.stop();
            }
        }
        self.identity
            .exit(self.refusal().err().unwrap_or(STATUS_SUCCESS));
        notify::thread_deleted();
        notify::process_deleted(Arc::as_ptr(self).cast_mut().cast());
        self.handles.close_all();
        // What drivers had it see and have not taken out of its sight themselves.
        user_view::end(&self.space);
        view::end(&self.space);
        locked_pages::check(&self.space, Arc::as_ptr(self).cast_mut().cast());
        // What is left is the thread itself: nobody waits for it, so the reaper does.
        let own = client.thread.lock().0;
        reap(own, self.clone());
    }

    /// A thread of the process has ended: its requests are cancelled and waited for.
    pub fn exit_thread(&self, client: &Client, thread: ThreadId) {
        self.cancel(|_, _, of| of == thread);
        self.wait_for_requests(client, Some(thread));
        if thread != client.id {
            let ended = self.clients.lock().remove(&thread);
            if let Some(ended) = ended {
                ended.stop();
            }
        }
    }

    /// Whether a driver has refused the process, and how.
    fn refusal(&self) -> Result<(), NTSTATUS> {
        // Relaxed: it is written before the job that reads it is queued.
        match self.refused.load(Ordering::Relaxed) {
            STATUS_SUCCESS => Ok(()),
            status => Err(status),
        }
    }
}

/// Frees the last thread of a process, and with it the process.
fn reap(thread: *mut Thread, process: Arc<Process>) {
    let last = ThreadPointer(thread);
    thread::spawn("reaper", move || {
        let last = last;
        // SAFETY: the thread ends, and nobody else refers to it.
        unsafe { thread::release(last.0) };
        process.clients.lock().clear();
        client_id::remove(process.identity.id);
        object::dereference(Arc::as_ptr(&process).cast_mut().cast());
    });
}

impl Client {
    /// Has the thread do something. IRQL up to DISPATCH_LEVEL.
    pub fn queue(&self, job: Job) {
        self.jobs.lock().queue.push_back(job);
        self.arrived.set();
    }

    /// Has the thread make a system call. On Windows a request has reached its driver when the
    /// function that makes it returns, so whoever cancels it then finds it there: a cancellation
    /// that arrives after a request does not overtake it here either.
    fn call(&self, request: ProcessRequest) {
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

    /// What the call asks for can be cancelled, or the call has been made.
    pub fn call_has_begun(&self, number: u64) {
        // Release: whoever waits for it finds the request among those on their way.
        self.begun.fetch_max(number, Ordering::Release);
    }

    /// The thread's id.
    pub const fn id(&self) -> ThreadId {
        self.id
    }

    fn run(self: &Arc<Self>) {
        // Whoever made the thread tells of it before it gives it something to do.
        while self.jobs.lock().queue.is_empty() {
            self.arrived.wait();
        }
        notify::thread_begins();
        loop {
            let job = self.jobs.lock().take();
            match job {
                None => self.arrived.wait(),
                Some(Job::Finish(request)) => self.finish(request),
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
                            self.arrived
                                .wait_until(Some(time::interrupt_time() + 10_000));
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

    fn finish(&self, request: Box<Request>) {
        if !self.process.end(request.id) {
            // Somebody is cancelling it at this moment: it is finished when they are done.
            self.queue(Job::Finish(request));
            crate::ke::dispatcher::yield_now();
            return;
        }
        self.process.complete((*request).finish());
    }

    /// Finishes requests that are complete, and leaves the thread's other jobs for later.
    pub fn finish_requests(&self) {
        loop {
            let mut jobs = self.jobs.lock();
            let queue = &mut jobs.queue;
            let position = queue.iter().position(|job| matches!(job, Job::Finish(_)));
            let job = position.and_then(|position| queue.remove(position));
            drop(jobs);
            let Some(Job::Finish(request)) = job else {
                return;
            };
            self.finish(request);
        }
    }

    /// Waits until a request of this thread's is finished.
    pub fn wait_for(&self, id: RequestId) {
        while self.process.outstanding.lock().contains_key(&id) {
            self.finish_requests();
            self.arrived
                .wait_until(Some(time::interrupt_time() + 10_000));
        }
    }

    /// Ends the thread, whose requests are finished, and waits for it.
    fn stop(&self) {
        self.queue(Job::End);
        while !self.ended.load(Ordering::Acquire) {
            crate::ke::dispatcher::yield_now();
        }
        let thread = self.thread.lock().0;
        // SAFETY: the thread has left its last job, and nobody else refers to it.
        unsafe { thread::release(thread) };
    }
}
