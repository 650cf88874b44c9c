//! What is inside of an image's signature and of a catalog.

use std::collections::BTreeMap;

use der::Decode;
use eduwdm_package::pe::checksum;
use eduwdm_package::sign::authenticode::{self, AuthenticodeError};
use eduwdm_package::sign::catalog::{self, NameValue};
use eduwdm_package::sign::indirect_data::IndirectData;
use eduwdm_package::sign::oid;
use sha2::{Digest, Sha256};

use crate::image::image;
use crate::{INF, sample_catalog, signer};

#[test]
fn a_signature_holds_the_digest_and_leaves_it_as_it_was() {
    for odd in [0, 3] {
        let plain = image(odd);
        let before = authenticode::digest(&plain).unwrap();
        let signed = authenticode::sign(&plain, "sample", signer(), None).unwrap();
        let signature = authenticode::signature(&signed).unwrap().unwrap();
        assert_eq!(signature.digest(), before, "odd {odd}");
        assert_eq!(authenticode::digest(&signed).unwrap(), before, "odd {odd}");
        assert!(signed.starts_with(&plain[..0x40]));
    }
}

#[test]
fn a_changed_byte_changes_the_digest_but_checksum_and_signature_do_not() {
    let plain = image(0);
    let digest = authenticode::digest(&plain).unwrap();
    let mut changed = plain.clone();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    assert_ne!(authenticode::digest(&changed).unwrap(), digest);
    let mut summed = plain;
    checksum::set(&mut summed).unwrap();
    assert_eq!(authenticode::digest(&summed).unwrap(), digest);
}

#[test]
fn the_checksum_of_a_signed_image_is_right() {
    let signed = authenticode::sign(&image(0), "sample", signer(), None).unwrap();
    assert_ne!(checksum::stored(&signed).unwrap(), 0);
    assert_eq!(
        checksum::stored(&signed).unwrap(),
        checksum::compute(&signed).unwrap()
    );
}

#[test]
fn what_is_no_image_or_is_signed_already_is_refused() {
    let signed = authenticode::sign(&image(0), "sample", signer(), None).unwrap();
    assert!(matches!(
        authenticode::sign(&signed, "sample", signer(), None),
        Err(AuthenticodeError::Signed)
    ));
    let whole = image(0);
    for bytes in [&b"MZ"[..], &whole[..0x60], b"not an image"] {
        assert!(matches!(
            authenticode::sign(bytes, "sample", signer(), None),
            Err(AuthenticodeError::Image(_))
        ));
    }
}

#[test]
fn a_catalog_has_each_file_by_both_digests() {
    let image = authenticode::sign(&image(5), "sample", signer(), None).unwrap();
    let list = catalog::read(&sample_catalog(&image)).unwrap();
    assert_eq!(list.subject_usage, [oid::CATALOG_LIST]);
    assert_eq!(list.subject_algorithm.oid, oid::CATALOG_LIST_MEMBER2);
    let identifiers: Vec<&[u8]> = list
        .trusted_subjects
        .iter()
        .map(|member| member.identifier.as_bytes())
        .collect();
    assert!(identifiers.is_sorted());
    assert_eq!(identifiers.len(), 4);
    for digest in [
        authenticode::digest(&image).unwrap(),
        Sha256::digest(INF).to_vec(),
        sha1::Sha1::digest(INF).to_vec(),
    ] {
        assert!(identifiers.contains(&digest.as_slice()));
    }
}

#[test]
fn members_say_name_system_and_kind() {
    let list = catalog::read(&sample_catalog(&image(0))).unwrap();
    for member in &list.trusted_subjects {
        let mut texts = BTreeMap::new();
        let mut data = None;
        for attribute in member.attributes.iter() {
            let value = attribute.values.get(0).unwrap();
            if attribute.oid == oid::CAT_NAME_VALUE {
                let (name, text) = value.decode_as::<NameValue>().unwrap().text();
                texts.insert(name, text);
            } else if attribute.oid == oid::INDIRECT_DATA {
                data = Some(value.decode_as::<IndirectData>().unwrap());
            }
        }
        assert_eq!(texts["OSAttr"], "2:10.0");
        let long = member.identifier.as_bytes().len() == 32;
        assert_eq!(data.is_some(), long);
        if let Some(data) = data {
            assert_eq!(data.message_digest.digest, member.identifier);
            let image = texts["File"] == "sample.sys";
            let kind = if image {
                oid::PE_IMAGE_DATA
            } else {
                oid::CAB_DATA
            };
            assert_eq!(data.data.kind, kind);
        }
    }
}

#[test]
fn the_list_names_systems_and_devices() {
    let list = catalog::read(&sample_catalog(&image(0))).unwrap();
    let texts: Vec<(String, String)> = list
        .extensions
        .unwrap()
        .iter()
        .map(|extension| {
            NameValue::from_der(extension.value.as_bytes())
                .unwrap()
                .text()
        })
        .collect();
    let expected = [
        ("OS", "_v100_X64"),
        ("HWID2", "pci\\ven_1b36&dev_0005"),
        ("HWID1", "pci\\ven_1234&dev_11e8"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(texts, expected);
}
