//! The random numbers of sign flips and of the bootstrap.
//!
//! The generator is xoshiro256++ 1.0 by Blackman and Vigna (public domain), whose state is filled by `SplitMix64`
//! from the seed. Both use integers only, so that a seed has the same numbers on each machine and in each
//! version. They are part of each report's meaning: never change them.

/// A generator of random numbers.
#[derive(Clone, Debug)]
pub struct RandomGenerator {
    state: [u64; 4],
}

impl RandomGenerator {
    /// Returns a generator that begins at a seed.
    pub fn new(seed: u64) -> Self {
        let mut state = seed;
        RandomGenerator { state: std::array::from_fn(|_| split_mix(&mut state)) }
    }

    /// Returns the next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        let [mut a, mut b, mut c, mut d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let shifted = b << 17;
        c ^= a;
        d ^= b;
        b ^= c;
        a ^= d;
        c ^= shifted;
        d = d.rotate_left(45);
        self.state = [a, b, c, d];
        result
    }

    /// Returns a number below a limit that is at most 2^32: the upper half of the product of the limit and 32
    /// bits, whose bias is less than the limit / 2^32.
    pub fn below(&mut self, limit: usize) -> usize {
        let product = (self.next_u64() >> 32).wrapping_mul(limit as u64);
        usize::try_from(product >> 32).unwrap_or_default()
    }

    /// Returns a number from 0 to 1, without 1.
    pub fn fraction(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
        let bits = (self.next_u64() >> 11) as f64;
        bits / (1_u64 << 53) as f64
    }
}

/// Returns the next number of `SplitMix64`.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_reference_implementations() {
        let mut state = 1_477_776_061_723_855_037;
        let numbers: Vec<u64> = (0..3).map(|_| split_mix(&mut state)).collect();
        assert_eq!(
            numbers,
            [1_985_237_415_132_408_290, 2_979_275_885_539_914_483, 13_511_426_838_097_143_398]
        );
        let mut generator = RandomGenerator { state: [1, 2, 3, 4] };
        let numbers: Vec<u64> = (0..4).map(|_| generator.next_u64()).collect();
        assert_eq!(numbers, [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386]);
    }

    #[test]
    fn numbers_are_below_their_limit() {
        let mut generator = RandomGenerator::new(7);
        let mut counts = [0; 3];
        (0..3_000).for_each(|_| counts[generator.below(3)] += 1);
        assert!(counts.iter().all(|count| (900..1_100).contains(count)), "{counts:?}");
        assert!((0..100).all(|_| (0.0..1.0).contains(&generator.fraction())));
    }
}
