//! Numbers from a seed. All that is left to chance in a machine comes from here, so that the same
//! seed has the same things happen: scheduling noise, calls that fail at random, an exercise's
//! choices.

/// What `SplitMix64`'s state grows by with each number.
pub const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// `SplitMix64`'s number for a state. Also mixes what has structure into what has none.
#[must_use]
pub const fn mix(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A sequence of numbers: `SplitMix64`. Each seed has one of full length of its own.
#[derive(Clone, Debug)]
pub struct Sequence(u64);

impl Sequence {
    /// The sequence of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Its next number.
    pub const fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// Its next number, below a limit that is not zero.
    pub const fn below(&mut self, limit: u64) -> u64 {
        self.draw() % limit
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn numbers(seed: u64) -> Vec<u64> {
        let mut sequence = Sequence::new(seed);
        (0..1000).map(|_| sequence.draw()).collect()
    }

    #[test]
    fn the_numbers_are_those_of_splitmix64() {
        // The published generator's first numbers for this seed.
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!(numbers(1_234_567)[..5], expected);
    }

    #[test]
    fn a_seed_gives_the_same_numbers_again_and_another_seed_others() {
        assert_eq!(numbers(7), numbers(7));
        let shared = numbers(7)
            .iter()
            .filter(|number| numbers(8).contains(number))
            .count();
        assert_eq!(shared, 0);
    }

    #[test]
    fn what_is_drawn_below_a_limit_is_below_it_and_everything_comes() {
        let mut sequence = Sequence::new(3);
        let mut seen = [0; 7];
        for _ in 0..1000 {
            seen[usize::try_from(sequence.below(7)).unwrap()] += 1;
        }
        assert!(seen.iter().all(|&count| count > 0), "{seen:?}");
    }
}
