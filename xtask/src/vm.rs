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
        return verified(arguments);
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

/// Verifies the driver on each machine, and says what came out of each.
fn verified(arguments: &Arguments) -> anyhow::Result<()> {
    let mut reports = Vec::new();
    for name in &arguments.machine {
        let machine = verify::prepare(arguments, name, &paths::target())?;
        if arguments.dry_run {
            println!("{}", shown(&machine.arguments));
            continue;
        }
        let limits = verify::time_limits(arguments.minutes, machine.accelerator.accelerator);
        reports.push(watched(machine, &limits)?);
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
