//! Schedules that nthost explores: each planted race is found, the same seed finds it in the same
//! round, and what is found is shown step by step.
#![cfg(unix)]

use eduwdm_qemu::{
    Machine,
    explore::{self, Outcome, RACES, Race, Summary},
};
use eduwdm_tests::artifacts;
use nthost_protocol::{Manifest, explore::Explore};

/// In how many rounds a race must show.
const ROUNDS: u32 = 1000;
const SEED: u64 = 1;

/// Runs a race until it shows.
fn run(machine: &Machine, race: Race, noise: Option<u64>, length: u64) -> Outcome {
    let explore = Explore {
        seed: SEED,
        depth: race.depth,
        length,
    };
    let manifest = Manifest {
        noise,
        ..race.manifest(ROUNDS)
    };
    let options = explore::options(manifest, Some(explore));
    explore::run(machine, &artifacts(), &options)
        .unwrap_or_else(|fault| panic!("{race:?}: {fault}"))
}

fn length(machine: &Machine, race: Race) -> u64 {
    explore::steps_of_round(race, machine, &artifacts()).unwrap_or_else(|fault| panic!("{fault}"))
}

/// The round in which exploring shows a race, and what it tells.
fn explored(machine: &Machine, race: Race) -> (u32, String) {
    match run(machine, race, None, length(machine, race)) {
        Outcome::Found(text) => {
            let round = race.round_in(&text);
            (round.unwrap_or_else(|| panic!("{race:?}: {text}")), text)
        }
        Outcome::Ended(summary) => {
            panic!("{race:?} does not show with seed {SEED:#x} in {ROUNDS} rounds: {summary}")
        }
    }
}

fn machine(name: &str) -> Machine {
    Machine::load(name).unwrap_or_else(|fault| panic!("{fault}"))
}

fn every_race_is_found_on(name: &str) {
    let machine = machine(name);
    println!("{name}, seed {SEED:#x}; again with `cargo xtask explore --races --machine {name}`");
    for race in RACES {
        let (round, _) = explored(&machine, race);
        println!("{}: round {round}", race.name);
    }
}

#[test]
fn every_planted_race_is_found_on_four_processors() {
    every_race_is_found_on("smp4");
}

#[test]
fn every_planted_race_is_found_on_one_processor() {
    every_race_is_found_on("up");
}

#[test]
fn a_race_between_two_instructions_is_found_by_exploring_and_not_by_noise() {
    let machine = machine("smp4");
    for race in RACES
        .iter()
        .filter(|race| ["lost update", "ended twice"].contains(&race.name))
    {
        let outcome = run(&machine, *race, Some(SEED), 0);
        assert!(
            matches!(outcome, Outcome::Ended(Summary { changes: 0, .. })),
            "{race:?}: {outcome:?}"
        );
        explored(&machine, *race);
    }
}

#[test]
fn the_same_seed_finds_a_race_in_the_same_round_and_shows_who_gave_way_where() {
    let machine = machine("up");
    let race = RACES[4];
    let (round, text) = explored(&machine, race);
    let (again, same) = explored(&machine, race);
    assert_eq!(round, again);
    assert_eq!(text, same);
    assert!(
        text.contains("the schedule, a column for each processor:"),
        "{text}"
    );
    let gave_way = text.lines().any(|line| line.contains("GIVES WAY"));
    assert!(gave_way, "{text}");
    assert!(text.contains("from races.sys!lost_wake_up at "), "{text}");
}
