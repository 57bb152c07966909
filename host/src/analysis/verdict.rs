//! The verdict of a comparison: one line for people who know no statistics.

use serde::Serialize;

use super::comparison::RunComparison;
use super::difference::Difference;
use super::interval::{Interval, LEVEL};
use super::metric::Metric;
use super::number_text::{NumberStyle, count};

/// The largest corrected p-value of a difference that is shown.
const MAX_P_VALUE: f64 = 1.0 - LEVEL;

/// The verdict of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Verdict {
    /// The answer.
    pub answer: Answer,
    /// The answer as a sentence or two, with the effect and its interval.
    pub text: String,
}

/// The answer to the question which run is better, in the metric's direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The candidate is better.
    Better,
    /// The candidate is worse.
    Worse,
    /// The compared scenarios do not show which run is better.
    NotDecided,
    /// Each compared scenario has the same score in both runs.
    Equal,
    /// A run is still running.
    Interim,
    /// No scenario has a score in both runs.
    #[default]
    NothingInBoth,
}

impl Verdict {
    /// Reads a comparison. A difference is shown if its interval does not contain 0 and the exact test, corrected
    /// for the number of candidates, agrees: with few scenarios that differ, the interval without the test is too short.
    pub(super) fn of(
        comparison: &RunComparison,
        baseline: &str,
        metric: &Metric,
        candidates: usize,
    ) -> Self {
        let Some(difference) = &comparison.difference else {
            let text = format!(
                "{} and {baseline} cannot be compared: no scenario has a score in both.",
                comparison.candidate.run
            );
            return Verdict { answer: Answer::NothingInBoth, text };
        };
        let answer = match comparison.is_interim() {
            true => Answer::Interim,
            false => answer(difference, metric),
        };
        let writer = VerdictText {
            candidate: &comparison.candidate.run,
            baseline,
            difference,
            higher_is_better: metric.higher_is_better,
            is_better: difference.difference * metric.direction() > 0.0,
            style: NumberStyle::of(metric),
            smallest: comparison.power.and_then(|power| power.smallest_difference),
            candidates,
        };
        Verdict { answer, text: writer.text(answer) }
    }
}

fn answer(difference: &Difference, metric: &Metric) -> Answer {
    if difference.different_scenarios == 0 {
        return Answer::Equal;
    }
    let is_outside = difference.interval.is_some_and(|interval| !interval.contains(0.0));
    let agrees = difference.test.is_some_and(|test| test.adjusted_p_value <= MAX_P_VALUE);
    match difference.difference * metric.direction() {
        _ if !is_outside || !agrees => Answer::NotDecided,
        improvement if improvement > 0.0 => Answer::Better,
        _ => Answer::Worse,
    }
}

/// What the text of a verdict is made of.
struct VerdictText<'a> {
    candidate: &'a str,
    baseline: &'a str,
    difference: &'a Difference,
    higher_is_better: bool,
    is_better: bool,
    style: NumberStyle,
    smallest: Option<f64>,
    candidates: usize,
}

impl VerdictText<'_> {
    fn text(&self, answer: Answer) -> String {
        let (candidate, baseline) = (self.candidate, self.baseline);
        match answer {
            Answer::Better | Answer::Worse => {
                let answer_text = if self.is_better { "better" } else { "worse" };
                format!("{candidate} is {answer_text} than {baseline} by {}.", self.effect(true))
            }
            Answer::NotDecided => format!(
                "It is not decided whether {candidate} is better or worse than {baseline}: {}.{}{}",
                self.observed(),
                self.reason(),
                self.size()
            ),
            Answer::Equal => format!(
                "{candidate} has the same score as {baseline} in each of the {} that both have.{}",
                count(self.difference.scenarios, "scenario"),
                self.size()
            ),
            Answer::Interim => {
                format!(
                    "No verdict yet, because a run is still running: {} so far.",
                    self.observed()
                )
            }
            Answer::NothingInBoth => String::new(),
        }
    }

    /// The size of the difference with its interval and the number of scenarios.
    fn effect(&self, is_shown: bool) -> String {
        let Difference { difference, scenarios, is_exact, .. } = *self.difference;
        let interval = self.difference.interval;
        let size = self.style.size(difference, interval.as_ref());
        let scenarios = count(scenarios, "scenario");
        if is_exact {
            return format!("exactly {size} in each of the {scenarios} that both have");
        }
        let bounds = match &interval {
            Some(interval) if is_shown => self.bounds_of_size(interval),
            Some(interval) => self.style.worse_to_better(interval, self.higher_is_better),
            None => return format!("{size} (no interval), over {scenarios} that both have"),
        };
        format!("{size} ({}{bounds}), over {scenarios} that both have", self.interval_name())
    }

    /// The observed difference, without a claim.
    fn observed(&self) -> String {
        match self.difference.difference {
            0.0 => format!("the mean scores are the same{}", self.bounds_of_none()),
            _ if self.is_better => format!("it scored better by {}", self.effect(false)),
            _ => format!("it scored worse by {}", self.effect(false)),
        }
    }

    /// The interval and the number of scenarios of a difference of 0.
    fn bounds_of_none(&self) -> String {
        let scenarios = count(self.difference.scenarios, "scenario");
        let bounds = self.difference.interval.map(|interval| {
            let bounds = self.style.worse_to_better(&interval, self.higher_is_better);
            format!(" ({}{bounds})", self.interval_name())
        });
        format!("{}, over {scenarios} that both have", bounds.unwrap_or_default())
    }

    /// The bounds of the size of a difference, from the view of its direction.
    fn bounds_of_size(&self, interval: &Interval) -> String {
        match self.difference.difference < 0.0 {
            true => self.style.bounds(&Interval {
                low: -interval.high,
                high: -interval.low,
                ..*interval
            }),
            false => self.style.bounds(interval),
        }
    }

    fn interval_name(&self) -> &'static str {
        match self.difference.interval {
            Some(interval) if interval.is_approximate => "approximate 95 % interval ",
            _ => "95 % interval ",
        }
    }

    /// Why an interval without 0 is not enough.
    fn reason(&self) -> String {
        let is_outside = self.difference.interval.is_some_and(|interval| !interval.contains(0.0));
        let Some(test) = self.difference.test.filter(|_| is_outside) else { return String::new() };
        if test.p_value <= MAX_P_VALUE {
            return format!(" For one of {} candidates, that is too little.", self.candidates);
        }
        let units = match self.difference.clusters {
            Some(_) => "cluster",
            None => "scenario",
        };
        let verb = if test.different_units == 1 { "differs" } else { "differ" };
        let units = count(test.different_units, units);
        format!(" Only {units} {verb}, in which chance can do that.")
    }

    /// What runs of this size can show.
    fn size(&self) -> String {
        match self.smallest {
            Some(smallest) => format!(
                " Runs of this size can show a difference of {} or more.",
                self.style.size(smallest, None)
            ),
            None => String::new(),
        }
    }
}
