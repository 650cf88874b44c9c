//! What the processor accepts, nthost accepts: every routine is called with null, odd, huge and
//! vanished addresses, and ends in a value, an exception of the driver's, or a bug check that
//! blames it. nthost never ends in a panic of its own, and waits for nothing that cannot come.
//!
//! The calls are made by `drivers/c/every.c`; which there are is read off the image, and what kinds
//! of arguments they have off the genuine headers. A machine that a call has ended is started
//! again behind that call. Since many do, each routine has one of the patterns with the verifier
//! off, and half of them another with it on, by their names; with `EDUWDM_EVERY=all` in the
//! environment, all have all.
#![cfg(unix)]

use std::{collections::BTreeMap, env, fs, path::Path, time::Duration};

use eduwdm_qemu::{Machine, Session, guest::Ending, routines, serial::Bugcheck};
use eduwdm_tests::{artifacts, options, out};
use nthost_protocol::{
    Manifest,
    manifest::{DriverImage, RegistryData, RegistryValue, Role, VerifierOption},
};

/// The patterns of arguments, in the driver's order.
const PATTERNS: [&str; 5] = ["null", "odd", "odd-huge", "huge", "gone"];

/// How long nothing may go on: no test measures time.
const LIMIT: Duration = Duration::from_mins(1);

/// How nthost says that a driver is at fault.
const BUGCHECK: u8 = 0x20;

/// Routines that are not called, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    ("KeBugCheck", "ends the system, as it is asked to"),
    ("KeBugCheckEx", "ends the system, as it is asked to"),
    ("PsTerminateSystemThread", "ends the thread that calls"),
    (
        "IoCreateSystemThread",
        "makes a thread that begins at the address, on a stack of its own",
    ),
    (
        "PsCreateSystemThread",
        "makes a thread that begins at the address, on a stack of its own",
    ),
    (
        "KeStallExecutionProcessor",
        "takes as many microseconds as it is told to: more than an hour",
    ),
    (
        "RtlUnwind",
        "goes on at the address that it is given, which is no call's end",
    ),
    (
        "RtlUnwindEx",
        "goes on at the address that it is given, which is no call's end",
    ),
    (
        "__chkstk",
        "has its argument in RAX, where no call of C's has one",
    ),
];

/// What a call became.
#[derive(Debug)]
enum Outcome {
    /// It returned.
    Value,
    /// It raised an exception in the driver.
    Exception,
    /// It ended the system, or the system ended of what it left.
    End {
        how: Ending,
        bugcheck: Option<Bugcheck>,
        last: String,
    },
}

/// The kinds of each routine's arguments, as the driver reads them, by the genuine headers.
fn kinds() -> BTreeMap<String, String> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let text = fs::read_to_string(root.join("cross/genuine/functions.tsv")).unwrap();
    let kind = |argument: &str| {
        if argument.starts_with("pointer") {
            'p'
        } else {
            'n'
        }
    };
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let mut columns = line.split('\t');
            let name = columns.next()?.to_owned();
            let arguments = columns.nth(3)?;
            let kinds: String = arguments.split_whitespace().map(kind).collect();
            // One without arguments has a kind all the same, so that a line has its three words.
            Some((name, format!("{kinds:n<1}")))
        })
        .collect()
}

/// A call that is to be made.
#[derive(Clone, Debug)]
struct Call {
    routine: String,
    pattern: usize,
    kinds: String,
}

impl Call {
    fn line(&self) -> String {
        let Self {
            routine,
            pattern,
            kinds,
        } = self;
        format!("{routine} {pattern} {kinds}\n")
    }

    /// As the driver says it.
    fn name(&self) -> String {
        format!("{} {}", self.routine, PATTERNS[self.pattern])
    }
}

/// The calls of one run. `which` chooses a routine's pattern from a number that its name gives, if
/// it is to be called at all.
fn calls(which: fn(usize) -> Option<usize>) -> Vec<Call> {
    let kernel = fs::read(out().join("nthost")).unwrap();
    let exported = routines::exported_routines(&kernel).unwrap_or_else(|fault| panic!("{fault}"));
    for (name, why) in LEFT_OUT {
        assert!(
            exported.contains(*name),
            "{name}, which {why}, is not there"
        );
    }
    let kinds = kinds();
    let all = env::var_os("EDUWDM_EVERY").is_some_and(|what| what == "all");
    let called = exported
        .iter()
        .filter(|name| LEFT_OUT.iter().all(|(left_out, _)| left_out != name));
    let mut calls = Vec::new();
    for routine in called {
        // What no header of the kernel declares, as the C run-time library's: addresses.
        let kinds = kinds.get(routine).map_or("pppp", String::as_str);
        let number = routine.bytes().map(usize::from).sum();
        let chosen = which(number);
        for pattern in 0..PATTERNS.len() {
            if all || chosen == Some(pattern) {
                calls.push(Call {
                    routine: routine.clone(),
                    pattern,
                    kinds: kinds.to_owned(),
                });
            }
        }
    }
    calls
}

/// What the log says of the calls, in their order; the last may have no end.
fn read(lines: &[String]) -> Vec<(String, Option<Outcome>)> {
    let mut calls: Vec<(String, Option<Outcome>)> = Vec::new();
    for line in lines {
        let Some((_, said)) = line.split_once("every: ") else {
            continue;
        };
        let (what, rest) = said.split_once(' ').unwrap_or((said, ""));
        match (what, calls.last_mut()) {
            (">", _) => calls.push((rest.to_owned(), None)),
            ("=", Some(call)) => call.1 = Some(Outcome::Value),
            ("!", Some(call)) => call.1 = Some(Outcome::Exception),
            _ => (),
        }
    }
    calls
}

/// Boots a machine that makes these calls, up to the one that ends it. Gives what became of each, in
/// their order.
fn make(calls: &[Call], verifier: Option<&[VerifierOption]>) -> Vec<(String, Outcome)> {
    let text: String = calls.iter().map(Call::line).collect();
    let driver = DriverImage {
        service: "every".to_owned(),
        image: "every.sys".to_owned(),
        role: Role::Function,
        hardware_ids: Vec::new(),
        service_values: vec![RegistryValue {
            key: String::new(),
            name: "Routines".to_owned(),
            data: RegistryData::Binary(text.into_bytes()),
        }],
        device_values: Vec::new(),
        security: None,
    };
    let manifest = Manifest {
        drivers: vec![driver],
        verifier: verifier.map(<[_]>::to_vec),
        ..Manifest::default()
    };
    let machine = Machine::load("up").unwrap_or_else(|fault| panic!("{fault}"));
    let session = Session::start(&machine, &artifacts(), &options(manifest), |_| ());
    let mut session = session.unwrap_or_else(|fault| panic!("{fault}"));
    let log = session.guest.log.clone();
    let mut seen = 0;
    let done = loop {
        let done = log.wait(LIMIT, |line| line.contains("every: done with "));
        let count = log.lines().len();
        // As long as there are new lines, something goes on.
        if done.is_some() || log.wait_for_end(Duration::ZERO) || count == seen {
            break done.is_some();
        }
        seen = count;
    };
    let how = (!done).then(|| {
        let ended = log.wait_for_end(Duration::ZERO);
        session
            .guest
            .wait(if ended { LIMIT } else { Duration::ZERO })
    });
    let lines = log.lines();
    let mut made = read(&lines);
    if let Some(how) = how {
        let last = lines[lines.len().saturating_sub(40)..].join("\n");
        let Some((_, outcome)) = made.last_mut() else {
            panic!("the machine ended before the first call:\n{last}");
        };
        *outcome = Some(Outcome::End {
            how,
            bugcheck: log.bugcheck(),
            last,
        });
    }
    made.into_iter()
        .map(|(call, outcome)| match outcome {
            Some(outcome) => (call, outcome),
            None => panic!("nothing is said of what became of {call}"),
        })
        .collect()
}

/// Whether a bug check blames the driver: its routine is on the stack.
fn blames_driver(bugcheck: &Bugcheck) -> bool {
    let mut modules = bugcheck.frames.iter().map(|frame| frame.module.as_str());
    modules.any(|module| module == "every.sys")
}

/// What is wrong with a call's outcome.
fn fault(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Value | Outcome::Exception => None,
        Outcome::End {
            how: Ending::Exit(BUGCHECK),
            bugcheck: Some(bugcheck),
            ..
        } if blames_driver(bugcheck) => None,
        Outcome::End { how, last, .. } => Some(format!("{how}\n{last}")),
    }
}

fn check_all(which: fn(usize) -> Option<usize>, verifier: Option<&[VerifierOption]>) {
    let wanted = calls(which);
    let mut next = 0;
    let mut faults = Vec::new();
    let (mut values, mut exceptions, mut machines) = (0, 0, 0);
    let mut ends: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    while next < wanted.len() {
        let made = make(&wanted[next..], verifier);
        machines += 1;
        assert!(!made.is_empty(), "no call was made");
        for ((call, outcome), wanted) in made.iter().zip(&wanted[next..]) {
            assert_eq!(*call, wanted.name());
            match outcome {
                Outcome::Value => values += 1,
                Outcome::Exception => exceptions += 1,
                Outcome::End { bugcheck, .. } => {
                    let code = bugcheck.as_ref().map_or(0, |bugcheck| bugcheck.code);
                    ends.entry(code).or_default().push(call.clone());
                }
            }
            if let Some(fault) = fault(outcome) {
                println!("{call}: {fault}");
                faults.push(format!("{call}: {fault}"));
            }
        }
        next += made.len();
    }
    println!("{machines} machines; {values} calls returned, {exceptions} raised an exception");
    for (code, calls) in &ends {
        println!("{code:#x} ends {}: {}", calls.len(), calls.join(", "));
    }
    assert!(
        values > 0 && exceptions > 0,
        "the calls are not made as they should be"
    );
    let (count, all) = (faults.len(), wanted.len());
    assert!(
        faults.is_empty(),
        "{count} of {all}:\n\n{}",
        faults.join("\n\n")
    );
}

#[test]
fn every_routine_takes_bad_arguments_with_the_verifier_off() {
    check_all(|number| Some(number % PATTERNS.len()), Some(&[]));
}

#[test]
fn every_routine_takes_bad_arguments_with_the_verifier_on() {
    // Each second routine, another pattern.
    let which = |number: usize| {
        number
            .is_multiple_of(2)
            .then(|| (number / 2 + 1) % PATTERNS.len())
    };
    check_all(which, None);
}
