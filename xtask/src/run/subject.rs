//! What a machine runs that a command starts: the project's driver, a manifest's, or one of one's own
//! with its INF file, on devices of one's choosing.

use std::path::PathBuf;

use clap::Args;
use eduwdm_qemu::{Artifacts, Machine, machine::Device, session};

use super::driver;
use crate::{
    build::{self, Drivers},
    demo::MachineOptions,
    setup,
};

/// What it can be told.
#[derive(Args, Clone, Debug)]
pub struct Subject {
    #[command(flatten)]
    pub setup: setup::Options,
    #[command(flatten)]
    pub machine: MachineOptions,
    /// A driver's image, with its PDB beside it for the names in stacks
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
    /// Further arguments for QEMU
    #[arg(last = true, value_name = "QEMU'S")]
    arguments: Vec<String>,
}

/// All that a session takes.
pub struct Prepared {
    /// The machine, with what the command line adds to it.
    pub machine: Machine,
    /// What it runs.
    pub artifacts: Artifacts,
    /// How it is started.
    pub session: session::Options,
    /// Whether the driver is one of somebody's own.
    pub is_own: bool,
}

impl Subject {
    /// Builds what is needed, unless the command line says not to, and finds out the rest.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, an image is not there, or the build fails.
    pub fn prepare(&self) -> anyhow::Result<Prepared> {
        let machine = self.machine()?;
        let mut artifacts = self.machine.artifacts();
        let is_own = self.image.is_some() || !self.inf.is_empty();
        let session = if is_own {
            let own = driver::own(self.image.as_deref(), &self.inf, &self.id)?;
            own.tell();
            self.build(Drivers::None)?;
            artifacts.drivers = own.folders;
            self.machine
                .prepare_with(own.manifest, &machine, &artifacts)?
        } else {
            self.build(driver::needed(&self.machine)?)?;
            self.machine.prepare(&machine, &artifacts)?
        };
        Ok(Prepared {
            machine,
            artifacts,
            session,
            is_own,
        })
    }

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
