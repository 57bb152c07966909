//! The tasks in the results of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use arc_format_kit::Origin;
use arc_format_kit::finite::with_null_for_nan;
use arc_format_kit::json::{Reader, Text, Value};
use arc_format_kit::memo::Memo;
use arc_format_kit::time::of_unix_nanoseconds;

use crate::layout::task_and_date;
use crate::origin;

/// The name of no metric: `--predict_only` replaces all metrics by it, with the
/// constant 999 as its figure.
pub(crate) const NO_METRIC: &str = "bypass";

/// Members of a task's results that are not figures.
const NO_FIGURES: [&str; 3] = ["name", "alias", "sample_len"];

/// The relevant data of a header.
#[derive(Debug, Default)]
pub(crate) struct Run {
    /// The task in the name of the file of samples, in which the tool replaces some characters.
    file_task: Option<String>,
    /// Its tasks, without groups; only that of the file, if its name has one.
    pub(crate) tasks: Vec<Task>,
    /// The start of the run.
    pub(crate) date: Option<String>,
    /// Who ran what: of the only task, if there is one.
    pub(crate) origin: Origin,
}

/// The relevant data of one task.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) name: String,
    /// The task, its version and its data set.
    pub(crate) origin: Origin,
    /// The names of its figures, `METRIC,FILTER`; `METRIC` in old results.
    names: BTreeSet<String>,
    /// The name of the first score.
    headline: Option<String>,
    /// The number of rows in its dataset.
    rows: Option<f64>,
    /// Members that every row must have.
    fields: BTreeSet<String>,
}

thread_local! {
    static HEADER: Memo<Run> = const { Memo::new() };
}

impl Run {
    /// Reads a header. A header that is not a results file has no tasks.
    pub(crate) fn read(header: &str) -> Rc<Run> {
        HEADER.with(|memo| {
            memo.get(header, |text| Run::parse(&with_null_for_nan(text)).unwrap_or_default())
        })
    }

    fn parse(header: &str) -> Option<Run> {
        let (mut reader, root) = Reader::new(header).ok()?;
        let (file_task, root) = parts(root);
        let names = ["configs", "results", "n-samples", "date", "versions"];
        let Some([configs, results, samples, date, versions]) = reader.root(root, names) else {
            return Some(Run { file_task, ..Run::default() });
        };
        let tasks = configs.or(results).and_then(Value::members).unwrap_or_default();
        let of_file = |(name, _): &(Text, Value)| is_of_file(file_task.as_deref(), &name.text);
        let tasks = tasks.into_iter().filter(of_file).map(|(name, config)| {
            let figures = results.and_then(|results| results.member(&name.text));
            let counts = samples.and_then(|samples| samples.member(&name.text));
            let version = versions.and_then(|versions| versions.member(&name.text));
            Task {
                origin: origin::of_task(&name.text, config, version),
                names: names_of(figures),
                headline: figures_of(figures).into_iter().next().map(|figure| figure.score),
                rows: counts.and_then(|counts| counts.member("original")?.number()),
                fields: config
                    .member("doc_to_text")
                    .and_then(Value::decode)
                    .map(|template| fields_of(&template.text))
                    .unwrap_or_default(),
                name: name.text.into_owned(),
            }
        });
        let tasks: Vec<Task> = tasks.collect();
        let run = origin::of_run(root);
        let origin = match tasks.as_slice() {
            [only] => Origin {
                models: run.models,
                provider: run.provider,
                tool: run.tool,
                tool_version: run.tool_version,
                ..only.origin.clone()
            },
            _ => run,
        };
        Some(Run { file_task, tasks, date: date.and_then(start), origin })
    }

    /// Returns the task in the name of the file of samples, with the spelling of the results if the task
    /// is among them.
    pub(crate) fn file_task(&self) -> Option<&str> {
        let written = self.file_task.as_deref()?;
        Some(self.tasks.first().map_or(written, |task| &task.name))
    }
}

/// Whether a task can be the one in the name of a file; without one, any can.
pub(crate) fn is_of_file(file_task: Option<&str>, task: &str) -> bool {
    file_task.is_none_or(|own| in_file_name(task) == in_file_name(own))
}

/// Returns a header's two parts: the task in the name of the file of samples, and the results. A header
/// that a caller passes can be only the results.
pub(crate) fn parts(header: Value) -> (Option<String>, Value) {
    match header.elements().as_deref() {
        Some([name, results]) => {
            let task = name
                .decode()
                .and_then(|name| task_and_date(&name.text).map(|(task, _)| task.to_owned()));
            (task, *results)
        }
        _ => (None, header),
    }
}

/// Returns a task's name as the tool writes it in the name of a file.
fn in_file_name(task: &str) -> String {
    let is_kept = |one: char| one.is_alphanumeric() || one == '_';
    task.chars().map(|one| if is_kept(one) { one } else { '_' }).collect()
}

/// Returns the start of a run, of which the tool writes the seconds since 1970.
pub(crate) fn start(date: Value) -> Option<String> {
    #[expect(clippy::cast_possible_truncation, reason = "a cast saturates, and then it is no time")]
    let nanoseconds = date.number().map(|seconds| (seconds * 1e9).round() as i128);
    nanoseconds.and_then(of_unix_nanoseconds)
}

impl Task {
    /// Whether the task has a figure of this metric and filter, as far as its figures are known.
    pub(crate) fn may_score(&self, metric: &str, filter: &str) -> bool {
        self.names.is_empty()
            || self.names.contains(metric)
            || self.names.contains(&format!("{metric},{filter}"))
    }

    /// Whether a row with this number and these members can belong to the task. Nothing is known
    /// about a row that is not an object.
    pub(crate) fn may_have(&self, number: Option<f64>, members: Option<&BTreeSet<String>>) -> bool {
        let has_field = |field: &String| members.is_none_or(|members| members.contains(field));
        self.rows.zip(number).is_none_or(|(count, number)| number < count)
            && self.fields.iter().all(has_field)
    }

    /// Returns the name of the score that the results list first.
    pub(crate) fn headline(&self) -> Option<String> {
        self.headline.clone()
    }
}

/// Whether a filter is the tool's own, which only takes the first answer.
pub(crate) fn is_plain(filter: &str) -> bool {
    filter.is_empty() || filter == "none"
}

/// Returns the name of a score: the metric and its filter, if the task has one.
pub(crate) fn score_name(metric: &str, filter: &str) -> String {
    if is_plain(filter) { metric.to_owned() } else { format!("{metric},{filter}") }
}

/// A figure in the results of a task.
pub(crate) struct Figure<'a> {
    /// Its name in the results.
    pub(crate) key: String,
    pub(crate) metric: String,
    /// The name of the score that it aggregates.
    pub(crate) score: String,
    /// `null` if it is not finite.
    pub(crate) value: Value<'a>,
    pub(crate) error: Option<Value<'a>>,
}

/// Returns the figures of a task, in the tool's order: those of the first filter first.
pub(crate) fn figures_of<'a>(results: Option<Value<'a>>) -> Vec<Figure<'a>> {
    let members = results.and_then(Value::members).unwrap_or_default();
    let by_name: BTreeMap<&str, Value> =
        members.iter().map(|(name, value)| (name.text.as_ref(), *value)).collect();
    let of = |(name, value): &(Text<'a>, Value<'a>)| {
        let key = name.text.as_ref();
        let (metric, filter) = key.split_once(',').unwrap_or((key, ""));
        let is_value = value.is_number() || value.json() == "null";
        let is_figure = is_value
            && !metric.is_empty()
            && !NO_FIGURES.contains(&key)
            && metric != NO_METRIC
            && !metric.ends_with("_stderr");
        is_figure.then(|| {
            let comma = if key.contains(',') { "," } else { "" };
            let error = format!("{metric}_stderr{comma}{filter}");
            Figure {
                key: key.to_owned(),
                metric: metric.to_owned(),
                score: score_name(metric, filter),
                value: *value,
                error: by_name.get(error.as_str()).copied(),
            }
        })
    };
    members.iter().filter_map(of).collect()
}

/// Returns the names of the members.
fn names_of(object: Option<Value>) -> BTreeSet<String> {
    let members = object.and_then(Value::members).unwrap_or_default();
    members.into_iter().map(|(name, _)| name.text.into_owned()).collect()
}
/// Returns the members of a row that a template inserts directly: `{{question}}`. A template
/// with statements can define names itself, so it is not evaluated.
fn fields_of(template: &str) -> BTreeSet<String> {
    if template.contains("{%") {
        return BTreeSet::new();
    }
    let taken = template.split("{{").skip(1).filter_map(|part| part.split_once("}}"));
    let names = taken.map(|(expression, _)| expression.trim());
    let is_name = |text: &&str| {
        text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    names.filter(is_name).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_taken_from_a_template() {
        assert_eq!(
            fields_of("Q: {{question}}\n{{ a_1 }} {{x.y}} {{x|trim}} {{1}}"),
            BTreeSet::from(["a_1", "question"].map(str::to_owned))
        );
        for none in ["", "question", "{{", "{{a", "{% set a = 1 %}{{a}}", "{{}}"] {
            assert_eq!(fields_of(none), BTreeSet::new(), "{none}");
        }
    }

    #[test]
    fn a_header_is_read_once_and_another_one_again() {
        let first =
            Run::read(r#"{"configs": {"a": {}}, "results": {"a": {"x,none": NaN}}, "date": 0}"#);
        let again =
            Run::read(r#"{"configs": {"a": {}}, "results": {"a": {"x,none": NaN}}, "date": 0}"#);
        assert!(Rc::ptr_eq(&first, &again));
        assert_eq!(first.tasks[0].names, BTreeSet::from(["x,none".to_owned()]));
        assert_eq!(first.date.as_deref(), Some("1970-01-01T00:00:00.000000Z"));
        let other = Run::read(r#"{"results": {"b": {}}, "date": 1e300}"#);
        assert_eq!((other.tasks[0].name.as_str(), &other.date), ("b", &None));
        for nothing in ["", "[]", "{", "{}", r#"{"configs": [1]}"#] {
            assert!(Run::read(nothing).tasks.is_empty(), "{nothing}");
        }
    }
}
