//! `cargo xtask new NAME`: lays out a driver of one's own in a folder outside of the project.
//!
//! What is laid out are the files of `templates`, with the names of the driver put in. In that folder,
//! `cargo nt` is [`crate::driver`].

mod values;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};
use clap::Args;

use self::values::Values;
use crate::paths;

/// What it can be told.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Example:\n  cargo xtask new sample --device 'PCI\\VEN_1B36&DEV_0002' --folder ~/sample\n  cd ~/sample && cargo nt test"
)]
pub struct Options {
    /// The driver's name: of its image, its service and its INF file
    name: String,
    /// The hardware id of the device that it is for
    #[arg(
        long,
        value_name = "ID",
        required_unless_present = "root",
        conflicts_with = "root"
    )]
    device: Option<String>,
    /// It is for a device of software alone, which no bus reports
    #[arg(long)]
    root: bool,
    /// QEMU's name of the device, where the hardware id does not tell it
    #[arg(long, value_name = "MODEL", conflicts_with = "root")]
    model: Option<String>,
    /// It is written in C
    #[arg(long = "c")]
    in_c: bool,
    /// Where it is laid out: in a folder of its name here, if nothing is said
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// A file that is laid out: where, and of which template.
type File = (&'static str, &'static str);

/// What drivers in both languages have.
const COMMON: [File; 7] = [
    (
        ".cargo/config.toml",
        include_str!("templates/common/config.toml.in"),
    ),
    (".gitignore", "/target\n/test/target\n"),
    ("@NAME@.inf", include_str!("templates/common/driver.inf.in")),
    (
        "machine.toml",
        include_str!("templates/common/machine.toml.in"),
    ),
    (
        "test/Cargo.toml",
        include_str!("templates/common/test_cargo.toml.in"),
    ),
    (
        "test/lib.rs",
        include_str!("templates/common/test_lib.rs.in"),
    ),
    ("README.md", include_str!("templates/common/README.md.in")),
];

const RUST: [File; 3] = [
    ("Cargo.toml", include_str!("templates/rust/Cargo.toml.in")),
    ("build.rs", include_str!("templates/rust/build.rs.in")),
    ("src/lib.rs", include_str!("templates/rust/lib.rs.in")),
];

const C: [File; 2] = [
    ("@NAME@.c", include_str!("templates/c/driver.c.in")),
    ("@NAME@.rc", include_str!("templates/c/driver.rc.in")),
];

/// Lays it out.
///
/// # Errors
///
/// If the name or the hardware id is none, or something is there already.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let values = Values::of(
        &options.name,
        options.device.as_deref(),
        options.model.as_deref(),
        options.in_c,
    )?;
    let folder = options.folder.clone();
    let folder = folder.unwrap_or_else(|| PathBuf::from(&options.name));
    let folder = env::current_dir()?.join(folder);
    if folder.starts_with(fs::canonicalize(paths::root())?) {
        bail!(
            "{} is in the project's own folder: name another with --folder",
            folder.display()
        );
    }
    if folder.exists() {
        bail!("{} is there already", folder.display());
    }
    let own: &[File] = if options.in_c { &C } else { &RUST };
    for (name, template) in COMMON.iter().chain(own) {
        write(
            &folder.join(values.put_into(name)?),
            &values.put_into(template)?,
        )?;
    }
    format(&folder, COMMON.iter().chain(own));
    // The versions of all crates that the project's own drivers and programs are built with.
    if !options.in_c {
        write(
            &folder.join("Cargo.lock"),
            &fs::read_to_string(paths::driver().join("Cargo.lock"))?,
        )?;
    }
    write(
        &folder.join("test/Cargo.lock"),
        &fs::read_to_string(paths::root().join("Cargo.lock"))?,
    )?;
    println!(
        "{} is the driver of {}. In that folder:\n\n    cargo nt run         boots a machine with it and \
         shows its life there\n    cargo nt test        runs its test on such a machine\n    cargo nt \
         package     makes a signed package of it\n",
        folder.display(),
        values.device()
    );
    if values.needs_model() {
        println!(
            "Which device of QEMU that is, is not known here: name it in machine.toml. Its line is there, \
             as a comment.\n"
        );
    }
    Ok(())
}

/// Breaks the lines of the files in Rust, whose lengths the names have changed. Where there is no rustfmt,
/// they stay as they are.
fn format<'f>(folder: &Path, files: impl Iterator<Item = &'f File>) {
    let mut rustfmt = Command::new("rustfmt");
    rustfmt.args(["--edition", "2024"]);
    for (name, _) in files {
        let file = folder.join(name);
        if file.extension().is_some_and(|extension| extension == "rs") {
            rustfmt.arg(file);
        }
    }
    let _ = rustfmt.output();
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path.parent().context("a file is in a folder")?;
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    fs::write(path, text).with_context(|| path.display().to_string())
}
