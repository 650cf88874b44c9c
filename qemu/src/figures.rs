//! Figures of nthost, measured: what it exports, how fast it boots, what a request costs, how much
//! memory it needs.

use std::{fmt, path::Path, time::Duration};

use eductl::nthost::NtHost;
use eduwdm_abi::{Header, Ioctl, edu::FactorialInput};
use nthost_protocol::{
    HostRequest,
    exercise::{Exercise, ExerciseRequest},
    host::Machine as Booted,
};
use zerocopy::IntoBytes;

use crate::{Artifacts, Machine, Options, Session, SessionError, manifest, replay};

/// Machines with more and more processors.
const MACHINES: [&str; 4] = ["up", "smp4", "smp32", "smp128"];
/// How often a request is made whose cost is measured, if nobody says otherwise.
pub const REPEATED: u32 = 200;
/// The device whose requests are measured.
const DEVICE: &str = "VEN_1234&DEV_11E8";
/// How long a machine may take to end.
const LIMIT: Duration = Duration::from_mins(1);
/// A control code that no driver here has, which the driver sees at once: `CTL_CODE` of
/// `FILE_DEVICE_UNKNOWN`, function 0xfff, buffered, any access.
const NULL: u32 = 0x0022_3ffc;

/// What was measured.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// What executes the processors, as QEMU calls it.
    pub accelerator: String,
    /// Routines and variables that drivers can import.
    pub exports: u32,
    /// One for each machine.
    pub boots: Vec<Boot>,
    /// One for each kind of request.
    pub requests: Vec<RequestCost>,
}

/// A boot.
#[derive(Clone, Debug)]
pub struct Boot {
    /// Processors.
    pub processors: usize,
    /// Milliseconds from the reset to the entry of the first driver, in the machine's time.
    pub milliseconds: u64,
    /// MiB of memory that are in use once the devices are started.
    pub used_mib: u64,
    /// MiB of memory that the machine has.
    pub memory_mib: u64,
}

/// What a request costs.
#[derive(Clone, Debug)]
pub struct RequestCost {
    /// Which request.
    pub name: &'static str,
    /// Instructions with the verifier's options on.
    pub verified: u64,
    /// Instructions with all of them off.
    pub unverified: u64,
    /// The same, where another thread has it made, and waits: with two changes of threads.
    pub switched: u64,
    /// With the verifier on, where a driver makes it by `ZwDeviceIoControlFile`.
    pub driver_verified: u64,
    /// The same with all options off.
    pub driver: u64,
    /// How often the local APIC is used for it then, in hundredths.
    pub apic_hundredths: u64,
    /// With all options off, where 64 are outstanding.
    pub among_many: u64,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum FiguresError {
    /// A machine did not do what it should.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// It could not be asked.
    #[error(transparent)]
    Asked(#[from] eductl::Error),
    /// There is no such machine.
    #[error(transparent)]
    Machine(#[from] crate::machine::MachineError),
    /// There is no such manifest.
    #[error(transparent)]
    Manifest(#[from] manifest::ManifestError),
    /// QEMU could not be asked for its version, or its trace not be read.
    #[error("QEMU's trace: {0}")]
    Trace(#[from] std::io::Error),
    /// The log does not say what a request costs.
    #[error("the log has no measurement of request {0}:\n{1}")]
    Unmeasured(usize, String),
}

/// Measures it all. `begins` is told what is measured next.
///
/// # Errors
///
/// [`FiguresError`].
pub fn measure(
    artifacts: &Artifacts,
    mut begins: impl FnMut(&str),
) -> Result<Figures, FiguresError> {
    let mut figures = Figures::default();
    for name in MACHINES {
        begins(&format!("booting {name}"));
        let machine = Machine::load(name)?;
        let options = named(Options::new(manifest::load(Path::new(manifest::EDUWDM))?));
        figures.accelerator = Session::accelerator(&machine, artifacts, &options)
            .accelerator
            .to_string();
        let (booted, _) = run(&machine, artifacts, &options)?;
        figures.exports = booted.exports;
        figures.boots.push(Boot::of(&booted));
    }
    figures.requests = measure_requests(artifacts, REPEATED, begins)?;
    Ok(figures)
}

/// What each request costs, from so many of each. `begins` is told what is measured next.
///
/// # Errors
///
/// [`FiguresError`].
pub fn measure_requests(
    artifacts: &Artifacts,
    repeated: u32,
    mut begins: impl FnMut(&str),
) -> Result<Vec<RequestCost>, FiguresError> {
    begins("counting instructions, verifier off");
    let unverified = costs(artifacts, repeated, false)?;
    begins("counting instructions, verifier on");
    let verified = costs(artifacts, repeated, true)?;
    let names = requests().map(|(name, _)| name);
    let costs = names.into_iter().zip(verified.into_iter().zip(unverified));
    let costs = costs.map(|(name, (verified, unverified))| RequestCost {
        name,
        verified: verified.own,
        unverified: unverified.own,
        switched: unverified.switched,
        driver_verified: verified.driver,
        driver: unverified.driver,
        apic_hundredths: unverified.apic_accesses * 100 / u64::from(repeated),
        among_many: unverified.among_many,
    });
    Ok(costs.collect())
}

/// With a socket that no other session has.
pub(crate) fn named(mut options: Options) -> Options {
    options.name = Some(format!("figures-{}", std::process::id()));
    options
}

/// Boots a machine; what it says of itself, and its log. Then it ends.
pub(crate) fn run(
    machine: &Machine,
    artifacts: &Artifacts,
    options: &Options,
) -> Result<(Booted, Vec<String>), FiguresError> {
    let mut session = Session::start(machine, artifacts, options, |_| ())?;
    session.wait_ready()?;
    let host = NtHost::connect(session.socket())?;
    let booted = host.machine()?;
    let log = session.guest.log.lines();
    host.host_success(HostRequest::Shutdown { code: 0 })?;
    session.finish(LIMIT)?;
    Ok((booted, log))
}

/// The requests that are measured.
fn requests() -> [(&'static str, ExerciseRequest); 3] {
    let control = |code, input: &[u8], output| ExerciseRequest::Control {
        code,
        input: input.to_vec(),
        output,
    };
    let factorial = FactorialInput {
        header: Header::of::<FactorialInput>(),
        n: 5,
        reserved: 0,
    };
    [
        ("IOCTL that the driver does not know", control(NULL, &[], 0)),
        (
            "IOCTL that the driver answers at once (`Identify`)",
            control(Ioctl::Identify.code(), &[], 4096),
        ),
        (
            "IOCTL that the device interrupts for (`Factorial`)",
            control(Ioctl::Factorial.code(), factorial.as_bytes(), 64),
        ),
    ]
}

/// What a request takes, in instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cost {
    /// Made by a thread of the process itself, as a program does.
    own: u64,
    /// Made for another thread.
    switched: u64,
    /// Made by a driver.
    driver: u64,
    /// How often the local APIC was used for all of those.
    apic_accesses: u64,
    /// Made for another thread, with many outstanding.
    among_many: u64,
}

/// What the requests cost.
fn costs(artifacts: &Artifacts, repeated: u32, verifier: bool) -> Result<Vec<Cost>, FiguresError> {
    let mut options = named(replay::options(0, 0)?);
    options.manifest.noise = None;
    options.manifest.exercise = Some(Exercise {
        rounds: 0,
        requests: requests().map(|(_, request)| request).to_vec(),
        measure: repeated,
        measure_all_ways: true,
    });
    if !verifier {
        options.manifest.verifier = Some(Vec::new());
    }
    let (_, log) = run(&Machine::load("up")?, artifacts, &options)?;
    (0..requests().len())
        .map(|index| {
            cost(&log, index).ok_or_else(|| FiguresError::Unmeasured(index, log.join("\n")))
        })
        .collect()
}

/// What the log says that a request takes.
fn cost(log: &[String], index: usize) -> Option<Cost> {
    let words = |how: &str| -> Option<Vec<&str>> {
        let marker = format!(": request {index}{how} takes ");
        let measured = log
            .iter()
            .filter(|line| line.contains("] measure: ") && line.contains(DEVICE))
            .find_map(|line| line.split_once(&marker))?;
        Some(measured.1.split(' ').collect())
    };
    let instructions = |how: &str| -> Option<u64> {
        let counts: u64 = words(how)?.first()?.parse().ok()?;
        // The time-stamp counter of a machine whose instructions are counted counts nanoseconds.
        Some(counts >> replay::SHIFT)
    };
    Some(Cost {
        own: instructions("")?,
        switched: instructions(" by another thread")?,
        driver: instructions(" by a driver")?,
        // "… takes 800 counts, 400 accesses of …"
        apic_accesses: words(" by a driver")?.get(2)?.parse().ok()?,
        among_many: instructions(" among many")?,
    })
}

impl Boot {
    fn of(machine: &Booted) -> Self {
        const MIB: u64 = 1 << 20;
        let memory: u64 = machine.nodes.iter().map(|node| node.memory).sum();
        Self {
            processors: machine.processors.len(),
            milliseconds: machine.boot_us / 1000,
            used_mib: (memory - machine.free).div_ceil(MIB),
            memory_mib: memory / MIB,
        }
    }
}

impl fmt::Display for Figures {
    /// As Markdown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            accelerator,
            exports,
            boots,
            requests,
        } = self;
        writeln!(f, "{exports} routines and variables are exported.\n")?;
        writeln!(f, "Accelerator: {accelerator}.\n")?;
        writeln!(
            f,
            "| processors | boot to `DriverEntry` | memory in use, devices started |"
        )?;
        writeln!(f, "|---|---|---|")?;
        for boot in boots {
            writeln!(
                f,
                "| {} | {} ms | {} MiB of {} |",
                boot.processors, boot.milliseconds, boot.used_mib, boot.memory_mib
            )?;
        }
        writeln!(
            f,
            "\nIn instructions, counted on one processor (`-icount`) while it is not halted, from the \
             system call to the\nend of the wait for its completion, made by a thread of the \
             process itself, as a program does; in the third\ncolumn, by one that another thread \
             wakes and waits for, with two changes of threads; then by a driver, by\n\
             `ZwDeviceIoControlFile`; last, among 64 that are outstanding:\n"
        )?;
        writeln!(
            f,
            "| request | verifier on | verifier off | by another thread, off | by a driver, on | by a \
             driver, off | uses of the local APIC | among 64, off |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|---|")?;
        for request in requests {
            writeln!(
                f,
                "| {} | {} | {} | {} | {} | {} | {}.{:02} | {} |",
                request.name,
                request.verified,
                request.unverified,
                request.switched,
                request.driver_verified,
                request.driver,
                request.apic_hundredths / 100,
                request.apic_hundredths % 100,
                request.among_many
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_that_of_the_request_of_the_device() {
        let line = |device: &str, index, how: &str, rest: &str| {
            format!("[  1.0 cpu0] measure: PCI\\{device}\\0: request {index}{how} takes {rest}")
        };
        let all = |index| {
            [
                line(DEVICE, index, "", "800 counts, and ends in 0x0"),
                line(DEVICE, index, " by another thread", "2400 counts"),
                line(
                    DEVICE,
                    index,
                    " by a driver",
                    "1600 counts, 12 accesses of the local APIC",
                ),
                line(DEVICE, index, " among many", "400 counts"),
            ]
        };
        let mut log = vec![line("VEN_1B36&DEV_0005", 0, "", "8 counts")];
        log.extend(all(0));
        log.push(line(DEVICE, 1, "", "8 counts"));
        let expected = Cost {
            own: 100,
            switched: 300,
            driver: 200,
            apic_accesses: 12,
            among_many: 50,
        };
        assert_eq!(cost(&log, 0), Some(expected));
        assert_eq!(cost(&log, 1), None, "most of it is missing");
        assert_eq!(cost(&log, 2), None);
    }
}
