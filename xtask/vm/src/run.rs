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

fn at(path: &Path) -> impl FnOnce(std::io::Error) -> VmError {
    let path = path.to_owned();
    move |error| VmError::File { path, error }
}

/// The package's files, in a folder of its name.
fn package(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, VmError> {
    if !folder.join("eduwdm.inf").is_file() {
        return Err(VmError::NoPackage(folder.to_owned()));
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let path = entry.map_err(at(folder))?.path();
        if path.is_file() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let bytes = fs::read(&path).map_err(at(&path))?;
            files.push((format!("eduwdm/{name}"), bytes));
        }
    }
    files.sort();
    Ok(files)
}

/// Checks everything and makes the machine's files in `target/vm`; nothing is started.
///
/// # Errors
/// [`VmError`], before anything is written where that is possible.
pub fn prepare(arguments: &Arguments, target: &Path) -> Result<Machine, VmError> {
    let machine = eduwdm_qemu::Machine::load(&arguments.machine)?;
    if arguments.memory < LEAST_MEMORY {
        return Err(VmError::Memory(arguments.memory));
    }
    let machine = command_line::with_memory(&machine, arguments.memory);
    let info = image::info(&arguments.image)?;
    let uefi = match arguments.firmware {
        firmware::Choice::Uefi => true,
        firmware::Choice::Bios => false,
        firmware::Choice::Auto => image::is_gpt(&arguments.image, &info)?,
    };
    let firmware = if uefi {
        firmware::ovmf()?
    } else {
        Firmware::Bios
    };
    let standard = target.join("package/eduwdm");
    let package = match &arguments.package {
        Some(folder) => Some(package(folder)?),
        None if standard.is_dir() => Some(package(&standard)?),
        None => None,
    };

    let folder = target.join("vm");
    fs::create_dir_all(&folder).map_err(at(&folder))?;
    let mut notes = Vec::new();
    let overlay = folder.join("system.qcow2");
    if arguments.keep && overlay.is_file() && image::backs(&arguments.image, &overlay)? {
        notes.push(format!(
            "goes on with what was written to {}",
            overlay.display()
        ));
    } else {
        image::overlay(&arguments.image, &info, &overlay)?;
        notes.push(format!(
            "the image stays as it is; what is written goes to {}",
            overlay.display()
        ));
    }
    let firmware = own_variables(firmware, &folder, arguments.keep)?;
    let package = match package {
        None => {
            notes.push("without the driver package; make it with: cargo xtask package".to_owned());
            None
        }
        Some(files) => {
            let path = folder.join("package.img");
            let bytes = disk::disk("eduwdm", &files).map_err(at(&path))?;
            fs::write(&path, bytes).map_err(at(&path))?;
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
        system: &overlay,
        package: package.as_deref(),
        debugger,
        display: &arguments.display,
        more: &arguments.qemu,
    });
    Ok(Machine {
        arguments: line,
        accelerator,
        notes,
    })
}

/// Gives the machine variables of its own: firmware writes there which disk to start from.
fn own_variables(firmware: Firmware, folder: &Path, keep: bool) -> Result<Firmware, VmError> {
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
