//! `cargo xtask bench`: what requests cost inside of a machine, by the driver's client in the kernel.

use std::{fs, path::PathBuf};

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};
use eduwdm_abi::bench::Kind;
use eduwdm_qemu::{
    Artifacts,
    bench::{self, Figures, Plan},
};

use crate::{build, paths, setup};

/// What it can be told.
#[derive(Args, Clone, Debug)]
pub struct Options {
    #[command(flatten)]
    setup: setup::Options,
    /// The machines
    #[arg(long, value_delimiter = ',', default_value = "up,smp4")]
    machine: Vec<String>,
    /// The verifier's options
    #[arg(long, value_enum, default_value_t = Verifier::Off)]
    verifier: Verifier,
    /// The kinds of requests
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Request::Null, Request::Identify, Request::Factorial])]
    request: Vec<Request>,
    /// How many threads make requests: one on each processor, and then again
    #[arg(long, value_delimiter = ',', default_value = "1,4")]
    threads: Vec<u32>,
    /// How many requests each thread keeps outstanding
    #[arg(long, value_delimiter = ',', default_value = "1,64")]
    depth: Vec<u32>,
    /// How many requests each case makes in a round
    #[arg(long, default_value_t = 4000)]
    requests: u32,
    /// Bytes of a read or a write
    #[arg(long, default_value_t = 4000)]
    length: u32,
    /// How often each case is measured
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Leaves what was measured in this file, as a baseline
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Holds what is measured against such a file
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// Draws the rates of each kind of request into this folder, as SVG
    #[arg(long, value_name = "FOLDER")]
    figures: Option<PathBuf>,
}

/// Which of the verifier's options are on.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Verifier {
    /// All that are on by default
    On,
    /// None
    Off,
    /// First none, then all
    Both,
}

/// A kind of request.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Request {
    /// A control code that the driver does not know
    Null,
    /// A control code that it answers at once
    Identify,
    /// A factorial, which takes an interrupt
    Factorial,
    /// A read, by DMA
    Read,
    /// A write, by DMA
    Write,
}

/// Measures and prints.
///
/// # Errors
///
/// If a machine does not do what it should, or a file cannot be read or written.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let baseline = options.compare.as_ref().map(|file| {
        let text = fs::read(file).with_context(|| file.display().to_string())?;
        serde_json::from_slice::<Figures>(&text).with_context(|| file.display().to_string())
    });
    let baseline = baseline.transpose()?;
    build::run(&options.setup)?;
    let artifacts = Artifacts {
        kernel: paths::out().join("nthost"),
        drivers: vec![paths::out()],
        directory: paths::target().join("nthost"),
    };
    let kind = |request: &Request| match request {
        Request::Null => Kind::Null,
        Request::Identify => Kind::Identify,
        Request::Factorial => Kind::Factorial,
        Request::Read => Kind::Read,
        Request::Write => Kind::Write,
    };
    let plan = Plan {
        machines: options.machine.clone(),
        verified: match options.verifier {
            Verifier::On => vec![true],
            Verifier::Off => vec![false],
            Verifier::Both => vec![false, true],
        },
        kinds: options.request.iter().map(kind).collect(),
        threads: options.threads.clone(),
        depths: options.depth.clone(),
        requests: options.requests,
        length: options.length,
        rounds: options.rounds.max(1),
    };
    let figures = bench::measure(&artifacts, &plan, |what| eprintln!("{what} …"))?;
    println!("The host's load: {}.", load());
    println!("{figures}");
    if let Some(baseline) = baseline {
        compare(&figures, &baseline);
    }
    if let Some(folder) = &options.figures {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let date = std::process::Command::new("date")
            .args(["-u", "+%Y-%m-%d"])
            .output()?;
        let date = String::from_utf8_lossy(&date.stdout).trim().to_owned();
        let conditions = format!("host's load {}, {date}", load());
        let drawn = figures
            .draw(&conditions)
            .map_err(|fault| anyhow!("{fault}"))?;
        for (kind, text) in drawn {
            let file = folder.join(format!("{kind}.svg"));
            fs::write(&file, text).with_context(|| file.display().to_string())?;
            println!("{}", file.display());
        }
    }
    if let Some(file) = &options.save {
        let text = serde_json::to_vec_pretty(&figures)?;
        fs::write(file, text).with_context(|| file.display().to_string())?;
    }
    Ok(())
}

/// How many of the host's processors were busy in the last minute, on average, with what was
/// measured among it.
fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let minute = load.split(' ').next().unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{minute} on {processors} processors")
}

fn compare(figures: &Figures, baseline: &Figures) {
    for comparison in figures.compare(baseline) {
        let ratio = comparison.now.median / comparison.before.median;
        let clear = if comparison.is_clear() {
            ""
        } else {
            " (within the rounds)"
        };
        println!(
            "{}: {ratio:.2} times the baseline{clear}",
            comparison.case.describe()
        );
    }
}
