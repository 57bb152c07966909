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
//! | `reliability_score` | `points`, from 0 to 1 |
//! | `execution_time`, `execution_time_ms` | `began_at` and `seconds` |
//! | `tokens_used` | `tokens` |
//! | `error_message`, `error_code`, `error_category` | `error`; its first word, and the kind of failure |
//! | `detailed_trajectory`, `event_count` | `steps` |

use arc_format_kit::failure::Failure;
use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::outline::Outline;
use arc_format_kit::scenario::{bounded_id, read_trial};
use arc_format_kit::score::within_scale;
use arc_format_kit::time::in_utc;
use arc_format_kit::{
    Format, Header, Items, Layout, Outcome, OutcomeStatus, PlannedScenario, Scenario, Violation,
    codes,
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
}

arc_format_kit::export_format!(ExamFormat);

/// The members of an answer; a member that is missing or `null` is `None`.
struct Members<'a> {
    question: Option<Value<'a>>,
    prompt: Option<Value<'a>>,
    attempt: Option<Value<'a>>,
    ended: Option<Value<'a>>,
    began_at: Option<Value<'a>>,
    seconds: Option<Value<'a>>,
    tokens: Option<Value<'a>>,
    points: Option<Value<'a>>,
    error: Option<Value<'a>>,
    steps: Option<Value<'a>>,
}

/// Finds them in one pass, without copying their values.
fn members<'a>(reader: &mut Reader<'a>, root: Value<'a>) -> Option<Members<'a>> {
    let names = [
        "question", "prompt", "attempt", "ended", "began_at", "seconds", "tokens", "points",
        "error", "steps",
    ];
    let [question, prompt, attempt, ended, began_at, seconds, tokens, points, error, steps] =
        reader.root(root, names)?;
    Some(Members {
        question,
        prompt,
        attempt,
        ended,
        began_at,
        seconds,
        tokens,
        points,
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
        Some(header) => exam_of(header),
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
    Some(PlannedScenario { scenario, trial: read_trial(reader, members.attempt, at("attempt")) })
}

/// Returns the exam's name, from the document around the answers.
fn exam_of(header: &str) -> Option<String> {
    let (mut reader, root) = Reader::new(header).ok()?;
    let [exam] = reader.root(root, ["exam"])?;
    reader.text(exam, at("exam"))
}

fn read_outcome<'a>(
    reader: &mut Reader<'a>,
    header: Option<&str>,
    members: &Members<'a>,
) -> Option<Outcome> {
    let planned = read_scenario(reader, header, members);
    let status = read_status(reader, members.ended);
    let execution_time_ms = reader.milliseconds(members.seconds, at("seconds")).unwrap_or(0.0);
    let tokens_used = reader.tokens(members.tokens, at("tokens")).unwrap_or(0.0);
    let error = reader.text(members.error, at("error"));
    let began_at = reader.text(members.began_at, at("began_at"));
    let execution_time = began_at.as_deref().and_then(in_utc);
    if began_at.is_some() && execution_time.is_none() {
        let message = "this is no RFC 3339 time with an offset; the time of receipt is used";
        reader.warning("/began_at".to_owned(), codes::TIME_UNREADABLE, message.to_owned());
    }
    let reliability_score = within_scale(reader, members.points, at("points"));

    // Everything was read before this, so that all violations are reported at the same time.
    let (planned, status) = (planned?, status?);
    let failure = Failure::new(error.as_deref(), None, status);
    Some(Outcome {
        trial: planned.trial,
        reliability_score,
        execution_time,
        execution_time_ms,
        tokens_used,
        error_code: failure.code,
        error_message: failure.message,
        error_category: failure.category,
        event_count: members.steps.and_then(Value::element_count).unwrap_or(0),
        detailed_trajectory: members.steps.and_then(|steps| reader.span(steps)),
        ..Outcome::new(planned.scenario, status)
    })
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
