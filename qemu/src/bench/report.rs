//! What was measured, as tables and as a baseline that a later run is held against.

use std::fmt;

use eduwdm_abi::bench::{CLASSES, Kind, RunOutput, least_of};
use serde::{Deserialize, Serialize};

use super::Case;

/// All that was measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Figures {
    /// What executed the processors, as QEMU calls it.
    pub accelerator: String,
    /// One for each case.
    pub measured: Vec<Measured>,
}

/// What was measured of a case.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// Which.
    pub case: Case,
    #[serde(skip, default = "no_kind")]
    pub(super) kind: Kind,
    /// Requests a second, of each round.
    rates: Vec<f64>,
    /// How many requests, in all rounds.
    requests: u64,
    interrupts: u64,
    dpcs: u64,
    /// How many took how long, in all rounds, by their classes; without those behind the last.
    latencies: Vec<u64>,
}

/// Of a baseline: it is not measured again.
const fn no_kind() -> Kind {
    Kind::Null
}

/// The least, the middle and the greatest of several rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The least.
    pub least: f64,
    /// The median.
    pub median: f64,
    /// The greatest.
    pub greatest: f64,
}

impl Spread {
    /// Of at least one.
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(0.0);
        Self {
            least: at(0),
            median: at(values.len() / 2),
            greatest: at(values.len().saturating_sub(1)),
        }
    }
}

/// Latencies in nanoseconds, each the least of its class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantiles {
    /// As many requests took less as took more.
    pub half: u64,
    /// One in a hundred took longer.
    pub of_hundred: u64,
    /// The longest.
    pub longest: u64,
}

impl Case {
    /// In a line.
    #[must_use]
    pub fn describe(&self) -> String {
        let Self {
            machine,
            verified,
            kind,
            threads,
            depth,
        } = self;
        let verifier = if *verified { "on" } else { "off" };
        format!("{kind} on {machine}, verifier {verifier}, {threads} threads, depth {depth}")
    }
}

impl Measured {
    pub(super) const fn new(case: Case, kind: Kind) -> Self {
        Self {
            case,
            kind,
            rates: Vec::new(),
            requests: 0,
            interrupts: 0,
            dpcs: 0,
            latencies: Vec::new(),
        }
    }

    /// Adds a round.
    pub(super) fn add(&mut self, output: &RunOutput, (interrupts, dpcs): (u64, u64)) {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let rate = output.right as f64 * 1e9 / output.elapsed_ns.max(1) as f64;
        self.rates.push(rate);
        self.requests += output.right;
        self.interrupts += interrupts;
        self.dpcs += dpcs;
        self.latencies.resize(CLASSES, 0);
        for (sum, count) in self.latencies.iter_mut().zip(output.latencies) {
            *sum += count;
        }
    }

    /// Requests a second.
    #[must_use]
    pub fn rate(&self) -> Spread {
        Spread::of(&self.rates)
    }

    /// Interrupts and DPCs a request.
    #[must_use]
    pub fn costs(&self) -> (f64, f64) {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let each = |count: u64| count as f64 / self.requests.max(1) as f64;
        (each(self.interrupts), each(self.dpcs))
    }

    /// What requests took.
    #[must_use]
    pub fn latency(&self) -> Quantiles {
        // The least latency that so many parts of a hundred do not exceed.
        let quantile = |parts: u64| {
            let wanted = (self.requests * parts).div_ceil(100);
            let mut seen = 0;
            let class = self.latencies.iter().position(|count| {
                seen += count;
                seen >= wanted
            });
            class.map_or(0, least_of)
        };
        Quantiles {
            half: quantile(50),
            of_hundred: quantile(99),
            longest: quantile(100),
        }
    }
}

/// A case whose rate is not what it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Which.
    pub case: Case,
    /// What it was.
    pub before: Spread,
    /// What it is.
    pub now: Spread,
}

impl Comparison {
    /// Whether the slowest round was faster than the fastest was, or the other way round: what
    /// differs by less may be the host's.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.now.greatest < self.before.least || self.now.least > self.before.greatest
    }
}

impl Figures {
    /// Those cases that a baseline has too.
    #[must_use]
    pub fn compare(&self, baseline: &Self) -> Vec<Comparison> {
        let of = |measured: &Measured| {
            let mut others = baseline.measured.iter();
            let other = others.find(|other| other.case == measured.case)?;
            Some(Comparison {
                case: measured.case.clone(),
                before: other.rate(),
                now: measured.rate(),
            })
        };
        self.measured.iter().filter_map(of).collect()
    }
}

impl fmt::Display for Figures {
    /// As Markdown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Accelerator: {}.\n", self.accelerator)?;
        writeln!(
            f,
            "| machine | verifier | request | threads | depth | a second | rounds | half within | 99 of \
             100 within | interrupts | DPCs |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|---|---|---|---|")?;
        for measured in &self.measured {
            let Case {
                machine,
                verified,
                kind,
                threads,
                depth,
            } = &measured.case;
            let rate = measured.rate();
            let latency = measured.latency();
            let (interrupts, dpcs) = measured.costs();
            #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
            let microseconds = |nanoseconds: u64| nanoseconds as f64 / 1000.0;
            writeln!(
                f,
                "| {machine} | {} | {kind} | {threads} | {depth} | {:.0} | {:.0} to {:.0} | {:.1} µs | \
                 {:.1} µs | {interrupts:.2} | {dpcs:.2} |",
                if *verified { "on" } else { "off" },
                rate.median,
                rate.least,
                rate.greatest,
                microseconds(latency.half),
                microseconds(latency.of_hundred),
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use eduwdm_abi::{Header, bench::class_of};
    use zerocopy::FromZeros;

    use super::*;

    fn measured(rates: &[f64]) -> Measured {
        let case = Case {
            machine: "up".to_owned(),
            verified: true,
            kind: "null".to_owned(),
            threads: 1,
            depth: 8,
        };
        let mut measured = Measured::new(case, Kind::Null);
        measured.rates = rates.to_vec();
        measured
    }

    #[test]
    fn the_middle_and_the_ends_of_rounds_are_told() {
        let spread = Spread::of(&[3.0, 1.0, 2.0]);
        assert_eq!(
            (spread.least, spread.median, spread.greatest),
            (1.0, 2.0, 3.0)
        );
    }

    #[test]
    fn a_quantile_is_the_least_latency_that_as_many_do_not_exceed() {
        let mut output = RunOutput::new_zeroed();
        output.header = Header::of::<RunOutput>();
        output.elapsed_ns = 1_000_000;
        output.right = 100;
        output.latencies[class_of(1024)] = 98;
        output.latencies[class_of(4096)] = 1;
        output.latencies[class_of(65536)] = 1;
        let mut measured = measured(&[]);
        measured.add(&output, (50, 100));
        let quantiles = measured.latency();
        assert_eq!(
            (quantiles.half, quantiles.of_hundred, quantiles.longest),
            (1024, 4096, 65536)
        );
        assert_eq!(measured.costs(), (0.5, 1.0));
        assert_eq!(measured.rate().median, 100_000.0);
    }

    #[test]
    fn a_difference_is_clear_when_no_round_of_the_one_is_within_those_of_the_other() {
        let figures = |rates: &[f64]| Figures {
            accelerator: "tcg".to_owned(),
            measured: vec![measured(rates)],
        };
        let text = serde_json::to_string(&figures(&[10.0, 12.0])).unwrap();
        let baseline: Figures = serde_json::from_str(&text).unwrap();
        let clear = |rates: &[f64]| figures(rates).compare(&baseline)[0].is_clear();
        assert!(clear(&[7.0, 9.0]));
        assert!(!clear(&[9.0, 11.0]));
        assert!(clear(&[13.0, 14.0]));
    }
}
