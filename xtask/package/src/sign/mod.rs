//! Signatures: a certificate, what is signed with it, and the catalog.
//!
//! Sources: "Windows Authenticode Portable Executable Signature Format" for the structures whose
//! names begin with `Spc`, RFC 2315 (PKCS #7) and RFC 5652 for the envelope, RFC 3161 for time
//! stamps.

pub mod authenticode;
pub mod catalog;
pub mod certificate;
pub mod envelope;
pub mod indirect_data;
pub mod oid;
pub mod test_certificate;
pub mod time_stamp;
