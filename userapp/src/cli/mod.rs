//! The command line: what it offers, and what becomes of it.

mod command;
mod context;
mod file;
mod number;
mod workload;

#[cfg(unix)]
use std::path::PathBuf;
use std::{process::ExitCode, time::Duration};

use clap::Parser;
use eductl::{Error, Interrupt};

use self::{command::Command, context::Context};

/// Explores, exercises and watches the devices of the eduwdm driver: through Win32 on Windows,
/// elsewhere in a running nthost.
#[derive(Debug, Parser)]
#[command(
    name = "eductl",
    version,
    after_help = "Exit codes: 0 done; 1 no such device; 2 wrong arguments; 3 refused by the driver \
                  or the system; 4 wrong answer; 5 too late; 6 the device or the machine is gone; \
                  7 a file cannot be read or written; 130 interrupted.\n\n\
                  Example: eductl factorial 5 12 20"
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    command: Command,
    /// Which device: its index or path as `eductl list` shows them, or a part of the path that
    /// only it has. The first of the right kind if nothing is said.
    #[arg(long, short, global = true, value_name = "DEVICE")]
    device: Option<String>,
    /// Print one JSON document for machines instead of text for people.
    #[arg(long, global = true)]
    json: bool,
    /// Cancel a request that takes longer than this many seconds.
    #[arg(long, global = true, value_name = "SECONDS", value_parser = number::seconds)]
    timeout: Option<Duration>,
    /// Which running machine, if several are.
    #[cfg(unix)]
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "socket")]
    machine: Option<String>,
    /// The socket of the running machine.
    #[cfg(unix)]
    #[arg(long, global = true, value_name = "PATH")]
    socket: Option<PathBuf>,
}

/// Runs the program.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let interrupt = Interrupt::default();
    let raised = interrupt.clone();
    // Without a handler Ctrl-C ends the program, and the system cancels what it leaves.
    let _ = ctrlc::set_handler(move || raised.raise());
    let json = arguments.json;
    let (context, command) = Context::new(arguments, interrupt);
    let result = command.run(&context);
    context.interrupt.settle();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads the output has seen enough.
        Err(Error::File { error, .. }) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            context::print_error(&error, json);
            ExitCode::from(error.exit_code())
        }
    }
}
