//! One client of the broker: a thread that reads what it asks, one that writes its answers.

use std::{
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    sync::mpsc::{Receiver, channel},
    thread,
};

use nthost_protocol::{
    Decoder, FrameError, ProcessId, ProcessRequest, RequestId, ToGuest, ToHost, encode,
};

use super::{Client, Greeting, Shared};

/// The id of the broker's own request, which no client uses: they count from zero.
const EXIT: RequestId = RequestId(u64::MAX);

/// Serves a client until either side hangs up.
pub fn serve(shared: &Shared, stream: UnixStream) {
    // Without a second handle to the connection there is no serving it.
    let Ok(writer) = stream.try_clone() else {
        return;
    };
    let Ok(reader) = stream.try_clone() else {
        return;
    };
    let (messages, outgoing) = channel();
    let process = {
        let mut state = shared.lock();
        if state.stopped || state.greeting == Some(Greeting::Ended) {
            return;
        }
        state.next_process += 1;
        let process = ProcessId(state.next_process);
        let messages = messages.clone();
        state.clients.insert(process, Client { messages, stream });
        process
    };
    thread::spawn(move || write(&outgoing, writer));
    let mut session = Session {
        shared,
        process,
        exists: false,
        tell: |message| {
            // The writer has ended if the client does not listen; its reader then ends too.
            let _ = messages.send(message);
        },
    };
    session.read(reader);
    let exists = session.exists;
    {
        let mut state = shared.lock();
        state.clients.remove(&process);
        state
            .host_requests
            .retain(|_, (client, _)| *client != process);
    }
    if exists {
        // A guest that has ended has no processes either.
        let _ = shared.to_guest(&ToGuest::Process {
            process,
            request: ProcessRequest::Exit { id: EXIT },
        });
    }
}

fn write(messages: &Receiver<ToHost>, mut stream: UnixStream) {
    for message in messages {
        let Ok(frame) = encode(&message) else {
            continue;
        };
        if stream.write_all(&frame).is_err() {
            break;
        }
    }
    // Nothing more will come: the client is told, and the reader woken.
    let _ = stream.shutdown(Shutdown::Both);
}

struct Session<'a, T: Fn(ToHost)> {
    shared: &'a Shared,
    process: ProcessId,
    /// Whether the guest knows of the process.
    exists: bool,
    tell: T,
}

impl<T: Fn(ToHost)> Session<'_, T> {
    fn read(&mut self, mut stream: UnixStream) {
        let mut decoder = Decoder::default();
        let mut bytes = vec![0; 64 << 10];
        while let Ok(count @ 1..) = stream.read(&mut bytes) {
            decoder.push(&bytes[..count]);
            loop {
                match decoder.decode() {
                    Ok(None) => break,
                    Ok(Some(message)) => {
                        if !self.forward(message) {
                            return;
                        }
                    }
                    Err(fault @ FrameError::Malformed { .. }) => {
                        (self.tell)(ToHost::Malformed(fault.to_string()));
                    }
                    Err(fault @ FrameError::TooLong(_)) => {
                        (self.tell)(ToHost::Malformed(fault.to_string()));
                        return;
                    }
                }
            }
        }
    }

    /// Passes a message on; whether there is any point in reading more.
    fn forward(&mut self, message: ToGuest) -> bool {
        let message = match message {
            // The client hears of the guest what the guest said.
            ToGuest::Hello(_) => match self.shared.wait_greeting(None) {
                Greeting::Ready(version) => {
                    (self.tell)(ToHost::Hello(version));
                    return true;
                }
                Greeting::Ended | Greeting::Late => return false,
            },
            ToGuest::Process { request, .. } => {
                // It comes into being with its first request, so it does again after its end.
                self.exists = !matches!(request, ProcessRequest::Exit { .. });
                ToGuest::Process {
                    process: self.process,
                    request,
                }
            }
            ToGuest::Host { id, request } => {
                let mut state = self.shared.lock();
                let known = state.next_host_request;
                state.next_host_request += 1;
                state.host_requests.insert(known, (self.process, id));
                ToGuest::Host { id: known, request }
            }
        };
        self.shared.to_guest(&message).is_ok()
    }
}
