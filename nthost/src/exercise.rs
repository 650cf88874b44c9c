//! The manifest's [exercise](nthost_protocol::exercise): devices in use while what the PnP
//! manager may do to them is done, from within the machine.

use alloc::{string::String, sync::Arc, vec, vec::Vec};

use nthost_nt::status::nt_success;
use nthost_protocol::{
    Buffer, Completion, Handle, ProcessId, ProcessRequest, RequestId, ThreadId, Token,
    exercise::{Exercise, ExerciseRequest},
    host::{DeviceState, PnpOperation},
    random::Sequence,
};

use crate::{
    io::interface,
    ke::{lock::SpinLock, once::Once, owned_event::Event},
    pnp::{manager, node},
    ps,
};

mod measure;

/// The exercise's process. The host numbers its own from the other end.
const PROCESS: ProcessId = ProcessId(u32::MAX);
/// The thread of it that makes the calls, unless several do.
const THREAD: ThreadId = ThreadId(0);
/// `GENERIC_READ | GENERIC_WRITE`.
const ACCESS: u32 = 0xc000_0000;
/// `FILE_SHARE_READ | FILE_SHARE_WRITE`.
const SHARE: u32 = 3;
/// From how many threads requests come.
const THREADS: u64 = 3;
/// At most so many requests of a round, for each device.
const REQUESTS: u64 = 12;

/// How the exercise's calls ended, and who waits for them.
struct Ended {
    /// A leaf.
    completions: SpinLock<Vec<Completion>>,
    arrived: Event,
}

static ENDED: Once<Arc<Ended>> = Once::new();

/// Takes how a call of the exercise's has ended; gives back what is for the host. IRQL up to
/// DISPATCH_LEVEL.
pub fn take(process: ProcessId, completion: Completion) -> Option<Completion> {
    if process != PROCESS {
        return Some(completion);
    }
    if let Some(ended) = ENDED.get() {
        ended.completions.lock().push(completion);
        ended.arrived.set();
    }
    None
}

/// The calls of the exercise's process.
struct Calls {
    next: u64,
    succeeded: u64,
    failed: u64,
    ended: Arc<Ended>,
}

impl Calls {
    /// Makes one, and does not wait for its end.
    fn begin(&mut self, call: impl FnOnce(RequestId) -> ProcessRequest) -> RequestId {
        self.next += 1;
        let id = RequestId(self.next);
        ps::dispatch(PROCESS, call(id));
        id
    }

    /// Waits for the end of one.
    fn end(&mut self, id: RequestId) -> Completion {
        loop {
            let found = {
                let mut completions = self.ended.completions.lock();
                let index = completions.iter().position(|ended| ended.id == id);
                index.map(|index| completions.swap_remove(index))
            };
            if let Some(completion) = found {
                if nt_success(completion.status) {
                    self.succeeded += 1;
                } else {
                    self.failed += 1;
                }
                return completion;
            }
            self.ended.arrived.wait();
        }
    }
}

/// Does it all. PASSIVE_LEVEL, without locks.
pub fn run(exercise: &Exercise, seed: u64) {
    let ended = Arc::new(Ended {
        completions: SpinLock::new(Vec::new()),
        arrived: Event::synchronization(),
    });
    ENDED.set(ended.clone());
    let mut calls = Calls {
        next: 0,
        succeeded: 0,
        failed: 0,
        ended,
    };
    let mut random = Sequence::new(seed);
    for node in node::all() {
        if exercise.measure != 0 && node.state().state == DeviceState::Started {
            for path in interface::enabled_of(node.pdo()) {
                measure::all(&mut calls, exercise, &node.instance, &path);
            }
        }
    }
    for _ in 0..exercise.rounds {
        for node in node::all() {
            if node.state().state == DeviceState::Started {
                for path in interface::enabled_of(node.pdo()) {
                    round(&mut calls, &mut random, exercise, &node.instance, path);
                }
            }
        }
    }
    let exited = calls.begin(|id| ProcessRequest::Exit { id });
    calls.end(exited);
    log!(
        "exercise",
        "{} rounds, {} calls succeeded, {} failed",
        exercise.rounds,
        calls.succeeded,
        calls.failed
    );
}

/// Opens a device.
fn open(calls: &mut Calls, path: String) -> Option<Handle> {
    let opened = calls.begin(|id| ProcessRequest::Create {
        id,
        thread: THREAD,
        path,
        access: ACCESS,
        share: SHARE,
        options: 0,
        token: Token::Administrator,
    });
    let opened = calls.end(opened);
    nt_success(opened.status).then_some(Handle(opened.information))
}

fn round(
    calls: &mut Calls,
    random: &mut Sequence,
    exercise: &Exercise,
    instance: &str,
    path: String,
) {
    let Some(handle) = open(calls, path) else {
        return;
    };
    let mut outstanding = Vec::new();
    if !exercise.requests.is_empty() {
        for _ in 0..random.below(REQUESTS) {
            let index = random.below(exercise.requests.len() as u64) as usize;
            let thread = ThreadId(random.below(THREADS) as u32);
            let chosen = &exercise.requests[index];
            outstanding.push(request(calls, random, chosen, thread, handle));
        }
    }
    if random.below(3) == 0 {
        disturb(random, instance);
    }
    // Some handles are closed with requests on their way, some requests are canceled.
    let end = random.below(3);
    if end == 0 {
        let thread = ThreadId(0);
        let target = None;
        outstanding.push(calls.begin(|id| ProcessRequest::Cancel {
            id,
            thread,
            handle,
            target,
        }));
    }
    if end == 1 {
        close(calls, handle);
    }
    for id in outstanding {
        calls.end(id);
    }
    if end != 1 {
        close(calls, handle);
    }
    if random.below(4) == 0 {
        for operation in [
            PnpOperation::QueryRemove,
            PnpOperation::Remove,
            PnpOperation::Add,
        ] {
            let _ = manager::operate(instance, operation);
        }
    }
}

fn close(calls: &mut Calls, handle: Handle) {
    let thread = ThreadId(0);
    let closed = calls.begin(|id| ProcessRequest::Close { id, thread, handle });
    calls.end(closed);
}

fn request(
    calls: &mut Calls,
    random: &mut Sequence,
    chosen: &ExerciseRequest,
    thread: ThreadId,
    handle: Handle,
) -> RequestId {
    let byte = random.draw() as u8;
    calls.begin(|id| match chosen {
        &ExerciseRequest::Read { offset, length } => ProcessRequest::Read {
            id,
            thread,
            handle,
            offset,
            buffer: Buffer::Length(length),
        },
        &ExerciseRequest::Write { offset, length } => ProcessRequest::Write {
            id,
            thread,
            handle,
            offset,
            buffer: Buffer::Data(vec![byte; length as usize]),
        },
        ExerciseRequest::Control {
            code,
            input,
            output,
        } => ProcessRequest::DeviceControl {
            id,
            thread,
            handle,
            code: *code,
            input: Buffer::Data(input.clone()),
            output: Buffer::Length(*output),
        },
    })
}

/// Something that the PnP manager does to a device in use, and takes back.
fn disturb(random: &mut Sequence, instance: &str) {
    use PnpOperation as O;
    let operations: &[O] = match random.below(3) {
        0 => &[O::QueryStop, O::Stop, O::Start],
        1 => &[O::Rebalance],
        _ => &[O::QueryStop, O::CancelStop],
    };
    for &operation in operations {
        // A device that does not want to is left alone: the next operation does not suit its
        // state then.
        let _ = manager::operate(instance, operation);
    }
}
