//! Shares nthost's one port among any number of clients.
//!
//! Clients connect to a socket and speak the port's own protocol there. Each is a process of
//! its own: whatever process id it writes, the broker puts the one in its place that it has
//! given to this client, and when the client is gone, however it went, the broker lets its
//! process exit. So what a dead client leaves behind is what a dead process leaves behind.

mod client;

use std::{
    collections::HashMap,
    fs,
    io::{self, Read, Write},
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc::Sender},
    thread,
    time::{Duration, Instant},
};

use nthost_protocol::{Decoder, PROTOCOL_VERSION, ProcessId, ToGuest, ToHost, encode};

/// Why there is no broker.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// Somebody else listens there.
    #[error("{}: a machine of this name is running already", .0.display())]
    Busy(PathBuf),
    /// The socket could not be made.
    #[error("{}: {error}", path.display())]
    Socket {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// What became of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// It has loaded the drivers and speaks this version of the protocol.
    Ready(u32),
    /// Its port is closed: it has ended.
    Ended,
    /// Neither, in the time given.
    Late,
}

/// The broker of a running machine. Dropping it disconnects its clients.
#[derive(Debug)]
pub struct Broker {
    shared: Arc<Shared>,
    path: PathBuf,
}

#[derive(Debug)]
struct Shared {
    /// Where frames for the guest go. Held while one is written, and for nothing else; the
    /// thread that reads from the guest never takes it, so a guest that waits for its reader
    /// is always served.
    guest: Mutex<UnixStream>,
    /// Whom what comes from the guest is for. Never held while anything is written.
    state: Mutex<State>,
    /// Signalled when [`State::greeting`] changes.
    greeted: Condvar,
}

#[derive(Debug, Default)]
struct State {
    greeting: Option<Greeting>,
    clients: HashMap<ProcessId, Client>,
    /// By the id that the guest knows: who asked, and the id that the asker knows.
    host_requests: HashMap<u64, (ProcessId, u64)>,
    next_process: u32,
    next_host_request: u64,
    /// When the guest last said anything.
    heard: Option<Instant>,
    /// When it was last greeted for that.
    asked: Option<Instant>,
    stopped: bool,
}

#[derive(Debug)]
struct Client {
    /// To the thread that writes to the client.
    messages: Sender<ToHost>,
    /// To hang up.
    stream: UnixStream,
}

impl Broker {
    /// Takes nthost's port and listens for clients at `path`. A socket that an earlier broker
    /// left there is replaced.
    ///
    /// # Errors
    ///
    /// [`BrokerError`].
    pub fn start(port: UnixStream, path: &Path) -> Result<Self, BrokerError> {
        let at = |error| BrokerError::Socket {
            path: path.to_owned(),
            error,
        };
        if UnixStream::connect(path).is_ok() {
            return Err(BrokerError::Busy(path.to_owned()));
        }
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(error)),
            _ => {}
        }
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(at)?;
        }
        let reader = port.try_clone().map_err(at)?;
        let listener = UnixListener::bind(path).map_err(at)?;
        let shared = Arc::new(Shared {
            guest: Mutex::new(port),
            state: Mutex::default(),
            greeted: Condvar::new(),
        });
        let guest_side = Arc::clone(&shared);
        thread::spawn(move || guest_side.read_guest(reader));
        // A guest that is gone already is noticed by its reader.
        let _ = shared.to_guest(&ToGuest::Hello(PROTOCOL_VERSION));
        let client_side = Arc::clone(&shared);
        thread::spawn(move || client_side.listen(&listener));
        Ok(Self {
            shared,
            path: path.to_owned(),
        })
    }

    /// Where clients connect.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the guest's greeting.
    #[must_use]
    pub fn wait_ready(&self, limit: Duration) -> Greeting {
        self.shared.wait_greeting(Some(limit))
    }

    /// For how long the guest has not answered. A guest that says nothing by itself is greeted again
    /// after `patience`: so the answer is none, or for how long that greeting has had no answer. To be
    /// called again and again. `None` of a guest that has not greeted yet, or has ended.
    #[must_use]
    pub fn silence(&self, patience: Duration) -> Option<Duration> {
        let now = Instant::now();
        let mut state = self.shared.lock();
        if !matches!(state.greeting, Some(Greeting::Ready(_))) {
            return None;
        }
        let heard = *state.heard.get_or_insert(now);
        if let Some(asked) = state.asked.filter(|&asked| asked >= heard) {
            return Some(now - asked);
        }
        if now - heard >= patience {
            state.asked = Some(now);
            drop(state);
            // A guest that is gone is noticed by its reader.
            let _ = self.shared.to_guest(&ToGuest::Hello(PROTOCOL_VERSION));
        }
        Some(Duration::ZERO)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.end();
        // The listener wakes up, sees that it is to stop and is closed; a socket that somebody
        // has removed already is no loss.
        let _ = UnixStream::connect(&self.path);
        let _ = fs::remove_file(&self.path);
        let guest = self.shared.guest.lock();
        let _ = guest
            .unwrap_or_else(PoisonError::into_inner)
            .shutdown(Shutdown::Both);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a frame to the guest.
    fn to_guest(&self, message: &ToGuest) -> io::Result<()> {
        let frame = encode(message).map_err(io::Error::other)?;
        let mut guest = self.guest.lock().unwrap_or_else(PoisonError::into_inner);
        guest.write_all(&frame)
    }

    /// Waits for the guest's greeting, without a limit if none is given.
    fn wait_greeting(&self, limit: Option<Duration>) -> Greeting {
        let end = limit.map(|limit| Instant::now() + limit);
        let mut state = self.lock();
        loop {
            if let Some(greeting) = state.greeting {
                return greeting;
            }
            state = match end {
                None => self
                    .greeted
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(end) => {
                    let left = end.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Greeting::Late;
                    }
                    let waited = self.greeted.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn listen(self: Arc<Self>, listener: &UnixListener) {
        for stream in listener.incoming() {
            if self.lock().stopped {
                return;
            }
            let Ok(stream) = stream else { continue };
            let shared = Arc::clone(&self);
            thread::spawn(move || client::serve(&shared, stream));
        }
    }

    /// Gives clients what the guest says, until its port is closed.
    fn read_guest(&self, mut port: UnixStream) {
        let mut decoder = Decoder::default();
        let mut bytes = vec![0; 64 << 10];
        while let Ok(count @ 1..) = port.read(&mut bytes) {
            decoder.push(&bytes[..count]);
            loop {
                match decoder.decode() {
                    Ok(Some(message)) => self.dispatch(message),
                    Ok(None) => break,
                    Err(fault @ nthost_protocol::FrameError::TooLong(_)) => {
                        self.tell_all(&format!("nthost sent {fault}"));
                        return self.end();
                    }
                    Err(fault) => self.tell_all(&format!("nthost sent rubbish: {fault}")),
                }
            }
        }
        self.end();
    }

    fn dispatch(&self, message: ToHost) {
        let mut state = self.lock();
        state.heard = Some(Instant::now());
        match message {
            ToHost::Hello(version) => {
                state.greeting = Some(Greeting::Ready(version));
                self.greeted.notify_all();
            }
            ToHost::Completion { process, .. } => state.tell(process, message),
            ToHost::Answer { id, answer } => {
                if let Some((client, id)) = state.host_requests.remove(&id) {
                    state.tell(client, ToHost::Answer { id, answer });
                }
            }
            ToHost::Malformed(why) => {
                drop(state);
                self.tell_all(&why);
            }
        }
    }

    /// A fault that is nobody's in particular.
    fn tell_all(&self, why: &str) {
        for client in self.lock().clients.values() {
            // A client that is gone is taken off the list by its own thread.
            let _ = client.messages.send(ToHost::Malformed(why.to_owned()));
        }
    }

    /// The guest has ended: no client gets anything any more.
    fn end(&self) {
        let mut state = self.lock();
        state.greeting = Some(Greeting::Ended);
        self.greeted.notify_all();
        for (_, client) in state.clients.drain() {
            client.hang_up();
        }
        state.host_requests.clear();
    }
}

impl State {
    fn tell(&self, process: ProcessId, message: ToHost) {
        // What a process that has gone asked for is nobody's.
        if let Some(client) = self.clients.get(&process) {
            let _ = client.messages.send(message);
        }
    }
}

impl Client {
    /// Ends the connection, once what has been said is written.
    fn hang_up(self) {
        // Its writer ends with the last sender, and then closes the writing side; the reader
        // is woken here.
        let _ = self.stream.shutdown(Shutdown::Read);
    }
}
