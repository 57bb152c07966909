//! The progress of a simulation, and its figures when it has ended, as the calls return them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::reconciliation::Reconciliation;
use crate::error::Result;
use crate::extraction::{OutcomeStatus, Violation};
use crate::json_text::JsonText;
use crate::store::{
    Figures, MetricDefinition, MetricFigures, MissingPolicy, Origin, ReviewFigures, ScoreSource,
    Simulation, SimulationScore, SimulationStatus, Store, SupersededResult, UsageFigures,
};

/// The progress of a simulation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SimulationProgress {
    /// The simulation's id.
    pub simulation_id: Uuid,
    /// A display name.
    pub simulation_name: Option<String>,
    /// The project that it belongs to.
    pub project: String,
    /// Its tags, in order.
    pub tags: Vec<String>,
    /// The version of the agent's configuration.
    pub config_version_id: String,
    /// Its status.
    pub status: SimulationStatus,
    /// Why it did not complete.
    pub status_reason: Option<String>,
    /// Completed scenarios, with those whose results were invalidated, as a percentage of all, from 0 to
    /// 100.
    pub progress_percentage: f64,
    /// The planned trials of all scenarios, plus those that were recorded without being planned.
    pub total_scenarios: i64,
    /// Scenarios that have an outcome.
    pub completed_scenarios: i64,
    /// Scenarios whose latest outcome is a success.
    pub successful_outcomes: i64,
    /// Scenarios whose latest outcome is not a success.
    pub failed_outcomes: i64,
    /// Scenarios whose latest outcome was invalidated, and does not count.
    pub invalidated_outcomes: i64,
    /// Scenarios whose latest outcome is a failure of infrastructure, which is not in the computed score.
    pub infrastructure_outcomes: i64,
    /// Results that the tool's final list lacks, and that do not count.
    pub superseded_outcomes: i64,
    /// The first of them, at most 100.
    pub superseded_results: Vec<SupersededResult>,
    /// How many results were rejected.
    pub rejected_results: i64,
    /// Recorded outcomes, of every attempt.
    pub recorded_outcomes: i64,
    /// How many of them have each status.
    pub by_status: BTreeMap<OutcomeStatus, i64>,
    /// How many of them have each error category.
    pub by_error_category: BTreeMap<String, i64>,
    /// How many of them are failures of each class.
    pub by_failure_class: BTreeMap<String, i64>,
    /// How many results have annotations.
    pub review: ReviewFigures,
    /// The score that counts: from 0 to 1 if its scale is known, and as the tool wrote it otherwise.
    pub overall_score: Option<f64>,
    /// The highest value of the scores as the tool wrote them; `None` if their scale is unknown.
    pub score_scale: Option<f64>,
    /// The score that counts, with its name and its origin.
    pub headline: Option<Headline>,
    /// The figures of each metric, as the tool wrote its values.
    pub metrics: Vec<MetricFigures>,
    /// The definitions of the metrics.
    pub metric_definitions: Vec<MetricDefinition>,
    /// The metrics of which nothing defines whether a higher value is better, which is assumed.
    pub higher_is_better_assumed: Vec<String>,
    /// Warnings about the score: [`SCORE_WARNINGS`].
    pub warnings: Vec<Violation>,
    /// How the recorded results compare with what the tool reports; `None` if it reports nothing.
    pub reconciliation: Option<Reconciliation>,
    /// Who ran what.
    #[serde(flatten)]
    pub origin: Origin,
    /// The agent's tokens of everything that ran: of every attempt, also of superseded results.
    pub total_tokens: i64,
    /// The same with the calls that score results or simulate a user.
    pub all_roles_tokens: i64,
    /// The cost that counts, in US dollars, as the tool reports it: the agent's, if it is the sum of the
    /// results.
    pub total_cost_usd: f64,
    /// The reported cost of all roles, in US dollars.
    pub all_roles_cost_usd: f64,
    /// The agent's cost by the price table, in US dollars; `None` if it is unknown.
    pub computed_cost_usd: Option<f64>,
    /// How many results that used tokens have no computed cost.
    pub unpriced_outcomes: i64,
    /// The dates of the price tables.
    pub prices_dated: Vec<String>,
    /// Tokens and cost of everything that ran, by role, model and try.
    pub usage: Vec<UsageFigures>,
    /// Milliseconds from its start to its end, or to now.
    pub execution_time_ms: f64,
    /// The Modal app that runs the evaluation.
    pub modal_app_id: Option<String>,
    /// The metadata with which it was started.
    pub metadata: Option<JsonText>,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// When the evaluation began.
    pub started_at: Timestamp,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
}

impl SimulationProgress {
    /// Reads the progress of a simulation.
    ///
    /// # Errors
    /// As [`Store::simulation_with_figures`].
    pub async fn read(store: &Store, simulation_id: Uuid) -> Result<Self> {
        let (simulation, figures) = store.simulation_with_figures(simulation_id).await?;
        Ok(SimulationProgress::new(&simulation, &figures, store.clock().now()))
    }

    /// A simulation's row and the figures of its outcomes in one; `now` is by the database's clock.
    fn new(simulation: &Simulation, figures: &Figures, now: Timestamp) -> Self {
        let metadata = simulation.metadata.as_deref();
        let report = simulation.run_report.as_ref();
        let planned = report.and_then(|report| report.planned_results);
        #[expect(clippy::cast_possible_truncation, reason = "the extractor limits it to 2^53")]
        let total_scenarios =
            planned.map_or(0, |planned| planned as i64).max(figures.total_scenarios);
        let ended = simulation.status != SimulationStatus::Running;
        let score = simulation.score(figures);
        let higher_is_better = simulation.higher_is_better(figures);
        let names = figures.metrics.iter().map(|metric| &metric.name);
        let undefined = names.filter(|name| higher_is_better(name).is_none());
        SimulationProgress {
            simulation_id: simulation.simulation_id,
            simulation_name: simulation.simulation_name.clone(),
            project: simulation.project.clone(),
            tags: simulation.tags.clone(),
            config_version_id: simulation.config_version_id.clone(),
            status: simulation.status,
            status_reason: simulation.status_reason.clone(),
            progress_percentage: percentage(
                figures.completed_scenarios + figures.invalidated_outcomes,
                total_scenarios,
            ),
            total_scenarios,
            completed_scenarios: figures.completed_scenarios,
            successful_outcomes: figures.successful_outcomes,
            failed_outcomes: figures.failed_outcomes,
            invalidated_outcomes: figures.invalidated_outcomes,
            infrastructure_outcomes: figures.infrastructure_outcomes,
            superseded_outcomes: figures.superseded_outcomes,
            superseded_results: figures.superseded_results.clone(),
            rejected_results: figures.rejected_results,
            recorded_outcomes: figures.recorded_outcomes,
            by_status: figures.by_status.clone(),
            by_error_category: figures.by_error_category.clone(),
            by_failure_class: figures.by_failure_class.clone(),
            review: figures.review,
            overall_score: score.overall,
            score_scale: score.scale,
            headline: Headline::of(figures, &score, &higher_is_better),
            metrics: figures.metrics.clone(),
            metric_definitions: simulation.metrics().list().to_vec(),
            higher_is_better_assumed: undefined.cloned().collect(),
            warnings: score_warnings(simulation, figures, &score),
            reconciliation: report
                .filter(|_| ended && !figures.review.changes_figures())
                .and_then(|report| Reconciliation::of(report, figures)),
            origin: simulation.origin(figures),
            total_tokens: figures.total_tokens,
            all_roles_tokens: figures.all_roles_tokens,
            total_cost_usd: simulation.cost_usd(figures),
            all_roles_cost_usd: figures.all_roles_cost_usd,
            computed_cost_usd: figures.computed_cost_usd,
            unpriced_outcomes: figures.unpriced_outcomes,
            prices_dated: figures.prices_dated.clone(),
            usage: figures.usage.clone(),
            execution_time_ms: simulation
                .execution_time_ms
                .unwrap_or_else(|| elapsed_ms(simulation, now)),
            modal_app_id: simulation.modal_app_id.clone(),
            metadata: metadata.and_then(|text| JsonText::new(text.to_owned()).ok()),
            created_at: simulation.created_at,
            started_at: simulation.started_at,
            completed_at: simulation.completed_at,
        }
    }
}

/// The score that counts, with its name and its origin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Headline {
    /// The metric.
    pub metric: String,
    /// The tool's name of the figure, such as `accuracy`; `mean` for a computed one.
    pub figure: String,
    /// Its value, as the tool writes it.
    pub value: Option<f64>,
    /// The standard error that the tool reports with it.
    pub standard_error: Option<f64>,
    /// Its origin.
    pub source: ScoreSource,
    /// How the tool's figure counts results without a value; `None` if it is not the tool's.
    pub missing: Option<MissingPolicy>,
    /// The mean over the scenarios of the mean of each scenario's values.
    pub computed: Option<f64>,
    /// How many of the latest outcomes have a value.
    pub scored: i64,
    /// How many of them count, but have none.
    pub unscored: i64,
    /// Whether a higher value is better.
    pub higher_is_better: bool,
    /// Whether that is assumed, because nothing defines it.
    pub higher_is_better_assumed: bool,
}

impl Headline {
    fn of(
        figures: &Figures,
        score: &SimulationScore<'_>,
        higher_is_better: impl Fn(&str) -> Option<bool>,
    ) -> Option<Self> {
        let metric = figures.headline.clone()?;
        let recorded = figures.metrics.iter().find(|one| one.name == metric);
        let of_all = || {
            recorded.and_then(|recorded| recorded.scenario_mean).or_else(|| {
                figures
                    .overall_score
                    .filter(|_| figures.score_scale.is_none_or(|scale| scale == 1.0))
            })
        };
        // The figures of a metric have the scores of failures of infrastructure.
        let computed = match figures.infrastructure_scored {
            0 => of_all(),
            _ => figures.written_score(),
        };
        let higher_is_better = higher_is_better(&metric);
        Some(Headline {
            figure: score.figure.to_owned(),
            value: score.written.or(computed),
            standard_error: score.reported.and_then(|reported| reported.standard_error),
            source: score.source,
            missing: score.reported.map(|reported| reported.missing),
            computed,
            scored: figures.scored_outcomes,
            unscored: (figures.completed_scenarios - figures.scored_outcomes).max(0),
            higher_is_better: higher_is_better.unwrap_or(true),
            higher_is_better_assumed: higher_is_better.is_none(),
            metric,
        })
    }
}

/// A simulation's three figures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SimulationFigures {
    /// The mean of the latest scores, from 0 to 1 if their scale is known, otherwise as the tool wrote
    /// them; `None` if no outcome has a score.
    pub overall_score: Option<f64>,
    /// The cost of every attempt in US dollars.
    pub total_cost_usd: f64,
    /// Seconds from the simulation's start to its end.
    pub execution_time_seconds: f64,
}

/// The code of the warning that the scale of a simulation's score is unknown.
pub const SCALE_UNKNOWN: &str = "scale_unknown";

/// The code of the warning that no result has the metric that is declared as the score.
pub const HEADLINE_MISSING: &str = "headline_missing";

/// The code of the warning that results that failed by infrastructure have a score.
pub const INFRASTRUCTURE_SCORED: &str = "infrastructure_scored";

/// The code of the warning that all results are as if nothing had run.
pub const NOTHING_RAN: &str = "nothing_ran";

/// The code of the warning that the score is the tool's own figure, without the annotations.
pub const REVIEWED: &str = "reviewed";

/// The codes of the warnings about a simulation's score.
pub const SCORE_WARNINGS: [&str; 5] =
    [HEADLINE_MISSING, SCALE_UNKNOWN, INFRASTRUCTURE_SCORED, NOTHING_RAN, REVIEWED];

/// How many results are suspicious if all of them have a score of 0.
const SUSPICIOUS_RESULTS: i64 = 10;

/// How many metrics a warning names.
const NAMED_METRICS: usize = 10;

/// Returns the warnings about a score.
fn score_warnings(
    simulation: &Simulation,
    figures: &Figures,
    score: &SimulationScore<'_>,
) -> Vec<Violation> {
    let warning = |code: &str, message: String| Violation {
        path: String::new(),
        code: code.to_owned(),
        message,
    };
    let missing = simulation.missing_headline(figures).map(|declared| {
        let names: Vec<String> = figures
            .metrics
            .iter()
            .take(NAMED_METRICS)
            .map(|metric| format!("{:?}", metric.name))
            .collect();
        let names = match (names.is_empty(), figures.metrics.len() - names.len()) {
            (true, _) => "none".to_owned(),
            (false, 0) => names.join(", "),
            (false, more) => format!("{} and {more} more", names.join(", ")),
        };
        warning(
            HEADLINE_MISSING,
            format!(
                "no result has the metric {declared:?}, which is declared as the score, so the \
                 results' own score counts; their metrics: {names}"
            ),
        )
    });
    let unknown = (score.overall.is_some() && score.scale.is_none()).then(|| {
        let id = simulation.simulation_id;
        let range = score.metric.and_then(|metric| simulation.declared_range(metric, figures));
        let message = match (range, simulation.declared_headline(figures)) {
            (Some((lowest, highest)), _) => format!(
                "the scale of the score is unknown, so it is as the tool wrote it: {lowest} to {highest} is \
                 declared, and some results have another range, or a score outside of it"
            ),
            (None, Some(metric)) => format!(
                "the scale of the score is unknown, so it is as the tool wrote it: declare the range of \
                 its metric (`arc-host metrics {id} --metric '{metric}:lowest=LOWEST,highest=HIGHEST'`)"
            ),
            (None, None) => format!(
                "the scale of the score is unknown, so it is as the tool wrote it: declare its highest \
                 value with score_scale (`arc-host metrics {id} --score-scale HIGHEST`), or its metric"
            ),
        };
        warning(SCALE_UNKNOWN, message)
    });
    let infrastructure = (figures.infrastructure_scored > 0).then(|| {
        let failures = figures.infrastructure_scored;
        let reported = match score.source {
            ScoreSource::Computed => "the score leaves them out",
            _ => "the tool's own figure can have them in it, and the computed one leaves them out",
        };
        warning(
            INFRASTRUCTURE_SCORED,
            format!("{failures} results failed by infrastructure and have a score all the same: {reported}"),
        )
    });
    let nothing = nothing_ran(figures).then(|| {
        let results = figures.completed_scenarios;
        warning(
            NOTHING_RAN,
            format!(
                "all {results} results have a score of 0, no tokens and no error: possibly neither the agent \
                 nor the scorer ran; look at one (`arc-host outcomes {} --documents`)",
                simulation.simulation_id
            ),
        )
    });
    let reviewed = (figures.review.changes_figures() && score.source != ScoreSource::Computed).then(|| {
        warning(
            REVIEWED,
            "the score is the tool's own figure, which does not include the annotations of its results"
                .to_owned(),
        )
    });
    missing
        .into_iter()
        .chain(unknown)
        .chain(infrastructure)
        .chain(nothing)
        .chain(reviewed)
        .collect()
}

/// Whether all results look like those of an evaluation in which nothing ran.
fn nothing_ran(figures: &Figures) -> bool {
    let results = figures.completed_scenarios;
    let metric = figures.headline.as_ref();
    let metric = metric.and_then(|name| figures.metrics.iter().find(|one| one.name == *name));
    results >= SUSPICIOUS_RESULTS
        && figures.failed_outcomes == 0
        && figures.latest_tokens == 0
        && metric.is_some_and(|one| {
            one.scored == results && one.lowest == Some(0.0) && one.highest == Some(0.0)
        })
}

/// The answer to a completion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SimulationCompleted {
    /// The simulation's id.
    pub simulation_id: Uuid,
    /// `completed`.
    pub status: SimulationStatus,
    /// The suite's own figures; computed ones replace those that it does not have.
    #[serde(flatten)]
    pub figures: SimulationFigures,
    /// The same figures, computed from the recorded outcomes.
    pub computed: SimulationFigures,
    /// The highest value of the scores as the tool wrote them; `None` if their scale is unknown.
    #[serde(default)]
    pub score_scale: Option<f64>,
    /// When it was first completed.
    pub completed_at: Timestamp,
    /// Warnings: a figure of the suite's summary that is `NaN` and is read as absent;
    /// [`SCORE_WARNINGS`].
    #[serde(default)]
    pub warnings: Vec<Violation>,
}

impl SimulationCompleted {
    pub(super) fn new(
        simulation: &Simulation,
        computed: &Figures,
        mut warnings: Vec<Violation>,
    ) -> Self {
        let score = simulation.score(computed);
        warnings.extend(score_warnings(simulation, computed, &score));
        // The completion has just set it.
        let completed_at = simulation.completed_at.unwrap_or(simulation.started_at);
        let elapsed_ms = elapsed_ms(simulation, completed_at);
        SimulationCompleted {
            simulation_id: simulation.simulation_id,
            status: simulation.status,
            figures: SimulationFigures {
                overall_score: score.overall,
                total_cost_usd: simulation.cost_usd(computed),
                execution_time_seconds: simulation.execution_time_ms.unwrap_or(elapsed_ms)
                    / 1_000.0,
            },
            computed: SimulationFigures {
                overall_score: computed.overall_score,
                total_cost_usd: computed.total_cost_usd,
                execution_time_seconds: elapsed_ms / 1_000.0,
            },
            score_scale: score.scale,
            completed_at,
            warnings,
        }
    }
}

/// Milliseconds from a simulation's start to its end, or to now.
fn elapsed_ms(simulation: &Simulation, now: Timestamp) -> f64 {
    let end = simulation.completed_at.unwrap_or(now);
    // The caller can pass a time of start that is later than now.
    (end.duration_since(simulation.started_at).as_secs_f64() * 1_000.0).max(0.0)
}

#[expect(clippy::cast_precision_loss, reason = "a percentage for people")]
fn percentage(part: i64, whole: i64) -> f64 {
    if whole == 0 { 100.0 } else { part as f64 / whole as f64 * 100.0 }
}
