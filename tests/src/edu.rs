//! The `edu` device under test: that it works, and requests in all of its queues.

use std::sync::Arc;

use eductl::{
    device::Pending,
    io::{IoStatus, Request},
    nthost::NtFile,
    status::Status,
};
use eduwdm_abi::{
    Header, Ioctl,
    edu::{FactorialOutput, WAIT_INFINITE, WaitEventInput, WaitEventOutput},
};
use zerocopy::FromBytes;

use crate::{Booted, InFlight};

/// Where in the device's buffer the write writes, and the read does not read.
const WRITTEN: u64 = 1000;
/// What it writes.
const DATA: &[u8] = b"written in its turn";
/// What the wait waits for.
const MASK: u32 = 0x80;

/// What was asked for, without which the test has failed.
fn good<T, E: core::fmt::Display>(result: Result<T, E>, what: &str) -> T {
    result.unwrap_or_else(|fault| panic!("{what}: {fault}"))
}

impl Booted {
    /// Checks that an `edu` device answers, and that nothing is left of what was done before: each
    /// request ended once.
    ///
    /// # Panics
    ///
    /// If it does not, or something is left.
    pub fn assert_edu_works(&self, index: usize, what: &str) {
        let edu = good(self.edu(index), what);
        let answer = edu.factorial(5).and_then(Pending::wait);
        assert_eq!(good(answer, what).result, 120, "{what}");
        let counters = good(edu.statistics(), what);
        for (index, queue) in counters.fixed.queues.iter().enumerate() {
            assert_eq!(queue.depth, 0, "{what}: queue {index}: {queue:?}");
            let ended = queue.completed + queue.failed + queue.canceled;
            assert_eq!(
                queue.inserted, ended,
                "{what}: queue {index}: each request ends once: {queue:?}"
            );
        }
        drop(edu);
        // The system itself may have a power IRP on its way.
        self.wait_for_no_irps();
        let counts = self.counts();
        assert_eq!(counts.locks, 0, "{what}: {counts:?}");
    }
}

/// A request in each of an `edu` device's queues.
#[derive(Debug)]
pub struct InEachQueue {
    factorial: InFlight,
    write: InFlight,
    read: InFlight,
    wait: InFlight,
}

impl InEachQueue {
    /// Sends them.
    ///
    /// # Panics
    ///
    /// If one cannot be sent.
    #[must_use]
    pub fn send(file: &Arc<NtFile>) -> Self {
        let wait = WaitEventInput {
            header: Header::of::<WaitEventInput>(),
            mask: MASK,
            timeout_ms: WAIT_INFINITE,
        };
        Self {
            factorial: InFlight::factorial(file, 5),
            write: InFlight::send(
                file,
                Request::Write {
                    offset: WRITTEN,
                    data: DATA.to_vec(),
                },
            ),
            read: InFlight::send(
                file,
                Request::Read {
                    offset: 0,
                    length: 100,
                },
            ),
            wait: InFlight::control(file, Ioctl::WaitEvent, &wait, size_of::<WaitEventOutput>()),
        }
    }

    /// As [`Self::send`], from a thread of its own: one that has made a request may be under what
    /// is stopped.
    #[must_use]
    pub fn send_from_another_thread(file: &Arc<NtFile>) -> std::thread::JoinHandle<Self> {
        let file = Arc::clone(file);
        std::thread::spawn(move || Self::send(&file))
    }

    fn each(&self) -> [(&str, &InFlight); 4] {
        [
            ("factorial", &self.factorial),
            ("write", &self.write),
            ("read", &self.read),
            ("wait", &self.wait),
        ]
    }

    /// Checks that they wait.
    ///
    /// # Panics
    ///
    /// If one has ended.
    pub fn assert_waiting(&self, what: &str) {
        for (name, request) in self.each() {
            assert!(!request.is_complete(), "{what}: the {name} is to wait");
        }
    }

    /// Cancels them all.
    ///
    /// # Panics
    ///
    /// If the machine has ended.
    pub fn cancel(&self) {
        for (name, request) in self.each() {
            let canceled = request.cancel().join();
            canceled.unwrap_or_else(|_| panic!("the {name} cannot be canceled"));
        }
    }

    /// Waits for their ends.
    ///
    /// # Panics
    ///
    /// If one does not end.
    #[must_use]
    pub fn ends(self, what: &str) -> [(&'static str, IoStatus); 4] {
        let end = |name: &'static str, request: &InFlight| {
            (name, request.end(&format!("{what}: the {name}")))
        };
        [
            end("factorial", &self.factorial),
            end("write", &self.write),
            end("read", &self.read),
            end("wait", &self.wait),
        ]
    }

    /// Waits for their ends, which are all this one.
    ///
    /// # Panics
    ///
    /// If one does not end, or with another status, or has moved anything all the same.
    pub fn end_with(self, status: u32, what: &str) {
        for (name, ended) in self.ends(what) {
            assert_eq!(ended.status, Status::Nt(status), "{what}: the {name}");
            assert_eq!(ended.information, 0, "{what}: the {name}");
        }
    }

    /// Raises the event that is waited for, and checks the answers.
    ///
    /// # Panics
    ///
    /// If one does not end, or is wrong.
    pub fn end_well(self, booted: &Booted, index: usize, what: &str) {
        let edu = good(booted.edu(index), what);
        good(edu.raise(MASK), what);
        let [factorial, write, read, wait] = self.ends(what).map(|(name, ended)| {
            assert_eq!(ended.status, Status::Nt(0), "{what}: the {name}");
            ended
        });
        let (answer, _) = good(FactorialOutput::read_from_prefix(factorial.output()), what);
        assert_eq!(answer.result, 120, "{what}");
        assert_eq!(write.information, DATA.len() as u64, "{what}");
        assert_eq!(read.output().len(), 100, "{what}");
        let (answer, _) = good(WaitEventOutput::read_from_prefix(wait.output()), what);
        assert_eq!(answer.bits, MASK, "{what}");
        let length = u32::try_from(DATA.len()).unwrap_or(u32::MAX);
        let written = good(edu.read_wait(WRITTEN, length), what);
        assert_eq!(written, DATA, "{what}");
    }
}
