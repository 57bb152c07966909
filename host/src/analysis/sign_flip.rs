//! The sign-flip test: if nothing differs, each unit's difference could as well have the other sign.

use super::moments::{ROUNDING, sum};
use super::random::RandomGenerator;

/// Up to this many units that are not 0, each combination of signs is computed.
const MAX_EXACT_UNITS: usize = 16;

/// The number of random flips up to [`MAX_UNITS_OF_MANY_FLIPS`] units, and above.
const FLIPS: [u64; 2] = [100_000, 10_000];

/// Up to this many units, there are many flips.
const MAX_UNITS_OF_MANY_FLIPS: usize = 1_000;

/// At most this number of units has a table of the sums of all their signs, so that one addition flips them all.
const UNITS_OF_TABLE: usize = 8;

/// How many tables one random number chooses from.
const TABLES_OF_NUMBER: usize = 8;

/// The sums of the 256 combinations of signs of eight units.
type SignTable = [f64; 1 << UNITS_OF_TABLE];

/// The result of a sign-flip test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SignFlips {
    /// The two-sided p-value.
    pub p_value: f64,
    /// The number of units that are not 0.
    pub units: usize,
    /// The number of random flips; `None` if each combination was computed.
    pub random_flips: Option<u64>,
}

/// Tests whether the sum of the units' differences is 0. The seed matters only with more than 16 units that are
/// not 0.
pub fn sign_flip_test(differences: &[f64], seed: u64) -> SignFlips {
    let units: Vec<f64> = differences.iter().copied().filter(|value| *value != 0.0).collect();
    let observed = sum(units.iter().copied()).abs();
    // What equals the observed sum must not fall below it by rounding.
    let at_least = observed - ROUNDING * sum(units.iter().map(|value| value.abs()));
    let tables: Vec<SignTable> = units.chunks(UNITS_OF_TABLE).map(sign_table).collect();
    match units.len() <= MAX_EXACT_UNITS {
        true => exact(&tables, units.len(), at_least),
        false => random(&tables, units.len(), at_least, seed),
    }
}

fn exact(tables: &[SignTable], units: usize, at_least: f64) -> SignFlips {
    let zero: SignTable = [0.0; 1 << UNITS_OF_TABLE];
    let [low, high] = [0, 1].map(|index| tables.get(index).unwrap_or(&zero));
    // Unused bits of a table repeat its sums, so that the share is that of the used ones.
    let extreme =
        high.iter().map(|high| low.iter().filter(|low| (*low + high).abs() >= at_least).count());
    let all = (low.len() * high.len()) as f64;
    let p_value = extreme.sum::<usize>() as f64 / all;
    SignFlips { p_value, units, random_flips: None }
}

fn random(tables: &[SignTable], units: usize, at_least: f64, seed: u64) -> SignFlips {
    let [many, few] = FLIPS;
    let flips = if units <= MAX_UNITS_OF_MANY_FLIPS { many } else { few };
    let mut generator = RandomGenerator::new(seed);
    let extreme = (0..flips).filter(|_| flipped(tables, &mut generator).abs() >= at_least).count();
    let p_value = (1 + extreme) as f64 / (1 + flips) as f64;
    SignFlips { p_value, units, random_flips: Some(flips) }
}

/// Returns the sum of all units with random signs.
fn flipped(tables: &[SignTable], generator: &mut RandomGenerator) -> f64 {
    let mut sum = 0.0;
    for tables in tables.chunks(TABLES_OF_NUMBER) {
        let bits = generator.next_u64().to_le_bytes();
        for (table, byte) in tables.iter().zip(bits) {
            sum += table.get(usize::from(byte)).copied().unwrap_or_default();
        }
    }
    sum
}

/// Returns the sums of up to eight units with all combinations of signs: a set bit of the index is a plus.
fn sign_table(units: &[f64]) -> SignTable {
    std::array::from_fn(|signs| {
        let signed = units.iter().enumerate().map(|(bit, unit)| match signs >> bit & 1 {
            1 => *unit,
            _ => -unit,
        });
        sum(signed)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_units_are_exact() {
        let five = sign_flip_test(&[1.0, 0.0, 1.0, 1.0, 1.0, 1.0], 1);
        assert_eq!(five, SignFlips { p_value: 0.0625, units: 5, random_flips: None });
        let nine = sign_flip_test(&[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, -1.0], 1);
        assert_eq!(nine.p_value, 0.039_062_5);
        assert_eq!(sign_flip_test(&[0.1, 0.2, 0.3], 1).p_value, 0.25);
        assert_eq!(sign_flip_test(&[0.0, 0.0], 1).p_value, 1.0);
        assert_eq!(sign_flip_test(&[], 1).p_value, 1.0);
    }

    #[test]
    fn many_units_are_flipped_at_random_and_repeatably() {
        let differences: Vec<f64> = (0..37).map(|i| if i < 12 { -1.0 } else { 1.0 }).collect();
        let test = sign_flip_test(&differences, 20);
        assert_eq!(test.random_flips, Some(100_000));
        let error = (0.047_f64 * 0.953 / 100_000.0).sqrt();
        assert!((test.p_value - 0.0470).abs() < 4.0 * error + 1e-4, "{test:?}");
        assert_eq!(test, sign_flip_test(&differences, 20));
        let opposite: Vec<f64> = differences.iter().map(|value| -value).collect();
        assert_eq!(test.p_value, sign_flip_test(&opposite, 20).p_value);
        assert_eq!(sign_flip_test(&[1.0; 1_001], 1).p_value, 1.0 / 10_001.0);
    }
}
