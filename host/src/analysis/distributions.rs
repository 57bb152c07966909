//! Quantiles and probabilities of the distributions that the figures need.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};
use statrs::function::beta::checked_beta_reg;

/// From this number of degrees of freedom on, the quantile is computed by a series: that of `statrs` has an error
/// of 3e-7 at 50,000, the series one of less than 1e-13 here.
const LARGE_DEGREES_OF_FREEDOM: f64 = 1_000.0;

/// Returns the quantile of the normal distribution.
pub fn normal_quantile(probability: f64) -> Option<f64> {
    is_open(probability).then(|| Normal::standard().inverse_cdf(probability))
}

/// Returns the probability that a normal value is at most `value`.
pub fn normal_probability(value: f64) -> f64 {
    Normal::standard().cdf(value)
}

/// Returns the quantile of Student's t distribution.
pub fn t_quantile(probability: f64, degrees_of_freedom: f64) -> Option<f64> {
    if !is_open(probability) {
        return None;
    }
    if degrees_of_freedom >= LARGE_DEGREES_OF_FREEDOM {
        return Some(t_series(normal_quantile(probability)?, degrees_of_freedom));
    }
    let distribution = StudentsT::new(0.0, 1.0, degrees_of_freedom).ok()?;
    Some(distribution.inverse_cdf(probability))
}

/// Returns the probability that a value of Student's t distribution is at most `value`.
pub fn t_probability(value: f64, degrees_of_freedom: f64) -> Option<f64> {
    let distribution = StudentsT::new(0.0, 1.0, degrees_of_freedom).ok()?;
    (!value.is_nan()).then(|| distribution.cdf(value))
}

/// Returns the probability of at most `most` successes of `count` tries that succeed with a probability of 1/2.
pub fn fair_binomial_probability(most: u64, count: u64) -> f64 {
    if most >= count {
        return 1.0;
    }
    checked_beta_reg((count - most) as f64, (most + 1) as f64, 0.5).unwrap_or(f64::NAN)
}

/// Returns a quantile of Student's t distribution from that of the normal one: formula 26.7.5 of Abramowitz and
/// Stegun, "Handbook of Mathematical Functions".
fn t_series(normal: f64, degrees_of_freedom: f64) -> f64 {
    let square = normal * normal;
    let first = normal * (square + 1.0) / 4.0;
    let second = normal * ((5.0 * square + 16.0) * square + 3.0) / 96.0;
    let third = normal * (((3.0 * square + 19.0) * square + 17.0) * square - 15.0) / 384.0;
    let fourth = normal
        * ((((79.0 * square + 776.0) * square + 1_482.0) * square - 1_920.0) * square - 945.0)
        / 92_160.0;
    let inverse = 1.0 / degrees_of_freedom;
    normal + (first + (second + (third + fourth * inverse) * inverse) * inverse) * inverse
}

fn is_open(probability: f64) -> bool {
    probability > 0.0 && probability < 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_scipy() {
        let expected = [
            (1.0, 12.706_204_736_174_694),
            (4.0, 2.776_445_105_197_793_6),
            (99.0, 1.984_216_951_508_682_7),
            (999.0, 1.962_341_461_133_449),
            (1_000.0, 1.962_339_080_826_404_6),
            (1e6, 1.959_966_356_814_306_8),
        ];
        for (degrees, quantile) in expected {
            let own = t_quantile(0.975, degrees).unwrap();
            assert!((own - quantile).abs() < 1e-9, "{degrees}: {own} instead of {quantile}");
        }
        assert!((normal_quantile(0.8).unwrap() - 0.841_621_233_572_914_2).abs() < 1e-12);
        assert_eq!(t_quantile(0.975, 0.0), None);
        assert_eq!(normal_quantile(1.0), None);
    }

    #[test]
    fn probabilities_are_those_of_scipy() {
        assert!((normal_probability(1.96) - 0.975_002_104_851_779_5).abs() < 1e-11);
        assert!((t_probability(-2.3, 7.0).unwrap() - 0.027_495_547_602_185_796).abs() < 1e-11);
        assert!((fair_binomial_probability(1, 9) - 10.0 / 512.0).abs() < 1e-12);
        assert_eq!(fair_binomial_probability(3, 3), 1.0);
    }
}
