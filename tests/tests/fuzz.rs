//! Fuzzing finds what a driver does wrong with what it is given, guided by its image's code, and makes
//! it small; the project's own driver stands it.
#![cfg(unix)]

use std::{collections::BTreeSet, ops::ControlFlow, path::Path};

use eduwdm_qemu::{
    Machine,
    fuzz::{self, Found, Options, Outcome, Program, Target},
};
use eduwdm_tests::{artifacts, manifest, options};
use nthost_protocol::{
    Manifest,
    manifest::{DriverImage, Role},
};

/// `\DosDevices\Fuzzed`, as a process writes it.
const FUZZED: &str = r"\\.\Fuzzed";
const COPY: u32 = 0x22_2000;
const NEITHER: u32 = 0x22_2007;
const DIVIDE: u32 = 0x22_2008;
const ALLOCATE: u32 = 0x22_200c;
const FREE: u32 = 0x22_2010;
const USE: u32 = 0x22_2014;
const WORD: u32 = 0x22_2018;
/// The routines with mistakes.
const MISTAKES: [&str; 5] = ["copy", "divide", "neither", "spell", "use"];

fn target(manifest: Manifest, path: Option<&str>, folder: &Path) -> Target {
    let mut options = options(manifest);
    options.extras.blocks = Some(folder.join("blocks"));
    Target {
        machine: Machine::load("up").unwrap(),
        artifacts: artifacts(),
        options,
        path: path.map(str::to_owned),
    }
}

fn fuzzed(folder: &Path) -> Target {
    let image = DriverImage {
        service: "fuzzed".to_owned(),
        image: "fuzzed.sys".to_owned(),
        role: Role::Function,
        hardware_ids: Vec::new(),
        service_values: Vec::new(),
        device_values: Vec::new(),
        security: None,
    };
    let manifest = Manifest {
        drivers: vec![image],
        ..Manifest::default()
    };
    target(manifest, Some(FUZZED), folder)
}

/// The control codes of the programs that were left, in their order.
fn codes(programs: &[Program]) -> Vec<u32> {
    let calls = programs.iter().flat_map(|program| &program.calls);
    calls.filter_map(fuzz::Call::code).collect()
}

/// Which of its mistakes stopped the driver.
fn mistake(found: &Found) -> Option<&'static str> {
    let (_, place) = found.stop.cause.rsplit_once('!')?;
    // A routine may be inlined into the one that calls it: the report has both.
    MISTAKES
        .into_iter()
        .find(|&routine| place == routine || found.stop.report.contains(&format!("!{routine} ")))
}

fn go_on(found: &Found) -> ControlFlow<()> {
    println!("{found}");
    ControlFlow::Continue(())
}

#[test]
fn each_mistake_of_a_driver_is_found_without_knowing_its_control_codes_and_made_small() {
    let directory = tempfile::tempdir().unwrap();
    let target = fuzzed(directory.path());
    let folder = directory.path().join("fuzzed");
    let options = Options {
        seed: 1,
        runs: 60_000,
        trials: 40,
        folder: Some(folder),
        ..Options::default()
    };
    let mut mistakes = BTreeSet::new();
    let figures = fuzz::run(&target, &options, |found| {
        println!("{found}");
        mistakes.extend(mistake(found));
        if mistakes.len() < MISTAKES.len() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    let figures = figures.unwrap();
    println!("{figures}");
    assert_eq!(mistakes, BTreeSet::from(MISTAKES), "seed {}", options.seed);
    for found in &figures.found {
        assert!(found.is_repeatable, "{found}");
        let codes = codes(&found.programs);
        let is_small = [
            &[COPY][..],
            &[NEITHER],
            &[DIVIDE],
            &[ALLOCATE, FREE, USE],
            &[WORD],
        ]
        .contains(&codes.as_slice());
        assert!(is_small, "{codes:#x?}\n{found}");
        // What was kept does it again.
        let kept = fuzz::read(found.file.as_deref().unwrap()).unwrap();
        assert_eq!(kept, found.programs);
        let Outcome::Stopped(again) = target.run(&kept).unwrap() else {
            panic!("not again: {found}");
        };
        assert_eq!(again.cause, found.stop.cause);
    }
    // What was reached is gone on with: the corpus alone runs as many blocks.
    let again = Options {
        runs: figures.corpus as u64,
        ..options
    };
    let corpus = fuzz::run(&target, &again, go_on).unwrap();
    assert!(figures.corpus > 5, "{figures}");
    assert!(corpus.blocks + 5 > figures.blocks, "{corpus}\n{figures}");
}

#[test]
fn without_what_the_code_says_the_mistakes_stay_hidden() {
    let directory = tempfile::tempdir().unwrap();
    let target = fuzzed(directory.path());
    let options = Options {
        seed: 1,
        runs: 2000,
        is_guided: false,
        ..Options::default()
    };
    let figures = fuzz::run(&target, &options, go_on).unwrap();
    println!("{figures}");
    assert_eq!(figures.runs, options.runs);
    let found: Vec<_> = figures.found.iter().filter_map(mistake).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn the_projects_driver_stands_what_a_fuzzer_sends() {
    let directory = tempfile::tempdir().unwrap();
    let target = target(manifest(), None, directory.path());
    let options = Options {
        seed: 1,
        runs: 300,
        ..Options::default()
    };
    let figures = fuzz::run(&target, &options, go_on).unwrap();
    println!("{figures}");
    assert!(figures.found.is_empty(), "{}", figures.found[0].stop.report);
    assert_eq!((figures.runs, figures.machines), (options.runs, 1));
    // It was not refused at the door.
    assert!(figures.corpus > 5, "{figures}");
}
