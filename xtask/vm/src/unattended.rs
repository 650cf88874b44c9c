//! A machine that runs by itself: started, watched to its end, and what it found brought back.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use eduwdm_qemu::accelerator::{Accelerator, Chosen};

use crate::emulator::{Emulator, Sockets};
use crate::results;
use crate::run::{VmError, at};
use crate::watch::{self, Limits, Outcome, Progress};

/// How many bytes a machine may leave on the package's disk.
pub const ROOM: usize = 64 << 20;
/// QEMU's translator takes so many times as long as the host's processors.
const TRANSLATED: u32 = 10;

/// A machine, ready to be started.
#[derive(Debug)]
pub struct Unattended {
    /// Its name.
    pub name: String,
    /// QEMU's arguments.
    pub arguments: Vec<OsString>,
    /// What executes it, and why.
    pub accelerator: Chosen,
    /// The package's disk.
    pub(crate) disk: PathBuf,
    /// Where what it found goes.
    pub(crate) results: PathBuf,
    pub(crate) sockets: Sockets,
    /// The first step, and the step that begins when the medium has got its key.
    pub(crate) first: &'static str,
    pub(crate) key: Option<&'static str>,
}

/// How a machine came out.
#[derive(Debug)]
pub struct Report {
    /// The machine.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Where what it found is.
    pub folder: PathBuf,
    /// The names of the files there.
    pub files: Vec<String>,
    /// Whether the disk bears out what the machine has told last.
    pub borne_out: bool,
}

impl Report {
    /// The exit code: 0 passed, and else as `cargo xtask vm --help` lists them.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match &self.outcome {
            Outcome::Hung { .. } => 20,
            Outcome::Ended { .. } => 21,
            Outcome::Done(_) if !self.borne_out => 22,
            Outcome::Done(code) if *code == 0 || (2..=9).contains(code) => {
                u8::try_from(*code).unwrap_or(8)
            }
            // A code that no script documents.
            Outcome::Done(_) => 8,
        }
    }

    /// What came out, in words.
    #[must_use]
    pub fn verdict(&self) -> String {
        match &self.outcome {
            Outcome::Done(code) if !self.borne_out => {
                format!("it ended with exit code {code}, but its disk does not say so")
            }
            Outcome::Done(0) => "passed".to_owned(),
            Outcome::Done(code) => format!("failed, exit code {code}"),
            Outcome::Ended { step } => format!("the machine ended in the step {step}"),
            Outcome::Hung {
                step,
                limit,
                picture,
            } => {
                let seen = match picture {
                    Ok(path) => format!("its screen is {}", path.display()),
                    Err(why) => format!("its screen cannot be had: {why}"),
                };
                let minutes = limit.as_secs() / 60;
                format!("the step {step} took longer than {minutes} minutes; {seen}")
            }
        }
    }
}

/// Limits in minutes, for what executes the machine.
pub(crate) fn limits(steps: &[(&'static str, u32)], accelerator: Accelerator) -> Limits {
    let factor = match accelerator {
        Accelerator::Kvm => 1,
        Accelerator::Tcg => TRANSLATED,
    };
    let minutes = |count: u32| Duration::from_mins(u64::from(count * factor));
    Limits {
        steps: steps
            .iter()
            .map(|(step, count)| (*step, minutes(*count)))
            .collect(),
        other: minutes(30),
    }
}

/// The sockets' paths, as a command line takes them.
pub(crate) fn paths(sockets: &Sockets) -> (PathBuf, PathBuf) {
    (sockets.serial(), sockets.monitor())
}

/// Starts a machine, watches it to its end, and brings back what it found.
///
/// # Errors
/// Where QEMU does not start, or the files cannot be written.
pub fn run(
    machine: Unattended,
    limits: &Limits,
    say: &mut dyn FnMut(Progress),
) -> Result<Report, VmError> {
    let folder = machine.results;
    let picture = screen(&folder)?;
    let plan = watch::Plan {
        first: machine.first,
        key: machine.key,
        limits,
        picture: &picture,
    };
    let mut emulator = Emulator::start(&machine.arguments, machine.sockets)?;
    let outcome = watch::watch(&mut emulator, &plan, say).map_err(VmError::Watch)?;
    drop(emulator);
    // The picture is beside the folder, which is emptied now.
    let files = results::bring(&machine.disk, &folder).map_err(at(&machine.disk))?;
    let borne_out = match outcome {
        Outcome::Done(code) => results::exit_code(&folder) == Some(code),
        _ => false,
    };
    Ok(Report {
        name: machine.name,
        outcome,
        folder,
        files,
        borne_out,
    })
}

/// Where the screen of a machine goes: beside its results, and not that of the last time.
fn screen(results: &Path) -> Result<PathBuf, VmError> {
    let picture = results.with_extension("png");
    if let Some(folder) = picture.parent() {
        std::fs::create_dir_all(folder).map_err(at(folder))?;
    }
    match std::fs::remove_file(&picture) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(at(&picture)(error)),
        _ => Ok(picture),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(outcome: Outcome, borne_out: bool) -> u8 {
        let report = Report {
            name: "up".to_owned(),
            outcome,
            folder: PathBuf::new(),
            files: Vec::new(),
            borne_out,
        };
        assert!(!report.verdict().is_empty());
        report.exit_code()
    }

    #[test]
    fn each_way_to_end_has_its_exit_code_and_only_one_is_success() {
        let hung = Outcome::Hung {
            step: "verify".to_owned(),
            limit: Duration::from_mins(5),
            picture: Err("none".to_owned()),
        };
        let ended = Outcome::Ended {
            step: "verify".to_owned(),
        };
        assert_eq!(code(hung, false), 20);
        assert_eq!(code(ended, false), 21);
        assert_eq!(code(Outcome::Done(0), false), 22);
        assert_eq!(code(Outcome::Done(0), true), 0);
        for script in 2..=9 {
            assert_eq!(u32::from(code(Outcome::Done(script), true)), script);
        }
        for other in [1, 10, 256, 3010, u32::MAX] {
            assert_eq!(code(Outcome::Done(other), true), 8);
        }
    }

    #[test]
    fn the_screen_of_the_last_time_is_gone() {
        let there = tempfile::tempdir().unwrap();
        let results = there.path().join("results/up");
        let picture = screen(&results).unwrap();
        assert_eq!(picture, there.path().join("results/up.png"));
        std::fs::write(&picture, "old").unwrap();
        assert_eq!(screen(&results).unwrap(), picture);
        assert!(!picture.exists());
    }

    #[test]
    fn a_translated_machine_has_more_time() {
        let of = |accelerator| limits(&[("start", 3)], accelerator).steps[0].1;
        assert_eq!(of(Accelerator::Kvm), Duration::from_mins(3));
        assert_eq!(of(Accelerator::Tcg), Duration::from_mins(30));
    }
}
