//! A machine from its start to its end: QEMU, the broker, and the symbols of what runs in it.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use eductl::nthost::{NtHost, thread};
use nthost_protocol::Manifest;

use crate::{
    accelerator::{Accelerator, Chosen},
    archive::Image,
    broker::{Broker, BrokerError, Greeting},
    command_line::Extras,
    coverage,
    guest::{Ending, Guest, Kernel, StartError},
    machine::{Choice, Machine},
    silence,
    symbols::{SymbolError, Symbols},
};

/// How long a machine may take from its start until the devices are started. Under TCG on a
/// busy host 128 processors need a while.
const READY_LIMIT: Duration = Duration::from_mins(2);
/// How long a machine may not answer before that is told.
const SILENCE: Duration = Duration::from_secs(10);
/// How often is looked.
const LOOK: Duration = Duration::from_millis(500);

/// Where the built parts are.
#[derive(Clone, Debug)]
pub struct Artifacts {
    /// nthost's image.
    pub kernel: PathBuf,
    /// Where the drivers' images and their PDBs are, named as the manifest names them.
    pub drivers: Vec<PathBuf>,
    /// Where machines have their sockets, and where what is known of the accelerator is kept.
    pub directory: PathBuf,
}

/// What a session is started with, besides the machine.
#[derive(Clone, Debug)]
pub struct Options {
    /// What is loaded.
    pub manifest: Manifest,
    /// Images that are not files: they take precedence over those that are.
    pub images: Vec<Image>,
    /// What executes the processors.
    pub accelerator: Choice,
    /// The rest.
    pub extras: Extras,
    /// The socket's name, without its extension; the machine's name if none is given. A name
    /// of its own lets several sessions have the same machine.
    pub name: Option<String>,
}

impl Options {
    /// Options that load what a manifest says.
    #[must_use]
    pub fn new(manifest: Manifest) -> Self {
        Self {
            manifest,
            images: Vec::new(),
            accelerator: Choice::default(),
            extras: Extras::default(),
            name: None,
        }
    }
}

/// Why a session did not start or end as it should.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// QEMU did not start the machine.
    #[error(transparent)]
    Start(#[from] StartError),
    /// There is no broker.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// An image's symbols are no symbols.
    #[error(transparent)]
    Symbols(#[from] SymbolError),
    /// A driver's image is nowhere.
    #[error("{image} is in none of {}", searched(directories))]
    NoImage {
        /// The image.
        image: String,
        /// Where it was looked for.
        directories: Vec<PathBuf>,
    },
    /// An image could not be read.
    #[error("{}: {error}", path.display())]
    Image {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The kernel stopped: the stop line, and the stack with functions, files and lines.
    #[error("bugcheck\n{0}")]
    Bugcheck(String),
    /// The kernel itself is at fault, and says so.
    #[error("nthost failed\n{0}")]
    Panic(String),
    /// The devices were not started in time.
    #[error("the machine was not ready within {} s; its last lines:\n{last}", limit.as_secs())]
    NotReady {
        /// How long was waited.
        limit: Duration,
        /// What it said last.
        last: String,
    },
    /// It ended otherwise than it should.
    #[error("{ending}; its last lines:\n{last}")]
    Ended {
        /// How.
        ending: Ending,
        /// What it said last.
        last: String,
    },
}

fn searched(directories: &[PathBuf]) -> String {
    let names: Vec<_> = directories
        .iter()
        .map(|directory| directory.display().to_string())
        .collect();
    names.join(", ")
}

/// Where the next machine leaves what ran of its drivers, if all of this process's do: see
/// [`coverage::VARIABLE`].
fn next_coverage() -> Option<PathBuf> {
    // Only that they differ matters.
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let folder = env::var_os(coverage::VARIABLE)?;
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    Some(Path::new(&folder).join(format!("{}-{number}.executed", process::id())))
}

/// A running machine with its broker. Dropping it ends both.
#[derive(Debug)]
pub struct Session {
    // Before the guest, so that clients are hung up on first.
    broker: Broker,
    /// QEMU.
    pub guest: Guest,
    symbols: Symbols,
    _about: About,
    /// Bytes of each driver's image, in the manifest's order.
    pub image_lengths: Vec<u64>,
}

impl Session {
    /// Starts a machine. `watch` is given each line of its log.
    ///
    /// # Errors
    ///
    /// [`SessionError`].
    pub fn start(
        machine: &Machine,
        artifacts: &Artifacts,
        options: &Options,
        watch: impl FnMut(&str) + Send + 'static,
    ) -> Result<Self, SessionError> {
        let mut symbols = Symbols::default();
        let mut images = Vec::new();
        for driver in &options.manifest.drivers {
            let image = load(&driver.image, artifacts, options, &mut symbols)?;
            images.push(image);
        }
        let mut kernel = kernel(artifacts, options, &images);
        if kernel.extras.coverage.is_none() {
            kernel.extras.coverage = next_coverage();
        }
        let mut guest = Guest::start(machine, &kernel, watch)?;
        symbols.add_kernel(&artifacts.kernel)?;
        let name = options.name.as_deref().unwrap_or(&machine.name);
        let socket = artifacts.directory.join(format!("{name}.sock"));
        let Some(port) = guest.take_port() else {
            unreachable!("nobody has taken the port of a guest that was just started")
        };
        // It makes the directory.
        let broker = Broker::start(port, &socket)?;
        let about = About::write(&socket, machine, guest.accelerator.accelerator);
        Ok(Self {
            broker,
            guest,
            symbols,
            _about: about,
            image_lengths: images
                .iter()
                .map(|image| image.bytes.len() as u64)
                .collect(),
        })
    }

    /// The accelerator that the machine is going to have, and why. Finding out takes a while
    /// the first time; whoever has somebody waiting may want to say so.
    #[must_use]
    pub fn accelerator(machine: &Machine, artifacts: &Artifacts, options: &Options) -> Chosen {
        Guest::accelerator(machine, &kernel(artifacts, options, &[]))
    }

    /// Where clients connect.
    #[must_use]
    pub fn socket(&self) -> &Path {
        self.broker.path()
    }

    /// What the machine's threads do, with functions, files and lines.
    ///
    /// # Errors
    ///
    /// If the machine does not answer.
    pub fn threads(&self, host: &NtHost) -> Result<String, eductl::Error> {
        let threads = host.threads()?;
        let lines = thread::lines_of_all(&threads);
        Ok(self.symbols.annotate(&lines))
    }

    /// Waits until the devices are started.
    ///
    /// # Errors
    ///
    /// [`SessionError`]: how the machine ended, or that it is late.
    pub fn wait_ready(&mut self) -> Result<(), SessionError> {
        match self.broker.wait_ready(READY_LIMIT) {
            Greeting::Ready(_) => Ok(()),
            Greeting::Late => {
                let processors = self.processors();
                Err(self.fault().unwrap_or_else(|| SessionError::NotReady {
                    limit: READY_LIMIT,
                    last: format!("{}\n{processors}", self.last_lines()),
                }))
            }
            Greeting::Ended => {
                let ending = self.guest.wait(Duration::from_secs(10));
                let last = self.last_lines();
                Err(self.fault().unwrap_or(SessionError::Ended { ending, last }))
            }
        }
    }

    /// Waits until the machine has ended, which it should do with code 0.
    ///
    /// # Errors
    ///
    /// [`SessionError`]: how it ended instead, a bugcheck first of all.
    pub fn finish(&mut self, limit: Duration) -> Result<(), SessionError> {
        let ended = self.guest.wait_for(limit);
        // Before it is ended.
        let hangs = ended.is_none().then(|| self.processors());
        let ending = ended.unwrap_or_else(|| self.guest.wait(Duration::ZERO));
        if let Some(fault) = self.fault() {
            return Err(fault);
        }
        if ending == Ending::Exit(0) {
            return Ok(());
        }
        let mut last = self.last_lines();
        if let Some(processors) = hangs {
            last = format!("{last}\n{processors}");
        }
        Err(SessionError::Ended { ending, last })
    }

    /// Waits until the machine has ended, however long that takes.
    ///
    /// # Errors
    ///
    /// [`SessionError::Bugcheck`], [`SessionError::Panic`].
    pub fn run(&mut self) -> Result<Ending, SessionError> {
        let mut was_silent = false;
        loop {
            if let Some(ending) = self.guest.wait_for(LOOK) {
                return self.fault().map_or(Ok(ending), Err);
            }
            let silent = self.silent(SILENCE);
            if let Some(processors) = silent.as_ref().filter(|_| !was_silent) {
                eprintln!("{processors}");
            }
            was_silent = silent.is_some();
        }
    }

    /// Whether the machine has not answered for so long: then, what each of its processors does. To be
    /// called again and again. One that a debugger may have halted need not answer.
    pub fn silent(&mut self, limit: Duration) -> Option<String> {
        if self.guest.is_debugged() {
            return None;
        }
        self.broker
            .silence(limit / 2)
            .filter(|&silence| silence >= limit)?;
        Some(format!(
            "the machine has not answered for {} s:\n{}",
            limit.as_secs(),
            self.processors()
        ))
    }

    /// What each processor does.
    fn processors(&mut self) -> String {
        let log = self.guest.log.lines();
        match silence::processors(&mut self.guest.monitor, &log, &self.symbols) {
            Ok(lines) => lines
                .iter()
                .map(|line| format!("    {line}"))
                .collect::<Vec<_>>()
                .join("\n"),
            Err(fault) => format!("    what its processors do is not known: {fault}"),
        }
    }

    /// The bugcheck, or nthost's own failure, if the log holds one so far.
    #[must_use]
    pub fn fault(&self) -> Option<SessionError> {
        if let Some(bugcheck) = self.guest.log.bugcheck() {
            return Some(SessionError::Bugcheck(self.symbols.describe(&bugcheck)));
        }
        let lines = self.guest.log.lines();
        let at = lines
            .iter()
            .position(|line| line.starts_with("*** nthost:"))?;
        Some(SessionError::Panic(self.symbols.annotate(&lines[at..])))
    }

    /// The symbols of what runs in the machine.
    #[must_use]
    pub const fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    fn last_lines(&self) -> String {
        /// Enough to see what it was about.
        const COUNT: usize = 12;
        let lines = self.guest.log.lines();
        let first = lines.len().saturating_sub(COUNT);
        let last: Vec<_> = lines[first..]
            .iter()
            .map(|line| format!("    {line}"))
            .collect();
        last.join("\n")
    }
}

/// What clients are told of a machine that it does not know itself: a file beside its socket.
/// Dropping it removes it.
#[derive(Debug)]
struct About(PathBuf);

impl About {
    fn write(socket: &Path, machine: &Machine, accelerator: Accelerator) -> Self {
        let path = socket.with_extension("about");
        let processors = machine.processor_count();
        let text = format!(
            "{}, {processors} processors, {} nodes\n{}\n",
            machine.name,
            machine.nodes.len(),
            match accelerator {
                Accelerator::Tcg => "QEMU's translator (TCG)",
                Accelerator::Kvm => "KVM",
            }
        );
        // Whoever finds none says that it is unknown.
        let _ = fs::write(&path, text);
        Self(path)
    }
}

impl Drop for About {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn kernel<'a>(artifacts: &'a Artifacts, options: &'a Options, images: &'a [Image]) -> Kernel<'a> {
    Kernel {
        image: &artifacts.kernel,
        manifest: &options.manifest,
        images,
        accelerator: options.accelerator,
        directory: &artifacts.directory,
        extras: options.extras.clone(),
    }
}

/// An image by its name, and its symbols if there are any.
fn load(
    name: &str,
    artifacts: &Artifacts,
    options: &Options,
    symbols: &mut Symbols,
) -> Result<Image, SessionError> {
    let pdb = Path::new(name).with_extension("pdb");
    for directory in &artifacts.drivers {
        let path = directory.join(&pdb);
        if path.is_file() {
            symbols.add_image(name, &path)?;
            break;
        }
    }
    if let Some(image) = options.images.iter().find(|image| image.name == name) {
        return Ok(image.clone());
    }
    for directory in &artifacts.drivers {
        let path = directory.join(name);
        match fs::read(&path) {
            Ok(bytes) => {
                // One without any has nothing to say there; whether it is an image at all, the
                // machine finds out.
                if !symbols.knows(name) {
                    let _ = symbols.add_dwarf(name, &path);
                }
                let name = name.to_owned();
                return Ok(Image { name, bytes });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(SessionError::Image { path, error }),
        }
    }
    Err(SessionError::NoImage {
        image: name.to_owned(),
        directories: artifacts.drivers.clone(),
    })
}
