//! Makes the package: checks everything, signs, and only then writes.

mod error;
mod verify;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use der::Encode;
use rsa::rand_core::{OsRng, RngCore};

use crate::inf::Document;
use crate::inf::driver_version::{Date, Version};
use crate::inf::encoding;
use crate::inf::facts::Facts;
use crate::inf::stamp::{self, StampError};
use crate::lint::{self, Finding, Level};
use crate::pe::hygiene::{self, Table};
use crate::pe::program;
use crate::publish::{self, Content};
use crate::sign::authenticode::{self, AuthenticodeError};
use crate::sign::catalog::{self, File, Subject};
use crate::sign::certificate::{self, CertificateError, Signer};
use crate::sign::time_stamp::TimeStamper;
pub use error::PackageError;
use verify::verify;

/// A program that is larger has its symbols in it, or was not optimised.
const MOST_PROGRAM_BYTES: usize = 8 << 20;

/// What is packed, and how.
#[derive(Clone, Debug)]
pub struct Request {
    /// The INF file.
    pub inf: PathBuf,
    /// The driver's image.
    pub driver: PathBuf,
    /// Its PDB, if it goes along.
    pub pdb: Option<PathBuf>,
    /// Programs that go along; they are signed too.
    pub programs: Vec<PathBuf>,
    /// Further files that the INF file installs; the images among them are signed too.
    pub installed: Vec<PathBuf>,
    /// Files that go along and are made here.
    pub made: Vec<Content>,
    /// Whether the driver must be as the project's own: with its flags, and of the INF file's date
    /// and version. Of another one only what Windows needs is looked at.
    pub is_own: bool,
    /// Files that go along as they are.
    pub extras: Vec<PathBuf>,
    /// The version for the INF file; without one, the file's own counts.
    pub stamp: Option<Version>,
    /// Now.
    pub now: SystemTime,
    /// Whose signature it is.
    pub signer: Signer,
    /// Who says when it was made.
    pub stamper: Option<TimeStamper>,
    /// Where the package goes; the zip file stands beside it.
    pub folder: PathBuf,
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The driver's properties.
    pub table: Table,
    /// What the linter said, all of it warnings.
    pub warnings: Vec<Finding>,
    /// `DriverVer` of the INF file.
    pub version: (Date, Version),
    /// The files and their lengths.
    pub files: Vec<(String, usize)>,
    /// Whose signature it is.
    pub signer: String,
    /// The zip file.
    pub zip: PathBuf,
}

fn read(path: &Path) -> Result<Vec<u8>, PackageError> {
    std::fs::read(path).map_err(|error| PackageError::Read {
        path: path.to_owned(),
        error,
    })
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The day of a moment, in UTC, as `DriverVer` and the catalog count.
fn day(at: SystemTime) -> Date {
    der::DateTime::from_system_time(at).map_or(
        Date {
            year: 1980,
            month: 1,
            day: 1,
        },
        |at| Date {
            year: at.year(),
            month: at.month(),
            day: at.day(),
        },
    )
}

/// The INF file as it goes into the package.
struct Inf {
    bytes: Vec<u8>,
    facts: Facts,
    warnings: Vec<Finding>,
    date: Date,
    version: Version,
}

fn inf(request: &Request) -> Result<Inf, PackageError> {
    let path = || request.inf.clone();
    let bytes = read(&request.inf)?;
    let (text, encoding) = encoding::decode(&bytes).map_err(|error| PackageError::Encoding {
        path: path(),
        error,
    })?;
    let text = match request.stamp {
        None => text,
        Some(version) => {
            stamp::stamp(&text, day(request.now), version).map_err(|error| PackageError::Stamp {
                path: path(),
                error,
            })?
        }
    };
    let document = Document::parse(&text);
    let (errors, warnings): (Vec<Finding>, Vec<Finding>) =
        lint::lint(&document, &lint::Options::default())
            .into_iter()
            .partition(|finding| finding.rule.level == Level::Error);
    if !errors.is_empty() {
        return Err(PackageError::Inf {
            path: path(),
            findings: errors,
        });
    }
    let facts = Facts::of(&document);
    // The linter has seen to it that both are there.
    let (Some(date), Some(version)) = (facts.date, facts.version) else {
        return Err(PackageError::Stamp {
            path: path(),
            error: StampError::NoDriverVersion,
        });
    };
    // Windows reads lines that end in CR LF everywhere; a file that has them keeps them.
    let text = if text.contains("\r\n") {
        text
    } else {
        text.replace('\n', "\r\n")
    };
    let bytes = encoding::encode(&text, encoding);
    Ok(Inf {
        bytes,
        facts,
        warnings,
        date,
        version,
    })
}

/// Whether INF file and driver belong together.
fn agree(request: &Request, inf: &Inf) -> Result<(), PackageError> {
    let out_of_date = |why: String| PackageError::OutOfDate {
        inf: request.inf.clone(),
        driver: request.driver.clone(),
        why,
    };
    let driver = name(&request.driver);
    let has = |file: &str| {
        let others = request.installed.iter().map(|path| name(path));
        others
            .chain([driver.clone()])
            .any(|one| one.eq_ignore_ascii_case(file))
    };
    for file in &inf.facts.files {
        if !has(file) {
            return Err(out_of_date(format!(
                "it installs {file}, which the package has not"
            )));
        }
    }
    if !inf
        .facts
        .files
        .iter()
        .any(|file| file.eq_ignore_ascii_case(&driver))
    {
        return Err(out_of_date(format!("it does not install {driver}")));
    }
    let today = day(request.now);
    if inf.date > today {
        return Err(out_of_date(format!(
            "its DriverVer is of {}, which is in the future",
            inf.date
        )));
    }
    if !request.is_own {
        return Ok(());
    }
    let built = std::fs::metadata(&request.driver)
        .and_then(|metadata| metadata.modified())
        .map_err(|error| PackageError::Read {
            path: request.driver.clone(),
            error,
        })?;
    if inf.date < day(built) {
        let why = format!(
            "its DriverVer is of {}, but the driver was built on {}",
            inf.date,
            day(built)
        );
        return Err(out_of_date(why));
    }
    Ok(())
}

/// The version that an image's resource gives, if it has one that can be read.
fn image_version(image: &[u8]) -> Option<Version> {
    let pe = object::read::pe::PeFile64::parse(image).ok()?;
    Some(crate::pe::version::of(&pe).ok()??.file_version)
}

fn driver_table(request: &Request, inf: &Inf, image: &[u8]) -> Result<Table, PackageError> {
    let version = image_version(image).filter(|version| *version != inf.version);
    if let Some(version) = version.filter(|_| request.is_own) {
        return Err(PackageError::OutOfDate {
            inf: request.inf.clone(),
            driver: request.driver.clone(),
            why: format!(
                "its DriverVer is {}, the driver's version is {version}; build the driver again",
                inf.version
            ),
        });
    }
    let pdb = request.pdb.as_deref().map(read).transpose()?;
    let failed = |why: String| PackageError::Unfit {
        path: request.driver.clone(),
        why,
    };
    // Signing sets the checksum, so it is judged as it will be.
    let mut judged = image.to_vec();
    crate::pe::checksum::set(&mut judged).map_err(failed)?;
    let version = request.is_own.then_some(inf.version);
    let table = hygiene::check(&judged, pdb.as_deref(), version).map_err(failed)?;
    if table.bad().next().is_some() && request.is_own {
        let bad = Table(table.bad().cloned().collect());
        return Err(failed(bad.to_string()));
    }
    Ok(table)
}

fn sign(request: &Request, path: &Path, image: &[u8]) -> Result<Content, PackageError> {
    let name = name(path);
    let bytes = authenticode::sign(image, &name, &request.signer, request.stamper.as_ref())
        .map_err(|error| PackageError::Sign {
            path: path.to_owned(),
            error,
        })?;
    Ok(Content { name, bytes })
}

/// Checks and signs a program.
fn program(request: &Request, path: &Path) -> Result<Content, PackageError> {
    let image = read(path)?;
    let unfit = |why: String| PackageError::Unfit {
        path: path.to_owned(),
        why,
    };
    let foreign = program::foreign(&image).map_err(unfit)?;
    if !foreign.is_empty() {
        return Err(unfit(format!(
            "it needs {}, which a Windows that was installed just now may lack. If it is the \
             compiler's run-time library, build with -Ctarget-feature=+crt-static: RUSTFLAGS in \
             the environment takes the place of that",
            foreign.join(", ")
        )));
    }
    if image.len() > MOST_PROGRAM_BYTES {
        return Err(unfit(format!(
            "it has {} bytes, of which most are symbols: they belong beside it",
            image.len()
        )));
    }
    sign(request, path, &image)
}

/// A file that the INF file installs besides the driver: signed if it is an image.
fn installed(request: &Request, path: &Path) -> Result<Content, PackageError> {
    let bytes = read(path)?;
    if bytes.starts_with(b"MZ") {
        return sign(request, path, &bytes);
    }
    let name = name(path);
    Ok(Content { name, bytes })
}

/// Checks everything, signs, and writes the package.
///
/// # Errors
/// Whatever is wrong, before anything is written.
pub fn make(request: &Request) -> Result<Outcome, PackageError> {
    request.signer.check(request.now)?;
    let inf = inf(request)?;
    agree(request, &inf)?;
    let image = read(&request.driver)?;
    let table = driver_table(request, &inf, &image)?;

    let driver = sign(request, &request.driver, &image)?;
    let inf_file = Content {
        name: name(&request.inf),
        bytes: inf.bytes.clone(),
    };
    let mut covered = vec![inf_file, driver];
    for path in &request.installed {
        covered.push(installed(request, path)?);
    }
    let catalog = make_catalog(request, &inf, &covered)?;
    verify(&covered, &catalog)?;

    let mut files = covered;
    files.push(catalog);
    files.extend_from_slice(&request.made);
    for path in &request.programs {
        files.push(program(request, path)?);
    }
    for path in request.extras.iter().chain(&request.pdb) {
        files.push(Content {
            name: name(path),
            bytes: read(path)?,
        });
    }
    let certificate = request.signer.certificate();
    let stem = request.inf.with_extension("cer");
    files.push(Content {
        name: name(&stem),
        bytes: certificate.to_der().map_err(CertificateError::Der)?,
    });
    files.sort_by(|a, b| a.name.cmp(&b.name));
    let zip = publish::publish(&request.folder, &files, inf.date).map_err(|error| {
        PackageError::Write {
            path: request.folder.clone(),
            error,
        }
    })?;
    Ok(Outcome {
        table,
        warnings: inf.warnings,
        version: (inf.date, inf.version),
        files: files
            .into_iter()
            .map(|file| (file.name, file.bytes.len()))
            .collect(),
        signer: certificate::subject(certificate),
        zip,
    })
}

fn make_catalog(
    request: &Request,
    inf: &Inf,
    covered: &[Content],
) -> Result<Content, PackageError> {
    let failed = |error: AuthenticodeError| PackageError::Sign {
        path: PathBuf::from(&inf.facts.catalog),
        error,
    };
    let mut identifier = [0; 16];
    OsRng.fill_bytes(&mut identifier);
    let files: Vec<_> = covered
        .iter()
        .map(|file| File {
            name: &file.name,
            bytes: &file.bytes,
        })
        .collect();
    let subject = Subject {
        device_ids: &inf.facts.device_ids,
        targets: &inf.facts.targets,
        identifier,
        time: der::DateTime::from_system_time(request.now).map_err(|error| failed(error.into()))?,
    };
    let bytes = catalog::sign(
        &files,
        &subject,
        &inf.facts.catalog,
        &request.signer,
        request.stamper.as_ref(),
    )
    .map_err(failed)?;
    Ok(Content {
        name: inf.facts.catalog.clone(),
        bytes,
    })
}
