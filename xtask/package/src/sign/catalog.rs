//! The security catalog of a driver package: the digests of its files, signed together.
//!
//! A catalog is a certificate trust list (`szOID_CTL`) whose subjects are files. Written as
//! Inf2Cat writes it for Windows 10 and later, which is version 2 of the format: a member's
//! identifier is its SHA-256 digest, a second member with the SHA-1 digest stands beside it, and
//! the list's extensions name the package's devices and systems.

use der::asn1::{Any, BmpString, Null, ObjectIdentifier, OctetString, SetOfVec, UtcTime};
use der::{Decode, Encode, Sequence, Tag, TagNumber};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use x509_cert::attr::Attribute;
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::authenticode::{self, AuthenticodeError};
use super::certificate::Signer;
use super::envelope;
use super::indirect_data::IndirectData;
use super::oid;
use super::time_stamp::TimeStamper;
use crate::inf::decoration::{Architecture, Target};

/// `CRYPTCAT_ATTR_AUTHENTICATED | CRYPTCAT_ATTR_NAMEASCII | CRYPTCAT_ATTR_DATAASCII`
const NAME_VALUE_FLAGS: u32 = 0x1001_0001;
/// Windows 10 and later, on any architecture.
const OS_ATTRIBUTE: &str = "2:10.0";

/// `CertificateTrustList`
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct TrustList {
    /// [`oid::CATALOG_LIST`] alone.
    pub subject_usage: Vec<ObjectIdentifier>,
    /// Sixteen bytes that no other list has.
    pub list_identifier: OctetString,
    /// When the list was made.
    pub this_update: UtcTime,
    /// [`oid::CATALOG_LIST_MEMBER2`].
    pub subject_algorithm: AlgorithmIdentifierOwned,
    /// The members.
    pub trusted_subjects: Vec<Member>,
    /// What holds for the whole list.
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub extensions: Option<Vec<Extension>>,
}

/// `TrustedSubject`
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct Member {
    /// The digest.
    pub identifier: OctetString,
    /// What is known of the file.
    pub attributes: SetOfVec<Attribute>,
}

/// An extension that is not critical.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct Extension {
    /// [`oid::CAT_NAME_VALUE`].
    pub kind: ObjectIdentifier,
    /// The DER of a [`NameValue`].
    pub value: OctetString,
}

/// `CatNameValue`
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct NameValue {
    /// The name.
    pub name: BmpString,
    /// How to read name and value.
    pub flags: u32,
    /// UTF-16 LE with a NUL.
    pub value: OctetString,
}

impl NameValue {
    fn new(name: &str, value: &str) -> der::Result<Self> {
        let bytes: Vec<u8> = value
            .encode_utf16()
            .chain([0])
            .flat_map(u16::to_le_bytes)
            .collect();
        Ok(Self {
            name: BmpString::from_utf8(name)?,
            flags: NAME_VALUE_FLAGS,
            value: OctetString::new(bytes)?,
        })
    }

    /// Name and value as text.
    #[must_use]
    pub fn text(&self) -> (String, String) {
        let units: Vec<u16> = self
            .value
            .as_bytes()
            .as_chunks()
            .0
            .iter()
            .map(|&pair| u16::from_le_bytes(pair))
            .collect();
        let value = String::from_utf16_lossy(&units);
        (
            self.name.chars().collect(),
            value.trim_end_matches('\0').to_owned(),
        )
    }
}

/// A file of the package.
#[derive(Clone, Copy, Debug)]
pub struct File<'f> {
    /// Its name in the package.
    pub name: &'f str,
    /// Its bytes.
    pub bytes: &'f [u8],
}

/// What the catalog says besides the digests.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'s> {
    /// The device IDs of the INF file.
    pub device_ids: &'s [String],
    /// The targets of the INF file.
    pub targets: &'s [Target],
    /// Sixteen bytes that no other catalog has.
    pub identifier: [u8; 16],
    /// When it is made.
    pub time: der::DateTime,
}

fn attribute(kind: ObjectIdentifier, value: Any) -> der::Result<Attribute> {
    let mut values = SetOfVec::new();
    values.insert(value)?;
    Ok(Attribute { oid: kind, values })
}

fn members(file: &File<'_>) -> Result<[Member; 2], AuthenticodeError> {
    let image = file.bytes.starts_with(b"MZ");
    let (long, short) = if image {
        (
            authenticode::digest(file.bytes)?,
            authenticode::digest_with::<Sha1>(file.bytes)?,
        )
    } else {
        (
            Sha256::digest(file.bytes).to_vec(),
            Sha1::digest(file.bytes).to_vec(),
        )
    };
    let data = if image {
        IndirectData::of_image(&long)?
    } else {
        IndirectData::of_file(&long)?
    };
    let mut attributes = SetOfVec::new();
    // CAT_MEMBERINFO2 is an empty value under the tag 2 in everything Inf2Cat writes.
    let info = Tag::ContextSpecific {
        constructed: false,
        number: TagNumber::N2,
    };
    attributes.insert(attribute(
        oid::CAT_MEMBER_INFO2,
        Any::new(info, [].as_slice())?,
    )?)?;
    for (name, value) in [("File", file.name), ("OSAttr", OS_ATTRIBUTE)] {
        let value = Any::encode_from(&NameValue::new(name, value)?)?;
        attributes.insert(attribute(oid::CAT_NAME_VALUE, value)?)?;
    }
    let beside = Member {
        identifier: OctetString::new(short)?,
        attributes: attributes.clone(),
    };
    attributes.insert(attribute(oid::INDIRECT_DATA, Any::encode_from(&data)?)?)?;
    let main = Member {
        identifier: OctetString::new(long)?,
        attributes,
    };
    Ok([main, beside])
}

/// A target as catalogs name it: `_v100_X64`.
fn system(target: Target) -> String {
    let (major, minor) = target.version;
    let architecture = match target.architecture.unwrap_or(Architecture::X86) {
        Architecture::Amd64 => "X64",
        Architecture::Arm64 => "ARM64",
        Architecture::Arm => "ARM",
        Architecture::Ia64 => "IA64",
        Architecture::X86 => "X86",
    };
    format!("_v{major}{minor}_{architecture}")
}

fn extensions(subject: &Subject<'_>) -> der::Result<Vec<Extension>> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for target in subject.targets {
        let pair = ("OS".to_owned(), system(*target));
        if !pairs.contains(&pair) {
            pairs.push(pair);
        }
    }
    // The highest number comes first.
    for (index, id) in subject.device_ids.iter().enumerate().rev() {
        pairs.push((format!("HWID{}", index + 1), id.to_lowercase()));
    }
    pairs
        .iter()
        .map(|(name, value)| {
            Ok(Extension {
                kind: oid::CAT_NAME_VALUE,
                value: OctetString::new(NameValue::new(name, value)?.to_der()?)?,
            })
        })
        .collect()
}

/// Makes the list of a package's files.
///
/// # Errors
/// Where a file begins like a PE image and is none.
pub fn list(files: &[File<'_>], subject: &Subject<'_>) -> Result<TrustList, AuthenticodeError> {
    let mut trusted_subjects = Vec::new();
    for file in files {
        trusted_subjects.extend(members(file)?);
    }
    trusted_subjects.sort_by(|a, b| a.identifier.as_bytes().cmp(b.identifier.as_bytes()));
    Ok(TrustList {
        subject_usage: vec![oid::CATALOG_LIST],
        list_identifier: OctetString::new(subject.identifier.as_slice())?,
        this_update: UtcTime::from_date_time(subject.time)?,
        subject_algorithm: AlgorithmIdentifierOwned {
            oid: oid::CATALOG_LIST_MEMBER2,
            parameters: Some(Any::encode_from(&Null)?),
        },
        trusted_subjects,
        extensions: Some(extensions(subject)?),
    })
}

/// Makes a package's catalog and signs it.
///
/// # Errors
/// As [`list`], or where no signature could be made.
pub fn sign(
    files: &[File<'_>],
    subject: &Subject<'_>,
    description: &str,
    signer: &Signer,
    stamper: Option<&TimeStamper>,
) -> Result<Vec<u8>, AuthenticodeError> {
    let content = Any::encode_from(&list(files, subject)?)?;
    Ok(envelope::sign(
        oid::CTL,
        content,
        description,
        signer,
        stamper,
    )?)
}

/// Reads the list out of a signed catalog.
///
/// # Errors
/// Where the bytes are no catalog.
pub fn read(catalog: &[u8]) -> der::Result<TrustList> {
    let whole = cms::content_info::ContentInfo::from_der(catalog)?;
    let data: cms::signed_data::SignedData = whole.content.decode_as()?;
    let content = data
        .encap_content_info
        .econtent
        .ok_or_else(|| Tag::Sequence.value_error())?;
    content.decode_as()
}
