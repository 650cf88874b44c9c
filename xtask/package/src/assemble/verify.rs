//! What was made, read back as Windows reads it.

use sha2::{Digest, Sha256};

use super::PackageError;
use crate::publish::Content;
use crate::sign::{authenticode, catalog};

/// Looks whether the images have their signatures, and the catalog has every file.
///
/// # Errors
///
/// [`PackageError::Verify`].
pub fn verify(covered: &[Content], catalog: &Content) -> Result<(), PackageError> {
    let fault = |what: &str| PackageError::Verify(what.to_owned());
    let list = catalog::read(&catalog.bytes).map_err(|error| fault(&error.to_string()))?;
    let has = |digest: &[u8]| {
        list.trusted_subjects
            .iter()
            .any(|member| member.identifier.as_bytes() == digest)
    };
    for Content { name, bytes } in covered {
        let known = if bytes.starts_with(b"MZ") {
            let signature = authenticode::signature(bytes)
                .map_err(|error| fault(&error.to_string()))?
                .ok_or_else(|| fault(&format!("{name} has no signature")))?;
            let digest = authenticode::digest(bytes).map_err(|error| fault(&error.to_string()))?;
            if signature.digest() != digest {
                return Err(fault(&format!(
                    "the signature of {name} is of another image"
                )));
            }
            has(&digest)
        } else {
            has(&Sha256::digest(bytes))
        };
        if !known {
            return Err(fault(&format!("the catalog does not have {name}")));
        }
    }
    Ok(())
}
