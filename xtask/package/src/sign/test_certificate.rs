//! The test certificate: made on first use, kept with the user's own data, never in the project.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use der::EncodePem;
use der::asn1::{GeneralizedTime, UtcTime};
use rsa::RsaPrivateKey;
use rsa::pkcs1v15::SigningKey;
use rsa::pkcs8::{EncodePrivateKey, LineEnding};
use rsa::rand_core::{OsRng, RngCore};
use sha2::Sha256;
use thiserror::Error;
use x509_cert::Certificate;
use x509_cert::builder::{Builder, CertificateBuilder, Profile};
use x509_cert::ext::pkix::{
    BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectKeyIdentifier,
};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::SubjectPublicKeyInfoOwned;
use x509_cert::time::{Time, Validity};

use super::certificate::{self, CertificateError, Signer};
use super::oid;

/// Whose the certificate is.
pub const SUBJECT: &str = "CN=eduwdm test signing";
/// How long it holds.
const YEARS: u64 = 10;
/// The file's name.
const FILE: &str = "test-signing.pem";

/// A test certificate that could not be made or read.
#[derive(Debug, Error)]
pub enum TestCertificateError {
    /// There is no place for it.
    #[error("this user has no folder for data; give a certificate with --certificate")]
    NoFolder,
    /// The file system refused.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// What is there cannot be used.
    #[error("{path}: {error}; remove the file, and a new certificate is made")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: CertificateError,
    },
    /// It could not be made.
    #[error("no certificate could be made: {0}")]
    Make(String),
}

/// Where the certificate is kept: `$XDG_DATA_HOME/eduwdm`, or its like on other systems.
///
/// # Errors
/// Where the user has no home.
pub fn folder() -> Result<PathBuf, TestCertificateError> {
    directories::ProjectDirs::from("", "", "eduwdm")
        .map(|dirs| dirs.data_local_dir().to_owned())
        .ok_or(TestCertificateError::NoFolder)
}

/// The certificate of this folder, and whether it was made just now.
///
/// # Errors
/// Where it can neither be read nor made.
pub fn obtain(
    folder: &Path,
    now: SystemTime,
) -> Result<(Signer, PathBuf, bool), TestCertificateError> {
    let path = folder.join(FILE);
    match fs::read(&path) {
        Ok(bytes) => {
            let unusable = |error| TestCertificateError::Unusable {
                path: path.clone(),
                error,
            };
            let signer = certificate::read(&bytes, None, "").map_err(unusable)?;
            signer.check(now).map_err(unusable)?;
            Ok((signer, path, false))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let signer = make(now)?;
            keep(&signer, folder, &path)?;
            Ok((signer, path, true))
        }
        Err(error) => Err(TestCertificateError::File { path, error }),
    }
}

/// Makes a self-signed certificate for code.
///
/// # Errors
/// Where the system gives no random numbers.
pub fn make(now: SystemTime) -> Result<Signer, TestCertificateError> {
    let lasts = Duration::from_hours(YEARS * 365 * 24);
    // A machine whose clock is a little behind must accept it too.
    make_for(
        SUBJECT,
        &[oid::CODE_SIGNING],
        now - Duration::from_hours(24),
        now + lasts,
    )
}

/// Makes a self-signed certificate with another name, another use or another time.
///
/// # Errors
/// As [`make`].
pub fn make_for(
    subject: &str,
    usage: &[der::asn1::ObjectIdentifier],
    from: SystemTime,
    until: SystemTime,
) -> Result<Signer, TestCertificateError> {
    fn failed<E: std::fmt::Display>(error: E) -> TestCertificateError {
        TestCertificateError::Make(error.to_string())
    }
    let key = RsaPrivateKey::new(&mut OsRng, 2048).map_err(failed)?;
    let signing = SigningKey::<Sha256>::new(key.clone());
    let public = SubjectPublicKeyInfoOwned::from_key(key.to_public_key()).map_err(failed)?;
    let mut serial = [0; 16];
    OsRng.fill_bytes(&mut serial);
    // Positive, and without a leading zero that DER would not have.
    serial[0] = serial[0] & 0x7f | 0x40;
    let validity = Validity {
        not_before: time(from).map_err(failed)?,
        not_after: time(until).map_err(failed)?,
    };
    let identifier =
        SubjectKeyIdentifier::try_from(der::referenced::OwnedToRef::owned_to_ref(&public))
            .map_err(failed)?;
    let mut builder = CertificateBuilder::new(
        Profile::Manual { issuer: None },
        SerialNumber::new(&serial).map_err(failed)?,
        validity,
        Name::from_str(subject).map_err(failed)?,
        public,
        &signing,
    )
    .map_err(failed)?;
    let constraints = BasicConstraints {
        ca: false,
        path_len_constraint: None,
    };
    builder.add_extension(&constraints).map_err(failed)?;
    let digital = KeyUsage(KeyUsages::DigitalSignature.into());
    builder.add_extension(&digital).map_err(failed)?;
    builder
        .add_extension(&ExtendedKeyUsage(usage.to_vec()))
        .map_err(failed)?;
    builder.add_extension(&identifier).map_err(failed)?;
    let certificate: Certificate = builder.build().map_err(failed)?;
    Signer::new(key, vec![certificate]).map_err(failed)
}

/// As X.509 wants it: two digits of the year until 2049, four from then on.
fn time(at: SystemTime) -> der::Result<Time> {
    let at = der::DateTime::from_system_time(at)?;
    if at.year() < 2050 {
        return Ok(Time::UtcTime(UtcTime::from_date_time(at)?));
    }
    Ok(Time::GeneralTime(GeneralizedTime::from_date_time(at)))
}

/// Writes certificate and key so that only their user can read them; whole, or not at all.
fn keep(signer: &Signer, folder: &Path, path: &Path) -> Result<(), TestCertificateError> {
    let certificate = signer
        .certificate()
        .to_pem(LineEnding::LF)
        .map_err(|error| TestCertificateError::Make(error.to_string()))?;
    let key = signer
        .key
        .to_pkcs8_pem(LineEnding::LF)
        .map_err(|error| TestCertificateError::Make(error.to_string()))?;
    let write = || -> std::io::Result<()> {
        fs::create_dir_all(folder)?;
        let mut file = tempfile::Builder::new()
            .prefix(".certificate")
            .tempfile_in(folder)?;
        // A temporary file is its user's alone from the beginning.
        file.write_all(certificate.as_bytes())?;
        file.write_all(key.as_bytes())?;
        file.persist_noclobber(path)?;
        Ok(())
    };
    write().map_err(|error| TestCertificateError::File {
        path: path.to_owned(),
        error,
    })
}
