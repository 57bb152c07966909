//! The figures of a whole log.

use std::collections::BTreeSet;

use arc_format_kit::finite::with_null_for_nan;
use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::time::{in_utc, milliseconds_between};
use arc_format_kit::{RunReport, RunStatus, SuiteSummary, Violation, codes};

use crate::figures;
use crate::header::text;
use crate::{identity, origin, usage};

const STATUS: Place = Place { object: "", member: "status" };

/// See [`arc_format_kit::Format::suite`]. Problems of a header do not make it useless: each figure
/// is optional. Inspect writes `NaN` for the mean of no scores.
pub(crate) fn summary(header: &str) -> Result<SuiteSummary, Vec<Violation>> {
    let header = with_null_for_nan(header);
    let (mut reader, root) = Reader::new(&header)?;
    let names =
        ["status", "eval", "results", "stats", "error", "invalidated", "log_updates", "plan"];
    let members = reader.root(root, names);
    let answer = members.map(|members| {
        let [status, eval, results, stats, error, invalidated, updates, plan] = members;
        let member = |name| stats.and_then(|stats| stats.member(name));
        let usage = usage::sum(
            &mut reader,
            member("model_usage").filter(|usage| usage.json() != "null"),
            Place { object: "/stats", member: "model_usage" },
        );
        let times = ["started_at", "completed_at"].map(|name| (name, member(name)));
        let [started_at, completed_at] = times
            .map(|(member, time)| read_time(&mut reader, time, Place { object: "/stats", member }));
        let execution_time_ms = match (&started_at, &completed_at) {
            (Some(started), Some(completed)) => milliseconds_between(started, completed),
            _ => None,
        };
        let created = eval.and_then(|eval| eval.member("created"));
        let created_at =
            read_time(&mut reader, created, Place { object: "/eval", member: "created" });
        let status = read_status(&mut reader, status, eval);
        let is_invalidated = invalidated.is_some_and(|it| it.json() == "true");
        let (metrics, figures) = figures::read(eval, results, is_invalidated);
        // The suite's figures are the agent's; those of `stats` are of all roles.
        let has_roles = member("role_usage").and_then(Value::members).unwrap_or_default();
        let usage = Some(usage).filter(|_| has_roles.is_empty()).unwrap_or_default();
        SuiteSummary {
            total_tokens_used: (usage.total_tokens > 0.0).then_some(usage.total_tokens),
            total_cost_usd: usage.cost_usd,
            execution_time_ms,
            run: RunReport {
                run_id: eval.and_then(|eval| eval.member("task_id")).and_then(text),
                status,
                status_reason: status_reason(status, error),
                revised_at: revised_at(updates).max(completed_at.clone()).max(created_at.clone()),
                created_at,
                started_at,
                completed_at,
                origin: origin::of_run(eval, plan),
                planned_results: planned_results(eval, results),
                reported_results: reported_results(eval, results),
                // `stats` also counts tries of which a sample has only the end, and leaves out
                // samples that were taken from another log of the run.
                total_tokens: None,
                total_cost_usd: None,
                metrics,
                figures,
            },
            ..SuiteSummary::default()
        }
    });
    reader.finish_suite(answer)
}

/// Reads a time; an empty text means that Inspect was interrupted before it.
fn read_time<'a>(
    reader: &mut Reader<'a>,
    value: Option<Value<'a>>,
    place: Place,
) -> Option<String> {
    let written = value.and_then(text)?;
    let time = in_utc(&written);
    if time.is_none() {
        let found: String = written.chars().take(40).collect();
        let message = format!("expected an RFC 3339 time with an offset, found {found:?}");
        reader.warning(place.pointer(), codes::TIME_UNREADABLE, message);
    }
    time
}

/// Returns when the tags or the metadata of the log were edited last. Edits of scores and
/// invalidations are in the samples only.
fn revised_at<'a>(updates: Option<Value<'a>>) -> Option<String> {
    let updates = updates.and_then(Value::elements).unwrap_or_default();
    let time = |update: Value<'a>| update.member("provenance")?.member("timestamp");
    identity::latest(updates.into_iter().filter_map(time))
}

/// Reads the status. A log without an end has the status `started`; in an archive, its header is
/// the journal's start, which has none.
fn read_status<'a>(
    reader: &mut Reader<'a>,
    value: Option<Value<'a>>,
    eval: Option<Value<'a>>,
) -> Option<RunStatus> {
    let Some(value) = value else { return eval.map(|_| RunStatus::Incomplete) };
    match value.json() {
        r#""success""# => Some(RunStatus::Completed),
        r#""error""# => Some(RunStatus::Failed),
        r#""cancelled""# => Some(RunStatus::Cancelled),
        r#""started""# => Some(RunStatus::Incomplete),
        other => {
            let found: String = other.chars().take(40).collect();
            let message = format!("expected success, error, cancelled or started, found {found}");
            reader.warning(STATUS.pointer(), codes::UNKNOWN_STATUS, message);
            None
        }
    }
}

fn status_reason(status: Option<RunStatus>, error: Option<Value>) -> Option<String> {
    let error = error.and_then(|error| error.member("message").or(Some(error))).and_then(text);
    error.or_else(|| {
        let is_incomplete = status == Some(RunStatus::Incomplete);
        let reason = "the log has no end: the run was killed, or it is still running";
        is_incomplete.then(|| reason.to_owned())
    })
}

/// Returns a member that counts something.
fn count(object: Option<Value>, name: &str) -> Option<f64> {
    let number = object?.member(name)?.number()?;
    let is_count =
        number.fract() == 0.0 && (0.0..=arc_format_kit::number::MAX_WHOLE).contains(&number);
    is_count.then_some(number + 0.0)
}

/// Returns the number of samples of the plan, in all epochs. Samples that a run adds are counted by
/// its results only; results that were computed again count only the samples of the log.
fn planned_results(eval: Option<Value>, results: Option<Value>) -> Option<f64> {
    let member = |name| eval.and_then(|eval| eval.member(name));
    let epochs = count(member("config"), "epochs").unwrap_or(1.0);
    let ids = member("dataset").and_then(|dataset| dataset.member("sample_ids"));
    let ids = ids.and_then(Value::element_count).map(f64::from);
    let total = count(results, "total_samples");
    match (ids, total) {
        (Some(ids), Some(total)) => Some(total.max(ids * epochs)),
        (Some(ids), None) => Some(ids * epochs),
        (None, Some(total)) => Some(total),
        (None, None) => count(member("dataset"), "samples").map(|samples| samples * epochs),
    }
}

/// Returns the number of samples that the log reports. `completed_samples` leaves out
/// those with an error, which the log has, so it is that number only if it is all.
fn reported_results(eval: Option<Value>, results: Option<Value>) -> Option<f64> {
    let config = eval.and_then(|eval| eval.member("config"));
    let are_logged = config.and_then(|config| config.member("log_samples"));
    if are_logged.is_some_and(|are_logged| are_logged.json() == "false") {
        return None;
    }
    let completed = count(results, "completed_samples");
    completed.filter(|completed| count(results, "total_samples") == Some(*completed))
}

/// Returns the different texts in their order.
pub(crate) fn distinct(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    texts.filter(|text| seen.insert(text.clone())).collect()
}
