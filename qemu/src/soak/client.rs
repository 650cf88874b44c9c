//! The clients: processes, one after the other, whose threads send requests, cancel some of them,
//! close handles with requests outstanding, and are killed with requests outstanding.

use std::{
    collections::VecDeque,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use eductl::{
    DeviceKind, device,
    io::{Completion, File, RequestKey},
    nthost::{Access, NtFile, NtHost},
    status::Status,
};
use nthost_protocol::random::{Sequence, mix};

use super::{Fault, LIMIT, Soak, life::Disturbance, request::Kind};

/// How many requests a thread has outstanding, at the most.
const DEPTH: usize = 16;
/// How many requests a thread sends before its process ends.
const ROUND: u64 = 400;

/// How long a hostile request is waited for before it is canceled.
const PATIENCE: Duration = Duration::from_secs(1);

/// A request on its way.
struct Outstanding {
    kind: Kind,
    key: RequestKey,
    completion: Arc<Completion>,
    /// What had happened to the devices before.
    begun: u64,
    canceled: bool,
}

/// Processes, one after the other, until it is over.
pub fn process(soak: &Soak<'_>, seed: u64) {
    let mut random = Sequence::new(seed);
    while !soak.is_over() && soak.left.load(std::sync::atomic::Ordering::Relaxed) > 0 {
        if let Err(fault) = live(soak, &mut random) {
            soak.fail(fault);
        }
    }
}

/// One process, from its first request to its end.
fn live(soak: &Soak<'_>, random: &mut Sequence) -> Result<(), Fault> {
    let host = NtHost::connect(soak.socket)?;
    let is_killed = random.below(4) == 0;
    let seed = random.draw();
    let left = thread::scope(|scope| {
        let threads: Vec<_> = (0..soak.options.threads)
            .map(|number| {
                let (host, seed) = (&host, mix(seed ^ number as u64));
                scope.spawn(move || Thread::new(soak, host, seed).run(is_killed))
            })
            .collect();
        let ended = threads.into_iter().map(|thread| {
            let panicked = |_| Err(Fault("a thread has panicked".to_owned()));
            thread.join().unwrap_or_else(panicked)
        });
        ended.collect::<Result<Vec<_>, Fault>>()
    })?;
    if is_killed {
        // With all that its threads have left.
        host.hang_up();
        soak.count("processes killed");
        drop(left);
    } else {
        let unexpected = host.unexpected_completions();
        if unexpected != 0 {
            return Err(Fault(format!("{unexpected} requests have ended twice")));
        }
        soak.count("processes ended");
    }
    Ok(())
}

/// A thread of a process.
struct Thread<'a> {
    soak: &'a Soak<'a>,
    host: &'a NtHost,
    random: Sequence,
    outstanding: VecDeque<Outstanding>,
    /// Its device is gone: the handle is of no use any more.
    is_gone: bool,
}

impl<'a> Thread<'a> {
    const fn new(soak: &'a Soak<'a>, host: &'a NtHost, seed: u64) -> Self {
        Self {
            soak,
            host,
            random: Sequence::new(seed),
            outstanding: VecDeque::new(),
            is_gone: false,
        }
    }

    /// Sends requests until the process is to end. Gives what is outstanding then, if it is killed.
    fn run(mut self, is_killed: bool) -> Result<Vec<Arc<NtFile>>, Fault> {
        let mut sent = 0;
        loop {
            let Some(file) = self.open(is_killed)? else {
                return Ok(Vec::new());
            };
            while sent < ROUND && !self.is_gone && self.soak.take_request() {
                self.send(&file)?;
                sent += 1;
                if self.random.below(8) == 0 {
                    self.cancel_one(&file)?;
                }
                if self.outstanding.len() >= DEPTH {
                    self.reap(&file)?;
                }
            }
            if is_killed {
                return Ok(vec![file]);
            }
            let is_over = sent >= ROUND || !self.is_gone;
            if self.random.below(2) == 0 {
                // With what is outstanding: the kernel cancels it.
                self.mark_all_canceled();
                file.close();
                self.soak.count("handles closed with requests outstanding");
            }
            while !self.outstanding.is_empty() {
                self.reap(&file)?;
            }
            file.close();
            self.is_gone = false;
            if is_over {
                return Ok(Vec::new());
            }
        }
    }

    /// Opens one of the devices, which may have to come back first; none if it is over. A process that
    /// is to be killed waits for none: it would keep it from coming back, with the handles that its
    /// other threads leave open.
    fn open(&mut self, is_killed: bool) -> Result<Option<Arc<NtFile>>, Fault> {
        let begun = Instant::now();
        loop {
            let life = self.soak.life.now();
            let devices = device::list(self.host)?;
            let edus: Vec<_> = devices
                .iter()
                .filter(|one| one.kind == DeviceKind::Edu)
                .collect();
            let which = self.random.below(edus.len().max(1) as u64);
            let device = edus.get(usize::try_from(which).unwrap_or(0));
            let opened = device.map(|device| self.host.open(&device.path, Access::default()));
            match opened {
                Some(Ok(file)) => {
                    self.soak.count("handles opened");
                    return Ok(Some(file));
                }
                Some(Err(error)) if self.soak.life.since(life) == Disturbance::None => {
                    return Err(error.into());
                }
                _ if begun.elapsed() > LIMIT => {
                    return Err(Fault("no device comes back".to_owned()));
                }
                _ if is_killed || self.soak.is_over() => return Ok(None),
                _ => thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    fn send(&mut self, file: &Arc<NtFile>) -> Result<(), Fault> {
        let (kind, request) = Kind::draw(&mut self.random);
        let completion = Arc::new(Completion::default());
        let begun = self.soak.life.now();
        let key = file.submit(request, Arc::clone(&completion))?;
        self.soak.count(kind.name());
        self.outstanding.push_back(Outstanding {
            kind,
            key,
            completion,
            begun,
            canceled: false,
        });
        Ok(())
    }

    fn cancel_one(&mut self, file: &Arc<NtFile>) -> Result<(), Fault> {
        let which = self.random.below(self.outstanding.len() as u64);
        let request = self
            .outstanding
            .get_mut(usize::try_from(which).unwrap_or(0));
        let Some(request) = request else {
            return Ok(());
        };
        request.canceled = true;
        self.soak.count("cancellations");
        if which.is_multiple_of(2) {
            file.cancel(Some(request.key));
            Ok(())
        } else {
            Ok(file.cancel_and_wait(&request.key)?)
        }
    }

    fn mark_all_canceled(&mut self) {
        for request in &mut self.outstanding {
            request.canceled = true;
        }
    }

    /// Waits for the oldest request, and judges how it has ended.
    fn reap(&mut self, file: &Arc<NtFile>) -> Result<(), Fault> {
        let Some(request) = self.outstanding.pop_front() else {
            return Ok(());
        };
        let kind = request.kind;
        let mut request = request;
        if kind == Kind::Hostile && request.completion.wait(Some(PATIENCE)).is_none() {
            // A wait whose time has become days.
            request.canceled = true;
            file.cancel(Some(request.key));
        }
        let ended = match request.completion.wait(Some(LIMIT)) {
            Some(Ok(ended)) => ended,
            Some(Err(lost)) => return Err(Fault(format!("{kind:?}: {lost:?}"))),
            None => return Err(Fault(format!("{kind:?} does not end"))),
        };
        let disturbed = self.soak.life.since(request.begun);
        let judged = kind.judge(&ended, request.canceled, disturbed);
        judged.map_err(|why| Fault(format!("{kind:?} ended: {why}")))?;
        let how = match ended.status {
            status if status.is_success() => "ended with success".to_owned(),
            status => format!("ended with {status}"),
        };
        if kind != Kind::Hostile {
            self.soak.count(&how);
        }
        const GONE: [u32; 3] = [0xc000_02b6, 0xc000_0056, 0xc000_000e];
        self.is_gone |= GONE.map(Status::Nt).contains(&ended.status);
        Ok(())
    }
}
