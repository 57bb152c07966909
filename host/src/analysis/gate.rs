//! The gate: whether a run is no worse than a baseline by more than a margin.

use serde::{Deserialize, Serialize};

use super::comparison::{ComparisonReport, RunComparison, compare};
use super::difference::{Difference, is_approximate};
use super::distributions::t_probability;
use super::figures::is_rate;
use super::interval::Interval;
use super::metric::Metric;
use super::multiplicity::{Correction, holm};
use super::null_variance::Discordance;
use super::number_text::{NumberStyle, count, whole};
use super::options::Options;
use super::power::{self, Power};
use super::refusal::Refusal;
use super::run::Run;
use super::sample::{Sample, Spread};

/// The largest probability, on each side, of a wrong decision.
const MAX_WRONG: f64 = 0.025;

/// The options of a gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GateOptions {
    /// By how much the run is allowed to be worse, in the unit of the metric; 0.02 is 2 points of a rate.
    pub margin: f64,
    /// The largest allowed share of trials that failed by infrastructure, from 0 to 1.
    pub max_infrastructure: f64,
    /// How many scenarios of the baseline are allowed to be missing in the run.
    pub max_missing_scenarios: usize,
    /// The options of the comparison.
    pub comparison: Options,
}

impl Default for GateOptions {
    fn default() -> Self {
        let comparison = Options { correction: Correction::Holm, ..Options::default() };
        GateOptions { margin: 0.02, max_infrastructure: 0.02, max_missing_scenarios: 0, comparison }
    }
}

/// The decision of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The run is no worse than the baseline by more than the margin.
    Passed,
    /// The run is worse by more than the margin.
    Regressed,
    /// The compared scenarios do not show it.
    NotDecided,
}

/// The report of a gate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GateReport {
    /// The decision.
    pub decision: Decision,
    /// The decision as a sentence or two, with the effect and its interval.
    pub text: String,
    /// The baseline.
    pub baseline: String,
    /// The run that is judged.
    pub run: String,
    /// The number of scenarios that both have.
    pub scenarios: usize,
    /// By how much the run is allowed to be worse, in the unit of the metric.
    pub margin: f64,
    /// The run's score minus the baseline's, over the scenarios of both.
    pub difference: f64,
    /// The interval of the difference that decides; `None` with fewer than two scenarios or clusters.
    pub interval: Option<Interval>,
    /// The standard error that the interval uses; `None` with fewer than two scenarios or clusters.
    pub standard_error: Option<f64>,
    /// Whether the interval is longer than the comparison's, because too few scenarios differ to estimate from
    /// them how much a run that is worse by the margin would vary: without it, a run at the ceiling passes whenever
    /// none of the scenarios that would have failed was drawn.
    pub is_widened: bool,
    /// The probability of a difference at least as bad of a run that is worse by exactly the margin; `None`
    /// without an interval.
    pub regression_p_value: Option<f64>,
    /// The same, corrected for the number of gates.
    pub adjusted_regression_p_value: Option<f64>,
    /// For how many gates it is corrected.
    pub gates: usize,
    /// How many more scenarios decide with a probability of 80 %, if the difference stays as it is; `None` if it
    /// is decided, or if no number is enough.
    pub more_scenarios: Option<u64>,
    /// With how many trials of each scenario in both runs the same scenarios decide; `None` if it is decided, or
    /// if it is unknown, or if no number is enough.
    pub trials_needed: Option<u64>,
    /// The comparison.
    pub report: ComparisonReport,
}

/// The interval by which a gate decides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GateInterval {
    /// The mean of the differences.
    pub difference: f64,
    /// The standard error that the interval uses, with its degrees of freedom.
    pub spread: Spread,
    /// The interval.
    pub interval: Interval,
    /// Whether the standard error is larger than that of the differences.
    pub is_widened: bool,
}

/// Judges a run against a baseline.
///
/// # Errors
/// What keeps the gate from judging, which is no regression.
pub fn gate(
    baseline: &Run,
    run: &Run,
    metric: &Metric,
    options: &GateOptions,
) -> Result<GateReport, Refusal> {
    let margin = options.margin;
    if !(margin >= 0.0 && margin.is_finite()) {
        return Err(Refusal::InvalidMargin { margin });
    }
    let report = compare(baseline, std::slice::from_ref(run), metric, &options.comparison)?;
    let nothing = || Refusal::NothingInBoth { run: run.name.clone() };
    let comparison = report.candidates.first().ok_or_else(nothing)?;
    check(&report, comparison, options)?;
    let difference = comparison.difference.as_ref().ok_or_else(nothing)?;
    let deciding = comparison
        .power
        .and_then(|power| GateInterval::of_comparison(difference, &power, &report.metric, margin));
    let mut gate = GateReport {
        decision: Decision::NotDecided,
        text: String::new(),
        baseline: baseline.name.clone(),
        run: run.name.clone(),
        scenarios: difference.scenarios,
        margin,
        difference: difference.difference,
        interval: deciding.map(|deciding| deciding.interval),
        standard_error: deciding.map(|deciding| deciding.spread.standard_error),
        is_widened: deciding.is_some_and(|deciding| deciding.is_widened),
        regression_p_value: deciding.and_then(|one| one.regression_p_value(&report.metric, margin)),
        adjusted_regression_p_value: None,
        gates: 1,
        more_scenarios: None,
        trials_needed: None,
        report,
    };
    gate.decide(gate.regression_p_value, 1);
    Ok(gate)
}

/// Corrects several gates, such as those of several metrics, for their number by Holm's method. All of them have to
/// pass, for which nothing is corrected; that any of them regressed is more often a false alarm the more there are.
pub fn correct_gates(gates: &mut [GateReport]) {
    let p_values: Vec<f64> =
        gates.iter().map(|gate| gate.regression_p_value.unwrap_or(1.0)).collect();
    let number = gates.len();
    for (gate, adjusted) in gates.iter_mut().zip(holm(&p_values)) {
        gate.decide(gate.regression_p_value.map(|_| adjusted), number);
    }
}

/// Checks what keeps a gate from judging.
fn check(
    report: &ComparisonReport,
    comparison: &RunComparison,
    options: &GateOptions,
) -> Result<(), Refusal> {
    let run = comparison.candidate.run.clone();
    for figures in [&report.baseline, &comparison.candidate] {
        if !figures.duplicate_ids.is_empty() {
            let ids = figures.duplicate_ids.clone();
            return Err(Refusal::DuplicateIds { run: figures.run.clone(), ids });
        }
        if figures.is_interim {
            return Err(Refusal::Interim { run: figures.run.clone() });
        }
        let (failed, trials) = (figures.trials.infrastructure, figures.trials.planned);
        let allowed = options.max_infrastructure;
        if failed as f64 > allowed * trials as f64 {
            let run = figures.run.clone();
            return Err(Refusal::TooManyInfrastructureFailures { run, failed, trials, allowed });
        }
    }
    let groups = &comparison.denominators;
    let mut ids: Vec<String> =
        groups.only_in_baseline.iter().chain(&groups.missing).cloned().collect();
    ids.sort_unstable();
    let allowed = options.max_missing_scenarios;
    if ids.len() > allowed {
        return Err(Refusal::MissingScenarios { run, ids, allowed });
    }
    match groups.in_both {
        0 => Err(Refusal::NothingInBoth { run }),
        _ => Ok(()),
    }
}

impl GateInterval {
    /// Returns the interval of differences of scenarios; `None` if the standard error is undefined.
    pub fn of_sample(sample: &Sample, metric: &Metric, margin: f64) -> Option<Self> {
        let range = metric.range().map(|(lowest, highest)| highest - lowest);
        let discordance = Discordance::of(sample, metric.direction(), range);
        let count = sample.len() as f64 / sample.design_effect();
        let is_approximate = is_approximate(sample, is_rate(metric));
        let interval = sample.interval(is_approximate)?;
        let least = least_standard_error(discordance, count, margin);
        GateInterval::widened(sample.mean()?, sample.spread()?, interval, least)
    }

    fn of_comparison(
        difference: &Difference,
        power: &Power,
        metric: &Metric,
        margin: f64,
    ) -> Option<Self> {
        let interval = difference.interval?;
        let spread = Spread {
            standard_error: difference.used_standard_error()?,
            degrees_of_freedom: interval.degrees_of_freedom?,
        };
        let discordance = power.discordance(difference.difference * metric.direction());
        let count = power.scenarios as f64 / power.design_effect;
        let least = least_standard_error(discordance, count, margin);
        GateInterval::widened(difference.difference, spread, interval, least)
    }

    /// Widens the interval to the least standard error of a run that is worse by the margin.
    fn widened(difference: f64, spread: Spread, interval: Interval, least: f64) -> Option<Self> {
        let is_widened = least > spread.standard_error;
        let spread = Spread { standard_error: least.max(spread.standard_error), ..spread };
        let interval = match is_widened {
            true => {
                Interval { is_approximate: interval.is_approximate, ..spread.interval(difference)? }
            }
            false => interval,
        };
        Some(GateInterval { difference, spread, interval, is_widened })
    }

    /// Decides by the interval, without the test.
    pub fn decision(&self, metric: &Metric, margin: f64) -> Decision {
        // From the view of a metric of which higher values are better.
        let [low, high] = match metric.higher_is_better {
            true => [self.interval.low, self.interval.high],
            false => [-self.interval.high, -self.interval.low],
        };
        if low > -margin {
            Decision::Passed
        } else if high < -margin {
            Decision::Regressed
        } else {
            Decision::NotDecided
        }
    }

    /// Returns the probability of a difference at least as bad of a run that is worse by exactly the margin.
    fn regression_p_value(&self, metric: &Metric, margin: f64) -> Option<f64> {
        let distance = self.difference * metric.direction() + margin;
        match self.spread.standard_error {
            0.0 if distance == 0.0 => Some(0.5),
            0.0 => Some(if distance < 0.0 { 0.0 } else { 1.0 }),
            error => t_probability(distance / error, self.spread.degrees_of_freedom),
        }
    }
}

/// Returns the least standard error of the difference of a run that is worse by the margin, over `count`
/// independent scenarios.
fn least_standard_error(discordance: Option<Discordance>, count: f64, margin: f64) -> f64 {
    let variance = discordance.map_or(0.0, |discordance| discordance.variance_at(margin));
    (variance / count).sqrt()
}

impl GateReport {
    /// Decides with a p-value of regression that is corrected for the number of gates.
    fn decide(&mut self, adjusted: Option<f64>, gates: usize) {
        self.adjusted_regression_p_value = adjusted;
        self.gates = gates;
        let [worst, best] = self.worst_and_best();
        self.decision = match adjusted {
            Some(_) if worst > -self.margin => Decision::Passed,
            // The interval is that of one gate.
            Some(p_value) if best < -self.margin && (gates == 1 || p_value < MAX_WRONG) => {
                Decision::Regressed
            }
            _ => Decision::NotDecided,
        };
        (self.more_scenarios, self.trials_needed) = match self.decision {
            Decision::NotDecided => self.needed(),
            Decision::Passed | Decision::Regressed => (None, None),
        };
        self.text = self.write();
    }

    /// Returns the bounds of the interval in the metric's direction.
    fn worst_and_best(&self) -> [f64; 2] {
        match self.interval {
            None => [f64::NEG_INFINITY, f64::INFINITY],
            Some(interval) if self.report.metric.higher_is_better => [interval.low, interval.high],
            Some(interval) => [-interval.high, -interval.low],
        }
    }

    /// Returns how many more scenarios, or how many trials, decide.
    fn needed(&self) -> (Option<u64>, Option<u64>) {
        let distance = self.difference * self.report.metric.direction() + self.margin;
        let count = self.scenarios as f64;
        let power = self.report.candidates.first().and_then(|comparison| comparison.power);
        let estimated = power.map_or(0.0, |power| power.variance * power.design_effect);
        let more = |error: f64| {
            let variance = (error * error * count).max(estimated);
            let needed = power::scenarios_needed(variance, distance)? - count;
            power::whole(needed.max(1.0))
        };
        let trials = power.filter(|_| !self.is_widened).and_then(|one| one.trials_needed(distance));
        (self.standard_error.and_then(more), trials)
    }

    fn write(&self) -> String {
        let GateReport { baseline, run, .. } = self;
        let style = NumberStyle::of(&self.report.metric);
        let margin = style.size(self.margin, None);
        let observed = self.observed(&style);
        match self.decision {
            Decision::Passed => format!(
                "Passed: {run} is not worse than {baseline} by more than {margin}: {observed}."
            ),
            Decision::Regressed => format!(
                "Regressed: {run} is worse than {baseline} by more than {margin}: {observed}."
            ),
            Decision::NotDecided => format!(
                "Not decided whether {run} is worse than {baseline} by more than {margin}: {observed}.{}",
                self.advice()
            ),
        }
    }

    fn observed(&self, style: &NumberStyle) -> String {
        let metric = &self.report.metric;
        let size = style.size(self.difference, self.interval.as_ref());
        let scored = match self.difference * metric.direction() {
            0.0 => "scored the same".to_owned(),
            worse if worse < 0.0 => format!("scored worse by {size}"),
            _ => format!("scored better by {size}"),
        };
        let scenarios = count(self.scenarios, "scenario");
        let bounds = match &self.interval {
            Some(interval) => {
                let name = if interval.is_approximate { "approximate 95 %" } else { "95 %" };
                let bounds = style.worse_to_better(interval, metric.higher_is_better);
                format!("{name} interval {bounds}")
            }
            None => "no interval".to_owned(),
        };
        format!("it {scored} ({bounds}), over {scenarios} that both have")
    }

    /// What would decide.
    fn advice(&self) -> String {
        let scenarios = self.more_scenarios.map(|more| format!("{} more scenarios", whole(more)));
        let trials =
            self.trials_needed.map(|trials| format!("{} trials of each scenario", whole(trials)));
        let ways: Vec<String> = scenarios.into_iter().chain(trials).collect();
        match ways.is_empty() {
            true => String::new(),
            false => format!(
                " If the difference stays as it is, {} would probably decide it.",
                ways.join(" or ")
            ),
        }
    }
}
