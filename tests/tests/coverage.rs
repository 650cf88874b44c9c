//! Which lines of the unmodified image ran is told by QEMU's log of translated code.
#![cfg(unix)]

use std::path::Path;

use eduwdm_qemu::{
    coverage::{Executed, Report},
    symbols::Symbols,
};
use eduwdm_tests::{boot, manifest, options, out};

/// The report of a machine on which this was done.
fn report_of(act: impl FnOnce(&eduwdm_tests::Booted)) -> Report {
    let directory = tempfile::tempdir().unwrap();
    let mut options = options(manifest());
    options.extras.coverage = Some(directory.path().join("1.executed"));
    let booted = boot("up", &options).unwrap_or_else(|fault| panic!("{fault}"));
    act(&booted);
    booted.shut_down();
    let executed = Executed::read_all(directory.path()).unwrap();
    let module = &executed.modules["eduwdm.sys"];
    let mut symbols = Symbols::default();
    symbols
        .add_image("eduwdm.sys", &out().join("eduwdm.pdb"))
        .unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    Report::new("eduwdm.sys", module, &symbols, root)
}

#[test]
fn lines_that_a_request_runs_are_told_and_those_of_others_are_not() {
    let ran = |report: &Report, file: &str| {
        let lines = report.files[file].lines.values();
        lines.filter(|&&ran| ran).count()
    };
    let started = report_of(|_| ());
    let computed = report_of(|booted| {
        booted.edu(0).unwrap().factorial(5).unwrap().wait().unwrap();
    });
    let compute = "driver/src/edu/compute.rs";
    assert!(
        ran(&computed, compute) > ran(&started, compute) + 10,
        "{computed}"
    );
    // No transfer was asked for on either.
    let locked = "driver/src/edu/locked.rs";
    assert_eq!((ran(&started, locked), ran(&computed, locked)), (0, 0));
    // Both have started the device.
    assert!(ran(&started, "driver/src/edu/start.rs") > 20, "{started}");
    // All of the driver has lines: those that did not run are known.
    let [lines, all_ran] = computed.lines();
    assert!(lines > 1000 && all_ran < lines, "{computed}");
}
