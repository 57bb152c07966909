//! Sums, means and variances.

/// The largest difference, as a part of the larger value, that rounding explains.
pub(super) const ROUNDING: f64 = 1e-12;

/// Returns the sum with the compensation of Neumaier, which loses nothing to the order of magnitude.
pub(super) fn sum(values: impl IntoIterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0_f64, 0.0_f64);
    for value in values {
        let next = sum + value;
        lost += match sum.abs() >= value.abs() {
            true => (sum - next) + value,
            false => (value - next) + sum,
        };
        sum = next;
    }
    sum + lost
}

/// Returns the mean; `None` of no values.
pub(super) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| sum(values.iter().copied()) / values.len() as f64)
}

/// Returns the sum of the squared differences from a value.
pub(super) fn squares_around(values: &[f64], center: f64) -> f64 {
    sum(values.iter().map(|value| (value - center) * (value - center)))
}

/// Returns the unbiased variance; `None` of fewer than two values. It is exactly 0 of equal values.
pub(super) fn variance(values: &[f64]) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    if are_equal(values) {
        return Some(0.0);
    }
    Some(squares_around(values, mean(values)?) / (values.len() - 1) as f64)
}

/// Returns the skewness: the third central moment by the power 3/2 of the second; 0 of equal values.
pub(super) fn skewness(values: &[f64]) -> f64 {
    let Some(center) = mean(values).filter(|_| !are_equal(values)) else { return 0.0 };
    let count = values.len() as f64;
    let second = squares_around(values, center) / count;
    let cubes = values.iter().map(|value| (value - center) * (value - center) * (value - center));
    sum(cubes) / count / (second * second.sqrt())
}

/// Returns whether values differ by no more than rounding.
pub(super) fn are_equal(values: &[f64]) -> bool {
    let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    highest - lowest <= ROUNDING * lowest.abs().max(highest.abs())
}

/// Returns the difference of two values; exactly 0 if rounding explains it.
pub(super) fn difference(value: f64, from: f64) -> f64 {
    let difference = value - from;
    match difference.abs() <= ROUNDING * value.abs().max(from.abs()) {
        true => 0.0,
        false => difference,
    }
}

/// Returns a quantile of sorted values, interpolated between the two nearest ones.
pub(super) fn quantile_of_sorted(sorted: &[f64], probability: f64) -> Option<f64> {
    let place = probability.clamp(0.0, 1.0) * sorted.len().checked_sub(1)? as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the place is between 0 and the number of values"
    )]
    let below = place.floor() as usize;
    let low = *sorted.get(below)?;
    let high = sorted.get(below + 1).copied().unwrap_or(low);
    Some(low + (high - low) * (place - below as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_lose_nothing_to_the_order_of_magnitude() {
        assert_eq!(sum([1e100, 1.0, -1e100]), 1.0);
        assert_eq!(mean(&[]), None);
    }

    #[test]
    fn the_variance_of_one_value_is_unknown_and_not_0() {
        assert_eq!(variance(&[3.0]), None);
        assert_eq!(variance(&[0.1, 0.1, 0.1]), Some(0.0));
        assert_eq!(variance(&[1.0, 3.0]), Some(2.0));
    }

    #[test]
    fn quantiles_are_interpolated() {
        assert_eq!(quantile_of_sorted(&[1.0, 2.0, 4.0], 0.75), Some(3.0));
        assert_eq!(quantile_of_sorted(&[], 0.5), None);
        assert_eq!(difference(0.1 + 0.2, 0.3), 0.0);
        assert!((skewness(&[0.0, 0.0, 0.0, 1.0]) - 1.154_700_538_379_251_7).abs() < 1e-12);
    }
}
