//! What the published `wdk-build` demands of a driver's build on Windows, asked of itself.
//!
//! On Windows that crate configures the build; elsewhere a drop-in does (`cross/wdk-build`), which
//! demands less. So a change of ours can break the build on Windows alone. This runs the published
//! crate's own code over a copy of the tree, as a checkout on Windows would have it: it must find
//! the driver's workspace, one driver model, the flags that cargo has in effect there, and the
//! WDK's folders. Of the crate, what does not compile on other hosts is replaced in a copy: the
//! environment and links for cargo-make, which are not used here, and the registry.
//!
//! Sources in wdk-build 0.6.0: `find_top_level_cargo_manifest`, `Config::from_env_auto`,
//! `metadata::Wdk::try_from`, `configure_binary_build`, `is_crt_static_linked`, `library_paths`
//! and `include_paths` in `src/lib.rs` and `src/metadata/mod.rs`, `wdk_default` in
//! `src/bindgen.rs`.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Mutex,
};

use anyhow::{Context, bail};

use crate::{paths, toolchain::DRIVER};

mod drop_in;

/// The drop-in's version: what wdk-sys asks for, and what is published under this number.
const VERSION: &str = "0.6.0";
/// A version of the WDK, for the folder that stands for one.
const WDK: &str = "10.0.26100.0";

#[test]
fn the_published_crate_takes_the_builds_that_the_readme_tells_and_no_wrong_ones()
-> anyhow::Result<()> {
    let place = paths::target().join("published");
    let probe = Probe {
        program: program(&place)?,
        arguments: Vec::new(),
        tree: tree(&place)?,
        wdk: wdk(&place)?,
    };
    let features = probe.features(None)?;

    // As the guide has it: cargo in `driver`, and nothing else; and as `cargo xtask build` does.
    for target in ["driver/target/release", "driver/target/x/release"] {
        let said = probe.configured(target, &features)?;
        for line in ["/DRIVER", "/ENTRY:DriverEntry", "driver_type=\"WDM\""] {
            if !said.contains(line) {
                bail!("the published wdk-build did not say {line} of {target}:\n{said}");
            }
        }
    }

    // What was wrong once must be seen: built beside the host workspace, whose Cargo.lock is the
    // first one above; and flags in the environment, which take the place of the file's.
    probe.refused("target/driver/release", &features, "no WDK configuration")?;
    let features = probe.features(Some("-Dwarnings"))?;
    probe.refused("driver/target/release", &features, "C runtime")
}

/// The crates say it in their documentation only: nothing in the kernel unwinds a panic, so that
/// a driver's profiles end it.
#[test]
fn no_profile_of_the_drivers_unwinds() {
    let manifest = fs::read_to_string(paths::driver().join("Cargo.toml")).unwrap();
    for profile in ["dev", "release"] {
        let section = manifest.split(&format!("[profile.{profile}]\n")).nth(1);
        let section = section.and_then(|rest| rest.split("\n[").next());
        let section = section.unwrap_or_else(|| panic!("there is no profile {profile}"));
        assert!(
            section.lines().any(|line| line == "panic = \"abort\""),
            "{section}"
        );
    }
}

/// `cargo wdk build` makes a package of each member that says what driver it is, and asks for its
/// INF file: only the driver has one. The others go by what the workspace says.
#[test]
fn only_the_driver_itself_is_packed_by_cargo_wdk() {
    let drivers = paths::root().join("tests/drivers");
    for entry in fs::read_dir(drivers).unwrap() {
        let manifest = entry.unwrap().path().join("Cargo.toml");
        let text = fs::read_to_string(&manifest).unwrap_or_default();
        assert!(!text.contains("metadata.wdk"), "{}", manifest.display());
    }
    let driver = fs::read_to_string(paths::driver().join("Cargo.toml")).unwrap();
    for section in ["workspace", "package"] {
        let line = format!("\n[{section}.metadata.wdk.driver-model]\n");
        assert!(driver.contains(&line), "{line}");
    }
}

/// What of a checkout cargo reads: nobody's disk images.
const TREE: &[&str] = &[
    ".cargo",
    "Cargo.lock",
    "Cargo.toml",
    "abi",
    "cross",
    "driver",
    "inf",
    "nthost",
    "qemu",
    "tests",
    "userapp",
    "wdm",
    "xtask",
];

/// The published crate's code, ready to be run over a copy of the tree.
struct Probe {
    program: PathBuf,
    arguments: Vec<&'static str>,
    tree: PathBuf,
    wdk: PathBuf,
}

impl Probe {
    /// The target's features as cargo tells them to a build script in `driver`, with these flags
    /// in the environment.
    fn features(&self, flags: Option<&str>) -> anyhow::Result<String> {
        let mut cargo = Command::new("cargo");
        cargo
            .args(["rustc", "--quiet", "--release", "--lib", "--target", DRIVER])
            .args(["-Zunstable-options", "--print", "cfg"])
            // So that a stable cargo prints it.
            .env("RUSTC_BOOTSTRAP", "1")
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .current_dir(self.tree.join("driver"));
        if let Some(flags) = flags {
            cargo.env("RUSTFLAGS", flags);
        }
        let output = finished(&mut cargo)?;
        let text = String::from_utf8_lossy(&output.stdout);
        let features = text.lines().filter_map(|line| {
            let quoted = line.strip_prefix("target_feature=\"")?;
            quoted.strip_suffix('"')
        });
        Ok(features.collect::<Vec<_>>().join(","))
    }

    /// Where the driver's build script may write.
    fn out(&self, target: &str) -> PathBuf {
        self.tree.join(target).join("build/eduwdm-0/out")
    }

    /// What the crate says as part of the driver's build script that cargo runs in this target
    /// folder.
    fn ask(&self, target: &str, features: &str) -> anyhow::Result<Output> {
        let out = self.out(target);
        fs::create_dir_all(&out)?;
        let output = Command::new(&self.program)
            .args(&self.arguments)
            .env("OUT_DIR", out)
            .env("TARGET", DRIVER)
            .env("CARGO_CFG_TARGET_ARCH", "x86_64")
            .env("CARGO_CFG_TARGET_FEATURE", features)
            .env("WDKContentRoot", &self.wdk)
            .env_remove("Version_Number")
            .env_remove("CARGO_TARGET_DIR")
            .output()
            .with_context(|| self.program.display().to_string());
        fs::remove_dir_all(self.tree.join(target))?;
        output
    }

    fn configured(&self, target: &str, features: &str) -> anyhow::Result<String> {
        let output = self.ask(target, features)?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(text);
        }
        bail!(
            "the published wdk-build refuses the driver's build in {target}:\n{}",
            String::from_utf8_lossy(&output.stderr)
        )
    }

    fn refused(&self, target: &str, features: &str, why: &str) -> anyhow::Result<()> {
        let output = self.ask(target, features)?;
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() && said.contains(why) {
            return Ok(());
        }
        bail!("the published wdk-build no longer refuses {target} for {why:?}: {said}")
    }
}

/// The manifest of the program that asks, with the crate from here or from the registry.
fn manifest(name: &str, patch: &str) -> String {
    format!(
        "[workspace]\n\n[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         [dependencies]\nwdk-build = \"={VERSION}\"\nbindgen = \"0.73\"\n\n{patch}"
    )
}

/// Builds the program that asks the published crate.
fn program(place: &Path) -> anyhow::Result<PathBuf> {
    // Two tests ask it, in threads of one process.
    static BUILDING: Mutex<()> = Mutex::new(());
    let _building = BUILDING.lock();
    let (probe, copy) = (place.join("probe"), place.join("wdk-build"));
    let stamp = copy.join("patched");
    fs::create_dir_all(&probe)?;
    if !stamp.is_file() {
        write_probe(&probe, "")?;
        let mut cargo = Command::new("cargo");
        cargo
            .args(["metadata", "--format-version=1"])
            .current_dir(&probe);
        let metadata: serde_json::Value = serde_json::from_slice(&finished(&mut cargo)?.stdout)?;
        let packages = metadata["packages"].as_array().into_iter().flatten();
        let published = packages
            .filter(|package| package["name"] == "wdk-build")
            .find_map(|package| package["manifest_path"].as_str())
            .context("cargo knows no wdk-build")?;
        let published = Path::new(published).parent().context("a manifest")?;
        copy_folder(published, &copy)?;
        patch(&copy)?;
        fs::write(&stamp, VERSION)?;
    }
    build(place, "probe", &copy)
}

/// Builds the program with the crate that is in this folder.
fn build(place: &Path, name: &str, wdk_build: &Path) -> anyhow::Result<PathBuf> {
    let probe = place.join(name);
    write_probe(
        &probe,
        // A literal string, in which TOML has no escapes.
        &format!(
            "[patch.crates-io]\nwdk-build = {{ path = '{}' }}\n",
            wdk_build.display()
        ),
    )?;
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--quiet", "--target-dir"])
        .arg(place.join("target"))
        .current_dir(&probe);
    finished(&mut cargo)?;
    Ok(place.join("target/debug").join(name))
}

fn write_probe(probe: &Path, patch: &str) -> anyhow::Result<()> {
    fs::create_dir_all(probe.join("src"))?;
    fs::write(probe.join("src/main.rs"), include_str!("probe.rs"))?;
    let name = probe.file_name().context("a folder has a name")?;
    fs::write(
        probe.join("Cargo.toml"),
        manifest(&name.to_string_lossy(), patch),
    )?;
    Ok(())
}

/// Replaces what compiles on Windows alone.
fn patch(copy: &Path) -> anyhow::Result<()> {
    let utils = copy.join("src/utils.rs");
    let mut text = fs::read_to_string(&utils)?;
    replace(&mut text, "compile_error!(", "panic!(", 2)?;
    cut(&mut text, "use windows::{", "use crate::")?;
    cut(
        &mut text,
        "/// Read a string value from a registry key",
        "/// Detects the Windows SDK version",
    )?;
    text.push_str(
        "\nconst HKEY_LOCAL_MACHINE: () = ();\n\
         macro_rules! s { ($text:expr) => { $text }; }\n\
         use s;\n\
         fn read_registry_key_string_value((): (), _: &str, _: &str) -> Option<String> { None }\n",
    );
    fs::write(&utils, text)?;

    let cargo_make = copy.join("src/cargo_make.rs");
    let mut text = fs::read_to_string(&cargo_make)?;
    let (windows, unix) = ("os::windows::fs::symlink_file", "os::unix::fs::symlink");
    replace(&mut text, windows, unix, 2)?;
    fs::write(&cargo_make, text)?;

    let manifest = copy.join("Cargo.toml");
    let mut text = fs::read_to_string(&manifest)?;
    cut(&mut text, "[dependencies.windows]", "[dev-dependencies")?;
    fs::write(&manifest, text)?;
    Ok(())
}

fn replace(text: &mut String, from: &str, to: &str, times: usize) -> anyhow::Result<()> {
    if text.matches(from).count() != times {
        bail!("the published wdk-build has {from:?} another number of times than {times}");
    }
    *text = text.replace(from, to);
    Ok(())
}

/// Takes out what stands from one text up to another.
fn cut(text: &mut String, from: &str, to: &str) -> anyhow::Result<()> {
    let begin = text.find(from);
    let end = begin.and_then(|begin| Some(begin + text[begin..].find(to)?));
    let (Some(begin), Some(end)) = (begin, end) else {
        bail!("the published wdk-build has not {from:?} before {to:?}");
    };
    text.replace_range(begin..end, "");
    Ok(())
}

/// A copy of what a checkout has: cargo writes the lock file anew for the published crate.
fn tree(place: &Path) -> anyhow::Result<PathBuf> {
    let tree = place.join("tree");
    if tree.exists() {
        fs::remove_dir_all(&tree)?;
    }
    fs::create_dir_all(&tree)?;
    for name in TREE {
        let (from, to) = (paths::root().join(name), tree.join(name));
        if from.is_dir() {
            copy_folder(&from, &to)?;
        } else {
            fs::copy(&from, &to).with_context(|| from.display().to_string())?;
        }
    }
    Ok(tree)
}

/// The folders that are looked for in a WDK.
fn wdk(place: &Path) -> anyhow::Result<PathBuf> {
    let root = place.join("wdk");
    for folder in ["km/crt", "shared"] {
        fs::create_dir_all(root.join("Include").join(WDK).join(folder))?;
    }
    fs::create_dir_all(root.join("Lib").join(WDK).join("km/x64"))?;
    Ok(root)
}

/// Copies a folder, but not what cargo has built in it.
fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if !from.is_dir() {
            fs::copy(&from, &to).with_context(|| from.display().to_string())?;
        } else if entry.file_name() != OsStr::new("target") {
            copy_folder(&from, &to)?;
        }
    }
    Ok(())
}

fn finished(command: &mut Command) -> anyhow::Result<Output> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    if output.status.success() {
        return Ok(output);
    }
    bail!(
        "failed: {command:?}\n{}",
        String::from_utf8_lossy(&output.stderr)
    )
}
