//! The PKCS #7 `SignedData` that both an image's signature and a catalog are.
//!
//! Authenticode uses PKCS #7 1.5 as it was before CMS: the content is no OCTET STRING but the
//! structure itself, its digest is over the structure's contents without tag and length, and the
//! version stays 1.

use cms::cert::{CertificateChoices, IssuerAndSerialNumber};
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{
    CertificateSet, EncapsulatedContentInfo, SignedData, SignerIdentifier, SignerInfo, SignerInfos,
};
use der::asn1::{Any, BmpString, Null, ObjectIdentifier, OctetString, SetOfVec};
use der::{Encode, Sequence, Tag, TagNumber};
use rsa::pkcs1v15::SigningKey;
use rsa::signature::{SignatureEncoding, Signer as _};
use sha2::{Digest, Sha256};
use x509_cert::attr::Attribute;
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::certificate::Signer;
use super::time_stamp::{TimeStampError, TimeStamper};
use super::{indirect_data, oid};

/// `SpcSpOpusInfo`: what is signed, for a person to read.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
struct OpusInfo {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    program_name: Any,
}

fn attribute(kind: ObjectIdentifier, value: Any) -> der::Result<Attribute> {
    let mut values = SetOfVec::new();
    values.insert(value)?;
    Ok(Attribute { oid: kind, values })
}

fn opus_info(name: &str) -> der::Result<Any> {
    let text = BmpString::from_utf8(name)?;
    // SpcString ::= CHOICE { unicode [0] IMPLICIT BMPSTRING, … }
    let tag = Tag::ContextSpecific {
        constructed: false,
        number: TagNumber::N0,
    };
    Any::encode_from(&OpusInfo {
        program_name: Any::new(tag, text.as_bytes())?,
    })
}

/// Signs a structure; the outcome is a whole `ContentInfo` in DER.
///
/// # Errors
/// Where the time-stamp server does not do its part, or DER cannot be written.
pub fn sign(
    kind: ObjectIdentifier,
    content: Any,
    description: &str,
    signer: &Signer,
    stamper: Option<&TimeStamper>,
) -> Result<Vec<u8>, TimeStampError> {
    let digest = Sha256::digest(content.value());
    let mut attributes = SetOfVec::new();
    attributes.insert(attribute(oid::CONTENT_TYPE, Any::encode_from(&kind)?)?)?;
    let digest = OctetString::new(digest.as_slice())?;
    attributes.insert(attribute(oid::MESSAGE_DIGEST, Any::encode_from(&digest)?)?)?;
    attributes.insert(attribute(oid::OPUS_INFO, opus_info(description)?)?)?;
    let statement = vec![oid::INDIVIDUAL_CODE_SIGNING];
    attributes.insert(attribute(
        oid::STATEMENT_TYPE,
        Any::encode_from(&statement)?,
    )?)?;

    let key = SigningKey::<Sha256>::new(signer.key.clone());
    let signature = key.sign(&attributes.to_der()?).to_vec();
    let unsigned_attrs = match stamper {
        None => None,
        Some(stamper) => {
            let token = stamper.stamp(&signature)?;
            let mut unsigned = SetOfVec::new();
            unsigned.insert(attribute(oid::RFC3161_COUNTER_SIGN, token)?)?;
            Some(unsigned)
        }
    };
    let info = SignerInfo {
        version: CmsVersion::V1,
        sid: SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
            issuer: signer.certificate().tbs_certificate.issuer.clone(),
            serial_number: signer.certificate().tbs_certificate.serial_number.clone(),
        }),
        digest_alg: indirect_data::sha256()?,
        signed_attrs: Some(attributes),
        signature_algorithm: AlgorithmIdentifierOwned {
            oid: oid::RSA,
            parameters: Some(Any::encode_from(&Null)?),
        },
        signature: OctetString::new(signature)?,
        unsigned_attrs,
    };
    let mut digests = SetOfVec::new();
    digests.insert(indirect_data::sha256()?)?;
    let mut infos = SetOfVec::new();
    infos.insert(info)?;
    let mut certificates = SetOfVec::new();
    for certificate in &signer.chain {
        certificates.insert(CertificateChoices::Certificate(certificate.clone()))?;
    }
    let data = SignedData {
        version: CmsVersion::V1,
        digest_algorithms: digests,
        encap_content_info: EncapsulatedContentInfo {
            econtent_type: kind,
            econtent: Some(content),
        },
        certificates: Some(CertificateSet(certificates)),
        crls: None,
        signer_infos: SignerInfos(infos),
    };
    let whole = ContentInfo {
        content_type: oid::SIGNED_DATA,
        content: Any::encode_from(&data)?,
    };
    Ok(whole.to_der()?)
}
