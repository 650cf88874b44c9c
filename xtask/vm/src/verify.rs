//! `--verify`: an image's Windows installs the package and runs it under Driver Verifier.

use std::fs;
use std::path::Path;

use eduwdm_qemu::accelerator::{self, Accelerator};

use crate::arguments::{Arguments, Debugger};
use crate::command_line::{self, Plan};
use crate::contents;
use crate::emulator::Sockets;
use crate::run::{self, PROGRAM, VmError, at};
use crate::unattended::{ROOM, Unattended, limits, paths};
use crate::watch::Limits;

/// How long the steps of a verification may take, whose stress runs take so many minutes each.
#[must_use]
pub fn time_limits(minutes: u32, accelerator: Accelerator) -> Limits {
    let steps = [
        ("start", 15),
        ("install", 20),
        ("restart", 15),
        // Two stress runs, the wait before the second, and what is around them.
        ("verify", 2 * minutes + 8 + 20),
        ("collect", 10),
        ("shutdown", 10),
    ];
    limits(&steps, accelerator)
}

/// Checks everything and makes the files of one machine in `target/vm`; nothing is started.
///
/// # Errors
/// [`VmError`], before anything is written where that is possible.
pub fn prepare(arguments: &Arguments, name: &str, target: &Path) -> Result<Unattended, VmError> {
    if arguments.debug == Some(Debugger::Serial) {
        return Err(VmError::SerialTaken);
    }
    let machine = run::hardware(arguments, name)?;
    let (image, info, firmware) = run::image(arguments)?;
    let Some(mut files) = run::package(arguments, target)? else {
        return Err(VmError::NoPackage(target.join("package/eduwdm")));
    };
    files.extend(contents::scripts());
    files.push(contents::settings(arguments.minutes));

    let folder = target.join("vm");
    fs::create_dir_all(&folder).map_err(at(&folder))?;
    let system = folder.join("system.qcow2");
    run::overlay(arguments.keep, image, &info, &system)?;
    let firmware = run::own_variables(firmware, &folder, arguments.keep)?;
    let disk = folder.join("package.img");
    run::write_disk(&disk, &files, ROOM)?;
    let sockets = Sockets::new()?;
    let (serial, monitor) = paths(&sockets);
    let accelerator = accelerator::choose(arguments.accelerator, Path::new(PROGRAM), &folder, None);
    let line = command_line::arguments(&Plan {
        machine: &machine,
        accelerator: accelerator.accelerator,
        firmware: &firmware,
        system: &system,
        package: Some(&disk),
        media: None,
        sockets: Some((&serial, &monitor)),
        debugger: arguments.debug.map(|kind| (kind, arguments.debug_port)),
        display: arguments.display.as_deref().unwrap_or("none"),
        more: &arguments.qemu,
    });
    Ok(Unattended {
        name: machine.name.clone(),
        arguments: line,
        accelerator,
        disk,
        results: folder.join("results").join(&machine.name),
        sockets,
        first: "start",
        key: None,
    })
}
