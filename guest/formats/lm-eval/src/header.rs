//! What the results of a run say of its tasks.

use std::cell::RefCell;
use std::rc::Rc;

use arc_format_kit::json::{Reader, Value, with_null_for_nan};
use arc_format_kit::time::of_unix_nanoseconds;

/// What a run's results say.
#[derive(Debug, Default)]
pub(crate) struct Run {
    /// Its tasks; without groups of them.
    pub(crate) tasks: Vec<Task>,
    /// When it began.
    pub(crate) date: Option<String>,
}

/// What a run's results say of one task.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) name: String,
    /// The names of its figures, `METRIC,FILTER`; `METRIC` in old results.
    figures: Vec<String>,
    /// How many documents it has.
    documents: Option<f64>,
    /// Members that every document must have.
    fields: Vec<String>,
    /// Metrics that are better when lower.
    falling: Vec<String>,
}

thread_local! {
    /// The last header and what it says: it comes with every line again, and may be large.
    static LAST: RefCell<Option<(String, Rc<Run>)>> = const { RefCell::new(None) };
}

impl Run {
    /// Reads a header. One that is no results file has no tasks.
    pub(crate) fn read(header: &str) -> Rc<Run> {
        let known = LAST.with_borrow(|last| match last {
            Some((text, run)) if text == header => Some(Rc::clone(run)),
            _ => None,
        });
        known.unwrap_or_else(|| {
            let run = Rc::new(Run::parse(&with_null_for_nan(header)).unwrap_or_default());
            LAST.set(Some((header.to_owned(), Rc::clone(&run))));
            run
        })
    }

    fn parse(header: &str) -> Option<Run> {
        let (mut reader, root) = Reader::new(header).ok()?;
        let names = ["configs", "results", "n-samples", "higher_is_better", "date"];
        let [configs, results, samples, rising, date] = reader.root(root, names)?;
        let tasks = configs.or(results).and_then(Value::members).unwrap_or_default();
        let tasks = tasks.into_iter().map(|(name, config)| {
            let figures = results.and_then(|results| results.member(&name.text));
            let counts = samples.and_then(|samples| samples.member(&name.text));
            let rising = rising.and_then(|rising| rising.member(&name.text));
            Task {
                figures: names_of(figures, |_| true),
                documents: counts.and_then(|counts| counts.member("original")?.number()),
                fields: config
                    .member("doc_to_text")
                    .and_then(Value::decode)
                    .map(|template| fields_of(&template.text))
                    .unwrap_or_default(),
                falling: names_of(rising, |value| value.json() == "false"),
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
    /// Whether a line with these metrics, filter, document and number of it may be of this task.
    pub(crate) fn may_have(
        &self,
        metrics: &[String],
        filter: &str,
        number: Option<f64>,
        document: Option<Value>,
    ) -> bool {
        let has_figure = |metric: &String| {
            self.figures.iter().any(|figure| match figure.strip_prefix(metric.as_str()) {
                Some(rest) => rest.is_empty() || rest.strip_prefix(',') == Some(filter),
                None => false,
            })
        };
        let has_field = |field: &String| {
            document
                .is_none_or(|document| !document.is_object() || document.member(field).is_some())
        };
        (self.figures.is_empty() || metrics.iter().all(has_figure))
            && self.documents.zip(number).is_none_or(|(count, number)| number < count)
            && self.fields.iter().all(has_field)
    }

    /// Whether a metric is better when lower.
    pub(crate) fn falls(&self, metric: &str) -> bool {
        self.falling.iter().any(|falling| falling == metric)
    }
}

/// The names of the members that are as wanted.
fn names_of(object: Option<Value>, wanted: impl Fn(Value) -> bool) -> Vec<String> {
    let members = object.and_then(Value::members).unwrap_or_default();
    let wanted = members.into_iter().filter(|(_, value)| wanted(*value));
    wanted.map(|(name, _)| name.text.into_owned()).collect()
}

/// The members of a document that a template takes as they are: `{{question}}`. A template with
/// statements may define names itself, so it tells nothing.
fn fields_of(template: &str) -> Vec<String> {
    if template.contains("{%") {
        return Vec::new();
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
            ["question", "a_1"]
        );
        for none in ["", "question", "{{", "{{a", "{% set a = 1 %}{{a}}", "{{}}"] {
            assert_eq!(fields_of(none), Vec::<String>::new(), "{none}");
        }
    }

    #[test]
    fn a_header_is_read_once_and_another_one_again() {
        let first =
            Run::read(r#"{"configs": {"a": {}}, "results": {"a": {"x,none": NaN}}, "date": 0}"#);
        let again =
            Run::read(r#"{"configs": {"a": {}}, "results": {"a": {"x,none": NaN}}, "date": 0}"#);
        assert!(Rc::ptr_eq(&first, &again));
        assert_eq!(first.tasks[0].figures, ["x,none"]);
        assert_eq!(first.date.as_deref(), Some("1970-01-01T00:00:00.000000Z"));
        let other = Run::read(r#"{"results": {"b": {}}, "date": 1e300}"#);
        assert_eq!((other.tasks[0].name.as_str(), &other.date), ("b", &None));
        for nothing in ["", "[]", "{", "{}", r#"{"configs": [1]}"#] {
            assert!(Run::read(nothing).tasks.is_empty(), "{nothing}");
        }
    }
}
