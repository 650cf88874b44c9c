//! `cargo xtask package`: the command line, and what it prints.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::Args;
use thiserror::Error;

use crate::assemble::{self, Outcome, PackageError, Request};
use crate::inf::driver_version::Version;
use crate::inf::facts::Facts;
use crate::inf::{Document, encoding};
use crate::publish::Content;
use crate::scripts::{self, Names};
use crate::sign::certificate::{self, CertificateError, Signer};
use crate::sign::test_certificate::{self, TestCertificateError};
use crate::sign::time_stamp::{TimeStampError, TimeStamper};

/// The variable with the password of a certificate's file. It is no argument, because other users
/// of the machine could read it there.
const PASSWORD: &str = "EDUWDM_PASSWORD";

/// Makes the driver package: a folder and a zip file to copy to a Windows test machine, where
/// install.ps1 installs it. Everything is checked and signed before anything is written.
#[derive(Args, Clone, Debug, Default)]
#[command(
    after_help = "Example:\n  cargo xtask package\n  cargo xtask package --certificate mine.pfx --time-stamp http://time.example/\n  cargo xtask package --inf my.inf"
)]
pub struct Arguments {
    /// The certificate that signs: a PFX file, or a PEM file. Its password is taken from the
    /// variable EDUWDM_PASSWORD. Without it, a test certificate signs, which is made on first use
    /// and kept with your own data.
    #[arg(long, value_name = "FILE")]
    pub certificate: Option<PathBuf>,
    /// The certificate's private key, where it is in a PEM file of its own.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub key: Option<PathBuf>,
    /// A time-stamp server (RFC 3161), so that signatures outlive the certificate.
    #[arg(long, value_name = "URL")]
    pub time_stamp: Option<String>,
    /// Where the package goes; the zip file stands beside it.
    #[arg(long, value_name = "FOLDER")]
    pub output: Option<PathBuf>,
    /// Another INF file, whose date and version are left as they are: that of any driver. What it
    /// installs is looked for beside it, and goes along with scripts under its names.
    #[arg(long, value_name = "FILE")]
    pub inf: Option<PathBuf>,
    /// The folder with what that INF file installs, if it is not the INF file's own.
    #[arg(long, value_name = "FOLDER", requires = "inf")]
    pub files: Option<PathBuf>,
}

/// What the build made.
#[derive(Clone, Debug)]
pub struct Built {
    /// `eduwdm.sys`
    pub driver: PathBuf,
    /// Its PDB.
    pub pdb: Option<PathBuf>,
    /// `eductl.exe`
    pub programs: Vec<PathBuf>,
    /// Its symbols.
    pub symbols: Vec<PathBuf>,
}

/// A package that was not made. Nothing was written.
#[derive(Debug, Error)]
pub enum CommandError {
    /// A file of the command line.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The person's own certificate.
    #[error("{path}: {error}")]
    Certificate {
        /// Which.
        path: PathBuf,
        /// Why.
        error: CertificateError,
    },
    /// The test certificate.
    #[error(transparent)]
    TestCertificate(#[from] TestCertificateError),
    /// The time-stamp server.
    #[error(transparent)]
    TimeStamp(#[from] TimeStampError),
    /// The project's version is none that Windows knows.
    #[error("the version {0} is no version of up to four numbers")]
    Version(String),
    /// The INF file of another driver.
    #[error("{path}: {what}")]
    Other {
        /// Which.
        path: PathBuf,
        /// What is wrong with it, or with what it names.
        what: String,
    },
    /// The package itself.
    #[error(transparent)]
    Package(#[from] PackageError),
}

fn read(path: &Path) -> Result<Vec<u8>, CommandError> {
    std::fs::read(path).map_err(|error| CommandError::File {
        path: path.to_owned(),
        error,
    })
}

/// The signer that was asked for.
fn signer(arguments: &Arguments, now: SystemTime) -> Result<Signer, CommandError> {
    let Some(path) = &arguments.certificate else {
        let (signer, path, new) = test_certificate::obtain(&test_certificate::folder()?, now)?;
        if new {
            println!(
                "made a test certificate, valid for ten years: {}",
                path.display()
            );
        }
        return Ok(signer);
    };
    let file = read(path)?;
    let key = arguments.key.as_deref().map(read).transpose()?;
    let password = std::env::var(PASSWORD).unwrap_or_default();
    certificate::read(&file, key.as_deref(), &password).map_err(|error| CommandError::Certificate {
        path: path.clone(),
        error,
    })
}

/// Now, or the moment that SOURCE_DATE_EPOCH gives for builds that shall be alike.
fn now() -> SystemTime {
    std::env::var("SOURCE_DATE_EPOCH")
        .ok()
        .and_then(|seconds| seconds.parse().ok())
        .map_or_else(SystemTime::now, |seconds| {
            SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
        })
}

/// The files that go along, besides what is built: the scripts and the licence.
fn extras(root: &Path) -> Vec<PathBuf> {
    [
        "inf/install.ps1",
        "inf/verify.ps1",
        "inf/remove.ps1",
        "inf/eduwdm.psm1",
        "LICENSE",
    ]
    .iter()
    .map(|name| root.join(name))
    .collect()
}

/// Makes the package of a project's build, and prints what it is. `version` is the project's.
///
/// # Errors
/// Whatever is wrong, before anything is written.
pub fn run(
    arguments: &Arguments,
    built: &Built,
    root: &Path,
    version: &str,
) -> Result<Outcome, CommandError> {
    let now = now();
    let stamp = match arguments.inf {
        Some(_) => None,
        None => Some(
            Version::from_cargo(version)
                .ok_or_else(|| CommandError::Version(version.to_owned()))?,
        ),
    };
    let mut request = Request {
        inf: arguments
            .inf
            .clone()
            .unwrap_or_else(|| root.join("inf/eduwdm.inf")),
        driver: built.driver.clone(),
        pdb: built.pdb.clone(),
        programs: built.programs.clone(),
        installed: Vec::new(),
        made: Vec::new(),
        is_own: true,
        extras: [extras(root), built.symbols.clone()].concat(),
        stamp,
        now,
        signer: signer(arguments, now)?,
        stamper: arguments
            .time_stamp
            .as_deref()
            .map(TimeStamper::new)
            .transpose()?,
        folder: arguments
            .output
            .clone()
            .unwrap_or_else(|| root.join("target/package/eduwdm")),
    };
    if let Some(other) = other(arguments)? {
        request.folder = arguments
            .output
            .clone()
            .unwrap_or_else(|| root.join("target/package").join(&other.names.stem));
        request.driver = other.driver;
        request.pdb = other.pdb;
        request.programs = Vec::new();
        request.installed = other.installed;
        request.made = other.scripts;
        request.is_own = false;
        request.extras = Vec::new();
    }
    let outcome = assemble::make(&request)?;
    show(&outcome, &request);
    Ok(outcome)
}

/// Another driver.
#[derive(Debug)]
pub struct Other {
    names: Names,
    driver: PathBuf,
    pdb: Option<PathBuf>,
    installed: Vec<PathBuf>,
    scripts: Vec<Content>,
}

/// The driver whose INF file was given, if it is not the project's.
///
/// # Errors
///
/// If a file that it names is not there, or a name cannot be in the scripts.
pub fn other(arguments: &Arguments) -> Result<Option<Other>, CommandError> {
    let Some(inf) = &arguments.inf else {
        return Ok(None);
    };
    let fault = |what: String| CommandError::Other {
        path: inf.clone(),
        what,
    };
    let (text, _) = encoding::decode(&read(inf)?).map_err(|error| fault(error.to_string()))?;
    let facts = Facts::of(&Document::parse(&text));
    if facts
        .files
        .iter()
        .all(|file| file.eq_ignore_ascii_case("eduwdm.sys"))
    {
        return Ok(None);
    }
    let folder = arguments.files.as_deref().or_else(|| inf.parent());
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| Path::new("."));
    let mut installed = Vec::new();
    for file in &facts.files {
        if file.contains('\\') {
            return Err(fault(format!(
                "{file} is in a folder of its own, and the package has none"
            )));
        }
        installed.push(
            on_disk(folder, file)
                .ok_or_else(|| fault(format!("{file} is not in {}", folder.display())))?,
        );
    }
    let is_image = |path: &PathBuf| {
        path.extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("sys"))
    };
    let place = installed.iter().position(is_image);
    let place = place.ok_or_else(|| fault("it installs no .sys file".to_owned()))?;
    let driver = installed.remove(place);
    let pdb = driver.with_extension("pdb");
    let name = |path: &Path| {
        path.file_name()
            .map(|name| name.to_string_lossy().into_owned())
    };
    let names = Names {
        stem: name(&inf.with_extension("")).unwrap_or_default(),
        image: name(&driver).unwrap_or_default(),
    };
    Ok(Some(Other {
        scripts: scripts::of(&names, &facts).map_err(fault)?,
        names,
        pdb: pdb.is_file().then_some(pdb),
        driver,
        installed,
    }))
}

/// A file by its name, in which Windows does not tell capitals from small letters.
fn on_disk(folder: &Path, file: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    entries
        .filter_map(Result::ok)
        .find(|entry| entry.file_name().eq_ignore_ascii_case(file))
        .map(|entry| entry.path())
}

fn show(outcome: &Outcome, request: &Request) {
    let name = |path: &Path| path.file_name().unwrap_or_default().display().to_string();
    let inf = name(&request.inf);
    println!("{}:\n{}", name(&request.driver), outcome.table);
    for warning in &outcome.warnings {
        println!("{inf}, {warning}");
    }
    let (date, version) = outcome.version;
    println!("{inf}: passes every rule of InfVerif for Windows Drivers that can be checked");
    println!("            without Windows; DriverVer = {date},{version}");
    let stamped = if request.stamper.is_some() {
        ", with a time stamp"
    } else {
        ""
    };
    println!("signed by {}{stamped}\n", outcome.signer);
    for (name, length) in &outcome.files {
        println!("  {length:>9}  {name}");
    }
    println!(
        "\n{}\n{}\nCopy either to a Windows test machine and run install.ps1 there; \
         docs/src/install.md says how.",
        request.folder.display(),
        outcome.zip.display()
    );
}
