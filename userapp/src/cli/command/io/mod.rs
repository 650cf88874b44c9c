//! `eductl io`: requests of one's own to a device of any driver.

mod code;
mod target;

use std::{
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use clap::{Args, Subcommand};
use eductl::{Error, IoStatus, IoSystem, Overlapped, Request};
use serde_json::{Value, json};

use self::{code::Header, target::Interface};
use crate::cli::{
    bytes::{self, Bytes},
    context::Context,
    file,
    number::{number, number32, seconds},
};

/// The most that a request carries from here.
const MOST: usize = 16 << 20;
/// How often the program checks whether all requests have ended, before it cancels them.
const POLL: Duration = Duration::from_millis(5);

/// Sends requests of your own to a device of any driver. `--device` is the index or path of an
/// interface as `eductl io list` shows them or a part of it, an interface class as `{GUID}` or
/// `{GUID}:INDEX`, or the name of a symbolic link.
#[derive(Debug, Args)]
#[command(after_help = "Examples: eductl io list\n          \
                        eductl io read --length 16 --device MyDevice\n          \
                        eductl io control 0x222004 --hex '01 00' --room 64")]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists device interfaces: those of all devices of the machine, or of a class.
    #[command(after_help = "Example: eductl io list --class \
                            '{5e1b7f0c-2f0a-4d0e-9a44-6b1c5a3de811}'")]
    List {
        /// The interface class; on Windows it must be given.
        #[arg(long, value_name = "GUID")]
        class: Option<String>,
    },
    /// Opens the device and closes it.
    #[command(after_help = "Example: eductl io open --device '\\\\.\\MyDevice' --for 5")]
    Open {
        /// How many seconds later it is closed.
        #[arg(long = "for", value_name = "SECONDS", value_parser = seconds, default_value = "0")]
        hold: Duration,
    },
    /// Reads (IRP_MJ_READ).
    #[command(after_help = "Example: eductl io read --length 16 --count 4 --cancel-after 0.5")]
    Read {
        /// Where in the file.
        #[arg(long, default_value = "0", value_parser = number)]
        offset: u64,
        /// How many bytes.
        #[arg(long, value_parser = number32)]
        length: u32,
        #[command(flatten)]
        sink: Sink,
        #[command(flatten)]
        many: Many,
    },
    /// Writes (IRP_MJ_WRITE).
    #[command(after_help = "Example: eductl io write --text hello")]
    Write {
        /// Where in the file.
        #[arg(long, default_value = "0", value_parser = number)]
        offset: u64,
        #[command(flatten)]
        source: Source,
        #[command(flatten)]
        many: Many,
    },
    /// Sends a control code (IRP_MJ_DEVICE_CONTROL).
    #[command(
        after_help = "Examples: eductl io control 'CTL_CODE(0x22, 0x801, METHOD_BUFFERED, \
                            FILE_ANY_ACCESS)' --room 4\n          \
                            eductl io control IOCTL_MY_GO --header my.h --input in.bin --output \
                            out.bin --room 512"
    )]
    Control {
        /// The code: a number, CTL_CODE(…) as in C, or a name that --header defines.
        code: String,
        /// A C header that defines the name; more than one if one includes another.
        #[arg(long, value_name = "FILE")]
        header: Vec<PathBuf>,
        #[command(flatten)]
        source: Source,
        /// How many bytes the output buffer has.
        #[arg(long, default_value = "0", value_name = "BYTES", value_parser = number32)]
        room: u32,
        #[command(flatten)]
        sink: Sink,
        #[command(flatten)]
        many: Many,
    },
}

#[derive(Debug, Args)]
#[group(multiple = false)]
struct Source {
    /// A file with the bytes that go in.
    #[arg(long, short, value_name = "FILE")]
    input: Option<PathBuf>,
    /// The bytes that go in, as text.
    #[arg(long)]
    text: Option<String>,
    /// The bytes that go in, in hexadecimal.
    #[arg(long, value_parser = bytes::hexadecimal)]
    hex: Option<Bytes>,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
struct Sink {
    /// A file for the bytes that come out, one after the other for several requests.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Shows the bytes that come out as text.
    #[arg(long)]
    as_text: bool,
}

#[derive(Debug, Args)]
struct Many {
    /// How many of these requests are outstanding at once.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4096))]
    count: u32,
    /// Cancels those that have not ended after so many seconds. That they end as canceled is no
    /// failure then.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    cancel_after: Option<Duration>,
}

impl Arguments {
    pub fn run(&self, context: &Context) -> Result<(), Error> {
        let system = context.system()?;
        if let Action::List { class } = &self.action {
            return list(context, &interfaces(context, &system, class.as_deref())?);
        }
        let known = interfaces(context, &system, None).or_else(|fault| match fault {
            // Windows has no list of all.
            Error::Usage(_) => Ok(Vec::new()),
            other => Err(other),
        })?;
        let path = target::path(&system, &known, context.asked())?;
        let nothing = Sink {
            output: None,
            as_text: false,
        };
        match &self.action {
            Action::List { .. } => Ok(()),
            Action::Open { hold } => open(context, &system, &path, *hold),
            Action::Read {
                offset,
                length,
                sink,
                many,
            } => {
                let request = Request::Read {
                    offset: *offset,
                    length: *length,
                };
                send(context, &system, &path, ("the read", &request), many, sink)
            }
            Action::Write {
                offset,
                source,
                many,
            } => {
                let request = Request::Write {
                    offset: *offset,
                    data: source.read()?,
                };
                send(
                    context,
                    &system,
                    &path,
                    ("the write", &request),
                    many,
                    &nothing,
                )
            }
            Action::Control {
                code,
                header,
                source,
                room,
                sink,
                many,
            } => {
                let mut text = String::new();
                for header in header {
                    let bytes = file::read(header, MOST, "a header")?;
                    text.push_str(&String::from_utf8_lossy(&bytes));
                    text.push('\n');
                }
                let request = Request::DeviceControl {
                    code: Header::read(&text).code(code).map_err(Error::Usage)?,
                    input: source.read()?,
                    output_length: *room,
                };
                send(context, &system, &path, (code, &request), many, sink)
            }
        }
    }
}

impl Source {
    fn read(&self) -> Result<Vec<u8>, Error> {
        if let Some(path) = &self.input {
            return file::read(path, MOST, "a request");
        }
        Ok(match (&self.text, &self.hex) {
            (Some(text), _) => text.clone().into_bytes(),
            (None, Some(Bytes(bytes))) => bytes.clone(),
            (None, None) => Vec::new(),
        })
    }
}

/// The interfaces of a class, or of all devices of a running nthost.
#[cfg(unix)]
fn interfaces(
    context: &Context,
    system: &eductl::nthost::NtHost,
    class: Option<&str>,
) -> Result<Vec<Interface>, Error> {
    let _limit = context.within("finding the devices");
    let nodes = system.devices()?;
    let mut all: Vec<_> = nodes
        .iter()
        .flat_map(|node| {
            node.interfaces.iter().map(|path| Interface {
                service: node.service.clone(),
                path: path.clone(),
            })
        })
        .collect();
    if let Some(class) = class {
        let class = target::class(class).map_err(Error::Usage)?;
        let paths = system.interface_list(&class)?;
        all.retain(|one| {
            paths
                .iter()
                .any(|path| path.eq_ignore_ascii_case(&one.path))
        });
    }
    Ok(all)
}

/// The interfaces of a class.
#[cfg(windows)]
fn interfaces(
    context: &Context,
    system: &dyn IoSystem,
    class: Option<&str>,
) -> Result<Vec<Interface>, Error> {
    let _limit = context.within("finding the devices");
    let class = class.ok_or_else(|| Error::Usage("say which --class".to_owned()))?;
    let class = target::class(class).map_err(Error::Usage)?;
    let paths = system.interface_list(&class)?;
    let own = |path| Interface {
        service: String::new(),
        path,
    };
    Ok(paths.into_iter().map(own).collect())
}

fn list(context: &Context, interfaces: &[Interface]) -> Result<(), Error> {
    let rows: Vec<_> = interfaces
        .iter()
        .map(|one| json!({ "service": one.service, "path": one.path }))
        .collect();
    context.print(&json!({ "interfaces": rows }), |out| {
        for (index, one) in interfaces.iter().enumerate() {
            writeln!(out, "{index}  {:12} {}", one.service, one.path)?;
        }
        if interfaces.is_empty() {
            writeln!(
                out,
                "no device interface; a driver that makes its device in DriverEntry is opened by \
                 the name of its symbolic link"
            )?;
        }
        Ok(())
    })
}

fn open(context: &Context, system: &dyn IoSystem, path: &str, hold: Duration) -> Result<(), Error> {
    let device = context.open_path(system, path)?;
    let begun = Instant::now();
    while begun.elapsed() < hold {
        context.interrupt.check()?;
        thread::sleep(POLL.min(hold));
    }
    drop(device);
    context.print(&json!({ "path": path }), |out| {
        writeln!(out, "{path} was opened and closed")
    })
}

/// Sends a request, or several of it at once, and tells how each ended.
fn send(
    context: &Context,
    system: &dyn IoSystem,
    path: &str,
    (operation, request): (&str, &Request),
    many: &Many,
    sink: &Sink,
) -> Result<(), Error> {
    let device = context.open_path(system, path)?;
    let mut outstanding: Vec<Overlapped> = Vec::new();
    for _ in 0..many.count {
        outstanding.push(device.submit(operation, request.clone())?);
    }
    if let Some(patience) = many.cancel_after {
        let begun = Instant::now();
        while begun.elapsed() < patience && !outstanding.iter().all(Overlapped::is_complete) {
            context.interrupt.check()?;
            thread::sleep(POLL);
        }
        for request in &outstanding {
            request.cancel();
        }
    }
    let mut ended = Vec::new();
    for request in outstanding {
        ended.push(request.wait_within(device.limit())?);
    }
    let offset = match request {
        Request::Read { offset, .. } => *offset,
        _ => 0,
    };
    if let Some(file) = &sink.output {
        let all: Vec<u8> = ended.iter().flat_map(|one| one.output().to_vec()).collect();
        file::write(file, &all)?;
    }
    let rows: Vec<_> = ended.iter().map(row).collect();
    context.print(&json!({ "path": path, "requests": rows }), |out| {
        for (index, one) in ended.iter().enumerate() {
            if many.count > 1 {
                write!(out, "{index}: ")?;
            }
            writeln!(out, "{}, {} bytes", one.status, one.information)?;
            let data = one.output();
            if sink.output.is_some() {
                continue;
            }
            if sink.as_text {
                writeln!(out, "{}", String::from_utf8_lossy(data))?;
            } else {
                bytes::dump(out, offset, data)?;
            }
        }
        Ok(())
    })?;
    let is_due = |one: &&IoStatus| {
        let status = one.status;
        status.is_success()
            || status.is_overflow()
            || (status.is_canceled() && many.cancel_after.is_some())
    };
    let refused = ended.iter().find(|one| !is_due(one));
    refused.map_or(Ok(()), |one| {
        Err(Error::Told {
            operation: operation.to_owned(),
            status: one.status,
        })
    })
}

fn row(ended: &IoStatus) -> Value {
    json!({
        "status": ended.status.name(),
        "code": ended.status.code(),
        "information": ended.information,
        "data": ended.output(),
    })
}
