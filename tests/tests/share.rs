//! A driver shows a process its memory: what either writes the other reads, at the address that
//! was wished for, as long as it is shown and not longer; and what the driver does wrong with it
//! ends in its bug check.
#![cfg(unix)]

use std::{sync::Arc, thread, time::Duration};

use eductl::{
    Status,
    io::{Completion, File, Request},
    nthost::{Access, NtFile, NtHost},
};
use eduwdm_tests::{Booted, boot, options};
use nthost_protocol::{
    HostRequest, Manifest,
    manifest::{DriverImage, Role},
};

/// How long a request may take before the test fails: no test measures time.
const LIMIT: Duration = Duration::from_mins(1);
const PAGE: u64 = 4096;

const READ_ONLY: u32 = 1;
const POOL: u32 = 2;
const NO_SUCH_DEVICE: u32 = 0xc000_000e;
const CONFLICTING_ADDRESSES: u32 = 0xc000_0018;

/// What the driver can be asked for: its control codes.
#[derive(Clone, Copy, Debug)]
enum Ask {
    Map,
    Unmap,
    Touch,
    FreePool,
    FreePages,
    FreeMdl,
    MapAtDispatch,
    UnmapElsewhere,
    KeepProcess,
    ReadThere,
    UnmapThere,
    StayThere,
    Detach,
    HasExited,
    CheckMemory,
    Secure,
    Unsecure,
    CheckSections,
    MapSection,
    LeaveView,
    AllocateThere,
    TakeHandle,
    TouchIrp,
}

impl Ask {
    const fn code(self) -> u32 {
        0x9031 << 16 | (0x800 + self as u32) << 2
    }
}

/// What it answers.
#[derive(Debug)]
struct Done {
    address: u64,
    status: u32,
    value: u32,
}

fn booted() -> Booted {
    let driver = DriverImage {
        service: "share".to_owned(),
        image: "share.sys".to_owned(),
        role: Role::Function,
        hardware_ids: Vec::new(),
        service_values: Vec::new(),
        device_values: Vec::new(),
        security: None,
    };
    let manifest = Manifest {
        drivers: vec![driver],
        ..Manifest::default()
    };
    boot("up", &options(manifest)).unwrap_or_else(|fault| panic!("{fault}"))
}

fn open(host: &NtHost) -> Arc<NtFile> {
    let opened = host.open(r"\Device\Share", Access::default());
    opened.unwrap_or_else(|fault| panic!("{fault}"))
}

/// Asks for something; `None` if the machine ended instead of an answer.
fn try_ask(file: &NtFile, what: Ask, wish: u64, flags: u32, offset: u32) -> Option<Done> {
    let mut input = wish.to_le_bytes().to_vec();
    input.extend(flags.to_le_bytes());
    input.extend(offset.to_le_bytes());
    let completion = Arc::<Completion>::default();
    let request = Request::DeviceControl {
        code: what.code(),
        input,
        output_length: 16,
    };
    file.submit(request, completion.clone()).ok()?;
    let answer = completion.wait(Some(LIMIT)).expect("an answer in time");
    let data = answer.ok()?.data;
    let word = |at: usize| u32::from_le_bytes(data[at..at + 4].try_into().unwrap());
    Some(Done {
        address: u64::from(word(4)) << 32 | u64::from(word(0)),
        status: word(8),
        value: word(12),
    })
}

fn ask(file: &NtFile, what: Ask, wish: u64, flags: u32) -> Done {
    let done = try_ask(file, what, wish, flags, 0).unwrap_or_else(|| panic!("{what:?}: no answer"));
    assert_eq!(done.status, 0, "{what:?}");
    done
}

/// The value of a byte as the driver sees it, which it then increments.
fn touch(file: &NtFile, offset: u32) -> u32 {
    let done = try_ask(file, Ask::Touch, 0, 0, offset);
    done.expect("an answer").value
}

fn unload(booted: Booted) {
    let service = "share".to_owned();
    let unloaded = booted
        .host
        .host_success(HostRequest::UnloadDriver { service });
    unloaded.unwrap_or_else(|fault| panic!("{fault}\n{}", booted.log()));
    booted.shut_down();
}

#[test]
fn a_process_and_a_driver_see_the_same_memory_until_it_is_unmapped() {
    let booted = booted();
    let host = &booted.host;
    let file = open(host);
    for flags in [0, POOL] {
        let at = ask(&file, Ask::Map, 0, flags).address;
        assert_eq!(at % PAGE, 0);
        assert_eq!(host.read_memory(at, 8192).unwrap(), vec![0; 8192]);
        host.write_memory(at + 4095, &[7, 8]).unwrap();
        assert_eq!((touch(&file, 4095), touch(&file, 4096)), (7, 8));
        assert_eq!(host.read_memory(at + 4095, 2).unwrap(), [8, 9]);
        assert!(host.read_memory(at + 8191, 2).is_err(), "beyond the buffer");
        assert!(host.free_memory(at).is_err(), "it is not the process's");
        assert_eq!(touch(&file, 4096), 9);
        ask(&file, Ask::Unmap, 0, 0);
        assert!(host.read_memory(at, 1).is_err(), "it is unmapped");
    }
    drop(file);
    unload(booted);
}

#[test]
fn a_mapping_for_a_process_is_where_it_is_wished_and_read_only_if_wished() {
    let booted = booted();
    let host = &booted.host;
    let file = open(host);
    let wish = 0x1234_0000;
    let at = ask(&file, Ask::Map, wish + 0x5678, READ_ONLY).address;
    assert_eq!(at, wish, "rounded down to the allocation granularity");
    assert!(host.write_memory(at, &[1]).is_err(), "it is read-only");
    assert_eq!(touch(&file, 0), 0);
    assert_eq!(host.read_memory(at, 1).unwrap(), [1]);
    let again = try_ask(&file, Ask::Map, wish, 0, 0).expect("an answer");
    assert_eq!(again.status, CONFLICTING_ADDRESSES, "raised and caught");
    let beyond = try_ask(&file, Ask::Map, 0x7fff_fffe_0000 + PAGE * 16, 0, 0);
    assert_eq!(beyond.expect("an answer").status, CONFLICTING_ADDRESSES);
    drop(file);
    booted.shut_down();
}

#[test]
fn a_mapping_ends_with_its_process() {
    let booted = booted();
    let other = NtHost::connect(booted.session.socket()).unwrap();
    let file = open(&other);
    let at = ask(&file, Ask::Map, 0, 0).address;
    assert!(booted.host.read_memory(at, 1).is_err(), "another process");
    ask(&file, Ask::KeepProcess, 0, 0);
    drop(file);
    other.hang_up();
    drop(other);
    let own = open(&booted.host);
    while ask(&own, Ask::HasExited, 0, 0).value == 0 {
        std::thread::yield_now();
    }
    drop(own);
    // The verifier finds nothing that is left: the driver frees its pages when it is unloaded.
    unload(booted);
}

/// The machine ends with a bug check when the driver is asked for the last.
fn check(asked: &[(Ask, u32)], code: u32, first: u64) {
    let mut booted = booted();
    let file = open(&booted.host);
    let (last, before) = asked.split_last().unwrap();
    for &(what, flags) in before {
        ask(&file, what, 0, flags);
    }
    let answer = try_ask(&file, last.0, 0, last.1, 0);
    booted.session.guest.wait(LIMIT);
    let bugcheck = booted.session.guest.log.bugcheck();
    let bugcheck = bugcheck.unwrap_or_else(|| panic!("{answer:?}\n{}", booted.log()));
    assert_eq!(
        (
            bugcheck.code,
            // An address is different every time.
            if first == u64::MAX {
                first
            } else {
                bugcheck.parameters[0]
            }
        ),
        (code, first),
        "{asked:?}: {bugcheck:?}"
    );
}

#[test]
fn what_a_process_still_sees_must_not_be_freed() {
    check(&[(Ask::Map, POOL), (Ask::FreePool, 0)], 0x4e, 0x9a);
    check(&[(Ask::Map, 0), (Ask::FreePages, 0)], 0xc4, 0xb8);
    check(&[(Ask::Map, POOL), (Ask::FreeMdl, 0)], 0xc4, 0xb8);
}

#[test]
fn a_mapping_for_a_process_is_undone_there_and_not_at_dispatch_level() {
    check(&[(Ask::Map, 0), (Ask::UnmapElsewhere, 0)], 0xc4, 0xb9);
    check(&[(Ask::MapAtDispatch, 0)], 0xc4, 0x77);
}

#[test]
fn a_thread_that_is_attached_to_a_process_uses_its_addresses() {
    let booted = booted();
    let other = NtHost::connect(booted.session.socket()).unwrap();
    let (here, there) = (open(&booted.host), open(&other));
    let at = ask(&there, Ask::Map, 0, 0).address;
    other.write_memory(at, &[5]).unwrap();
    ask(&there, Ask::KeepProcess, 0, 0);
    // The same address is another's memory in this process.
    let own = eductl::io::IoSystem::allocate(&booted.host, 0x10_0000).unwrap();
    let end = own.address() + 0x10_0000;
    assert!((own.address()..end).contains(&at), "both are low");
    booted.host.write_memory(at, &[6]).unwrap();
    let done = try_ask(&here, Ask::ReadThere, at, 0, 0).expect("an answer");
    assert_eq!(done.value, 0x06_0505);
    ask(&here, Ask::UnmapThere, 0, 0);
    assert!(other.read_memory(at, 1).is_err(), "it is unmapped");
    drop((here, there, own));
    unload(booted);
}

#[test]
fn a_thread_comes_back_from_where_it_is_attached_and_from_nowhere_else() {
    check(&[(Ask::StayThere, 0)], 0x05, u64::MAX);
    check(&[(Ask::Detach, 0)], 0x06, 0);
}

#[test]
fn a_driver_reserves_commits_frees_and_secures_a_processs_memory() {
    let booted = booted();
    let file = open(&booted.host);
    let line = ask(&file, Ask::CheckMemory, 0, 0).value;
    assert_eq!(
        line, 0,
        "the rule at this line of share/memory.c does not hold"
    );
    drop(file);
    unload(booted);
}

#[test]
fn what_a_driver_has_secured_the_process_cannot_free() {
    let booted = booted();
    let host = &booted.host;
    let file = open(host);
    let own = eductl::io::IoSystem::allocate(host, 1).unwrap();
    ask(&file, Ask::Secure, own.address(), 0);
    assert!(host.free_memory(own.address()).is_err(), "it is secured");
    host.write_memory(own.address(), &[1]).unwrap();
    ask(&file, Ask::Unsecure, 0, 0);
    host.free_memory(own.address()).unwrap();
    let gone = try_ask(&file, Ask::Secure, own.address(), 0, 0).expect("an answer");
    assert_ne!(gone.status, 0, "there is nothing to secure");
    drop(file);
    unload(booted);
}

#[test]
fn secured_memory_is_let_go_once_in_its_own_process() {
    check(&[(Ask::Unsecure, 0)], 0x1a, 0x15000);
    let mut booted = booted();
    let other = NtHost::connect(booted.session.socket()).unwrap();
    let (here, there) = (open(&booted.host), open(&other));
    let own = eductl::io::IoSystem::allocate(&booted.host, 1).unwrap();
    ask(&here, Ask::Secure, own.address(), 0);
    try_ask(&there, Ask::Unsecure, 0, 0, 0);
    booted.session.guest.wait(LIMIT);
    let bugcheck = booted.session.guest.log.bugcheck().expect("a bug check");
    assert_eq!((bugcheck.code, bugcheck.parameters[0]), (0x1a, 0x15000));
}

#[test]
fn a_driver_makes_sections_and_maps_views_of_them() {
    let booted = booted();
    let file = open(&booted.host);
    let line = ask(&file, Ask::CheckSections, 0, 0).value;
    assert_eq!(
        line, 0,
        "the rule at this line of share/section.c does not hold"
    );
    drop(file);
    unload(booted);
}

#[test]
fn two_processes_see_one_section_until_it_is_unmapped() {
    let booted = booted();
    let other = NtHost::connect(booted.session.socket()).unwrap();
    let (here, there) = (open(&booted.host), open(&other));
    let view = ask(&here, Ask::MapSection, 0, 0).address;
    let other_view = ask(&there, Ask::MapSection, 0, 0).address;
    booted.host.write_memory(view + 5000, &[3, 4]).unwrap();
    assert_eq!(other.read_memory(other_view + 5000, 2).unwrap(), [3, 4]);
    assert!(booted.host.free_memory(view).is_err(), "it is a view");
    drop(there);
    other.hang_up();
    assert_eq!(booted.host.read_memory(view + 5000, 2).unwrap(), [3, 4]);
    drop(here);
    unload(booted);
}

#[test]
fn a_view_in_system_space_must_not_be_left() {
    let mut booted = booted();
    let file = open(&booted.host);
    ask(&file, Ask::LeaveView, 0, 0);
    drop(file);
    let service = "share".to_owned();
    let answer = booted.host.host(HostRequest::UnloadDriver { service });
    booted.session.guest.wait(LIMIT);
    let bugcheck = booted.session.guest.log.bugcheck();
    let bugcheck = bugcheck.unwrap_or_else(|| panic!("it was let through: {answer:?}"));
    assert_eq!((bugcheck.code, bugcheck.parameters[0]), (0xc4, 0x62));
}

#[test]
fn a_driver_opens_a_process_by_its_id_and_allocates_memory_there() {
    let booted = booted();
    let other = NtHost::connect(booted.session.socket()).unwrap();
    let (here, there) = (open(&booted.host), open(&other));
    ask(&there, Ask::KeepProcess, 0, 0);
    let at = ask(&here, Ask::AllocateThere, 0, 0).address;
    other.write_memory(at, &[9]).unwrap();
    assert_eq!(other.read_memory(at, 1).unwrap(), [9]);
    other.free_memory(at).unwrap();
    drop((here, there));
    unload(booted);
}

#[test]
fn a_driver_whose_device_is_open_is_unloaded_with_the_last_handle() {
    let booted = booted();
    let file = open(&booted.host);
    let service = "share".to_owned();
    // "Unload Routine Environment": from now on nobody opens the device, whoever has it open goes
    // on using it, and the unload routine is not called before that ends.
    let unload = HostRequest::UnloadDriver { service };
    booted.host.host_success(unload.clone()).unwrap();
    booted.host.host_success(unload.clone()).unwrap();
    let refused = booted.host.open(r"\Device\Share", Access::default());
    let refused = refused.expect_err("the device is on its way out");
    assert_eq!(refused.status(), Some(Status::Nt(NO_SUCH_DEVICE)));
    ask(&file, Ask::CheckMemory, 0, 0);
    let unloaded = |booted: &Booted| {
        let log = booted.log();
        log.lines().any(|line| line.ends_with("share is unloaded"))
    };
    assert!(!unloaded(&booted));
    drop(file);
    for _ in 0..1200 {
        if unloaded(&booted) {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    assert!(unloaded(&booted), "{}", booted.log());
    assert!(booted.host.host_success(unload).is_err(), "it is unloaded");
    booted.shut_down();
}

#[test]
fn a_clients_handle_is_no_kernels_and_its_irp_is_gone_once_it_is_complete() {
    let booted = booted();
    let file = open(&booted.host);
    // As the client's it is one: UserMode is 1.
    let done = try_ask(&file, Ask::TakeHandle, 4, 1, 0).expect("an answer");
    assert_eq!(done.status, 0);
    drop(file);
    unload(booted);
    // ObReferenceObjectByHandle with KernelMode: bug check 0xC4, 0xF6.
    let mut booted = self::booted();
    let file = open(&booted.host);
    let answer = try_ask(&file, Ask::TakeHandle, 4, 0, 0);
    booted.session.guest.wait(LIMIT);
    let bugcheck = booted.session.guest.log.bugcheck();
    let bugcheck = bugcheck.unwrap_or_else(|| panic!("{answer:?}\n{}", booted.log()));
    assert_eq!(
        (
            bugcheck.code,
            bugcheck.parameters[0],
            bugcheck.parameters[1]
        ),
        (0xc4, 0xf6, 4)
    );
    check(&[(Ask::TouchIrp, 0)], 0xd5, u64::MAX);
}
