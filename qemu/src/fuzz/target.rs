//! What is fuzzed: a device of a machine. Each machine runs programs until one of them stops it.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use eductl::{
    Error,
    io::{Completion, File as _},
    nthost::{Access, NtFile, NtHost},
};

use super::{
    blocks::{Blocks, Known, New},
    program::{Program, Request, Then},
};
use crate::{Artifacts, Machine, Options, Session, SessionError, serial::Bugcheck};

/// How long a request is waited for before the program goes on.
const PATIENCE: Duration = Duration::from_millis(200);
/// How long a request of a kind is waited for that has not ended before in that time.
const SHORT: Duration = Duration::from_millis(1);
/// How long a request may take that was canceled, and a machine that has stopped.
const LIMIT: Duration = Duration::from_mins(1);

/// Why a device cannot be fuzzed.
#[derive(Debug, thiserror::Error)]
pub enum FuzzError {
    /// The machine does not start.
    #[error(transparent)]
    Session(#[from] Box<SessionError>),
    /// The device cannot be opened.
    #[error(transparent)]
    Device(#[from] Error),
    /// A file cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// A device of a machine that is started again and again.
#[derive(Clone, Debug)]
pub struct Target {
    /// The machine.
    pub machine: Machine,
    /// What it runs.
    pub artifacts: Artifacts,
    /// How it is started.
    pub options: Options,
    /// The device's symbolic link or interface. `None`: the first interface that is enabled.
    pub path: Option<String>,
}

/// How a program has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All of its requests have ended, and the machine goes on.
    Ended,
    /// The machine has stopped, or a request does not end.
    Stopped(Stop),
}

/// What stopped a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// What two stops share that have the same cause, as far as can be told: the stop code and the
    /// driver's routine.
    pub cause: String,
    /// All that is known of it.
    pub report: String,
}

/// A machine that runs.
pub struct Running {
    // Before the session, so that it closes its connection first.
    host: NtHost,
    session: Session,
    path: String,
    blocks: Option<Blocks>,
    /// Control codes of which a request did not end in time: they are not waited for again.
    slow: Vec<u32>,
}

impl Target {
    /// Starts a machine. With a file of blocks, what runs there can be [read](Running::new_blocks).
    ///
    /// # Errors
    ///
    /// [`FuzzError`].
    pub fn start(&self) -> Result<Running, FuzzError> {
        let mut session = Session::start(&self.machine, &self.artifacts, &self.options, |_| ())
            .map_err(Box::new)?;
        session.wait_ready().map_err(Box::new)?;
        let host = NtHost::connect(session.socket())?;
        let log = session.guest.log.lines();
        let blocks = self.options.extras.blocks.as_deref();
        let blocks = blocks.map(|path| {
            Blocks::open(path, &log).map_err(|error| FuzzError::File {
                path: path.to_owned(),
                error,
            })
        });
        let path = match &self.path {
            Some(path) => path.clone(),
            None => first_interface(&host)?,
        };
        let running = Running {
            host,
            session,
            path,
            blocks: blocks.transpose()?,
            slow: Vec::new(),
        };
        // A device that cannot be opened is no target.
        running.host.open(&running.path, Access::default())?;
        Ok(running)
    }

    /// Whether programs stop a new machine by a cause.
    ///
    /// # Errors
    ///
    /// [`FuzzError`].
    pub fn run(&self, programs: &[Program]) -> Result<Outcome, FuzzError> {
        let mut running = self.start()?;
        for program in programs {
            let outcome = running.run(program, |_, _| ());
            if outcome != Outcome::Ended {
                return Ok(outcome);
            }
        }
        Ok(Outcome::Ended)
    }
}

/// The first interface that is enabled.
fn first_interface(host: &NtHost) -> Result<String, Error> {
    let devices = host.devices()?;
    let mut interfaces = devices.into_iter().flat_map(|device| device.interfaces);
    interfaces.next().ok_or(Error::NoDevice)
}

/// A request that was sent.
struct Sent {
    what: String,
    completion: Arc<Completion>,
}

impl Running {
    /// Runs a program to its end: each request has ended, and the file is closed. `look` is called
    /// after each request, and when all have ended.
    pub fn run(&mut self, program: &Program, mut look: impl FnMut(&mut Self, usize)) -> Outcome {
        let file = match self.host.open(&self.path, Access::default()) {
            Ok(file) => file,
            Err(Error::Disconnected(_)) => return Outcome::Stopped(self.stop()),
            // The driver takes no more of them: that is its own affair.
            Err(_) => return Outcome::Ended,
        };
        let mut outstanding = Vec::new();
        for (number, call) in program.calls.iter().enumerate() {
            let completion = Arc::new(Completion::default());
            let Ok(key) = send(&file, &call.request, &completion) else {
                return Outcome::Stopped(self.stop());
            };
            match call.then {
                Then::Wait => self.wait(&call.request, &completion),
                Then::GoOn => {}
                Then::Cancel => file.cancel(Some(key)),
            }
            look(self, number);
            outstanding.push(Sent {
                what: call.to_string(),
                completion,
            });
        }
        if outstanding
            .iter()
            .any(|sent| !sent.completion.is_complete())
        {
            file.cancel(None);
        }
        for sent in outstanding {
            match sent.completion.wait(Some(LIMIT)) {
                Some(Ok(_)) => {}
                Some(Err(_)) => return Outcome::Stopped(self.stop()),
                None => return Outcome::Stopped(self.hangs(&sent.what)),
            }
        }
        file.close();
        look(self, program.calls.len().saturating_sub(1));
        Outcome::Ended
    }

    /// Waits for a request, unless others of its kind have taken long.
    fn wait(&mut self, request: &Request, completion: &Completion) {
        let code = match *request {
            Request::Control { code, .. } => code,
            // No control code: bits that such a one does not have together.
            Request::Read { .. } => 0,
            Request::Write { .. } => 1,
        };
        let is_slow = self.slow.contains(&code);
        let limit = if is_slow { SHORT } else { PATIENCE };
        if completion.wait(Some(limit)).is_none() && !is_slow {
            self.slow.push(code);
        }
    }

    /// What of drivers has run for the first time since this was asked last.
    ///
    /// # Errors
    ///
    /// When QEMU's log cannot be read.
    pub fn new_blocks(&mut self, known: &mut Known) -> io::Result<New> {
        self.blocks
            .as_mut()
            .map_or_else(|| Ok(New::default()), |blocks| blocks.read(known))
    }

    /// The machine has gone: why.
    fn stop(&mut self) -> Stop {
        let ended = self.session.finish(LIMIT);
        let report = match &ended {
            Ok(()) => "the machine has ended of itself".to_owned(),
            Err(fault) => fault.to_string(),
        };
        let cause = match self.session.guest.log.bugcheck() {
            Some(bugcheck) => self.cause(&bugcheck),
            None => report.lines().next().unwrap_or_default().to_owned(),
        };
        Stop { cause, report }
    }

    /// The stop code, its first parameter where that says what was done, and the innermost routine of
    /// a driver.
    fn cause(&self, bugcheck: &Bugcheck) -> String {
        let mut cause = format!("{:#x} {}", bugcheck.code, bugcheck.name);
        // DRIVER_VERIFIER_DETECTED_VIOLATION and its like are many rules under one code.
        if matches!(bugcheck.code, 0xc4 | 0xc9 | 0xe6 | 0x10d) {
            cause = format!("{cause} {:#x}", bugcheck.parameters[0]);
        }
        let drivers = bugcheck.frames.iter();
        if let Some(frame) = drivers.clone().find(|frame| frame.module != "nthost") {
            let function = self.session.symbols().resolve(frame, true);
            let function = function.first().and_then(|one| one.function.clone());
            let offset = || format!("{:#x}", frame.offset);
            let function = function.unwrap_or_else(offset);
            cause = format!("{cause} in {}!{function}", frame.module);
        }
        cause
    }

    /// A request does not end, though it was canceled: what all threads do.
    fn hangs(&self, what: &str) -> Stop {
        let code = what.split(',').next().unwrap_or(what);
        let threads = self.session.threads(&self.host);
        let threads = threads.unwrap_or_else(|error| error.to_string());
        Stop {
            cause: format!("does not end, though canceled: {code}"),
            report: format!(
                "a request does not end, though it was canceled:\n    {what}\n{threads}"
            ),
        }
    }
}

fn send(
    file: &NtFile,
    request: &Request,
    completion: &Arc<Completion>,
) -> Result<eductl::io::RequestKey, Error> {
    let completion = Arc::clone(completion);
    match request {
        Request::Control {
            code,
            input,
            output,
        } => file.control(*code, input.buffer(), output.buffer(), completion),
        Request::Read { offset, output } => file.read_into(*offset, output.buffer(), completion),
        Request::Write { offset, input } => file.write_from(*offset, input.buffer(), completion),
    }
}
