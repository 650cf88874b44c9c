//! `eductl bench`: how long requests take, and how many the device does in a second.

mod figure;
mod measure;

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use eductl::Error;
use serde_json::{Value, json};

use self::measure::{Measurement, measure};
use crate::cli::{context::Context, file, number::number};

/// Measures latency and throughput at growing numbers of outstanding requests, prints the
/// table, and draws a latency histogram and a throughput curve as SVG and PNG.
#[derive(Debug, Args)]
#[command(after_help = "Examples: eductl bench --output figures\n          \
                        eductl bench --requests 5000 --depths 1,8,64 --json")]
pub struct Arguments {
    /// Requests for each number outstanding.
    #[arg(long, default_value = "1000", value_parser = number)]
    requests: u64,
    /// The numbers of requests that are kept outstanding.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "1,2,4,8,16,32,64",
        value_parser = clap::value_parser!(u32).range(1..=4096)
    )]
    depths: Vec<u32>,
    /// The directory for the figures; made if it is not there. None are drawn if nothing is
    /// said.
    #[arg(long, short, value_name = "DIRECTORY")]
    output: Option<PathBuf>,
}

impl Arguments {
    pub fn run(&self, context: &Context) -> Result<(), Error> {
        if self.requests == 0 {
            return Err(Error::Usage(
                "there is nothing to measure in 0 requests".to_owned(),
            ));
        }
        // Before anything is measured: it takes a while.
        if let Some(directory) = &self.output {
            writable(directory)?;
        }
        let edu = context.edu()?;
        let length = self.requests * self.depths.len() as u64;
        let bar = context.progress(length, "bench");
        let measurements: Result<Vec<_>, Error> = self
            .depths
            .iter()
            .map(|depth| measure(&edu, *depth, self.requests, &bar))
            .collect();
        bar.finish_and_clear();
        let measurements = measurements?;
        let figures = match &self.output {
            None => Vec::new(),
            Some(directory) => draw(directory, &measurements)?,
        };
        context.print(&json(&measurements, &figures), |out| {
            table(out, &measurements)?;
            for figure in &figures {
                writeln!(out, "{}", figure.display())?;
            }
            Ok(())
        })
    }
}

/// Makes the directory, and tries whether files can be made in it.
fn writable(directory: &Path) -> Result<(), Error> {
    let probe = directory.join(".eductl");
    fs::create_dir_all(directory)
        .and_then(|()| fs::write(&probe, []))
        .and_then(|()| fs::remove_file(&probe))
        .map_err(|error| Error::File {
            path: directory.to_owned(),
            error,
        })
}

/// Draws all figures before any is saved, so that there are all or none.
fn draw(directory: &Path, measurements: &[Measurement]) -> Result<Vec<PathBuf>, Error> {
    let drawn = figure::all(measurements).map_err(|fault| Error::File {
        path: directory.to_owned(),
        error: io::Error::other(fault),
    })?;
    let mut paths = Vec::new();
    for (name, content) in drawn {
        let path = directory.join(name);
        file::write(&path, &content)?;
        paths.push(path);
    }
    Ok(paths)
}

fn table(out: &mut dyn Write, measurements: &[Measurement]) -> io::Result<()> {
    writeln!(
        out,
        "outstanding   requests/s       mean     median        90%        99%    longest"
    )?;
    for measurement in measurements {
        let time = |time| format!("{time:.1?}");
        writeln!(
            out,
            "{:11} {:12.0} {:>10} {:>10} {:>10} {:>10} {:>10}",
            measurement.depth,
            measurement.throughput(),
            time(measurement.mean()),
            time(measurement.quantile(0.5)),
            time(measurement.quantile(0.9)),
            time(measurement.quantile(0.99)),
            time(measurement.quantile(1.0)),
        )?;
    }
    Ok(())
}

fn json(measurements: &[Measurement], figures: &[PathBuf]) -> Value {
    let rows: Vec<_> = measurements
        .iter()
        .map(|measurement| {
            json!({
                "depth": measurement.depth,
                "requests": measurement.latencies.len(),
                "seconds": measurement.elapsed.as_secs_f64(),
                "requests_per_second": measurement.throughput(),
                "mean_us": measurement.mean().as_secs_f64() * 1e6,
                "median_us": measurement.quantile(0.5).as_secs_f64() * 1e6,
                "p90_us": measurement.quantile(0.9).as_secs_f64() * 1e6,
                "p99_us": measurement.quantile(0.99).as_secs_f64() * 1e6,
                "longest_us": measurement.quantile(1.0).as_secs_f64() * 1e6,
            })
        })
        .collect();
    json!({ "measurements": rows, "figures": figures })
}
