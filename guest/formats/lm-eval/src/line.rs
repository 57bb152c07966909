//! Extraction of one line.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::scenario::{bounded_id, make_id};
use arc_format_kit::score::within_scale;
use arc_format_kit::{
    DimensionScore, Outcome, OutcomeStatus, PlannedScenario, Scenario, Violation, codes,
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
    let (mut reader, line) = Line::read(header, item)?;
    let answer = line.and_then(|line| line.outcome(&mut reader));
    reader.finish_outcome(answer)
}

/// See [`arc_format_kit::Format::scenario`].
pub(crate) fn planned(header: Option<&str>, item: &str) -> Result<PlannedScenario, Vec<Violation>> {
    let (mut reader, line) = Line::read(header, item)?;
    let answer = line.and_then(|line| {
        Some(PlannedScenario { scenario: line.scenario(&mut reader, &line.tasks())?, trial: None })
    });
    reader.finish(answer)
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
    fn read(
        header: Option<&str>,
        item: &'a str,
    ) -> Result<(Reader<'a>, Option<Line<'a>>), Vec<Violation>> {
        let (mut reader, root) = Reader::new(item)?;
        let members = reader.root(root, NAMES);
        let line = members.map(|[id, document, arguments, answers, filter, metrics, hash, _]| {
            let place = Place { object: "", member: "filter" };
            let filter = filter.and_then(|filter| reader.decoded(filter, place));
            Line {
                run: header.map(Run::read),
                id,
                document,
                arguments,
                answers,
                hash,
                filter: filter.unwrap_or(Cow::Borrowed("none")),
                metrics: metrics_of(root, metrics),
            }
        });
        Ok((reader, line))
    }

    fn outcome(&self, reader: &mut Reader<'a>) -> Option<Outcome> {
        let tasks = self.tasks();
        let scenario = self.scenario(reader, &tasks);
        let (reliability_score, dimension_scores) = self.scores(reader, &tasks);
        let span = |value: Option<Value<'a>>, open: char| {
            reader.span(value.filter(|value| value.json().starts_with(open))?)
        };
        let event_count = self.answers.and_then(Value::element_count).unwrap_or_default();
        Some(Outcome {
            reliability_score,
            dimension_scores,
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
        let id = if self.is_filtered() { format!("{id}/{}", self.filter) } else { id };
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

    fn is_filtered(&self) -> bool {
        !self.filter.is_empty() && self.filter != "none"
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

    /// Reads the overall score, and the metrics that are a score.
    fn scores(
        &self,
        reader: &mut Reader<'a>,
        tasks: &[&Task],
    ) -> (Option<f64>, Vec<DimensionScore>) {
        let mut overall = None;
        let mut dimensions = Vec::with_capacity(self.metrics.len());
        let mut seen = BTreeSet::new();
        for (metric, value) in &self.metrics {
            let place = Place { object: "", member: metric };
            if !seen.insert(metric) {
                let message = format!("the metric {metric:?} occurs in the line more than once");
                reader.violation(place.pointer(), codes::DUPLICATE_KEY, message);
                continue;
            }
            let score = match value.json() {
                "null" => None,
                "true" => Some(1.0),
                "false" => Some(0.0),
                _ => within_scale(reader, Some(*value), place),
            };
            let Some(score) = score else { continue };
            if overall.is_none() && !tasks.iter().any(|task| task.falls(metric)) {
                overall = Some(score);
            }
            let name = if self.is_filtered() {
                format!("{metric},{}", self.filter)
            } else {
                metric.clone()
            };
            dimensions.push(DimensionScore { name, score });
        }
        if overall.is_none() {
            let message = "no metric is a score from 0 to 1 that is better when higher; averages \
                leave the line out";
            reader.warning("/metrics".to_owned(), codes::SCORE_MISSING, message.to_owned());
        }
        (overall, dimensions)
    }
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
