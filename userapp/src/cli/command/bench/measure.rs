//! One measurement: a number of requests, of which a fixed number is kept outstanding.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use eductl::{Edu, Error, device::Pending, edu::factorial_mod_2_32};
use eduwdm_abi::edu::FactorialOutput;
use indicatif::ProgressBar;

/// The number whose factorial is asked for: its product is not zero, and takes the device no
/// longer than the others.
const N: u32 = 12;

/// What was measured.
#[derive(Clone, Debug)]
pub struct Measurement {
    /// Requests outstanding.
    pub depth: u32,
    /// From a request's arrival in the driver to its completion there, shortest first.
    pub latencies: Vec<Duration>,
    /// For all requests, as the client saw it.
    pub elapsed: Duration,
}

impl Measurement {
    fn new(depth: u32, mut latencies: Vec<Duration>, elapsed: Duration) -> Self {
        latencies.sort_unstable();
        Self {
            depth,
            latencies,
            elapsed,
        }
    }

    /// Requests in a second.
    pub fn throughput(&self) -> f64 {
        self.count() / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
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

/// Makes the requests and checks their answers.
pub fn measure(
    edu: &Edu,
    depth: u32,
    requests: u64,
    bar: &ProgressBar,
) -> Result<Measurement, Error> {
    let mut outstanding: VecDeque<Pending<FactorialOutput>> = VecDeque::new();
    let mut latencies = Vec::new();
    let mut begun = 0;
    let start = Instant::now();
    while begun < requests || !outstanding.is_empty() {
        if begun < requests && outstanding.len() < depth as usize {
            outstanding.push_back(edu.factorial(N)?);
            begun += 1;
            continue;
        }
        if let Some(oldest) = outstanding.pop_front() {
            let answer = oldest.wait()?;
            if answer.result != factorial_mod_2_32(N) {
                return Err(Error::WrongAnswer(format!("{N}! = {}", answer.result)));
            }
            latencies.push(Duration::from_nanos(
                answer.elapsed_100ns.saturating_mul(100),
            ));
            bar.inc(1);
        }
    }
    Ok(Measurement::new(depth, latencies, start.elapsed()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measurement(microseconds: &[u64]) -> Measurement {
        let latencies = microseconds
            .iter()
            .map(|us| Duration::from_micros(*us))
            .collect();
        Measurement::new(1, latencies, Duration::from_millis(2))
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
}
