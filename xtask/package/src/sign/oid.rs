//! The object identifiers of Microsoft's structures, under 1.3.6.1.4.1.311.

use der::asn1::ObjectIdentifier;

const fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

/// `SPC_INDIRECT_DATA_OBJID`
pub const INDIRECT_DATA: ObjectIdentifier = oid("1.3.6.1.4.1.311.2.1.4");
/// `SPC_STATEMENT_TYPE_OBJID`
pub const STATEMENT_TYPE: ObjectIdentifier = oid("1.3.6.1.4.1.311.2.1.11");
/// `SPC_SP_OPUS_INFO_OBJID`
pub const OPUS_INFO: ObjectIdentifier = oid("1.3.6.1.4.1.311.2.1.12");
/// `SPC_PE_IMAGE_DATA_OBJID`
pub const PE_IMAGE_DATA: ObjectIdentifier = oid("1.3.6.1.4.1.311.2.1.15");
/// `SPC_INDIVIDUAL_SP_KEY_PURPOSE_OBJID`
pub const INDIVIDUAL_CODE_SIGNING: ObjectIdentifier = oid("1.3.6.1.4.1.311.2.1.21");
/// `SPC_CAB_DATA_OBJID`, which catalogs use for every file that is no PE image.
pub const CAB_DATA: ObjectIdentifier = oid("1.3.6.1.4.1.311.2.1.25");
/// `szOID_RFC3161_counterSign`
pub const RFC3161_COUNTER_SIGN: ObjectIdentifier = oid("1.3.6.1.4.1.311.3.3.1");
/// `szOID_CTL`
pub const CTL: ObjectIdentifier = oid("1.3.6.1.4.1.311.10.1");
/// `szOID_CATALOG_LIST`
pub const CATALOG_LIST: ObjectIdentifier = oid("1.3.6.1.4.1.311.12.1.1");
/// `szOID_CATALOG_LIST_MEMBER2`
pub const CATALOG_LIST_MEMBER2: ObjectIdentifier = oid("1.3.6.1.4.1.311.12.1.3");
/// `CAT_NAMEVALUE_OBJID`
pub const CAT_NAME_VALUE: ObjectIdentifier = oid("1.3.6.1.4.1.311.12.2.1");
/// `CAT_MEMBERINFO2_OBJID`
pub const CAT_MEMBER_INFO2: ObjectIdentifier = oid("1.3.6.1.4.1.311.12.2.3");

/// `id-kp-codeSigning`
pub const CODE_SIGNING: ObjectIdentifier = oid("1.3.6.1.5.5.7.3.3");
/// `id-signedData`
pub const SIGNED_DATA: ObjectIdentifier = oid("1.2.840.113549.1.7.2");
/// `rsaEncryption`
pub const RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.1");
/// `id-contentType`
pub const CONTENT_TYPE: ObjectIdentifier = oid("1.2.840.113549.1.9.3");
/// `id-messageDigest`
pub const MESSAGE_DIGEST: ObjectIdentifier = oid("1.2.840.113549.1.9.4");
/// `id-sha256`
pub const SHA256: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.1");
