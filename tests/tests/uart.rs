//! The driver of a 16550, `tests/drivers/uart`, which stands on the safe layer alone: against QEMU's
//! `pci-serial`, whose other end is held here.
#![cfg(unix)]

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    time::Duration,
};

use eductl::{Interrupt, IoSystem, Request, Status, device::OpenDevice, io::IoStatus};
use eduwdm_abi::InterfaceClass;
use eduwdm_qemu::{Machine, Session};
use eduwdm_tests::{Booted, artifacts, options};
use nthost_protocol::{
    HostRequest, Manifest,
    host::PnpOperation,
    manifest::{DriverImage, Role},
};
use tempfile::TempDir;

/// GUID_DEVINTERFACE_COMPORT
const CLASS: InterfaceClass = InterfaceClass {
    data1: 0x86e0_d1e0,
    data2: 0x8089,
    data3: 0x11d0,
    data4: [0x9c, 0xe4, 0x08, 0x00, 0x3e, 0x30, 0x1f, 0x73],
};

const fn code(function: u32) -> u32 {
    0x1b << 16 | function << 2
}

const SET_BAUD_RATE: u32 = code(1);
const SET_LINE_CONTROL: u32 = code(3);
const SET_WAIT_MASK: u32 = code(17);
const WAIT_ON_MASK: u32 = code(18);
const GET_BAUD_RATE: u32 = code(20);
const GET_LINE_CONTROL: u32 = code(21);
const GET_MODEMSTATUS: u32 = code(26);

const RECEIVED: u32 = 0x001;
const TRANSMITTED: u32 = 0x004;
/// CTS, DSR and RLSD.
const MODEM: u32 = 0x038;
const BREAK: u32 = 0x040;

const SUCCESS: Status = Status::Nt(0);
const CANCELLED: Status = Status::Nt(0xc000_0120);
const INVALID_PARAMETER: Status = Status::Nt(0xc000_000d);
const DEVICE_REMOVED: Status = Status::Nt(0xc000_02b6);

/// How long anything may take before the test fails: no test measures time.
const LIMIT: Duration = Duration::from_mins(1);

/// A machine with a UART on this back end.
fn boot(chardev: &str) -> Booted {
    let mut machine = Machine::load("smp4").unwrap();
    machine.chardevs.push(chardev.to_owned());
    let device = "pci-serial,chardev=line".parse().unwrap();
    let machine = machine.with_devices(vec![device]).unwrap();
    let driver = DriverImage {
        service: "uart".to_owned(),
        image: "uart.sys".to_owned(),
        role: Role::Function,
        hardware_ids: vec![r"PCI\VEN_1B36&DEV_0002".to_owned()],
        service_values: Vec::new(),
        device_values: Vec::new(),
        security: None,
    };
    let manifest = Manifest {
        drivers: vec![driver],
        ..Manifest::default()
    };
    let mut session = Session::start(&machine, &artifacts(), &options(manifest), |_| ()).unwrap();
    session
        .wait_ready()
        .unwrap_or_else(|fault| panic!("{fault}"));
    let host = eductl::nthost::NtHost::connect(session.socket()).unwrap();
    Booted { host, session }
}

/// A machine, and the other end of its line.
struct Line {
    booted: Booted,
    peer: UnixStream,
    _folder: TempDir,
}

fn line(more: &str) -> Line {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("line");
    let booted = boot(&format!(
        "socket,id=line,path={},server=on,wait=off{more}",
        socket.display()
    ));
    let peer = UnixStream::connect(&socket).unwrap();
    peer.set_read_timeout(Some(LIMIT)).unwrap();
    Line {
        booted,
        peer,
        _folder: folder,
    }
}

fn open(booted: &Booted) -> OpenDevice {
    let path = booted.host.interface_list(&CLASS).unwrap().remove(0);
    OpenDevice::open(&booted.host, &path, &Interrupt::default()).unwrap()
}

fn read(length: u32) -> Request {
    Request::Read { offset: 0, length }
}

fn control(code: u32, input: &[u8], output_length: u32) -> Request {
    Request::DeviceControl {
        code,
        input: input.to_vec(),
        output_length,
    }
}

#[track_caller]
fn ask(device: &OpenDevice, request: Request) -> IoStatus {
    let sent = device.submit("request", request).unwrap();
    sent.wait_for(LIMIT).unwrap()
}

#[track_caller]
fn set_mask(device: &OpenDevice, mask: u32) {
    let set = ask(device, control(SET_WAIT_MASK, &mask.to_le_bytes(), 0));
    assert_eq!(set.status, SUCCESS);
}

/// All of so many bytes, however many reads it takes.
fn read_all(device: &OpenDevice, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < count {
        let length = u32::try_from(count - bytes.len()).unwrap();
        let ended = ask(device, read(length));
        assert_eq!(ended.status, SUCCESS);
        assert!(!ended.output().is_empty(), "a read waits for a byte");
        bytes.extend(ended.output());
    }
    bytes
}

fn pattern(count: usize) -> Vec<u8> {
    (0..251_u8).cycle().take(count).collect()
}

fn pnp(booted: &Booted, operation: PnpOperation) {
    let mut devices = booted.host.devices().unwrap();
    devices.retain(|device| device.service == "uart");
    let device = devices.remove(0).instance;
    let request = HostRequest::Pnp { device, operation };
    booted.host.host_success(request).unwrap();
}

#[test]
fn bytes_go_both_ways_in_their_order() {
    let mut line = line("");
    let device = open(&line.booted);
    // Longer than the FIFO and all that the driver keeps of a write; several at once.
    let data = pattern(3000);
    let writes: Vec<_> = data
        .chunks(1000)
        .map(|chunk| {
            let data = chunk.to_vec();
            let write = Request::Write { offset: 0, data };
            device.submit("write", write).unwrap()
        })
        .collect();
    let mut came = vec![0; data.len()];
    line.peer.read_exact(&mut came).unwrap();
    assert!(came == data, "{came:?}");
    for write in writes {
        let ended = write.wait_for(LIMIT).unwrap();
        assert_eq!((ended.status, ended.information), (SUCCESS, 1000));
    }

    // A read that waits gets what comes; what comes without a read is kept for one.
    let waiting = device.submit("read", read(1)).unwrap();
    line.peer.write_all(&data[..700]).unwrap();
    let mut came = waiting.wait_for(LIMIT).unwrap().output().to_vec();
    came.extend(read_all(&device, 699));
    assert!(came == data[..700], "{came:?}");
    drop(device);
    line.booted.shut_down();
}

#[test]
fn requests_that_wait_can_be_canceled_and_end_with_their_handle() {
    let mut line = line("");
    let device = open(&line.booted);
    let reads: Vec<_> = (0..3)
        .map(|_| device.submit("read", read(4)).unwrap())
        .collect();
    reads[1].cancel();
    let [first, second, third] = <[_; 3]>::try_from(reads).unwrap();
    assert_eq!(second.wait_for(LIMIT).unwrap().status, CANCELLED);
    line.peer.write_all(b"a").unwrap();
    assert_eq!(first.wait_for(LIMIT).unwrap().output(), b"a");
    device.cancel_all();
    assert_eq!(third.wait_for(LIMIT).unwrap().status, CANCELLED);
    // Nobody reads what is written, so that the line takes no more of it, and nobody waits for these two:
    // the handle is closed with it, and the machine sees that it ends.
    let data = pattern(20_000);
    drop(
        device
            .submit("write", Request::Write { offset: 0, data })
            .unwrap(),
    );
    drop(device.submit("read", read(4)).unwrap());
    drop(device);
    line.booted.shut_down();
}

#[test]
fn a_wait_ends_with_what_has_happened_of_its_mask() {
    let mut line = line(",telnet=on");
    let device = open(&line.booted);
    let wait = || control(WAIT_ON_MASK, &[], 4);
    let ended = |sent: eductl::Overlapped| {
        let ended = sent.wait_for(LIMIT).unwrap();
        assert_eq!(ended.status, SUCCESS);
        u32::from_le_bytes(ended.output().try_into().unwrap())
    };
    assert_eq!(ask(&device, wait()).status, INVALID_PARAMETER);

    set_mask(&device, RECEIVED);
    let sent = device.submit("wait", wait()).unwrap();
    // Only one may wait.
    assert_eq!(ask(&device, wait()).status, INVALID_PARAMETER);
    line.peer.write_all(b"x").unwrap();
    assert_eq!(ended(sent), RECEIVED);

    set_mask(&device, BREAK | TRANSMITTED);
    let sent = device.submit("wait", wait()).unwrap();
    // IAC BREAK.
    line.peer.write_all(&[0xff, 0xf3]).unwrap();
    assert_eq!(ended(sent), BREAK);

    let sent = device.submit("wait", wait()).unwrap();
    let data = b"y".to_vec();
    assert_eq!(
        ask(&device, Request::Write { offset: 0, data }).status,
        SUCCESS
    );
    assert_eq!(ended(sent), TRANSMITTED);

    // A wait for what was before ends with nothing.
    let sent = device.submit("wait", wait()).unwrap();
    set_mask(&device, RECEIVED);
    assert_eq!(ended(sent), 0);
    // The break brought no byte.
    line.peer.write_all(b"z").unwrap();
    assert_eq!(read_all(&device, 2), b"xz");
    drop(device);
    line.booted.shut_down();
}

/// No back end of QEMU's changes the lines of its own accord, so that they are only asked for.
#[test]
fn the_lines_of_the_modem_are_told() {
    let line = line("");
    let device = open(&line.booted);
    set_mask(&device, MODEM);
    let lines = ask(&device, control(GET_MODEMSTATUS, &[], 4));
    assert_eq!(lines.status, SUCCESS);
    // SERIAL_CTS_STATE, SERIAL_DSR_STATE and SERIAL_DCD_STATE.
    assert_eq!(lines.output(), 0xb0_u32.to_le_bytes());
    drop(device);
    line.booted.shut_down();
}

#[test]
fn what_is_set_is_told_and_what_a_16550_cannot_do_is_refused() {
    let line = line("");
    let device = open(&line.booted);
    for (baud, status) in [
        (115_200_u32, SUCCESS),
        (7, INVALID_PARAMETER),
        (0, INVALID_PARAMETER),
    ] {
        let set = ask(&device, control(SET_BAUD_RATE, &baud.to_le_bytes(), 0));
        assert_eq!(set.status, status, "{baud}");
    }
    let baud = ask(&device, control(GET_BAUD_RATE, &[], 4));
    assert_eq!(baud.output(), 115_200_u32.to_le_bytes());
    // Stop bits, parity, bits of a word.
    for (setting, status) in [
        ([0, 2, 7], SUCCESS),
        ([1, 0, 8], INVALID_PARAMETER),
        ([0, 5, 8], INVALID_PARAMETER),
        ([0, 0, 9], INVALID_PARAMETER),
    ] {
        let set = ask(&device, control(SET_LINE_CONTROL, &setting, 0));
        assert_eq!(set.status, status, "{setting:?}");
    }
    let control = ask(&device, control(GET_LINE_CONTROL, &[], 3));
    assert_eq!(control.output(), [0, 2, 7]);
    drop(device);
    line.booted.shut_down();
}

#[test]
fn requests_outlive_a_rebalance_and_a_sleep_and_end_with_the_device() {
    let mut line = line("");
    let device = open(&line.booted);
    let waiting = device.submit("read", read(4)).unwrap();
    pnp(&line.booted, PnpOperation::Rebalance);
    for state in [3, 0] {
        let request = HostRequest::SystemPower { state };
        line.booted.host.host_success(request).unwrap();
    }
    // The system works before the device does, which loses what comes without power.
    let is_ready = || ask(&device, control(GET_MODEMSTATUS, &[], 4)).status == SUCCESS;
    while !is_ready() {
        std::thread::yield_now();
    }
    line.peer.write_all(b"b").unwrap();
    assert_eq!(waiting.wait_for(LIMIT).unwrap().output(), b"b");
    let data = pattern(500);
    let write = Request::Write {
        offset: 0,
        data: data.clone(),
    };
    // A socket takes a few hundred bytes that are sent one by one, and no more until they are read.
    let write = device.submit("write", write).unwrap();
    let mut came = vec![0; data.len()];
    line.peer.read_exact(&mut came).unwrap();
    assert!(came == data, "{came:?}");
    assert_eq!(write.wait_for(LIMIT).unwrap().status, SUCCESS);

    let waiting = device.submit("read", read(4)).unwrap();
    set_mask(&device, RECEIVED);
    let event = device
        .submit("wait", control(WAIT_ON_MASK, &[], 4))
        .unwrap();
    pnp(&line.booted, PnpOperation::SurpriseRemoval);
    for sent in [waiting, event] {
        let status = sent.wait_for(LIMIT).unwrap().status;
        assert_eq!(status, DEVICE_REMOVED);
    }
    drop(device);
    line.booted.shut_down();
}
