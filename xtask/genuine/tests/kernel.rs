//! nthost, which drivers are tested with, lays out its structures and takes its arguments as the
//! genuine headers say.

use std::path::{Path, PathBuf};

use eduwdm_genuine::{
    compare_kernel,
    exceptions::{About, Exceptions},
    tables::Tables,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn tables() -> (Tables, Exceptions) {
    let folder = root().join("cross/genuine");
    (
        Tables::read(&folder).unwrap(),
        Exceptions::read(&folder).unwrap(),
    )
}

#[test]
fn its_structures_lie_as_the_headers_say() {
    let (tables, exceptions) = tables();
    let mut report = compare_kernel::records(&tables, &exceptions);
    report
        .differences
        .extend(exceptions.unneeded(&[About::Kernel]));
    println!("{report}");
    assert!(report.differences.is_empty(), "{:#?}", report.differences);
    assert!(report.records > 90, "{report}");
}

#[test]
fn its_routines_take_and_give_what_the_headers_say() {
    let (tables, exceptions) = tables();
    let nthost = root().join("nthost");
    let mut report = compare_kernel::routines(&tables, &exceptions, &nthost).unwrap();
    report
        .differences
        .extend(exceptions.unneeded(&[About::KernelRoutine]));
    println!("{report}");
    assert!(report.differences.is_empty(), "{:#?}", report.differences);
    assert!(report.functions > 700, "{report}");
}
