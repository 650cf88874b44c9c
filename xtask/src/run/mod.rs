//! `cargo xtask run`: boots a machine and keeps it running, so that a person can use eductl from
//! other terminals. What it runs is the project's driver, or any other.

mod driver;
mod installation;

pub use driver::own;

use std::path::PathBuf;

use clap::Args;
use eduwdm_qemu::{
    Ending, Machine, Session, coverage::Executed, machine::Device, serial::Reports,
    session::Options as Run,
};

use crate::{
    build::{self, Drivers},
    coverage,
    demo::MachineOptions,
    paths, setup,
};

/// What it can be told.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  cargo xtask run
  cargo xtask run my.sys --inf my.inf --device i82557b,romfile=
  cargo xtask run my.sys --id 'PCI\\VEN_1234&DEV_11E8' --machine smp4
  cargo xtask run my.sys --inf my.inf --chardev null,id=c --device pci-serial,chardev=c -- -trace 'serial*'")]
pub struct Options {
    #[command(flatten)]
    setup: setup::Options,
    #[command(flatten)]
    machine: MachineOptions,
    /// A driver's image, with its PDB beside it if stacks are to have names
    #[arg(value_name = "IMAGE", conflicts_with = "manifest")]
    image: Option<PathBuf>,
    /// The INF file that says which devices, services, values and filters the driver has. Images
    /// that it names are looked for beside IMAGE and beside it. It can be given more than once
    #[arg(long, value_name = "FILE", conflicts_with = "manifest")]
    inf: Vec<PathBuf>,
    /// A hardware id of the driver's devices; with an INF file, the models that count. One that
    /// begins with ROOT\ makes a device that no bus has. Without INF file and id, IMAGE is loaded
    /// and left alone, as a driver that makes its device in DriverEntry wants it
    #[arg(long, value_name = "ID", conflicts_with = "manifest")]
    id: Vec<String>,
    /// A device in place of those of the machine, as QEMU's -device takes it; more than once for
    /// several
    #[arg(long, value_name = "MODEL[,NAME=VALUE]…")]
    device: Vec<Device>,
    /// A character device for a --device, as QEMU's -chardev takes it
    #[arg(long, value_name = "KIND,id=ID…")]
    chardev: Vec<String>,
    /// A drive for a --device, as QEMU's -drive takes it
    #[arg(long, value_name = "if=none,id=ID…")]
    drive: Vec<String>,
    /// A network for a --device, as QEMU's -netdev takes it
    #[arg(long, value_name = "KIND,id=ID…")]
    netdev: Vec<String>,
    /// Build nothing: take what an earlier build has left
    #[arg(long)]
    no_build: bool,
    /// The name by which eductl finds the machine (`eductl --machine NAME`), where two of the same
    /// kind run; that of the machine if nothing is said
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Show the lines of a bug check as nthost writes them, too, before those with functions, files
    /// and lines
    #[arg(long)]
    raw: bool,
    /// When the machine has ended, tells which lines and branches of the drivers have run, and
    /// writes them to this file in LCOV's form
    #[arg(long, value_name = "FILE")]
    coverage: Option<PathBuf>,
    /// Further arguments for QEMU
    #[arg(last = true, value_name = "QEMU'S")]
    arguments: Vec<String>,
}

/// Runs a machine until it ends.
///
/// # Errors
///
/// If it cannot be started, or ends otherwise than by being told to.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let machine = options.machine()?;
    let mut artifacts = options.machine.artifacts();
    let mut session: Run;
    let is_own = options.image.is_some() || !options.inf.is_empty();
    if is_own {
        let own = driver::own(options.image.as_deref(), &options.inf, &options.id)?;
        own.tell();
        options.build(Drivers::None)?;
        artifacts.drivers = own.folders;
        session = options
            .machine
            .prepare_with(own.manifest, &machine, &artifacts)?;
    } else {
        options.build(driver::needed(&options.machine)?)?;
        session = options.machine.prepare(&machine, &artifacts)?;
    }
    session.name.clone_from(&options.name);
    let ran = tempfile::tempdir()?;
    if options.coverage.is_some() {
        session.extras.coverage = Some(ran.path().join("1.executed"));
    }
    let images: Vec<_> = session
        .manifest
        .drivers
        .iter()
        .map(|one| one.image.clone())
        .collect();
    let raw = options.raw;
    let mut reports = Reports::default();
    let watch = move |line: &str| {
        if raw || !reports.has(line) {
            println!("{line}");
        }
    };
    let mut session = Session::start(&machine, &artifacts, &session, watch)?;
    session.wait_ready()?;
    println!(
        "\n{} is ready: {}\n\n    {} {}\n\nin another terminal of this project's folder shows \
         its devices, and --help what else there is.\nCtrl-C here ends the machine, and so does \
         `eductl host shutdown` there.\n",
        machine.name,
        machine.description,
        paths::out().join("eductl").display(),
        if is_own { "io list" } else { "list" }
    );
    let ending = session.run()?;
    // What ran is known when the machine is gone.
    drop(session);
    if let Some(lcov) = &options.coverage {
        let executed = Executed::read_all(ran.path())?;
        let images: Vec<_> = images.iter().map(String::as_str).collect();
        coverage::tell(&executed, &images, &artifacts.drivers, lcov)?;
    }
    match ending {
        Ending::Exit(0) => Ok(()),
        ending => anyhow::bail!("{ending}"),
    }
}

impl Options {
    fn build(&self, drivers: Drivers) -> anyhow::Result<()> {
        if self.no_build {
            return Ok(());
        }
        build::machine(&self.setup, drivers)
    }

    /// The machine with what the command line adds to it.
    fn machine(&self) -> anyhow::Result<Machine> {
        let mut machine = Machine::load(&self.machine.machine)?;
        machine.chardevs.extend_from_slice(&self.chardev);
        machine.drives.extend_from_slice(&self.drive);
        machine.netdevs.extend_from_slice(&self.netdev);
        machine.arguments.extend_from_slice(&self.arguments);
        if self.device.is_empty() {
            return Ok(machine);
        }
        machine
            .with_devices(self.device.clone())
            .map_err(anyhow::Error::msg)
    }
}
