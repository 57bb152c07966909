//! Extraction of a document: the scenario, and its scores under every filter.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::rc::Rc;

use arc_format_kit::json::{Reader, Value};
use arc_format_kit::scenario::{bounded_id, make_id};
use arc_format_kit::score::{Scores, optional_number};
use arc_format_kit::{Outcome, OutcomeStatus, PlannedScenario, Scenario, Score, Violation, codes};

use crate::header::{Run, Task};
use crate::line::{self, Line};

/// The number of hexadecimal digits of a document's hash in an id.
const HASH_DIGITS: usize = 20;

/// See [`arc_format_kit::Format::outcome`].
pub(crate) fn outcome(header: Option<&str>, item: &str) -> Result<Outcome, Vec<Violation>> {
    read(header, item, |reader, document| document.outcome(reader))
        .and_then(|(reader, answer)| reader.finish_outcome(answer))
}

/// See [`arc_format_kit::Format::scenario`].
pub(crate) fn planned(header: Option<&str>, item: &str) -> Result<PlannedScenario, Vec<Violation>> {
    read(header, item, |reader, document| {
        document.scenario(reader, &document.tasks()).map(PlannedScenario::new)
    })
    .and_then(|(reader, answer)| reader.finish(answer))
}

/// Reads the lines of a document, and what `answer` takes of them.
fn read<'a, T>(
    header: Option<&str>,
    item: &'a str,
    answer: impl FnOnce(&mut Reader<'a>, &Document<'a>) -> Option<T>,
) -> Result<(Reader<'a>, Option<T>), Vec<Violation>> {
    let (mut reader, root) = Reader::new(item)?;
    let run = header.map(Run::read);
    let lines = line::read_all(&mut reader, root);
    let answer = lines.and_then(|lines| answer(&mut reader, &Document { run, lines }));
    Ok((reader, answer))
}

/// The lines of a document, and the data of the run from the header.
struct Document<'a> {
    run: Option<Rc<Run>>,
    /// At least one.
    lines: Vec<Line<'a>>,
}

impl<'a> Document<'a> {
    fn outcome(&self, reader: &mut Reader<'a>) -> Option<Outcome> {
        let first = self.lines.first()?;
        let tasks = self.tasks();
        let scenario = self.scenario(reader, &tasks);
        let (scores, headline) = self.scores(reader, &tasks);
        let span = |value: Option<Value<'a>>, open: char| {
            reader.span(value.filter(|value| value.json().starts_with(open))?)
        };
        let event_count = first.answers.and_then(Value::element_count).unwrap_or_default();
        let run = self.run.as_ref().filter(|_| !tasks.is_empty());
        Some(Outcome {
            scores,
            headline,
            execution_time: run.and_then(|run| run.date.clone()),
            event_count,
            trajectory: span(first.arguments, '{'),
            detailed_trajectory: span(first.answers, '['),
            ..Outcome::new(scenario?, OutcomeStatus::Success)
        })
    }

    fn scenario(&self, reader: &mut Reader<'a>, tasks: &[&Task]) -> Option<Scenario> {
        let first = self.lines.first()?;
        let number = number(reader, first)?;
        let json = |line: &Line<'a>| line.id.map(Value::json);
        if let Some(other) = self.lines.iter().find(|line| json(line) != json(first)) {
            let message = "the lines of a result are those of one document, and this is another";
            let place = other.at("doc_id").pointer();
            reader.violation(place, codes::MISSING_SCENARIO, message.to_owned());
            return None;
        }
        let task_prompt = prompt(reader, first);
        if tasks.is_empty() {
            let message = match self.run {
                None => "the line came without the run's results, so its task is not known",
                Some(_) => "the results are those of other tasks, so nothing is taken from them",
            };
            reader.warning(String::new(), codes::HEADER_MISSING, message.to_owned());
        }
        let id = match tasks {
            [task] => format!("{}/{number}", task.name),
            others => derived_id(reader, first, others, &number, task_prompt.as_deref())?,
        };
        let definition = first.document.filter(|document| document.is_object());
        Some(Scenario {
            id: bounded_id(id),
            name: None,
            task_prompt,
            definition: definition.and_then(|document| reader.span(document)),
        })
    }

    /// Returns the tasks that the document can belong to.
    fn tasks(&self) -> Vec<&Task> {
        let (Some(run), Some(first)) = (&self.run, self.lines.first()) else { return Vec::new() };
        let number = first.id.and_then(Value::number);
        let members = first.document.and_then(Value::members).map(|members| {
            members.into_iter().map(|(name, _)| name.text.into_owned()).collect::<BTreeSet<_>>()
        });
        let may_have = |task: &&Task| {
            task.may_have(number, members.as_ref())
                && (task.figures.is_empty()
                    || self
                        .metrics()
                        .all(|metric| metric.figure_name(std::slice::from_ref(task)).is_some()))
        };
        run.tasks.iter().filter(may_have).collect()
    }

    /// Returns the metrics of all lines.
    fn metrics(&self) -> impl Iterator<Item = Metric<'_, 'a>> {
        let mut unnamed_filters = 0;
        self.lines.iter().flat_map(move |line| {
            let position = unnamed_filters;
            unnamed_filters += usize::from(line.filter.is_none());
            line.metrics.iter().map(move |(name, value)| Metric {
                line,
                position,
                name,
                value: *value,
            })
        })
    }

    /// Reads the scores, and the name of the one that the tool lists first.
    fn scores(&self, reader: &mut Reader<'a>, tasks: &[&Task]) -> (Vec<Score>, Option<String>) {
        let mut scores = Scores::default();
        let mut seen = BTreeSet::new();
        for metric in self.metrics() {
            let place = metric.line.at(metric.name);
            if !seen.insert((metric.line.pointer.as_str(), metric.name)) {
                let message =
                    format!("the metric {:?} occurs in the line more than once", metric.name);
                reader.violation(place.pointer(), codes::DUPLICATE_KEY, message);
                continue;
            }
            let name = metric.figure_name(tasks).unwrap_or_else(|| metric.default_name());
            if scores.get(&name).is_some() {
                let message =
                    format!("several lines have the metric {name:?}; the last one counts");
                reader.warning(place.pointer(), codes::DUPLICATE_KEY, message);
            }
            scores.set(metric.score(reader, name));
        }
        let listed = first_figure(tasks).map(str::to_owned);
        let headline = listed.or_else(|| Some(scores.first()?.name.clone()));
        // A document without a value has the score nevertheless, so that this can be seen.
        if let Some(name) = headline.as_ref().filter(|name| scores.get(name).is_none()) {
            scores.set(Score::new(name.clone(), None));
        }
        let value = headline.as_ref().and_then(|name| scores.get(name)?.value);
        if value.is_none() {
            let message = match &headline {
                Some(name) => format!("the document has no number for {name:?}"),
                None => "the document has no metric".to_owned(),
            };
            let message = format!("{message}; averages leave it out");
            reader.warning(String::new(), codes::SCORE_MISSING, message);
        }
        (scores.into_list(), headline)
    }
}

/// A metric of a line.
struct Metric<'l, 'a> {
    line: &'l Line<'a>,
    /// The position of the line among those without the name of their filter.
    position: usize,
    name: &'l str,
    value: Value<'a>,
}

impl<'a> Metric<'_, 'a> {
    /// Returns the name of the metric's figure in the first of the tasks.
    fn figure_name(&self, tasks: &[&Task]) -> Option<String> {
        tasks.first()?.figure_name(self.name, self.line.filter.as_deref(), self.position)
    }

    /// Returns the name that the tool gives to the figure.
    fn default_name(&self) -> String {
        match &self.line.filter {
            Some(filter) => format!("{},{filter}", self.name),
            None => self.name.to_owned(),
        }
    }

    /// Reads the value as it is. The tool computes the figures of other values than numbers, such
    /// as the two parts of a perplexity, in other ways than their mean.
    fn score(&self, reader: &mut Reader<'a>, name: String) -> Score {
        let place = self.line.at(self.name);
        match self.value.json() {
            "true" => Score::new(name, Some(1.0)).of(1.0),
            "false" => Score::new(name, Some(0.0)).of(1.0),
            _ if self.value.is_string() => {
                let label = reader.decoded(self.value, place).map(Cow::into_owned);
                let message = "the value is a text, whose number is not known".to_owned();
                reader.warning(place.pointer(), codes::LABEL_UNKNOWN, message);
                Score { label, ..Score::new(name, None) }
            }
            _ if self.value.is_number() => {
                let value = optional_number(reader, Some(self.value), place);
                Score::new(name, value.map(|value| value + 0.0))
            }
            _ => Score::new(name, None),
        }
    }
}

/// Returns the first figure of the tasks, if it is the same in each.
fn first_figure<'t>(tasks: &[&'t Task]) -> Option<&'t str> {
    let mut names = tasks.iter().map(|task| task.figures.first().map(|it| it.name.as_str()));
    let first = names.next()??;
    names.all(|name| name == Some(first)).then_some(first)
}

/// Returns the number of the document in its dataset.
fn number<'a>(reader: &mut Reader<'a>, line: &Line<'a>) -> Option<Cow<'a, str>> {
    let place = line.at("doc_id");
    let Some(id) = line.id else {
        let message = "the line has no doc_id".to_owned();
        reader.violation(place.pointer(), codes::MISSING_SCENARIO, message);
        return None;
    };
    if id.is_number() {
        return Some(Cow::Borrowed(id.json()));
    }
    let text = reader.decoded(id, place).filter(|text| !text.is_empty());
    if text.is_none() {
        reader.wrong_type(place, id, "a number or a text that is not empty");
    }
    text
}

/// Derives an id for a document whose task is unknown.
fn derived_id<'a>(
    reader: &mut Reader<'a>,
    line: &Line<'a>,
    tasks: &[&Task],
    number: &str,
    prompt: Option<&str>,
) -> Option<String> {
    let place = line.at("doc_id").pointer();
    let hash = line.hash.and_then(Value::decode).map(|hash| hash.text);
    let digits = hash.as_deref().and_then(|hash| hash.get(..HASH_DIGITS));
    let Some(digits) = digits.filter(|digits| digits.bytes().all(|it| it.is_ascii_hexdigit()))
    else {
        return make_id(reader, &place, 0, Some(number), prompt);
    };
    let id = format!("doc-{digits}/{number}");
    let why = match tasks {
        [first, second, ..] => format!(
            "the results name several tasks that the line can belong to, such as {} and {}",
            first.name, second.name
        ),
        _ => "the results name no task that the line can belong to".to_owned(),
    };
    let message = format!("{why}; the id {id} was made from doc_hash and doc_id");
    reader.warning(place, codes::SCENARIO_ID_MADE, message);
    Some(id)
}

/// Returns the text of the first request.
fn prompt<'a>(reader: &mut Reader<'a>, line: &Line<'a>) -> Option<String> {
    let arguments = line.arguments?;
    let text = match arguments.member("gen_args_0") {
        Some(request) => request.member("arg_0")?,
        None => *arguments.elements()?.first()?.elements()?.first()?,
    };
    reader.decoded(text, line.at("arguments")).map(Cow::into_owned)
}
