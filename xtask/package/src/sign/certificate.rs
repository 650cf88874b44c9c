//! Whose signature it is: a certificate with its key, from PEM or PFX, and whether it will do.

use std::time::SystemTime;

use der::{DateTime, Decode, DecodePem, Encode};
use rsa::RsaPrivateKey;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::{DecodePrivateKey, EncodePublicKey};
use rsa::traits::PublicKeyParts;
use thiserror::Error;
use x509_cert::Certificate;
use x509_cert::ext::pkix::ExtendedKeyUsage;

use super::oid;

/// The shortest RSA key that Windows accepts for code.
const SHORTEST_KEY: usize = 2048;

/// A certificate or a key that cannot be used.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// The file has no certificate.
    #[error("there is no certificate in it")]
    NoCertificate,
    /// The file has no key.
    #[error("there is no private key in it; give one with --key")]
    NoKey,
    /// The file is neither PEM nor PFX.
    #[error("it is neither PEM nor PFX: {0}")]
    Format(String),
    /// The password is wrong, or there is none.
    #[error("its password is wrong or missing; give it in EDUWDM_PASSWORD")]
    Password,
    /// The key is no RSA key.
    #[error("its key is no RSA key; kernel-mode signatures are made with RSA and SHA-256")]
    NotRsa,
    /// The key is too short.
    #[error("its RSA key has {0} bits; {SHORTEST_KEY} are the least")]
    Short(usize),
    /// The key belongs to another certificate.
    #[error("the private key is not that of the certificate \"{0}\"")]
    OtherKey(String),
    /// The certificate is for something else.
    #[error(
        "the certificate \"{0}\" is not for code signing (extended key usage 1.3.6.1.5.5.7.3.3)"
    )]
    NotCodeSigning(String),
    /// The certificate is out of date.
    #[error("the certificate \"{subject}\" expired on {on}")]
    Expired {
        /// Whose it is.
        subject: String,
        /// When.
        on: DateTime,
    },
    /// The certificate is from the future.
    #[error("the certificate \"{subject}\" is not valid before {from}")]
    NotYet {
        /// Whose it is.
        subject: String,
        /// From when on.
        from: DateTime,
    },
    /// Its DER is damaged.
    #[error("it is damaged: {0}")]
    Der(#[from] der::Error),
}

/// A certificate chain with the key of its first.
#[derive(Clone, Debug)]
pub struct Signer {
    /// The key.
    pub key: RsaPrivateKey,
    /// The signer's certificate, and those that vouch for it.
    pub chain: Vec<Certificate>,
}

impl Signer {
    /// Puts key and certificates together; the certificate of the key becomes the first.
    ///
    /// # Errors
    /// Where something is missing or belongs to something else.
    pub fn new(key: RsaPrivateKey, mut chain: Vec<Certificate>) -> Result<Self, CertificateError> {
        if chain.is_empty() {
            return Err(CertificateError::NoCertificate);
        }
        let public = key
            .to_public_key()
            .to_public_key_der()
            .map_err(|error| CertificateError::Format(error.to_string()))?;
        let mine = |certificate: &Certificate| -> bool {
            certificate
                .tbs_certificate
                .subject_public_key_info
                .to_der()
                .is_ok_and(|der| der == public.as_bytes())
        };
        let Some(at) = chain.iter().position(mine) else {
            return Err(CertificateError::OtherKey(subject(&chain[0])));
        };
        chain.swap(0, at);
        Ok(Self { key, chain })
    }

    /// The signer's own certificate.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.chain[0]
    }

    /// Whether Windows would accept a driver that is signed with it now.
    ///
    /// # Errors
    /// Why it would not.
    pub fn check(&self, now: SystemTime) -> Result<(), CertificateError> {
        let bits = self.key.n().bits();
        if bits < SHORTEST_KEY {
            return Err(CertificateError::Short(bits));
        }
        let certificate = &self.certificate().tbs_certificate;
        let name = subject(self.certificate());
        let usage = certificate.get::<ExtendedKeyUsage>()?;
        if !usage.is_some_and(|(_, usage)| usage.0.contains(&oid::CODE_SIGNING)) {
            return Err(CertificateError::NotCodeSigning(name));
        }
        let validity = &certificate.validity;
        if validity.not_after.to_system_time() < now {
            return Err(CertificateError::Expired {
                subject: name,
                on: validity.not_after.to_date_time(),
            });
        }
        if validity.not_before.to_system_time() > now {
            return Err(CertificateError::NotYet {
                subject: name,
                from: validity.not_before.to_date_time(),
            });
        }
        Ok(())
    }
}

/// Whose a certificate is.
#[must_use]
pub fn subject(certificate: &Certificate) -> String {
    certificate.tbs_certificate.subject.to_string()
}

/// Reads certificate and key from the bytes of a PFX or PEM file. The key may be in a PEM file of
/// its own.
///
/// # Errors
/// Where the file is not to be read, or something is missing from it.
pub fn read(
    file: &[u8],
    key_file: Option<&[u8]>,
    password: &str,
) -> Result<Signer, CertificateError> {
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
    let pem = text(file).filter(|text| text.contains("-----BEGIN "));
    let Some(pem) = pem else {
        return read_pfx(file, password);
    };
    let mut chain = Vec::new();
    for block in blocks(&pem).filter(|block| block.contains(" CERTIFICATE-----")) {
        chain.push(Certificate::from_pem(block)?);
    }
    let from = match key_file {
        None => pem,
        Some(bytes) => text(bytes).ok_or(CertificateError::NoKey)?,
    };
    let block = blocks(&from)
        .find(|block| block.contains("PRIVATE KEY-----"))
        .ok_or(CertificateError::NoKey)?;
    Signer::new(read_key(block, password)?, chain)
}

fn read_key(block: &str, password: &str) -> Result<RsaPrivateKey, CertificateError> {
    if block.starts_with("-----BEGIN ENCRYPTED ") {
        return RsaPrivateKey::from_pkcs8_encrypted_pem(block, password)
            .map_err(|_| CertificateError::Password);
    }
    RsaPrivateKey::from_pkcs8_pem(block)
        .ok()
        .or_else(|| RsaPrivateKey::from_pkcs1_pem(block).ok())
        .ok_or(CertificateError::NotRsa)
}

fn read_pfx(file: &[u8], password: &str) -> Result<Signer, CertificateError> {
    use p12_keystore::error::Error;
    let store =
        p12_keystore::KeyStore::from_pkcs12(file, password).map_err(|error| match error {
            Error::MacError(_) | Error::Pkcs5Error(_) => CertificateError::Password,
            other => CertificateError::Format(other.to_string()),
        })?;
    let (_, keys) = store.private_key_chain().ok_or(CertificateError::NoKey)?;
    let key = RsaPrivateKey::from_pkcs8_der(keys.key()).map_err(|_| CertificateError::NotRsa)?;
    let mut chain = Vec::new();
    for certificate in keys.chain() {
        chain.push(Certificate::from_der(certificate.as_der())?);
    }
    Signer::new(key, chain)
}

/// The blocks of a PEM file, each from its first to its last line.
fn blocks(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("-----BEGIN ").filter_map(|(start, _)| {
        let rest = &text[start..];
        let end = rest.find("-----END ")?;
        let last = rest[end..]
            .find('\n')
            .map_or(rest.len(), |line| end + line + 1);
        Some(&rest[..last])
    })
}
