//! Everything at once, at random: requests of all kinds from several processes, which are canceled,
//! whose handles are closed and whose processes are killed, while devices lose their power, get other
//! resources, are pulled out and come back, and calls of their driver fail.
//!
//! Meanwhile a bookkeeper outside of the machine holds each request to what its driver documents: it
//! ends, once, with the right answer or with a status that what has happened to its device allows.
//! In the end the devices work, and nothing is left.
//!
//! One seed chooses all of it; when things happen depends on the host.

mod client;
mod life;
mod request;

use std::{
    collections::BTreeMap,
    fmt,
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use eductl::{DeviceKind, Edu, Error, Interrupt, device, device::OpenDevice, nthost::NtHost};
use nthost_protocol::random::mix;

use life::Life;

/// How long a request may take. No test measures time: one that takes this long does not end.
const LIMIT: Duration = Duration::from_mins(2);

/// What is done.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Chooses all that is left to chance.
    pub seed: u64,
    /// How many requests are sent, at the most.
    pub requests: u64,
    /// After how long no more are sent.
    pub duration: Option<Duration>,
    /// How many processes there are at a time.
    pub processes: usize,
    /// How many threads each of them has.
    pub threads: usize,
    /// Whether anything happens to the devices.
    pub life: bool,
}

/// What was done.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// How many times each thing was done, or came of it.
    pub counts: BTreeMap<String, u64>,
    /// For how long.
    pub elapsed: Duration,
}

impl Figures {
    /// How many times something was done, or came of it.
    #[must_use]
    pub fn count(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or(0)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, count) in &self.counts {
            writeln!(f, "{count:>12}  {what}")?;
        }
        writeln!(f, "in {:.1} s", self.elapsed.as_secs_f64())
    }
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Fault(String);

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

/// What all threads share.
struct Soak<'a> {
    socket: &'a Path,
    options: Options,
    devices: usize,
    life: Life,
    /// How many requests are left to be sent. Relaxed: a number alone.
    left: AtomicI64,
    /// Nothing new is to be begun. Relaxed: it is looked at again and again.
    stop: AtomicBool,
    counts: Mutex<BTreeMap<String, u64>>,
    fault: Mutex<Option<Fault>>,
    end: Option<Instant>,
}

impl Soak<'_> {
    fn count(&self, what: &str) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(what.to_owned()).or_default() += 1;
    }

    /// Something went wrong: the first is told, and everything ends.
    fn fail(&self, fault: Fault) {
        let mut first = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(fault);
        self.stop.store(true, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        if self.end.is_some_and(|end| Instant::now() >= end) {
            self.stop.store(true, Ordering::Relaxed);
        }
        self.stop.load(Ordering::Relaxed)
    }

    /// Whether one more request may be sent.
    fn take_request(&self) -> bool {
        !self.is_over() && self.left.fetch_sub(1, Ordering::Relaxed) > 0
    }
}

/// Does it on a machine that is ready, and looks at what is left.
///
/// # Errors
///
/// The first thing that went wrong.
pub fn run(socket: &Path, options: Options) -> Result<Figures, Fault> {
    let host = NtHost::connect(socket)?;
    let begun = Instant::now();
    let of_kind = |one: &device::Device| one.kind == DeviceKind::Edu;
    let soak = Soak {
        socket,
        options,
        devices: device::list(&host)?
            .iter()
            .filter(|one| of_kind(one))
            .count(),
        life: Life::default(),
        left: AtomicI64::new(options.requests.try_into().unwrap_or(i64::MAX)),
        stop: AtomicBool::new(false),
        counts: Mutex::default(),
        fault: Mutex::default(),
        end: options.duration.map(|duration| begun + duration),
    };
    let clients_left = AtomicBool::new(true);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..options.processes)
            .map(|number| {
                let seed = mix(options.seed ^ mix(number as u64 + 1));
                let soak = &soak;
                scope.spawn(move || client::process(soak, seed))
            })
            .collect();
        let life = options.life.then(|| {
            let (soak, host, clients_left) = (&soak, &host, &clients_left);
            scope.spawn(move || life::lead(soak, host, mix(options.seed), clients_left))
        });
        for client in clients {
            if client.join().is_err() {
                soak.fail(Fault("a client's thread has panicked".to_owned()));
            }
        }
        // The devices live on until nobody waits for one of them.
        clients_left.store(false, Ordering::Relaxed);
        if life.is_some_and(|life| life.join().is_err()) {
            soak.fail(Fault(
                "the thread that leads the devices has panicked".to_owned(),
            ));
        }
    });
    if let Some(fault) = soak
        .fault
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
    {
        return Err(fault);
    }
    for index in 0..soak.devices {
        check(&host, index)?;
    }
    let counts = soak
        .counts
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    Ok(Figures {
        counts,
        elapsed: begun.elapsed(),
    })
}

/// Looks whether a device works, and nothing is left.
fn check(host: &NtHost, index: usize) -> Result<(), Fault> {
    let devices = device::list(host)?;
    let mut edu = devices.iter().filter(|one| one.kind == DeviceKind::Edu);
    let device = edu
        .nth(index)
        .ok_or_else(|| Fault(format!("device {index} is gone")))?;
    let open = OpenDevice::open(host, &device.path, &Interrupt::default())?;
    let edu = Edu::new(open.with_limit(Some(LIMIT)));
    let answer = edu.factorial(5)?.wait()?.result;
    if answer != 120 {
        return Err(Fault(format!("device {index}: 5! is {answer}")));
    }
    for queue in edu.statistics()?.fixed.queues {
        let ended = queue.completed + queue.failed + queue.canceled;
        if queue.depth != 0 || queue.inserted != ended {
            return Err(Fault(format!(
                "device {index}: each request ends once: {queue:?}"
            )));
        }
    }
    drop(edu);
    // The kernel ends what a killed process has left.
    let begun = Instant::now();
    loop {
        let counts = host.verifier()?;
        let left = [
            counts.irps,
            counts.locks,
            counts.locked_pages,
            counts.map_registers,
        ];
        if left == [0; 4] {
            return Ok(());
        }
        if begun.elapsed() > LIMIT {
            return Err(Fault(format!("something is left: {counts:?}")));
        }
        thread::sleep(Duration::from_millis(5));
    }
}
