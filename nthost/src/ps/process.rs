//! Processes: they come into being with their first call, know their requests that are on their way,
//! and end by canceling those, closing their handles and freeing their memory, in this order.

use alloc::{collections::BTreeMap, format, sync::Arc, vec::Vec};
use core::{
    ffi::c_void,
    ptr::null,
    sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, Ordering},
};

use nthost_nt::{
    io::file::FILE_OBJECT,
    status::{NTSTATUS, STATUS_PROCESS_IS_TERMINATING, STATUS_SUCCESS},
};
use nthost_protocol::{Completion, ProcessId, ProcessRequest, RequestId, ThreadId, ToHost, Token};

use super::{
    client::{Call, Client, Job, Program},
    identity::{self, Identity},
    irp::Request,
    locked_pages, notify,
    outstanding::{Outstanding, Requests},
    syscall, view,
};
use crate::{
    hook::{self, register},
    io::cancel,
    ke::{
        lock::SpinLock,
        thread::{self, Attributes, Thread},
    },
    mm::{address_space::AddressSpace, user_view},
    ob::{
        client_id,
        handle::HandleTable,
        object::{self, Kind},
    },
    transport,
};

/// The thread that makes the calls that belong to no thread of the client's.
const MAIN: ThreadId = ThreadId(u32::MAX);

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
    pub acts_for: SpinLock<Token>,
    /// Protects the requests on their way. A leaf.
    outstanding: SpinLock<Requests>,
    /// No request begins any more. Written with the lock of the requests held.
    exiting: AtomicBool,
    /// The status with which a driver has refused the process; zero if none has.
    refused: AtomicI32,
    /// Protects the threads. Taken before a thread's jobs.
    clients: SpinLock<BTreeMap<ThreadId, Arc<Client>>>,
}

/// The process whose handles the thread that runs uses; none for the system's.
#[must_use]
pub fn current() -> Option<&'static Process> {
    // The process that the thread was made for, which outlives it, or is attached to, of which
    // the driver has a reference.
    client(identity::current())
}

/// What a process that is not the system's is.
fn client(process: *mut c_void) -> Option<&'static Process> {
    if process == identity::system() {
        return None;
    }
    // SAFETY: all processes but the system's are these, and whoever asks keeps it meanwhile.
    unsafe { process.cast::<Process>().as_ref() }
}

/// Has the layers below learn by their hooks what they need to know of processes.
pub fn register() {
    register::process_id(|process| {
        client(process).map_or(client_id::SYSTEM, |process| process.identity.id)
    });
    register::process_handles(|process| {
        client(process).map_or(null(), |process| (&raw const process.handles).cast())
    });
    register::process_acts_for(|process| client(process).map(|process| *process.acts_for.lock()));
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
            acts_for: SpinLock::new(Token::default()),
            outstanding: SpinLock::new(Requests::default()),
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
        // SAFETY: the client has a reference to its thread.
        unsafe { notify::thread_created(client.thread()) };
    }
    client.call(request);
}

/// Has a thread of a process that has made a call do something, as the code of a program does.
/// Nothing happens if there is no such thread.
pub fn run(id: ProcessId, thread: ThreadId, program: Program) {
    let process = PROCESSES.lock().get(&id).cloned();
    if let Some((client, _)) = process.and_then(|process| process.client(Some(thread))) {
        client.queue(Job::Run(program));
    }
}

/// Tells whoever made a call how it ended: the host, unless somebody of the machine's own did.
fn tell(process: ProcessId, completion: Completion) {
    if let Some(completion) = hook::call_ended(process, completion) {
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
        let client = Arc::new(Client::new(self.clone(), id));
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
        client.set_thread(thread);
        self.clients.lock().insert(id, client.clone());
        Some((client, true))
    }

    /// Tells the host how a call ended.
    pub fn complete(&self, completion: Completion) {
        tell(self.id, completion);
    }

    /// A request is about to be sent, and can be canceled from now on.
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
    pub(super) fn not_begun(&self, suits: impl Fn(Call) -> bool) -> Vec<(Arc<Client>, u64)> {
        let last_of = |client: &Arc<Client>| {
            let number = client.last_call(&suits)?;
            Some((client.clone(), number))
        };
        self.clients.lock().values().filter_map(last_of).collect()
    }

    /// A request is complete: whether it may be freed, for nobody is canceling it.
    pub(super) fn end(&self, id: RequestId) -> bool {
        self.outstanding
            .lock()
            .remove_if(id, |request| request.pins == 0)
    }

    /// A request's IRP is complete: whether it may be freed before the request is finished. From
    /// then on nobody cancels it.
    pub fn let_irp_go(&self, id: RequestId) -> bool {
        let mut outstanding = self.outstanding.lock();
        let request = outstanding.get_mut(id).filter(|request| request.pins == 0);
        request.is_some_and(|request| {
            request.irp = core::ptr::null_mut();
            true
        })
    }

    /// Whether a request is on its way.
    pub(super) fn is_outstanding(&self, id: RequestId) -> bool {
        self.outstanding.lock().get_mut(id).is_some()
    }

    /// Cancels requests that are on their way: how many there were.
    pub fn cancel(&self, suits: impl Fn(RequestId, *mut FILE_OBJECT, ThreadId) -> bool) -> usize {
        let mut pinned = Vec::new();
        for (id, request) in self.outstanding.lock().all() {
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
            if let Some(request) = self.outstanding.lock().get_mut(id) {
                request.pins -= 1;
            }
        }
        pinned.len()
    }

    /// Waits until no request of a thread, or of any, is on its way. The threads finish them.
    fn wait_for_requests(&self, client: &Client, thread: Option<ThreadId>) {
        loop {
            client.finish_requests();
            let left = self
                .outstanding
                .lock()
                .all()
                .any(|(_, request)| thread.is_none_or(|thread| thread == request.thread));
            if !left {
                return;
            }
            client.wait();
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
            if other.id() != client.id() {
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
        reap(client.thread(), self.clone());
    }

    /// A thread of the process has ended: its requests are canceled and waited for.
    pub fn exit_thread(&self, client: &Client, thread: ThreadId) {
        self.cancel(|_, _, of| of == thread);
        self.wait_for_requests(client, Some(thread));
        if thread != client.id() {
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
fn reap(last: *mut Thread, process: Arc<Process>) {
    let last = AtomicPtr::new(last);
    thread::spawn("reaper", move || {
        // SAFETY: the thread ends, and nobody else refers to it.
        unsafe { thread::release(last.into_inner()) };
        process.clients.lock().clear();
        client_id::remove(process.identity.id);
        object::dereference(Arc::as_ptr(&process).cast_mut().cast());
    });
}
