//! Extraction of one line.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::scenario::{bounded_id, make_id};
use arc_format_kit::{
    Outcome, OutcomeStatus, PlannedScenario, Role, Scenario, Score, Violation, codes,
};

use crate::header::{Run, Task};

/// The members that are not metrics, of every version.
const NAMES: [&str; 8] =
    ["doc_id", "doc", "arguments", "resps", "filter", "metrics", "doc_hash", "filtered_resps"];

/// Further members that are not metrics.
const OTHERS: [&str; 3] = ["target", "prompt_hash", "target_hash"];

/// The number of hexadecimal digits of a document's hash in an id.
const HASH_DIGITS: usize = 20;

const DOC_ID: Place = Place { object: "", member: "doc_id" };

/// See [`arc_format_kit::Format::outcome`].
pub(crate) fn outcome(header: Option<&str>, item: &str) -> Result<Outcome, Vec<Violation>> {
    let (mut reader, lines) = read(header, item)?;
    let answer = lines.and_then(|lines| {
        let (first, others) = lines.split_first()?;
        let mut outcome = first.outcome(&mut reader)?;
        for line in others {
            let tasks = line.tasks();
            line.read_scores(&mut reader, &tasks, &mut outcome.scores);
        }
        outcome.headline = headline(&first.tasks(), &outcome.scores);
        if outcome.headline_value().is_none() {
            let message = match &outcome.headline {
                Some(name) => format!("the metric {name} has no number; averages leave it out"),
                None => "the line has no metric; averages leave it out".to_owned(),
            };
            reader.warning("/metrics".to_owned(), codes::SCORE_MISSING, message);
        }
        Some(outcome)
    });
    reader.finish_outcome(answer)
}

/// See [`arc_format_kit::Format::scenario`].
pub(crate) fn planned(header: Option<&str>, item: &str) -> Result<PlannedScenario, Vec<Violation>> {
    let (mut reader, lines) = read(header, item)?;
    let answer = lines.and_then(|lines| {
        let first = lines.first()?;
        let scenario = first.scenario(&mut reader, &first.tasks())?;
        Some(PlannedScenario::new(scenario))
    });
    reader.finish(answer)
}

/// See [`arc_format_kit::Format::classify`]. The lines of a document under several filters are parts
/// of one result; a line without a filter is a result.
pub(crate) fn classify(item: &str) -> Role {
    let members = Reader::new(item)
        .ok()
        .and_then(|(mut reader, root)| reader.root(root, ["filter", "doc_id", "doc_hash"]));
    let Some([Some(filter), Some(id), hash]) = members else { return Role::Result };
    match filter.decode().map(|filter| filter.text) {
        Some(filter) if is_filter(&filter) => {
            Role::Part(format!("{} {}", id.json(), hash.map_or("", Value::json)))
        }
        _ => Role::Result,
    }
}

fn is_filter(name: &str) -> bool {
    !name.is_empty() && name != "none"
}

/// A line, and the lines of the same document under other filters.
type Read<'a> = (Reader<'a>, Option<Vec<Line<'a>>>);

/// Reads a line, or an array of the lines of a document.
fn read<'a>(header: Option<&str>, item: &'a str) -> Result<Read<'a>, Vec<Violation>> {
    let (mut reader, root) = Reader::new(item)?;
    let run = header.map(Run::read);
    if !root.is_array() {
        let members = reader.root(root, NAMES);
        let line = members.map(|members| Line::of(&mut reader, run, root, members));
        return Ok((reader, line.map(|line| vec![line])));
    }
    let elements = reader.root_elements(root);
    let lines = elements.and_then(|elements| {
        if elements.is_empty() {
            let message = "the list has no line".to_owned();
            reader.violation(String::new(), codes::MISSING_SCENARIO, message);
        }
        let mut lines = Vec::with_capacity(elements.len());
        for (index, element) in elements.into_iter().enumerate() {
            let place = Place { object: "", member: &index.to_string() };
            if !element.is_object() {
                reader.wrong_type(place, element, "an object");
                return None;
            }
            let members = reader.object(Some(element), place, NAMES);
            lines.push(Line::of(&mut reader, run.clone(), element, members));
        }
        Some(lines)
    });
    Ok((reader, lines))
}

/// Returns the metric that the tool lists first among the figures of the task, or else the line's first.
fn headline(tasks: &[&Task], scores: &[Score]) -> Option<String> {
    let listed = match tasks {
        [task] => task.listed.iter().find(|name| scores.iter().any(|score| score.name == **name)),
        _ => None,
    };
    listed.or_else(|| scores.first().map(|first| &first.name)).cloned()
}

/// A line, and the data of the run from the header.
struct Line<'a> {
    run: Option<Rc<Run>>,
    id: Option<Value<'a>>,
    document: Option<Value<'a>>,
    arguments: Option<Value<'a>>,
    answers: Option<Value<'a>>,
    hash: Option<Value<'a>>,
    filter: Cow<'a, str>,
    /// The metrics in the line's order; a duplicate name is in the list as often as in the line.
    metrics: Vec<(String, Value<'a>)>,
}

impl<'a> Line<'a> {
    fn of(
        reader: &mut Reader<'a>,
        run: Option<Rc<Run>>,
        whole: Value<'a>,
        members: [Option<Value<'a>>; 8],
    ) -> Self {
        let [id, document, arguments, answers, filter, metrics, hash, _] = members;
        let place = Place { object: "", member: "filter" };
        let filter = filter.and_then(|filter| reader.decoded(filter, place));
        Line {
            run,
            id,
            document,
            arguments,
            answers,
            hash,
            filter: filter.unwrap_or(Cow::Borrowed("none")),
            metrics: metrics_of(whole, metrics),
        }
    }

    fn outcome(&self, reader: &mut Reader<'a>) -> Option<Outcome> {
        let tasks = self.tasks();
        let scenario = self.scenario(reader, &tasks);
        let mut scores = Vec::new();
        self.read_scores(reader, &tasks, &mut scores);
        let span = |value: Option<Value<'a>>, open: char| {
            reader.span(value.filter(|value| value.json().starts_with(open))?)
        };
        let event_count = self.answers.and_then(Value::element_count).unwrap_or_default();
        Some(Outcome {
            scores,
            execution_time: self.run.as_ref().and_then(|run| run.date.clone()),
            event_count,
            trajectory: span(self.arguments, '{'),
            detailed_trajectory: span(self.answers, '['),
            ..Outcome::new(scenario?, OutcomeStatus::Success)
        })
    }

    fn scenario(&self, reader: &mut Reader<'a>, tasks: &[&Task]) -> Option<Scenario> {
        let number = self.number(reader)?;
        let task_prompt = self.prompt(reader);
        let id = match tasks {
            [task] => format!("{}/{number}", task.name),
            others => self.derived_id(reader, others, &number, task_prompt.as_deref())?,
        };
        let definition = self.document.filter(|document| document.is_object());
        Some(Scenario {
            id: bounded_id(id),
            name: None,
            task_prompt,
            definition: definition.and_then(|document| reader.span(document)),
        })
    }

    /// Returns the number of the document in its dataset.
    fn number(&self, reader: &mut Reader<'a>) -> Option<Cow<'a, str>> {
        let Some(id) = self.id else {
            let message = "the line has no doc_id".to_owned();
            reader.violation(DOC_ID.pointer(), codes::MISSING_SCENARIO, message);
            return None;
        };
        if id.is_number() {
            return Some(Cow::Borrowed(id.json()));
        }
        let text = reader.decoded(id, DOC_ID).filter(|text| !text.is_empty());
        if text.is_none() {
            reader.wrong_type(DOC_ID, id, "a number or a text that is not empty");
        }
        text
    }

    /// Returns the tasks that the line can belong to.
    fn tasks(&self) -> Vec<&Task> {
        let Some(run) = &self.run else { return Vec::new() };
        let metrics: Vec<&str> = self.metrics.iter().map(|(name, _)| name.as_str()).collect();
        let number = self.id.and_then(Value::number);
        let members = self.document.and_then(Value::members).map(|members| {
            members.into_iter().map(|(name, _)| name.text.into_owned()).collect::<BTreeSet<_>>()
        });
        let may_have =
            |task: &&Task| task.may_have(&metrics, &self.filter, number, members.as_ref());
        run.tasks.iter().filter(may_have).collect()
    }

    /// Derives an id for a line whose task is unknown.
    fn derived_id(
        &self,
        reader: &mut Reader<'a>,
        tasks: &[&Task],
        number: &str,
        prompt: Option<&str>,
    ) -> Option<String> {
        if self.run.is_none() {
            let message = "the line came without the run's results, so its task is not known";
            reader.warning(String::new(), codes::HEADER_MISSING, message.to_owned());
        }
        let hash = self.hash.and_then(Value::decode).map(|hash| hash.text);
        let digits = hash.as_deref().and_then(|hash| hash.get(..HASH_DIGITS));
        let Some(digits) =
            digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
        else {
            return make_id(reader, &DOC_ID.pointer(), 0, Some(number), prompt);
        };
        let id = format!("doc-{digits}/{number}");
        let why = match tasks {
            [] => "the results name no task that the line can belong to".to_owned(),
            [first, second, ..] => format!(
                "the results name several tasks that the line can belong to, such as {} and {}",
                first.name, second.name
            ),
            [_] => return Some(id),
        };
        reader.warning(
            DOC_ID.pointer(),
            codes::SCENARIO_ID_MADE,
            format!("{why}; the id {id} was made from doc_hash and doc_id"),
        );
        Some(id)
    }

    /// Returns the text of the first request.
    fn prompt(&self, reader: &mut Reader<'a>) -> Option<String> {
        let arguments = self.arguments?;
        let text = match arguments.member("gen_args_0") {
            Some(request) => request.member("arg_0")?,
            None => *arguments.elements()?.first()?.elements()?.first()?,
        };
        let place = Place { object: "/arguments/gen_args_0", member: "arg_0" };
        reader.decoded(text, place).map(Cow::into_owned)
    }

    /// Reads the metrics, which are unchanged. Pairs and lists, from which the tool computes figures such
    /// as a perplexity, are not numbers, and are left out.
    fn read_scores(&self, reader: &mut Reader<'a>, tasks: &[&Task], scores: &mut Vec<Score>) {
        let mut seen = BTreeSet::new();
        for (metric, value) in &self.metrics {
            let place = Place { object: "", member: metric };
            if !seen.insert(metric) {
                let message = format!("the metric {metric:?} occurs in the line more than once");
                reader.violation(place.pointer(), codes::DUPLICATE_KEY, message);
                continue;
            }
            let name = score_name(metric, &self.filter);
            if name.is_empty() || scores.iter().any(|score| score.name == name) {
                continue;
            }
            let score = match value.json() {
                "null" => Score::new(name, None),
                "true" => Score::new(name, Some(1.0)).of(1.0),
                "false" => Score::new(name, Some(0.0)).of(1.0),
                _ if value.is_number() => {
                    let number = reader.decoration(|reader| reader.number(Some(*value), place));
                    Score::new(name, number.map(|number| number + 0.0))
                }
                _ if value.is_string() => {
                    let label = reader.decoration(|reader| reader.text(Some(*value), place));
                    reader.warning(
                        place.pointer(),
                        codes::LABEL_UNKNOWN,
                        format!("the metric {metric} is a text, which has no number"),
                    );
                    Score { label, ..Score::new(name, None) }
                }
                _ => continue,
            };
            let in_range = |number: f64| (0.0..=1.0).contains(&number);
            let is_fraction = tasks.iter().any(|task| task.is_fraction(metric));
            scores.push(match score.value {
                Some(number) if is_fraction && in_range(number) => score.of(1.0),
                _ => score,
            });
        }
    }
}

/// Returns the name of a score: that of the tool's figure, without the filter if that is none.
pub(crate) fn score_name(metric: &str, filter: &str) -> String {
    if is_filter(filter) { format!("{metric},{filter}") } else { metric.to_owned() }
}

/// Returns the metrics of a line: those that it names, or else every member that can be one.
fn metrics_of<'a>(root: Value<'a>, named: Option<Value<'a>>) -> Vec<(String, Value<'a>)> {
    let members = root.members().unwrap_or_default();
    let named = named.and_then(Value::elements).map(|names| {
        let names = names.into_iter().filter_map(Value::decode);
        let mut places = BTreeMap::new();
        for (place, name) in names.enumerate() {
            places.entry(name.text.into_owned()).or_insert(place);
        }
        places
    });
    let is_metric = |name: &str, value: Value| match &named {
        Some(named) => named.contains_key(name),
        None => {
            !NAMES.contains(&name)
                && !OTHERS.contains(&name)
                && (value.is_number() || matches!(value.json(), "true" | "false"))
        }
    };
    let mut found: Vec<(String, Value)> = members
        .into_iter()
        .filter(|(name, value)| is_metric(&name.text, *value))
        .map(|(name, value)| (name.text.into_owned(), value))
        .collect();
    if let Some(named) = &named {
        found.sort_by_key(|(name, _)| named.get(name));
    }
    found
}
