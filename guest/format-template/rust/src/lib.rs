//! Files of the tool exam as a format of Arc Recorder.
//!
//! This is a template: replace the parts about exams by the files of your own tool. An exam's file
//! is one JSON object, with the exam's name, the model, and an array of answers; each answer is a
//! result. Its fields:
//!
//! | field of the outcome | location |
//! |---|---|
//! | `scenario.id` | the file's `exam`, `/`, and the answer's `question` |
//! | `scenario.task_prompt` | `prompt` |
//! | `trial` | `attempt` |
//! | `status` | `ended`: `finished`, `failed` or `out of time` |
//! | `key` | `uid`, which is unique to each answer |
//! | `scores` | `points` unchanged, with `remark` as its explanation; the label `style` |
//! | `headline` | `points`: the exam's own mean is that of the points |
//! | `execution_time`, `execution_time_ms` | `began_at` and `seconds` |
//! | `usage` | `tokens`, of the model that the file names |
//! | `error_message`, `error_code`, `error_category` | `error`; the code or type that it names, and the kind of failure |
//! | `detailed_trajectory`, `event_count` | `steps` |
//!
//! What the exam's file reports about the whole run is in `suite`: its model, its id, its state, the number of
//! questions, the highest number of points, and the mean of the points. Arc Recorder compares that
//! mean with the recorded answers.

use arc_format_kit::failure::Failure;
use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::outline::Outline;
use arc_format_kit::scenario::{bounded_id, read_trial};
use arc_format_kit::score::{optional_number, value_of_label};
use arc_format_kit::time::in_utc;
use arc_format_kit::usage::{ReportedTokens, TokenUsage};
use arc_format_kit::{
    Aggregation, Format, Header, Items, Layout, MetricDefinition, MissingPolicy, Origin, Outcome,
    OutcomeStatus, PlannedScenario, ReportedFigure, RunReport, RunStatus, Scenario, Score,
    SuiteSummary, Violation, codes,
};

/// Files of the tool exam.
#[derive(Debug)]
pub struct ExamFormat;

impl Format for ExamFormat {
    const NAME: &'static str = "exam";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const AUTHORS: &'static str = env!("CARGO_PKG_AUTHORS");
    const DESCRIPTION: &'static str = "Files of the tool exam: an object with an array of answers";

    /// Recognises the files of this format, and no others: every format is tried on every file.
    fn detect(_file_name: &str, head: &[u8]) -> Option<Layout> {
        Outline::of(head).has_all(&["/exam", "/answers"]).then(|| Layout {
            // Each element of the array is a result, and the document around the array is their
            // header.
            items: Items::Elements("/answers/*".to_owned()),
            header: Header::EnclosingDocument,
            classify_items: false,
        })
    }

    /// Reads only the scenario, also of a result that is rejected: a plan needs no more.
    fn scenario(header: Option<&str>, item: &str) -> Result<PlannedScenario, Vec<Violation>> {
        let (mut reader, root) = Reader::new(item)?;
        let answer = members(&mut reader, root)
            .and_then(|members| read_scenario(&mut reader, header, &members));
        reader.finish(answer)
    }

    /// Reads all fields of a result, or returns every violation found.
    fn outcome(header: Option<&str>, item: &str) -> Result<Outcome, Vec<Violation>> {
        let (mut reader, root) = Reader::new(item)?;
        let answer = members(&mut reader, root)
            .and_then(|members| read_outcome(&mut reader, header, &members));
        reader.finish_outcome(answer)
    }

    /// Reads what the header reports about the whole run.
    fn suite(header: &str) -> Result<SuiteSummary, Vec<Violation>> {
        let (mut reader, root) = Reader::new(header)?;
        let names =
            ["exam", "model", "run", "state", "asked", "max_points", "mean_points", "seconds"];
        let answer = reader.root(root, names).map(|members| read_suite(&mut reader, members));
        reader.finish_suite(answer)
    }
}

arc_format_kit::export_format!(ExamFormat);

/// The members of an answer; a member that is missing or `null` is `None`.
struct Members<'a> {
    uid: Option<Value<'a>>,
    question: Option<Value<'a>>,
    prompt: Option<Value<'a>>,
    attempt: Option<Value<'a>>,
    ended: Option<Value<'a>>,
    began_at: Option<Value<'a>>,
    seconds: Option<Value<'a>>,
    tokens: Option<Value<'a>>,
    points: Option<Value<'a>>,
    remark: Option<Value<'a>>,
    style: Option<Value<'a>>,
    error: Option<Value<'a>>,
    steps: Option<Value<'a>>,
}

/// Finds them in one pass, without copying their values.
fn members<'a>(reader: &mut Reader<'a>, root: Value<'a>) -> Option<Members<'a>> {
    let names = [
        "uid", "question", "prompt", "attempt", "ended", "began_at", "seconds", "tokens", "points",
        "remark", "style", "error", "steps",
    ];
    let [uid, question, prompt, attempt, ended, began_at, seconds, tokens, points, rest @ ..] =
        reader.root(root, names)?;
    let [remark, style, error, steps] = rest;
    Some(Members {
        uid,
        question,
        prompt,
        attempt,
        ended,
        began_at,
        seconds,
        tokens,
        points,
        remark,
        style,
        error,
        steps,
    })
}

/// Returns the place of a member of the answer, for messages.
fn at(member: &str) -> Place<'_> {
    Place { object: "", member }
}

fn read_scenario<'a>(
    reader: &mut Reader<'a>,
    header: Option<&str>,
    members: &Members<'a>,
) -> Option<PlannedScenario> {
    let question = reader.text(members.question, at("question"));
    let Some(question) = question.filter(|question| !question.is_empty()) else {
        let message = "an answer has a question, which names its scenario; it is missing";
        reader.violation("/question".to_owned(), codes::MISSING_SCENARIO, message.to_owned());
        return None;
    };
    let exam = match header {
        Some(header) => text_of(header, "exam"),
        // A result that is sent without its file, for example over HTTP, has no header.
        None => {
            let message = "the answer came without its file, so the name of its exam is not known";
            reader.warning(String::new(), codes::HEADER_MISSING, message.to_owned());
            None
        }
    };
    let id = exam.map_or(question.clone(), |exam| format!("{exam}/{question}"));
    let scenario = Scenario {
        id: bounded_id(id),
        name: Some(question),
        task_prompt: reader.text(members.prompt, at("prompt")),
        definition: None,
    };
    let trial = read_trial(reader, members.attempt, at("attempt"));
    // The scenario and the trial are the place of an answer, so it needs no other. The id of the
    // run is in the header.
    Some(PlannedScenario { trial, ..PlannedScenario::new(scenario) })
}

/// Returns a text of the document around the answers.
fn text_of(header: &str, member: &str) -> Option<String> {
    let (mut reader, root) = Reader::new(header).ok()?;
    let [text] = reader.root(root, [member])?;
    reader.text(text, Place { object: "", member })
}

fn read_outcome<'a>(
    reader: &mut Reader<'a>,
    header: Option<&str>,
    members: &Members<'a>,
) -> Option<Outcome> {
    let planned = read_scenario(reader, header, members);
    let status = read_status(reader, members.ended);
    let execution_time_ms = reader.milliseconds(members.seconds, at("seconds")).unwrap_or(0.0);
    let tokens = reader.tokens(members.tokens, at("tokens"));
    // A tool that counts kinds of tokens, or the calls of a grader, has an element for each role and
    // model; those that are zero are left out.
    let reported = ReportedTokens { total: tokens, ..ReportedTokens::default() };
    let model = header.and_then(|header| text_of(header, "model"));
    let usage = TokenUsage { model, ..reported.usage() };
    let error = reader.text(members.error, at("error"));
    let began_at = reader.text(members.began_at, at("began_at"));
    let execution_time = began_at.as_deref().and_then(in_utc);
    if began_at.is_some() && execution_time.is_none() {
        let message = "this is no RFC 3339 time with an offset; the time of receipt is used";
        reader.warning("/began_at".to_owned(), codes::TIME_UNREADABLE, message.to_owned());
    }
    let scores = read_scores(reader, members);
    let key = reader.decoration(|reader| reader.text(members.uid, at("uid")));

    // Everything was read before this, so that all violations are reported at the same time.
    let (planned, status) = (planned?, status?);
    let failure = Failure::new(error.as_deref(), None, status);
    Some(Outcome {
        trial: planned.trial,
        scores,
        headline: Some(POINTS.to_owned()),
        key: key.filter(|key| !key.is_empty()).map(bounded_id),
        execution_time,
        execution_time_ms,
        error_code: failure.code,
        error_message: failure.message,
        error_category: failure.category,
        failure_class: failure.class,
        failure_rule: failure.rule,
        event_count: members.steps.and_then(Value::element_count).unwrap_or(0),
        detailed_trajectory: members.steps.and_then(|steps| reader.span(steps)),
        ..Outcome::new(planned.scenario, status).with_usage(vec![usage])
    })
}

/// The name of the score that the exam counts.
const POINTS: &str = "points";

/// Reads every score as the tool wrote it: nothing is put on another scale.
fn read_scores<'a>(reader: &mut Reader<'a>, members: &Members<'a>) -> Vec<Score> {
    let points = optional_number(reader, members.points, at("points"));
    if points.is_none() {
        let message = "the answer has no points; averages leave it out";
        reader.warning("/points".to_owned(), codes::SCORE_MISSING, message.to_owned());
    }
    // The position of the text, which stays in the document.
    let remark = members.remark.filter(|remark| remark.is_string());
    let explanation = remark.and_then(|remark| reader.span(remark));
    // An answer without points keeps this score, so that it is seen to have none.
    let mut scores = vec![Score { explanation, ..Score::new(POINTS, points) }];
    let style = reader.decoration(|reader| reader.text(members.style, at("style")));
    if let Some(label) = style {
        // `good` is 1 and `bad` is 0; a label that is not known has no number.
        let style = match value_of_label(&label) {
            Some(value) => Score::new("style", Some(value)).of(1.0),
            None => {
                let message = "the value of this label is not known";
                reader.warning("/style".to_owned(), codes::LABEL_UNKNOWN, message.to_owned());
                Score::new("style", None)
            }
        };
        scores.push(Score { label: Some(label), ..style });
    }
    scores
}

fn read_suite<'a>(reader: &mut Reader<'a>, members: [Option<Value<'a>>; 8]) -> SuiteSummary {
    let [exam, model, run, state, asked, max_points, mean_points, seconds] = members;
    let state = reader.text(state, at("state"));
    let run = RunReport {
        run_id: reader.text(run, at("run")),
        // Who ran what; a result has an origin of its own only if it differs.
        origin: Origin {
            models: reader.text(model, at("model")).into_iter().collect(),
            task: reader.text(exam, at("exam")),
            tool: Some("exam".to_owned()),
            ..Origin::default()
        },
        status: match state.as_deref() {
            Some("finished") => Some(RunStatus::Completed),
            Some("stopped") => Some(RunStatus::Cancelled),
            // The tool wrote no end: it was killed, or it is still running.
            Some("running") => Some(RunStatus::Incomplete),
            _ => None,
        },
        planned_results: reader.tokens(asked, at("asked")),
        metrics: vec![MetricDefinition {
            name: POINTS.to_owned(),
            lowest: Some(0.0),
            highest: reader.number(max_points, at("max_points")),
            headline: true,
            ..MetricDefinition::default()
        }],
        figures: mean_points
            .map(|mean| ReportedFigure {
                metric: POINTS.to_owned(),
                figure: "mean_points".to_owned(),
                value: reader.number(Some(mean), at("mean_points")),
                standard_error: None,
                aggregation: Aggregation::Mean,
                // An answer without points is not in the mean.
                missing: MissingPolicy::Exclude,
                tolerance: None,
                headline: true,
            })
            .into_iter()
            .collect(),
        ..RunReport::default()
    };
    SuiteSummary {
        execution_time_ms: reader.milliseconds(seconds, at("seconds")),
        run,
        ..SuiteSummary::default()
    }
}

fn read_status<'a>(reader: &mut Reader<'a>, ended: Option<Value<'a>>) -> Option<OutcomeStatus> {
    let Some(value) = ended else {
        let message = "the member is missing; an error is assumed";
        reader.warning("/ended".to_owned(), codes::STATUS_MISSING, message.to_owned());
        return Some(OutcomeStatus::Error);
    };
    let ended = reader.text(ended, at("ended"))?;
    match ended.as_str() {
        "finished" => Some(OutcomeStatus::Success),
        "failed" => Some(OutcomeStatus::Error),
        "out of time" => Some(OutcomeStatus::Timeout),
        _ => {
            let found: String = value.json().chars().take(40).collect();
            let message = format!("expected finished, failed or out of time, found {found}");
            reader.violation("/ended".to_owned(), codes::UNKNOWN_STATUS, message);
            None
        }
    }
}
