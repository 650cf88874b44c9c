//! `cargo xtask build`: eduwdm.sys and the test drivers, nthost, eductl for this machine and
//! for Windows, collected in `target/out` under the names they are used by.

use std::{
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail};

use crate::{
    check, paths, progress, setup,
    toolchain::{self, DRIVER, KERNEL, Toolchain, WINDOWS},
};

/// The symbols of `eductl.exe`: what its linker makes, or what they are taken out of it as.
pub const EDUCTL_SYMBOLS: &str = if cfg!(windows) {
    "eductl.pdb"
} else {
    "eductl.debug"
};

/// Builds everything. Gives the compiler that did. On Windows this is what goes into the package:
/// nthost and its tests are for hosts that have QEMU.
///
/// # Errors
///
/// If something does not build.
pub fn run(options: &setup::Options) -> anyhow::Result<Toolchain> {
    if cfg!(windows) {
        return shipped(options);
    }
    let toolchain = setup::run(options)?;
    fs::create_dir_all(paths::out())?;
    progress::step("building the drivers", || {
        drivers(toolchain, options.wdk.as_deref())
    })?;
    check::image("eduwdm")?;
    progress::step("building nthost", || kernel(toolchain))?;
    progress::step("building eductl", eductl)?;
    // The machines here need none of what follows.
    progress::step("building eductl.exe", || eductl_for_windows(toolchain))?;
    progress::step("building its Win32 test", || win32_test(toolchain))?;
    Ok(toolchain)
}

/// Which drivers a machine needs from the project.
#[cfg(unix)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drivers {
    /// None: it has its own.
    None,
    /// `eduwdm.sys`.
    Rust,
    /// The test drivers in C too.
    All,
}

/// Builds what a machine needs, and no more: nthost, eductl, and these drivers.
///
/// # Errors
///
/// If something does not build.
#[cfg(unix)]
pub fn machine(options: &setup::Options, which: Drivers) -> anyhow::Result<()> {
    if paths::release().is_some() {
        if which == Drivers::None {
            return Ok(());
        }
        bail!("a release has no driver of its own: name an image, an INF file or a manifest");
    }
    let toolchain = setup::run(options)?;
    fs::create_dir_all(paths::out())?;
    if which != Drivers::None {
        progress::step("building the drivers", || {
            rust_drivers(toolchain, options.wdk.as_deref())?;
            if which == Drivers::All {
                c_drivers()
            } else {
                Ok(())
            }
        })?;
    }
    progress::step("building nthost", || kernel(toolchain))?;
    progress::step("building eductl", eductl)
}

/// Builds what goes into the package alone: the drivers, and eductl for Windows. Gives the
/// compiler that did.
///
/// # Errors
///
/// If something does not build.
pub fn shipped(options: &setup::Options) -> anyhow::Result<Toolchain> {
    let toolchain = setup::run(options)?;
    fs::create_dir_all(paths::out())?;
    progress::step("building the drivers", || {
        drivers(toolchain, options.wdk.as_deref())
    })?;
    progress::step("building eductl.exe", || eductl_for_windows(toolchain))?;
    check::image("eduwdm")?;
    Ok(toolchain)
}

/// cargo in the driver workspace. On Windows it is plain cargo with the published crates.
///
/// # Errors
///
/// If the linker is not there.
pub fn driver_cargo(toolchain: Toolchain, command: &str) -> anyhow::Result<Command> {
    driver_cargo_in(&paths::driver(), toolchain, command)
}

/// The same in the folder of any driver whose configuration has the flags of
/// `driver/.cargo/config.toml`.
///
/// # Errors
///
/// If the linker is not there.
pub fn driver_cargo_in(
    folder: &Path,
    toolchain: Toolchain,
    command: &str,
) -> anyhow::Result<Command> {
    let mut cargo = toolchain.cargo(command, DRIVER);
    let target = paths::driver_target();
    cargo.current_dir(folder).arg("--target-dir").arg(&target);
    if cfg!(windows) {
        // Where build scripts write, too, if that has been set to be elsewhere.
        cargo.env("CARGO_BUILD_BUILD_DIR", &target);
    } else {
        // The flags are those of the folder's .cargo/config.toml, and this.
        cargo
            .arg("--config")
            .arg(paths::root().join("cross/config.toml"))
            .env(
                "CARGO_TARGET_X86_64_PC_WINDOWS_MSVC_LINKER",
                toolchain::rust_lld()?,
            )
            .env(
                "CARGO_TARGET_X86_64_PC_WINDOWS_MSVC_RUSTFLAGS",
                "-Clinker-flavor=lld-link",
            );
    }
    Ok(cargo)
}

/// Names the WDK whose headers are read, in the variable that the published `wdk-build` reads, too.
///
/// # Errors
///
/// If there is no such folder.
pub fn choose_wdk(cargo: &mut Command, wdk: Option<&Path>) -> anyhow::Result<()> {
    if let Some(wdk) = wdk {
        let folder = fs::canonicalize(wdk).with_context(|| wdk.display().to_string())?;
        cargo.env("WDKContentRoot", folder);
    }
    Ok(())
}

fn drivers(toolchain: Toolchain, wdk: Option<&Path>) -> anyhow::Result<()> {
    rust_drivers(toolchain, wdk)?;
    safe_layer(toolchain, wdk)?;
    if cfg!(unix) {
        c_drivers()?;
    }
    Ok(())
}

fn rust_drivers(toolchain: Toolchain, wdk: Option<&Path>) -> anyhow::Result<()> {
    let mut cargo = driver_cargo(toolchain, "build")?;
    choose_wdk(&mut cargo, wdk)?;
    // What serves the build scripts is built for this machine, as they are.
    cargo.args(["--release", "--workspace", "--exclude", "version-resource"]);
    for library in built(&mut cargo, "cdylib", "dll")? {
        let name = library
            .file_stem()
            .context("a library has a name")?
            .to_owned();
        copy(&library, &paths::out().join(&name).with_extension("sys"))?;
        let symbols = library.with_file_name(&name).with_extension("pdb");
        copy(&symbols, &paths::out().join(&name).with_extension("pdb"))?;
    }
    Ok(())
}

/// The safe layer as a library, for the tests that show what does not compile against it. They
/// run the compiler on a file each, which has no libraries of its own to offer that were not
/// installed with it: so with Debian's, which must build them, there are no such tests.
fn safe_layer(toolchain: Toolchain, wdk: Option<&Path>) -> anyhow::Result<()> {
    let library = paths::out().join("libwdm.rlib");
    if toolchain == Toolchain::Debian {
        return match fs::remove_file(&library) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        };
    }
    let mut cargo = driver_cargo(toolchain, "build")?;
    choose_wdk(&mut cargo, wdk)?;
    cargo.args(["--release", "--package", "wdm"]);
    for built in built(&mut cargo, "lib", "rlib")? {
        if built.file_name().is_some_and(|name| name == "libwdm.rlib") {
            copy(&built, &library)?;
        }
    }
    Ok(())
}

/// The test drivers in C: their compiler is not rustc.
fn c_drivers() -> anyhow::Result<()> {
    let script = paths::root().join("tests/drivers/c/build.sh");
    let output = Command::new(&script).arg(paths::out()).output();
    let output = output.with_context(|| script.display().to_string())?;
    if !output.status.success() {
        bail!(
            "{}:\n{}",
            script.display(),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

/// nthost alone.
///
/// # Errors
///
/// If it does not build.
pub fn kernel(toolchain: Toolchain) -> anyhow::Result<()> {
    let mut cargo = toolchain.cargo("build", KERNEL);
    cargo.args(["--package", "nthost"]);
    for image in built(&mut cargo, "bin", "")? {
        copy(&image, &paths::out().join("nthost"))?;
    }
    Ok(())
}

fn eductl() -> anyhow::Result<()> {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--package", "eductl"])
        .current_dir(paths::root());
    for program in built(&mut cargo, "bin", std::env::consts::EXE_EXTENSION)? {
        copy(
            &program,
            &paths::out().join(program.file_name().context("a program has a name")?),
        )?;
    }
    Ok(())
}

/// The program as it is shipped: optimised, with its symbols in a file beside it.
fn eductl_for_windows(toolchain: Toolchain) -> anyhow::Result<()> {
    let mut cargo = toolchain.cargo("build", if cfg!(windows) { DRIVER } else { WINDOWS });
    cargo.args(["--release", "--package", "eductl"]);
    // A Windows that was installed just now lacks the compiler's run-time library
    // (VCRUNTIME140.dll). The package refuses a program that needs it.
    cargo.env(
        "CARGO_TARGET_X86_64_PC_WINDOWS_MSVC_RUSTFLAGS",
        "-Ctarget-feature=+crt-static",
    );
    for program in built(&mut cargo, "bin", "exe")? {
        let to = paths::out().join(program.file_name().context("a program has a name")?);
        if cfg!(windows) {
            copy(&program, &to)?;
            let symbols = to.with_file_name(EDUCTL_SYMBOLS);
            copy(&program.with_extension("pdb"), &symbols)?;
        } else {
            split_symbols(&program, &to)?;
        }
    }
    Ok(())
}

/// Copies a program without its symbols, and these beside it, where GDB finds them by name.
fn split_symbols(program: &Path, to: &Path) -> anyhow::Result<()> {
    let symbols = to.with_file_name(EDUCTL_SYMBOLS);
    // In a folder of its own: what is linked to is looked for by the name alone.
    let folder = tempfile::tempdir()?;
    let new = folder.path().join(symbols.file_name().context("a name")?);
    objcopy(&[
        OsStr::new("--only-keep-debug"),
        program.as_os_str(),
        new.as_os_str(),
    ])?;
    let mut link = OsString::from("--add-gnu-debuglink=");
    link.push(&new);
    let stripped = folder.path().join("stripped.exe");
    objcopy(&[
        OsStr::new("--strip-all"),
        &link,
        program.as_os_str(),
        stripped.as_os_str(),
    ])?;
    copy(&new, &symbols)?;
    copy(&stripped, to)
}

fn objcopy(arguments: &[&OsStr]) -> anyhow::Result<()> {
    let mut command = Command::new("x86_64-w64-mingw32-objcopy");
    let output = command.args(arguments).output().context("objcopy")?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// The test of eductl's Win32 side, which Wine can run.
fn win32_test(toolchain: Toolchain) -> anyhow::Result<()> {
    let mut cargo = toolchain.cargo("test", WINDOWS);
    // As the program is built, so that what both stand on is built once.
    cargo.args([
        "--release",
        "--package",
        "eductl",
        "--test",
        "win32",
        "--no-run",
    ]);
    for test in built(&mut cargo, "test", "exe")? {
        copy(&test, &paths::out().join("win32-test.exe"))?;
    }
    Ok(())
}

/// Runs cargo, and gives the files of this kind and extension that it built or found built.
///
/// # Errors
///
/// If it fails.
pub fn built(cargo: &mut Command, kind: &str, extension: &str) -> anyhow::Result<Vec<PathBuf>> {
    let output = cargo
        .args(["--quiet", "--message-format=json-render-diagnostics"])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cargo")?;
    if !output.status.success() {
        bail!("cargo failed: {cargo:?}");
    }
    let mut files = Vec::new();
    for line in output
        .stdout
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let message: serde_json::Value = serde_json::from_slice(line)?;
        let is_kind = message["target"]["kind"]
            .as_array()
            .is_some_and(|kinds| kinds.iter().any(|other| other == kind));
        if message["reason"] != "compiler-artifact" || !is_kind {
            continue;
        }
        let names = message["filenames"].as_array().into_iter().flatten();
        files.extend(
            names
                .filter_map(serde_json::Value::as_str)
                .map(PathBuf::from)
                .filter(|file| file.extension().unwrap_or_default() == extension),
        );
    }
    Ok(files)
}

/// Copies a file unless the copy is the same already: what depends on it stays as it is.
///
/// # Errors
///
/// If it cannot be read or written.
pub fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let content = fs::read(from).with_context(|| from.display().to_string())?;
    if fs::read(to).is_ok_and(|old| old == content) {
        return Ok(());
    }
    // A program that runs cannot be written over, but it can be replaced.
    let new = to.with_extension("new");
    fs::copy(from, &new).with_context(|| new.display().to_string())?;
    fs::rename(&new, to).with_context(|| to.display().to_string())
}
