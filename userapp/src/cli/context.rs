//! What all commands have: the system, the device that is meant, and where output goes.

use std::{
    io::{self, IsTerminal, Write},
    path::PathBuf,
    process,
    sync::mpsc,
    thread,
    time::Duration,
};

#[cfg(unix)]
use eductl::nthost::{self, NtHost};
use eductl::{
    Device, DeviceKind, Edu, Error, Interrupt, IoSystem, Testdev,
    device::{self, OpenDevice},
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use super::{Arguments, command::Command};

/// What all commands have.
pub struct Context {
    /// Raised by Ctrl-C.
    pub interrupt: Interrupt,
    /// Whether machines read the output.
    pub json: bool,
    timeout: Option<Duration>,
    device: Option<String>,
    #[cfg(unix)]
    machine: Option<String>,
    #[cfg(unix)]
    socket: Option<PathBuf>,
}

impl Context {
    pub fn new(arguments: Arguments, interrupt: Interrupt) -> (Self, Command) {
        let context = Self {
            interrupt,
            json: arguments.json,
            timeout: arguments.timeout,
            device: arguments.device,
            #[cfg(unix)]
            machine: arguments.machine,
            #[cfg(unix)]
            socket: arguments.socket,
        };
        (context, arguments.command)
    }

    /// The system: this Windows.
    #[cfg(windows)]
    #[expect(
        clippy::unused_self,
        reason = "elsewhere there is more than one system"
    )]
    pub fn system(&self) -> Result<eductl::win32::Win32, Error> {
        eductl::win32::Win32::new()
    }

    /// The system: a running nthost.
    #[cfg(unix)]
    pub fn system(&self) -> Result<NtHost, Error> {
        let _limit = self.within("finding the machine");
        NtHost::connect(&self.find_socket()?)
    }

    /// The socket of the machine that is meant.
    #[cfg(unix)]
    pub fn find_socket(&self) -> Result<PathBuf, Error> {
        self.socket.as_ref().map_or_else(
            || nthost::locate(self.machine.as_deref()),
            |socket| Ok(socket.clone()),
        )
    }

    /// The device that is meant, which must be of this kind.
    pub fn find(&self, system: &dyn IoSystem, kind: DeviceKind) -> Result<Device, Error> {
        let _limit = self.within("finding the device");
        device::find(&device::list(system)?, kind, self.device.as_deref())
    }

    /// Opens a device.
    pub fn open(&self, system: &dyn IoSystem, device: &Device) -> Result<OpenDevice, Error> {
        self.open_path(system, &device.path)
    }

    /// Opens what has this path.
    pub fn open_path(&self, system: &dyn IoSystem, path: &str) -> Result<OpenDevice, Error> {
        let _limit = self.within(&format!("opening {path}"));
        let open = OpenDevice::open(system, path, &self.interrupt)?;
        Ok(open.with_limit(self.timeout))
    }

    /// Ends the program if what is done until the result is dropped takes longer than `--timeout`.
    /// A system call that waits in a driver cannot be called back from here: the system cancels it
    /// with the process.
    ///
    /// Nothing is found in no time: a timeout of zero is for requests alone, which it cancels as soon as
    /// they are sent.
    pub fn within(&self, operation: &str) -> Option<Limit> {
        let limit = self.timeout.filter(|limit| !limit.is_zero())?;
        let (done, ended) = mpsc::channel::<()>();
        let error = Error::Late {
            operation: operation.to_owned(),
            limit,
        };
        let json = self.json;
        let _ = thread::spawn(move || {
            if ended.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
                print_error(&error, json);
                process::exit(error.exit_code().into());
            }
        });
        Some(Limit(done))
    }

    /// Opens the `edu` device that is meant.
    pub fn edu(&self) -> Result<Edu, Error> {
        let system = self.system()?;
        let device = self.find(&system, DeviceKind::Edu)?;
        self.open(&system, &device).map(Edu::new)
    }

    /// Opens the `pci-testdev` device that is meant.
    pub fn testdev(&self) -> Result<Testdev, Error> {
        let system = self.system()?;
        let device = self.find(&system, DeviceKind::Testdev)?;
        self.open(&system, &device).map(Testdev::new)
    }

    /// The device that was asked for, as it was asked for.
    pub fn asked(&self) -> Option<&str> {
        self.device.as_deref()
    }

    /// Prints the result: as JSON for machines, or as the lines that `text` writes for people.
    pub fn print(
        &self,
        json: &Value,
        text: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Error> {
        let mut out = io::stdout().lock();
        let printed = if self.json {
            writeln!(out, "{json:#}")
        } else {
            text(&mut out)
        };
        printed.and_then(|()| out.flush()).map_err(output_fault)
    }

    /// A bar for something that takes a while. Nothing is drawn for machines, nor where nobody
    /// looks.
    pub fn progress(&self, length: u64, what: &str) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(Some(length), self.progress_target());
        let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {elapsed}");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        bar
    }

    /// As [`Self::progress`], for something that takes nobody knows how long.
    pub fn patience(&self, what: &str) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(None, self.progress_target());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        bar
    }

    fn progress_target(&self) -> ProgressDrawTarget {
        if self.json || !io::stderr().is_terminal() {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        }
    }
}

/// What ends in time, or the program does.
pub struct Limit(#[expect(dead_code, reason = "the other end sees it dropped")] mpsc::Sender<()>);

/// Output that could not be printed.
pub fn output_fault(error: io::Error) -> Error {
    Error::File {
        path: PathBuf::from("the standard output"),
        error,
    }
}

/// Prints an error: for people to the standard error, for machines where they read.
pub fn print_error(error: &Error, json: bool) {
    if matches!(error, Error::Told { .. }) {
        return;
    }
    let printed = if json {
        let status = error.status().map(
            |status| json!({ "name": status.name(), "code": format!("{:#x}", status.code()) }),
        );
        let document = json!({
            "error": {
                "kind": error.kind(),
                "message": error.to_string(),
                "status": status,
                "exit_code": error.exit_code(),
            }
        });
        writeln!(io::stdout(), "{document:#}")
    } else {
        writeln!(io::stderr(), "eductl: {error}")
    };
    // There is nobody left to tell.
    drop(printed);
}
