//! Extraction of one document of a task: its line, or its lines, one for each filter.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::rc::Rc;

use arc_format_kit::json::{Reader, Value};
use arc_format_kit::scenario::{bounded_id, make_id};
use arc_format_kit::{Origin, Outcome, OutcomeStatus, PlannedScenario, Scenario, Violation, codes};

use crate::header::{Run, Task};
use crate::line::Line;
use crate::score;

/// The number of hexadecimal digits of a document's hash in an id.
const HASH_DIGITS: usize = 20;

/// See [`arc_format_kit::Format::outcome`].
pub(crate) fn outcome(header: Option<&str>, item: &str) -> Result<Outcome, Vec<Violation>> {
    let (mut reader, root) = Reader::new(item)?;
    let answer = Document::read(&mut reader, header, root)
        .and_then(|document| document.outcome(&mut reader));
    reader.finish_outcome(answer)
}

/// See [`arc_format_kit::Format::scenario`].
pub(crate) fn planned(header: Option<&str>, item: &str) -> Result<PlannedScenario, Vec<Violation>> {
    let (mut reader, root) = Reader::new(item)?;
    let answer = Document::read(&mut reader, header, root)
        .and_then(|document| document.scenario(&mut reader, &document.tasks()))
        .map(PlannedScenario::new);
    reader.finish(answer)
}

/// The lines of a document, and the data of the run from the header.
struct Document<'a> {
    run: Option<Rc<Run>>,
    /// Not empty.
    lines: Vec<Line<'a>>,
}

impl<'a> Document<'a> {
    fn read(reader: &mut Reader<'a>, header: Option<&str>, root: Value<'a>) -> Option<Self> {
        let lines = Line::read_all(reader, root)?;
        let Some(first) = lines.first() else {
            let message = "the array has no line".to_owned();
            reader.violation(String::new(), codes::MISSING_SCENARIO, message);
            return None;
        };
        let key = |line: &Line<'a>| {
            [line.id, line.hash].map(|value| value.map(Value::compact).unwrap_or_default())
        };
        let first = key(first);
        if let Some(other) = lines.iter().find(|line| key(line) != first) {
            reader.violation(
                other.at("doc_id").pointer(),
                codes::MISSING_SCENARIO,
                "the lines of the array are not those of one document: doc_id or doc_hash differ"
                    .to_owned(),
            );
        }
        Some(Document { run: header.map(Run::read), lines })
    }

    fn outcome(&self, reader: &mut Reader<'a>) -> Option<Outcome> {
        let tasks = self.tasks();
        let scenario = self.scenario(reader, &tasks);
        let (scores, headline) = score::read(reader, &self.lines, &tasks);
        let first = self.lines.first()?;
        let span = |value: Option<Value<'a>>, open: char| {
            reader.span(value.filter(|value| value.json().starts_with(open))?)
        };
        // A run to which the line cannot belong has no time of this result.
        let run = self.run.as_ref().filter(|_| !tasks.is_empty());
        Some(Outcome {
            scores,
            headline,
            execution_time: run.and_then(|run| run.date.clone()),
            origin: match (run, tasks.as_slice()) {
                (Some(run), [task]) => task.origin.clone().without(&run.origin),
                _ => Origin::default(),
            },
            event_count: first.answers.and_then(Value::element_count).unwrap_or_default(),
            trajectory: span(first.arguments, '{'),
            detailed_trajectory: span(first.answers, '['),
            ..Outcome::new(scenario?, OutcomeStatus::Success)
        })
    }

    fn scenario(&self, reader: &mut Reader<'a>, tasks: &[&Task]) -> Option<Scenario> {
        let first = self.lines.first()?;
        let number = first.number(reader)?;
        let task_prompt = first.prompt(reader);
        if tasks.is_empty() {
            let message = "the line came without the results of its own run and task";
            reader.warning(String::new(), codes::HEADER_MISSING, message.to_owned());
        }
        let id = match (tasks, self.run.as_ref().and_then(|run| run.file_task())) {
            ([task], _) => format!("{}/{number}", task.name),
            (_, Some(task)) => format!("{task}/{number}"),
            (others, None) => derived_id(reader, first, others, &number, task_prompt.as_deref())?,
        };
        let definition = first.row.filter(|row| row.is_object());
        Some(Scenario {
            id: bounded_id(id),
            name: None,
            task_prompt,
            definition: definition.and_then(|row| reader.span(row)),
        })
    }

    /// Returns the tasks that the lines can belong to.
    fn tasks(&self) -> Vec<&Task> {
        let (Some(run), Some(first)) = (&self.run, self.lines.first()) else { return Vec::new() };
        let number = first.id.and_then(Value::number);
        let members = first.row.and_then(Value::members).map(|members| {
            members.into_iter().map(|(name, _)| name.text.into_owned()).collect::<BTreeSet<_>>()
        });
        let has_figures = |task: &Task, line: &Line| {
            line.metrics.iter().all(|(metric, _)| task.may_score(metric, &line.filter))
        };
        let may_have = |task: &&Task| {
            task.may_have(number, members.as_ref())
                && self.lines.iter().all(|line| has_figures(task, line))
        };
        run.tasks.iter().filter(may_have).collect()
    }
}

/// Derives an id for a document whose task is unknown.
fn derived_id<'a>(
    reader: &mut Reader<'a>,
    line: &Line<'a>,
    tasks: &[&Task],
    number: &str,
    prompt: Option<&str>,
) -> Option<String> {
    let pointer = line.at("doc_id").pointer();
    let hash: Option<Cow<str>> = line.hash.and_then(Value::decode).map(|hash| hash.text);
    let digits = hash.as_deref().and_then(|hash| hash.get(..HASH_DIGITS));
    let Some(digits) = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    else {
        return make_id(reader, &pointer, 0, Some(number), prompt);
    };
    let id = format!("doc-{digits}/{number}");
    let why = match tasks {
        [first, second, ..] => format!(
            "the results name several tasks that the line can belong to, such as {} and {}",
            first.name, second.name
        ),
        _ => "no results name a task that the line can belong to".to_owned(),
    };
    reader.warning(
        pointer,
        codes::SCENARIO_ID_MADE,
        format!("{why}; the id {id} was made from doc_hash and doc_id"),
    );
    Some(id)
}
