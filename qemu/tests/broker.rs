//! The broker between real clients and a guest that is played by the test.
#![cfg(unix)]

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use eduwdm_qemu::broker::{Broker, BrokerError, Greeting};
use nthost_protocol::{
    Completion, Decoder, Handle, HostAnswer, HostRequest, PROTOCOL_VERSION, ProcessId,
    ProcessRequest, RequestId, ThreadId, ToGuest, ToHost, encode,
};
use serde::{Serialize, de::DeserializeOwned};

const LIMIT: Duration = Duration::from_mins(1);

/// One end of a connection that carries frames.
struct End {
    stream: UnixStream,
    decoder: Decoder,
}

impl End {
    fn new(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        Self {
            stream,
            decoder: Decoder::default(),
        }
    }

    fn connect(path: &Path) -> Self {
        Self::new(UnixStream::connect(path).unwrap())
    }

    fn send<T: Serialize>(&mut self, message: &T) {
        self.stream.write_all(&encode(message).unwrap()).unwrap();
    }

    /// The next message, or none if the other side has hung up.
    fn receive<T: DeserializeOwned>(&mut self) -> Option<T> {
        loop {
            if let Some(message) = self.decoder.decode().unwrap() {
                return Some(message);
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes).unwrap() {
                0 => return None,
                count => self.decoder.push(&bytes[..count]),
            }
        }
    }
}

/// A broker, the guest behind it, and the directory of its socket.
fn start() -> (Broker, End, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let (ours, guest) = UnixStream::pair().unwrap();
    let broker = Broker::start(ours, &directory.path().join("up.sock")).unwrap();
    let mut guest = End::new(guest);
    assert_eq!(guest.receive(), Some(ToGuest::Hello(PROTOCOL_VERSION)));
    (broker, guest, directory)
}

fn close(process: u32, id: u64) -> ToGuest {
    ToGuest::Process {
        process: ProcessId(process),
        request: ProcessRequest::Close {
            id: RequestId(id),
            thread: ThreadId(0),
            handle: Handle(4),
        },
    }
}

fn completion(process: ProcessId, id: u64, status: i32) -> ToHost {
    ToHost::Completion {
        process,
        completion: Completion {
            id: RequestId(id),
            status,
            information: 0,
            data: Vec::new(),
        },
    }
}

fn process_of(message: &ToGuest) -> ProcessId {
    match message {
        ToGuest::Process { process, .. } => *process,
        other => panic!("{other:?}"),
    }
}

#[test]
fn clients_with_the_same_process_id_are_different_processes() {
    let (broker, mut guest, _directory) = start();
    let mut clients = [End::connect(broker.path()), End::connect(broker.path())];
    let mut processes = Vec::new();
    for client in &mut clients {
        client.send(&close(7, 1));
        let asked: ToGuest = guest.receive().unwrap();
        processes.push(process_of(&asked));
    }
    assert_ne!(processes[0], processes[1]);
    // In the other order than they asked.
    guest.send(&completion(processes[1], 1, 11));
    guest.send(&completion(processes[0], 1, 10));
    for (index, status) in [(0, 10), (1, 11)] {
        let answer = clients[index].receive().unwrap();
        assert!(
            matches!(&answer, ToHost::Completion { completion, .. } if completion.status == status),
            "{answer:?}"
        );
    }
}

#[test]
fn a_client_that_goes_away_is_a_process_that_exits() {
    let (broker, mut guest, _directory) = start();
    let mut client = End::connect(broker.path());
    client.send(&close(0, 1));
    let process = process_of(&guest.receive().unwrap());
    drop(client);
    let exit: ToGuest = guest.receive().unwrap();
    assert_eq!(process_of(&exit), process);
    assert!(
        matches!(
            exit,
            ToGuest::Process {
                request: ProcessRequest::Exit { .. },
                ..
            }
        ),
        "{exit:?}"
    );
    // What it still had outstanding is nobody's, and disturbs nobody.
    guest.send(&completion(process, 1, 0));
    let mut other = End::connect(broker.path());
    other.send(&close(0, 1));
    let process = process_of(&guest.receive().unwrap());
    guest.send(&completion(process, 1, 5));
    assert!(matches!(other.receive(), Some(ToHost::Completion { .. })));
}

#[test]
fn answers_to_host_requests_find_their_client_under_its_own_id() {
    let (broker, mut guest, _directory) = start();
    let mut clients = [End::connect(broker.path()), End::connect(broker.path())];
    let mut known = Vec::new();
    for client in &mut clients {
        client.send(&ToGuest::Host {
            id: 3,
            request: HostRequest::ListDevices,
        });
        match guest.receive().unwrap() {
            ToGuest::Host { id, .. } => known.push(id),
            other => panic!("{other:?}"),
        }
    }
    assert_ne!(known[0], known[1]);
    for (index, id) in known.iter().enumerate().rev() {
        guest.send(&ToHost::Answer {
            id: *id,
            answer: HostAnswer::Status(i32::try_from(index).unwrap()),
        });
    }
    for (index, client) in clients.iter_mut().enumerate() {
        let status = i32::try_from(index).unwrap();
        assert_eq!(
            client.receive(),
            Some(ToHost::Answer {
                id: 3,
                answer: HostAnswer::Status(status)
            })
        );
    }
}

#[test]
fn a_client_that_came_early_is_greeted_when_the_guest_is_ready() {
    let (broker, mut guest, _directory) = start();
    assert_eq!(broker.wait_ready(Duration::ZERO), Greeting::Late);
    let mut client = End::connect(broker.path());
    client.send(&ToGuest::Hello(PROTOCOL_VERSION));
    guest.send(&ToHost::Hello(42));
    assert_eq!(broker.wait_ready(LIMIT), Greeting::Ready(42));
    assert_eq!(client.receive(), Some(ToHost::Hello(42)));
}

#[test]
fn when_the_guest_ends_every_client_is_hung_up_on() {
    let (broker, mut guest, _directory) = start();
    guest.send(&ToHost::Hello(PROTOCOL_VERSION));
    assert_eq!(broker.wait_ready(LIMIT), Greeting::Ready(PROTOCOL_VERSION));
    let mut client = End::connect(broker.path());
    client.send(&ToGuest::Hello(PROTOCOL_VERSION));
    assert!(client.receive::<ToHost>().is_some());
    drop(guest);
    assert_eq!(client.receive::<ToHost>(), None);
    assert_eq!(broker.wait_ready(LIMIT), Greeting::Ended);
    assert_eq!(End::connect(broker.path()).receive::<ToHost>(), None);
}

#[test]
fn rubbish_from_a_client_is_its_own_trouble() {
    let (broker, mut guest, _directory) = start();
    let mut client = End::connect(broker.path());
    client.stream.write_all(&[1, 0, 0, 0, 0xff]).unwrap();
    let answer = client.receive();
    assert!(matches!(answer, Some(ToHost::Malformed(_))), "{answer:?}");
    client.send(&close(0, 9));
    let _ = process_of(&guest.receive().unwrap());
    client.stream.write_all(&u32::MAX.to_le_bytes()).unwrap();
    let answer = client.receive();
    assert!(matches!(answer, Some(ToHost::Malformed(_))), "{answer:?}");
    assert_eq!(client.receive::<ToHost>(), None);
}

#[test]
fn one_socket_has_one_broker_and_a_forgotten_socket_is_replaced() {
    let (broker, _guest, directory) = start();
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let fault = Broker::start(ours, broker.path()).unwrap_err();
    assert!(matches!(fault, BrokerError::Busy(_)), "{fault}");
    let path = broker.path().to_owned();
    drop(broker);
    assert!(!path.exists(), "the socket outlives its broker");
    // A broker that was killed leaves its socket behind, with nobody listening.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let broker = Broker::start(ours, &path).unwrap();
    assert!(UnixStream::connect(broker.path()).is_ok());
    drop(directory);
}
