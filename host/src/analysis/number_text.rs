//! Numbers as text for people.

use super::interval::Interval;
use super::metric::Metric;
use crate::store::MetricKind;

/// The largest number of decimals.
const MOST_DECIMALS: usize = 6;

/// How the values of a metric or of a resource are written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct NumberStyle {
    /// By what the values are multiplied.
    factor: f64,
    /// What follows a value.
    unit: String,
    /// What follows a difference, if it is one and otherwise.
    difference_units: [String; 2],
    /// The smallest number of decimals.
    decimals: usize,
}

impl NumberStyle {
    /// Returns the style of a metric: percent and points if its values are from 0 to 1.
    pub(super) fn of(metric: &Metric) -> Self {
        let is_unit = metric.range() == Some((0.0, 1.0)) && metric.kind != Some(MetricKind::Label);
        if is_unit && metric.unit.is_none() {
            return NumberStyle {
                factor: 100.0,
                unit: " %".to_owned(),
                difference_units: [" point".to_owned(), " points".to_owned()],
                decimals: 1,
            };
        }
        NumberStyle::with_unit(metric.unit.as_deref().unwrap_or_default())
    }

    /// Returns the style of numbers with a unit.
    pub(super) fn with_unit(unit: &str) -> Self {
        let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
        NumberStyle {
            factor: 1.0,
            difference_units: [unit.clone(), unit.clone()],
            unit,
            decimals: 0,
        }
    }

    /// Writes a value with as many decimals as its interval justifies.
    pub(super) fn value(&self, value: f64, interval: Option<&Interval>) -> String {
        format!("{}{}", self.number(value, interval), self.unit)
    }

    /// Writes the size of a difference.
    pub(super) fn size(&self, difference: f64, interval: Option<&Interval>) -> String {
        let number = self.number(difference.abs(), interval);
        let [one, several] = &self.difference_units;
        let unit = if ["1", "1.0"].contains(&number.as_str()) { one } else { several };
        format!("{number}{unit}")
    }

    /// Writes a difference with its sign and without a unit.
    pub(super) fn signed(&self, difference: f64, interval: Option<&Interval>) -> String {
        let number = self.number(difference, interval);
        let is_positive = number.chars().any(|digit| ('1'..='9').contains(&digit));
        if is_positive && difference > 0.0 { format!("+{number}") } else { number }
    }

    /// Writes the bounds of an interval without a unit.
    pub(super) fn bounds(&self, interval: &Interval) -> String {
        let [low, high] =
            [interval.low, interval.high].map(|bound| self.number(bound, Some(interval)));
        format!("{low} to {high}")
    }

    /// Writes the bounds of the interval of a difference from the worst to the best, such as "from 6.3 worse to 4.7
    /// better".
    pub(super) fn worse_to_better(&self, interval: &Interval, higher_is_better: bool) -> String {
        let (worst, best) = match higher_is_better {
            true => (interval.low, interval.high),
            false => (-interval.high, -interval.low),
        };
        let [from, to] = [worst, best].map(|bound| self.number(bound.abs(), Some(interval)));
        match (worst < 0.0, best > 0.0) {
            (true, true) => format!("from {from} worse to {to} better"),
            (true, false) => format!("from {from} to {to} worse"),
            (false, _) => format!("from {from} to {to} better"),
        }
    }

    /// Writes a number without a unit.
    pub(super) fn number(&self, value: f64, interval: Option<&Interval>) -> String {
        let scale = match interval.map(Interval::half_width) {
            Some(half) if half > 0.0 => half,
            _ => value.abs(),
        };
        let decimals = decimals(scale * self.factor).max(self.decimals);
        with_commas(&format!("{:.decimals$}", value * self.factor))
    }
}

/// Returns the number of decimals with which a value has two significant digits.
fn decimals(scale: f64) -> usize {
    let mut decimals = 0;
    let mut scaled = scale;
    while scaled < 10.0 && scaled > 0.0 && decimals < MOST_DECIMALS {
        scaled *= 10.0;
        decimals += 1;
    }
    decimals
}

/// Separates the thousands of a number, and removes the sign of a zero.
fn with_commas(number: &str) -> String {
    let is_zero = number.chars().all(|digit| matches!(digit, '-' | '0' | '.'));
    let (sign, digits) = match number.strip_prefix('-') {
        Some(digits) if is_zero => ("", digits),
        Some(digits) => ("-", digits),
        None => ("", number),
    };
    let (whole, rest) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut text = sign.to_owned();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + rest
}

/// Writes a number of things, such as "1 scenario" or "1,000 scenarios".
pub(super) fn count(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", with_commas(&number.to_string()))
}

/// Writes a whole number.
pub(super) fn whole(number: u64) -> String {
    with_commas(&number.to_string())
}

/// Writes a p-value.
pub(super) fn p_value(p_value: f64) -> String {
    match p_value {
        small if small < 0.0001 => "<0.0001".to_owned(),
        small if small < 0.01 => format!("{small:.4}"),
        other => format!("{other:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_decimals_that_their_interval_justifies() {
        let points = NumberStyle::of(&Metric::binary("correct"));
        assert_eq!(points.size(0.0321, None), "3.2 points");
        assert_eq!(points.size(0.01, None), "1.0 point");
        assert_eq!(points.value(0.8333, None), "83.3 %");
        assert_eq!(points.signed(-0.8, None), "-80.0");
        assert_eq!(points.signed(-0.000_001, None), "-0.00010");
        assert_eq!(points.signed(0.0, None), "0.0");
        let tokens = NumberStyle::with_unit("tokens");
        assert_eq!(tokens.value(1_234_567.8, None), "1,234,568 tokens");
        assert_eq!(tokens.size(0.001_234, None), "0.0012 tokens");
        assert_eq!(count(1, "scenario"), "1 scenario");
        assert_eq!(count(1_000, "scenario"), "1,000 scenarios");
        assert_eq!(p_value(0.000_01), "<0.0001");
    }
}
