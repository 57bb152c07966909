//! From a submission to the row that stores it.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::plan::Plan;
use super::received::ReceivedResult;
use super::sessions::Sessions;
use super::submission::{Document, Submission};
use crate::extraction::{
    DimensionScore, ExtractionError, Outcome, Session, SuiteSummary, Violation, category_word,
    status_word, violations_to_json,
};
use crate::identity;
use crate::json_text::JsonText;
use crate::store::{OutcomeRow, RejectedRow, ResultKey};

/// The code of what is said about a number that JSON cannot hold.
pub(super) const NOT_FINITE: &str = "not_finite";

/// The code of what is said about a result whose scenario is not planned.
pub(super) const UNPLANNED: &str = "unplanned_scenario";

/// Warning: a result says something else of itself than was sent with it, which counts.
const OVERRIDDEN: &str = "overridden";

/// Warning: what PostgreSQL's text cannot hold was replaced in an id that was sent with the result.
pub(super) const ID_REPLACED: &str = "id_replaced";
/// The code of what stands for reasons that are left out, as in the extractor.
const MORE_FOUND: &str = "more_found";

/// The longest path, code and message of a reason.
const REASON_BYTES: usize = 1 << 10;

/// How many bytes the reasons of one result have in all.
const REASONS_BYTES: usize = 8 << 10;

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
        error: ExtractionError,
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

    /// How many bytes of memory it takes, but for what every result does.
    pub(super) fn memory_bytes(&self) -> usize {
        let reasons = |reasons: &[Violation]| -> usize {
            let text = |one: &Violation| one.path.len() + one.code.len() + one.message.len();
            reasons.iter().map(|one| text(one) + size_of::<Violation>()).sum()
        };
        match self {
            Extracted::Outcome(row) => {
                let texts = [&row.scenario_name, &row.error_message];
                let texts: usize = texts.into_iter().flatten().map(String::len).sum();
                let warnings = row.warnings.as_ref().map_or(0, |text| text.as_str().len());
                row.document.len()
                    + texts
                    + row.metrics.as_str().len()
                    + warnings
                    + reasons(&row.warning_list)
            }
            Extracted::Rejected(row, violations) => {
                row.document.len() + row.violations.as_str().len() + reasons(violations)
            }
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

    /// How much the extractor has to read.
    pub(super) fn input_bytes(&self) -> usize {
        self.submission.document_bytes() + self.submission.header().map_or(0, str::len)
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
            Err(error) => Extracted::Failed { outcome_id: self.outcome_id, error },
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
            Err(error) => Extracted::Failed { outcome_id: self.outcome_id, error },
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
                self.submission.document = Document::Text(Arc::new(meant));
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
        let violations = bounded(violations);
        let (document, length) = match self.submission.document {
            Document::Text(text) => {
                let length = text.len() as u64;
                (Arc::unwrap_or_clone(text).into_bytes(), length)
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
        let trial =
            match self.submission.trial.or(outcome.trial) {
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
                    format!("the plan has {} trials of each scenario, and the result does not say \
                             which it is", target.plan.trials))]);
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
                    message: format!(
                        "{name} has a NUL or half of a surrogate pair, which is recorded as U+FFFD"
                    ),
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
        let warnings = bounded(warnings);
        let document = match self.submission.document {
            Document::Text(text) => text,
            // Only text is extracted.
            Document::Unreadable { bytes, .. } => {
                Arc::new(String::from_utf8_lossy(&bytes).into_owned())
            }
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

/// The reasons as they are kept and answered: a result of a few kilobytes can have so many, with names
/// of its own in them, that a batch of such results would fill the memory.
fn bounded(mut reasons: Vec<Violation>) -> Vec<Violation> {
    let found = reasons.len();
    let mut bytes = 0;
    for (index, reason) in reasons.iter_mut().enumerate() {
        cut(&mut reason.path, REASON_BYTES);
        cut(&mut reason.code, REASON_BYTES);
        cut(&mut reason.message, REASON_BYTES);
        bytes += reason.path.len() + reason.code.len() + reason.message.len();
        if bytes > REASONS_BYTES && index > 0 {
            reasons.truncate(index);
            break;
        }
    }
    let omitted = found - reasons.len();
    if omitted > 0 {
        reasons.push(Violation {
            path: String::new(),
            code: MORE_FOUND.to_owned(),
            message: format!("{omitted} more were found, and are left out here"),
        });
    }
    reasons.shrink_to_fit();
    reasons
}

/// Cuts a text to so many bytes, with a mark at its end where something is missing.
fn cut(text: &mut String, most_bytes: usize) {
    if text.len() > most_bytes {
        text.truncate(text.floor_char_boundary(most_bytes));
        text.push('…');
    }
    text.shrink_to_fit();
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
struct Number(f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Number(value) = *self;
        if value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0 {
            serializer.serialize_i64(whole(value))
        } else {
            serializer.serialize_f64(value)
        }
    }
}

/// The scores of the dimensions as an object.
struct Dimensions<'s>(&'s [DimensionScore]);

impl Serialize for Dimensions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer
            .collect_map(self.0.iter().map(|one| (storable_text(&one.name), Number(one.score))))
    }
}

/// Tokens, event count, grade and dimension scores.
#[derive(Serialize)]
struct Metrics<'o> {
    prompt_tokens: Number,
    completion_tokens: Number,
    event_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    grade: Option<Cow<'o, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimension_scores: Option<Dimensions<'o>>,
}

/// As text from the start: an outcome may have a million dimensions.
fn metrics(outcome: &Outcome) -> JsonText {
    let dimensions = outcome.dimension_scores.as_slice();
    let metrics = Metrics {
        prompt_tokens: Number(outcome.prompt_tokens),
        completion_tokens: Number(outcome.completion_tokens),
        event_count: outcome.event_count,
        grade: outcome.grade.as_deref().map(storable_text),
        dimension_scores: (!dimensions.is_empty()).then_some(Dimensions(dimensions)),
    };
    // Text and numbers are always written.
    JsonText::of(&metrics).unwrap_or_default()
}

/// Text as PostgreSQL can keep it in JSON, which holds no NUL.
fn storable_text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{FFFD}").into() } else { text.into() }
}

/// A suite's own figures; what it did not give is left out.
#[derive(Serialize)]
struct SuiteFigures<'s> {
    #[serde(skip_serializing_if = "Option::is_none")]
    average_reliability_score: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_cost_usd: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    execution_time_ms: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    successful_runs: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_tokens_used: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    average_execution_time_ms: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    speedup_factor: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    average_dimension_scores: Option<Dimensions<'s>>,
}

pub(super) fn suite_json(suite: &SuiteSummary) -> JsonText {
    let dimensions = suite.average_dimension_scores.as_slice();
    let figures = SuiteFigures {
        average_reliability_score: suite.average_reliability_score.map(Number),
        total_cost_usd: suite.total_cost_usd.map(Number),
        execution_time_ms: suite.execution_time_ms.map(Number),
        successful_runs: suite.successful_runs.map(Number),
        total_tokens_used: suite.total_tokens_used.map(Number),
        average_execution_time_ms: suite.average_execution_time_ms.map(Number),
        speedup_factor: suite.speedup_factor.map(Number),
        average_dimension_scores: (!dimensions.is_empty()).then_some(Dimensions(dimensions)),
    };
    JsonText::of(&figures).unwrap_or_default()
}
