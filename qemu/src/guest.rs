//! A running machine: QEMU with nthost as its kernel. It ends with its [`Guest`].

use std::{
    ffi::OsString,
    fmt, fs,
    io::{self, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nthost_protocol::{Manifest, PROTOCOL_VERSION, ToGuest, encode};
use serde_json::json;

use crate::{
    accelerator::{self, Chosen, Trial},
    archive::{self, Image},
    child,
    command_line::{self, Extras, Files},
    coverage::Executed,
    machine::{Choice, Machine},
    manifest,
    qmp::{Monitor, QmpError},
    serial::Log,
};

/// QEMU's program.
pub const PROGRAM: &str = "qemu-system-x86_64";
/// How long QEMU may take to connect: it does so before it runs the guest.
const CONNECT_LIMIT: Duration = Duration::from_secs(30);
/// How long nthost may take to its greeting where KVM works: it takes half a second.
const TRIAL_LIMIT: Duration = Duration::from_secs(10);

/// What a machine is started with.
#[derive(Clone, Debug)]
pub struct Kernel<'a> {
    /// nthost's image.
    pub image: &'a Path,
    /// What it loads.
    pub manifest: &'a Manifest,
    /// The images that the manifest names.
    pub images: &'a [Image],
    /// What executes the processors, unless the machine's file says it.
    pub accelerator: Choice,
    /// Where what is known of the accelerator is kept.
    pub directory: &'a Path,
    /// The rest.
    pub extras: Extras,
}

/// Why a machine was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no QEMU.
    #[error("{PROGRAM} cannot be run ({0}); cargo xtask setup installs it")]
    Program(io::Error),
    /// A file of the machine could not be made or read.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The archive could not be made.
    #[error(transparent)]
    Archive(#[from] archive::ArchiveError),
    /// QEMU ended, or did not connect.
    #[error("QEMU did not start the machine ({status}): {stderr}")]
    Ended {
        /// How it ended.
        status: String,
        /// What it says.
        stderr: String,
    },
    /// QEMU's monitor is not there.
    #[error(transparent)]
    Monitor(#[from] QmpError),
}

/// How a machine ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// nthost ended it, with this code: zero when all was well.
    Exit(u8),
    /// It was reset without nthost's doing, by a triple fault for example.
    Reset,
    /// QEMU failed: its status, and what it says.
    Failure(String),
    /// It did not end in time.
    Hang,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(code) => write!(f, "nthost ended with code {code}"),
            Self::Reset => f.write_str("the machine was reset (a triple fault?)"),
            Self::Failure(why) => write!(f, "QEMU failed: {why}"),
            Self::Hang => f.write_str("the machine did not end in time"),
        }
    }
}

/// A running machine. Dropping it ends it.
#[derive(Debug)]
pub struct Guest {
    child: Child,
    /// Its log.
    pub log: Log,
    /// Its monitor.
    pub monitor: Monitor,
    /// The accelerator, and why it is this one.
    pub accelerator: Chosen,
    /// When QEMU was started.
    pub started: Instant,
    port: Option<UnixStream>,
    stderr: Option<JoinHandle<String>>,
    extras: Extras,
    // The archive and the sockets are gone with it.
    _directory: tempfile::TempDir,
}

impl Guest {
    /// Starts a machine. `watch` is given each line of its log.
    ///
    /// # Errors
    ///
    /// [`StartError`].
    pub fn start(
        machine: &Machine,
        kernel: &Kernel<'_>,
        watch: impl FnMut(&str) + Send + 'static,
    ) -> Result<Self, StartError> {
        if !kernel.image.is_file() {
            return Err(StartError::File {
                path: kernel.image.to_owned(),
                error: io::ErrorKind::NotFound.into(),
            });
        }
        let accelerator = Self::accelerator(machine, kernel);
        let directory = tempfile::Builder::new()
            .prefix("nthost-")
            .tempdir()
            .map_err(|error| StartError::File {
                path: std::env::temp_dir(),
                error,
            })?;
        let archive = directory.path().join("archive");
        let mut manifest = kernel.manifest.clone();
        manifest::adapt(&mut manifest, machine);
        fs::write(&archive, archive::archive(&manifest, kernel.images)?).map_err(at(&archive))?;
        let port = directory.path().join("port");
        let monitor = directory.path().join("monitor");
        let port_listener = UnixListener::bind(&port).map_err(at(&port))?;
        let monitor_listener = UnixListener::bind(&monitor).map_err(at(&monitor))?;
        let files = Files {
            kernel: kernel.image,
            archive: &archive,
            port: &port,
            monitor: &monitor,
        };
        let arguments =
            command_line::arguments(machine, accelerator.accelerator, &files, &kernel.extras);
        let started = Instant::now();
        let mut child = Running(Some(spawn(&arguments)?));
        let Some(process) = &mut child.0 else {
            unreachable!("it was just put there")
        };
        let log = match process.stdout.take() {
            Some(stdout) => Log::follow(stdout, watch),
            None => Log::default(),
        };
        let mut stderr = process.stderr.take().map(|mut stderr| {
            thread::spawn(move || {
                let mut text = Vec::new();
                // What was said until the pipe broke is what there is.
                let _ = stderr.read_to_end(&mut text);
                String::from_utf8_lossy(&text).trim().to_owned()
            })
        });
        let port = accept(&port_listener, process, &mut stderr, &port)?;
        let monitor = accept(&monitor_listener, process, &mut stderr, &monitor)?;
        #[cfg(target_os = "linux")]
        if kernel.extras.instruction_count.is_some()
            && let Err(error) = crate::affinity::keep_on_one(process.id())
        {
            eprintln!("the machine's threads are not kept on one processor: {error}");
        }
        let begin = |mut monitor: Monitor| {
            if kernel.extras.debugger.is_none() {
                monitor.execute("cont", json!({}))?;
            }
            Ok(monitor)
        };
        let monitor = match Monitor::new(monitor).and_then(begin) {
            Ok(monitor) => monitor,
            Err(fault) => return Err(gone(process, stderr).unwrap_or_else(|| fault.into())),
        };
        let Some(child) = child.0.take() else {
            unreachable!("nobody else takes it")
        };
        Ok(Self {
            child,
            log,
            monitor,
            accelerator,
            started,
            port: Some(port),
            stderr,
            extras: kernel.extras.clone(),
            _directory: directory,
        })
    }

    /// The accelerator that a machine is started with. Finding out takes a while the first
    /// time, and none after that.
    #[must_use]
    pub fn accelerator(machine: &Machine, kernel: &Kernel<'_>) -> Chosen {
        let choice = match (machine.accelerator, kernel.accelerator) {
            (Choice::Unstated, Choice::Unstated) if kernel.extras.need_translator() => Choice::Tcg,
            (Choice::Unstated, Choice::Unstated) => accelerator::of_environment(),
            (choice, Choice::Unstated) | (_, choice) => choice,
        };
        let trial = Trial {
            name: "kvm-probe-nthost",
            boot: &|| trial(kernel),
        };
        accelerator::choose(choice, Path::new(PROGRAM), kernel.directory, Some(&trial))
    }

    /// nthost's port, for a [`Broker`](crate::Broker). There is one: the second call gets none.
    pub fn take_port(&mut self) -> Option<UnixStream> {
        self.port.take()
    }

    /// Waits until the machine has ended or the time is over; a machine that hangs is ended.
    pub fn wait(&mut self, limit: Duration) -> Ending {
        self.wait_for(limit).unwrap_or_else(|| {
            self.end();
            Ending::Hang
        })
    }

    /// Waits until the machine has ended, or the time is over. It is not ended for that.
    pub fn wait_for(&mut self, limit: Duration) -> Option<Ending> {
        let end = Instant::now() + limit;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(self.ending(status)),
                Err(error) => return Some(Ending::Failure(error.to_string())),
                Ok(None) if Instant::now() >= end => return None,
                Ok(None) => thread::sleep(Duration::from_millis(2)),
            }
        }
    }

    fn ending(&mut self, status: ExitStatus) -> Ending {
        // The rest of the log is in the pipe, whose other end is closed.
        let _ = self.log.wait_for_end(CONNECT_LIMIT);
        match status.code() {
            // What is written to the debug-exit port comes back doubled, plus one.
            Some(code @ 1..=255) if code & 1 == 1 => {
                Ending::Exit(u8::try_from(code >> 1).unwrap_or(u8::MAX))
            }
            Some(0) => Ending::Reset,
            _ => Ending::Failure(format!("{status}; {}", said(&mut self.stderr))),
        }
    }

    /// Whether a debugger may have halted it.
    pub(crate) const fn is_debugged(&self) -> bool {
        self.extras.debugger.is_some()
    }

    /// Ends the machine as pulling its plug does.
    pub fn end(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Guest {
    /// Leaves what ran of the drivers where that was asked for.
    fn leave_coverage(&self) -> io::Result<()> {
        let (Some(file), Some(blocks)) = (&self.extras.coverage, self.extras.log_file()) else {
            return Ok(());
        };
        let _ = self.log.wait_for_end(CONNECT_LIMIT);
        Executed::of_trace(&blocks, &self.log.lines())?.write(file)?;
        if self.extras.device_trace.is_none() {
            fs::remove_file(blocks)?;
        }
        Ok(())
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.end();
        if let Err(error) = self.leave_coverage() {
            eprintln!("what ran of the drivers is not known: {error}");
        }
    }
}

/// Whether nthost, with no drivers, gets as far as its greeting under KVM.
fn trial(kernel: &Kernel<'_>) -> Result<(), String> {
    let machine = Machine::trial();
    let kernel = Kernel {
        manifest: &Manifest::default(),
        images: &[],
        accelerator: Choice::Kvm,
        extras: Extras::default(),
        ..*kernel
    };
    let fault = |fault: String| format!("nthost does not run under KVM here: {fault}");
    let started = Guest::start(&machine, &kernel, |_| ());
    let mut guest = started.map_err(|error| fault(error.to_string()))?;
    let Some(mut port) = guest.take_port() else {
        unreachable!("nobody has taken the port of a guest that was just started")
    };
    greeting(&mut port).map_err(|error| {
        fault(match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                format!("it hung for {} s", TRIAL_LIMIT.as_secs())
            }
            _ => error.to_string(),
        })
    })
}

/// Says hello and waits for any frame in answer.
fn greeting(port: &mut UnixStream) -> io::Result<()> {
    port.set_read_timeout(Some(TRIAL_LIMIT))?;
    let hello = encode(&ToGuest::Hello(PROTOCOL_VERSION)).map_err(io::Error::other)?;
    port.write_all(&hello)?;
    port.read_exact(&mut [0; 4])
}

/// A process that is ended on the way out, unless it was taken.
struct Running(Option<Child>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> StartError {
    let path = path.to_owned();
    move |error| StartError::File { path, error }
}

fn spawn(arguments: &[OsString]) -> Result<Child, StartError> {
    let mut command = Command::new(PROGRAM);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    child::spawn(command).map_err(StartError::Program)
}

/// What QEMU has said on its standard error, once it has ended.
fn said(stderr: &mut Option<JoinHandle<String>>) -> String {
    stderr
        .take()
        .and_then(|thread| thread.join().ok())
        .unwrap_or_default()
}

/// Why QEMU is gone, if it is about to be.
fn gone(child: &mut Child, mut stderr: Option<JoinHandle<String>>) -> Option<StartError> {
    let end = Instant::now() + Duration::from_secs(2);
    while Instant::now() < end {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(StartError::Ended {
                status: status.to_string(),
                stderr: said(&mut stderr),
            });
        }
        thread::sleep(Duration::from_millis(5));
    }
    None
}

/// QEMU's connection, unless it ends before it makes it.
fn accept(
    listener: &UnixListener,
    child: &mut Child,
    stderr: &mut Option<JoinHandle<String>>,
    path: &Path,
) -> Result<UnixStream, StartError> {
    listener.set_nonblocking(true).map_err(at(path))?;
    let end = Instant::now() + CONNECT_LIMIT;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).map_err(at(path))?;
                return Ok(stream);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(at(path)(error)),
        }
        let ended = child.try_wait().map_err(at(path))?;
        if let Some(status) = ended {
            return Err(StartError::Ended {
                status: status.to_string(),
                stderr: said(stderr),
            });
        }
        if Instant::now() >= end {
            // Its standard error ends with it.
            let _ = child.kill();
            let _ = child.wait();
            return Err(StartError::Ended {
                status: format!("no connection in {} s", CONNECT_LIMIT.as_secs()),
                stderr: said(stderr),
            });
        }
        thread::sleep(Duration::from_millis(1));
    }
}
