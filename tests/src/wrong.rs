//! A wrong driver on a machine of its own, and how that ends: what the tests of the verifier do, and
//! `cargo xtask misdeed`.

use std::{fmt::Write as _, time::Duration};

use eductl::{Interrupt, Request, device::OpenDevice, nthost::NtHost};
use eduwdm_qemu::{Machine, Session, machine::Choice, serial::Bugcheck};
use nthost_protocol::{
    HostRequest, Manifest,
    host::PnpOperation,
    manifest::{DriverImage, RegistryData, RegistryValue, Role},
};

use crate::machine::{artifacts, options};

const EDU: &str = r"PCI\VEN_1234&DEV_11E8";

/// How long the machine may take to its end: no test measures time.
const LIMIT: Duration = Duration::from_mins(1);

/// When the misdeed comes to light.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// When it is done: its routine is on the stack.
    Done,
    /// When it is done, by a routine that has returned: a line of the log names the driver's
    /// image.
    Logged,
    /// When the driver is unloaded: a line of the log names the driver's image.
    Unloaded,
    /// When its device is removed: its routine is on the stack, or the log names its image.
    Removed,
    /// When the process of a client ends that has passed it a buffer: a line of the log names the
    /// driver's image.
    Ended,
    /// When its device fails, which is as if it were pulled out: as when it is removed.
    Failed,
}
use When::{Done, Ended, Failed, Logged, Removed, Unloaded};

impl When {
    /// By its name, as it is written in the rows of the tests.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let all = [Done, Logged, Unloaded, Removed, Ended, Failed];
        all.into_iter().find(|when| format!("{when:?}") == name)
    }
}

/// How a machine has ended.
#[derive(Clone, Debug)]
pub struct Ending {
    /// The bug check.
    pub bugcheck: Bugcheck,
    /// It, with the functions on its stack and what each processor did last.
    pub functions: String,
    /// The log.
    pub log: String,
}

impl Ending {
    /// What a person is told: what the verifier says in the log, the bug check, and which lines of
    /// the driver are on the stack, innermost first.
    ///
    /// # Panics
    ///
    /// If the driver's sources are not there.
    #[must_use]
    pub fn tell(&self, driver: &str) -> String {
        let said = self.log.lines().filter_map(|line| {
            let said = &line[line.find("verifier: ")?..];
            Some(format!("{said}\n"))
        });
        let mut text: String = said.collect();
        // Not every code has a name. Writing to a string cannot fail.
        let _ = writeln!(text, "{}", self.bugcheck.to_string().trim_end());
        let module = format!("{driver}.sys!");
        let mut frames: Vec<String> = Vec::new();
        let stack = self.functions.lines().skip(1);
        for frame in stack.take_while(|line| line.starts_with("    ")) {
            // Which routine of the driver's common code has called it says nothing.
            let Some((function, place)) = frame
                .split_once(&module)
                .and_then(|(_, rest)| rest.split_once(" at "))
            else {
                continue;
            };
            let place = place.replace('\\', "/");
            let (file, line) = place.rsplit_once(':').unwrap_or((&place, ""));
            let name = file.rsplit('/').next().unwrap_or(file);
            if name != format!("{driver}.c") {
                continue;
            }
            let line: usize = line.parse().unwrap_or(0);
            let source = source_line(name, line);
            frames.push(format!(
                "    {module}{function} at {name}:{line}: {source}\n"
            ));
        }
        // A routine that calls itself is told of once.
        for same in frames.chunk_by(|frame, next| frame == next) {
            text += &same[0];
            if same.len() > 1 {
                let _ = writeln!(text, "    … {} more", same.len() - 1);
            }
        }
        text
    }
}

/// A line of a wrong driver.
fn source_line(file: &str, line: usize) -> String {
    let path = format!("{}/drivers/c/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|fault| panic!("{path}: {fault}"));
    let found = text.lines().nth(line.wrapping_sub(1));
    found.unwrap_or_default().trim().to_owned()
}

/// A manifest whose driver does this.
#[must_use]
pub fn manifest(driver: &str, misdeed: &str) -> Manifest {
    let mut drivers = vec![driver_image(driver, driver, misdeed)];
    if matches!(misdeed, "send_irp_below" | "complete_irp_below") {
        // Another driver, to be known as such, has another image.
        drivers.insert(0, driver_image("below", driver, "keep_for_others"));
    }
    Manifest {
        drivers,
        ..Manifest::default()
    }
}

/// A driver that does this when it is loaded, or when its device is started.
fn driver_image(service: &str, driver: &str, misdeed: &str) -> DriverImage {
    let misdeed = RegistryValue {
        key: String::new(),
        name: "Misdeed".to_owned(),
        data: RegistryData::String(misdeed.to_owned()),
    };
    DriverImage {
        service: service.to_owned(),
        image: format!("{driver}.sys"),
        role: Role::Function,
        // One that needs a device is the only one here that gets any.
        hardware_ids: match driver {
            "wrong_bus" | "wrong_device" | "wrong_dma" | "wrong_po" | "wrong_pnp" => {
                vec![EDU.to_owned()]
            }
            _ => Vec::new(),
        },
        service_values: vec![misdeed],
        device_values: Vec::new(),
        security: None,
    }
}

/// How the plug-and-play manager removes a device.
pub const REMOVE: &[PnpOperation] = &[PnpOperation::QueryRemove, PnpOperation::Remove];

/// Removes what devices a driver has, by these operations.
///
/// # Errors
///
/// What the machine says.
pub fn remove(host: &NtHost, service: &str, operations: &[PnpOperation]) -> Result<(), String> {
    for device in host.devices().map_err(|fault| fault.to_string())? {
        if device.service != service {
            continue;
        }
        for &operation in operations {
            let done = host.pnp(&device.instance, operation);
            done.map_err(|fault| fault.to_string())?;
        }
    }
    Ok(())
}

/// Passes a driver a buffer by its address.
///
/// # Errors
///
/// What the machine says.
pub fn pass_a_buffer(host: &NtHost) -> Result<(), String> {
    let say = |fault: eductl::Error| fault.to_string();
    let device = OpenDevice::open(host, r"\\.\EduLeft", &Interrupt::default()).map_err(say)?;
    let request = Request::DeviceControl {
        // CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800, METHOD_NEITHER, FILE_ANY_ACCESS)
        code: 0x22_2003,
        input: vec![1; 8192],
        output_length: 0,
    };
    let passed = device.submit("passing a buffer", request).map_err(say)?;
    passed.wait().map(drop).map_err(say)
}

/// Has a machine end by a misdeed.
///
/// # Errors
///
/// If it does not end, or ends otherwise.
pub fn end(machine: &str, driver: &str, misdeed: &str, when: When) -> Result<Ending, String> {
    let machine = Machine::load(machine).map_err(|fault| fault.to_string())?;
    let mut options = options(manifest(driver, misdeed));
    if misdeed == "keep_power_irp" {
        // Minutes in which nothing runs take no time when time is counted in instructions.
        options.accelerator = Choice::Tcg;
        options.extras.instruction_count = Some(3);
    }
    let started = Session::start(&machine, &artifacts(), &options, |_| ());
    let mut session = started.map_err(|fault| fault.to_string())?;
    let ready = session.wait_ready().is_ok();
    let log = |session: &Session| session.guest.log.lines().join("\n");
    match when {
        Done | Logged if ready => return Err(format!("it was let through:\n{}", log(&session))),
        Done | Logged => (),
        Unloaded | Removed | Failed | Ended => {
            if !ready {
                return Err(format!("it ended before its time:\n{}", log(&session)));
            }
            let host = NtHost::connect(session.socket()).map_err(|fault| fault.to_string())?;
            // The machine ends instead of an answer.
            let answered = match when {
                Removed => remove(&host, driver, REMOVE).is_ok(),
                Failed => remove(&host, driver, &[PnpOperation::Fail]).is_ok(),
                Ended => {
                    pass_a_buffer(&host)?;
                    // The process ends with its connection.
                    drop(host);
                    !session.guest.log.wait_for_end(LIMIT)
                }
                _ => {
                    remove(&host, driver, REMOVE)?;
                    let service = driver.to_owned();
                    host.host(HostRequest::UnloadDriver { service }).is_ok()
                }
            };
            if answered {
                return Err(format!("it was let through:\n{}", log(&session)));
            }
            session.guest.wait(LIMIT);
        }
    }
    let log = log(&session);
    let Some(bugcheck) = session.guest.log.bugcheck() else {
        return Err(format!("it ended without a bug check:\n{log}"));
    };
    let functions = session.symbols().describe(&bugcheck);
    Ok(Ending {
        bugcheck,
        functions,
        log,
    })
}
