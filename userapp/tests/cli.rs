//! The program as a person or a script uses it, against a double of nthost.
#![cfg(unix)]

mod double;

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Command, Output, Stdio},
};

use double::{DEAF, Double, ENDLESS, WRONG};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const COMMANDS: &[&str] = &[
    "list",
    "info",
    "liveness",
    "factorial",
    "read",
    "write",
    "copy",
    "raise",
    "wait",
    "testdev",
    "stats",
    "topology",
    "cancel-storm",
    "stress",
    "bench",
    "top",
    "io",
    "host",
    "completions",
    "man",
];

fn eductl(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eductl"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn with(double: &Double, arguments: &[&str]) -> Output {
    let mut command = eductl(arguments);
    command.arg("--socket").arg(&double.socket);
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn check(output: &Output, code: i32, words: &[&str]) {
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}{err}");
    for word in words {
        assert!(
            out.contains(word) || err.contains(word),
            "“{word}” is not in: {out}{err}"
        );
    }
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|fault| panic!("{fault}: {}", text(&output.stdout)))
}

#[test]
fn every_command_explains_itself_with_an_example() {
    let overview = text(&eductl(&["--help"]).output().unwrap().stdout);
    assert!(overview.contains("Exit codes"), "{overview}");
    for command in COMMANDS {
        assert!(
            overview.contains(&format!("\n  {command} ")),
            "{command}: {overview}"
        );
        let output = eductl(&[command, "--help"]).output().unwrap();
        check(
            &output,
            0,
            &["Example", &format!("eductl {command}"), "Usage"],
        );
    }
}

#[test]
fn wrong_arguments_are_told_apart_and_exit_with_2() {
    for (arguments, word) in [
        (&["factorial"][..], "<N>"),
        (&["factorial", "4294967296"], "32 bits"),
        (&["liveness", "0xyz"], "hexadecimal"),
        (&["juggle"], "juggle"),
        (&["write"], "--input"),
        (&["write", "--hex", "abc"], "two digits"),
        (&["stress", "--mix", "sums=1"], "sums"),
        (&["stress", "--threads", "0"], "1..=256"),
        (&["list", "--timeout=-1"], "--timeout"),
        (&["list", "--timeout", "1e19"], "31 years"),
        (&["stress", "--duration", "NaN"], "--duration"),
        (&["cancel-storm", "--depth", "0"], "1..=4096"),
        (&["liveness", "+1"], "no sign"),
        (&["wait"], "<MASK>"),
        (&["testdev", "--device"], "<DEVICE>"),
        (&["completions", "cmd"], "bash"),
        (&["top", "--interval", "0.01"], "shortest"),
        (&["bench", "--depths", "0"], "1..=4096"),
        (&["host", "power", "4"], "D0 to D3"),
        (&["host", "fault", "irp", "--major", "27"], "--status"),
    ] {
        check(&eductl(arguments).output().unwrap(), 2, &[word]);
        // And for machines.
        let output = eductl(&[arguments, &["--json"]].concat()).output().unwrap();
        check(&output, 2, &[]);
        let error = &json(&output)["error"];
        assert_eq!(error["kind"], "usage", "{arguments:?}");
        assert_eq!(error["exit_code"], 2, "{arguments:?}");
        assert_eq!(text(&output.stderr), "", "{arguments:?}");
    }
    let help = eductl(&["--json", "--help"]).output().unwrap();
    check(&help, 0, &["Usage", "Exit codes"]);
}

#[test]
fn without_a_machine_it_says_how_to_start_one() {
    let directory = tempfile::tempdir().unwrap();
    let output = eductl(&["list"]).current_dir(&directory).output().unwrap();
    check(&output, 6, &["no nthost is running", "cargo xtask run"]);
    let output = eductl(&["list", "--machine", "up"])
        .current_dir(&directory)
        .output()
        .unwrap();
    check(
        &output,
        6,
        &["“up” is not running", "cargo xtask run --machine up"],
    );
}

#[test]
fn the_only_running_machine_is_found_from_below_the_projects_directory() {
    let double = Double::start();
    let directory = tempfile::tempdir().unwrap();
    let sockets = directory.path().join("target/nthost");
    let below = directory.path().join("userapp/src");
    std::fs::create_dir_all(&sockets).unwrap();
    std::fs::create_dir_all(&below).unwrap();
    std::os::unix::fs::symlink(&double.socket, sockets.join("up.sock")).unwrap();
    // Nobody listens at this one any more.
    drop(std::os::unix::net::UnixListener::bind(sockets.join("smp4.sock")).unwrap());
    let output = eductl(&["factorial", "5"])
        .current_dir(&below)
        .output()
        .unwrap();
    check(&output, 0, &["5! = 120"]);
    std::os::unix::fs::symlink(&double.socket, sockets.join("edu4.sock")).unwrap();
    let output = eductl(&["factorial", "5"])
        .current_dir(&below)
        .output()
        .unwrap();
    check(&output, 2, &["edu4, up", "--machine"]);
    let output = eductl(&["factorial", "5", "--machine", "up"])
        .current_dir(&below)
        .output();
    check(&output.unwrap(), 0, &["5! = 120"]);
}

#[test]
fn answers_are_for_people_or_for_machines() {
    let double = Double::start();
    check(
        &with(&double, &["factorial", "5", "20"]),
        0,
        &["5! = 120", "20! = 2192834560 (modulo"],
    );
    let answer = json(&with(&double, &["factorial", "5", "13", "--json"]));
    assert_eq!(answer["factorials"][0]["result"], 120);
    assert_eq!(answer["factorials"][1]["wrapped"], true);
    let list = json(&with(&double, &["list", "--json"]));
    assert_eq!(list["devices"][0]["kind"], "edu");
    assert_eq!(list["devices"][0]["interrupt"], "message-signaled");
    check(
        &with(&double, &["info"]),
        0,
        &["edu 1.0", "eduwdm 0.1.0", "4095 bytes"],
    );
    check(
        &with(&double, &["stats", "--all"]),
        0,
        &["compute", "processor"],
    );
    check(&with(&double, &["topology"]), 0, &["vector 0x51, IRQL 5"]);
}

#[test]
fn errors_have_words_and_exit_codes_for_people_and_for_machines() {
    let double = Double::start();
    let output = with(&double, &["raise", "2"]);
    check(
        &output,
        3,
        &["STATUS_INVALID_DEVICE_REQUEST (0xc0000010)", "What to do"],
    );
    assert_eq!(output.stdout, b"");
    let output = with(&double, &["raise", "2", "--json"]);
    check(&output, 3, &[]);
    let error = &json(&output)["error"];
    assert_eq!(error["kind"], "refused");
    assert_eq!(error["status"]["name"], "STATUS_INVALID_DEVICE_REQUEST");
    assert_eq!(error["exit_code"], 3);
    let output = with(&double, &["info", "--device", "7"]);
    check(&output, 1, &["no device is called “7”", "0 \\\\?\\double"]);
    check(&with(&double, &["testdev"]), 1, &["no eduwdm device"]);
    let output = with(&double, &["testdev", "--device", "0"]);
    check(
        &output,
        1,
        &["is an edu device, and this takes a pci-testdev device"],
    );
    let output = with(&double, &["factorial", "999"]);
    check(&output, 6, &["the machine has ended"]);
}

#[test]
fn a_request_that_takes_too_long_is_canceled() {
    let double = Double::start();
    let number = ENDLESS.to_string();
    let output = with(&double, &["factorial", "5", &number, "--timeout", "0.05"]);
    check(&output, 5, &["Factorial was not done within 50ms"]);
    let seen = double.seen();
    assert_eq!((seen.outstanding, seen.closes), (0, 1));
}

#[test]
fn ctrl_c_cancels_what_is_outstanding_and_waits_for_it() {
    let double = Double::start();
    let mut command = eductl(&["factorial", &ENDLESS.to_string(), &ENDLESS.to_string()]);
    command.arg("--socket").arg(&double.socket);
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    while double.seen().outstanding < 2 {
        std::thread::yield_now();
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    check(&output, 130, &["interrupted"]);
    let seen = double.seen();
    assert_eq!((seen.outstanding, seen.closes), (0, 1));
}

#[test]
fn the_second_ctrl_c_does_not_wait_for_what_is_outstanding() {
    let double = Double::start();
    let mut command = eductl(&["factorial", &DEAF.to_string()]);
    command.arg("--socket").arg(&double.socket);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    while double.seen().outstanding < 1 {
        std::thread::yield_now();
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    while double.seen().cancels == 0 {
        std::thread::yield_now();
    }
    assert!(child.try_wait().unwrap().is_none(), "it does not wait");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    check(&output, 130, &["interrupted; not waiting"]);
}

#[test]
fn ctrl_c_does_not_wait_for_what_was_asked_of_the_machine() {
    for json_too in [false, true] {
        let double = Double::start();
        let mut command = eductl(&["host", "sleep", "3"]);
        command.args(json_too.then_some("--json"));
        command.arg("--socket").arg(&double.socket);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        while !double.seen().asleep {
            std::thread::yield_now();
        }
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        let output = child.wait_with_output().unwrap();
        check(&output, 130, &["interrupted"]);
        if json_too {
            assert_eq!(json(&output)["error"]["exit_code"], 130);
        }
    }
}

#[test]
fn files_that_cannot_be_read_or_written_are_noticed_before_anything_is_done() {
    let double = Double::start();
    let directory = tempfile::tempdir().unwrap();
    let long = directory.path().join("long");
    std::fs::write(&long, [0; 4096]).unwrap();
    let long = long.to_str().unwrap();
    let output = with(&double, &["write", "--input", long]);
    check(&output, 7, &["4096 bytes", "takes 4095"]);
    check(
        &with(&double, &["copy", long]),
        7,
        &["4096 bytes", "takes 4095"],
    );
    check(
        &with(&double, &["copy", "/nowhere/file"]),
        7,
        &["/nowhere/file"],
    );
    let output = with(&double, &["write", "--offset", "5000", "--text", "x"]);
    check(&output, 2, &["beyond the device's buffer"]);
    // Not even root makes a directory there.
    check(
        &with(&double, &["bench", "--output", "/proc/figures"]),
        7,
        &["/proc/figures"],
    );
    let missing = directory.path().join("no/such/file");
    let output = with(&double, &["man", "--output", long]);
    check(&output, 7, &[long]);
    assert!(!missing.exists());
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1);
}

#[test]
fn bench_draws_its_figures_and_prints_the_table_behind_them() {
    let double = Double::start();
    let directory = tempfile::tempdir().unwrap();
    let figures = directory.path().join("figures");
    let path = figures.to_str().unwrap();
    let output = with(
        &double,
        &[
            "bench",
            "--requests",
            "20",
            "--depths",
            "1,4",
            "--output",
            path,
        ],
    );
    check(
        &output,
        0,
        &["requests/s", "in the driver", "3 times 20", "latency.svg"],
    );
    let mut names: Vec<_> = std::fs::read_dir(&figures)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "latency.png",
            "latency.svg",
            "throughput.png",
            "throughput.svg"
        ]
    );
    let output = with(
        &double,
        &["bench", "--requests", "20", "--depths", "2", "--json"],
    );
    assert_eq!(json(&output)["measurements"][0]["requests"], 60);
    check(
        &with(&double, &["bench", "--requests", "0"]),
        2,
        &["0 requests"],
    );
}

#[test]
fn work_is_checked_and_counted() {
    let double = Double::start();
    let arguments = [
        "stress",
        "--mix",
        "factorial=3,cancel=1",
        "--duration",
        "0.2",
        "--seed",
        "7",
    ];
    check(
        &with(&double, &arguments),
        0,
        &["every answer was right", "seed 0x7"],
    );
    // The double has no events, so the first is a fault.
    let output = with(&double, &["cancel-storm", "--requests", "50"]);
    check(&output, 3, &["STATUS_INVALID_DEVICE_REQUEST"]);
}

#[test]
fn a_wrong_answer_is_told_with_what_repeats_it_and_exits_with_4() {
    let double = Double::start();
    let number = WRONG.to_string();
    let output = with(&double, &["factorial", "5", &number]);
    check(
        &output,
        4,
        &["998! = 1", "998! = 0 modulo 2^32 was asked for"],
    );
    assert_eq!(output.stdout, b"", "a part of the answers is no answer");
    let lying = Double::lying();
    let arguments = ["stress", "--mix", "factorial", "--seed", "7"];
    check(&with(&lying, &arguments), 4, &["try again with --seed 0x7"]);
    let output = with(&lying, &["stress", "--mix", "factorial", "--json"]);
    check(&output, 4, &[]);
    assert_eq!(json(&output)["error"]["kind"], "wrong-answer");
    let directory = tempfile::tempdir().unwrap();
    let figures = directory.path().join("figures");
    let output = with(&lying, &["bench", "--output", figures.to_str().unwrap()]);
    check(&output, 4, &["12! = 479001601"]);
    assert!(!figures.exists());
    assert_eq!(lying.seen().outstanding, 0);
}

#[test]
fn the_guide_names_every_command_and_every_exit_code() {
    let guide = include_str!("../../docs/src/eductl.md");
    for command in COMMANDS {
        assert!(guide.contains(&format!("`{command}`")), "{command}");
    }
    let help = text(&eductl(&["--help"]).output().unwrap().stdout);
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let codes = help.split_once("Exit codes: ").expect("exit codes").1;
    let codes = codes.split('.').next().unwrap_or_default();
    let mut named = 0;
    for code in codes.split("; ").filter_map(|code| code.split(' ').next()) {
        assert!(guide.contains(&format!("\n| {code} | ")), "{code}");
        named += 1;
    }
    assert_eq!(named, 9, "{codes}");
}

#[test]
fn top_needs_a_terminal_and_leaves_it_as_it_was() {
    let double = Double::start();
    check(&with(&double, &["top"]), 2, &["top needs a terminal"]);
    check(&with(&double, &["top", "--json"]), 2, &["stats --json"]);
    // `script` gives it a terminal of 24 lines, in which nobody sees it, and types q.
    let socket = double.socket.to_str().unwrap();
    let line = format!(
        "stty rows 24 cols 80; {} top --socket {socket}",
        env!("CARGO_BIN_EXE_eductl")
    );
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut shown = Vec::new();
    while !text(&shown).contains("processors") {
        assert_ne!(
            stdout.read_until(b's', &mut shown).unwrap(),
            0,
            "{}",
            text(&shown)
        );
    }
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, b"q").unwrap();
    stdout.read_to_end(&mut shown).unwrap();
    assert!(child.wait().unwrap().success(), "{}", text(&shown));
    // The alternate screen is entered, and left again.
    let shown = text(&shown);
    assert!(
        shown.contains("\u{1b}[?1049h") && shown.contains("\u{1b}[?1049l"),
        "{shown}"
    );
}

#[test]
fn manual_pages_and_completions_know_every_command() {
    let page = text(&eductl(&["man"]).output().unwrap().stdout);
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let completions = text(&eductl(&["completions", shell]).output().unwrap().stdout);
        for command in COMMANDS {
            assert!(
                completions.contains(command),
                "{shell} does not know {command}"
            );
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let output = eductl(&["man", "--output", directory.path().to_str().unwrap()]).output();
    check(&output.unwrap(), 0, &["pages are in"]);
    for command in COMMANDS {
        assert!(page.contains(&command.replace('-', "\\-")), "{command}");
        let page = directory.path().join(format!("eductl-{command}.1"));
        assert!(Path::new(&page).is_file(), "{command}");
    }
    let nested = directory.path().join("eductl-host-fault-irp.1");
    let nested = std::fs::read_to_string(nested).unwrap();
    assert!(nested.contains("eductl\\-host\\-fault\\-irp") && nested.contains("Example"));
    // All or none: a page's name is taken by a directory.
    let taken = tempfile::tempdir().unwrap();
    std::fs::create_dir(taken.path().join("eductl-write.1")).unwrap();
    let output = eductl(&["man", "--output", taken.path().to_str().unwrap()]).output();
    check(&output.unwrap(), 7, &["eductl-write.1"]);
    assert_eq!(std::fs::read_dir(&taken).unwrap().count(), 1);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let mut child = eductl(&["man"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut first = [0];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    assert!(child.wait().unwrap().success());
}
