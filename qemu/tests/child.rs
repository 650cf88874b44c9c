//! A program that was started here ends with the one that started it, even if that is killed.
#![cfg(target_os = "linux")]

use std::{
    env,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use eduwdm_qemu::child;

/// How long anything may take before the test fails: no test measures time.
const LIMIT: Duration = Duration::from_secs(30);

/// Not a test of its own: the program that is killed below.
#[test]
#[ignore = "run by the other test, which kills it"]
fn the_program_that_is_killed() {
    let mut command = Command::new("sleep");
    command.arg("3600");
    // From a thread that ends before the program does.
    let started = thread::spawn(|| child::spawn(command)).join().unwrap();
    println!("started {}", started.unwrap().id());
    thread::sleep(Duration::from_secs(3600));
}

#[test]
fn a_program_lives_as_long_as_the_one_that_started_it_and_no_longer() {
    let mut parent = Command::new(env::current_exe().unwrap())
        .args(["--exact", "the_program_that_is_killed"])
        .args(["--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    let process = lines
        .map_while(Result::ok)
        .find_map(|line| Some(line.split_once("started ")?.1.to_owned()))
        .expect("the process's number");
    let process = Path::new("/proc").join(process);
    // It has outlived the thread that asked for it.
    let name = std::fs::read_to_string(process.join("comm"));
    parent.kill().unwrap();
    parent.wait().unwrap();
    assert_eq!(name.unwrap().trim(), "sleep");
    let begun = Instant::now();
    while process.exists() {
        assert!(
            begun.elapsed() < LIMIT,
            "{} is there still",
            process.display()
        );
        thread::sleep(Duration::from_millis(5));
    }
}
