//! A double of nthost for tests of the library alone: it speaks the protocol on a socket, and
//! its one device computes factorials, some of which never end by themselves.

#![allow(
    dead_code,
    reason = "each test program that has this module uses another part of it"
)]

use std::{
    collections::HashMap,
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    sync::{Arc, Mutex},
    thread,
};

use eductl::edu::factorial_mod_2_32;
use eduwdm_abi::{
    Header, Ioctl,
    edu::{FactorialInput, FactorialOutput, Identity},
    statistics::{Processor, Queue, Statistics},
    topology::Topology,
};
use nthost_protocol::{
    Buffer, Completion, Decoder, HostAnswer, HostRequest, PROTOCOL_VERSION, ProcessRequest,
    RequestId, ToGuest, ToHost, encode,
};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

/// Factorials from this number on are never done.
pub const ENDLESS: u32 = 1000;
/// The factorial at which the machine ends.
pub const FATAL: u32 = 999;
/// The factorial whose result is wrong.
pub const WRONG: u32 = 998;
/// Factorials from this number on are done even though they are canceled.
pub const STUBBORN: u32 = 2000;
/// Factorials from this number on are never done, not even when they are canceled.
pub const DEAF: u32 = 3000;

/// What the double has seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub cancels: usize,
    pub closes: usize,
    pub outstanding: usize,
    pub most_outstanding: usize,
    pub asleep: bool,
}

pub struct Double {
    pub socket: PathBuf,
    pub seen: Arc<Mutex<Seen>>,
    _directory: tempfile::TempDir,
}

impl Double {
    pub fn start() -> Self {
        Self::with_version(PROTOCOL_VERSION)
    }

    /// All of its factorials are wrong.
    pub fn lying() -> Self {
        Self::with(PROTOCOL_VERSION, true)
    }

    pub fn with_version(version: u32) -> Self {
        Self::with(version, false)
    }

    fn with(version: u32, lies: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("double.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let seen = Arc::clone(&shared);
                thread::spawn(move || Process::new(stream.unwrap(), seen, version, lies).serve());
            }
        });
        Self {
            socket,
            seen,
            _directory: directory,
        }
    }

    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }
}

/// The answer to a request that always has the same one.
fn answer(code: u32) -> Option<Vec<u8>> {
    match Ioctl::from_code(code)? {
        Ioctl::Identify => Some(
            Identity {
                header: Header::of::<Identity>(),
                identification: 0x0100_00ed,
                major_version: 1,
                minor_version: 0,
                interrupt_kind: 2,
                interrupt_count: 1,
                buffer_length: 4095,
                driver_version: 0x0001_0000,
            }
            .as_bytes()
            .to_vec(),
        ),
        Ioctl::Topology => Some(
            Topology {
                header: Header::of::<Topology>(),
                interrupt_vector: 0x51,
                interrupt_irql: 5,
                ..Topology::new_zeroed()
            }
            .as_bytes()
            .to_vec(),
        ),
        Ioctl::Statistics => {
            let fixed = Statistics {
                header: Header::of::<Statistics>(),
                processor_count: 2,
                processors_returned: 2,
                queues: [Queue::default(); 4],
            };
            Some([fixed.as_bytes(), [Processor::default(); 2].as_bytes()].concat())
        }
        _ => None,
    }
}

struct Process {
    stream: UnixStream,
    seen: Arc<Mutex<Seen>>,
    version: u32,
    lies: bool,
    held: HashMap<RequestId, u32>,
}

impl Process {
    fn new(stream: UnixStream, seen: Arc<Mutex<Seen>>, version: u32, lies: bool) -> Self {
        Self {
            stream,
            seen,
            version,
            lies,
            held: HashMap::new(),
        }
    }

    fn serve(mut self) {
        let mut decoder = Decoder::default();
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = self.stream.read(&mut bytes) {
            decoder.push(&bytes[..count]);
            while let Some(message) = decoder.decode().unwrap() {
                match message {
                    ToGuest::Hello(_) => self.send(&ToHost::Hello(self.version)),
                    // It falls asleep, and answers no more.
                    ToGuest::Host {
                        request: HostRequest::SystemPower { .. },
                        ..
                    } => self.seen.lock().unwrap().asleep = true,
                    ToGuest::Host { id, .. } => self.send(&ToHost::Answer {
                        id,
                        answer: HostAnswer::Status(0xc000_0002_u32.cast_signed()),
                    }),
                    ToGuest::Process { request, .. } => {
                        if !self.call(request) {
                            return;
                        }
                    }
                }
            }
        }
    }

    fn send(&mut self, message: &ToHost) {
        // A client that is gone is noticed at the next read.
        let _ = self.stream.write_all(&encode(message).unwrap());
    }

    fn complete(&mut self, id: RequestId, status: u32, information: u64, data: Vec<u8>) {
        self.send(&ToHost::Completion {
            process: nthost_protocol::ProcessId(0),
            completion: Completion {
                id,
                status: status.cast_signed(),
                information,
                data,
            },
        });
    }

    fn call(&mut self, request: ProcessRequest) -> bool {
        match request {
            ProcessRequest::ListInterfaces { id, class } => {
                // Only the edu device's class has an instance.
                let edu = class[0] == 0x0c;
                let paths = if edu {
                    b"\\\\?\\double\0".to_vec()
                } else {
                    Vec::new()
                };
                self.complete(id, 0, paths.len() as u64, paths);
            }
            ProcessRequest::Create { id, path, .. } => {
                let known = path.ends_with("double");
                self.complete(id, if known { 0 } else { 0xc000_0034 }, 4, Vec::new());
            }
            ProcessRequest::Close { id, .. } => {
                self.seen.lock().unwrap().closes += 1;
                self.complete(id, 0, 0, Vec::new());
            }
            ProcessRequest::Cancel { id, target, .. } => {
                self.seen.lock().unwrap().cancels += 1;
                let mut held: Vec<_> = self.held.iter().map(|(id, n)| (*id, *n)).collect();
                held.retain(|(id, n)| *n < DEAF && target.is_none_or(|target| target == *id));
                for (request, n) in held {
                    self.held.remove(&request);
                    self.seen.lock().unwrap().outstanding -= 1;
                    if n >= STUBBORN {
                        self.factorial(request, n);
                    } else {
                        self.complete(request, 0xc000_0120, 0, Vec::new());
                    }
                }
                self.complete(id, 0, 0, Vec::new());
            }
            ProcessRequest::DeviceControl {
                id,
                code,
                input: Buffer::Data(input),
                ..
            } if code == Ioctl::Factorial.code() => {
                let n = FactorialInput::read_from_bytes(&input).unwrap().n;
                if n == FATAL {
                    return false;
                }
                if n < ENDLESS {
                    self.factorial(id, n);
                } else {
                    self.held.insert(id, n);
                    let mut seen = self.seen.lock().unwrap();
                    seen.outstanding += 1;
                    seen.most_outstanding = seen.most_outstanding.max(seen.outstanding);
                }
            }
            ProcessRequest::DeviceControl { id, code, .. } => match answer(code) {
                Some(data) => self.complete(id, 0, data.len() as u64, data),
                None => self.complete(id, 0xc000_0010, 0, Vec::new()),
            },
            other => panic!("{other:?}"),
        }
        true
    }

    fn factorial(&mut self, id: RequestId, n: u32) {
        let output = FactorialOutput {
            header: Header::of::<FactorialOutput>(),
            n,
            result: factorial_mod_2_32(n) + u32::from(self.lies || n == WRONG),
            interrupt_processor: 0,
            dpc_processor: 0,
            elapsed_100ns: 10,
        };
        let data = output.as_bytes().to_vec();
        self.complete(id, 0, data.len() as u64, data);
    }
}
