//! The program interrupted: by Ctrl-C, by its own end, and by a device or a machine that goes.
//! Whatever was outstanding ends, and nothing is left in the driver or half-written.
#![cfg(target_os = "linux")]

use std::fs;

use eduwdm_tests::{Program, Running};
use rustix::process::{Pid, Signal, kill_process};

fn ctrl_c(running: &Running) {
    kill_process(Pid::from_child(&running.child), Signal::INT).expect("it runs");
}

/// Waits until a queue has requests of somebody's.
#[track_caller]
fn until_busy(machine: &Program, device: &str, queue: &str) {
    let busy = || machine.counter(device, queue, "depth") > 0;
    machine.until("a request is in the queue", busy);
}

/// Waits until as many requests have arrived in a queue since the device was started.
#[track_caller]
fn until_inserted(machine: &Program, device: &str, queue: &str, count: u64) {
    let inserted = || machine.counter(device, queue, "inserted") >= count;
    machine.until("enough requests have arrived", inserted);
}

/// Nothing is outstanding, nothing is allocated that was not, and the device works.
#[track_caller]
fn nothing_is_left(machine: &Program, before: &serde_json::Value) {
    machine.until_as_before(before);
    for queue in ["compute", "write", "read", "events"] {
        assert_eq!(machine.counter("0", queue, "depth"), 0, "{queue}");
    }
    machine.check(&["factorial", "5"], 0, &["5! = 120"]);
}

#[test]
fn ctrl_c_ends_a_wait_and_leaves_nothing() {
    let machine = Program::boot("smp4");
    let before = machine.left();
    let people = machine.start(&["wait", "0x2"]);
    let machines = machine.start(&["wait", "0x4", "--json"]);
    let both = || machine.counter("0", "events", "depth") == 2;
    machine.until("both wait", both);
    ctrl_c(&people);
    machine.finish(people, 130, &["interrupted"]);
    // The other's wait is not this one's to cancel.
    assert_eq!(machine.counter("0", "events", "depth"), 1);
    ctrl_c(&machines);
    machine.finish(
        machines,
        130,
        &["\"kind\": \"interrupted\"", "\"exit_code\": 130"],
    );
    assert_eq!(machine.counter("0", "events", "canceled"), 2);
    nothing_is_left(&machine, &before);
    machine.booted.shut_down();
}

#[test]
fn ctrl_c_ends_work_from_many_threads_and_leaves_nothing() {
    let machine = Program::boot("smp4");
    let before = machine.left();
    for (number, arguments) in [
        &["stress", "--duration", "3600", "--seed", "3"][..],
        &[
            "stress",
            "--duration",
            "3600",
            "--mix",
            "transfer=1,self-test=1",
        ],
        &["cancel-storm", "--requests", "1000000000", "--seed", "4"],
        &["bench", "--requests", "1000000000"],
    ]
    .into_iter()
    .enumerate()
    {
        let queue = if number == 1 { "write" } else { "compute" };
        let so_far = machine.counter("0", queue, "inserted");
        let running = machine.start(arguments);
        until_inserted(&machine, "0", queue, so_far + 4);
        ctrl_c(&running);
        machine.finish(running, 130, &["interrupted"]);
        nothing_is_left(&machine, &before);
    }
    machine.booted.shut_down();
}

#[test]
fn ctrl_c_in_a_transfer_leaves_no_page_locked_and_no_file() {
    /// More than the device does in the time that it takes to interrupt them.
    const CLIENTS: u64 = 12;
    let machine = Program::boot("smp4");
    let before = machine.left();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("data"), [7; 4095]).unwrap();
    let data = path("data");
    for arguments in [&["copy", &data][..], &["copy", &data, "--locked"]] {
        let so_far = machine.counter("0", "write", "inserted");
        let begin = |number| {
            let output = path(&format!("back{number}"));
            machine.start(&[arguments, &["--output", &output]].concat())
        };
        let running: Vec<_> = (0..CLIENTS).map(begin).collect();
        // One is on the device, and the others wait for it.
        until_inserted(&machine, "0", "write", so_far + CLIENTS);
        for client in &running {
            // One that has ended is still there to be asked how.
            ctrl_c(client);
        }
        let mut interrupted = 0;
        for (number, Running { child, .. }) in running.into_iter().enumerate() {
            let ended = child.wait_with_output().unwrap();
            let back = path(&format!("back{number}"));
            match ended.status.code() {
                // The transfer was over before the signal came.
                Some(0) => fs::remove_file(&back).unwrap(),
                Some(130) => interrupted += 1,
                other => panic!("{other:?} {}", String::from_utf8_lossy(&ended.stderr)),
            }
        }
        assert!(
            interrupted > 0,
            "{arguments:?}: no transfer was interrupted"
        );
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "half-written");
        nothing_is_left(&machine, &before);
    }
    machine.booted.shut_down();
}

#[test]
fn an_interrupted_bench_leaves_no_figures_and_no_directory() {
    let machine = Program::boot("smp4");
    let folder = tempfile::tempdir().unwrap();
    let figures = folder.path().join("figures");
    let output = figures.to_str().unwrap();
    let arguments = ["bench", "--requests", "1000000000", "--output", output];
    let running = machine.start(&arguments);
    until_inserted(&machine, "0", "compute", 1);
    assert!(figures.is_dir(), "it is tried before anything is measured");
    ctrl_c(&running);
    machine.finish(running, 130, &["interrupted"]);
    assert!(!figures.exists());
    machine.booted.shut_down();
}

#[test]
fn a_client_that_is_killed_leaves_nothing_behind() {
    let machine = Program::boot("smp4");
    let before = machine.left();
    for arguments in [
        &["wait", "0x2"][..],
        &["stress", "--duration", "3600", "--seed", "5"],
    ] {
        let mut running = machine.start(arguments);
        until_busy(
            &machine,
            "0",
            if arguments[0] == "wait" {
                "events"
            } else {
                "compute"
            },
        );
        running.child.kill().unwrap();
        running.child.wait().unwrap();
        nothing_is_left(&machine, &before);
    }
    machine.booted.shut_down();
}

#[test]
fn clients_come_and_go_at_the_same_time_and_leave_nothing_behind() {
    let machine = Program::boot("smp4");
    let before = machine.left();
    for _ in 0..20 {
        let running: Vec<_> = (0..9)
            .map(|client| match client % 3 {
                0 => (machine.start(&["list"]), 0, "started"),
                1 => (machine.start(&["factorial", "5"]), 0, "5! = 120"),
                _ => {
                    let wait = ["wait", "0x2", "--timeout", "0"];
                    (machine.start(&wait), 5, "it has been canceled")
                }
            })
            .collect();
        for (client, code, word) in running {
            machine.finish(client, code, &[word]);
        }
    }
    nothing_is_left(&machine, &before);
    machine.booted.shut_down();
}

#[test]
fn a_device_that_goes_in_the_middle_is_told_and_the_others_go_on() {
    let machine = Program::boot("edu4");
    let gone = ["STATUS_", "What to do"];
    for arguments in [
        &["wait", "0x2"][..],
        &["stress", "--duration", "3600", "--seed", "6"],
        &["cancel-storm", "--requests", "1000000000", "--seed", "7"],
    ] {
        let left = machine.edu_count();
        let removed = machine.start(&[arguments, &["--device", "1"]].concat());
        let other = ["stress", "--duration", "2", "--seed", "8", "--device", "0"];
        let other = machine.start(&other);
        until_busy(
            &machine,
            "1",
            if arguments[0] == "wait" {
                "events"
            } else {
                "compute"
            },
        );
        machine.check(
            &["host", "pnp", "surprise-removal", "--device", "1"],
            0,
            &["done"],
        );
        machine.finish(removed, 6, &gone);
        machine.finish(other, 0, &["every answer was right"]);
        assert_eq!(machine.edu_count(), left - 1);
    }
    // Another one has its index now.
    machine.check(&["info", "--device", "1"], 1, &["is a pci-testdev device"]);
    machine.booted.shut_down();
}

#[test]
fn a_device_that_goes_in_a_transfer_leaves_no_half_written_file() {
    /// More than the device does in the time that it takes to have it removed: each transfer
    /// takes it 100 ms.
    const CLIENTS: u64 = 12;
    let machine = Program::boot("edu4");
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("data"), [7; 4095]).unwrap();
    let data = path("data");
    for arguments in [
        &["copy", &data][..],
        &["copy", &data, "--locked"],
        &["read"],
    ] {
        let queue = if arguments[0] == "read" {
            "read"
        } else {
            "write"
        };
        let begin = |number| {
            let output = path(&format!("back{number}"));
            let output = ["--output", &output, "--device", "1"];
            machine.start(&[arguments, &output].concat())
        };
        let running: Vec<_> = (0..CLIENTS).map(begin).collect();
        until_inserted(&machine, "1", queue, CLIENTS);
        machine.check(
            &["host", "pnp", "surprise-removal", "--device", "1"],
            0,
            &["done"],
        );
        let mut failed = 0;
        for (number, Running { child, .. }) in running.into_iter().enumerate() {
            let back = path(&format!("back{number}"));
            let ended = child.wait_with_output().unwrap();
            let words = String::from_utf8_lossy(&ended.stderr);
            match ended.status.code() {
                // It was over before the device went.
                Some(0) => {
                    assert_eq!(fs::read(&back).unwrap().len(), 4095);
                    fs::remove_file(&back).unwrap();
                }
                Some(6) => {
                    assert!(words.contains("STATUS_"), "{words}");
                    failed += 1;
                }
                other => panic!("{other:?} {words}"),
            }
        }
        assert!(failed > 0, "{arguments:?}: no transfer was interrupted");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "half-written");
    }
    machine.booted.shut_down();
}

#[test]
fn a_machine_that_ends_in_the_middle_is_told() {
    let machine = Program::boot("smp4");
    let waiting = machine.start(&["wait", "0x2"]);
    // Nothing that would raise the event.
    let stress = ["stress", "--duration", "3600", "--mix", "factorial"];
    let working = machine.start(&stress);
    until_busy(&machine, "0", "events");
    until_busy(&machine, "0", "compute");
    machine.check(&["host", "shutdown"], 0, &["done"]);
    machine.finish(waiting, 6, &["the machine"]);
    machine.finish(working, 6, &["the machine"]);
    machine.check(&["list"], 6, &["nthost"]);
}

#[test]
fn work_goes_on_while_the_device_is_moved_and_switched_off_and_on() {
    let machine = Program::boot("smp4");
    let before = machine.left();
    let working = machine.start(&["stress", "--duration", "4", "--seed", "10"]);
    for round in 1..=3 {
        until_inserted(&machine, "0", "compute", 1);
        machine.check(&["host", "pnp", "rebalance"], 0, &["done"]);
        if round == 2 {
            machine.check(&["host", "power", "3"], 0, &["done"]);
            machine.check(&["host", "power", "0"], 0, &["done"]);
        }
    }
    machine.finish(working, 0, &["every answer was right", "nothing is left"]);
    nothing_is_left(&machine, &before);
    machine.booted.shut_down();
}
