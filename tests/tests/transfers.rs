//! Transfers between memory and the device's buffer: any length, offset and alignment; memory that
//! the device cannot reach; and memory that stays where it is until the device is done.
#![cfg(unix)]

use std::sync::Arc;

use eductl::{
    DeviceKind, Edu, Error,
    io::{IoSystem, Request, UserMemory},
    nthost::NtHost,
    status::Status,
};
use eduwdm_abi::{
    Header, Ioctl,
    edu::{DEVICE_BUFFER_LENGTH, FROM_DEVICE, LockedTransfer, LockedTransferOutput, TO_DEVICE},
};
use eduwdm_tests::{Booted, InFlight, boot, manifest, options};
use nthost_protocol::{Fault, HostRequest, manifest::VerifierOption};
use zerocopy::FromBytes;

const SUCCESS: u32 = 0;
const CANCELLED: u32 = 0xc000_0120;
const INVALID_PARAMETER: u32 = 0xc000_000d;
const END_OF_FILE: u32 = 0xc000_0011;
const DISK_FULL: u32 = 0xc000_007f;
const ACCESS_VIOLATION: u32 = 0xc000_0005;
const DEVICE_CONFIGURATION_ERROR: u32 = 0xc000_0182;

fn start() -> (Booted, Edu) {
    let mut manifest = manifest();
    manifest.breakpoints = true;
    let booted = boot("smp4", &options(manifest)).unwrap_or_else(|fault| panic!("{fault}"));
    let edu = booted.edu(0).unwrap();
    (booted, edu)
}

/// Bytes that are different for each seed and place.
fn pattern(seed: u8, length: usize) -> Vec<u8> {
    let first = seed.wrapping_mul(29);
    let bytes = (0..251_u8).map(|index| first.wrapping_add(index));
    bytes.cycle().take(length).collect()
}

fn assert_refused<T: core::fmt::Debug>(done: Result<T, Error>, expected: u32, what: &str) {
    match done {
        Err(Error::Refused { status, .. }) => assert_eq!(status, Status::Nt(expected), "{what}"),
        other => panic!("{what}: {other:?}"),
    }
}

#[test]
fn what_is_written_at_any_edge_of_the_buffer_is_read_back() {
    let (booted, edu) = start();
    let end = DEVICE_BUFFER_LENGTH as usize;
    let write = |offset: usize, data: &[u8]| edu.write_wait(offset as u64, data.to_vec()).unwrap();
    let read = |offset: usize, length: u32| edu.read_wait(offset as u64, length).unwrap();
    let mut expected = pattern(0, end);
    assert_eq!(write(0, &expected), u64::from(DEVICE_BUFFER_LENGTH));
    // One byte and odd ones, at the beginning, in the middle and up to the last.
    let ranges: [(usize, u32); 6] = [
        (0, 1),
        (1, 3),
        (7, 64),
        (2047, 2),
        (end - 1, 1),
        (end - 9, 9),
    ];
    for (seed, (offset, length)) in (1..).zip(ranges) {
        let data = pattern(seed, length as usize);
        assert_eq!(write(offset, &data), u64::from(length));
        expected[offset..offset + data.len()].copy_from_slice(&data);
        assert_eq!(read(offset, length), data);
    }
    assert_eq!(
        read(0, DEVICE_BUFFER_LENGTH),
        expected,
        "nothing else changed"
    );
    // What goes beyond the end is cut there, as with files.
    assert_eq!(read(end - 5, 100), &expected[end - 5..]);
    assert_eq!(write(end - 5, &pattern(9, 100)), 5);
    drop(edu);
    booted.assert_nothing_of_requests_left();
    booted.shut_down();
}

#[test]
fn a_range_that_leaves_the_buffer_never_reaches_the_device() {
    let (booted, edu) = start();
    let path = booted.path(DeviceKind::Edu, 0).unwrap();
    let file = InFlight::open(&booted, &path);
    let end = u64::from(DEVICE_BUFFER_LENGTH);
    let before = edu.statistics().unwrap();
    for (offset, expected) in [
        (end, END_OF_FILE),
        (end + 1, END_OF_FILE),
        (1 << 40, END_OF_FILE),
    ] {
        let read = InFlight::send(&file, Request::Read { offset, length: 8 });
        let ended = read.end("read behind the end");
        assert_eq!(
            (ended.status, ended.information),
            (Status::Nt(expected), 0),
            "{offset:#x}"
        );
        let data = vec![1; 8];
        let write = InFlight::send(&file, Request::Write { offset, data });
        let ended = write.end("write behind the end");
        assert_eq!(
            (ended.status, ended.information),
            (Status::Nt(DISK_FULL), 0),
            "{offset:#x}"
        );
    }
    // The highest bit makes it negative: such offsets have special meanings, and none here.
    for offset in [1 << 63, u64::MAX, u64::MAX - 1] {
        let read = InFlight::send(&file, Request::Read { offset, length: 8 });
        let status = read.end("negative offset").status;
        assert_eq!(status, Status::Nt(INVALID_PARAMETER), "{offset:#x}");
    }
    let memory = booted.host.allocate(4096).unwrap();
    for (length, device_offset, direction) in [
        (0, 0, TO_DEVICE),
        (1, DEVICE_BUFFER_LENGTH, TO_DEVICE),
        (2, DEVICE_BUFFER_LENGTH - 1, FROM_DEVICE),
        (DEVICE_BUFFER_LENGTH + 1, 0, FROM_DEVICE),
        (u32::MAX, 1, TO_DEVICE),
        (1, u32::MAX, TO_DEVICE),
        (u32::MAX, u32::MAX, FROM_DEVICE),
        (1, 0, 2),
        (1, 0, u32::MAX),
    ] {
        let refused = edu
            .locked_transfer(memory.address(), length, device_offset, direction)
            .unwrap()
            .wait();
        let what = format!("{length} at {device_offset}, direction {direction}");
        assert_refused(refused, INVALID_PARAMETER, &what);
        if direction == TO_DEVICE {
            let refused = edu.self_test(1, length, device_offset).unwrap().wait();
            assert!(refused.is_err(), "self-test: {what}");
        }
    }
    let after = edu.statistics().unwrap();
    let interrupts = |counters: &eductl::edu::Counters| -> u64 {
        counters.processors.iter().map(|one| one.interrupts).sum()
    };
    assert_eq!(
        interrupts(&before),
        interrupts(&after),
        "the device was told nothing"
    );
    drop((memory, file, edu));
    booted.assert_nothing_of_requests_left();
    booted.shut_down();
}

#[test]
fn an_address_that_the_caller_cannot_use_is_refused() {
    let (booted, edu) = start();
    let memory = booted.host.allocate(4096).unwrap();
    let end = memory.address() + 4096;
    for address in [
        0,
        1,
        // Not mapped; from what is mapped into what is not; the kernel's; no address at all.
        0x10_0000_0000,
        end - 8,
        0xffff_8000_0000_0000,
        0xffff_ffff_8020_0000,
        0x8000_0000_0000_0000,
        u64::MAX - 15,
        u64::MAX,
    ] {
        for direction in [TO_DEVICE, FROM_DEVICE] {
            let refused = edu
                .locked_transfer(address, 16, 0, direction)
                .unwrap()
                .wait();
            assert_refused(refused, ACCESS_VIOLATION, &format!("{address:#x}"));
        }
    }
    drop((memory, edu));
    booted.assert_nothing_of_requests_left();
    booted.shut_down();
}

#[test]
fn a_user_buffer_may_begin_anywhere_and_cross_pages() {
    let (booted, edu) = start();
    let mut memory = booted.host.allocate(3 * 4096).unwrap();
    let places: [(usize, u32); 5] = [(1, 5), (4095, 2), (4090, 4000), (17, 4095), (8191, 1)];
    for (seed, (into, moved)) in (1..).zip(places) {
        let length = moved as usize;
        let what = format!("{length} bytes from byte {into} of a page on");
        let data = pattern(seed, length);
        let address = memory.address() + into as u64;
        let mut whole = vec![0xee; 3 * 4096];
        whole[into..into + length].copy_from_slice(&data);
        memory.write(&whole).unwrap();
        let done = edu
            .locked_transfer(address, moved, 0, TO_DEVICE)
            .unwrap()
            .wait()
            .unwrap();
        assert_eq!(done.moved, moved, "{what}");
        memory.write(&vec![0xee; whole.len()]).unwrap();
        let done = edu
            .locked_transfer(address, moved, 0, FROM_DEVICE)
            .unwrap()
            .wait()
            .unwrap();
        assert_eq!(done.moved, moved, "{what}");
        assert_eq!(memory.read(whole.len()).unwrap(), whole, "{what}");
    }
    drop((memory, edu));
    booted.assert_nothing_of_requests_left();
    booted.shut_down();
}

/// Moves bytes in all ways and both directions, and says how many lists that took at least.
fn move_bytes(booted: &Booted, edu: &Edu, what: &str) -> u64 {
    let end = DEVICE_BUFFER_LENGTH;
    let data = pattern(1, end as usize);
    assert_eq!(
        edu.write_wait(0, data.clone()).unwrap(),
        u64::from(end),
        "{what}"
    );
    assert_eq!(edu.read_wait(0, end).unwrap(), data, "{what}");
    let mut memory = booted.host.allocate(3 * 4096).unwrap();
    let (into, moved) = (4090_usize, 4000_u32);
    let mut whole = vec![0xee; 3 * 4096];
    whole[into..into + moved as usize].copy_from_slice(&pattern(2, moved as usize));
    memory.write(&whole).unwrap();
    let address = memory.address() + into as u64;
    let transfer = |direction| {
        let done = edu.locked_transfer(address, moved, 5, direction).unwrap();
        assert_eq!(done.wait().unwrap().moved, moved, "{what}");
    };
    transfer(TO_DEVICE);
    memory.write(&vec![0xee; whole.len()]).unwrap();
    transfer(FROM_DEVICE);
    // Nothing beside it was written.
    assert_eq!(memory.read(whole.len()).unwrap(), whole, "{what}");
    let tested = edu.self_test(3, end, 0).unwrap().wait().unwrap();
    assert_eq!((tested.compared, tested.mismatches), (end, 0), "{what}");
    6
}

#[test]
fn a_list_that_leaves_the_devices_reach_is_moved_through_the_drivers_own_buffer() {
    for machine in ["smp4", "iommu"] {
        // With and without the verifier's own map registers.
        for checking in [true, false] {
            let what = format!("{machine}, DMA checking {checking}");
            let mut manifest = manifest();
            let options_on = VerifierOption::STANDARD.iter().copied();
            manifest.verifier = Some(
                options_on
                    .filter(|&option| checking || option != VerifierOption::DmaChecking)
                    .collect(),
            );
            let booted =
                boot(machine, &options(manifest)).unwrap_or_else(|fault| panic!("{fault}"));
            let edu = booted.edu(0).unwrap();
            let fault = Fault::FarList {
                service: "eduwdm".to_owned(),
                nth: 0,
                count: u32::MAX,
            };
            booted.host.host_success(HostRequest::Fault(fault)).unwrap();
            let lists = move_bytes(&booted, &edu, &what);
            let faults = booted.host.faults().unwrap();
            assert!(faults[0].struck >= lists, "{what}: {faults:?}");
            booted.host.host_success(HostRequest::ClearFaults).unwrap();
            move_bytes(&booted, &edu, &what);
            drop(edu);
            booted.assert_nothing_of_requests_left();
            booted.shut_down();
        }
    }
}

#[test]
fn without_a_buffer_of_the_drivers_own_such_a_list_is_refused() {
    let mut manifest = manifest();
    manifest.faults = vec![
        Fault::Call {
            routine: "AllocateCommonBuffer".to_owned(),
            service: "eduwdm".to_owned(),
            offset: None,
            nth: 0,
            count: u32::MAX,
        },
        Fault::FarList {
            service: "eduwdm".to_owned(),
            nth: 1,
            count: 1,
        },
    ];
    let booted = boot("smp4", &options(manifest)).unwrap_or_else(|fault| panic!("{fault}"));
    let edu = booted.edu(0).unwrap();
    let data = pattern(4, 100);
    edu.write_wait(0, data.clone()).unwrap();
    let refused = edu.write_wait(0, pattern(5, 100));
    assert_refused(refused, DEVICE_CONFIGURATION_ERROR, "out of reach");
    assert_eq!(edu.read_wait(0, 100).unwrap(), data, "nothing was moved");
    drop(edu);
    booted.assert_nothing_of_requests_left();
    booted.shut_down();
}

/// A transfer that the device has done, whose interrupt is being taken: nobody else knows yet.
fn running(
    booted: &Booted,
    request: impl FnOnce() -> InFlight,
) -> (InFlight, nthost_protocol::breakpoint::Stop) {
    booted.break_at("KeInsertQueueDpc");
    let request = request();
    let stop = booted.stopped_at("KeInsertQueueDpc");
    assert!(!request.is_complete());
    (request, stop)
}

fn locked_transfer(file: &Arc<eductl::nthost::NtFile>, memory: &dyn UserMemory) -> InFlight {
    let input = LockedTransfer {
        header: Header::of::<LockedTransfer>(),
        address: memory.address() + 100,
        length: 4000,
        device_offset: 0,
        direction: TO_DEVICE,
        reserved: 0,
    };
    let output = size_of::<LockedTransferOutput>();
    InFlight::control(file, Ioctl::LockedTransfer, &input, output)
}

#[test]
fn the_memory_of_a_running_transfer_stays_locked_and_mapped_even_if_it_is_canceled() {
    let (booted, edu) = start();
    let path = booted.path(DeviceKind::Edu, 0).unwrap();
    let file = InFlight::open(&booted, &path);
    let memory = booted.host.allocate(4096 + 4096).unwrap();
    let (request, stop) = running(&booted, || locked_transfer(&file, &*memory));
    let before = booted.host.verifier().unwrap();
    assert_eq!(before.locked_pages, 2, "{before:?}");
    // The device reaches 28 bits; this machine's memory is given out from its top, beyond that.
    assert_eq!(before.map_registers, 2, "the adapter copies: {before:?}");
    request.cancel().join().unwrap();
    let after = booted.host.verifier().unwrap();
    assert!(!request.is_complete(), "the device may be at it");
    let held =
        |report: &nthost_protocol::host::Verifier| (report.locked_pages, report.map_registers);
    assert_eq!(held(&before), held(&after));
    booted.go_on(&stop);
    let ended = request.end("the transfer");
    assert_eq!(ended.status, Status::Nt(SUCCESS));
    let (output, rest) = LockedTransferOutput::read_from_prefix(ended.output()).unwrap();
    assert_eq!((output.moved, rest), (4000, &[][..]), "{output:?}");
    drop((request, memory, file, edu));
    booted.assert_nothing_of_requests_left();
    booted.shut_down();
}

#[test]
fn a_transfer_that_is_canceled_while_it_waits_unlocks_its_memory_first() {
    let (booted, edu) = start();
    let path = booted.path(DeviceKind::Edu, 0).unwrap();
    let file = InFlight::open(&booted, &path);
    let memory = booted.host.allocate(4096 + 4096).unwrap();
    let (running, stop) = running(&booted, || locked_transfer(&file, &*memory));
    let other = booted.host.allocate(4096 + 4096).unwrap();
    let waiting = locked_transfer(&file, &*other);
    waiting.cancel().join().unwrap();
    let ended = waiting.end("the waiting transfer");
    assert_eq!(ended.status, Status::Nt(CANCELLED));
    let report = booted.host.verifier().unwrap();
    assert_eq!(
        report.locked_pages, 2,
        "those of the running one: {report:?}"
    );
    booted.go_on(&stop);
    assert_eq!(running.end("the transfer").status, Status::Nt(SUCCESS));
    drop((running, waiting, memory, other, file, edu));
    booted.assert_nothing_of_requests_left();
    booted.shut_down();
}

#[test]
fn the_memory_of_a_running_transfer_outlives_its_process() {
    let (booted, edu) = start();
    let other = NtHost::connect(booted.session.socket()).unwrap();
    let path = booted.path(DeviceKind::Edu, 0).unwrap();
    let file = other
        .open(&path, eductl::nthost::Access::default())
        .unwrap();
    let memory = other.allocate(4096 + 4096).unwrap();
    let (request, stop) = running(&booted, || locked_transfer(&file, &*memory));
    // The client dies with all that it has: its connection is gone without a word.
    other.hang_up();
    let report = booted.host.verifier().unwrap();
    assert_eq!(
        (report.locked_pages, report.map_registers),
        (2, 2),
        "{report:?}"
    );
    booted.go_on(&stop);
    booted.wait_for_no_irps();
    drop((request, memory, file, other));
    assert_eq!(edu.factorial(5).unwrap().wait().unwrap().result, 120);
    drop(edu);
    booted.assert_nothing_of_requests_left();
    booted.shut_down();
}

#[test]
fn the_drivers_own_buffers_move_through_the_device_and_back_unchanged() {
    let (booted, edu) = start();
    for (seed, length, offset) in [
        (1, 1, 0),
        (2, DEVICE_BUFFER_LENGTH, 0),
        (3, 9, DEVICE_BUFFER_LENGTH - 9),
    ] {
        let result = edu.self_test(seed, length, offset).unwrap().wait().unwrap();
        assert_eq!(
            (result.compared, result.mismatches),
            (length, 0),
            "seed {seed}: {result:?}"
        );
    }
    drop(edu);
    booted.assert_nothing_of_requests_left();
    booted.shut_down();
}
