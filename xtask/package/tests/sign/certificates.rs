//! Certificates: the test certificate of first use, other people's, and those that will not do.

use std::fs;
use std::time::{Duration, SystemTime};

use der::EncodePem;
use der::pem::LineEnding;
use eduwdm_package::sign::certificate::{self, CertificateError};
use eduwdm_package::sign::oid;
use eduwdm_package::sign::test_certificate::{self, TestCertificateError};
use rsa::pkcs8::EncodePrivateKey;

use crate::signer;

const DAY: Duration = Duration::from_hours(24);

fn pem(signer: &certificate::Signer) -> (String, String) {
    (
        signer.certificate().to_pem(LineEnding::LF).unwrap(),
        signer.key.to_pkcs8_pem(LineEnding::LF).unwrap().to_string(),
    )
}

#[test]
fn the_test_certificate_is_made_once_and_is_its_users_alone() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("data");
    let now = SystemTime::now();
    let (first, path, new) = test_certificate::obtain(&folder, now).unwrap();
    assert!(new);
    first.check(now).unwrap();
    let (second, same, new) = test_certificate::obtain(&folder, now).unwrap();
    assert!(!new);
    assert_eq!(path, same);
    assert_eq!(first.certificate(), second.certificate());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{mode:o}");
    }
    let entries = fs::read_dir(&folder).unwrap().count();
    assert_eq!(entries, 1, "nothing half-made is left");
}

#[test]
fn a_damaged_or_expired_test_certificate_is_named_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let now = SystemTime::now();
    let (_, path, _) = test_certificate::obtain(folder.path(), now).unwrap();
    let later = now + DAY * 365 * 11;
    let error = test_certificate::obtain(folder.path(), later).unwrap_err();
    assert!(error.to_string().contains("expired on"), "{error}");
    fs::write(
        &path,
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    let error = test_certificate::obtain(folder.path(), now).unwrap_err();
    assert!(
        matches!(error, TestCertificateError::Unusable { .. }),
        "{error}"
    );
    assert!(path.exists());
}

#[test]
fn certificate_and_key_come_from_one_file_or_from_two() {
    let (certificate, key) = pem(signer());
    let both = format!("{key}{certificate}");
    let read = certificate::read(both.as_bytes(), None, "").unwrap();
    assert_eq!(read.certificate(), signer().certificate());
    let read = certificate::read(certificate.as_bytes(), Some(key.as_bytes()), "").unwrap();
    assert_eq!(read.key, signer().key);
}

#[test]
fn what_is_missing_is_named() {
    let (certificate, key) = pem(signer());
    let error = |file: &str| certificate::read(file.as_bytes(), None, "").unwrap_err();
    assert!(matches!(error(&certificate), CertificateError::NoKey));
    assert!(matches!(error(&key), CertificateError::NoCertificate));
    assert!(matches!(error("hello"), CertificateError::Format(_)));
}

#[test]
fn a_certificate_with_another_ones_key_is_refused() {
    let (certificate, _) = pem(signer());
    let other = test_certificate::make(SystemTime::now()).unwrap();
    let (_, key) = pem(&other);
    let error = certificate::read(certificate.as_bytes(), Some(key.as_bytes()), "").unwrap_err();
    assert!(matches!(error, CertificateError::OtherKey(_)), "{error}");
}

#[test]
fn certificates_that_will_not_do_say_why() {
    let now = SystemTime::now();
    let make =
        |usage, from, until| test_certificate::make_for("CN=sample", usage, from, until).unwrap();
    let expired = make(&[oid::CODE_SIGNING], now - DAY * 2, now - DAY);
    assert!(matches!(
        expired.check(now),
        Err(CertificateError::Expired { .. })
    ));
    let future = make(&[oid::CODE_SIGNING], now + DAY, now + DAY * 2);
    assert!(matches!(
        future.check(now),
        Err(CertificateError::NotYet { .. })
    ));
    // A certificate for servers.
    let server = der::asn1::ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
    let other = make(&[server], now - DAY, now + DAY);
    assert!(matches!(
        other.check(now),
        Err(CertificateError::NotCodeSigning(_))
    ));
    let mut short = signer().clone();
    short.key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 1024).unwrap();
    assert!(matches!(
        short.check(now),
        Err(CertificateError::Short(1024))
    ));
}
