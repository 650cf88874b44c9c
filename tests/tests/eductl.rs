//! The program against a real machine: every command, with four devices.
#![cfg(unix)]

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use eduwdm_tests::{Booted, boot, manifest, options, out};
use serde_json::Value;

struct Machine {
    booted: Booted,
}

impl Machine {
    fn boot(name: &str) -> Self {
        let booted = boot(name, &options(manifest())).unwrap_or_else(|fault| panic!("{fault}"));
        Self { booted }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(out().join("eductl"));
        command
            .args(arguments)
            .arg("--socket")
            .arg(self.booted.session.socket());
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments)
            .output()
            .expect("cargo xtask build makes it")
    }

    #[track_caller]
    fn check(&self, arguments: &[&str], code: i32, words: &[&str]) {
        self.judge(arguments, &self.run(arguments), code, words);
    }

    #[track_caller]
    fn judge(&self, arguments: &[&str], output: &Output, code: i32, words: &[&str]) {
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        let log = || self.booted.log();
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {text}\n{}",
            log()
        );
        for word in words {
            assert!(
                text.contains(word),
                "{arguments:?}: “{word}” is not in: {text}"
            );
        }
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        let arguments = [arguments, &["--json"]].concat();
        let output = self.run(&arguments);
        self.judge(&arguments, &output, 0, &[]);
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// How many `edu` devices are listed.
    fn edu_count(&self) -> usize {
        let list = self.json(&["list"]);
        let devices = list["devices"].as_array().expect("a list");
        devices
            .iter()
            .filter(|device| device["kind"] == "edu")
            .count()
    }
}

#[test]
fn every_command_works_with_four_devices() {
    let machine = Machine::boot("edu4");
    assert_eq!(machine.edu_count(), 4);
    for device in ["0", "1", "2", "3"] {
        let of = ["--device", device];
        let with = |arguments: &[&'static str]| [arguments, &of].concat();
        machine.check(&with(&["info"]), 0, &["edu 1.0", "message-signaled"]);
        machine.check(&with(&["liveness"]), 0, &["alive"]);
        machine.check(&with(&["factorial", "5", "12", "20"]), 0, &["5! = 120"]);
        machine.check(&with(&["topology"]), 0, &["4 processors"]);
        let stats = machine.json(&with(&["stats"]));
        assert_eq!(stats["queues"]["compute"]["completed"], 3, "{stats}");
    }
    machine.check(&["info", "--device", "4"], 1, &["is a pci-testdev device"]);
    machine.check(
        &["info", "--device", "5"],
        1,
        &["no device is called “5”", "4 \\\\?\\PCI"],
    );
    let testdev = machine.json(&["testdev", "--writes", "50"]);
    let runs = testdev["runs"].as_array().expect("a list");
    assert_eq!(runs.len(), 6, "{testdev}");
    for run in runs {
        // The device counts what reaches it; an eventfd's writes end before.
        let reaches = run["test"] == 0;
        assert_eq!(run["counted"], if reaches { 50 } else { 0 }, "{run}");
        assert_eq!(run["writes"], 50, "{run}");
    }
    machine.booted.shut_down();
}

#[test]
fn files_go_to_the_device_and_come_back() {
    let machine = Machine::boot("smp4");
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let data: Vec<u8> = (0..4095_u32).map(|byte| (byte * 7 % 251) as u8).collect();
    fs::write(path("data"), &data).unwrap();
    machine.check(
        &["copy", &path("data"), "--output", &path("back")],
        0,
        &["4095 bytes"],
    );
    assert_eq!(fs::read(path("back")).unwrap(), data);
    machine.check(
        &["copy", &path("data"), "--locked"],
        0,
        &["came back the same"],
    );
    machine.check(
        &["write", "--offset", "0x10", "--text", "hello"],
        0,
        &["5 bytes"],
    );
    machine.check(
        &["read", "--offset", "0x10", "--length", "5"],
        0,
        &["68 65 6c 6c 6f", "hello"],
    );
    // One byte more than there is, and nothing of it is written.
    fs::write(path("long"), vec![0; 4096]).unwrap();
    machine.check(
        &["copy", &path("long"), "--output", &path("none")],
        7,
        &["takes 4095"],
    );
    assert!(!Path::new(&path("none")).exists());
    machine.check(&["read", "--output", "/proc/none"], 7, &["/proc/none"]);
    machine.booted.shut_down();
}

#[test]
fn events_are_raised_and_waited_for() {
    let machine = Machine::boot("smp4");
    machine.check(
        &["wait", "0x2", "--for", "0.05"],
        3,
        &["STATUS_IO_TIMEOUT", "wait longer"],
    );
    machine.check(
        &["wait", "0x2", "--timeout", "0.05"],
        5,
        &["it has been cancelled"],
    );
    machine.check(&["raise", "0x1"], 3, &["STATUS_INVALID_PARAMETER"]);
    let arguments = ["wait", "0x6"];
    let waiting = machine
        .command(&arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Until the driver has the request.
    while machine.json(&["stats"])["queues"]["events"]["depth"] != 1 {}
    machine.check(&["raise", "0x4"], 0, &["raised 0x4"]);
    let output = waiting.wait_with_output().unwrap();
    machine.judge(&arguments, &output, 0, &["raised 0x4"]);
    machine.booted.shut_down();
}

#[test]
fn work_from_many_threads_is_all_done_and_leaves_nothing() {
    let machine = Machine::boot("smp4");
    let words = ["every answer was right"];
    machine.check(
        &["stress", "--duration", "5", "--threads", "6", "--seed", "1"],
        0,
        &words,
    );
    machine.check(
        &["cancel-storm", "--requests", "2000", "--seed", "2"],
        0,
        &["2000 requests"],
    );
    let folder = tempfile::tempdir().unwrap();
    let figures = folder.path().to_str().unwrap();
    let bench = [
        "bench",
        "--requests",
        "100",
        "--depths",
        "1,8",
        "--output",
        figures,
    ];
    machine.check(&bench, 0, &["throughput.png"]);
    machine.booted.shut_down();
}

#[test]
fn a_client_that_dies_leaves_nothing_behind() {
    let machine = Machine::boot("smp4");
    let mut waiting = machine.command(&["wait", "0x2"]).spawn().unwrap();
    while machine.json(&["stats"])["queues"]["events"]["depth"] != 1 {}
    waiting.kill().unwrap();
    waiting.wait().unwrap();
    while machine.json(&["stats"])["queues"]["events"]["depth"] != 0 {}
    machine.booted.shut_down();
}

#[test]
fn a_device_that_goes_in_the_middle_is_told_and_nothing_is_half_written() {
    let machine = Machine::boot("edu4");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("buffer");
    let arguments = ["read", "--device", "1", "--output", file.to_str().unwrap()];
    let wait = ["wait", "0x2", "--device", "1"];
    let waiting = machine
        .command(&wait)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stats = ["stats", "--device", "1"];
    while machine.json(&stats)["queues"]["events"]["depth"] != 1 {}
    // A transfer takes the device 100 ms.
    let reading = machine
        .command(&arguments)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while machine.json(&stats)["queues"]["read"]["inserted"] == 0 {}
    machine.check(
        &["host", "pnp", "surprise-removal", "--device", "1"],
        0,
        &["done"],
    );
    machine.judge(&wait, &waiting.wait_with_output().unwrap(), 6, &["STATUS_"]);
    let output = reading.wait_with_output().unwrap();
    if output.status.success() {
        // It was done before the device went.
        assert_eq!(fs::read(&file).unwrap().len(), 4095);
    } else {
        machine.judge(&arguments, &output, 6, &["STATUS_"]);
        assert_eq!(
            fs::read_dir(&folder).unwrap().count(),
            0,
            "something is half-written"
        );
    }
    assert_eq!(machine.edu_count(), 3);
    machine.check(&["factorial", "5", "--device", "1"], 0, &["120"]);
    machine.booted.shut_down();
}

#[test]
fn the_machine_is_looked_at_and_its_devices_are_put_through_their_lives() {
    let mut machine = Machine::boot("numa2x2");
    let seen = machine.json(&["host", "machine"]);
    assert_eq!(
        seen["processors"].as_array().map(Vec::len),
        Some(4),
        "{seen}"
    );
    assert_eq!(seen["nodes"].as_array().map(Vec::len), Some(2), "{seen}");
    assert_eq!(
        machine.json(&["host", "drivers"])["drivers"][0]["service"],
        "eduwdm"
    );
    assert!(machine.json(&["host", "verifier"])["checks"].as_u64() > Some(0));
    machine.json(&["host", "events"]);
    let factorial = || machine.check(&["factorial", "5"], 0, &["120"]);
    machine.check(&["host", "pnp", "rebalance"], 0, &["done"]);
    factorial();
    machine.check(&["host", "power", "3"], 0, &["done"]);
    machine.check(&["host", "power", "0"], 0, &["done"]);
    factorial();
    machine.check(&["host", "pnp", "cancel-stop"], 3, &["STATUS_"]);
    machine.check(&["host", "unload", "nobody"], 3, &["unloading nobody"]);
    let devices = machine.json(&["host", "devices"]);
    let devices = devices["devices"].as_array().expect("a list");
    let is_edu = |device: &&Value| {
        device["instance"]
            .as_str()
            .is_some_and(|path| path.contains("11E8"))
    };
    let instance = devices.iter().find(is_edu).expect("the device")["instance"].clone();
    let instance = instance.as_str().expect("a path");
    machine.check(
        &["host", "pnp", "query-remove", "--device", instance],
        0,
        &["done"],
    );
    machine.check(
        &["host", "pnp", "remove", "--device", instance],
        0,
        &["done"],
    );
    assert_eq!(machine.edu_count(), 0);
    machine.check(&["host", "pnp", "add", "--device", instance], 0, &["done"]);
    factorial();
    // The machine's own end.
    machine.check(&["host", "shutdown"], 0, &["done"]);
    let limit = std::time::Duration::from_mins(1);
    let ending = machine.booted.session.finish(limit);
    ending.unwrap_or_else(|fault| panic!("{fault}"));
}
