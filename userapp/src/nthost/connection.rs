//! The connection: frames out from any thread, frames in on one of its own.

use std::{
    collections::HashMap,
    io::{self, ErrorKind, Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::Path,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use nthost_protocol::{
    Decoder, HostAnswer, HostRequest, PROTOCOL_VERSION, ProcessId, ProcessRequest, RequestId,
    ThreadId, ToGuest, ToHost, encode,
};

use super::wait_call;
use crate::{
    error::Error,
    io::{Completion, IoStatus, Lost},
    status::Status,
};

/// Which process asks; the broker puts its own number in this one's place.
const THIS_PROCESS: ProcessId = ProcessId(0);
/// Why a connection ends that nothing is wrong with.
const ENDED: &str = "the machine has ended: nthost has hung up";

/// A connection to a machine's broker.
#[derive(Debug)]
pub struct Connection {
    /// Where frames go. Held while one is written.
    writer: Mutex<UnixStream>,
    /// What is waited for. Never held while anything is written.
    waiting: Mutex<Waiting>,
    /// Signalled when [`Waiting::greeting`] or [`Waiting::lost`] is set.
    greeted: Condvar,
    next_request: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting {
    greeting: Option<u32>,
    lost: Option<String>,
    /// What was last said to be wrong with a frame of ours.
    malformed: Option<String>,
    requests: HashMap<RequestId, Arc<Completion>>,
    answers: HashMap<u64, SyncSender<HostAnswer>>,
    /// Completions of what was not outstanding.
    unexpected: u64,
}

/// The number of the calling thread: system calls of one thread stay in their order.
pub fn this_thread() -> ThreadId {
    // Only that they differ matters, so no ordering with anything else is needed.
    static NEXT: AtomicU32 = AtomicU32::new(0);
    thread_local! {
        static THIS: ThreadId = ThreadId(NEXT.fetch_add(1, Ordering::Relaxed));
    }
    THIS.with(|this| *this)
}

impl Connection {
    /// Connects, without waiting for the machine to have started.
    pub fn open(socket: &Path) -> Result<Arc<Self>, Error> {
        let fault = |error| {
            Error::Disconnected(format!(
                "no nthost is running at {}: {error}\n  cargo xtask run starts one.",
                socket.display()
            ))
        };
        let writer = UnixStream::connect(socket).map_err(fault)?;
        let reader = writer.try_clone().map_err(fault)?;
        let connection = Arc::new(Self {
            writer: Mutex::new(writer),
            waiting: Mutex::default(),
            greeted: Condvar::new(),
            next_request: AtomicU64::new(0),
        });
        // The reader holds no reference, or the connection would never be dropped.
        let weak = Arc::downgrade(&connection);
        thread::spawn(move || {
            let why = read(reader, |message| {
                weak.upgrade()
                    .map(|connection| connection.dispatch(message))
            });
            if let Some(connection) = weak.upgrade() {
                connection.lose(&why);
            }
        });
        Ok(connection)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says hello and waits for the answer.
    pub fn greet(&self, limit: Duration) -> Result<(), Error> {
        self.send(&ToGuest::Hello(PROTOCOL_VERSION))?;
        let end = Instant::now() + limit;
        let mut waiting = self.waiting();
        let version = loop {
            if let Some(version) = waiting.greeting {
                break version;
            }
            if let Some(why) = &waiting.lost {
                return Err(Error::Disconnected(why.clone()));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::Disconnected(format!(
                    "nthost has not started the devices in {} s",
                    limit.as_secs()
                )));
            }
            let waited = self.greeted.wait_timeout(waiting, left);
            waiting = waited.unwrap_or_else(PoisonError::into_inner).0;
        };
        drop(waiting);
        if version == PROTOCOL_VERSION {
            Ok(())
        } else {
            Err(Error::Disconnected(format!(
                "nthost speaks version {version} of the protocol and this program version \
                 {PROTOCOL_VERSION}: build both from one source"
            )))
        }
    }

    fn send(&self, message: &ToGuest) -> Result<(), Error> {
        let frame = encode(message).map_err(|fault| Error::Usage(fault.to_string()))?;
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.write_all(&frame).map_err(|error| {
            let lost = self.waiting().lost.clone();
            Error::Disconnected(lost.unwrap_or_else(|| hung_up(&error)))
        })
    }

    /// Sends a system call, whose end `completion` will tell.
    pub fn submit(
        &self,
        completion: Arc<Completion>,
        request: impl FnOnce(RequestId) -> ProcessRequest,
    ) -> Result<RequestId, Error> {
        // Only that they differ matters.
        let id = RequestId(self.next_request.fetch_add(1, Ordering::Relaxed));
        {
            // On the list before it is sent, since its end may come at once.
            let mut waiting = self.waiting();
            if let Some(why) = &waiting.lost {
                return Err(Error::Disconnected(why.clone()));
            }
            waiting.requests.insert(id, completion);
        }
        let sent = self.send(&ToGuest::Process {
            process: THIS_PROCESS,
            request: request(id),
        });
        if sent.is_err() {
            self.waiting().requests.remove(&id);
        }
        sent.map(|()| id)
    }

    /// Makes a system call and waits for its end.
    pub fn call(
        &self,
        operation: &str,
        limit: Duration,
        request: impl FnOnce(RequestId) -> ProcessRequest,
    ) -> Result<IoStatus, Error> {
        let completion = Arc::new(Completion::default());
        self.submit(Arc::clone(&completion), request)?;
        wait_call(operation, &completion, limit)
    }

    /// Has something done to the machine and waits for the answer.
    pub fn ask(&self, request: HostRequest, limit: Duration) -> Result<HostAnswer, Error> {
        let (sender, receiver) = sync_channel(1);
        // As with requests.
        let id = self.next_request.fetch_add(1, Ordering::Relaxed);
        {
            let mut waiting = self.waiting();
            if let Some(why) = &waiting.lost {
                return Err(Error::Disconnected(why.clone()));
            }
            waiting.answers.insert(id, sender);
        }
        let operation = format!("{request:?}");
        let sent = self.send(&ToGuest::Host { id, request });
        let answer = sent.and_then(|()| self.wait_answer(&operation, &receiver, limit));
        self.waiting().answers.remove(&id);
        answer
    }

    fn wait_answer(
        &self,
        operation: &str,
        receiver: &Receiver<HostAnswer>,
        limit: Duration,
    ) -> Result<HostAnswer, Error> {
        receiver.recv_timeout(limit).map_err(|error| {
            let (lost, said) = {
                let waiting = self.waiting();
                (waiting.lost.clone(), waiting.malformed.clone())
            };
            Error::Disconnected(match (error, lost) {
                (_, Some(why)) => why,
                (RecvTimeoutError::Disconnected, None) => "nthost has hung up".to_owned(),
                (RecvTimeoutError::Timeout, None) => {
                    let said = said.map_or_else(String::new, |said| format!(" (it says: {said})"));
                    format!(
                        "nthost has not answered {operation} in {} s{said}",
                        limit.as_secs()
                    )
                }
            })
        })
    }

    fn dispatch(&self, message: ToHost) {
        let mut waiting = self.waiting();
        match message {
            ToHost::Hello(version) => {
                waiting.greeting = Some(version);
                self.greeted.notify_all();
            }
            ToHost::Completion { completion, .. } => {
                if let Some(request) = waiting.requests.remove(&completion.id) {
                    drop(waiting);
                    request.complete(Ok(IoStatus {
                        status: Status::Nt(completion.status.cast_unsigned()),
                        information: completion.information,
                        data: completion.data,
                    }));
                } else {
                    waiting.unexpected += 1;
                }
            }
            ToHost::Answer { id, answer } => {
                if let Some(sender) = waiting.answers.remove(&id) {
                    // Whoever asked may have stopped waiting.
                    let _ = sender.try_send(answer);
                }
            }
            ToHost::Malformed(why) => waiting.malformed = Some(why),
        }
    }

    /// How many requests have ended that were not outstanding, such as one that has ended before.
    pub fn unexpected(&self) -> u64 {
        self.waiting().unexpected
    }

    /// Hangs up, with whatever is open or outstanding left as it is.
    pub fn hang_up(&self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // Wakes the reader, which tells whoever waits. One that is gone already is no loss.
        let _ = writer.shutdown(Shutdown::Both);
    }

    /// The other side is gone: everything outstanding ends.
    fn lose(&self, why: &str) {
        let (requests, why) = {
            let mut waiting = self.waiting();
            let said = waiting.malformed.take();
            let said = said.map_or_else(String::new, |said| format!(" (it said: {said})"));
            let why = format!("{why}{said}");
            waiting.lost = Some(why.clone());
            waiting.answers.clear();
            self.greeted.notify_all();
            (std::mem::take(&mut waiting.requests), why)
        };
        for request in requests.into_values() {
            request.complete(Err(Lost(why.clone())));
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let writer = self
            .writer
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        // Wakes the reader, which then ends. A connection that is gone already is no loss.
        let _ = writer.shutdown(Shutdown::Both);
    }
}

/// Why nothing can be sent or received any more. A sender may find out before the reader
/// does that the other end is closed.
fn hung_up(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => ENDED.to_owned(),
        _ => format!("the connection to nthost is broken: {error}"),
    }
}

/// Reads messages until the connection ends, and gives why it did.
fn read(mut stream: UnixStream, mut dispatch: impl FnMut(ToHost) -> Option<()>) -> String {
    let mut decoder = Decoder::default();
    let mut bytes = vec![0; 64 << 10];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return ENDED.to_owned(),
            Ok(count) => decoder.push(&bytes[..count]),
            Err(error) => return hung_up(&error),
        }
        loop {
            match decoder.decode() {
                Ok(Some(message)) => {
                    if dispatch(message).is_none() {
                        return "the connection was closed".to_owned();
                    }
                }
                Ok(None) => break,
                Err(fault) => return format!("nthost sent rubbish: {fault}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_to_a_machine_that_has_ended_is_told_so_as_the_reader_is() {
        for kind in [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset] {
            assert_eq!(hung_up(&kind.into()), ENDED);
        }
        assert!(hung_up(&ErrorKind::InvalidData.into()).contains("is broken"));
    }
}
