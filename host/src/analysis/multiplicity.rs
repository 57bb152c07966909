//! Corrections of p-values for the number of comparisons that were looked at.

use serde::{Deserialize, Serialize};

/// A correction for several comparisons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Correction {
    /// Holm's, which limits the probability of any false alarm: for a gate.
    Holm,
    /// That of Benjamini and Hochberg, which limits the share of false alarms: for a page.
    #[default]
    BenjaminiHochberg,
}

impl Correction {
    /// Returns the adjusted p-values, in the same order.
    pub fn adjust(self, p_values: &[f64]) -> Vec<f64> {
        match self {
            Correction::Holm => holm(p_values),
            Correction::BenjaminiHochberg => benjamini_hochberg(p_values),
        }
    }

    /// Returns the name for people.
    pub fn name(self) -> &'static str {
        match self {
            Correction::Holm => "Holm",
            Correction::BenjaminiHochberg => "Benjamini-Hochberg",
        }
    }
}

/// Returns the p-values adjusted by Holm's method.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let count = p_values.len();
    let mut largest = 0.0_f64;
    adjusted(p_values, order(p_values).into_iter().enumerate(), |rank, p_value| {
        largest = largest.max(p_value * (count - rank) as f64).min(1.0);
        largest
    })
}

/// Returns the p-values adjusted by the method of Benjamini and Hochberg.
pub fn benjamini_hochberg(p_values: &[f64]) -> Vec<f64> {
    let count = p_values.len();
    let mut smallest = 1.0_f64;
    adjusted(p_values, order(p_values).into_iter().enumerate().rev(), |rank, p_value| {
        smallest = smallest.min(p_value * count as f64 / (rank + 1) as f64);
        smallest
    })
}

/// Returns the indices of the p-values in ascending order.
fn order(p_values: &[f64]) -> Vec<usize> {
    let mut indices: Vec<(f64, usize)> =
        p_values.iter().copied().enumerate().map(|(index, p_value)| (p_value, index)).collect();
    indices.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    indices.into_iter().map(|(_, index)| index).collect()
}

fn adjusted(
    p_values: &[f64],
    ranks: impl Iterator<Item = (usize, usize)>,
    mut adjust: impl FnMut(usize, f64) -> f64,
) -> Vec<f64> {
    let mut adjusted = p_values.to_vec();
    for (rank, index) in ranks {
        if let Some(p_value) = adjusted.get_mut(index) {
            *p_value = adjust(rank, *p_value);
        }
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjusted_p_values_are_those_of_statsmodels() {
        let p_values = [0.01, 0.04, 0.03, 0.005];
        let near = |own: Vec<f64>, expected: [f64; 4]| {
            own.iter().zip(expected).all(|(own, expected)| (own - expected).abs() < 1e-12)
        };
        assert!(near(holm(&p_values), [0.03, 0.06, 0.06, 0.02]));
        assert!(near(benjamini_hochberg(&p_values), [0.02, 0.04, 0.04, 0.02]));
        assert!(Correction::Holm.adjust(&[]).is_empty());
    }
}
