//! The system packages that the build and the tests need, each with its reason.

use std::{env, path::Path, process::Command};

use anyhow::{Context, bail};

use crate::progress;

/// A Debian package.
struct Package {
    /// Its name in Debian.
    name: &'static str,
    /// Its name in Homebrew, where it has one.
    brew: Option<&'static str>,
    /// What it is needed for.
    reason: &'static str,
}

const fn package(name: &'static str, brew: Option<&'static str>, reason: &'static str) -> Package {
    Package { name, brew, reason }
}

/// All of them.
const PACKAGES: &[Package] = &[
    package("gcc", None, "links the tools that run on this machine"),
    package(
        "libc6-dev",
        None,
        "links the tools that run on this machine",
    ),
    package(
        "qemu-system-x86",
        Some("qemu"),
        "emulates the machines that nthost runs on",
    ),
    package(
        "clang",
        Some("llvm"),
        "has the headers that bindgen parses the kernel's with",
    ),
    package(
        "libclang-dev",
        None,
        "parses the kernel's headers for bindgen",
    ),
    package("llvm", None, "makes import libraries (llvm-dlltool)"),
    package(
        "mingw-w64-x86-64-dev",
        Some("mingw-w64"),
        "has the kernel's headers",
    ),
    package(
        "gcc-mingw-w64-x86-64",
        None,
        "builds the C test drivers, links eductl.exe",
    ),
    package("binutils-mingw-w64-x86-64", None, "links eductl.exe"),
    package("wine", None, "tries eductl.exe"),
    package("wine64", None, "tries eductl.exe"),
    package(
        "osslsigncode",
        Some("osslsigncode"),
        "checks signatures that the package is given",
    ),
    package("openssl", Some("openssl"), "checks signatures and catalogs"),
    package(
        "qemu-utils",
        None,
        "keeps a Windows image as it is, behind an overlay",
    ),
    package("ovmf", None, "starts Windows images by UEFI"),
    package(
        "xorriso",
        Some("xorriso"),
        "makes a medium that stands in for Windows' own in a test",
    ),
];

/// What Debian has in place of rustup's targets, where rustup can download none.
const RUST: &[Package] = &[
    package(
        "rustc-web",
        None,
        "a compiler whose library sources are at hand",
    ),
    package("cargo-web", None, "the cargo that goes with it"),
    package(
        "rust-web-src",
        None,
        "the sources that the libraries of other targets are built of",
    ),
];

/// What lints the workflow.
const NPM: &[Package] = &[
    package("nodejs", Some("node"), "runs the workflow's linter"),
    package("npm", None, "fetches the workflow's linter"),
];

/// Installs what is missing for build and tests.
///
/// # Errors
///
/// If something is missing and cannot be installed; the message has the list.
pub fn install() -> anyhow::Result<()> {
    ensure(PACKAGES)
}

/// Installs Debian's compiler and library sources.
///
/// # Errors
///
/// As [`install`].
pub fn install_rust() -> anyhow::Result<()> {
    ensure(RUST)
}

/// Installs npm, unless there is one: it also comes from elsewhere than Debian.
///
/// # Errors
///
/// As [`install`].
pub fn install_npm() -> anyhow::Result<()> {
    let works = |tool| Command::new(tool).arg("--version").output().is_ok();
    if works("node") && works("npm") {
        return Ok(());
    }
    if !has_dpkg() {
        bail!("node and npm are not found: they run the workflow's linter");
    }
    ensure(NPM)
}

fn has_dpkg() -> bool {
    Path::new("/var/lib/dpkg/status").exists()
}

fn is_installed(package: &Package) -> bool {
    Command::new("dpkg-query")
        .args(["-W", "-f=${db:Status-Status}", package.name])
        .output()
        .is_ok_and(|output| output.stdout == b"installed")
}

fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn ensure(packages: &[Package]) -> anyhow::Result<()> {
    if cfg!(windows) {
        // The WDK brings its own headers and libraries; nothing here is emulated.
        return Ok(());
    }
    if !has_dpkg() {
        return ensure_elsewhere(packages);
    }
    // What is installed may take away what was there in another version: then that is missing.
    for _ in 0..2 {
        let missing = missing(packages);
        if missing.is_empty() {
            return Ok(());
        }
        install_missing(&missing)?;
    }
    let missing = missing(packages);
    let names: Vec<_> = missing.iter().map(|package| package.name).collect();
    if names.is_empty() {
        return Ok(());
    }
    bail!(
        "apt-get has installed all packages, but these are missing: {}",
        names.join(" ")
    )
}

fn missing(packages: &[Package]) -> Vec<&Package> {
    let missing = packages.iter().filter(|package| !is_installed(package));
    missing.collect()
}

fn install_missing(missing: &[&Package]) -> anyhow::Result<()> {
    let names: Vec<_> = missing.iter().map(|package| package.name).collect();
    eprintln!("These system packages are missing:");
    for package in missing {
        eprintln!("  {:<28}{}", package.name, package.reason);
    }
    if !is_root() {
        bail!(
            "run `sudo apt-get install --no-install-recommends {}`",
            names.join(" ")
        );
    }
    progress::step("apt-get update", || apt(&["update"]))?;
    progress::step("apt-get install", || {
        let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
        arguments.extend(names);
        apt(&arguments)
    })
}

fn apt(arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("apt-get")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .arg("--quiet")
        .args(arguments)
        .output()
        .context("apt-get")?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    bail!(
        "apt-get {} failed:\n{}",
        arguments.join(" "),
        String::from_utf8_lossy(&said)
    )
}

/// A system without dpkg: the tools must be there; which package brings them is its own affair.
fn ensure_elsewhere(packages: &[Package]) -> anyhow::Result<()> {
    const TOOLS: &[&str] = &[
        "qemu-system-x86_64",
        "clang",
        "llvm-dlltool",
        "x86_64-w64-mingw32-gcc",
    ];
    let path = env::var_os("PATH").unwrap_or_default();
    let found = |tool: &str| env::split_paths(&path).any(|folder| folder.join(tool).is_file());
    let missing: Vec<_> = TOOLS.iter().filter(|tool| !found(tool)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    eprintln!("These tools are not found: {missing:?}. What is needed:");
    for package in packages {
        eprintln!("  {:<28}{}", package.name, package.reason);
    }
    if cfg!(target_os = "macos") {
        let names: Vec<_> = packages.iter().filter_map(|package| package.brew).collect();
        bail!("run `brew install {}`", names.join(" "));
    }
    bail!("install them by the names that this system has for them")
}
