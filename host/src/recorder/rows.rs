//! From a submission to the row that stores it.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::plan::Plan;
use super::received::ReceivedResult;
use super::sessions::Sessions;
use super::submission::{Document, Submission};
use crate::extraction::{
    DimensionScore, Outcome, Session, SuiteSummary, Violation, category_word, status_word,
    violations_to_json,
};
use crate::identity;
use crate::store::{OutcomeRow, RejectedRow, ResultKey};

/// The code of what is said about a number that JSON cannot hold.
pub(super) const NOT_FINITE: &str = "not_finite";

/// The code of what is said about a result whose scenario is not planned.
pub(super) const UNPLANNED: &str = "unplanned_scenario";

/// Warning: a result says something else of itself than was sent with it, which counts.
const OVERRIDDEN: &str = "overridden";

/// Warning: what PostgreSQL's text cannot hold was replaced in an id that was sent with the result.
pub(super) const ID_REPLACED: &str = "id_replaced";

/// Where results go, and who extracts them.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) plan: Arc<Plan>,
    pub(super) sessions: Arc<Sessions>,
}

impl Target {
    pub(super) fn extractor_id(&self) -> Uuid {
        self.sessions.extractor().identity().id
    }

    fn key(&self, outcome_id: Uuid) -> ResultKey {
        let Plan { simulation_id, started_at, .. } = *self.plan;
        ResultKey { simulation_id, outcome_id, started_at }
    }
}

/// A submission with what the host gives it before anything looks into it.
#[derive(Debug)]
pub(super) struct Received {
    outcome_id: Uuid,
    received_at: Timestamp,
    submission: Submission,
    /// What is to be among the warnings, whatever the extractor says.
    noted: Vec<Violation>,
}

/// What extraction made of a submission.
#[derive(Debug)]
pub(super) enum Extracted {
    Outcome(Arc<OutcomeRow>),
    Rejected(Arc<RejectedRow>, Vec<Violation>),
    /// The extractor gave no verdict.
    Failed {
        outcome_id: Uuid,
        retryable: bool,
        message: String,
    },
}

impl Extracted {
    pub(super) fn outcome_id(&self) -> Uuid {
        match self {
            Extracted::Outcome(row) => row.key.outcome_id,
            Extracted::Rejected(row, _) => row.key.outcome_id,
            Extracted::Failed { outcome_id, .. } => *outcome_id,
        }
    }

    pub(super) fn document_bytes(&self) -> usize {
        match self {
            Extracted::Outcome(row) => row.document.len(),
            Extracted::Rejected(row, _) => row.document.len(),
            Extracted::Failed { .. } => 0,
        }
    }
}

impl From<ReceivedResult> for Received {
    fn from(received: ReceivedResult) -> Self {
        let ReceivedResult { outcome_id, received_at, host_clock: _, submission } = received;
        Received { outcome_id, received_at, submission, noted: Vec::new() }
    }
}

impl Received {
    /// What was received before and is extracted again: it keeps its id and its time.
    pub(super) fn again(outcome_id: Uuid, received_at: Timestamp, submission: Submission) -> Self {
        Received { outcome_id, received_at, submission, noted: Vec::new() }
    }

    /// With these among its warnings.
    pub(super) fn noting(self, noted: Vec<Violation>) -> Self {
        Received { noted, ..self }
    }

    pub(super) fn outcome_id(&self) -> Uuid {
        self.outcome_id
    }

    pub(super) fn document_bytes(&self) -> usize {
        self.submission.document_bytes()
    }

    pub(super) fn extract(self, target: &Target, session: &mut Session) -> Extracted {
        let text = match &self.submission.document {
            Document::Text(text) => text,
            Document::Unreadable { violation, .. } => {
                let violations = vec![violation.clone()];
                return self.reject(target, violations);
            }
        };
        let answer = match session.extract_outcome(self.submission.header(), text) {
            Ok(Ok(outcome)) if !self.submission.not_finite.is_empty() => {
                return self.extract_spelled_out(outcome, target, session);
            }
            answer => answer,
        };
        match answer {
            Err(error) => Extracted::Failed {
                outcome_id: self.outcome_id,
                retryable: error.retryable(),
                message: error.to_string(),
            },
            Ok(Err(violations)) => self.reject(target, violations),
            Ok(Ok(outcome)) => self.accept(target, outcome),
        }
    }

    /// Where JSON cannot hold a number, the document has `null`, and the outcome a warning: unless
    /// the extractor wants a number there. It is asked with words in their places, which are
    /// violations where numbers are wanted, and nothing elsewhere.
    fn extract_spelled_out(
        mut self,
        outcome: Outcome,
        target: &Target,
        session: &mut Session,
    ) -> Extracted {
        let Document::Text(text) = &self.submission.document else {
            return self.accept(target, outcome);
        };
        let with_words =
            self.submission.spelled_out(text, |number| format!("\"{}\"", number.word()));
        let places = &self.submission.not_finite;
        let found = |path: &str| places.iter().find(|place| place.path == path);
        match session.extract_outcome(self.submission.header(), &with_words) {
            Err(error) => Extracted::Failed {
                outcome_id: self.outcome_id,
                retryable: error.retryable(),
                message: error.to_string(),
            },
            Ok(Err(mut violations)) => {
                for violation in &mut violations {
                    if let Some(place) = found(&violation.path) {
                        violation.code = NOT_FINITE.to_owned();
                        violation.message =
                            format!("must be a finite number, found {}", place.number.word());
                    }
                }
                // Kept as it was meant, so that extracting it again rejects it again.
                let meant = self.submission.spelled_out(text, |number| number.word().to_owned());
                let Plan { simulation_id, .. } = *target.plan;
                self.outcome_id =
                    identity::outcome_id(simulation_id, self.submission.trial, meant.as_bytes());
                self.submission.document = Document::Text(meant);
                self.reject(target, violations)
            }
            Ok(Ok(_)) => {
                self.noted.extend(places.iter().map(|place| Violation {
                    path: place.path.clone(),
                    code: NOT_FINITE.to_owned(),
                    message: format!("{} is recorded as null", place.number.word()),
                }));
                self.accept(target, outcome)
            }
        }
    }

    fn reject(self, target: &Target, violations: Vec<Violation>) -> Extracted {
        let (document, length) = match self.submission.document {
            Document::Text(text) => {
                let length = text.len() as u64;
                (text.into_bytes(), length)
            }
            Document::Unreadable { bytes, length, .. } => (bytes, length),
        };
        let row = RejectedRow {
            key: target.key(self.outcome_id),
            extractor_id: target.extractor_id(),
            header_id: self.submission.format.as_ref().and_then(|format| format.header_id()),
            received_at: self.received_at,
            position: self.submission.position.and_then(|position| i64::try_from(position).ok()),
            trial: self.submission.trial.and_then(|trial| i32::try_from(trial).ok()),
            modal_call_id: storable(self.submission.modal_call_id),
            sandbox_id: storable(self.submission.sandbox_id),
            violations: violations_to_json(&violations),
            document_bytes: i64::try_from(length).unwrap_or(i64::MAX),
            document,
        };
        Extracted::Rejected(Arc::new(row), violations)
    }

    fn accept(mut self, target: &Target, outcome: Outcome) -> Extracted {
        let trial = match self.submission.trial.or(outcome.trial) {
            Some(trial) => match i32::try_from(trial) {
                Ok(trial) if trial >= 1 => trial,
                _ => {
                    return self.reject(
                        target,
                        vec![trial_violation(
                            "trial_out_of_range",
                            format!("trials count from 1, found {trial}"),
                        )],
                    );
                }
            },
            None if target.plan.trials > 1 => {
                return self.reject(target, vec![trial_violation("trial_required",
                    format!("the plan has {} trials of each scenario, and the result does not say which it is", target.plan.trials))]);
            }
            None => 1,
        };
        let metrics = metrics(&outcome);
        let mut warnings = outcome.warnings;
        let sent_trial = self.submission.trial;
        warnings.extend(overridden("trial", sent_trial.as_ref(), outcome.trial.as_ref()));
        let mut replaced = Vec::new();
        for (name, sent, own) in [
            ("modal_call_id", &mut self.submission.modal_call_id, &outcome.modal_call_id),
            ("sandbox_id", &mut self.submission.sandbox_id, &outcome.sandbox_id),
        ] {
            if sent.as_ref().is_some_and(|id| id.contains('\0')) {
                *sent = storable(sent.take());
                replaced.push(Violation {
                    path: format!("/recording/{name}"),
                    code: ID_REPLACED.to_owned(),
                    message: format!("{name} has a NUL character, which is recorded as U+FFFD"),
                });
            }
            warnings.extend(overridden(name, sent.as_ref(), own.as_ref()));
        }
        // In this order, so that extracting it again gives the same list.
        warnings.extend(self.noted);
        warnings.extend(replaced);
        if !target.plan.contains(&outcome.scenario.id, trial) {
            warnings.push(Violation {
                path: "/scenario/id".to_owned(),
                code: UNPLANNED.to_owned(),
                message: format!(
                    "scenario {:?}, trial {trial}, is not in the simulation's plan; it is stored and counted",
                    outcome.scenario.id
                ),
            });
        }
        let document = match self.submission.document {
            Document::Text(text) => text,
            // Only text is extracted.
            Document::Unreadable { bytes, .. } => String::from_utf8_lossy(&bytes).into_owned(),
        };
        let time = outcome.execution_time.and_then(|time| time.parse().ok());
        Extracted::Outcome(Arc::new(OutcomeRow {
            key: target.key(self.outcome_id),
            extractor_id: target.extractor_id(),
            header_id: self.submission.format.as_ref().and_then(|format| format.header_id()),
            scenario_id: outcome.scenario.id,
            scenario_name: outcome.scenario.name,
            trial,
            received_at: self.received_at,
            execution_time: time.unwrap_or(self.received_at),
            status: status_word(outcome.status),
            reliability_score: outcome.reliability_score,
            execution_time_ms: outcome.execution_time_ms,
            tokens_used: whole(outcome.tokens_used),
            cost_usd: outcome.cost_usd,
            error_code: outcome.error_code,
            error_category: outcome.error_category.map(category_word),
            error_message: outcome.error_message,
            modal_call_id: storable(self.submission.modal_call_id.or(outcome.modal_call_id)),
            sandbox_id: storable(self.submission.sandbox_id.or(outcome.sandbox_id)),
            metrics,
            warnings: (!warnings.is_empty()).then(|| violations_to_json(&warnings)),
            warning_list: warnings,
            scenario: outcome.scenario.definition,
            trajectory: outcome.trajectory,
            detailed_trajectory: outcome.detailed_trajectory,
            dimensions: outcome.dimensions,
            document,
        }))
    }
}

/// The warning where a result says something else of itself than was sent with it, which counts.
fn overridden<T: PartialEq + std::fmt::Debug>(
    name: &str,
    sent: Option<&T>,
    own: Option<&T>,
) -> Option<Violation> {
    let (sent, own) = (sent?, own?);
    (sent != own).then(|| Violation {
        path: format!("/recording/{name}"),
        code: OVERRIDDEN.to_owned(),
        message: format!("the result says {own:?}; {sent:?} was sent with it, and is recorded"),
    })
}

/// An id as PostgreSQL can keep it, whose texts hold no NUL.
fn storable(id: Option<String>) -> Option<String> {
    id.map(|id| id.replace('\0', "\u{FFFD}"))
}

fn trial_violation(code: &str, message: String) -> Violation {
    Violation { path: "/recording/trial".to_owned(), code: code.to_owned(), message }
}

/// The contract's whole numbers are floats of at most 2^53.
#[expect(clippy::cast_possible_truncation, reason = "every value up to 2^53 fits")]
fn whole(number: f64) -> i64 {
    number as i64
}

/// A number as people write it: whole where it is whole.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0 {
        Value::from(whole(value))
    } else {
        Value::from(value)
    }
}

fn dimension_json(scores: &[DimensionScore]) -> Value {
    let members = scores.iter().map(|score| (score.name.clone(), number(score.score)));
    Value::Object(members.collect::<Map<_, _>>())
}

/// Tokens, event count, grade and dimension scores.
fn metrics(outcome: &Outcome) -> Value {
    let mut metrics = Map::new();
    metrics.insert("prompt_tokens".to_owned(), number(outcome.prompt_tokens));
    metrics.insert("completion_tokens".to_owned(), number(outcome.completion_tokens));
    metrics.insert("event_count".to_owned(), Value::from(outcome.event_count));
    if let Some(grade) = &outcome.grade {
        metrics.insert("grade".to_owned(), Value::from(grade.as_str()));
    }
    if !outcome.dimension_scores.is_empty() {
        metrics.insert("dimension_scores".to_owned(), dimension_json(&outcome.dimension_scores));
    }
    Value::Object(metrics)
}

/// A suite's own figures; what it did not give is left out.
pub(super) fn suite_json(suite: &SuiteSummary) -> Value {
    let figures = [
        ("average_reliability_score", suite.average_reliability_score),
        ("total_cost_usd", suite.total_cost_usd),
        ("execution_time_ms", suite.execution_time_ms),
        ("successful_runs", suite.successful_runs),
        ("total_tokens_used", suite.total_tokens_used),
        ("average_execution_time_ms", suite.average_execution_time_ms),
        ("speedup_factor", suite.speedup_factor),
    ];
    let given = figures.into_iter().filter_map(|(name, figure)| Some((name, number(figure?))));
    let mut object: Map<String, Value> =
        given.map(|(name, figure)| (name.to_owned(), figure)).collect();
    if !suite.average_dimension_scores.is_empty() {
        object.insert(
            "average_dimension_scores".to_owned(),
            dimension_json(&suite.average_dimension_scores),
        );
    }
    Value::Object(object)
}
