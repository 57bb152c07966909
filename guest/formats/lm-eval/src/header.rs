//! The results of a run, which are the header of its files of samples.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use arc_format_kit::finite::with_null_for_nan;
use arc_format_kit::json::{Reader, Value};
use arc_format_kit::memo::Memo;
use arc_format_kit::time::of_unix_nanoseconds;

use crate::aggregation::Aggregations;

/// Members of a task's results that are not figures.
const NO_FIGURES: [&str; 4] = ["name", "alias", "sample_len", "sample_count"];

/// The relevant data of a run's results.
#[derive(Debug, Default)]
pub(crate) struct Run {
    /// Its tasks, without groups.
    pub(crate) tasks: Vec<Task>,
    /// The start of the run.
    pub(crate) date: Option<String>,
    /// The limit of documents per task: a number, or a share below 1.
    pub(crate) limit: Option<f64>,
}

/// The relevant data of one task.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) name: String,
    /// Its figures, in the tool's order.
    pub(crate) figures: Vec<Figure>,
    /// How they are computed.
    pub(crate) aggregations: Aggregations,
    /// The names of the figures.
    names: BTreeSet<String>,
    /// The filters, in the order in which the tool writes their lines.
    filters: Vec<String>,
    /// The number of documents of its dataset.
    documents: Option<f64>,
    /// The largest number of documents with a value for one metric. Older versions do not have it.
    effective: Option<f64>,
    /// Members that every document must have.
    fields: BTreeSet<String>,
    /// Whether a metric is better when higher.
    higher_is_better: BTreeMap<String, bool>,
}

/// A figure of a task.
#[derive(Debug)]
pub(crate) struct Figure {
    /// `METRIC,FILTER`; `METRIC` in old results.
    pub(crate) name: String,
    pub(crate) metric: String,
    pub(crate) value: Option<f64>,
    pub(crate) standard_error: Option<f64>,
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
        let names = ["configs", "results", "n-samples", "higher_is_better", "date", "config"];
        let [configs, results, samples, directions, date, config] = reader.root(root, names)?;
        let tasks = configs.or(results).and_then(Value::members).unwrap_or_default();
        let tasks = tasks.into_iter().map(|(name, config)| {
            let [results, samples, directions] = [results, samples, directions]
                .map(|object| object.and_then(|object| object.member(&name.text)));
            let figures = figures_of(results);
            Task {
                names: figures.iter().map(|figure| figure.name.clone()).collect(),
                filters: filters_of(&figures),
                figures,
                aggregations: Aggregations::read(config),
                documents: samples.and_then(|counts| counts.member("original")?.number()),
                effective: results.and_then(|results| results.member("sample_len")?.number()),
                fields: config
                    .member("doc_to_text")
                    .and_then(Value::decode)
                    .map(|template| fields_of(&template.text))
                    .unwrap_or_default(),
                higher_is_better: directions_of(directions),
                name: name.text.into_owned(),
            }
        });
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a cast saturates, and then it is no time"
        )]
        // A 64-bit float has some 0.2 microseconds here.
        let date = date
            .and_then(Value::number)
            .map(|seconds| ((seconds * 1e6).round() as i128).saturating_mul(1_000));
        Some(Run {
            tasks: tasks.collect(),
            date: date.and_then(of_unix_nanoseconds),
            limit: config.and_then(|config| config.member("limit")?.number()),
        })
    }
}

impl Task {
    /// Returns the name of the figure of a metric and a filter; `None` if there is none. If the
    /// filter is not known, it is that of the line with this position among the lines of its
    /// document.
    pub(crate) fn figure_name(
        &self,
        metric: &str,
        filter: Option<&str>,
        position: usize,
    ) -> Option<String> {
        let filter = filter.or_else(|| self.filters.get(position).map(String::as_str));
        let full = filter.map(|filter| format!("{metric},{filter}"));
        let full = full.filter(|full| self.names.contains(full));
        full.or_else(|| self.names.get(metric).cloned())
    }

    /// Whether a document with this number and these members can belong to this task. Nothing is
    /// known about a document that is not an object.
    pub(crate) fn may_have(&self, number: Option<f64>, members: Option<&BTreeSet<String>>) -> bool {
        let has_field = |field: &String| members.is_none_or(|members| members.contains(field));
        self.documents.zip(number).is_none_or(|(count, number)| number < count)
            && self.fields.iter().all(has_field)
    }

    /// Whether a metric is better when higher, if the header says so.
    pub(crate) fn higher_is_better(&self, metric: &str) -> Option<bool> {
        self.higher_is_better.get(metric).copied()
    }

    /// Returns the number of documents that were evaluated, if the header has it. `sample_len` is
    /// only the least that it can be: a document without a value for a metric is not counted. It is
    /// exact if it is also the most.
    pub(crate) fn evaluated(&self, limit: Option<f64>) -> Option<f64> {
        let (documents, effective) = self.documents.zip(self.effective)?;
        let most = match limit {
            None => documents,
            Some(share) if share < 1.0 => (documents * share).ceil(),
            Some(limit) => limit.trunc(),
        };
        (most.min(documents) == effective && effective >= 0.0 && effective.fract() == 0.0)
            .then_some(effective + 0.0)
    }
}

/// Reads the figures of a task. Standard errors are not figures of their own.
fn figures_of(results: Option<Value>) -> Vec<Figure> {
    let members = results.and_then(Value::members).unwrap_or_default();
    let values: BTreeMap<&str, Value> =
        members.iter().map(|(name, value)| (&*name.text, *value)).collect();
    // Old results have no filters.
    let has_filters = values.keys().any(|name| name.contains(','));
    let mut known = BTreeSet::new();
    let figure = |name: &str| {
        let (metric, rest) = match name.find(',') {
            Some(place) => name.split_at_checked(place)?,
            None => (name, ""),
        };
        let base = metric.strip_suffix("_stderr").map(|metric| format!("{metric}{rest}"));
        let is_error = base.is_some_and(|base| values.contains_key(&*base));
        if is_error || metric.is_empty() || !known.insert(name.to_owned()) {
            return None;
        }
        let number = |name: &str| values.get(name).and_then(|it| finite(*it));
        Some(Figure {
            metric: metric.to_owned(),
            // The figure of `--predict_only`, which is always 999, is none.
            value: number(name).filter(|_| metric != "bypass"),
            standard_error: number(&format!("{metric}_stderr{rest}")),
            name: name.to_owned(),
        })
    };
    members
        .iter()
        .filter(|(name, value)| {
            if has_filters {
                name.text.contains(',')
            } else {
                !NO_FIGURES.contains(&&*name.text) && (value.is_number() || value.json() == "null")
            }
        })
        .map(|(name, _)| &*name.text)
        .filter_map(figure)
        .collect()
}

/// Returns the filters of figures, in their order.
fn filters_of(figures: &[Figure]) -> Vec<String> {
    let mut filters: Vec<String> = Vec::new();
    for figure in figures {
        if let Some((_, filter)) = figure.name.split_once(',')
            && !filters.iter().any(|known| known == filter)
        {
            filters.push(filter.to_owned());
        }
    }
    filters
}

/// Reads whether metrics are better when higher; those for which that is unknown are left out.
fn directions_of(object: Option<Value>) -> BTreeMap<String, bool> {
    let members = object.and_then(Value::members).unwrap_or_default();
    let known = members.into_iter().filter_map(|(name, value)| match value.json() {
        "true" => Some((name.text.into_owned(), true)),
        "false" => Some((name.text.into_owned(), false)),
        _ => None,
    });
    known.collect()
}

/// Reads a finite number.
pub(crate) fn finite(value: Value) -> Option<f64> {
    // Adding 0 turns -0 into 0.
    value.number().filter(|number| number.is_finite()).map(|number| number + 0.0)
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
        assert_eq!(first.tasks[0].names, BTreeSet::from(["x,none".to_owned()]));
        assert_eq!(first.tasks[0].figures[0].value, None);
        assert_eq!(first.date.as_deref(), Some("1970-01-01T00:00:00.000000Z"));
        let other = Run::read(r#"{"results": {"b": {}}, "date": 1e300}"#);
        assert_eq!((other.tasks[0].name.as_str(), &other.date), ("b", &None));
        for nothing in ["", "[]", "{", "{}", r#"{"configs": [1]}"#] {
            assert!(Run::read(nothing).tasks.is_empty(), "{nothing}");
        }
    }

    #[test]
    fn figures_keep_the_order_of_the_tool_and_have_their_standard_errors() {
        let figures = |results: &str| -> Vec<(String, Option<f64>, Option<f64>)> {
            let run = Run::read(&format!(r#"{{"results": {{"t": {results}}}}}"#));
            let figures = run.tasks[0].figures.iter();
            figures.map(|it| (it.name.clone(), it.value, it.standard_error)).collect()
        };
        assert_eq!(
            figures(
                r#"{"name": "t", "sample_len": 4, "z,b": 12, "z_stderr,b": 0.5, "a,b": NaN,
                    "a_stderr,b": "N/A", "own_stderr,b": 3, "z,a": -0.0}"#
            ),
            [
                ("z,b".to_owned(), Some(12.0), Some(0.5)),
                ("a,b".to_owned(), None, None),
                ("own_stderr,b".to_owned(), Some(3.0), None),
                ("z,a".to_owned(), Some(0.0), None),
            ]
        );
        // Old results have no filters.
        assert_eq!(
            figures(r#"{"acc": 0.5, "acc_stderr": 0.1, "alias": "x", "f1": NaN}"#),
            [("acc".to_owned(), Some(0.5), Some(0.1)), ("f1".to_owned(), None, None)]
        );
    }

    #[test]
    fn the_number_of_documents_is_known_if_its_bounds_are_equal() {
        let evaluated = |original: u32, effective: u32, limit: Option<f64>| {
            let run = Run::read(&format!(
                r#"{{"results": {{"t": {{"sample_len": {effective}}}}}, "n-samples": {{"t": {{"original": {original}}}}}}}"#
            ));
            run.tasks[0].evaluated(limit)
        };
        assert_eq!(evaluated(10, 10, None), Some(10.0));
        assert_eq!(evaluated(10, 4, None), None);
        assert_eq!(evaluated(10, 4, Some(4.0)), Some(4.0));
        assert_eq!(evaluated(10, 10, Some(40.0)), Some(10.0));
        assert_eq!(evaluated(10, 3, Some(0.25)), Some(3.0));
        assert_eq!(evaluated(10, 2, Some(0.25)), None);
        // Version 0.4.9 does not count the documents that `--samples` chose.
        let old = r#"{"results": {"t": {}}, "n-samples": {"t": {"original": 5, "effective": 5}}}"#;
        assert_eq!(Run::read(old).tasks[0].evaluated(None), None);
    }
}
