//! `McNemar`'s exact test of pairs that passed or not.

use super::distributions::fair_binomial_probability;

/// Returns the two-sided p-value of `worse` scenarios that passed only before, and `better` ones that passed only
/// after: that of a fair coin.
pub fn mcnemar(worse: u64, better: u64) -> f64 {
    (2.0 * fair_binomial_probability(worse.min(better), worse + better)).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_values() {
        for (worse, better, p) in
            [(1, 8, 0.039_062_5), (0, 6, 0.031_25), (0, 5, 0.062_5), (12, 25, 0.0470)]
        {
            assert!((mcnemar(worse, better) - p).abs() < 5e-5, "{worse}, {better}");
            assert_eq!(mcnemar(worse, better), mcnemar(better, worse));
        }
        assert!((mcnemar(1, 8) - 0.039_062_5).abs() < 1e-12);
        assert_eq!(mcnemar(0, 0), 1.0);
    }
}
