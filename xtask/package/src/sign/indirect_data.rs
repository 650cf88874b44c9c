//! `SpcIndirectDataContent`: the digest of something that lies elsewhere.

use der::asn1::{Any, BitString, BmpString, Null, ObjectIdentifier, OctetString};
use der::{Encode, Sequence, Tag, TagNumber};
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::oid;

/// What the digest is of, and how it was made.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct IndirectData {
    /// What it is of.
    pub data: Data,
    /// The digest.
    pub message_digest: DigestInfo,
}

/// `SpcAttributeTypeAndOptionalValue`
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct Data {
    /// [`oid::PE_IMAGE_DATA`] or [`oid::CAB_DATA`].
    pub kind: ObjectIdentifier,
    /// What belongs to it.
    pub value: Any,
}

/// A digest with its algorithm.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct DigestInfo {
    /// SHA-256.
    pub algorithm: AlgorithmIdentifierOwned,
    /// Its bytes.
    pub digest: OctetString,
}

/// `SpcPeImageData`. The flags are an empty bit string, as Windows' own signer writes them.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
struct PeImageData {
    flags: BitString,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    file: Any,
}

/// SHA-256 as an algorithm identifier. Microsoft's structures have the NULL.
///
/// # Errors
/// Where DER cannot be written, which these values do not do.
pub fn sha256() -> der::Result<AlgorithmIdentifierOwned> {
    Ok(AlgorithmIdentifierOwned {
        oid: oid::SHA256,
        parameters: Some(Any::encode_from(&Null)?),
    })
}

/// Wraps a value in a context-specific tag.
fn tagged(number: TagNumber, constructed: bool, value: &[u8]) -> der::Result<Any> {
    Any::new(
        Tag::ContextSpecific {
            constructed,
            number,
        },
        value,
    )
}

/// `SpcLink` with the text that has stood in it since nothing else does.
fn obsolete_link() -> der::Result<Any> {
    let text = BmpString::from_utf8("<<<Obsolete>>>")?;
    let string = tagged(TagNumber::N0, false, text.as_bytes())?;
    tagged(TagNumber::N2, true, &string.to_der()?)
}

impl IndirectData {
    /// Of a PE image.
    ///
    /// # Errors
    /// Where DER cannot be written.
    pub fn of_image(digest: &[u8]) -> der::Result<Self> {
        let value = PeImageData {
            flags: BitString::new(0, Vec::new())?,
            file: obsolete_link()?,
        };
        Self::new(oid::PE_IMAGE_DATA, Any::encode_from(&value)?, digest)
    }

    /// Of any other file.
    ///
    /// # Errors
    /// Where DER cannot be written.
    pub fn of_file(digest: &[u8]) -> der::Result<Self> {
        Self::new(oid::CAB_DATA, obsolete_link()?, digest)
    }

    fn new(kind: ObjectIdentifier, value: Any, digest: &[u8]) -> der::Result<Self> {
        Ok(Self {
            data: Data { kind, value },
            message_digest: DigestInfo {
                algorithm: sha256()?,
                digest: OctetString::new(digest)?,
            },
        })
    }
}
