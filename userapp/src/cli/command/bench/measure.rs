//! One measurement: a number of requests, of which a fixed number is kept outstanding, made as
//! often as it takes to see how far the rate strays.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use clap::ValueEnum;
use eductl::{Edu, Error, Overlapped, device::Pending, device::success, edu::factorial_mod_2_32};
use eduwdm_abi::edu::FactorialOutput;
use indicatif::ProgressBar;

/// The number whose factorial is asked for: its product is not zero, and takes the device no
/// longer than the others.
const N: u32 = 12;

/// What is asked of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Operation {
    /// A computation, which ends with an interrupt
    Factorial,
    /// A transfer from the device's buffer, by DMA
    Read,
    /// A transfer to the device's buffer, by DMA
    Write,
}

impl Operation {
    /// What figures call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Factorial => "factorials",
            Self::Read => "reads by DMA",
            Self::Write => "writes by DMA",
        }
    }

    /// Where its latency is measured.
    pub const fn place(self) -> &'static str {
        match self {
            // The driver says it in the answer.
            Self::Factorial => "in the driver, from a request's arrival to its completion",
            Self::Read | Self::Write => "in the client, from a request's start to its answer",
        }
    }
}

/// What was measured.
#[derive(Clone, Debug)]
pub struct Measurement {
    /// Requests outstanding.
    pub depth: u32,
    /// Of each request, see [`Operation::place`]; shortest first.
    pub latencies: Vec<Duration>,
    /// For each repetition, how long all of its requests took the client.
    pub elapsed: Vec<Duration>,
}

impl Measurement {
    fn new(depth: u32, mut latencies: Vec<Duration>, elapsed: Vec<Duration>) -> Self {
        latencies.sort_unstable();
        Self {
            depth,
            latencies,
            elapsed,
        }
    }

    /// Requests in a second, for each repetition, the fewest first.
    pub fn rates(&self) -> Vec<f64> {
        let repetitions = u32::try_from(self.elapsed.len()).unwrap_or(u32::MAX);
        let requests = self.count() / f64::from(repetitions.max(1));
        let rate = |time: &Duration| requests / time.as_secs_f64().max(f64::MIN_POSITIVE);
        let mut rates: Vec<_> = self.elapsed.iter().map(rate).collect();
        rates.sort_by(f64::total_cmp);
        rates
    }

    /// Requests in a second: the median of the repetitions.
    pub fn throughput(&self) -> f64 {
        let rates = self.rates();
        rates.get(rates.len() / 2).copied().unwrap_or_default()
    }

    #[expect(clippy::cast_precision_loss, reason = "nobody makes 2^52 requests")]
    const fn count(&self) -> f64 {
        self.latencies.len() as f64
    }

    /// The mean latency.
    pub fn mean(&self) -> Duration {
        let sum: Duration = self.latencies.iter().sum();
        u32::try_from(self.latencies.len())
            .ok()
            .and_then(|count| sum.checked_div(count))
            .unwrap_or_default()
    }

    /// The latency that this share of the requests does not exceed.
    pub fn quantile(&self, share: f64) -> Duration {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is between 0 and the number of requests"
        )]
        let rank = (share * self.count()).ceil() as usize;
        let index = rank.max(1) - 1;
        self.latencies.get(index).copied().unwrap_or_default()
    }
}

/// A request that is outstanding.
enum Outstanding {
    Factorial(Pending<FactorialOutput>),
    Transfer(Instant, Overlapped),
}

impl Outstanding {
    fn begin(edu: &Edu, operation: Operation, length: u32) -> Result<Self, Error> {
        let now = Instant::now();
        Ok(match operation {
            Operation::Factorial => Self::Factorial(edu.factorial(N)?),
            Operation::Read => Self::Transfer(now, edu.read(0, length)?),
            Operation::Write => Self::Transfer(now, edu.write(0, vec![0x5a; length as usize])?),
        })
    }

    /// Waits for the answer, checks it, and gives how long it took.
    fn end(self, edu: &Edu, length: u32) -> Result<Duration, Error> {
        match self {
            Self::Factorial(request) => {
                let answer = request.wait()?;
                if answer.result != factorial_mod_2_32(N) {
                    return Err(Error::WrongAnswer(format!("{N}! = {}", answer.result)));
                }
                Ok(Duration::from_nanos(
                    answer.elapsed_100ns.saturating_mul(100),
                ))
            }
            Self::Transfer(begun, request) => {
                let status = request.wait_within(edu.device().limit())?;
                let moved = success("the transfer", status)?.information;
                let elapsed = begun.elapsed();
                if moved != u64::from(length) {
                    let said = format!("{moved} of {length} bytes were transferred");
                    return Err(Error::WrongAnswer(said));
                }
                Ok(elapsed)
            }
        }
    }
}

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// What is asked.
    pub operation: Operation,
    /// Bytes of a transfer.
    pub length: u32,
    /// Requests of a repetition.
    pub requests: u64,
    /// How often they are all made.
    pub repetitions: u32,
}

/// Makes the requests and checks their answers.
pub fn measure(edu: &Edu, depth: u32, plan: Plan, bar: &ProgressBar) -> Result<Measurement, Error> {
    let mut latencies = Vec::new();
    let mut elapsed = Vec::new();
    for _ in 0..plan.repetitions {
        let mut outstanding = VecDeque::new();
        let mut begun = 0;
        let start = Instant::now();
        while begun < plan.requests || !outstanding.is_empty() {
            if begun < plan.requests && outstanding.len() < depth as usize {
                outstanding.push_back(Outstanding::begin(edu, plan.operation, plan.length)?);
                begun += 1;
                continue;
            }
            if let Some(oldest) = outstanding.pop_front() {
                latencies.push(oldest.end(edu, plan.length)?);
                bar.inc(1);
            }
        }
        elapsed.push(start.elapsed());
    }
    Ok(Measurement::new(depth, latencies, elapsed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measurement(microseconds: &[u64]) -> Measurement {
        let latencies = microseconds
            .iter()
            .map(|us| Duration::from_micros(*us))
            .collect();
        Measurement::new(1, latencies, vec![Duration::from_millis(2)])
    }

    #[test]
    fn quantiles_are_latencies_that_were_measured() {
        let measured = measurement(&[40, 10, 30, 20]);
        let quantiles = [0.0, 0.25, 0.5, 0.9, 1.0].map(|share| measured.quantile(share));
        assert_eq!(quantiles.map(|time| time.as_micros()), [10, 10, 20, 40, 40]);
        assert_eq!(measured.mean(), Duration::from_micros(25));
        assert!((measured.throughput() - 2000.0).abs() < 1e-6);
    }

    #[test]
    fn nothing_measured_is_no_division_by_zero() {
        let measured = measurement(&[]);
        assert_eq!(measured.quantile(0.5), Duration::ZERO);
        assert_eq!(measured.mean(), Duration::ZERO);
    }

    #[test]
    fn the_rate_is_the_median_of_the_repetitions() {
        let latencies = vec![Duration::from_micros(1); 6];
        let elapsed = [4, 1, 2].map(Duration::from_millis).to_vec();
        let measured = Measurement::new(1, latencies, elapsed);
        let rates: Vec<_> = measured.rates().iter().map(|rate| rate.round()).collect();
        assert_eq!(rates, [500.0, 1000.0, 2000.0]);
        assert!((measured.throughput() - 1000.0).abs() < 1e-6);
    }
}
