//! pass@k and pass^k.

use serde::Serialize;

/// The trials of one scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passes {
    /// How many trials have a score.
    pub trials: usize,
    /// How many of them passed.
    pub passed: usize,
}

/// pass@k and pass^k for one k.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PassRate {
    /// The number of trials.
    pub k: usize,
    /// The probability that at least one of k trials passes (Chen et al. 2021).
    pub pass_at_k: f64,
    /// The probability that all of k trials pass (τ-bench, arXiv 2406.12045).
    pub pass_hat_k: f64,
    /// The number of scenarios with at least k trials, over which both are means.
    pub scenarios: usize,
}

/// Returns pass@k and pass^k for each k up to the largest number of trials.
pub fn pass_rates(scenarios: &[Passes]) -> Vec<PassRate> {
    let most = scenarios.iter().map(|scenario| scenario.trials).max().unwrap_or(0);
    let mut sums = vec![PassRate { k: 0, pass_at_k: 0.0, pass_hat_k: 0.0, scenarios: 0 }; most];
    for scenario in scenarios {
        let Passes { trials, passed } = *scenario;
        // C(n - c, k) / C(n, k) and C(c, k) / C(n, k), as products over k.
        let (mut none_pass, mut all_pass) = (1.0, 1.0);
        for (drawn, rate) in sums.iter_mut().take(trials).enumerate() {
            let rest = (trials - drawn) as f64;
            none_pass *= (trials.saturating_sub(passed)).saturating_sub(drawn) as f64 / rest;
            all_pass *= passed.saturating_sub(drawn) as f64 / rest;
            rate.k = drawn + 1;
            rate.pass_at_k += 1.0 - none_pass;
            rate.pass_hat_k += all_pass;
            rate.scenarios += 1;
        }
    }
    let mean = |rate: PassRate| PassRate {
        pass_at_k: rate.pass_at_k / rate.scenarios as f64,
        pass_hat_k: rate.pass_hat_k / rate.scenarios as f64,
        ..rate
    };
    sums.into_iter().map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(scenarios: &[(usize, usize)], k: usize) -> PassRate {
        let passes: Vec<Passes> = scenarios
            .iter()
            .map(|(trials, passed)| Passes { trials: *trials, passed: *passed })
            .collect();
        pass_rates(&passes)[k - 1]
    }

    #[test]
    fn the_test_values() {
        assert!((rate(&[(5, 2)], 3).pass_at_k - 0.9).abs() < 1e-12);
        assert!((rate(&[(5, 3)], 2).pass_hat_k - 0.3).abs() < 1e-12);
    }

    #[test]
    fn only_scenarios_with_k_trials_count() {
        let scenarios = [(5, 3), (1, 1), (2, 0)];
        assert_eq!(rate(&scenarios, 1).scenarios, 3);
        assert!((rate(&scenarios, 1).pass_at_k - (0.6 + 1.0) / 3.0).abs() < 1e-12);
        assert_eq!(rate(&scenarios, 2).scenarios, 2);
        assert!((rate(&scenarios, 2).pass_hat_k - 0.15).abs() < 1e-12);
        assert_eq!(rate(&scenarios, 5).scenarios, 1);
        assert!(pass_rates(&[]).is_empty());
        assert!(pass_rates(&[Passes { trials: 0, passed: 0 }]).is_empty());
    }
}
