//! Which compiler builds for which target.
//!
//! rustup's compiler with a precompiled library for each target, where rustup can download
//! those; else Debian's compiler, which builds the libraries from their sources.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, bail};
use clap::ValueEnum;

use crate::{packages, paths, progress};

/// Drivers.
pub const DRIVER: &str = "x86_64-pc-windows-msvc";
/// eductl for Windows.
pub const WINDOWS: &str = "x86_64-pc-windows-gnu";
/// nthost.
pub const KERNEL: &str = "x86_64-unknown-none";
/// All that are not this machine's own.
const TARGETS: [&str; 3] = [DRIVER, WINDOWS, KERNEL];

/// Whose compiler it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Toolchain {
    /// rustup's, with precompiled libraries.
    Rustup,
    /// Debian's, with libraries built from their sources.
    Debian,
}

impl Toolchain {
    /// Finds one that has all targets, and installs what it lacks.
    ///
    /// # Errors
    ///
    /// If neither can be had.
    pub fn prepare(wanted: Option<Self>) -> anyhow::Result<Self> {
        match wanted {
            Some(Self::Rustup) => {
                add_targets()?;
                Ok(Self::Rustup)
            }
            Some(Self::Debian) => {
                packages::install_rust()?;
                Ok(Self::Debian)
            }
            None => match add_targets() {
                Ok(()) => Ok(Self::Rustup),
                Err(why) => {
                    eprintln!(
                        "rustup cannot add the targets ({why:#}); Debian's compiler builds them"
                    );
                    packages::install_rust()?;
                    Ok(Self::Debian)
                }
            },
        }
    }

    /// The name under which it is remembered.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rustup => "rustup",
            Self::Debian => "debian",
        }
    }

    /// cargo, for a target that is not this machine's. The target's libraries are those that
    /// are named, if they must be built.
    #[must_use]
    pub fn cargo(self, command: &str, target: &str) -> Command {
        let mut cargo;
        match self {
            Self::Rustup => {
                cargo = Command::new("cargo");
                cargo.arg(command);
            }
            Self::Debian => {
                cargo = Command::new("/usr/bin/cargo");
                // Debian's compiler is a stable one; building the libraries is unstable.
                cargo
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env("RUSTC", "/usr/bin/rustc")
                    .env("RUSTC_WRAPPER", paths::root().join("cross/debian-rustc"));
                cargo.env_remove("RUSTUP_TOOLCHAIN");
                // It is older than the packages say they need: what they need of a newer one
                // are features that the wrapper switches on.
                cargo.args([command, "--ignore-rust-version"]);
                // Debian's compiler does not bring the linker that this target asks for by name.
                if target == KERNEL
                    && let Ok(linker) = rust_lld()
                {
                    cargo.env("CARGO_TARGET_X86_64_UNKNOWN_NONE_LINKER", linker);
                }
                if target == WINDOWS {
                    let linker = paths::root().join("cross/debian-mingw-gcc");
                    cargo.env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER", linker);
                    cargo.arg("-Zbuild-std=std,panic_abort");
                } else {
                    cargo.arg("-Zbuild-std=core,alloc,panic_abort");
                    cargo.arg("-Zbuild-std-features=compiler-builtins-mem");
                }
            }
        }
        cargo.args(["--target", target]).current_dir(paths::root());
        cargo
    }

    /// The compiler's version: what was built with another is built again.
    ///
    /// # Errors
    ///
    /// If there is no compiler.
    pub fn version(self) -> anyhow::Result<String> {
        let rustc = if self == Self::Debian {
            "/usr/bin/rustc"
        } else {
            "rustc"
        };
        let output = Command::new(rustc).arg("-vV").output().context(rustc)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// The linker for drivers: the one that comes with rustup's compiler takes all the switches.
///
/// # Errors
///
/// If it is not there.
pub fn rust_lld() -> anyhow::Result<PathBuf> {
    let output = Command::new("rustc")
        .args(["--print", "sysroot"])
        .output()
        .context("rustc")?;
    let sysroot = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let host = host_triple()?;
    let linker = sysroot
        .join("lib/rustlib")
        .join(host)
        .join("bin")
        .join("rust-lld");
    if linker.is_file() {
        return Ok(linker);
    }
    bail!(
        "{} is not there: the linker that comes with rustup's compiler",
        linker.display()
    )
}

fn host_triple() -> anyhow::Result<String> {
    let version = Toolchain::Rustup.version()?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc -vV names its host")?.to_owned())
}

fn rustup(arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("rustup")
        .args(arguments)
        .output()
        .context("rustup")?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    bail!("rustup {}: {}", arguments.join(" "), said.trim())
}

fn add_targets() -> anyhow::Result<()> {
    let installed = rustup(&["target", "list", "--installed"])?;
    for target in TARGETS {
        if !installed.lines().any(|line| line == target) {
            progress::step(&format!("rustup target add {target}"), || {
                rustup(&["target", "add", target])
            })?;
        }
    }
    Ok(())
}

/// The formatter and the linter, which the tests use.
///
/// # Errors
///
/// If they are missing, and rustup cannot add them.
pub fn add_components() -> anyhow::Result<()> {
    for (component, program) in [("rustfmt", "cargo-fmt"), ("clippy", "cargo-clippy")] {
        let works = Command::new(program)
            .arg("--version")
            .output()
            .is_ok_and(|output| output.status.success());
        if !works {
            progress::step(&format!("rustup component add {component}"), || {
                rustup(&["component", "add", component])
            })?;
        }
    }
    Ok(())
}
