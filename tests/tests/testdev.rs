//! The `pci-testdev` device, whose requests StartIo runs one after the other: what each test
//! counts, what is refused, and what BARs the device has.
#![cfg(unix)]

use eductl::{Error, status::Status, testdev::test_name};
use eduwdm_abi::testdev::{MAX_WRITES, TEST_COUNT};
use eduwdm_qemu::device_trace::accesses;
use eduwdm_tests::{Booted, boot, manifest, options};

const INVALID_PARAMETER: u32 = 0xc000_000d;

fn start(machine: &str) -> Booted {
    boot(machine, &options(manifest())).unwrap_or_else(|fault| panic!("{fault}"))
}

#[test]
fn each_test_of_each_bar_counts_what_it_should() {
    let booted = start("smp4");
    let testdev = booted.testdev().unwrap();
    let mut names = Vec::new();
    for bar in 0..2 {
        for test in 0..TEST_COUNT {
            for writes in [0, 1, 7, MAX_WRITES] {
                let what = format!("BAR{bar}, test {test}, {writes} writes");
                let output = testdev.run(bar, test, writes).unwrap().wait().unwrap();
                assert_eq!(output.writes, writes, "{what}");
                // Writes that an eventfd takes never get to the device, which counts none.
                let expected = if test == 0 { writes } else { 0 };
                assert_eq!(output.counted, expected, "{what}: {output:?}");
                assert!(matches!(output.width, 1 | 2 | 4), "{what}: {output:?}");
                names.push(test_name(&output));
            }
        }
    }
    names.dedup();
    assert_eq!(
        names,
        [
            "mmio-no-eventfd",
            "mmio-wildcard-eventfd",
            "mmio-datamatch-eventfd",
            "portio-no-eventfd",
            "portio-wildcard-eventfd",
            "portio-datamatch-eventfd",
        ],
        "the names that the device gives"
    );
    drop(testdev);
    booted.shut_down();
}

#[test]
fn what_the_device_does_not_have_is_refused_and_runs_nothing() {
    let booted = start("smp4");
    let testdev = booted.testdev().unwrap();
    for (bar, test, writes) in [
        (2, 0, 1),
        (u32::MAX, 0, 1),
        (0, TEST_COUNT, 1),
        (1, u32::MAX, 1),
        (0, 0, MAX_WRITES + 1),
        (0, 0, u32::MAX),
    ] {
        let what = format!("BAR{bar}, test {test}, {writes} writes");
        match testdev.run(bar, test, writes).unwrap().wait() {
            Err(Error::Refused { status, .. }) => {
                assert_eq!(status, Status::Nt(INVALID_PARAMETER), "{what}");
            }
            other => panic!("{what}: {other:?}"),
        }
    }
    // The device's count starts with each test, so this one says that nothing else was counted.
    let output = testdev.run(0, 0, 3).unwrap().wait().unwrap();
    assert_eq!((output.writes, output.counted), (3, 3));
    drop(testdev);
    booted.assert_nothing_of_requests_left();
    booted.shut_down();
}

#[test]
fn each_request_of_a_full_queue_counts_for_itself() {
    let booted = start("smp4");
    let testdev = booted.testdev().unwrap();
    let requests: Vec<_> = (0..60)
        .map(|number| (number, testdev.run(number % 2, 0, number).unwrap()))
        .collect();
    for (number, request) in requests {
        let output = request.wait().unwrap();
        assert_eq!((output.writes, output.counted), (number, number));
    }
    drop(testdev);
    booted.shut_down();
}

/// A thousand accesses to registers are far more than may be made at DISPATCH_LEVEL.
#[test]
fn start_io_makes_no_access_to_the_device_but_leaves_them_to_a_work_item() {
    let directory = tempfile::tempdir().unwrap();
    let trace = directory.path().join("trace");
    let mut manifest = manifest();
    manifest.breakpoints = true;
    let mut options = options(manifest);
    options.extras.device_trace = Some(trace.clone());
    let booted = boot("smp4", &options).unwrap_or_else(|fault| panic!("{fault}"));
    let testdev = booted.testdev().unwrap();
    let count = || accesses(&trace, "pci-testdev-mmio").unwrap().len();
    // The device's names are read along with a test, so it is seen that they are counted.
    testdev.run(0, 0, 1).unwrap().wait().unwrap();
    let before = count();
    assert_ne!(before, 0, "nothing is traced");
    booted.break_at("IoQueueWorkItem");
    let run = testdev.run(0, 0, MAX_WRITES).unwrap();
    let stop = booted.stopped_at("IoQueueWorkItem");
    assert_eq!(count(), before, "StartIo has touched the device");
    booted.clear_breakpoints();
    drop(stop);
    assert_eq!(run.wait().unwrap().counted, MAX_WRITES);
    let made = count() - before;
    println!("{MAX_WRITES} writes: {made} accesses by the work item");
    assert!(made > MAX_WRITES as usize, "{made}");
    drop(testdev);
    booted.assert_nothing_of_requests_left();
    booted.shut_down();
}

#[test]
fn bar_2_is_there_where_the_device_has_one() {
    for (machine, length) in [("smp4", 0), ("edu8-intx", 16 << 20)] {
        let booted = start(machine);
        let testdev = booted.testdev().unwrap();
        let info = testdev.info().unwrap();
        assert_eq!(info.membar_length, length, "{machine}: {info:?}");
        assert_eq!(
            (info.memory_length, info.port_length),
            (0x1000, 0x100),
            "{machine}"
        );
        let output = testdev.run(0, 0, 5).unwrap().wait().unwrap();
        assert_eq!(output.counted, 5, "{machine}");
        drop(testdev);
        booted.shut_down();
    }
}
