//! Conversions from the host's types to those of the contract.

use jiff::Timestamp;
use uuid::Uuid;

use crate::bindings::runner::arc::recording::recorder as wit;
use crate::error::Error;
use crate::extraction::{ErrorCategory, FailureClass, Violation, violations_of_json};
use crate::reason::with_hint;
use crate::recorder::{self, ItemVerdict, SimulationCompleted, SimulationFigures};
use crate::store::{Failure, HourlyPerformance, OutcomePage, RecordedOutcome, SimulationStatus};

/// The result of a call.
pub(super) type Answer<T> = Result<T, wit::RecorderError>;

/// Parses the simulation id that a component passed.
pub(super) fn simulation_id(text: &str) -> Answer<Uuid> {
    Uuid::try_parse(text)
        .map_err(|error| invalid("", format!("invalid simulation id: {error} (expected a UUID)")))
}

fn invalid(path: &str, message: String) -> wit::RecorderError {
    let code = "invalid_argument".to_owned();
    wit::RecorderError::Invalid(vec![Violation { path: path.to_owned(), code, message }])
}

impl From<Error> for wit::RecorderError {
    fn from(error: Error) -> Self {
        // The contract has one text for what happened and what to do.
        let message = error.report_with_hint();
        match error {
            Error::Rejected { violations, .. } => wit::RecorderError::Invalid(violations),
            Error::Invalid(_) => invalid("", message),
            Error::NotFound(_) => wit::RecorderError::NotFound(message),
            Error::Conflict(_) => wit::RecorderError::Conflict(message),
            error if error.retryable() => wit::RecorderError::Unavailable(message),
            _ => wit::RecorderError::Failed(message),
        }
    }
}

pub(super) fn submission((submission, position): (wit::Submission, u64)) -> recorder::Submission {
    recorder::Submission {
        trial: submission.trial,
        modal_call_id: submission.modal_call_id,
        sandbox_id: submission.sandbox_id,
        position: Some(position),
        ..recorder::Submission::new(submission.document)
    }
}

pub(super) fn status_of(status: SimulationStatus) -> wit::SimulationStatus {
    match status {
        SimulationStatus::Running => wit::SimulationStatus::Running,
        SimulationStatus::Completed => wit::SimulationStatus::Completed,
        SimulationStatus::Failed => wit::SimulationStatus::Failed,
        SimulationStatus::Cancelled => wit::SimulationStatus::Cancelled,
        SimulationStatus::Incomplete => wit::SimulationStatus::Incomplete,
    }
}

fn time(time: Timestamp) -> String {
    time.to_string()
}

/// Converts a count to the type of the contract. No list in memory is longer.
fn count(number: i64) -> u32 {
    u32::try_from(number.max(0)).unwrap_or(u32::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "the contract's whole numbers go to 2^53")]
fn whole(number: i64) -> f64 {
    number as f64
}

impl From<recorder::SimulationStarted> for wit::SimulationStarted {
    fn from(started: recorder::SimulationStarted) -> Self {
        wit::SimulationStarted {
            simulation_id: started.simulation_id.to_string(),
            scenario_count: started.scenario_count,
            status: status_of(started.status),
            created_at: time(started.created_at),
        }
    }
}

impl From<ItemVerdict> for wit::ItemVerdict {
    fn from(item: ItemVerdict) -> Self {
        let id = item.outcome_id.to_string();
        let verdict = match item.verdict {
            recorder::Verdict::Stored => wit::Verdict::Stored(id),
            recorder::Verdict::Duplicate => wit::Verdict::Duplicate(id),
            recorder::Verdict::Spooled => wit::Verdict::Spooled(id),
            recorder::Verdict::Rejected(violations) => wit::Verdict::Rejected(violations),
            recorder::Verdict::Failed { kind, message, hint } => {
                let message = with_hint(message, hint.as_deref());
                wit::Verdict::Failed(wit::RecordingFailure { retryable: kind.may_retry(), message })
            }
        };
        wit::ItemVerdict { verdict, warnings: item.warnings }
    }
}

impl From<SimulationFigures> for wit::SimulationFigures {
    fn from(figures: SimulationFigures) -> Self {
        wit::SimulationFigures {
            overall_score: figures.overall_score,
            total_cost_usd: figures.total_cost_usd,
            execution_time_ms: figures.execution_time_seconds * 1_000.0,
        }
    }
}

impl From<SimulationCompleted> for wit::SimulationCompleted {
    fn from(completed: SimulationCompleted) -> Self {
        wit::SimulationCompleted {
            simulation_id: completed.simulation_id.to_string(),
            status: status_of(completed.status),
            figures: completed.figures.into(),
            computed: completed.computed.into(),
            completed_at: time(completed.completed_at),
            warnings: completed.warnings,
        }
    }
}

impl From<recorder::SimulationProgress> for wit::SimulationProgress {
    fn from(progress: recorder::SimulationProgress) -> Self {
        wit::SimulationProgress {
            simulation_id: progress.simulation_id.to_string(),
            status: status_of(progress.status),
            progress_percentage: progress.progress_percentage,
            total_scenarios: count(progress.total_scenarios),
            completed_scenarios: count(progress.completed_scenarios),
            successful_outcomes: count(progress.successful_outcomes),
            failed_outcomes: count(progress.failed_outcomes),
            rejected_results: count(progress.rejected_results),
            figures: wit::SimulationFigures {
                overall_score: progress.overall_score,
                total_cost_usd: progress.total_cost_usd,
                execution_time_ms: progress.execution_time_ms,
            },
            modal_app_id: progress.modal_app_id,
            metadata: progress.metadata.map(|metadata| metadata.to_string()),
            created_at: time(progress.created_at),
            started_at: time(progress.started_at),
            completed_at: progress.completed_at.map(time),
        }
    }
}

impl From<HourlyPerformance> for wit::HourlyPerformance {
    fn from(hour: HourlyPerformance) -> Self {
        wit::HourlyPerformance {
            hour: time(hour.hour),
            total_outcomes: count(hour.total_outcomes),
            average_reliability: hour.avg_reliability,
            average_execution_time_ms: hour.avg_execution_time,
            total_cost_usd: hour.total_cost,
            error_count: count(hour.error_count),
        }
    }
}

impl From<Failure> for wit::Failure {
    fn from(failure: Failure) -> Self {
        wit::Failure {
            outcome_id: failure.outcome_id.to_string(),
            simulation_id: failure.simulation_id.to_string(),
            scenario_id: failure.scenario_id,
            execution_time: time(failure.execution_time),
            status: failure.status,
            error_code: failure.error_code,
            error_category: failure.error_category.as_deref().and_then(ErrorCategory::from_name),
            failure_class: failure.failure_class.as_deref().and_then(FailureClass::from_name),
            failure_rule: failure.failure_rule,
            modal_call_id: failure.modal_call_id,
            error_message: failure.error_message,
        }
    }
}

impl From<RecordedOutcome> for wit::RecordedOutcome {
    fn from(outcome: RecordedOutcome) -> Self {
        wit::RecordedOutcome {
            outcome_id: outcome.outcome_id.to_string(),
            scenario_id: outcome.scenario_id,
            scenario_name: outcome.scenario_name,
            trial: u32::try_from(outcome.trial).unwrap_or(1),
            attempt: count(outcome.attempt),
            execution_time: time(outcome.execution_time),
            status: outcome.status,
            reliability_score: outcome.reliability_score,
            headline: outcome.headline,
            score: outcome.score,
            scores: outcome.scores.to_string(),
            execution_time_ms: outcome.execution_time_ms,
            tokens_used: whole(outcome.tokens_used),
            cost_usd: outcome.cost_usd,
            modal_call_id: outcome.modal_call_id,
            sandbox_id: outcome.sandbox_id,
            error_code: outcome.error_code,
            error_message: outcome.error_message,
            error_category: outcome.error_category.as_deref().and_then(ErrorCategory::from_name),
            failure_class: outcome.failure_class.as_deref().and_then(FailureClass::from_name),
            failure_rule: outcome.failure_rule,
            metrics: outcome.metrics.to_string(),
            warnings: outcome.warnings.as_ref().map(violations_of_json).unwrap_or_default(),
            document: outcome.document,
        }
    }
}

impl From<OutcomePage> for wit::OutcomePage {
    fn from(page: OutcomePage) -> Self {
        wit::OutcomePage {
            outcomes: page.outcomes.into_iter().map(Into::into).collect(),
            cursor: page.cursor,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::FailureKind;

    #[test]
    fn the_contract_has_the_hint_after_the_text() {
        let error = Error::not_found("there is no such simulation").with_hint("list them");
        let wit::RecorderError::NotFound(text) = wit::RecorderError::from(error) else {
            panic!("it is another error")
        };
        assert_eq!(text, "there is no such simulation; list them");
        let verdict = recorder::Verdict::Failed {
            kind: FailureKind::Timeout,
            message: "it took too long".to_owned(),
            hint: Some("try again".to_owned()),
        };
        let item = ItemVerdict { outcome_id: Uuid::nil(), verdict, warnings: Vec::new() };
        let wit::Verdict::Failed(failure) = wit::ItemVerdict::from(item).verdict else {
            panic!("it is another verdict")
        };
        assert_eq!(
            (failure.message.as_str(), failure.retryable),
            ("it took too long; try again", true)
        );
    }
}
