//! The program as `cargo xtask build` has left it, run against a machine of its own as a person
//! or a script runs it.

use std::{
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::machine::{Booted, boot, manifest, options, out};

/// How long something may take that is due to happen; no test measures time.
const LIMIT: Duration = Duration::from_mins(1);

/// A machine, and the program that talks to it.
#[derive(Debug)]
pub struct Program {
    /// The machine.
    pub booted: Booted,
}

/// A run that has not ended.
#[derive(Debug)]
pub struct Running {
    arguments: Vec<String>,
    /// The process.
    pub child: Child,
}

impl Program {
    /// Boots a machine with the driver.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn boot(machine: &str) -> Self {
        let booted = boot(machine, &options(manifest())).unwrap_or_else(|fault| panic!("{fault}"));
        Self { booted }
    }

    /// Boots a machine with the driver, in which processors can be stopped.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn boot_with_breakpoints(machine: &str) -> Self {
        let mut manifest = manifest();
        manifest.breakpoints = true;
        let booted = boot(machine, &options(manifest)).unwrap_or_else(|fault| panic!("{fault}"));
        Self { booted }
    }

    /// The program's file.
    #[must_use]
    pub fn executable(&self) -> PathBuf {
        out().join("eductl")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.executable());
        command
            .args(arguments)
            .arg("--socket")
            .arg(self.booted.session.socket())
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments)
            .output()
            .expect("cargo xtask build makes it")
    }

    /// Starts it; what it prints is kept until it is judged.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    #[must_use]
    pub fn start(&self, arguments: &[&str]) -> Running {
        let mut command = self.command(arguments);
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Running {
            arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
            child: child.expect("cargo xtask build makes it"),
        }
    }

    /// Runs it, which is to end with this exit code and say all of these words.
    ///
    /// # Panics
    ///
    /// If it does not.
    #[track_caller]
    pub fn check(&self, arguments: &[&str], code: i32, words: &[&str]) {
        self.judge(&arguments.join(" "), &self.run(arguments), code, words);
    }

    /// Waits for the end of a run, which is to be as for [`Self::check`].
    ///
    /// # Panics
    ///
    /// If it is not.
    #[track_caller]
    pub fn finish(&self, running: Running, code: i32, words: &[&str]) {
        let output = running.child.wait_with_output().expect("its end");
        self.judge(&running.arguments.join(" "), &output, code, words);
    }

    #[track_caller]
    fn judge(&self, arguments: &str, output: &Output, code: i32, words: &[&str]) {
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        if output.status.code() != Some(code) {
            let log = self.booted.log();
            panic!(
                "{arguments}: {} and not {code}: {text}\n{log}",
                output.status
            );
        }
        for word in words {
            assert!(
                text.contains(word),
                "{arguments}: “{word}” is not in: {text}"
            );
        }
    }

    /// Runs it for machines, successfully, and gives the one document that it prints.
    ///
    /// # Panics
    ///
    /// If it does not succeed, or prints anything else.
    #[track_caller]
    #[must_use]
    pub fn json(&self, arguments: &[&str]) -> Value {
        self.json_with_code(arguments, 0)
    }

    /// Runs it for machines, and gives the one document that it prints.
    ///
    /// # Panics
    ///
    /// If it ends with another exit code, or prints anything else.
    #[track_caller]
    #[must_use]
    pub fn json_with_code(&self, arguments: &[&str], code: i32) -> Value {
        let arguments = [arguments, &["--json"]].concat();
        let output = self.run(&arguments);
        let arguments = arguments.join(" ");
        self.judge(&arguments, &output, code, &[]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(stderr, "", "{arguments} speaks to people");
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|fault| panic!("{arguments} prints no JSON: {fault}"))
    }

    /// How many `edu` devices are listed.
    ///
    /// # Panics
    ///
    /// If no list is printed.
    #[track_caller]
    #[must_use]
    pub fn edu_count(&self) -> usize {
        let list = self.json(&["list"]);
        let devices = list["devices"].as_array().expect("a list");
        devices
            .iter()
            .filter(|device| device["kind"] == "edu")
            .count()
    }

    /// One of a queue's counters, of a device by its index.
    ///
    /// # Panics
    ///
    /// If there is no such counter.
    #[track_caller]
    #[must_use]
    pub fn counter(&self, device: &str, queue: &str, counter: &str) -> u64 {
        let stats = self.json(&["stats", "--device", device]);
        let count = stats["queues"][queue][counter].as_u64();
        count.unwrap_or_else(|| panic!("{queue} {counter}: {stats}"))
    }

    /// What is allocated in the machine that a client's requests might leave behind.
    #[track_caller]
    #[must_use]
    pub fn left(&self) -> Value {
        let verifier = self.json(&["host", "verifier"]);
        [
            "irps",
            "locked_pages",
            "map_registers",
            "mappings",
            "objects",
        ]
        .iter()
        .map(|&name| (name.to_owned(), verifier[name].clone()))
        .collect()
    }

    /// Waits until something is the case that is due.
    ///
    /// # Panics
    ///
    /// If it is not for a minute.
    #[track_caller]
    pub fn until(&self, what: &str, mut is: impl FnMut() -> bool) {
        let end = Instant::now() + LIMIT;
        while !is() {
            assert!(
                Instant::now() < end,
                "not for {LIMIT:?}: {what}\n{}",
                self.booted.log()
            );
            thread::yield_now();
        }
    }

    /// Waits until as much is allocated as before.
    ///
    /// # Panics
    ///
    /// If it is more or less for a minute.
    #[track_caller]
    pub fn until_as_before(&self, before: &Value) {
        // The machine hears of a client's end a moment later.
        let end = Instant::now() + LIMIT;
        loop {
            let now = self.left();
            if now == *before {
                return;
            }
            assert!(Instant::now() < end, "{before} was there before, now {now}");
            thread::yield_now();
        }
    }
}
