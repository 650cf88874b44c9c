//! `cargo nt run`: a driver's life on a machine, from its load to its removal, as it is seen there.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::bail;
use clap::Args;
use eductl::nthost::NtHost;
use eduwdm_qemu::{Ending, Session};
use nthost_protocol::{
    HostRequest,
    host::{Device, DeviceState, PnpOperation},
};

use super::{Folder, build};
use crate::{build as project, paths, progress, setup};

/// How long a machine may take to end when it is told to.
pub const LIMIT: Duration = Duration::from_mins(2);

/// What it can be told.
#[derive(Args, Clone, Debug)]
pub struct Options {
    #[command(flatten)]
    setup: setup::Options,
    /// The machine's log as well
    #[arg(long)]
    log: bool,
    /// Keeps the machine running, for eductl from other terminals, until Ctrl-C
    #[arg(long)]
    keep: bool,
}

/// Runs it.
///
/// # Errors
///
/// If it does not build, is not as it should be on the machine, or leaves something behind.
pub fn run(folder: &Folder, options: &Options) -> anyhow::Result<()> {
    let mut session = boot(folder, &options.setup, options.log)?;
    let host = NtHost::connect(session.socket())?;
    let devices = of_driver(&host, folder)?;
    for device in &devices {
        show(device);
    }
    if options.keep {
        println!(
            "\nthe machine runs on: {} --help tells what can be done with it, and Ctrl-C here ends it",
            paths::out().join("eductl").display()
        );
        return match session.run()? {
            Ending::Exit(0) => Ok(()),
            ending => bail!("{ending}"),
        };
    }
    if let Some(device) = devices
        .iter()
        .find(|device| device.state != DeviceState::Started)
    {
        bail!(
            "{} was not started: status {:#010x}",
            device.instance,
            device.status
        );
    }
    if devices.is_empty() {
        bail!(
            "the machine has no device for {}: see machine.toml and the hardware ids in the INF file",
            folder.name
        );
    }
    for device in devices {
        for operation in [PnpOperation::QueryRemove, PnpOperation::Remove] {
            let device = device.instance.clone();
            host.host_success(HostRequest::Pnp { device, operation })?;
        }
        println!("{}: query-remove, remove", device.instance);
    }
    let counts = host.verifier()?;
    end(&mut session, &host)?;
    println!(
        "the verifier made {} checks and found nothing, and nothing is left",
        counts.checks
    );
    Ok(())
}

/// Builds the driver, and nthost, whose exports a driver in C is linked against.
///
/// # Errors
///
/// If something does not build.
pub fn build(folder: &Folder, options: &setup::Options) -> anyhow::Result<PathBuf> {
    let toolchain = setup::run(options)?;
    fs::create_dir_all(paths::out())?;
    progress::step("building nthost", || project::kernel(toolchain))?;
    build::driver(folder, toolchain, options.wdk.as_deref())
}

/// Builds what is needed, and boots the machine.
///
/// # Errors
///
/// If that fails.
pub fn boot(folder: &Folder, options: &setup::Options, log: bool) -> anyhow::Result<Session> {
    let image = build(folder, options)?;
    folder.boot(&image, move |line| {
        if log {
            eprintln!("{line}");
        }
    })
}

/// Ends the machine, which must have nothing to report.
///
/// # Errors
///
/// If it has.
pub fn end(session: &mut Session, host: &NtHost) -> anyhow::Result<()> {
    // The answer may go down with the machine: that it has heard is told by how it ends.
    let asked = host.host_success(HostRequest::Shutdown { code: 0 });
    if let Err(fault) = session.finish(LIMIT) {
        bail!("{fault}\nwhen asked to end: {asked:?}");
    }
    Ok(())
}

/// The devices that the driver is for.
fn of_driver(host: &NtHost, folder: &Folder) -> anyhow::Result<Vec<Device>> {
    let mut devices = host.devices()?;
    devices.retain(|device| device.service == folder.name);
    Ok(devices)
}

fn show(device: &Device) {
    println!("{}: {:?}", device.instance, device.state);
    for line in device.resources.iter().chain(&device.interfaces) {
        println!("    {line}");
    }
}
