//! QEMU, as what is [watched](crate::watch): its serial port and its monitor are sockets that it
//! connects to.

use std::io::{self, ErrorKind, Read};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use eduwdm_qemu::{child, qmp::Monitor};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::run::{PROGRAM, VmError};
use crate::watch::{Guest, Transfer};

/// How long QEMU may take to connect; a host that is busy takes its time.
const CONNECT: Duration = Duration::from_mins(2);
/// A moment, in which a line may come.
const MOMENT: Duration = Duration::from_millis(250);

/// The sockets, before QEMU has connected.
#[derive(Debug)]
pub struct Sockets {
    folder: TempDir,
    serial: UnixListener,
    monitor: UnixListener,
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> VmError {
    let path = path.to_owned();
    move |error| VmError::File { path, error }
}

impl Sockets {
    /// Makes them, in a folder whose path is short enough for a socket's.
    ///
    /// # Errors
    /// Where they cannot be made.
    pub fn new() -> Result<Self, VmError> {
        let folder = tempfile::tempdir().map_err(at(&std::env::temp_dir()))?;
        let bind = |name: &str| {
            let path = folder.path().join(name);
            let listener = UnixListener::bind(&path).map_err(at(&path))?;
            listener.set_nonblocking(true).map_err(at(&path))?;
            Ok::<_, VmError>(listener)
        };
        let (serial, monitor) = (bind("serial")?, bind("monitor")?);
        Ok(Self {
            folder,
            serial,
            monitor,
        })
    }

    /// Where QEMU finds that of the serial port.
    #[must_use]
    pub fn serial(&self) -> PathBuf {
        self.folder.path().join("serial")
    }

    /// Where QEMU finds that of the monitor.
    #[must_use]
    pub fn monitor(&self) -> PathBuf {
        self.folder.path().join("monitor")
    }
}

/// A running QEMU. It ends with this.
#[derive(Debug)]
pub struct Emulator {
    child: Child,
    serial: UnixStream,
    monitor: Monitor,
    /// What has come of a line.
    begun: Vec<u8>,
    started: Instant,
    _sockets: Sockets,
}

/// Waits until QEMU has connected.
fn accept(child: &mut Child, listener: &UnixListener) -> io::Result<UnixStream> {
    let end = Instant::now() + CONNECT;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                return Ok(stream);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if let Some(status) = child.try_wait()? {
            return Err(io::Error::other(format!("it ended with {status}")));
        }
        if Instant::now() > end {
            return Err(ErrorKind::TimedOut.into());
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Both connections.
fn connect(child: &mut Child, sockets: &Sockets) -> io::Result<(UnixStream, Monitor)> {
    let serial = accept(child, &sockets.serial)?;
    serial.set_read_timeout(Some(MOMENT))?;
    let monitor = accept(child, &sockets.monitor)?;
    let monitor = Monitor::new(monitor).map_err(io::Error::other)?;
    Ok((serial, monitor))
}

impl Emulator {
    /// Starts QEMU with arguments that name the sockets.
    ///
    /// # Errors
    /// Where there is no QEMU, or it does not start.
    pub fn start(arguments: &[std::ffi::OsString], sockets: Sockets) -> Result<Self, VmError> {
        let failed = |error| VmError::Program {
            program: PROGRAM,
            package: "qemu-system-x86",
            error,
        };
        let mut command = Command::new(PROGRAM);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let mut child = child::spawn(command).map_err(failed)?;
        match connect(&mut child, &sockets) {
            Ok((serial, monitor)) => Ok(Self {
                child,
                serial,
                monitor,
                begun: Vec::new(),
                started: Instant::now(),
                _sockets: sockets,
            }),
            Err(error) => {
                // It may have ended by itself; then there is nothing to end.
                let _ = child.kill();
                let _ = child.wait();
                Err(failed(error))
            }
        }
    }

    /// A whole line of what has come.
    fn whole(&mut self) -> Option<String> {
        let end = self.begun.iter().position(|byte| *byte == b'\n')?;
        let line: Vec<u8> = self.begun.drain(..=end).collect();
        Some(String::from_utf8_lossy(line.trim_ascii()).into_owned())
    }
}

impl Guest for Emulator {
    fn line(&mut self) -> io::Result<Option<String>> {
        if let Some(line) = self.whole() {
            return Ok(Some(line));
        }
        let mut bytes = [0; 4096];
        match self.serial.read(&mut bytes) {
            // It has hung up: what is left is the last line.
            Ok(0) => {
                thread::sleep(Duration::from_millis(20));
                let rest = std::mem::take(&mut self.begun);
                return Ok((!rest.is_empty()).then(|| String::from_utf8_lossy(&rest).into_owned()));
            }
            Ok(length) => self.begun.extend_from_slice(&bytes[..length]),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                ) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => return Err(error),
        }
        Ok(self.whole())
    }

    fn has_ended(&mut self) -> io::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    fn age(&self) -> Duration {
        self.started.elapsed()
    }

    fn transfer(&mut self) -> Transfer {
        // A monitor that does not answer is found out by the step's limit.
        let drives = self
            .monitor
            .execute("query-blockstats", json!({}))
            .unwrap_or(Value::Null);
        let count = |drive: &str, what: &str| {
            drives
                .as_array()
                .into_iter()
                .flatten()
                .find(|entry| entry["device"] == drive)
                .and_then(|entry| entry["stats"][what].as_u64())
                .unwrap_or_default()
        };
        Transfer {
            media_read: count("media", "rd_bytes"),
            system_written: count("system", "wr_bytes"),
        }
    }

    fn press_key(&mut self) {
        let keys = json!({ "keys": [{ "type": "qcode", "data": "spc" }] });
        // One that is lost is followed by others.
        let _ = self.monitor.execute("send-key", keys);
    }

    fn picture(&mut self, to: &Path) -> Result<(), String> {
        let arguments = json!({ "filename": to, "format": "png" });
        self.monitor
            .execute("screendump", arguments)
            .map(drop)
            .map_err(|error| error.to_string())
    }

    fn stop(&mut self) {
        // Either way it is gone then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.stop();
    }
}
