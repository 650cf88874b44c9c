//! Signatures, catalogs and certificates, read back by this crate and by tools that are not ours.

mod certificates;
mod image;
mod structure;
#[cfg(target_os = "linux")]
mod tools;

use std::sync::OnceLock;
use std::time::SystemTime;

use eduwdm_package::inf::decoration::Target;
use eduwdm_package::sign::catalog::{self, File, Subject};
use eduwdm_package::sign::certificate::Signer;
use eduwdm_package::sign::test_certificate;

/// One signer for all tests: making a key takes a while.
fn signer() -> &'static Signer {
    static SIGNER: OnceLock<Signer> = OnceLock::new();
    SIGNER.get_or_init(|| test_certificate::make(SystemTime::now()).unwrap())
}

/// An INF file, as far as a catalog cares.
const INF: &[u8] = b"[Version]\r\nSignature=\"$Windows NT$\"\r\n";

/// A catalog of an image and [`INF`].
fn sample_catalog(image: &[u8]) -> Vec<u8> {
    let files = [
        File {
            name: "sample.inf",
            bytes: INF,
        },
        File {
            name: "sample.sys",
            bytes: image,
        },
    ];
    let ids = [
        "PCI\\VEN_1234&DEV_11E8".to_owned(),
        "PCI\\VEN_1B36&DEV_0005".to_owned(),
    ];
    let subject = Subject {
        device_ids: &ids,
        targets: &[Target::parse("NTamd64.10.0...19041").unwrap()],
        identifier: *b"0123456789abcdef",
        time: der::DateTime::from_system_time(SystemTime::now()).unwrap(),
    };
    catalog::sign(&files, &subject, "sample", signer(), None).unwrap()
}
