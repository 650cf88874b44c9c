//! `cargo xtask test`: everything that CI runs, in the order in which it fails soonest.

use std::process::Command;

use anyhow::{Context, bail};
use clap::Args;

#[cfg(unix)]
use crate::test_files;
use crate::{
    book, build, doc, genuine, miri, msrv, paths, progress, setup,
    toolchain::{DRIVER, KERNEL, Toolchain, WINDOWS},
    workflow,
};

/// What the tests can be told.
#[derive(Args, Clone, Debug)]
pub struct Options {
    #[command(flatten)]
    setup: setup::Options,
    /// Only tests whose names contain this
    filter: Option<String>,
    /// Has scheduling noise from this seed in all machines
    #[cfg(unix)]
    #[arg(long, value_name = "SEED", value_parser = crate::replay::seed)]
    seed: Option<u64>,
    /// What executes the machines' processors, where a test does not say it: auto, tcg or kvm
    #[cfg(unix)]
    #[arg(long, value_name = "WHICH")]
    accelerator: Option<eduwdm_qemu::machine::Choice>,
    /// Runs the machine again that a test has printed this seed of, and nothing else
    #[cfg(unix)]
    #[arg(long, value_name = "SEED", value_parser = crate::replay::seed, conflicts_with_all = ["seed", "filter"])]
    replay: Option<u64>,
    /// That machine
    #[cfg(unix)]
    #[arg(long, requires = "replay", default_value = "up")]
    machine: String,
    /// For how many rounds it uses the devices
    #[cfg(unix)]
    #[arg(long, requires = "replay", default_value_t = eduwdm_qemu::replay::ROUNDS)]
    rounds: u32,
    /// Has it wait for a debugger before its first instruction
    #[cfg(unix)]
    #[arg(long, requires = "replay")]
    gdb: bool,
}

/// Runs all tests.
///
/// # Errors
///
/// If one fails.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let toolchain = build::run(&options.setup)?;
    #[cfg(unix)]
    if let Some(seed) = options.replay {
        return crate::replay::run(&options.machine, seed, options.rounds, options.gdb);
    }
    if options.filter.is_none() {
        progress::step("checking the format", format)?;
        progress::step("linting the workflow", workflow::run)?;
        progress::step("comparing with what genuine headers say", genuine::run)?;
        progress::step("clippy, on the host", || {
            let mut cargo = cargo("clippy");
            cargo.args(["--workspace", "--all-targets"]);
            deny_warnings(&mut cargo)
        })?;
        progress::step("clippy, for nthost", || {
            let mut cargo = toolchain.cargo("clippy", KERNEL);
            cargo.args(["--package", "nthost"]);
            deny_warnings(&mut cargo)
        })?;
        progress::step("clippy, for the drivers", || {
            let mut cargo = build::driver_cargo(toolchain, "clippy")?;
            cargo.args(["--release", "--workspace"]);
            deny_warnings(&mut cargo)
        })?;
        book::build(false)?;
        if toolchain == Toolchain::Rustup {
            doc::make(toolchain, options.setup.wdk.as_deref())?;
        }
        progress::step("what Debian's compiler has", || msrv::run(toolchain))?;
        progress::step("the safe layer, under Miri", miri::run)?;
        progress::step("checking the host's crates for Windows", || {
            for_windows(toolchain)
        })?;
        progress::step("the hand-offs, under every interleaving", interleavings)?;
        #[cfg(unix)]
        progress::step("looking for test files without a test", || {
            test_files::run(&["--workspace"])
        })?;
    }
    let mut cargo = cargo("test");
    // All failures in one run: whoever reads them may not be able to run it.
    cargo
        .args(["--workspace", "--no-fail-fast"])
        .args(&options.filter);
    #[cfg(unix)]
    if let Some(seed) = options.seed {
        cargo.env(eduwdm_qemu::replay::SEED_VARIABLE, seed.to_string());
    }
    #[cfg(unix)]
    if let Some(accelerator) = options.accelerator {
        cargo.env(eduwdm_qemu::accelerator::VARIABLE, accelerator.to_string());
    }
    status(&mut cargo)
}

/// All that runs on the build machine is to run on Windows too, with either of its compilers, or to
/// say that it is for others. Without a linker it can be checked, not built.
fn for_windows(toolchain: Toolchain) -> anyhow::Result<()> {
    /// The package's tests stand on a grammar in C, which takes Microsoft's headers there.
    const WITH_C: &str = "eduwdm-package";
    let everything = ["--workspace", "--exclude", "nthost", "--all-targets"];
    warning_free(toolchain.cargo("check", WINDOWS).args(everything))?;
    if toolchain == Toolchain::Debian {
        // It builds no std for the other one.
        return Ok(());
    }
    let mut cargo = toolchain.cargo("check", DRIVER);
    warning_free(cargo.args(everything).args(["--exclude", WITH_C]))?;
    let mut cargo = toolchain.cargo("check", DRIVER);
    warning_free(cargo.args(["--package", WITH_C, "--lib", "--bins"]))
}

/// What is used on other hosts only must be there on those only.
fn warning_free(cargo: &mut Command) -> anyhow::Result<()> {
    let output = cargo.arg("--quiet").output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() && !said.contains("warning: ") {
        return Ok(());
    }
    bail!("{cargo:?}:\n{said}")
}

/// The tests of what processors hand to each other, by `loom`, which is a feature: other tests use
/// the atomics of the processor.
fn interleavings() -> anyhow::Result<()> {
    let arguments = [
        "--package",
        "eduwdm-logic",
        "--features",
        "loom",
        "--test",
        "interleavings",
    ];
    #[cfg(unix)]
    test_files::run(&arguments)?;
    status(cargo("test").args(arguments).arg("--quiet"))
}

pub fn cargo(command: &str) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.arg(command).current_dir(paths::root());
    cargo
}

fn status(cargo: &mut Command) -> anyhow::Result<()> {
    if cargo.status()?.success() {
        Ok(())
    } else {
        bail!("failed: {cargo:?}")
    }
}

/// The newest compiler whose lints this project has been held against.
const NEWEST_CLIPPY: u32 = 99;

/// Every warning is an error. Of a compiler newer than [`NEWEST_CLIPPY`] they are only shown:
/// each brings lints that nobody has seen yet, and the code has not become worse by them.
fn deny_warnings(cargo: &mut Command) -> anyhow::Result<()> {
    cargo.args(["--quiet", "--"]);
    if clippy_minor()? <= NEWEST_CLIPPY {
        cargo.args(["--deny", "warnings"]);
    }
    status(cargo)
}

/// The 95 of "clippy 0.1.95 (59807616e1 2026-04-14)".
fn clippy_minor() -> anyhow::Result<u32> {
    let output = cargo("clippy").arg("--version").output()?;
    let text = String::from_utf8(output.stdout)?;
    text.split([' ', '.'])
        .nth(3)
        .and_then(|minor| minor.parse().ok())
        .with_context(|| format!("clippy's version is not to be understood: {text:?}"))
}

fn format() -> anyhow::Result<()> {
    status(cargo("fmt").args(["--all", "--check"]))?;
    let driver = ["--manifest-path", "driver/Cargo.toml", "--all", "--check"];
    status(cargo("fmt").args(driver))?;
    let drop_in = ["--manifest-path", "cross/wdk-build/Cargo.toml", "--check"];
    status(cargo("fmt").args(drop_in))
}
