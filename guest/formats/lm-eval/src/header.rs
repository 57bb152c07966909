//! The tasks in the results of a run.

use std::collections::BTreeSet;
use std::rc::Rc;

use arc_format_kit::finite::with_null_for_nan;
use arc_format_kit::json::{Reader, Value};
use arc_format_kit::memo::Memo;
use arc_format_kit::time::of_unix_nanoseconds;

/// The relevant data of a run's results.
#[derive(Debug, Default)]
pub(crate) struct Run {
    /// Its tasks, without groups.
    pub(crate) tasks: Vec<Task>,
    /// The start of the run.
    pub(crate) date: Option<String>,
}

/// The relevant data of one task.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) name: String,
    /// The names of its figures, `METRIC,FILTER`; `METRIC` in old results.
    figures: BTreeSet<String>,
    /// The number of its documents.
    documents: Option<f64>,
    /// Members that every document must have.
    fields: BTreeSet<String>,
    /// The names of its scores, in the order of its figures.
    pub(crate) listed: Vec<String>,
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
        let names = ["configs", "results", "n-samples", "date"];
        let [configs, results, samples, date] = reader.root(root, names)?;
        let tasks = configs.or(results).and_then(Value::members).unwrap_or_default();
        let tasks = tasks.into_iter().map(|(name, config)| {
            let figures = results.and_then(|results| results.member(&name.text));
            let counts = samples.and_then(|samples| samples.member(&name.text));
            Task {
                figures: names_of(figures, |_| true),
                documents: counts.and_then(|counts| counts.member("original")?.number()),
                fields: config
                    .member("doc_to_text")
                    .and_then(Value::decode)
                    .map(|template| fields_of(&template.text))
                    .unwrap_or_default(),
                listed: listed(figures),
                name: name.text.into_owned(),
            }
        });
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a cast saturates, and then it is no time"
        )]
        let date = date.and_then(Value::number).map(|seconds| (seconds * 1e9).round() as i128);
        Some(Run { tasks: tasks.collect(), date: date.and_then(of_unix_nanoseconds) })
    }
}

impl Task {
    /// Whether a line with these metrics, filter, document number and document members can belong
    /// to this task. Nothing is known about a document that is not an object.
    pub(crate) fn may_have(
        &self,
        metrics: &[&str],
        filter: &str,
        number: Option<f64>,
        members: Option<&BTreeSet<String>>,
    ) -> bool {
        let has_figure = |metric: &&str| {
            self.figures.contains(*metric) || self.figures.contains(&format!("{metric},{filter}"))
        };
        let has_field = |field: &String| members.is_none_or(|members| members.contains(field));
        (self.figures.is_empty() || metrics.iter().all(has_figure))
            && self.documents.zip(number).is_none_or(|(count, number)| number < count)
            && self.fields.iter().all(has_field)
    }

    /// Whether a metric is a fraction by its definition in the tool.
    pub(crate) fn is_fraction(&self, metric: &str) -> bool {
        let listed =
            |name: &String| name.split_once(',').map_or(name.as_str(), |(it, _)| it) == metric;
        FRACTIONS.contains(&metric) && self.listed.iter().any(listed)
    }
}

/// The tool's own metrics that are a fraction of the documents, or 0 or 1 for each.
const FRACTIONS: [&str; 5] = ["acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match"];

/// Returns the names of the scores, in the order of a task's figures: `METRIC,FILTER`.
fn listed(figures: Option<Value>) -> Vec<String> {
    let figures = figures.and_then(Value::members).unwrap_or_default();
    let name = |(name, _): (arc_format_kit::json::Text, Value)| {
        let (metric, filter) = name.text.split_once(',')?;
        (!metric.ends_with("_stderr")).then(|| crate::line::score_name(metric, filter))
    };
    figures.into_iter().filter_map(name).collect()
}

/// Returns the names of the members whose values satisfy a predicate.
pub(crate) fn names_of(object: Option<Value>, wanted: impl Fn(Value) -> bool) -> BTreeSet<String> {
    let members = object.and_then(Value::members).unwrap_or_default();
    let wanted = members.into_iter().filter(|(_, value)| wanted(*value));
    wanted.map(|(name, _)| name.text.into_owned()).collect()
}

/// Returns the members of a document that a template inserts directly: `{{question}}`. A template
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
        assert_eq!(first.tasks[0].figures, BTreeSet::from(["x,none".to_owned()]));
        assert_eq!(first.date.as_deref(), Some("1970-01-01T00:00:00.000000Z"));
        let other = Run::read(r#"{"results": {"b": {}}, "date": 1e300}"#);
        assert_eq!((other.tasks[0].name.as_str(), &other.date), ("b", &None));
        for nothing in ["", "[]", "{", "{}", r#"{"configs": [1]}"#] {
            assert!(Run::read(nothing).tasks.is_empty(), "{nothing}");
        }
    }
}
