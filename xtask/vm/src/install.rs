//! `--install`: Windows is installed from its ISO image onto a new disk, without a question.

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use eduwdm_qemu::accelerator::{self, Accelerator};

use crate::answer::{self, Choices};
use crate::arguments::{Arguments, Debugger};
use crate::command_line::{self, Plan};
use crate::contents;
use crate::emulator::Sockets;
use crate::run::{self, PROGRAM, VmError, at};
use crate::unattended::{ROOM, Report, Unattended, limits, paths};
use crate::watch::Limits;
use crate::{firmware, image};

/// A sector of a CD or DVD.
const SECTOR: u64 = 2048;

/// How long the steps of an installation may take.
#[must_use]
pub fn time_limits(accelerator: Accelerator) -> Limits {
    let steps = [
        ("firmware", 5),
        ("setup", 90),
        ("first-logon", 20),
        ("shutdown", 10),
    ];
    limits(&steps, accelerator)
}

/// An installation, ready to be started.
#[derive(Debug)]
pub struct Installation {
    /// The machine.
    pub machine: Unattended,
    /// The disk while Windows is being installed on it.
    part: PathBuf,
    /// The disk when that is done.
    pub image: PathBuf,
}

impl Installation {
    /// Takes the machine out, to be run.
    #[must_use]
    pub fn start(self) -> (Unattended, Finish) {
        let finish = Finish {
            part: self.part,
            image: self.image,
        };
        (self.machine, finish)
    }
}

/// What is left to do when the machine has ended.
#[derive(Debug)]
pub struct Finish {
    part: PathBuf,
    image: PathBuf,
}

impl Finish {
    /// Gives the disk its name, if Windows is on it; gives its path then.
    ///
    /// # Errors
    /// Where it cannot be renamed.
    pub fn finish(self, report: &Report) -> Result<Option<PathBuf>, VmError> {
        if report.exit_code() != 0 {
            return Ok(None);
        }
        fs::rename(&self.part, &self.image).map_err(at(&self.image))?;
        Ok(Some(self.image))
    }
}

/// Whether a file is a medium that firmware starts from: a volume descriptor of ISO 9660, and
/// behind it the boot record of "El Torito".
fn check_media(path: &Path) -> Result<(), VmError> {
    let mut file = fs::File::open(path).map_err(at(path))?;
    let mut sectors = vec![0; 2 * usize::try_from(SECTOR).unwrap_or_default()];
    let read = file
        .seek(SeekFrom::Start(16 * SECTOR))
        .and_then(|_| file.read_exact(&mut sectors));
    let holds = |offset: usize, text: &[u8]| sectors[offset..].starts_with(text);
    let why = if read.is_err() || !holds(1, b"CD001") {
        "it has no volume descriptor"
    } else if !holds(2048 + 7, b"EL TORITO SPECIFICATION") {
        "it has no boot record"
    } else {
        return Ok(());
    };
    Err(VmError::Media {
        path: path.to_owned(),
        why: why.to_owned(),
    })
}

/// Checks everything and makes the files in `target/vm`; nothing is started.
///
/// # Errors
/// [`VmError`], before anything is written where that is possible.
pub fn prepare(
    arguments: &Arguments,
    media: &Path,
    target: &Path,
) -> Result<Installation, VmError> {
    if arguments.debug == Some(Debugger::Serial) {
        return Err(VmError::SerialTaken);
    }
    let machine = run::hardware(arguments, run::only(arguments)?)?;
    check_media(media)?;
    let firmware = firmware::ovmf()?;
    let Some(mut files) = run::package(arguments, target)? else {
        return Err(VmError::NoPackage(target.join("package/eduwdm")));
    };
    let answers = answer::file(&Choices {
        edition: arguments.edition.as_deref(),
        product_key: arguments.product_key.as_deref(),
        language: &arguments.language,
    });
    let faults = answer::check(&answers);
    if !faults.is_empty() {
        return Err(VmError::Answer(faults));
    }
    files.extend(contents::scripts());
    files.push((answer::NAME.to_owned(), answers.into_bytes()));
    let folder = target.join("vm");
    let image = arguments
        .output
        .clone()
        .unwrap_or_else(|| folder.join("windows.qcow2"));
    if image.exists() {
        return Err(VmError::Exists(image));
    }

    fs::create_dir_all(&folder).map_err(at(&folder))?;
    let mut part = image.clone().into_os_string();
    part.push(".part");
    let part = PathBuf::from(part);
    image::create(&part, arguments.size)?;
    let firmware = run::own_variables(firmware, &folder, false)?;
    let disk = folder.join("package.img");
    run::write_disk(&disk, &files, ROOM)?;
    let sockets = Sockets::new()?;
    let (serial, monitor) = paths(&sockets);
    let accelerator = accelerator::choose(arguments.accelerator, Path::new(PROGRAM), &folder, None);
    let line = command_line::arguments(&Plan {
        machine: &machine,
        accelerator: accelerator.accelerator,
        firmware: &firmware,
        system: &part,
        package: Some(&disk),
        media: Some(media),
        sockets: Some((&serial, &monitor)),
        debugger: arguments.debug.map(|kind| (kind, arguments.debug_port)),
        display: arguments.display.as_deref().unwrap_or("none"),
        more: &arguments.qemu,
    });
    let machine = Unattended {
        name: machine.name,
        arguments: line,
        accelerator,
        disk,
        results: folder.join("results").join("install"),
        sockets,
        first: "firmware",
        key: Some("setup"),
    };
    Ok(Installation {
        machine,
        part,
        image,
    })
}
