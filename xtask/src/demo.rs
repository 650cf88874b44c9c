//! `cargo xtask demo`: boots a machine and shows what the driver does there, checked step by
//! step.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Args;
use eductl::demonstration::FaultKind;
use eduwdm_qemu::{
    Artifacts, Machine,
    machine::{self, Choice},
    manifest,
    session::{self, Session},
};

use nthost_protocol::Manifest;

use crate::{build, paths, progress, record::Recorder, setup};

/// What the demonstration can be told.
#[derive(Args, Clone, Debug)]
pub struct Options {
    #[command(flatten)]
    pub setup: setup::Options,
    #[command(flatten)]
    pub machine: MachineOptions,
    /// Writes a recording of what is printed, as an SVG
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

/// Which machine, and how it runs.
#[derive(Args, Clone, Debug)]
pub struct MachineOptions {
    /// Which machine: one of qemu/machines, or the path of another one's file
    #[arg(long, value_name = "NAME", default_value = "numa2x2", long_help = long_help())]
    pub machine: String,
    /// What executes its processors: auto (KVM where a probe shows that it works), tcg or kvm.
    /// Without this, and unless the machine's file says it, tcg
    #[arg(long, value_name = "WHICH")]
    pub accelerator: Option<Choice>,
    /// What is loaded: a manifest in TOML, with its images beside it; eduwdm's if none is given
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// Let `eductl host breakpoint` stop processors, some of which are kept free for that
    #[arg(long)]
    pub breakpoints: bool,
    /// Show what nthost logs
    #[arg(long)]
    pub log: bool,
}

/// The machines with what they are for. One that cannot be read says so when it is asked for.
fn long_help() -> String {
    let names = machine::names().unwrap_or_default();
    let machines = names.iter().filter_map(|name| Machine::load(name).ok());
    let lines: Vec<_> = machines
        .map(|machine| format!("\n  {:11} {}", machine.name, machine.description))
        .collect();
    format!(
        "Which machine, or the path of another one's file:\n{}",
        lines.concat()
    )
}

/// The demonstration failed; what with, it has printed.
#[derive(Debug)]
pub struct Failed(pub FaultKind);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the demonstration ended with a {}", self.0)
    }
}

impl std::error::Error for Failed {}

/// Runs the demonstration.
///
/// # Errors
///
/// [`Failed`], or what keeps it from being run.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let machine = Machine::load(&options.machine.machine)?;
    build::run(&options.setup)?;
    let artifacts = options.machine.artifacts();
    let session = options.machine.prepare(&machine, &artifacts)?;
    let log = options.machine.log;
    let watch = move |line: &str| {
        if log {
            eprintln!("{line}");
        }
    };
    let command = format!("cargo xtask demo --machine {}", machine.name);
    let mut out = Recorder::new(io::stdout(), &command);
    let report = eduwdm_qemu::demo::run(&machine, &artifacts, &session, &mut out, watch)?;
    if let Some(file) = &options.record {
        fs::write(file, out.svg()).with_context(|| file.display().to_string())?;
    }
    let fault = report.faults.first();
    fault.map_or(Ok(()), |fault| Err(Failed(fault.kind).into()))
}

impl MachineOptions {
    /// Where what machines run is: beside the manifest, if one was given, and where the build
    /// has left it.
    pub fn artifacts(&self) -> Artifacts {
        let beside = self.manifest.as_deref().and_then(Path::parent);
        let mut drivers: Vec<_> = beside.map(Path::to_owned).into_iter().collect();
        drivers.push(paths::out());
        Artifacts {
            kernel: paths::out().join("nthost"),
            drivers,
            directory: paths::machines(),
        }
    }

    /// What a session with the driver is started with; the accelerator has been found out.
    ///
    /// # Errors
    ///
    /// If the manifest cannot be read.
    pub fn prepare(
        &self,
        machine: &Machine,
        artifacts: &Artifacts,
    ) -> anyhow::Result<session::Options> {
        let path = self.manifest.as_deref();
        let manifest = manifest::load(path.unwrap_or_else(|| Path::new(manifest::EDUWDM)))?;
        self.prepare_with(manifest, machine, artifacts)
    }

    /// What a session that loads this is started with; the accelerator has been found out.
    ///
    /// # Errors
    ///
    /// What the step that looks for the accelerator says.
    pub fn prepare_with(
        &self,
        mut manifest: Manifest,
        machine: &Machine,
        artifacts: &Artifacts,
    ) -> anyhow::Result<session::Options> {
        manifest.breakpoints |= self.breakpoints;
        let mut options = session::Options::new(manifest);
        options.accelerator = self.accelerator.unwrap_or_default();
        progress::step("choosing the accelerator", || {
            Ok(Session::accelerator(machine, artifacts, &options))
        })?;
        Ok(options)
    }
}
