//! `cargo xtask …`: everything that a person or CI does with the project, one file a command.

#[cfg(unix)]
mod bench;
mod book;
mod build;
#[cfg(unix)]
mod cc;
mod check;
#[cfg(unix)]
mod coverage;
#[cfg(unix)]
mod demo;
#[cfg(unix)]
mod dist;
mod doc;
#[cfg(unix)]
mod driver;
#[cfg(unix)]
mod explore;
#[cfg(unix)]
mod figures;
#[cfg(unix)]
mod fuzz;
mod genuine;
mod inf;
mod miri;
#[cfg(unix)]
mod misdeed;
mod msrv;
#[cfg(unix)]
mod mutants;
#[cfg(unix)]
mod new;
mod package;
mod packages;
mod paths;
mod progress;
#[cfg(all(test, unix))]
mod published;
#[cfg(unix)]
mod record;
#[cfg(unix)]
mod replay;
#[cfg(unix)]
mod routines;
#[cfg(unix)]
mod run;
mod setup;
#[cfg(unix)]
mod soak;
mod test;
#[cfg(unix)]
mod test_files;
#[cfg(unix)]
mod threads;
#[cfg(all(test, unix))]
mod told;
mod toolchain;
#[cfg(unix)]
mod vm;
mod workflow;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Sets up, builds, demonstrates, tests and packages the project.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    version,
    arg_required_else_help = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Installs what the build and the tests need: system packages, Rust targets
    Setup(setup::Options),
    /// Builds eduwdm.sys, nthost and eductl into target/out
    Build(setup::Options),
    /// Boots a machine and shows what the driver does there
    #[cfg(unix)]
    Demo(demo::Options),
    /// Boots a machine and keeps it running, for eductl from other terminals; any driver's, too
    #[cfg(unix)]
    Run(run::Options),
    /// Lays out a driver of one's own, in a folder outside of the project
    #[cfg(unix)]
    New(new::Options),
    /// Runs, tests or packages the driver of a folder that `new` has laid out; `cargo nt` there
    #[cfg(unix)]
    Driver(driver::Options),
    /// Shows what the threads of a running machine do, with functions, files and lines
    #[cfg(unix)]
    Threads(threads::Options),
    /// Has a wrong driver do what it does, and shows what the verifier says of it
    #[cfg(unix)]
    Misdeed(misdeed::Options),
    /// Measures nthost, and writes the figures into its README
    #[cfg(unix)]
    Figures(figures::Options),
    /// Measures what requests cost inside of a machine, by a client in the kernel
    #[cfg(unix)]
    Bench(bench::Options),
    /// Writes which of the kernel's routines nthost has, and why it has not the others
    #[cfg(unix)]
    Routines(setup::Options),
    /// Runs the tests, and tells which lines and branches of the driver they have run
    #[cfg(unix)]
    Coverage(coverage::Options),
    /// Does everything at once, at random, and holds each request to what is documented
    #[cfg(unix)]
    Soak(soak::Options),
    /// Sends a device hostile requests, guided by what of its driver they reach, and keeps what stops it
    #[cfg(unix)]
    Fuzz(fuzz::Options),
    /// Runs a driver with schedules that are chosen to find races
    #[cfg(unix)]
    Explore(explore::Options),
    /// Plants bugs, one after the other, and looks whether the tests find them
    #[cfg(unix)]
    Mutants(mutants::Options),
    /// Compares the bindings and nthost with the tables of cross/genuine, or those with a WDK
    Genuine(genuine::Options),
    /// Builds the guide into target/book, by mdBook
    Book(book::Options),
    /// Runs all tests, on the host and in QEMU
    Test(test::Options),
    /// Builds the documentation of the safe layer and of the contract with clients
    Doc(setup::Options),
    /// Builds a driver in C or C++ without the WDK
    #[cfg(unix)]
    Cc(cc::Options),
    /// Makes an archive with which drivers are run without the project's sources
    #[cfg(unix)]
    Dist(dist::Options),
    /// Checks INF files
    Inf(inf::Options),
    /// Makes the driver package for a Windows test machine: signed, with its catalog and scripts
    Package(package::Options),
    /// Installs a Windows in QEMU, boots one with the driver package, or verifies the driver on it
    #[cfg(unix)]
    Vm(eduwdm_vm::Arguments),
}

fn main() -> ExitCode {
    match run_command(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(exit_code(&error))
        }
    }
}

/// The exit code that a command has documented for its failure, or 1.
fn exit_code(error: &anyhow::Error) -> u8 {
    #[cfg(unix)]
    if let Some(failed) = error.downcast_ref::<demo::Failed>() {
        return failed.0.exit_code();
    }
    #[cfg(unix)]
    if let Some(failed) = error.downcast_ref::<vm::Failed>() {
        return failed.0;
    }
    _ = error;
    1
}

fn run_command(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Setup(options) => setup::run(&options).map(drop),
        Command::Build(options) => {
            build::run(&options)?;
            println!("eduwdm.sys:\n{}", check::image("eduwdm")?);
            Ok(())
        }
        #[cfg(unix)]
        Command::Demo(options) => demo::run(&options),
        #[cfg(unix)]
        Command::Run(options) => run::run(&options),
        #[cfg(unix)]
        Command::New(options) => new::run(&options),
        #[cfg(unix)]
        Command::Driver(options) => driver::run(&options),
        #[cfg(unix)]
        Command::Threads(options) => threads::run(&options),
        #[cfg(unix)]
        Command::Misdeed(options) => misdeed::run(&options),
        #[cfg(unix)]
        Command::Figures(options) => figures::run(&options),
        #[cfg(unix)]
        Command::Routines(options) => routines::run(&options),
        #[cfg(unix)]
        Command::Coverage(options) => coverage::run(&options),
        #[cfg(unix)]
        Command::Soak(options) => soak::run(&options),
        #[cfg(unix)]
        Command::Fuzz(options) => fuzz::run(&options),
        #[cfg(unix)]
        Command::Bench(options) => bench::run(&options),
        #[cfg(unix)]
        Command::Explore(options) => explore::run(&options),
        #[cfg(unix)]
        Command::Mutants(options) => mutants::run(&options),
        Command::Genuine(options) => genuine::asked(&options),
        Command::Book(options) => book::run(&options),
        Command::Test(options) => test::run(&options),
        Command::Doc(options) => {
            println!("{}", doc::run(&options)?.display());
            Ok(())
        }
        #[cfg(unix)]
        Command::Dist(options) => dist::run(&options),
        #[cfg(unix)]
        Command::Cc(options) => cc::run(&options),
        Command::Inf(options) => inf::run(&options),
        Command::Package(options) => package::run(&options),
        #[cfg(unix)]
        Command::Vm(arguments) => vm::run(&arguments),
    }
}
