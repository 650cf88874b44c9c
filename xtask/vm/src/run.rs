//! From the command line to a running machine.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use eduwdm_qemu::accelerator::{self, Chosen};
use eduwdm_qemu::machine::MachineError;
use thiserror::Error;

use crate::arguments::Arguments;
use crate::command_line::{self, Plan};
use crate::contents::{self, Content};
use crate::firmware::{self, Firmware};
use crate::{disk, image};

/// QEMU's program.
pub const PROGRAM: &str = "qemu-system-x86_64";
/// Below this, Windows 10 and 11 do not start.
const LEAST_MEMORY: u32 = 1024;

/// A machine that was not started.
#[derive(Debug, Error)]
pub enum VmError {
    /// A program is not there.
    #[error("{program} cannot be run ({error}); Debian's package {package} has it")]
    Program {
        /// Which.
        program: &'static str,
        /// What to install.
        package: &'static str,
        /// Why.
        error: std::io::Error,
    },
    /// The image is not there, or is none.
    #[error("the image cannot be used: {0}")]
    Image(String),
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// No UEFI firmware.
    #[error(
        "OVMF, the firmware for UEFI, is not there; Debian's package ovmf has it \
         (an image that was installed with a BIOS starts with --firmware bios)"
    )]
    NoOvmf,
    /// Not enough memory.
    #[error("{0} MiB of memory: Windows needs {LEAST_MEMORY} or more")]
    Memory(u32),
    /// The package was asked for and is not there.
    #[error("{0} holds no eduwdm.inf; make the package with: cargo xtask package")]
    NoPackage(PathBuf),
    /// No such machine.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// Several machines, of which only one can be looked at.
    #[error("only a verification goes through several machines; name one")]
    SeveralMachines,
    /// The serial port is a debugger's, or the host's.
    #[error("a machine that runs by itself speaks by the serial port; take --debug kdnet")]
    SerialTaken,
    /// The installation medium is none.
    #[error("{path} is no medium that starts a computer: {why}")]
    Media {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The installed disk would replace another.
    #[error("{0} is there already; move it away, or name another with --output")]
    Exists(PathBuf),
    /// The answer file is not one that Windows Setup would understand.
    #[error("the answer file would not be understood:\n{}", .0.join("\n"))]
    Answer(Vec<String>),
    /// The connection to QEMU broke.
    #[error("the machine cannot be watched any more: {0}")]
    Watch(std::io::Error),
}

/// A machine, ready to be started.
#[derive(Clone, Debug)]
pub struct Machine {
    /// QEMU's arguments.
    pub arguments: Vec<OsString>,
    /// What executes it, and why.
    pub accelerator: Chosen,
    /// What a person should know, line by line.
    pub notes: Vec<String>,
}

pub(crate) fn at(path: &Path) -> impl FnOnce(std::io::Error) -> VmError {
    let path = path.to_owned();
    move |error| VmError::File { path, error }
}

/// The hardware of a machine of the command line, with Windows' memory.
pub(crate) fn hardware(arguments: &Arguments, name: &str) -> Result<eduwdm_qemu::Machine, VmError> {
    let machine = eduwdm_qemu::Machine::load(name)?;
    if arguments.memory < LEAST_MEMORY {
        return Err(VmError::Memory(arguments.memory));
    }
    Ok(command_line::with_memory(&machine, arguments.memory))
}

/// The only machine of the command line.
pub(crate) fn only(arguments: &Arguments) -> Result<&str, VmError> {
    match arguments.machine.as_slice() {
        [name] => Ok(name),
        _ => Err(VmError::SeveralMachines),
    }
}

/// The package that was asked for, or the one that was made last.
pub(crate) fn package(
    arguments: &Arguments,
    target: &Path,
) -> Result<Option<Vec<Content>>, VmError> {
    let standard = target.join("package/eduwdm");
    match &arguments.package {
        Some(folder) => contents::package(folder).map(Some),
        None if standard.is_dir() => contents::package(&standard).map(Some),
        None => Ok(None),
    }
}

/// The image of the command line, looked at, and what starts it.
pub(crate) fn image(arguments: &Arguments) -> Result<(&Path, image::Info, Firmware), VmError> {
    let path = arguments
        .image
        .as_deref()
        .ok_or_else(|| VmError::Image("none is named".to_owned()))?;
    let info = image::info(path)?;
    let uefi = match arguments.firmware {
        firmware::Choice::Uefi => true,
        firmware::Choice::Bios => false,
        firmware::Choice::Auto => image::is_gpt(path, &info)?,
    };
    let firmware = if uefi {
        firmware::ovmf()?
    } else {
        Firmware::Bios
    };
    Ok((path, info, firmware))
}

/// Makes the overlay, unless the last one is continued; says which it is.
pub(crate) fn overlay(
    keep: bool,
    image: &Path,
    info: &image::Info,
    overlay: &Path,
) -> Result<String, VmError> {
    if keep && overlay.is_file() && image::backs(image, overlay)? {
        return Ok(format!(
            "goes on with what was written to {}",
            overlay.display()
        ));
    }
    image::overlay(image, info, overlay)?;
    Ok(format!(
        "the image stays as it is; what is written goes to {}",
        overlay.display()
    ))
}

/// Writes the package's disk.
pub(crate) fn write_disk(path: &Path, files: &[Content], room: usize) -> Result<(), VmError> {
    let bytes = disk::disk("eduwdm", files, room).map_err(at(path))?;
    fs::write(path, bytes).map_err(at(path))
}

/// Checks everything and makes the machine's files in `target/vm`; nothing is started.
///
/// # Errors
/// [`VmError`], before anything is written where that is possible.
pub fn prepare(arguments: &Arguments, target: &Path) -> Result<Machine, VmError> {
    let machine = hardware(arguments, only(arguments)?)?;
    let (image, info, firmware) = image(arguments)?;
    let package = package(arguments, target)?;

    let folder = target.join("vm");
    fs::create_dir_all(&folder).map_err(at(&folder))?;
    let system = folder.join("system.qcow2");
    let mut notes = vec![overlay(arguments.keep, image, &info, &system)?];
    let firmware = own_variables(firmware, &folder, arguments.keep)?;
    let package = match package {
        None => {
            notes.push("without the driver package; make it with: cargo xtask package".to_owned());
            None
        }
        Some(mut files) => {
            let path = folder.join("package.img");
            files.extend(contents::scripts());
            write_disk(&path, &files, 0)?;
            notes.push("the driver package is in the folder eduwdm of the disk EDUWDM".to_owned());
            Some(path)
        }
    };
    if machine.interrupts == eduwdm_qemu::machine::Interrupts::LineBased {
        notes.push(
            "for interrupts by line, set MSISupported to 0 under the device's \
             \"Interrupt Management\\MessageSignaledInterruptProperties\" in the registry"
                .to_owned(),
        );
    }
    let debugger = arguments
        .debug
        .map(|debugger| (debugger, arguments.debug_port));
    if let Some((debugger, port)) = debugger {
        notes.push(command_line::debugging(debugger, port));
    }
    let accelerator = accelerator::choose(arguments.accelerator, Path::new(PROGRAM), &folder, None);
    let line = command_line::arguments(&Plan {
        machine: &machine,
        accelerator: accelerator.accelerator,
        firmware: &firmware,
        system: &system,
        package: package.as_deref(),
        media: None,
        sockets: None,
        debugger,
        display: arguments.display.as_deref().unwrap_or("gtk"),
        more: &arguments.qemu,
    });
    Ok(Machine {
        arguments: line,
        accelerator,
        notes,
    })
}

/// Gives the machine variables of its own: firmware writes there which disk to start from.
pub(crate) fn own_variables(
    firmware: Firmware,
    folder: &Path,
    keep: bool,
) -> Result<Firmware, VmError> {
    let Firmware::Uefi { code, variables } = firmware else {
        return Ok(firmware);
    };
    let own = folder.join("variables.fd");
    if !(keep && own.is_file()) {
        fs::copy(&variables, &own).map_err(at(&own))?;
    }
    Ok(Firmware::Uefi {
        code,
        variables: own,
    })
}

/// Runs the machine until it ends.
///
/// # Errors
/// Where there is no QEMU.
pub fn run(machine: &Machine) -> Result<ExitStatus, VmError> {
    Command::new(PROGRAM)
        .args(&machine.arguments)
        .status()
        .map_err(|error| VmError::Program {
            program: PROGRAM,
            package: "qemu-system-x86",
            error,
        })
}
