//! `cargo xtask run` with a driver of one's own: what its INF file says is what the machine has, and
//! `eductl io` talks to it.
#![cfg(unix)]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
};

fn target() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

/// A cancel-safe queue with a filter above it, for a device that the machine's file has not.
const INF: &str = r#"
[Version]
Signature="$Windows NT$"
[Manufacturer]
"Maker"=Models,NTamd64
[Models.NTamd64]
"A queue"=Queue,PCI\VEN_1234&DEV_11E8
[Queue]
[Queue.HW]
AddReg=Filters
[Queue.Services]
AddService=queue,2,Service
AddService=above,,Above
[Filters]
HKR,,UpperFilters,0x00010000,above
[Service]
ServiceType=1
StartType=3
ErrorControl=1
ServiceBinary=%13%\CSQ.sys
[Above]
ServiceType=1
StartType=3
ErrorControl=1
ServiceBinary=%13%\filter.sys
"#;

/// A running machine. Dropping it ends it.
struct Machine {
    child: Child,
    name: String,
    // What it writes has a reader until its end.
    out: BufReader<ChildStdout>,
}

impl Machine {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let name = format!("test-run-{}", std::process::id());
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command
            .args(["run", "--no-build", "--machine", "up", "--name", &name])
            .args(arguments)
            // Not the project's: it is found from anywhere.
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        while !said.contains("is ready") {
            let more = out.read_line(&mut said).unwrap();
            assert_ne!(more, 0, "{said}");
        }
        Self { child, name, out }
    }

    fn eductl(&self, arguments: &[&str]) -> Output {
        let socket = target().join("nthost").join(format!("{}.sock", self.name));
        let mut command = Command::new(target().join("out/eductl"));
        command.args(arguments).arg("--socket").arg(socket);
        command.stdin(Stdio::null()).output().unwrap()
    }

    #[track_caller]
    fn check(&self, arguments: &[&str], code: i32, words: &[&str]) {
        let output = self.eductl(arguments);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        for word in words {
            assert!(
                said.contains(word),
                "{arguments:?}: “{word}” is not in {said}"
            );
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_driver_is_run_as_its_inf_file_says_and_asked_whatever_it_understands() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["csq.sys", "filter.sys"] {
        fs::copy(target().join("out").join(name), folder.path().join(name)).unwrap();
    }
    fs::write(folder.path().join("queue.inf"), INF).unwrap();
    let arguments = ["csq.sys", "--inf", "queue.inf", "--device", "edu"];
    let machine = &mut Machine::start(folder.path(), &arguments);

    machine.check(&["host", "devices"], 0, &["(queue)", "Started"]);
    machine.check(&["host", "drivers"], 0, &["queue", "above"]);
    let class = "{8f1f6f0a-38a5-4f36-9d4c-1f1b5a1c0001}";
    machine.check(&["io", "list", "--class", class], 0, &["0  queue", class]);
    machine.check(&["io", "open"], 0, &["opened and closed"]);
    let read = ["io", "read", "--length", "8", "--device", class];
    let waiting = [&read[..], &["--count", "3", "--cancel-after", "0.1"]].concat();
    machine.check(&waiting, 0, &["2: STATUS_CANCELLED"]);
    // Without that, it is the program's patience that ends.
    let late = [&read[..], &["--timeout", "0.1"]].concat();
    machine.check(&late, 5, &["the read was not done within"]);
    machine.check(&["io", "write", "--text", "x"], 3, &["0x8000001a"]);
    let control = [
        "io",
        "control",
        "CTL_CODE(0x22,0x800,METHOD_NEITHER,FILE_ANY_ACCESS)",
    ];
    machine.check(&control, 3, &["STATUS_INVALID_DEVICE_REQUEST"]);
    machine.check(
        &["io", "open", "--device", "nobody"],
        3,
        &["STATUS_OBJECT_NAME_NOT_FOUND"],
    );

    // What a read gets is in a file, byte by byte.
    let file = folder.path().join("read.bin");
    let reading = std::thread::scope(|scope| {
        let arguments = [&read[..], &["--output", file.to_str().unwrap()]].concat();
        let machine = &*machine;
        let reading = scope.spawn(move || machine.eductl(&arguments));
        // Until the read waits, there is nobody to write to.
        while machine
            .eductl(&["io", "write", "--hex", "01 ff"])
            .status
            .code()
            != Some(0)
        {}
        reading.join().unwrap()
    });
    assert!(reading.status.success(), "{reading:?}");
    assert_eq!(fs::read(&file).unwrap(), [1, 0xff]);

    // One device has a driver: it is the one that is meant.
    machine.check(&["host", "power", "d3"], 0, &["done"]);
    machine.check(&["host", "power", "D0", "--device", "0"], 0, &["done"]);
    machine.check(&["list"], 1, &["eductl io"]);
    machine.check(&["host", "shutdown"], 0, &["done"]);
    let status = machine.child.wait().unwrap();
    let mut rest = String::new();
    let _ = std::io::Read::read_to_string(&mut machine.out, &mut rest);
    assert!(status.success(), "{rest}");
}

#[test]
fn what_cannot_be_run_is_said_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("queue.inf"), INF).unwrap();
    fs::write(folder.path().join("other.sys"), "").unwrap();
    let said = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(["run", "--no-build", "--machine", "up"]);
        let output = command.args(arguments).current_dir(folder.path()).output();
        let output = output.unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let fault = said(&["other.sys", "--inf", "queue.inf"]);
    assert!(
        fault.contains("installs CSQ.sys, filter.sys, not other.sys"),
        "{fault}"
    );
    let fault = said(&["--inf", "queue.inf"]);
    assert!(fault.contains("CSQ.sys is not in ."), "{fault}");
    let fault = said(&["other.sys", "--device", "e1000,bus=pci.0"]);
    assert!(fault.contains("“bus”"), "{fault}");
    let fault = said(&["--inf", "queue.inf", "--id", r"PCI\VEN_8086"]);
    assert!(fault.contains("no model has one of the ids"), "{fault}");
}

#[test]
fn a_driver_in_c_plus_plus_is_built_and_run() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("greeter.sys");
    // A path that a tool with Windows' options could take for one of them, `/d`.
    let sources = tempfile::tempdir_in("/dev/shm").unwrap();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/drivers/cpp");
    for entry in fs::read_dir(own).unwrap() {
        let file = entry.unwrap();
        fs::copy(file.path(), sources.path().join(file.file_name())).unwrap();
    }
    let sources = sources.path();
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command
        .args(["cc", "--no-build", "--integritycheck"])
        .arg(sources);
    let built = command.arg("--output").arg(&image).output().unwrap();
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success() && said.is_empty(), "{said}");
    assert!(image.with_extension("pdb").is_file());
    // IMAGE_DLLCHARACTERISTICS_FORCE_INTEGRITY
    let bytes = fs::read(&image).unwrap();
    let header = u32::from_le_bytes(bytes[0x3c..0x40].try_into().unwrap()) as usize;
    assert_ne!(bytes[header + 24 + 70] & 0x80, 0);

    let machine = &mut Machine::start(folder.path(), &["greeter.sys"]);
    let header = sources.join("greeter.h");
    let control = |name| {
        let header = header.to_str().unwrap();
        vec![
            "io", "control", name, "--header", header, "--device", "Greeter",
        ]
    };
    let greet = [
        &control("IOCTL_GREETER_GREET")[..],
        &["--text", "you", "--room", "64"],
    ]
    .concat();
    let greeting: String = "Hello, you"
        .chars()
        .flat_map(|letter| [letter, '\0'])
        .collect();
    machine.check(&[&greet[..], &["--as-text"]].concat(), 0, &[&greeting]);
    let registers = [
        &control("IOCTL_GREETER_READ_REGISTERS")[..],
        &["--room", "8"],
    ]
    .concat();
    machine.check(&registers, 0, &["11 11 11 11 22 22 22 22"]);
    machine.check(&["host", "unload", "greeter"], 0, &["done"]);
    machine.check(&["host", "shutdown"], 0, &["done"]);
    assert!(machine.child.wait().unwrap().success());
}

#[test]
fn a_release_runs_drivers_without_the_project() {
    let folder = tempfile::tempdir().unwrap();
    let run = |command: &mut Command| {
        let output = command.current_dir(folder.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let mut dist = Command::new(env!("CARGO_BIN_EXE_xtask"));
    run(dist.args(["dist", "--no-build", "--output", "release.tar.gz"]));
    run(Command::new("tar").args(["-xzf", "release.tar.gz", "--strip-components=1"]));
    fs::copy(target().join("out/csq.sys"), folder.path().join("csq.sys")).unwrap();

    // Without a socket's path: what belongs together finds itself.
    let started = Command::new(folder.path().join("xtask"))
        .args([
            "run",
            "csq.sys",
            "--id",
            r"PCI\VEN_1234&DEV_11E8",
            "--machine",
            "up",
        ])
        .current_dir(folder.path())
        .env("XDG_RUNTIME_DIR", folder.path().join("runtime"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = started.unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    while !said.contains("is ready") {
        assert_ne!(out.read_line(&mut said).unwrap(), 0, "{said}");
    }
    let eductl = |arguments: &[&str]| {
        let mut command = Command::new(folder.path().join("eductl"));
        run(command
            .args(arguments)
            .env("XDG_RUNTIME_DIR", folder.path().join("runtime")))
    };
    assert!(eductl(&["io", "list"]).contains("csq"));
    eductl(&["host", "shutdown"]);
    assert!(child.wait().unwrap().success());
}

#[test]
fn an_inf_file_is_checked_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("queue.inf"), INF).unwrap();
    let check = |file: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        let output = command.args(["inf", "check"]).arg(file).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            said.contains("rules of InfVerif for Windows Drivers checked"),
            "{said}"
        );
        (output.status.code(), said)
    };
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../inf/eduwdm.inf");
    let (code, said) = check(&own);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("2 device ids, 1 files") && said.contains("0 errors"),
        "{said}"
    );
    let (code, said) = check(&folder.path().join("queue.inf"));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("error 1233 no-catalog"), "{said}");
}

#[test]
fn any_driver_is_packed_under_its_own_names() {
    let folder = tempfile::tempdir().unwrap();
    let inf = include_str!("../../inf/eduwdm.inf");
    let inf = inf
        .replace("eduwdm", "card")
        .replace("01/01/2026", "01/01/2020");
    fs::write(folder.path().join("card.inf"), inf).unwrap();
    fs::copy(target().join("out/csq.sys"), folder.path().join("card.sys")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command
        .args(["package", "--inf", "card.inf", "--output", "package"])
        .current_dir(folder.path())
        // The certificate is kept with one's own data.
        .env("HOME", folder.path())
        .env("XDG_DATA_HOME", folder.path());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let mut names: Vec<_> = fs::read_dir(folder.path().join("package"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "card.cat",
            "card.cer",
            "card.inf",
            "card.psm1",
            "card.sys",
            "install.ps1",
            "remove.ps1"
        ]
    );
    let script = fs::read_to_string(folder.path().join("package/install.ps1")).unwrap();
    assert!(script.contains("'card.inf', 'card.sys', 'card.cat', 'card.cer'"));
}
