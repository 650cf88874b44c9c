//! The command line: what it offers, and what becomes of it.

mod bytes;
mod command;
mod context;
mod file;
mod number;
mod workload;

#[cfg(any(unix, test))]
use std::path::PathBuf;
use std::{
    env,
    process::{self, ExitCode},
    time::Duration,
};

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
    /// Cancel a request that takes longer than this many seconds; give up where finding or opening
    /// the device does.
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

/// What Ctrl-C does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reaction {
    /// The first cancels what is outstanding and waits for it; the second does not wait.
    Cancel,
    /// As the first, each time: the terminal must be restored.
    Restore,
    /// It ends the program: what was asked of the machine cannot be canceled.
    #[cfg_attr(
        windows,
        expect(dead_code, reason = "nothing is asked of Windows itself")
    )]
    End,
}

/// Runs the program.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(fault) if fault.use_stderr() && env::args_os().any(|word| word == "--json") => {
            // clap's own words, without colours and the rest that is for people.
            let message = fault.render().to_string();
            let message = message.split("\n\n").next().unwrap_or_default();
            let error = Error::Usage(message.trim_start_matches("error: ").to_owned());
            context::print_error(&error, true);
            return ExitCode::from(error.exit_code());
        }
        // Help is no error: it is printed as such.
        Err(fault) => fault.exit(),
    };
    let interrupt = Interrupt::default();
    let raised = interrupt.clone();
    let json = arguments.json;
    let (context, command) = Context::new(arguments, interrupt);
    let reaction = command.reaction();
    // Without a handler Ctrl-C ends the program, and the system cancels what it leaves.
    let _ = ctrlc::set_handler(move || {
        match reaction {
            Reaction::Cancel if raised.is_raised() => {}
            Reaction::End => {}
            Reaction::Cancel | Reaction::Restore => return raised.raise(),
        }
        // The system cancels what is left.
        if json {
            context::print_error(&Error::Interrupted, true);
        } else {
            eprintln!("eductl: interrupted; not waiting for what is outstanding");
        }
        process::exit(Error::Interrupted.exit_code().into());
    });
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// Calls `visit` with a command and all below it, and with what a person types for each.
    fn walk(command: &clap::Command, typed: &str, visit: &mut dyn FnMut(&clap::Command, &str)) {
        visit(command, typed);
        for subcommand in command.get_subcommands() {
            if subcommand.get_name() != "help" {
                walk(
                    subcommand,
                    &format!("{typed} {}", subcommand.get_name()),
                    visit,
                );
            }
        }
    }

    /// The calls of eductl in a line of a shell's.
    fn calls(line: &str) -> Vec<Vec<String>> {
        let words = shlex::split(line).expect("quotes come in pairs");
        words
            .split(|word| ["&", "&&", "|"].contains(&word.as_str()))
            .map(|call| call.split(|word| word == ">").next().unwrap_or_default())
            .filter(|call| call.first().is_some_and(|program| program == "eductl"))
            .map(<[String]>::to_vec)
            .collect()
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_has_examples_of_itself_that_parse() {
        let mut seen = 0;
        let mut command = Arguments::command();
        command.build();
        walk(&command, "eductl", &mut |command, typed| {
            seen += 1;
            let help = command.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_else(|| panic!("{typed} has no example"));
            let (_, examples) = help
                .rsplit_once("Example")
                .unwrap_or_else(|| panic!("{typed} has no example: {help}"));
            let (_, examples) = examples.split_once(": ").expect("examples");
            for line in examples.lines() {
                let calls = calls(line);
                let own = calls.iter().any(|call| call.join(" ").starts_with(typed));
                assert!(own, "{typed}: {line}");
                for call in calls {
                    if let Err(fault) = Arguments::try_parse_from(call) {
                        panic!("{typed}: {fault}");
                    }
                }
            }
        });
        assert!(seen > 18, "only {seen} commands were seen");
    }

    #[test]
    fn what_the_guide_tells_to_type_parses() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/src");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            // The blocks: fenced ones, and what is indented as far.
            let blocks = text.split("```").skip(1).step_by(2).flat_map(str::lines);
            let indented = text.lines().filter_map(|line| line.strip_prefix("    "));
            for line in blocks.chain(indented) {
                let line = line.trim_start_matches("$ ").replace("target/out/", "");
                // Other lines need not be a shell's.
                if !line.starts_with("eductl ") || line.starts_with("eductl stress (") {
                    continue;
                }
                for call in calls(&line) {
                    seen += 1;
                    if let Err(fault) = Arguments::try_parse_from(call) {
                        // Help is given as an error.
                        let is_help = fault.kind() == clap::error::ErrorKind::DisplayHelp;
                        assert!(is_help, "{line}: {fault}");
                    }
                }
            }
        }
        assert!(seen > 10, "only {seen} calls were seen");
    }

    #[test]
    fn every_command_and_argument_says_what_it_is_for() {
        let mut command = Arguments::command();
        command.build();
        walk(&command, "eductl", &mut |command, typed| {
            assert!(command.get_about().is_some(), "{typed}");
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{typed} {argument}");
            }
        });
    }

    #[test]
    fn the_exit_codes_that_the_help_names_are_those_of_the_errors() {
        use eductl::Status;
        let help = Arguments::command()
            .get_after_help()
            .map(ToString::to_string);
        let help = help.expect("a help");
        let file = || std::io::ErrorKind::NotFound.into();
        let status = |nt| Error::Refused {
            operation: String::new(),
            status: Status::Nt(nt),
        };
        let late = |operation| Error::TimedOut {
            operation,
            limit: Duration::ZERO,
        };
        for (error, words) in [
            (Error::NoDevice, "no such device"),
            (Error::Usage(String::new()), "wrong arguments"),
            (status(0xc000_000d), "refused by the driver"),
            (Error::WrongAnswer(String::new()), "wrong answer"),
            (late(String::new()), "too late"),
            (status(0xc000_02b6), "the device or the machine is gone"),
            (
                Error::Disconnected(String::new()),
                "the device or the machine is gone",
            ),
            (
                Error::File {
                    path: PathBuf::new(),
                    error: file(),
                },
                "a file cannot be read",
            ),
            (Error::Interrupted, "interrupted"),
        ] {
            let line = format!("{} {words}", error.exit_code());
            assert!(help.contains(&line), "“{line}” is not in: {help}");
        }
    }
}
