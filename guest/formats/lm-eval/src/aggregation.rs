//! How the tool computes the figures of a task.

use arc_format_kit::Aggregation;
use arc_format_kit::json::Value;

/// The tool's metrics whose own aggregation is the mean.
const MEAN_METRICS: [&str; 7] =
    ["acc", "acc_norm", "acc_mutual_info", "acc_bytes", "acc_all", "exact_match", "likelihood"];

/// The aggregations of a task, from the `metric_list` of its configuration.
#[derive(Debug, Default)]
pub(crate) struct Aggregations {
    /// Each metric with its aggregation.
    listed: Vec<(String, Aggregation)>,
}

impl Aggregations {
    /// Reads a task's configuration.
    pub(crate) fn read(config: Value) -> Aggregations {
        let metrics = config.member("metric_list").and_then(Value::elements).unwrap_or_default();
        let listed = metrics.into_iter().filter_map(|metric| {
            let name = metric.member("metric").and_then(Value::decode)?;
            let name = function_name(&name.text).to_owned();
            let is_mean = match metric.member("aggregation") {
                // A function of the task is its source text.
                Some(kind) => matches!(kind.json(), r#""mean""# | r#""nanmean""#),
                None => MEAN_METRICS.contains(&&*name),
            };
            let kind = if is_mean { Aggregation::Mean } else { Aggregation::NotComparable };
            Some((name, kind))
        });
        Aggregations { listed: listed.collect() }
    }

    /// Returns how the figures of a metric are computed. A metric that is not in the list has the
    /// aggregation of the listed metric that returned it, or else the mean.
    pub(crate) fn of(&self, metric: &str) -> Aggregation {
        if let Some((_, known)) = self.listed.iter().find(|(name, _)| name == metric) {
            return *known;
        }
        let all_means = self.listed.iter().all(|(_, kind)| *kind == Aggregation::Mean);
        // Without a list the task's class can compute its figures in any way.
        if all_means && !self.listed.is_empty() {
            Aggregation::Mean
        } else {
            Aggregation::NotComparable
        }
    }
}

/// Returns the name of a metric: of a function of the task, which is its source text, that of the
/// function.
fn function_name(text: &str) -> &str {
    let definition = text
        .strip_prefix("def ")
        .or_else(|| Some(text.split_once("\ndef ")?.1).filter(|_| text.starts_with('@')));
    match definition.and_then(|definition| definition.split_once('(')) {
        Some((name, _)) => name.trim(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use arc_format_kit::json::Reader;

    use super::*;

    #[test]
    fn a_mean_is_one_only_if_the_header_says_so() {
        let of = |list: &str, metric: &str| {
            let config = format!(r#"{{"metric_list": {list}}}"#);
            let (_, config) = Reader::new(&config).unwrap();
            Aggregations::read(config).of(metric) == Aggregation::Mean
        };
        assert!(of(r#"[{"metric": "acc", "aggregation": "mean"}]"#, "acc"));
        assert!(of(r#"[{"metric": "acc", "aggregation": "nanmean"}]"#, "acc"));
        assert!(of(r#"[{"metric": "acc"}]"#, "acc"));
        assert!(!of(r#"[{"metric": "acc", "aggregation": "median"}]"#, "acc"));
        assert!(!of(r#"[{"metric": "acc", "aggregation": "def mean(x):\n return 3"}]"#, "acc"));
        assert!(!of(r#"[{"metric": "word_perplexity"}]"#, "word_perplexity"));
        assert!(!of(r#"[{"metric": "bypass"}]"#, "bypass"));
        // A metric returned by a function of another name.
        let function = r#"[{"metric": "def both(x):\n return {}", "aggregation": "mean"}]"#;
        assert!(of(function, "both") && of(function, "second"));
        let decorated = r#"[{"metric": "@cache\ndef both(x):\n pass", "aggregation": "mean"}]"#;
        assert!(of(decorated, "both"));
        let mixed =
            r#"[{"metric": "a", "aggregation": "mean"}, {"metric": "b", "aggregation": "f1"}]"#;
        assert!(of(mixed, "a") && !of(mixed, "b") && !of(mixed, "c"));
        for none in ["[]", "5", r#"[{"aggregation": "mean"}, 1]"#] {
            assert!(!of(none, "acc"), "{none}");
        }
    }
}
