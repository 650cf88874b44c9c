//! `cargo xtask vm`: a person's own Windows image on one of the project's machines.

use std::path::Path;

use anyhow::bail;
use eduwdm_vm::run::PROGRAM;

use crate::paths;

/// Prepares the machine, says what a person should know of it, and runs it.
///
/// # Errors
///
/// If it cannot be prepared, or QEMU fails.
pub fn run(arguments: &eduwdm_vm::Arguments) -> anyhow::Result<()> {
    let machine = eduwdm_vm::prepare(arguments, &paths::target())?;
    if arguments.dry_run {
        println!("{}", shown(&machine.arguments));
        return Ok(());
    }
    let accelerator = &machine.accelerator;
    println!(
        "{} by {} ({})",
        arguments.machine, accelerator.accelerator, accelerator.reason
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
