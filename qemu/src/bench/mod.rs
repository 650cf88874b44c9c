//! What requests cost inside of a machine: measured by the driver's client in the kernel, without the
//! host, a process or a system call; see [`eduwdm_abi::bench`].
//!
//! Rates and latencies are the machine's on this host, and depend on its load: each is measured in
//! several rounds, which go through all cases one after the other, and told with its spread. Interrupts
//! and DPCs a request are counts.

use std::{path::Path, time::Duration};

use eductl::{Edu, Interrupt, Request, Status, device::OpenDevice, io::IoSystem, nthost::NtHost};
use eduwdm_abi::{
    EDU_INTERFACE, Header,
    bench::{self, Kind, RunInput, RunOutput},
};
use nthost_protocol::{
    HostRequest, Manifest,
    manifest::{DriverImage, Role},
};
use zerocopy::{FromBytes, IntoBytes};

use crate::{
    Artifacts, Machine, Options, Session, SessionError,
    manifest::{self, ManifestError},
};

mod figure;
mod report;

pub use report::{Comparison, Figures, Measured, Quantiles, Spread};

/// How long a machine may take to end.
const LIMIT: Duration = Duration::from_mins(1);

/// What is measured: every combination.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The machines' names.
    pub machines: Vec<String>,
    /// With the verifier's options on, off, or both.
    pub verified: Vec<bool>,
    /// The kinds of requests.
    pub kinds: Vec<Kind>,
    /// Threads that make them.
    pub threads: Vec<u32>,
    /// Requests that each thread keeps outstanding.
    pub depths: Vec<u32>,
    /// Requests in all, of each case in each round; each thread makes its part.
    pub requests: u32,
    /// Bytes of a read or a write.
    pub length: u32,
    /// How often each case is measured.
    pub rounds: u32,
}

/// One combination.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Case {
    /// The machine's name.
    pub machine: String,
    /// Whether the verifier's options are on.
    pub verified: bool,
    /// The kind of request, in lower case.
    pub kind: String,
    /// See [`Plan::threads`].
    pub threads: u32,
    /// See [`Plan::depths`].
    pub depth: u32,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
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
    Manifest(#[from] ManifestError),
    /// A device is missing.
    #[error("the machine has no device with the interface of {0}")]
    NoDevice(&'static str),
    /// The client in the kernel refused.
    #[error("{0}, {1} threads, depth {2}: the measurement ended with {3}")]
    Refused(String, u32, u32, Status),
    /// Requests ended otherwise than they should.
    #[error("{0}, {1} threads, depth {2}: {3} requests ended otherwise than they should")]
    Wrong(String, u32, u32, u64),
}

/// The name of a kind.
#[must_use]
pub const fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Null => "null",
        Kind::Identify => "identify",
        Kind::Factorial => "factorial",
        Kind::Read => "read",
        Kind::Write => "write",
    }
}

/// The driver and its client.
///
/// # Errors
///
/// If the driver's manifest cannot be read.
pub fn manifest() -> Result<Manifest, ManifestError> {
    let mut manifest = manifest::load(Path::new(manifest::EDUWDM))?;
    manifest.drivers.push(DriverImage {
        service: "bench".to_owned(),
        image: "bench.sys".to_owned(),
        role: Role::Function,
        hardware_ids: vec![r"ROOT\EDUBENCH".to_owned()],
        service_values: Vec::new(),
        device_values: Vec::new(),
        security: None,
    });
    Ok(manifest)
}

/// Measures all cases. `begins` is told what is measured next.
///
/// # Errors
///
/// [`BenchError`].
pub fn measure(
    artifacts: &Artifacts,
    plan: &Plan,
    mut begins: impl FnMut(&str),
) -> Result<Figures, BenchError> {
    let mut figures = Figures::default();
    for name in &plan.machines {
        let machine = Machine::load(name)?;
        for &verified in &plan.verified {
            let mut options = Options::new(manifest()?);
            options.name = Some(format!("bench-{}", std::process::id()));
            if !verified {
                options.manifest.verifier = Some(Vec::new());
            }
            figures.accelerator = Session::accelerator(&machine, artifacts, &options)
                .accelerator
                .to_string();
            let mut session = Session::start(&machine, artifacts, &options, |_| ())?;
            session.wait_ready()?;
            let host = NtHost::connect(session.socket())?;
            let devices = Devices::open(&host)?;
            let mut cases = cases(plan, name, verified);
            for round in 1..=plan.rounds {
                for measured in &mut cases {
                    begins(&format!(
                        "round {round} of {}: {}",
                        plan.rounds,
                        measured.case.describe()
                    ));
                    devices.measure(plan, measured)?;
                }
            }
            figures.measured.append(&mut cases);
            drop(devices);
            host.host_success(HostRequest::Shutdown { code: 0 })?;
            session.finish(LIMIT)?;
        }
    }
    Ok(figures)
}

fn cases(plan: &Plan, machine: &str, verified: bool) -> Vec<Measured> {
    let mut cases = Vec::new();
    for &kind in &plan.kinds {
        for &threads in &plan.threads {
            for &depth in &plan.depths {
                cases.push(Measured::new(
                    Case {
                        machine: machine.to_owned(),
                        verified,
                        kind: name_of(kind).to_owned(),
                        threads,
                        depth,
                    },
                    kind,
                ));
            }
        }
    }
    cases
}

/// The client in the kernel, and the device that it uses.
struct Devices {
    bench: OpenDevice,
    edu: Edu,
}

impl Devices {
    fn open(host: &NtHost) -> Result<Self, BenchError> {
        let open = |class, name| {
            let paths = host.interface_list(class)?;
            let path = paths.first().ok_or(BenchError::NoDevice(name))?;
            Ok::<_, BenchError>(OpenDevice::open(host, path, &Interrupt::default())?)
        };
        Ok(Self {
            bench: open(&bench::INTERFACE, "bench")?,
            edu: Edu::new(open(&EDU_INTERFACE, "edu")?),
        })
    }

    /// Interrupts and DPCs so far.
    fn counts(&self) -> Result<(u64, u64), BenchError> {
        let processors = self.edu.statistics()?.processors;
        let sum =
            |of: fn(&eduwdm_abi::statistics::Processor) -> u64| processors.iter().map(of).sum();
        Ok((sum(|one| one.interrupts), sum(|one| one.dpcs)))
    }

    /// One round of a case.
    fn measure(&self, plan: &Plan, measured: &mut Measured) -> Result<(), BenchError> {
        let Case { threads, depth, .. } = measured.case;
        let input = RunInput {
            header: Header::of::<RunInput>(),
            kind: measured.kind as u32,
            threads,
            depth,
            requests: plan.requests.div_ceil(threads),
            length: plan.length,
            reserved: 0,
        };
        let before = self.counts()?;
        let request = Request::DeviceControl {
            code: bench::RUN,
            input: input.as_bytes().to_vec(),
            output_length: u32::try_from(size_of::<RunOutput>()).unwrap_or(u32::MAX),
        };
        let answer = self.bench.submit("run", request)?.wait()?;
        let kind = || measured.case.kind.clone();
        let Ok(output) = RunOutput::read_from_bytes(answer.output()) else {
            return Err(BenchError::Refused(kind(), threads, depth, answer.status));
        };
        if output.wrong != 0 {
            return Err(BenchError::Wrong(kind(), threads, depth, output.wrong));
        }
        let after = self.counts()?;
        measured.add(&output, (after.0 - before.0, after.1 - before.1));
        Ok(())
    }
}
