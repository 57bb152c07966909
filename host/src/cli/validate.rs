//! `arc-host validate`: shows verdicts without a database.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::CommandStatus;
use super::connection;
use super::global::Global;
use super::options::FormatOptions;
use super::output::{self, BAD, GOOD, Output};
use crate::delivery::ResultPlace;
use crate::documents::DocumentFile;
use crate::error::{Error, Result};
use crate::extraction::{ExtractionError, Session};
use crate::recorder::{Document, Submission};

#[derive(Debug, Args)]
pub(super) struct Validate {
    /// A result file; - is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    format: FormatOptions,
}

pub(super) async fn run(
    global: &Global,
    arguments: Validate,
    output: &mut Output,
) -> Result<CommandStatus> {
    let built_in = connection::extractor(global)?;
    let file = DocumentFile::open(&arguments.file)?;
    let FormatOptions { format, header } = &arguments.format;
    let formats = connection::formats(global)?;
    let opened =
        formats.open(&built_in, file, format.as_deref(), header.as_deref(), output::warn)?;
    let (file, extractor) = (&opened.file, &opened.extractor);
    let mut session = extractor.session().await;
    let mut frames = file.frames(extractor.limits().document_bytes)?;
    let (mut position, mut rejected, mut failed) = (0_u64, 0_u64, 0_u64);
    while let Some(frame) = frames.next_frame()? {
        let place = ResultPlace { position, line: frame.line };
        let verdict = verdict(&mut session, file.header(), Submission::from_frame(frame, position));
        match verdict.as_ref().map(|text| serde_json::from_str::<Value>(text)) {
            Ok(Ok(parsed)) => {
                rejected += u64::from(parsed.get("verdict") == Some(&Value::from("rejected")));
                if output.json() {
                    output.bare_line(verdict.as_deref().unwrap_or_default())?;
                } else {
                    output.line(&describe(place, &parsed))?;
                }
            }
            Ok(Err(error)) => {
                return Err(Error::component("the verdict is not JSON").with_source(error));
            }
            Err(error) => {
                failed += 1;
                let hint = error.hint();
                output::show_error_with_hint(&format!("{place}: {error}"), hint);
                if output.json() {
                    let message = error.to_string();
                    output.value(&match hint {
                        Some(hint) => {
                            json!({"verdict": "failed", "message": message, "hint": hint})
                        }
                        None => json!({"verdict": "failed", "message": message}),
                    })?;
                }
            }
        }
        position += 1;
        if output.closed() {
            return Ok(CommandStatus::Complete);
        }
    }
    let (_, envelope) = frames.finish()?;
    // An envelope without results is a suite that had none.
    if position == 0 && file.header().is_none() && envelope.is_none() {
        return Err(Error::invalid(format!("{} holds no results", file.name())));
    }
    let incomplete = envelope.and_then(|envelope| envelope.problem());
    if let Some(problem) = incomplete {
        output::warn(&format!("{}: {problem}", file.name()));
    }
    if !output.json() {
        output.line(&format!(
            "{}: {} accepted, {} rejected",
            output::results(position),
            output::count(position - rejected - failed),
            output::count(rejected)
        ))?;
    }
    Ok(match (failed, rejected) {
        (1.., _) => CommandStatus::Incomplete,
        (_, 1..) => CommandStatus::Rejected,
        _ if incomplete.is_some() => CommandStatus::Rejected,
        _ => CommandStatus::Complete,
    })
}

/// Returns the verdict as JSON text, as in `extract-json`.
fn verdict(
    session: &mut Session,
    header: Option<&str>,
    submission: Submission,
) -> std::result::Result<String, ExtractionError> {
    match submission.document {
        Document::Text(text) => session.extract_json(header, &text),
        Document::Unreadable { violation, .. } => {
            let [path, code, message] = [&violation.path, &violation.code, &violation.message]
                .map(|text| Value::from(text.as_str()).to_string());
            // The members have the component's own order, so that both kinds of lines look alike.
            Ok(format!(
                r#"{{"verdict":"rejected","violations":[{{"path":{path},"code":{code},"message":{message}}}]}}"#
            ))
        }
    }
}

/// Formats the result's own score, as the tool wrote it, with its metric.
fn own_score(outcome: &Value) -> Option<String> {
    let metric = outcome.get("headline")?.as_str()?;
    let mut scores = outcome.get("scores")?.as_array()?.iter();
    let own = scores.find(|score| score.get("name").and_then(Value::as_str) == Some(metric))?;
    let value = own.get("value")?.as_f64()?;
    Some(format!("score {value} ({})", output::printable(metric)))
}

/// Formats a verdict as one line for a person.
fn describe(place: ResultPlace, verdict: &Value) -> String {
    let place = place.to_string();
    let text =
        |value: Option<&Value>| output::printable(value.and_then(Value::as_str).unwrap_or("–"));
    if let Some(outcome) = verdict.get("outcome") {
        let warnings = outcome.get("warnings").and_then(Value::as_array).map_or(0, Vec::len);
        let warned = match warnings {
            0 => String::new(),
            1 => ", 1 warning".to_owned(),
            more => format!(", {more} warnings"),
        };
        return format!(
            "{place:<8}  {GOOD}accepted{GOOD:#}  {}: {}, {}{warned}",
            text(outcome.pointer("/scenario/id")),
            text(outcome.get("status")),
            own_score(outcome).unwrap_or_else(|| "no score".to_owned()),
        );
    }
    let violations = verdict.get("violations").and_then(Value::as_array);
    let reasons: Vec<String> = violations
        .into_iter()
        .flatten()
        .map(|violation| {
            let path = text(violation.get("path"));
            let place = if path.is_empty() { "the document" } else { &path };
            format!(
                "{} at {place}: {}",
                text(violation.get("code")),
                text(violation.get("message"))
            )
        })
        .collect();
    format!("{place:<8}  {BAD}rejected{BAD:#}  {}", reasons.join("; "))
}
