//! Why a package was not made.

use std::path::PathBuf;

use thiserror::Error;

use crate::inf::encoding::EncodingError;
use crate::inf::stamp::StampError;
use crate::lint::Finding;
use crate::sign::authenticode::AuthenticodeError;
use crate::sign::certificate::CertificateError;

/// A package that was not made. Nothing was written.
#[derive(Debug, Error)]
pub enum PackageError {
    /// A file cannot be read.
    #[error("{path}: {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The INF file's encoding.
    #[error("{path}: {error}")]
    Encoding {
        /// The file.
        path: PathBuf,
        /// What it is.
        error: EncodingError,
    },
    /// The INF file cannot be stamped.
    #[error("{path}: {error}")]
    Stamp {
        /// The file.
        path: PathBuf,
        /// Why.
        error: StampError,
    },
    /// The INF file breaks rules.
    #[error("{path} breaks {} rules of InfVerif:\n{}", findings.len(), join(findings))]
    Inf {
        /// The file.
        path: PathBuf,
        /// Which.
        findings: Vec<Finding>,
    },
    /// INF file and driver do not belong together.
    #[error("{inf} is out of date with {driver}: {why}")]
    OutOfDate {
        /// The INF file.
        inf: PathBuf,
        /// The driver.
        driver: PathBuf,
        /// In what.
        why: String,
    },
    /// The driver or a program is not fit to be shipped.
    #[error("{path} is not fit to be shipped:\n{why}")]
    Unfit {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The certificate will not do.
    #[error("the certificate cannot be used: {0}")]
    Certificate(#[from] CertificateError),
    /// Signing failed.
    #[error("{path} cannot be signed: {error}")]
    Sign {
        /// The file.
        path: PathBuf,
        /// Why.
        error: AuthenticodeError,
    },
    /// What was made does not verify, which is a fault of this program.
    #[error("the signed package does not verify: {0}")]
    Verify(String),
    /// The package cannot be written.
    #[error("{path}: {error}; nothing was changed")]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
}

fn join(findings: &[Finding]) -> String {
    let shown: Vec<String> = findings.iter().map(ToString::to_string).collect();
    shown.join("\n")
}
