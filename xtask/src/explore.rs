//! `cargo xtask explore`: runs a driver with schedules that are chosen to find races, and shows the
//! schedule of the first that fails.

use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use clap::Args;
use eduwdm_qemu::{
    Artifacts, Machine,
    explore::{self, Outcome, RACES},
    manifest, replay,
};
use nthost_protocol::{
    Manifest,
    explore::{Explore, MAXIMUM_DEPTH},
};

use crate::{build, paths, setup};

/// In how many rounds a race of the test driver must show.
const ROUNDS: u32 = 1000;

/// What it can be told.
#[derive(Args, Clone, Debug)]
pub struct Options {
    #[command(flatten)]
    setup: setup::Options,
    /// What is loaded and done; without, eduwdm with its devices in use
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// The machine's name, or its file
    #[arg(long, default_value = "smp4")]
    machine: String,
    /// How many machines are run, each with a seed of its own
    #[arg(long, default_value_t = 10)]
    runs: u64,
    /// How many ordered events the bugs take that are looked for
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAXIMUM_DEPTH)))]
    depth: u32,
    /// The first run's seed
    #[arg(long, default_value = "1", value_parser = crate::replay::seed)]
    seed: u64,
    /// How many steps a schedule has; without, a run is measured first
    #[arg(long)]
    length: Option<u64>,
    /// For how many rounds eduwdm's devices are used; each is a schedule
    #[arg(long, default_value_t = replay::ROUNDS)]
    rounds: u32,
    /// Explores the test driver races.sys with the race of this number instead
    #[arg(long, value_name = "N", conflicts_with = "manifest")]
    race: Option<usize>,
    /// Shows instead how soon each race of the test driver is found, and how soon by noise alone:
    /// of as many seeds as there are runs, the median
    #[arg(long, conflicts_with_all = ["manifest", "length", "race"])]
    races: bool,
}

/// Runs it.
///
/// # Errors
///
/// What was found, with the schedule.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let machine = Machine::load(&options.machine)?;
    build::run(&options.setup)?;
    let artifacts = Artifacts {
        kernel: paths::out().join("nthost"),
        drivers: vec![paths::out()],
        directory: paths::target().join("nthost"),
    };
    if options.races {
        return races(&machine, &artifacts, options);
    }
    let race = match options.race {
        Some(number) => Some(*RACES.get(number).context("there is no such race")?),
        None => None,
    };
    let (manifest, rounds) = match (&options.manifest, race) {
        (Some(file), _) => (manifest::load(file)?, 1),
        (None, Some(race)) => (race.manifest(ROUNDS), ROUNDS),
        (None, None) => (replay::manifest(options.rounds)?, options.rounds),
    };
    let run = |manifest: &Manifest, explore| {
        let machinery = explore::options(manifest.clone(), Some(explore));
        explore::run(&machine, &artifacts, &machinery)
    };
    let length = match (options.length, race) {
        (Some(length), _) => length,
        (None, Some(race)) => explore::steps_of_round(race, &machine, &artifacts)?,
        (None, None) => measure(options, &manifest, rounds, run)?,
    };
    ensure!(length > 0, "the driver makes no step");
    println!(
        "{}: depth {}, {length} steps a schedule",
        machine.name, options.depth
    );
    for seed in options.seed..options.seed.saturating_add(options.runs) {
        let explore = Explore {
            seed,
            depth: options.depth,
            length,
        };
        let outcome = run(&manifest, explore).with_context(|| format!("seed {seed:#x}"))?;
        match outcome {
            Outcome::Ended(summary) => println!("seed {seed:#x}: {summary}"),
            Outcome::Found(text) => bail!(
                "seed {seed:#x}: {text}\nagain with: cargo xtask explore --seed {seed:#x} --runs 1 \
                 --depth {} --length {length} --machine {}",
                options.depth,
                machine.name
            ),
        }
    }
    Ok(())
}

/// How many steps a round of a manifest has.
fn measure(
    options: &Options,
    manifest: &Manifest,
    rounds: u32,
    run: impl Fn(&Manifest, Explore) -> Result<Outcome, explore::ExploreError>,
) -> anyhow::Result<u64> {
    let explore = Explore {
        seed: options.seed,
        depth: 1,
        length: 0,
    };
    match run(manifest, explore)? {
        Outcome::Ended(summary) => Ok(summary.steps / u64::from(rounds.max(1))),
        Outcome::Found(text) => bail!("without any schedule: {text}"),
    }
}

/// How soon each race shows, explored, by noise alone, and by nothing.
fn races(machine: &Machine, artifacts: &Artifacts, options: &Options) -> anyhow::Result<()> {
    let seeds = options.seed..options.seed.saturating_add(options.runs.max(1));
    println!(
        "rounds until a race shows, on {}: the median of {} seeds from {:#x}; - for more than {ROUNDS}\n",
        machine.name,
        options.runs.max(1),
        options.seed
    );
    println!(
        "{:<45} depth {:>9} {:>9} {:>9}",
        "race", "explored", "noise", "neither"
    );
    let mut missed = 0;
    for race in RACES {
        let length = explore::steps_of_round(race, machine, artifacts)?;
        let rounds_of = |noise, explore| -> anyhow::Result<u32> {
            let manifest = Manifest {
                noise,
                ..race.manifest(ROUNDS)
            };
            let machinery = explore::options(manifest, Some(explore));
            match explore::run(machine, artifacts, &machinery)? {
                Outcome::Ended(_) => Ok(u32::MAX),
                Outcome::Found(text) => {
                    let round = race.round_in(&text);
                    Ok(1 + round.with_context(|| format!("another bug check: {text}"))?)
                }
            }
        };
        let mut found = [const { Vec::new() }; 3];
        for seed in seeds.clone() {
            let exploring = Explore {
                seed,
                depth: race.depth,
                length,
            };
            let counting = Explore {
                length: 0,
                ..exploring
            };
            found[0].push(rounds_of(None, exploring)?);
            found[1].push(rounds_of(Some(seed), counting)?);
        }
        // Without a seed, one run is like the other.
        let counting = Explore {
            seed: 0,
            depth: 1,
            length: 0,
        };
        found[2].push(rounds_of(None, counting)?);
        missed += found[0]
            .iter()
            .filter(|&&rounds| rounds == u32::MAX)
            .count();
        let [explored, noise, neither] = found.map(median);
        println!(
            "{:<45} {:>5} {explored:>9} {noise:>9} {neither:>9}",
            race.name, race.depth
        );
    }
    ensure!(missed == 0, "{missed} races were not found");
    Ok(())
}

/// The middle one, or a dash if more than half were not found.
fn median(mut rounds: Vec<u32>) -> String {
    rounds.sort_unstable();
    match rounds.get(rounds.len() / 2) {
        Some(&rounds) if rounds != u32::MAX => rounds.to_string(),
        _ => "-".to_owned(),
    }
}
