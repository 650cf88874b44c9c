//! What gdb is given of a driver is what its PDB says, at the same addresses.
#![cfg(unix)]

use std::{collections::BTreeSet, fs, net::TcpListener, process::Command};

use addr2line::Loader;
use eduwdm_qemu::{
    Machine, Session,
    gdb::{self, Program},
    replay,
    serial::Frame,
    symbols::Symbols,
};
use eduwdm_tests::{artifacts, out};
use object::{
    Object, ObjectSymbol,
    read::pe::{ImageNtHeaders, PeFile64},
};

const DRIVER: &str = "eduwdm";

#[test]
fn gdb_finds_a_drivers_functions_and_lines_where_its_pdb_says() {
    let pdb = out().join(format!("{DRIVER}.pdb"));
    let bytes = gdb::symbol_file(&pdb).unwrap_or_else(|fault| panic!("{fault}"));
    let file = object::File::parse(&*bytes).expect("an ELF file");

    // The image itself says where it is entered.
    let image = fs::read(out().join(format!("{DRIVER}.sys"))).expect("the driver");
    let image = PeFile64::parse(&*image).expect("an image");
    let entry = image
        .nt_headers()
        .optional_header()
        .address_of_entry_point
        .get(object::LittleEndian);
    let at_entry: Vec<_> = file
        .symbols()
        .filter(|symbol| symbol.address() == u64::from(entry))
        .filter_map(|symbol| symbol.name().ok().map(str::to_owned))
        .collect();
    assert!(
        at_entry.iter().any(|name| name == "eduwdm::driver_entry"),
        "at the entry {entry:#x} is {at_entry:?}"
    );

    // Each line as the stack of a bugcheck would name it.
    let place = tempfile::NamedTempFile::new().expect("a file");
    fs::write(&place, &bytes).expect("the file to be written");
    let loader = Loader::new(place.path()).expect("an ELF file with lines");
    let mut symbols = Symbols::default();
    symbols
        .add_image("eduwdm.sys", &pdb)
        .unwrap_or_else(|fault| panic!("{fault}"));
    let program = Program::read(&fs::read(&pdb).expect("the PDB")).expect("a PDB");
    let mut files = BTreeSet::new();
    let mut compared = 0;
    let functions = program
        .functions
        .values()
        .filter(|function| function.name.starts_with("eduwdm::"));
    for function in functions {
        // One place of each function: the PDB is taken apart for each.
        let Some(line) = function.lines.first() else {
            continue;
        };
        let frame = Frame {
            module: "eduwdm.sys".to_owned(),
            offset: line.address.into(),
        };
        let expected = symbols.resolve(&frame, false);
        let Some((file, number)) = expected.last().and_then(|place| place.line.clone()) else {
            continue;
        };
        let found = loader
            .find_location(line.address.into())
            .expect("line tables");
        let found = found.unwrap_or_else(|| panic!("{} has no line", function.name));
        assert_eq!(
            (found.file, found.line),
            (Some(&*file), Some(number)),
            "{}",
            function.name
        );
        files.insert(file);
        compared += 1;
        if compared == 40 {
            break;
        }
    }
    assert!(
        compared > 10 && files.len() > 3,
        "{compared} functions of {files:?}"
    );
}

/// A port that nobody listens to.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its number").port()
}

#[test]
#[ignore = "needs gdb"]
fn gdb_stops_in_a_driver_that_was_not_loaded_when_the_breakpoint_was_set() {
    let (machine, artifacts) = (Machine::load("up").expect("a machine"), artifacts());
    let mut options = replay::options(1, 1).unwrap_or_else(|fault| panic!("{fault}"));
    options.name = eduwdm_tests::options(options.manifest.clone()).name;
    let port = free_port();
    options.extras.debugger = Some(port);
    let drivers = &options.manifest.drivers;
    let images = drivers.iter().map(|driver| driver.image.as_str());
    let script = gdb::prepare(&artifacts, images, port).unwrap_or_else(|fault| panic!("{fault}"));
    let session = Session::start(&machine, &artifacts, &options, |_| ());
    let _session = session.unwrap_or_else(|fault| panic!("{fault}"));
    let commands = [
        "break eduwdm::driver_entry",
        "continue",
        "backtrace 2",
        "kill",
    ];
    let output = Command::new("gdb")
        .args(["-nx", "-batch", "-x"])
        .arg(script)
        .args(commands.iter().flat_map(|command| ["-ex", command]))
        .output()
        .expect("gdb");
    let said = String::from_utf8_lossy(&output.stdout);
    for expected in ["#0  eduwdm::driver_entry () at ", "#1  0x", "io/driver.rs:"] {
        assert!(said.contains(expected), "no “{expected}” in:\n{said}");
    }
}
