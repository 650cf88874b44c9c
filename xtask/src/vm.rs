//! `cargo xtask vm`: Windows on the project's machines, looked at by a person or by itself.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use anyhow::bail;
use eduwdm_vm::run::PROGRAM;
use eduwdm_vm::unattended::{self, Report, Unattended};
use eduwdm_vm::watch::{Limits, Progress};
use eduwdm_vm::{Arguments, install, verify};

use crate::paths;

/// A machine that ran by itself, and what came of it was no success; all is said already.
#[derive(Debug)]
pub struct Failed(pub u8);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code {}", self.0)
    }
}

impl std::error::Error for Failed {}

/// Does what is asked for.
///
/// # Errors
///
/// If the machine cannot be prepared, QEMU fails, or what it did by itself was no success.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if let Some(media) = &arguments.install {
        return installed(arguments, media);
    }
    if arguments.verify {
        return verified(arguments, &paths::target(), &mut watched);
    }
    let machine = eduwdm_vm::prepare(arguments, &paths::target())?;
    if arguments.dry_run {
        println!("{}", shown(&machine.arguments));
        return Ok(());
    }
    let accelerator = &machine.accelerator;
    println!(
        "{} by {} ({})",
        arguments.machine.join(","),
        accelerator.accelerator,
        accelerator.reason
    );
    for note in &machine.notes {
        println!("{note}");
    }
    let status = eduwdm_vm::run(&machine)?;
    if !status.success() {
        bail!("{PROGRAM} ended with {status}");
    }
    Ok(())
}

/// Installs Windows.
fn installed(arguments: &Arguments, media: &Path) -> anyhow::Result<()> {
    let installation = install::prepare(arguments, media, &paths::target())?;
    if arguments.dry_run {
        println!("{}", shown(&installation.machine.arguments));
        return Ok(());
    }
    let limits = install::time_limits(installation.machine.accelerator.accelerator);
    let (machine, finish) = installation.start();
    let report = watched(machine, &limits)?;
    println!("installation: {}", report.verdict());
    let Some(image) = finish.finish(&report)? else {
        return Err(Failed(report.exit_code()).into());
    };
    let image = image.display();
    println!("Windows is installed: {image}\nNext: cargo xtask vm --image {image} --verify");
    Ok(())
}

/// Runs a machine to its end.
type Watch<'a> = &'a mut dyn FnMut(Unattended, &Limits) -> anyhow::Result<Report>;

/// Verifies the driver on each machine, and says what came out of each. One that fails keeps none
/// of the others from being tried; the exit code is the first one's that failed.
fn verified(arguments: &Arguments, target: &Path, watch: Watch<'_>) -> anyhow::Result<()> {
    let mut reports = Vec::new();
    for name in &arguments.machine {
        let machine = verify::prepare(arguments, name, target)?;
        if arguments.dry_run {
            println!("{}", shown(&machine.arguments));
            continue;
        }
        let limits = verify::time_limits(arguments.minutes, machine.accelerator.accelerator);
        reports.push(watch(machine, &limits)?);
    }
    println!();
    for report in &reports {
        println!("{}: {}", report.name, report.verdict());
        if !report.files.is_empty() {
            println!(
                "    {}: {}",
                report.folder.display(),
                report.files.join(", ")
            );
        }
    }
    let failed = reports
        .iter()
        .map(Report::exit_code)
        .find(|code| *code != 0);
    failed.map_or(Ok(()), |code| Err(Failed(code).into()))
}

/// Runs a machine, and shows what it does.
fn watched(machine: Unattended, limits: &Limits) -> anyhow::Result<Report> {
    let accelerator = &machine.accelerator;
    println!(
        "{} by {} ({})",
        machine.name, accelerator.accelerator, accelerator.reason
    );
    let report = unattended::run(machine, limits, &mut |progress| match progress {
        Progress::Step(step, age) => println!("[{}] {step}", clock(age)),
        Progress::Log(text) => println!("         {text}"),
        Progress::Transfer(transfer) => println!(
            "         {} MiB read from the medium, {} MiB written to the disk",
            transfer.media_read >> 20,
            transfer.system_written >> 20
        ),
    })?;
    Ok(report)
}

/// Minutes and seconds.
fn clock(age: Duration) -> String {
    format!("{:3}:{:02}", age.as_secs() / 60, age.as_secs() % 60)
}

/// The command line as a shell takes it.
fn shown(arguments: &[std::ffi::OsString]) -> String {
    let mut line = PROGRAM.to_owned();
    for argument in arguments {
        let text = Path::new(argument).display().to_string();
        line.push(' ');
        if text.contains(|c: char| c.is_whitespace() || "'\"\\$&;|<>()*?".contains(c)) {
            line.extend(["'", &text.replace('\'', r"'\''"), "'"]);
        } else {
            line.push_str(&text);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::Parser;
    use eduwdm_vm::{disk, watch::Outcome};

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    /// Verifies on these machines; one that stands for QEMU and its guest ends each as told. Gives
    /// the machines that were started, and the exit code.
    fn verify(machines: &[(&str, Outcome)], more: &[&str]) -> (Vec<String>, u8) {
        let target = tempfile::tempdir().unwrap();
        let package = target.path().join("package/eduwdm");
        fs::create_dir_all(&package).unwrap();
        fs::write(package.join("eduwdm.inf"), "[Version]\r\n").unwrap();
        let image = target.path().join("image");
        fs::write(&image, disk::disk("system", &[], 0).unwrap()).unwrap();
        let names: Vec<_> = machines.iter().map(|(name, _)| *name).collect();
        let names = names.join(",");
        let image = image.to_str().unwrap();
        let line = ["vm", "--image", image, "--verify", "--machine", &names];
        let common = ["--memory", "1024", "--accelerator", "tcg", "--minutes", "2"];
        let arguments = Line::parse_from([&line, &common, more].concat()).arguments;

        let mut started = Vec::new();
        let result = verified(&arguments, target.path(), &mut |machine, limits| {
            assert!(!limits.steps.is_empty());
            let (name, outcome) = machines[started.len()].clone();
            assert_eq!(machine.name, name);
            started.push(machine.name.clone());
            Ok(Report {
                name: machine.name,
                outcome,
                folder: target.path().join(name),
                files: vec!["report.txt".to_owned()],
                borne_out: true,
            })
        });
        let code = result.map_or_else(|error| crate::exit_code(&error), |()| 0);
        (started, code)
    }

    #[test]
    fn each_machine_is_tried_and_the_first_that_fails_gives_the_exit_code() {
        let passed = Outcome::Done(0);
        let hung = Outcome::Hung {
            step: "verify".to_owned(),
            limit: Duration::from_mins(1),
            picture: Err("none".to_owned()),
        };
        let ended = Outcome::Ended {
            step: "restart".to_owned(),
        };
        for (outcomes, code) in [
            ([&passed, &passed, &passed], 0),
            ([&passed, &Outcome::Done(6), &hung], 6),
            ([&hung, &passed, &Outcome::Done(6)], 20),
            ([&passed, &passed, &ended], 21),
            ([&passed, &Outcome::Done(77), &passed], 8),
        ] {
            let names = ["up", "smp4", "numa2x2"];
            let machines: Vec<_> = names
                .into_iter()
                .zip(outcomes.into_iter().cloned())
                .collect();
            let (started, exit) = verify(&machines, &[]);
            assert_eq!(started, names, "{outcomes:?}");
            assert_eq!(exit, code, "{outcomes:?}");
        }
    }

    #[test]
    fn nothing_is_started_where_only_the_command_line_is_asked_for() {
        let machines = [("up", Outcome::Done(6)), ("smp32", Outcome::Done(6))];
        assert_eq!(verify(&machines, &["--dry-run"]), (Vec::new(), 0));
    }

    #[test]
    fn a_machine_that_cannot_be_prepared_is_a_failure() {
        let (started, code) = verify(&[("nonsense", Outcome::Done(0))], &[]);
        assert_eq!((started, code), (Vec::new(), 1));
    }
}
