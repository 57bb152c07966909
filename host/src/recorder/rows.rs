//! Converts submissions to the rows that store them.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::plan::Plan;
use super::received_result::ReceivedResult;
use super::sessions::Sessions;
use super::submission::Document;
use super::suite::origin;
use crate::extraction::{
    ExtractionError, Invalidation, Outcome, Score, Session, TokenUsage, Violation,
    violations_to_json, whole,
};
use crate::json_text::JsonText;
use crate::store::{
    AddedFields, NAME_BYTES, OutcomeRow, PriceTable, RejectedRow, ResultKey, ScoreColumns,
    TokenCounts, UsageColumns, is_agent,
};

/// The code of violations and warnings about numbers that JSON cannot represent.
pub(super) const NOT_FINITE: &str = "not_finite";

/// The code of warnings about results whose scenario is not planned.
pub(super) const UNPLANNED: &str = "unplanned_scenario";

/// Warning: a field of the result differs from the value that was sent with it, which takes precedence.
const OVERRIDDEN: &str = "overridden";

/// Warning: characters that PostgreSQL's text cannot contain were replaced in an id that was sent with
/// the result.
pub(super) const ID_REPLACED: &str = "id_replaced";

/// The code of the entry that replaces omitted reasons, as in the extractor.
const MORE_FOUND: &str = "more_found";

/// The maximum length of the path, the code and the message of a reason, each.
const REASON_BYTES: usize = 1 << 10;

/// How many usages of a result are stored by role and model; its totals count all of them.
const MAX_USAGES: usize = 200;

/// The maximum number of bytes of all reasons of one result.
const REASONS_BYTES: usize = 8 << 10;

/// The plan that results belong to, and the extractor's sessions.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) plan: Arc<Plan>,
    pub(super) sessions: Arc<Sessions>,
    /// The valid table of prices, if one was loaded.
    pub(super) prices: Option<Arc<PriceTable>>,
}

impl Target {
    pub(super) fn extractor_id(&self) -> Uuid {
        self.sessions.extractor().identity().id
    }

    fn key(&self, outcome_id: Uuid) -> ResultKey {
        let Plan { simulation_id, partition_time, .. } = *self.plan;
        ResultKey { simulation_id, outcome_id, partition_time }
    }
}

/// The result of extracting a submission.
#[derive(Debug)]
pub(super) enum ExtractionResult {
    Outcome(Arc<OutcomeRow>),
    Rejected(Arc<RejectedRow>, Vec<Violation>),
    /// The extractor returned no verdict.
    Failed {
        outcome_id: Uuid,
        error: ExtractionError,
    },
}

impl ExtractionResult {
    pub(super) fn outcome_id(&self) -> Uuid {
        match self {
            ExtractionResult::Outcome(row) => row.key.outcome_id,
            ExtractionResult::Rejected(row, _) => row.key.outcome_id,
            ExtractionResult::Failed { outcome_id, .. } => *outcome_id,
        }
    }

    /// Returns how many bytes of memory it takes, in addition to what every result takes.
    pub(super) fn memory_bytes(&self) -> usize {
        let reasons = |reasons: &[Violation]| -> usize {
            let text = |one: &Violation| one.path.len() + one.code.len() + one.message.len();
            reasons.iter().map(|one| text(one) + size_of::<Violation>()).sum()
        };
        match self {
            ExtractionResult::Outcome(row) => {
                row.document.len() + row.text_bytes() + reasons(&row.warning_list)
            }
            ExtractionResult::Rejected(row, violations) => {
                row.document.len() + row.violations.as_str().len() + reasons(violations)
            }
            ExtractionResult::Failed { .. } => 0,
        }
    }
}

impl ReceivedResult {
    pub(super) fn extract(mut self, target: &Target, session: &mut Session) -> ExtractionResult {
        let text = match &self.submission.document {
            Document::Text(text) => text,
            Document::Unreadable { violation, .. } => {
                let violations = vec![Violation::clone(violation)];
                return self.into_rejected(target, violations);
            }
        };
        match session.extract_outcome(self.submission.header(), text) {
            Err(error) => ExtractionResult::Failed { outcome_id: self.outcome_id, error },
            Ok(Err(violations)) => self.into_rejected(target, violations),
            Ok(Ok(outcome)) => {
                self.warn_of_not_finite();
                self.into_outcome(target, outcome)
            }
        }
    }

    /// Adds a warning for each number that JSON cannot represent: the document has `null` in its place,
    /// which is read as absent.
    fn warn_of_not_finite(&mut self) {
        let places = &self.submission.not_finite;
        self.sender_warnings.extend(places.iter().map(|place| Violation {
            path: place.path.clone(),
            code: NOT_FINITE.to_owned(),
            message: format!("{} is recorded as null", place.number.as_str()),
        }));
    }

    fn into_rejected(self, target: &Target, violations: Vec<Violation>) -> ExtractionResult {
        let violations = bounded(violations);
        let document = self.submission.document;
        let row = RejectedRow {
            key: target.key(self.outcome_id),
            extractor_id: target.extractor_id(),
            header_id: self.submission.format.as_ref().and_then(|format| format.header_id()),
            received_at: self.received_at,
            position: self.submission.position.and_then(|position| i64::try_from(position).ok()),
            line: self.submission.line.and_then(|line| i64::try_from(line).ok()),
            trial: self.submission.trial.and_then(|trial| i32::try_from(trial).ok()),
            modal_call_id: storable(self.submission.modal_call_id),
            sandbox_id: storable(self.submission.sandbox_id),
            violations: violations_to_json(&violations),
            document_bytes: i64::try_from(document.length()).unwrap_or(i64::MAX),
            document: document.to_bytes(),
        };
        ExtractionResult::Rejected(Arc::new(row), violations)
    }

    fn into_outcome(mut self, target: &Target, mut outcome: Outcome) -> ExtractionResult {
        let trial = match self.submission.trial.or(outcome.trial) {
            Some(trial) => match i32::try_from(trial) {
                Ok(trial) if trial >= 1 => Some(trial),
                _ => {
                    return self.into_rejected(
                        target,
                        vec![trial_violation(
                            "trial_out_of_range",
                            format!("trials count from 1, found {trial}"),
                        )],
                    );
                }
            },
            // The places of a scenario are its trials.
            None if outcome.place.is_some() => None,
            None if target.plan.trials_of(&outcome.scenario.id) > 1 => {
                let message = format!(
                    "the plan has {} trials of the scenario, and the result has no trial number",
                    target.plan.trials_of(&outcome.scenario.id)
                );
                return self
                    .into_rejected(target, vec![trial_violation("trial_required", message)]);
            }
            None => Some(1),
        };
        let metrics = metrics(&outcome);
        let scores = score_columns(&mut outcome);
        let usage = usage_columns(&outcome, target.prices.as_deref());
        let origin = origin(&outcome.origin);
        let invalidation = outcome
            .invalidation
            .as_ref()
            .map(|mark| JsonText::of(&InvalidationMembers::of(mark)).unwrap_or_default());
        let mut warnings = std::mem::take(&mut outcome.warnings);
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
        // In this order, so that extracting it again returns the same list.
        warnings.extend(self.sender_warnings);
        warnings.extend(replaced);
        if !target.plan.contains(&outcome.scenario.id, trial) {
            let trial = trial.map_or_else(String::new, |trial| format!(", trial {trial},"));
            warnings.push(Violation {
                path: "/scenario/id".to_owned(),
                code: UNPLANNED.to_owned(),
                message: format!(
                    "scenario {:?}{trial} is not in the simulation's plan; it is stored and counted",
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
        let parsed = |time: &Option<String>| time.as_ref().and_then(|time| time.parse().ok());
        let (time, revised_at) = (parsed(&outcome.execution_time), parsed(&outcome.revised_at));
        let added = AddedFields {
            extractor_id: target.extractor_id(),
            header_id: self.submission.format.as_ref().and_then(|format| format.header_id()),
            document_bytes: i64::try_from(document.len()).unwrap_or(i64::MAX),
            received_at: self.received_at,
            execution_time: time.unwrap_or(self.received_at),
            trial,
            revised_at,
            scores,
            invalidation,
            model: origin.models.first().cloned(),
            origin: origin.known(),
            usage,
            modal_call_id: storable(self.submission.modal_call_id.or(outcome.modal_call_id.take())),
            sandbox_id: storable(self.submission.sandbox_id.or(outcome.sandbox_id.take())),
            metrics,
            warnings,
        };
        let key = target.key(self.outcome_id);
        ExtractionResult::Outcome(Arc::new(OutcomeRow::new(key, outcome, added, document)))
    }
}

/// Returns the warning for a field of a result that differs from the value that was sent with it.
fn overridden<T: PartialEq + std::fmt::Debug>(
    name: &str,
    sent: Option<&T>,
    own: Option<&T>,
) -> Option<Violation> {
    let (sent, own) = (sent?, own?);
    (sent != own).then(|| Violation {
        path: format!("/recording/{name}"),
        code: OVERRIDDEN.to_owned(),
        message: format!("the result has {own:?}; {sent:?} was sent with it, and is recorded"),
    })
}

/// Bounds the reasons that are stored and answered: a result of a few kilobytes can have so great a
/// number of them, which repeat its own names, that a batch of such results would fill the memory.
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

/// Truncates a text to this many bytes, with a mark at its end if something was cut.
fn cut(text: &mut String, most_bytes: usize) {
    if text.len() > most_bytes {
        text.truncate(text.floor_char_boundary(most_bytes));
        text.push('…');
    }
    text.shrink_to_fit();
}

/// Returns an id that PostgreSQL can store: its text cannot contain NUL.
fn storable(id: Option<String>) -> Option<String> {
    id.map(|id| id.replace('\0', "\u{FFFD}"))
}

fn trial_violation(code: &str, message: String) -> Violation {
    Violation { path: "/recording/trial".to_owned(), code: code.to_owned(), message }
}

/// A number that is written without a fraction if it is whole.
pub(super) struct Number(pub(super) f64);

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

/// A score as it is stored; absent members are omitted.
#[derive(Serialize)]
struct ScoreMembers<'o> {
    name: Cow<'o, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<Cow<'o, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lowest: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    highest: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<[u32; 2]>,
}

impl<'o> ScoreMembers<'o> {
    fn of(score: &'o Score) -> Self {
        ScoreMembers {
            name: storable_text(&score.name),
            value: score.value.map(Number),
            label: score.label.as_deref().map(storable_text),
            lowest: score.lowest.map(Number),
            highest: score.highest.map(Number),
            explanation: score.explanation.map(|span| [span.offset, span.length]),
        }
    }
}

/// Scores that are serialized one by one, because an outcome can have very many.
struct Scores<'o>(&'o [Score]);

impl Serialize for Scores<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(ScoreMembers::of))
    }
}

/// Returns the columns of an outcome's scores.
fn score_columns(outcome: &mut Outcome) -> ScoreColumns {
    let headline = storable(outcome.headline.take());
    let own =
        headline.as_ref().and_then(|name| outcome.scores.iter().find(|one| one.name == *name));
    let (score, lowest, highest) =
        own.map_or((None, None, None), |own| (own.value, own.lowest, own.highest));
    ScoreColumns {
        score,
        lowest: highest.map(|_| lowest.unwrap_or_default()),
        highest,
        // Serializing text and numbers cannot fail.
        list: JsonText::of(&Scores(&outcome.scores)).unwrap_or_default(),
        headline,
    }
}

/// Tokens and cost of calls as they are stored; absent members are omitted.
#[derive(Serialize)]
struct UsageMembers<'o> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Cow<'o, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<Cow<'o, str>>,
    uncached_input_tokens: Number,
    cache_read_tokens: Number,
    cache_write_tokens: Number,
    output_tokens: Number,
    reasoning_tokens: Number,
    total_tokens: Number,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_usd: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    computed_cost_usd: Option<Number>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    discarded: bool,
}

impl<'o> UsageMembers<'o> {
    fn of(usage: &'o TokenUsage, computed_cost_usd: Option<f64>) -> Self {
        UsageMembers {
            role: usage.role.as_deref().map(short_text),
            model: usage.model.as_deref().map(short_text),
            uncached_input_tokens: Number(usage.uncached_input_tokens),
            cache_read_tokens: Number(usage.cache_read_tokens),
            cache_write_tokens: Number(usage.cache_write_tokens),
            output_tokens: Number(usage.output_tokens),
            reasoning_tokens: Number(usage.reasoning_tokens),
            total_tokens: Number(usage.total_tokens),
            cost_usd: usage.cost_usd.map(Number),
            computed_cost_usd: computed_cost_usd.map(Number),
            discarded: usage.discarded,
        }
    }
}

/// Returns the beginning of a name that the database can store.
fn short_text(text: &str) -> Cow<'_, str> {
    storable_text(text.get(..text.floor_char_boundary(NAME_BYTES)).unwrap_or_default())
}

/// Returns the cost of calls by the prices; `None` if the model, a price or the kind of a token is
/// unknown.
fn computed_cost(prices: Option<&PriceTable>, usage: &TokenUsage) -> Option<f64> {
    let counts = TokenCounts {
        uncached_input: usage.uncached_input_tokens,
        cache_read: usage.cache_read_tokens,
        cache_write: usage.cache_write_tokens,
        output: usage.output_tokens,
        reasoning: usage.reasoning_tokens,
    };
    let of_known_kinds = (counts.sum() - usage.total_tokens).abs() < 0.5;
    prices.filter(|_| of_known_kinds)?.cost_usd(usage.model.as_deref()?, &counts)
}

/// Returns the columns of an outcome's tokens and cost.
fn usage_columns(outcome: &Outcome, prices: Option<&PriceTable>) -> UsageColumns {
    let usage = &outcome.usage;
    let computed: Vec<_> = usage.iter().map(|calls| computed_cost(prices, calls)).collect();
    let of_agent = |calls: &TokenUsage| is_agent(calls.role.as_deref());
    let others = usage.iter().filter(|calls| !of_agent(calls));
    let (tokens, cost) = others.fold((outcome.tokens_used, outcome.cost_usd), |sum, calls| {
        (sum.0 + calls.total_tokens, sum.1 + calls.cost_usd.unwrap_or_default())
    });
    let agents = usage.iter().zip(&computed).filter(|(calls, _)| of_agent(calls));
    let computed_cost_usd = match usage.iter().any(of_agent) {
        true => agents.map(|(_, cost)| *cost).sum(),
        false => None,
    };
    // A document of a few megabytes can name a hundred thousand models.
    let members = usage.iter().zip(&computed).take(MAX_USAGES);
    let members: Vec<_> = members.map(|(calls, cost)| UsageMembers::of(calls, *cost)).collect();
    UsageColumns {
        all_roles_tokens: whole(tokens),
        all_roles_cost_usd: cost,
        computed_cost_usd,
        price_table_id: prices
            .filter(|_| computed.iter().any(Option::is_some))
            .map(|it| it.price_table_id),
        list: (!members.is_empty()).then(|| JsonText::of(&members).unwrap_or_default()),
    }
}

/// The mark that a result does not count, as it is stored.
#[derive(Serialize)]
struct InvalidationMembers<'o> {
    author: Option<Cow<'o, str>>,
    reason: Option<Cow<'o, str>>,
    at: Option<&'o str>,
}

impl<'o> InvalidationMembers<'o> {
    fn of(mark: &'o Invalidation) -> Self {
        InvalidationMembers {
            author: mark.author.as_deref().map(storable_text),
            reason: mark.reason.as_deref().map(storable_text),
            at: mark.at.as_deref(),
        }
    }
}

/// Tokens, event count and grade.
#[derive(Serialize)]
struct Metrics<'o> {
    prompt_tokens: Number,
    completion_tokens: Number,
    event_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    grade: Option<Cow<'o, str>>,
    #[serde(skip_serializing_if = "is_zero")]
    discarded_tokens: Number,
    #[serde(skip_serializing_if = "is_zero")]
    discarded_cost_usd: Number,
}

fn is_zero(number: &Number) -> bool {
    number.0 == 0.0
}

fn metrics(outcome: &Outcome) -> JsonText {
    let metrics = Metrics {
        prompt_tokens: Number(outcome.prompt_tokens),
        completion_tokens: Number(outcome.completion_tokens),
        event_count: outcome.event_count,
        grade: outcome.grade.as_deref().map(storable_text),
        discarded_tokens: Number(outcome.discarded_tokens),
        discarded_cost_usd: Number(outcome.discarded_cost_usd),
    };
    JsonText::of(&metrics).unwrap_or_default()
}

/// Returns a text that PostgreSQL can store in `jsonb`, which cannot contain NUL.
pub(super) fn storable_text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{FFFD}").into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::scheduling;
    use super::*;
    use crate::extraction::{ExtractionSettings, Extractor};
    use crate::recorder::Submission;

    #[tokio::test]
    async fn the_bytes_of_a_row_are_those_of_the_body_although_the_spool_has_them_too() {
        let extractor = Extractor::built_in(&ExtractionSettings::default()).unwrap();
        let plan = Arc::new(Plan::unknown(Uuid::from_u128(7)));
        let target = Target { plan, sessions: Arc::new(Sessions::new(extractor)), prices: None };
        let bodies = [
            br#"{"scenario":{"id":"a"},"trajectory":{"status":"success"}}"#.to_vec(),
            b"{}".to_vec(),
            b"{\xff}".to_vec(),
            vec![b' '; 1_000],
        ];
        let places = bodies.each_ref().map(|body| body.as_ptr());
        let received = |body| {
            let submission = Submission::from_bytes(body, 100);
            ReceivedResult::new(target.plan.simulation_id, Timestamp::UNIX_EPOCH, submission)
        };
        let received: Vec<ReceivedResult> = bodies.map(received).into();
        // A delivery with a spool keeps the results until they are committed.
        let for_the_spool = received.clone();
        let extracted = scheduling::extract(&target, received).await.unwrap();
        for ((extracted, kept), place) in extracted.iter().zip(&for_the_spool).zip(places) {
            let document = match extracted {
                ExtractionResult::Outcome(row) => row.document.as_bytes(),
                ExtractionResult::Rejected(row, _) => &row.document,
                ExtractionResult::Failed { error, .. } => panic!("{error}"),
            };
            assert_eq!(document.as_ptr(), place);
            assert_eq!(kept.submission.document.as_bytes().as_ptr(), place);
            assert_eq!(kept.submission.document.to_bytes().as_ptr(), place);
        }
        assert!(matches!(extracted.first(), Some(ExtractionResult::Outcome(_))), "{extracted:?}");
        let rejected = extracted.iter().filter(|one| matches!(one, ExtractionResult::Rejected(..)));
        assert_eq!(rejected.count(), 3);
    }
}
