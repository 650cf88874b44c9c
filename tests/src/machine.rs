//! Machines for tests.

use std::{
    env,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use eductl::{
    DeviceKind, Edu, Error, Interrupt, Testdev,
    device::{self, OpenDevice},
    nthost::NtHost,
};
use eduwdm_qemu::{
    Artifacts, Machine, Options, Session, SessionError, manifest as manifests,
    replay::SEED_VARIABLE,
};
use nthost_protocol::{HostRequest, Manifest};

/// How long a request may take before the test fails: no test measures time.
const LIMIT: Duration = Duration::from_mins(1);

/// How a line begins by which nthost tells of what the project's driver should not do.
const OWN_WARNING: &str = "verifier: eduwdm.sys+";

/// Where the build has left its results.
#[must_use]
pub fn out() -> PathBuf {
    target().join("out")
}

fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
        PathBuf::from,
    )
}

/// What machines run.
///
/// # Panics
///
/// If it has not been built.
#[must_use]
pub fn artifacts() -> Artifacts {
    let kernel = out().join("nthost");
    assert!(
        kernel.is_file(),
        "{} is not there: cargo xtask build makes it, and cargo xtask test does so first",
        kernel.display()
    );
    Artifacts {
        kernel,
        drivers: vec![out()],
        directory: target().join("nthost"),
    }
}

/// The manifest that loads eduwdm.sys.
///
/// # Panics
///
/// If it is no manifest.
#[must_use]
pub fn manifest() -> Manifest {
    manifests::load(Path::new(manifests::EDUWDM)).unwrap_or_else(|fault| panic!("{fault}"))
}

/// The seed of the scheduling noise that all machines are to have, if there is one.
///
/// # Panics
///
/// If it is no number.
#[must_use]
pub fn seed() -> Option<u64> {
    let text = env::var(SEED_VARIABLE).ok()?;
    let seed = text.parse();
    Some(seed.unwrap_or_else(|_| panic!("{SEED_VARIABLE} is no number: {text}")))
}

/// Options with a socket of this session's own.
#[must_use]
pub fn options(manifest: Manifest) -> Options {
    // Only that they differ matters.
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut options = Options::new(manifest);
    options.name = Some(format!("test-{}-{number}", process::id()));
    if let Some(seed) = seed() {
        options.extras.switches.push(format!("noise={seed:#x}"));
    }
    options
}

/// A booted machine, and a client's connection to it.
#[derive(Debug)]
pub struct Booted {
    /// The connection.
    pub host: NtHost,
    /// The machine.
    pub session: Session,
}

/// Boots a machine and waits until its devices are started.
///
/// # Errors
///
/// How the machine ended instead.
///
/// # Panics
///
/// If there is no such machine, or no connection to it.
pub fn boot(machine: &str, options: &Options) -> Result<Booted, SessionError> {
    let machine = Machine::load(machine).unwrap_or_else(|fault| panic!("{fault}"));
    let mut session = Session::start(&machine, &artifacts(), options, |_| ())?;
    session.wait_ready()?;
    let host = NtHost::connect(session.socket()).unwrap_or_else(|fault| panic!("{fault}"));
    Ok(Booted { host, session })
}

impl Booted {
    /// Opens an `edu` device by its index.
    ///
    /// # Errors
    ///
    /// What nthost says.
    pub fn edu(&self, index: usize) -> Result<Edu, Error> {
        self.open(DeviceKind::Edu, index).map(Edu::new)
    }

    /// Opens the `pci-testdev` device.
    ///
    /// # Errors
    ///
    /// What nthost says.
    pub fn testdev(&self) -> Result<Testdev, Error> {
        self.open(DeviceKind::Testdev, 0).map(Testdev::new)
    }

    /// Opens a device of a kind by its index among these.
    ///
    /// # Errors
    ///
    /// What nthost says.
    pub fn open(&self, kind: DeviceKind, index: usize) -> Result<OpenDevice, Error> {
        let path = self.path(kind, index)?;
        let open = OpenDevice::open(&self.host, &path, &Interrupt::default())?;
        Ok(open.with_limit(Some(LIMIT)))
    }

    /// The path of a device's interface.
    ///
    /// # Errors
    ///
    /// [`Error::NoDevice`], or what nthost says.
    pub fn path(&self, kind: DeviceKind, index: usize) -> Result<String, Error> {
        let devices = device::list(&self.host)?;
        let mut of_kind = devices.into_iter().filter(|device| device.kind == kind);
        of_kind
            .nth(index)
            .map(|device| device.path)
            .ok_or(Error::NoDevice)
    }

    /// Ends the machine, which is to have nothing to complain of.
    ///
    /// # Panics
    ///
    /// If it has.
    pub fn shut_down(mut self) {
        // That it has heard is told by how it ends: what wrong drivers have left behind may keep it
        // from answering.
        let asked = self.host.host_success(HostRequest::Shutdown { code: 0 });
        self.session
            .finish(LIMIT)
            .unwrap_or_else(|fault| panic!("{fault}\nwhen asked to end: {asked:?}"));
        let log = self.log();
        let warned = log.lines().find(|line| line.contains(OWN_WARNING));
        assert_eq!(warned, None, "the driver does what it must not");
    }

    /// The machine's log, for a test that fails.
    #[must_use]
    pub fn log(&self) -> String {
        self.session.guest.log.lines().join("\n")
    }
}

impl Drop for Booted {
    /// A test that fails tells what the machine said.
    fn drop(&mut self) {
        if thread::panicking() {
            if let Some(seed) = seed() {
                eprintln!("scheduling noise from seed {seed:#x}: --seed {seed:#x}");
            }
            // Who waits for what: most tests that fail without a word have waited in vain. A
            // machine that has ended has its stack in its log.
            if let Ok(threads) = self.session.threads(&self.host) {
                eprintln!("{threads}");
            }
            // How it ended, if it has; a machine that runs on is ended here, and tells its log.
            let told = self.session.finish(Duration::from_secs(1));
            eprintln!("{}", self.log());
            if let Err(fault) = told {
                eprintln!("{fault}");
            }
        }
    }
}
