//! `cargo xtask …`: everything that a person or CI does with the project, one file a command.

mod build;
mod check;
mod layout;
mod package;
mod packages;
mod paths;
mod progress;
mod setup;
mod test;
mod toolchain;
#[cfg(unix)]
mod vm;

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
    /// Runs all tests, on the host and in QEMU
    Test(test::Options),
    /// Makes the driver package for a Windows test machine: signed, with its catalog and scripts
    Package(package::Options),
    /// Boots your own Windows image in QEMU, with the driver package on a disk of its own
    #[cfg(unix)]
    Vm(eduwdm_vm::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Setup(options) => setup::run(&options).map(drop),
        Command::Build(options) => build::run(&options).map(drop),
        Command::Test(options) => test::run(&options),
        Command::Package(options) => package::run(&options),
        #[cfg(unix)]
        Command::Vm(arguments) => vm::run(&arguments),
    }
}
