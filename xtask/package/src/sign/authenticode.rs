//! The digest of a PE image, and the signature that is embedded in it.
//!
//! The digest leaves out what signing changes: the checksum, the directory entry of the
//! certificate table, and the table itself. The file is first filled up to a multiple of eight
//! bytes, where the table must begin, and the filling counts.

use authenticode::{
    AttributeCertificateIterator, AuthenticodeSignature, PeTrait, authenticode_digest,
};
use der::asn1::Any;
use object::read::pe::PeFile64;
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::certificate::Signer;
use super::envelope;
use super::indirect_data::IndirectData;
use super::oid;
use super::time_stamp::{TimeStampError, TimeStamper};
use crate::pe::checksum;

/// An image that cannot be signed or read.
#[derive(Debug, Error)]
pub enum AuthenticodeError {
    /// It is no 64-bit PE image.
    #[error("it is no 64-bit PE image: {0}")]
    Image(String),
    /// Its certificate table does not hold one signature at its end.
    #[error("its certificate table is damaged: {0}")]
    Table(String),
    /// It has a signature already.
    #[error("it is signed already")]
    Signed,
    /// The signature could not be made.
    #[error(transparent)]
    Sign(#[from] TimeStampError),
    /// DER could not be written.
    #[error("the signature cannot be written: {0}")]
    Der(#[from] der::Error),
}

/// The directory entry of the certificate table, among sixteen of eight bytes.
const SECURITY_DIRECTORY: usize = 4;
/// `WIN_CERT_REVISION_2_0`
const REVISION: u16 = 0x0200;
/// `WIN_CERT_TYPE_PKCS_SIGNED_DATA`
const PKCS_SIGNED_DATA: u16 = 0x0002;

fn parse(image: &[u8]) -> Result<PeFile64<'_>, AuthenticodeError> {
    PeFile64::parse(image).map_err(|error| AuthenticodeError::Image(error.to_string()))
}

/// The image, filled up to a multiple of eight bytes.
#[must_use]
pub fn padded(image: &[u8]) -> Vec<u8> {
    let mut padded = image.to_vec();
    padded.resize(image.len().next_multiple_of(8), 0);
    padded
}

/// An image's digest with any hash, as catalogs and signatures hold it.
///
/// # Errors
/// Where the bytes are no 64-bit PE image.
pub fn digest_with<D: Digest + sha2::digest::Update>(
    image: &[u8],
) -> Result<Vec<u8>, AuthenticodeError> {
    let mut hash = D::new();
    // A signed image is filled up already.
    let whole = padded(image);
    let pe = parse(&whole)?;
    authenticode_digest(&pe, &mut hash)
        .map_err(|error| AuthenticodeError::Image(error.to_string()))?;
    Ok(hash.finalize().to_vec())
}

/// An image's SHA-256 digest.
///
/// # Errors
/// As [`digest_with`].
pub fn digest(image: &[u8]) -> Result<Vec<u8>, AuthenticodeError> {
    digest_with::<Sha256>(image)
}

/// Embeds a signature, and sets the checksum anew.
///
/// # Errors
/// Where the bytes are no unsigned 64-bit PE image, or no signature could be made.
pub fn sign(
    image: &[u8],
    description: &str,
    signer: &Signer,
    stamper: Option<&TimeStamper>,
) -> Result<Vec<u8>, AuthenticodeError> {
    let mut whole = padded(image);
    let entry = {
        let pe = parse(&whole)?;
        let table = pe
            .certificate_table_range()
            .map_err(|error| AuthenticodeError::Image(error.to_string()))?;
        if table.is_some() {
            return Err(AuthenticodeError::Signed);
        }
        checksum::optional_header(&whole).map_err(AuthenticodeError::Image)?
            + 112
            + SECURITY_DIRECTORY * 8
    };
    let content = IndirectData::of_image(&digest(&whole)?)?;
    let content = Any::encode_from(&content)?;
    let signature = envelope::sign(oid::INDIRECT_DATA, content, description, signer, stamper)?;
    let at = whole.len();
    let length = (8 + signature.len()).next_multiple_of(8);
    let too_long = |_| AuthenticodeError::Image("it is longer than 4 GiB".to_owned());
    let at = u32::try_from(at).map_err(too_long)?;
    let table_length = u32::try_from(length).map_err(too_long)?;
    whole.extend(table_length.to_le_bytes());
    whole.extend(REVISION.to_le_bytes());
    whole.extend(PKCS_SIGNED_DATA.to_le_bytes());
    whole.extend(&signature);
    whole.resize(at as usize + length, 0);
    whole[entry..entry + 4].copy_from_slice(&at.to_le_bytes());
    whole[entry + 4..entry + 8].copy_from_slice(&table_length.to_le_bytes());
    checksum::set(&mut whole).map_err(AuthenticodeError::Image)?;
    Ok(whole)
}

/// The signature that an image holds.
///
/// # Errors
/// Where the bytes are no 64-bit PE image, or their certificate table is damaged.
pub fn signature(image: &[u8]) -> Result<Option<AuthenticodeSignature>, AuthenticodeError> {
    let pe = parse(image)?;
    let table = |error: &dyn std::fmt::Display| AuthenticodeError::Table(error.to_string());
    let Some(mut certificates) = AttributeCertificateIterator::new(&pe).map_err(|e| table(&e))?
    else {
        return Ok(None);
    };
    let first = certificates
        .next()
        .ok_or_else(|| table(&"it is empty"))?
        .map_err(|e| table(&e))?;
    first
        .get_authenticode_signature()
        .map(Some)
        .map_err(|e| table(&e))
}
