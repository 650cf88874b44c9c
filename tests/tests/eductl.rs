//! The program against real machines: every command, its exit code, and what it prints for people
//! and for machines.
#![cfg(unix)]

use std::{fs, path::Path};

use eduwdm_tests::Program;
use serde_json::{Value, json};

#[test]
fn every_device_of_four_is_meant_by_its_index_its_path_or_a_part_of_it() {
    let machine = Program::boot("edu4");
    let list = machine.json(&["list"]);
    let devices = list["devices"].as_array().expect("a list");
    assert_eq!(devices.len(), 5, "{list}");
    for (index, device) in devices.iter().enumerate() {
        assert_eq!(device["index"], index, "{list}");
        assert_eq!(device["state"], "started", "{list}");
        let kind = if index < 4 { "edu" } else { "pci-testdev" };
        assert_eq!(device["kind"], kind, "{list}");
        let path = device["path"].as_str().expect("a path");
        // The slot, which no other device's path has.
        let slot = path.split('#').nth(2).expect("an instance");
        let index = index.to_string();
        for name in [&index, path, &path.to_lowercase(), &format!("#{slot}#")] {
            let of = ["--device", name];
            let with = |arguments: &[&'static str]| [arguments, &of].concat();
            if kind == "edu" {
                machine.check(&with(&["info"]), 0, &["edu 1.0", "message-signaled"]);
                machine.check(&with(&["factorial", "5"]), 0, &["5! = 120"]);
                machine.check(&with(&["testdev"]), 1, &["is an edu device"]);
            } else {
                machine.check(&with(&["testdev", "--writes", "1"]), 0, &["1 counted"]);
                machine.check(&with(&["info"]), 1, &["is a pci-testdev device"]);
            }
        }
        if kind == "edu" {
            // Each was meant four times, so no other device got what was meant for it.
            assert_eq!(machine.counter(&index, "compute", "completed"), 4);
        }
    }
    machine.booted.shut_down();
}

#[test]
fn a_device_that_is_none_or_not_the_only_one_is_not_guessed() {
    let machine = Program::boot("edu4");
    for unknown in ["5", "-1", "DEV_11E8", "nothing", "\\\\?\\PCI#none"] {
        let device = format!("--device={unknown}");
        let words = [&format!("no device is called “{unknown}”"), "0 \\\\?\\PCI"];
        machine.check(&["info", &device], 1, &words);
        let document = machine.json_with_code(&["stress", &device], 1);
        assert_eq!(document["error"]["kind"], "unknown-device", "{document}");
        assert_eq!(document["error"]["exit_code"], 1, "{document}");
    }
    machine.booted.shut_down();
}

#[test]
fn what_the_device_is_and_where_is_shown() {
    let machine = Program::boot("numa2x2");
    let info = machine.json(&["info"]);
    assert_eq!(info["identification"], 0x0100_00ed, "{info}");
    assert_eq!(info["device_version"], "1.0");
    assert_eq!(info["interrupt"], "message-signaled");
    assert_eq!(info["buffer_length"], 4095);
    let topology = machine.json(&["topology"]);
    assert_eq!(topology["system"]["processors"], 4, "{topology}");
    assert_eq!(topology["system"]["highest_node"], 1);
    let list = machine.json(&["list"]);
    assert_eq!(topology["device_node"], list["devices"][0]["node"]);
    assert_eq!(topology["buffer_node"], topology["device_node"]);
    machine.check(&["topology"], 0, &["4 processors", "highest node 1"]);
    machine.check(&["list"], 0, &["edu", "pci-testdev", "started"]);
    let alive = machine.json(&["liveness", "0x12345678"]);
    assert_eq!(
        alive,
        json!({ "value": 0x1234_5678, "inverse": !0x1234_5678_u32 })
    );
    machine.check(
        &["liveness", "0"],
        0,
        &["alive: wrote 0x00000000, read 0xffffffff"],
    );
    let answer = machine.json(&["factorial", "0", "12", "13"]);
    let results: Vec<_> = answer["factorials"]
        .as_array()
        .expect("a list")
        .iter()
        .collect();
    assert_eq!(results.len(), 3, "{answer}");
    for (result, expected) in results.iter().zip([1, 479_001_600, 1_932_053_504_u32]) {
        assert_eq!(result["result"], expected, "{answer}");
    }
    assert_eq!(
        [&results[1]["wrapped"], &results[2]["wrapped"]],
        [false, true]
    );
    let stats = machine.json(&["stats"]);
    assert_eq!(stats["queues"]["compute"]["completed"], 3, "{stats}");
    assert_eq!(
        stats["processors"].as_array().map(Vec::len),
        Some(4),
        "{stats}"
    );
    machine.check(&["stats", "--all"], 0, &["compute", "events", "3 (0: 3)"]);
    machine.booted.shut_down();
}

#[test]
fn the_test_devices_writes_are_counted_where_they_reach_it() {
    let machine = Program::boot("smp4");
    let testdev = machine.json(&["testdev", "--writes", "50"]);
    let runs = testdev["runs"].as_array().expect("a list");
    assert_eq!(runs.len(), 6, "{testdev}");
    for run in runs {
        // The device counts what reaches it; an eventfd's writes end before.
        let reaches = run["test"] == 0;
        assert_eq!(run["counted"], if reaches { 50 } else { 0 }, "{run}");
        assert_eq!(run["writes"], 50, "{run}");
    }
    let one = machine.json(&["testdev", "--bar", "1", "--test", "0", "--writes", "7"]);
    assert_eq!(one["runs"].as_array().map(Vec::len), Some(1), "{one}");
    assert_eq!(one["runs"][0]["counted"], 7, "{one}");
    machine.check(&["testdev", "--bar", "2"], 3, &["STATUS_INVALID_PARAMETER"]);
    machine.check(
        &["testdev", "--test", "3"],
        3,
        &["STATUS_INVALID_PARAMETER"],
    );
    machine.booted.shut_down();
}

#[test]
fn files_go_to_the_device_and_come_back() {
    let machine = Program::boot("smp4");
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let data: Vec<u8> = (0..4095_u32).map(|byte| (byte * 7 % 251) as u8).collect();
    fs::write(path("data"), &data).unwrap();
    let copied = machine.json(&["copy", &path("data"), "--output", &path("back")]);
    assert_eq!(copied, json!({ "length": 4095, "offset": 0, "same": true }));
    assert_eq!(fs::read(path("back")).unwrap(), data);
    let words = ["4095 bytes", "came back the same"];
    machine.check(&["copy", &path("data"), "--locked"], 0, &words);
    // What is in the device stays there, and is saved whole.
    let saved = machine.json(&["read", "--output", &path("saved")]);
    assert_eq!(saved["length"], 4095, "{saved}");
    assert_eq!(fs::read(path("saved")).unwrap(), data);
    let text = ["write", "--offset", "0x10", "--text", "hello"];
    assert_eq!(machine.json(&text), json!({ "offset": 16, "length": 5 }));
    let read = ["read", "--offset", "0x10", "--length", "5"];
    machine.check(&read, 0, &["68 65 6c 6c 6f", "hello"]);
    assert_eq!(machine.json(&read)["data"], json!(b"hello"));
    machine.check(&["write", "--hex", "de ad"], 0, &["2 bytes"]);
    machine.check(&["read", "--length", "3"], 0, &["de ad"]);
    machine.booted.shut_down();
}

#[test]
fn what_does_not_fit_or_cannot_be_saved_changes_nothing() {
    let machine = Program::boot("smp4");
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("long"), vec![0; 4096]).unwrap();
    fs::write(path("empty"), []).unwrap();
    // One byte more than there is.
    let (long, none) = (path("long"), path("none"));
    machine.check(
        &["copy", &long, "--output", &none],
        7,
        &["4096 bytes", "takes 4095"],
    );
    machine.check(
        &["write", "--input", &long],
        7,
        &["4096 bytes", "takes 4095"],
    );
    let rest = ["write", "--offset", "4094", "--text", "ab"];
    machine.check(&rest, 2, &["2 bytes were given", "takes 1"]);
    let beyond = ["write", "--offset", "4096", "--text", "a"];
    machine.check(&beyond, 2, &["beyond the device's buffer"]);
    machine.check(&["copy", &path("empty")], 2, &["is empty"]);
    machine.check(&["copy", &path("missing")], 7, &["missing"]);
    machine.check(
        &["copy", folder.path().to_str().unwrap()],
        7,
        &["directory"],
    );
    machine.check(&["raise", "0x1"], 3, &["STATUS_INVALID_PARAMETER"]);
    machine.check(&["wait", "0"], 3, &["STATUS_INVALID_PARAMETER"]);
    let document = machine.json_with_code(&["wait", "0x100"], 3);
    let status = &document["error"]["status"];
    assert_eq!(status["name"], "STATUS_INVALID_PARAMETER", "{document}");
    // None of these has transferred anything.
    for queue in ["write", "read", "events"] {
        assert_eq!(machine.counter("0", queue, "completed"), 0, "{queue}");
    }
    // Not even root makes a file there.
    machine.check(&["read", "--output", "/proc/none"], 7, &["/proc/none"]);
    machine.check(&["bench", "--output", "/proc/none"], 7, &["/proc/none"]);
    assert_eq!(
        machine.counter("0", "compute", "inserted"),
        0,
        "it was measured in vain"
    );
    machine.check(&["top"], 2, &["top needs a terminal"]);
    assert!(!Path::new(&none).exists());
    assert_eq!(
        fs::read_dir(&folder).unwrap().count(),
        2,
        "something was left"
    );
    machine.booted.shut_down();
}

#[test]
fn events_are_raised_and_waited_for() {
    let machine = Program::boot("smp4");
    let words = ["STATUS_IO_TIMEOUT", "wait longer"];
    machine.check(&["wait", "0x2", "--for", "0.05"], 3, &words);
    let late = machine.json_with_code(&["wait", "0x2", "--timeout", "0.05"], 5);
    assert_eq!(late["error"]["kind"], "timed-out", "{late}");
    let running = machine.start(&["wait", "0x6", "--json"]);
    let waits = || machine.counter("0", "events", "depth") == 1;
    machine.until("the driver has the request", waits);
    machine.check(&["raise", "0x4"], 0, &["raised 0x4"]);
    machine.finish(running, 0, &["\"bits\": 4"]);
    // Nobody waits, so nothing is kept for who waits later.
    assert_eq!(machine.json(&["raise", "0x4"]), json!({ "bits": 4 }));
    machine.check(&["wait", "0x4", "--for", "0.05"], 3, &["STATUS_IO_TIMEOUT"]);
    machine.booted.shut_down();
}

#[test]
fn an_event_ends_the_waits_of_its_mask_and_no_others() {
    let machine = Program::boot("smp4");
    let depth = |depth| machine.counter("0", "events", "depth") == depth;
    let other = machine.start(&["wait", "0x2", "--json"]);
    machine.until("the driver has the first request", || depth(1));
    let own = machine.start(&["wait", "0x4", "--json"]);
    machine.until("the driver has both requests", || depth(2));
    machine.check(&["raise", "0x4"], 0, &["raised 0x4"]);
    machine.finish(own, 0, &["\"bits\": 4"]);
    // The DPC has looked at all that wait.
    assert!(depth(1), "the other waits still");
    machine.check(&["raise", "0x2"], 0, &["raised 0x2"]);
    machine.finish(other, 0, &["\"bits\": 2"]);
    machine.booted.shut_down();
}

#[test]
fn work_from_many_threads_is_all_done_and_leaves_nothing() {
    let machine = Program::boot("smp4");
    let before = machine.left();
    let stress = ["stress", "--duration", "3", "--threads", "6", "--seed", "1"];
    let done = machine.json(&stress);
    assert_eq!(done["seed"], 1, "{done}");
    let counts = done["done"].as_object().expect("counts").values();
    let sum: u64 = counts.filter_map(Value::as_u64).sum();
    assert_eq!(done["operations"], sum, "{done}");
    assert!(sum > 100, "{done}");
    let mixed = [
        "stress",
        "--duration",
        "1",
        "--mix",
        "transfer=1,self-test=1",
        "--depth",
        "2",
        "--threads",
        "2",
    ];
    machine.check(&mixed, 0, &["every answer was right", "nothing is left"]);
    let storm = machine.json(&["cancel-storm", "--requests", "2000", "--seed", "2"]);
    assert_eq!(storm["requests"], 2000, "{storm}");
    assert!(storm["canceled"].as_u64() > Some(0), "{storm}");
    machine.until_as_before(&before);
    machine.booted.shut_down();
}

#[test]
fn what_other_programs_have_outstanding_is_not_taken_for_lost() {
    let machine = Program::boot("smp4");
    let mut waiting = machine.start(&["wait", "0x2"]);
    let waits = || machine.counter("0", "events", "depth") == 1;
    machine.until("the driver has the request", waits);
    // Nothing that would raise the event.
    let stress = ["stress", "--duration", "1", "--mix", "factorial=9,cancel=1"];
    machine.check(&stress, 0, &["every answer was right"]);
    // Others that transfer all the while.
    let arguments = ["stress", "--duration", "3", "--mix", "self-test"];
    // A transfer takes the device 100 ms, and all that are outstanding then are waited for.
    let few = ["--threads", "1", "--depth", "4"];
    let transfers = machine.start(&[&arguments[..], &few].concat());
    machine.until("transfers are under way", || {
        machine.counter("0", "write", "inserted") > 0
    });
    machine.check(&stress, 0, &["every answer was right"]);
    machine.finish(transfers, 0, &["every answer was right"]);
    assert_eq!(machine.counter("0", "events", "depth"), 1, "it waits still");
    waiting.child.kill().unwrap();
    waiting.child.wait().unwrap();
    machine.booted.shut_down();
}

#[test]
fn a_bench_counts_each_of_its_requests_and_draws_them() {
    let machine = Program::boot("smp4");
    let folder = tempfile::tempdir().unwrap();
    let figures = folder.path().join("figures");
    let output = figures.to_str().unwrap();
    let arguments = [
        "bench",
        "--requests",
        "100",
        "--depths",
        "1,8",
        "--output",
        output,
    ];
    let document = machine.json(&arguments);
    let measurements = document["measurements"].as_array().expect("a list");
    assert_eq!(measurements.len(), 2, "{document}");
    for (measurement, depth) in measurements.iter().zip([1, 8]) {
        assert_eq!(measurement["depth"], depth, "{measurement}");
        assert_eq!(measurement["requests"], 300, "{measurement}");
        assert_eq!(measurement["rates"].as_array().map(Vec::len), Some(3));
        let counts = measurement["histogram"]["counts"].as_array();
        let counts = counts
            .expect("a histogram")
            .iter()
            .filter_map(Value::as_u64);
        assert_eq!(counts.sum::<u64>(), 300, "{measurement}");
    }
    // The driver has counted as many, and no more.
    assert_eq!(machine.counter("0", "compute", "completed"), 600);
    let conditions = &document["conditions"];
    assert!(
        conditions["date"]
            .as_str()
            .is_some_and(|date| date.len() == 10),
        "{conditions}"
    );
    assert_ne!(conditions["accelerator"], "unknown", "{conditions}");
    // A transfer is one, too.
    let arguments = [
        "bench",
        "--operation",
        "read",
        "--requests",
        "10",
        "--depths",
        "2",
    ];
    let document = machine.json(&arguments);
    assert_eq!(document["measurements"][0]["requests"], 30, "{document}");
    let mut names: Vec<_> = fs::read_dir(&figures)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected = [
        "latency.png",
        "latency.svg",
        "throughput.png",
        "throughput.svg",
    ];
    assert_eq!(names, expected);
    for name in names {
        let content = fs::read(figures.join(&name)).unwrap();
        let whole = if name.ends_with("png") {
            // The chunk that ends every PNG, and its checksum.
            content.ends_with(b"IEND\xae\x42\x60\x82")
        } else {
            content.trim_ascii_end().ends_with(b"</svg>")
        };
        assert!(whole, "{name} is not whole");
    }
    machine.booted.shut_down();
}

#[test]
fn the_machine_is_looked_at_and_its_devices_are_put_through_their_lives() {
    let mut machine = Program::boot("numa2x2");
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
    assert!(machine.json(&["host", "events"])["events"].is_array());
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

#[test]
fn a_processor_is_stopped_where_the_driver_calls_the_kernel_and_goes_on() {
    let machine = Program::boot_with_breakpoints("smp4");
    let breakpoint = ["host", "breakpoint"];
    let with = |arguments: &[&'static str]| [&breakpoint, arguments].concat();
    let routine = "KeInsertQueueDpc";
    machine.check(&with(&["set", routine]), 0, &["done"]);
    let running = machine.start(&["factorial", "5"]);
    let stops = || machine.json(&with(&["list"]))["stops"].clone();
    machine.until("a processor stops", || stops()[0]["routine"] == routine);
    let stop = stops()[0].clone();
    // In the ISR: above DISPATCH_LEVEL.
    assert!(stop["irql"].as_u64() > Some(2), "{stop}");
    assert!(
        stop["module"]
            .as_str()
            .is_some_and(|name| name.starts_with("eduwdm"))
    );
    machine.check(&with(&["list"]), 0, &["stop ", routine, "eduwdm"]);
    assert_eq!(
        machine.counter("0", "compute", "completed"),
        0,
        "it is held"
    );
    let id = stop["stop"].to_string();
    machine.check(&["host", "breakpoint", "continue", &id], 0, &["done"]);
    machine.finish(running, 0, &["5! = 120"]);
    machine.check(
        &["host", "breakpoint", "continue", &id],
        3,
        &["STATUS_NOT_FOUND"],
    );
    let words = [
        "a breakpoint at NoSuchRoutine",
        "STATUS_PROCEDURE_NOT_FOUND",
    ];
    machine.check(&with(&["set", "NoSuchRoutine"]), 3, &words);
    machine.check(&with(&["set", routine]), 0, &["done"]);
    machine.check(&with(&["clear"]), 0, &["done"]);
    machine.check(&["factorial", "6"], 0, &["6! = 720"]);
    machine.booted.shut_down();
    let machine = Program::boot("up");
    machine.check(&with(&["set", routine]), 3, &["STATUS_NOT_SUPPORTED"]);
    machine.booted.shut_down();
}
