//! No routine of the kernel is forgotten in silence: what drivers may import by Microsoft's
//! metadata is exported by nthost, or there is a reason why not, and the page that says so is
//! what the image has.
#![cfg(unix)]

use std::{fs, path::Path};

use eduwdm_qemu::routines::{self, Coverage, Reason};
use eduwdm_tests::out;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn coverage() -> (Coverage, Vec<Reason>) {
    let text = fs::read_to_string(root().join("nthost/absent.toml")).unwrap();
    let reasons = routines::reasons(&text).unwrap_or_else(|fault| panic!("{fault}"));
    let metadata = routines::windows_sys(root()).unwrap_or_else(|fault| panic!("{fault}"));
    let declared = routines::declared(&metadata).unwrap_or_else(|fault| panic!("{fault}"));
    let kernel = fs::read(out().join("nthost")).unwrap();
    let exported = routines::exported(&kernel).unwrap_or_else(|fault| panic!("{fault}"));
    (Coverage::new(&declared, &exported, &reasons), reasons)
}

#[test]
fn each_routine_that_the_metadata_declares_is_there_or_has_a_reason() {
    let (coverage, _) = coverage();
    println!("{} routines are there", coverage.present.len());
    assert_eq!(coverage.unexplained, [""; 0], "write why into absent.toml");
    assert_eq!(coverage.stale, [""; 0], "of absent.toml");
    // What every driver needs is there: the tables were read, and compared.
    for name in ["IoCreateDevice", "KeWaitForSingleObject", "ZwClose"] {
        assert!(coverage.present.contains(name), "{name}");
    }
    assert!(coverage.beyond.contains("memcpy"));
}

#[test]
fn the_page_on_routines_is_what_the_image_has() {
    let (coverage, reasons) = coverage();
    let page = fs::read_to_string(root().join("docs/src/routines.md")).unwrap();
    let current = coverage.page(&reasons);
    let differs = page
        .lines()
        .zip(current.lines())
        .find(|(old, new)| old != new);
    assert_eq!(differs, None, "`cargo xtask routines` writes the page");
    assert_eq!(page, current, "`cargo xtask routines` writes the page");
}
