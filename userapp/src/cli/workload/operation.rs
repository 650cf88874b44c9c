//! The operations: each is begun, and finished later with its answer checked.

use std::{fmt, str::FromStr, time::Duration};

use eductl::{Edu, Error, device::Pending, edu::factorial_mod_2_32};
use eduwdm_abi::edu::{DmaSelfTestOutput, EVENT_USER_MASK, FactorialOutput, WaitEventOutput};
use fastrand::Rng;

/// Factorials of numbers below this: beyond 33 the result is always zero.
const FACTORIALS: u32 = 34;
/// How long an event may take that has been raised.
const EVENT_LIMIT: Duration = Duration::from_mins(1);

macro_rules! operations {
    ($($(#[$doc:meta])* $variant:ident $name:literal $weight:literal,)*) => {
        /// Something to do whose answer is known.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Operation {
            $($(#[$doc])* $variant,)*
        }

        impl Operation {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name on the command line.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            const fn default_weight(self) -> u32 {
                match self { $(Self::$variant => $weight,)* }
            }
        }
    };
}

operations! {
    /// A factorial.
    Factorial "factorial" 800,
    /// A factorial that is canceled at once: done or not, but never wrong.
    Cancel "cancel" 100,
    /// A wait, and the event that ends it.
    Event "event" 60,
    /// A wait that nobody ends, canceled.
    CancelWait "cancel-wait" 34,
    /// A write to the device and a read of the same place. Seldom, as all transfers: each takes
    /// the device 100 ms, in which it could have computed many factorials.
    Transfer "transfer" 4,
    /// The driver's own transfer between its buffers, which is a write and a read too.
    SelfTest "self-test" 2,
}

/// How an operation ended, when it ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done, and the answer was right.
    Done,
    /// It was canceled, and was to be.
    Canceled,
}

/// How often each operation is chosen, relative to the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mix(Vec<(Operation, u32)>);

impl Default for Mix {
    fn default() -> Self {
        let all = Operation::ALL.iter();
        Self(
            all.map(|operation| (*operation, operation.default_weight()))
                .collect(),
        )
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (operation, weight)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}={weight}", operation.name())?;
        }
        Ok(())
    }
}

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut mix = Vec::new();
        for part in text.split(',') {
            let (name, weight) = part.split_once('=').unwrap_or((part, "1"));
            let operation = Operation::ALL
                .iter()
                .find(|operation| operation.name() == name)
                .ok_or_else(|| {
                    let names: Vec<_> = Operation::ALL.iter().map(|known| known.name()).collect();
                    format!("“{name}” is none of {}", names.join(", "))
                })?;
            let weight: u16 = weight.parse().map_err(|fault| format!("{part}: {fault}"))?;
            mix.push((*operation, u32::from(weight)));
        }
        if mix.iter().all(|(_, weight)| *weight == 0) {
            return Err("nothing has a weight".to_owned());
        }
        Ok(Self(mix))
    }
}

impl Mix {
    /// An operation, chosen by the weights.
    pub fn choose(&self, rng: &mut Rng) -> Operation {
        let total = self.0.iter().map(|(_, weight)| weight).sum();
        let mut left = rng.u32(0..total);
        for (operation, weight) in &self.0 {
            if left < *weight {
                return *operation;
            }
            left -= weight;
        }
        unreachable!("what is left is less than the sum of the weights")
    }
}

/// The part of the device's buffer that belongs to one thread, so that what it reads there is
/// what it wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    start: u32,
    length: u32,
}

impl Region {
    /// One of `count` equal parts, of which there are at most as many as bytes.
    pub fn of(number: u32, count: u32, length: u32) -> Self {
        let part = length / count.max(1);
        Self {
            start: part * number,
            length: part,
        }
    }

    /// A place in it.
    fn choose(self, rng: &mut Rng) -> (u32, u32) {
        let offset = rng.u32(0..self.length);
        (self.start + offset, rng.u32(1..=self.length - offset))
    }
}

/// An operation that has begun.
pub enum InFlight {
    Factorial(u32, Pending<FactorialOutput>),
    Cancel(u32, Pending<FactorialOutput>),
    Event(u32, Pending<WaitEventOutput>),
    CancelWait(Pending<WaitEventOutput>),
    /// Written and read already: the two may not be outstanding together, since they are in
    /// different queues.
    Transfer,
    SelfTest(u32, Pending<DmaSelfTestOutput>),
}

impl Operation {
    /// Begins it.
    pub fn begin(self, edu: &Edu, region: Region, rng: &mut Rng) -> Result<InFlight, Error> {
        Ok(match self {
            Self::Factorial => {
                let n = rng.u32(0..FACTORIALS);
                InFlight::Factorial(n, edu.factorial(n)?)
            }
            Self::Cancel => {
                let n = rng.u32(0..FACTORIALS);
                let request = edu.factorial(n)?;
                request.cancel();
                InFlight::Cancel(n, request)
            }
            Self::Event => {
                let bit = event(rng);
                let request = edu.wait_event(bit, Some(EVENT_LIMIT))?;
                // Requests of one thread reach the driver in order, so the wait is queued.
                raise_when_ready(edu, bit)?;
                InFlight::Event(bit, request)
            }
            Self::CancelWait => {
                let request = edu.wait_event(event(rng), None)?;
                request.cancel();
                InFlight::CancelWait(request)
            }
            Self::Transfer => {
                transfer(edu, region, rng)?;
                InFlight::Transfer
            }
            Self::SelfTest => {
                let (offset, length) = region.choose(rng);
                InFlight::SelfTest(length, edu.self_test(rng.u64(..), length, offset)?)
            }
        })
    }
}

/// One of the bits that clients may raise.
fn event(rng: &mut Rng) -> u32 {
    loop {
        let bit = 1 << rng.u32(0..32);
        if bit & EVENT_USER_MASK != 0 {
            return bit;
        }
    }
}

/// Raises an event, which a device that is stopped for the moment or has no power refuses. A
/// factorial waits in its queue until the device is back, and ends too if it is gone for good.
fn raise_when_ready(edu: &Edu, bit: u32) -> Result<(), Error> {
    loop {
        match edu.raise(bit) {
            Err(Error::Refused { status, .. }) if status.is_not_ready() => {
                edu.factorial(0)?.wait()?;
            }
            done => return done,
        }
    }
}

fn transfer(edu: &Edu, region: Region, rng: &mut Rng) -> Result<(), Error> {
    let (offset, length) = region.choose(rng);
    let data: Vec<u8> = (0..length).map(|_| rng.u8(..)).collect();
    let written = edu.write_wait(u64::from(offset), data.clone())?;
    let back = edu.read_wait(u64::from(offset), length)?;
    if written != u64::from(length) || back != data {
        let same = data.iter().zip(&back).take_while(|(a, b)| a == b).count();
        return Err(Error::WrongAnswer(format!(
            "of {length} bytes at {offset:#x}, {written} were written and {} came back, the first \
             {same} of them the same",
            back.len()
        )));
    }
    Ok(())
}

impl InFlight {
    /// Which operation it is.
    pub const fn operation(&self) -> Operation {
        match self {
            Self::Factorial(..) => Operation::Factorial,
            Self::Cancel(..) => Operation::Cancel,
            Self::Event(..) => Operation::Event,
            Self::CancelWait(_) => Operation::CancelWait,
            Self::Transfer => Operation::Transfer,
            Self::SelfTest(..) => Operation::SelfTest,
        }
    }

    /// Waits for its end and checks the answer.
    pub fn finish(self) -> Result<Outcome, Error> {
        match self {
            Self::Factorial(n, request) => factorial(n, &request.wait()?),
            Self::Cancel(n, request) => canceled(request.wait())?
                .map_or(Ok(Outcome::Canceled), |answer| factorial(n, &answer)),
            Self::Event(bit, request) => waited(bit, &request.wait()?),
            Self::CancelWait(request) => match canceled(request.wait())? {
                // Another thread may have raised the bit.
                Some(_) => Ok(Outcome::Done),
                None => Ok(Outcome::Canceled),
            },
            Self::Transfer => Ok(Outcome::Done),
            Self::SelfTest(length, request) => {
                let answer = request.wait()?;
                if answer.compared != length || answer.mismatches != 0 {
                    return Err(Error::WrongAnswer(format!(
                        "the driver compared {} of {length} bytes, and {} differed",
                        answer.compared, answer.mismatches
                    )));
                }
                Ok(Outcome::Done)
            }
        }
    }
}

/// Nothing if it was canceled, which it was to be.
fn canceled<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(Error::Refused { status, .. }) if status.is_canceled() => Ok(None),
        Err(error) => Err(error),
    }
}

fn factorial(n: u32, answer: &FactorialOutput) -> Result<Outcome, Error> {
    let expected = factorial_mod_2_32(n);
    if answer.n != n || answer.result != expected {
        return Err(Error::WrongAnswer(format!(
            "{}! = {}, where {n}! = {expected} modulo 2^32 was asked for",
            answer.n, answer.result
        )));
    }
    Ok(Outcome::Done)
}

fn waited(bit: u32, answer: &WaitEventOutput) -> Result<Outcome, Error> {
    if answer.bits != bit {
        return Err(Error::WrongAnswer(format!(
            "waited for {bit:#x}, and {:#x} was raised",
            answer.bits
        )));
    }
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_is_written_as_it_is_read() {
        let mix: Mix = "factorial=3,event".parse().unwrap();
        assert_eq!(mix.to_string(), "factorial=3,event=1");
        assert_eq!(Mix::default().to_string().parse(), Ok(Mix::default()));
        for (wrong, why) in [
            ("", "“” is none of factorial, "),
            ("factorial=0", "nothing has a weight"),
            ("factorial=-1", "factorial=-1: "),
            ("factorial=70000", "factorial=70000: "),
            ("sums=1", "“sums”"),
        ] {
            let fault = wrong.parse::<Mix>().unwrap_err();
            assert!(fault.starts_with(why), "{wrong}: {fault}");
        }
    }

    #[test]
    fn only_operations_with_a_weight_are_chosen_and_the_same_seed_chooses_the_same() {
        let mix: Mix = "factorial=1,event=0,transfer=2".parse().unwrap();
        let choose = || {
            let mut rng = Rng::with_seed(7);
            (0..100).map(|_| mix.choose(&mut rng)).collect::<Vec<_>>()
        };
        let chosen = choose();
        assert!(chosen.contains(&Operation::Factorial) && chosen.contains(&Operation::Transfer));
        assert!(!chosen.contains(&Operation::Event));
        assert_eq!(chosen, choose());
    }

    #[test]
    fn regions_of_threads_do_not_overlap_and_stay_in_the_buffer() {
        let mut rng = Rng::with_seed(1);
        for count in [1, 3, 8, 100] {
            let mut end = 0;
            for number in 0..count {
                let region = Region::of(number, count, 4095);
                assert!(region.start >= end, "{count} {number}");
                end = region.start + region.length;
                assert!(end <= 4095, "{count} {number}");
                for _ in 0..100 {
                    let (offset, length) = region.choose(&mut rng);
                    assert!(length > 0 && offset >= region.start && offset + length <= end);
                }
            }
        }
    }

    #[test]
    fn events_leave_the_devices_own_bits_alone() {
        let mut rng = Rng::with_seed(1);
        for _ in 0..1000 {
            let bit = event(&mut rng);
            assert!(bit.is_power_of_two() && bit & EVENT_USER_MASK != 0);
        }
    }
}
