//! `eductl bench`: how long requests take, and how many the device does in a second.

mod conditions;
mod figure;
mod measure;

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    process,
    time::Duration,
};

use clap::Args;
use eductl::Error;
use serde_json::{Value, json};

use self::{
    conditions::Conditions,
    figure::Histogram,
    measure::{Measurement, Operation, Plan, measure},
};
use crate::cli::{
    context::Context,
    file,
    number::{number, number32},
};

/// Measures latency and throughput at growing numbers of outstanding requests, prints the table,
/// and draws both as SVG and PNG. The rate is what this client sees. The latency of factorials is
/// what the driver says: from a request's arrival there to its completion; that of transfers is
/// what this client sees.
#[derive(Debug, Args)]
#[command(after_help = "Examples: eductl bench --output figures\n          \
                        eductl bench --operation read --length 512 --repeat 5\n          \
                        eductl bench --requests 5000 --depths 1,8,64 --json")]
pub struct Arguments {
    /// What is asked of the device.
    #[arg(long, value_enum, default_value = "factorial")]
    operation: Operation,
    /// Bytes of each transfer.
    #[arg(long, default_value = "512", value_parser = number32)]
    length: u32,
    /// How often all is measured, to see how far the rate strays.
    #[arg(long, value_name = "TIMES", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    repeat: u32,
    /// Requests for each number outstanding, in each repetition.
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
        let made = self.output.as_deref().map(Figures::in_directory);
        let figures = made.transpose()?;
        let conditions = Conditions::here(context)?;
        let edu = context.edu()?;
        let plan = Plan {
            operation: self.operation,
            length: self.length,
            requests: self.requests,
            repetitions: self.repeat,
        };
        let each = self.requests.saturating_mul(u64::from(self.repeat));
        let length = each.saturating_mul(self.depths.len() as u64);
        let bar = context.progress(length, "bench");
        let measurements: Result<Vec<_>, Error> = self
            .depths
            .iter()
            .map(|depth| measure(&edu, *depth, plan, &bar))
            .collect();
        bar.finish_and_clear();
        let measurements = measurements?;
        let figures = match &figures {
            None => Vec::new(),
            Some(figures) => figures.draw(plan, &conditions, &measurements)?,
        };
        context.print(&json(plan, &conditions, &measurements, &figures), |out| {
            writeln!(out, "{conditions}")?;
            table(out, plan, &measurements)?;
            for figure in &figures {
                writeln!(out, "{}", figure.display())?;
            }
            Ok(())
        })
    }
}

/// Where the figures go. Dropping it removes the directory if it was made for them and none is
/// in it.
struct Figures<'a> {
    directory: &'a Path,
    made: bool,
}

impl<'a> Figures<'a> {
    /// Makes the directory, and tries whether files can be made in it.
    fn in_directory(directory: &'a Path) -> Result<Self, Error> {
        let made = !directory.exists();
        let probe = directory.join(format!(".eductl.{}", process::id()));
        let figures = Self { directory, made };
        fs::create_dir_all(directory)
            .and_then(|()| File::create_new(&probe))
            .and_then(|_| fs::remove_file(&probe))
            .map_err(|error| figures.fault(error))?;
        Ok(figures)
    }

    /// Draws all figures before any is saved, so that there are all or none.
    fn draw(
        &self,
        plan: Plan,
        conditions: &Conditions,
        measurements: &[Measurement],
    ) -> Result<Vec<PathBuf>, Error> {
        let drawn = figure::all(plan.operation, &conditions.to_string(), measurements)
            .map_err(|fault| self.fault(io::Error::other(fault)))?;
        let drawn: Vec<_> = drawn
            .into_iter()
            .map(|(name, content)| (self.directory.join(name), content))
            .collect();
        let files: Vec<_> = drawn
            .iter()
            .map(|(path, content)| (path.as_path(), content.as_slice()))
            .collect();
        file::write_all(&files)?;
        Ok(drawn.into_iter().map(|(path, _)| path).collect())
    }

    fn fault(&self, error: io::Error) -> Error {
        Error::File {
            path: self.directory.to_owned(),
            error,
        }
    }
}

impl Drop for Figures<'_> {
    fn drop(&mut self) {
        if self.made {
            // One with something in it is not removed, nor is one that could not be made.
            let _ = fs::remove_dir(self.directory);
        }
    }
}

fn table(out: &mut dyn Write, plan: Plan, measurements: &[Measurement]) -> io::Result<()> {
    writeln!(
        out,
        "{}, {} times {} requests; the rate is this client's, the median of the repetitions with \
         the lowest and the highest;\nlatency {}",
        plan.operation.name(),
        plan.repetitions,
        plan.requests,
        plan.operation.place()
    )?;
    writeln!(
        out,
        "outstanding   requests/s    (lowest-highest)       mean     median        90%        99%      \
         99.9%    longest"
    )?;
    for measurement in measurements {
        let time = |time| format!("{time:.1?}");
        let rates = measurement.rates();
        let rate = |rate: Option<&f64>| rate.copied().unwrap_or_default();
        let spread = format!("({:.0}-{:.0})", rate(rates.first()), rate(rates.last()));
        writeln!(
            out,
            "{:11} {:12.0} {spread:>19} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10}",
            measurement.depth,
            measurement.throughput(),
            time(measurement.mean()),
            time(measurement.quantile(0.5)),
            time(measurement.quantile(0.9)),
            time(measurement.quantile(0.99)),
            time(measurement.quantile(0.999)),
            time(measurement.quantile(1.0)),
        )?;
    }
    Ok(())
}

fn json(
    plan: Plan,
    conditions: &Conditions,
    measurements: &[Measurement],
    figures: &[PathBuf],
) -> Value {
    let rows: Vec<_> = measurements
        .iter()
        .map(|measurement| {
            let histogram = Histogram::of(measurement);
            json!({
                "depth": measurement.depth,
                "requests": measurement.latencies.len(),
                "seconds": measurement.elapsed.iter().map(Duration::as_secs_f64).collect::<Vec<_>>(),
                "requests_per_second": measurement.throughput(),
                "rates": measurement.rates(),
                "mean_us": measurement.mean().as_secs_f64() * 1e6,
                "median_us": measurement.quantile(0.5).as_secs_f64() * 1e6,
                "p90_us": measurement.quantile(0.9).as_secs_f64() * 1e6,
                "p99_us": measurement.quantile(0.99).as_secs_f64() * 1e6,
                "p999_us": measurement.quantile(0.999).as_secs_f64() * 1e6,
                "longest_us": measurement.quantile(1.0).as_secs_f64() * 1e6,
                "histogram": { "end_us": histogram.end, "counts": histogram.classes },
            })
        })
        .collect();
    json!({
        "operation": plan.operation.name(),
        "rate": "in the client",
        "latency": plan.operation.place(),
        "conditions": conditions.json(),
        "measurements": rows,
        "figures": figures,
    })
}
