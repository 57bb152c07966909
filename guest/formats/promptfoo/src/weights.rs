//! Finds the named metrics whose sum is the sum of the results' values.
//!
//! A result has the weighted mean of the assertions with the metric's name, and promptfoo adds up
//! this mean times the sum of their weights. So the two sums are equal only if, in each test, a
//! metric has at most one assertion, with weight 1. If the configuration does not contain the tests,
//! this is unknown.

use std::collections::BTreeMap;

use arc_format_kit::json::Value;

/// The weights of named metrics.
#[derive(Debug, Default)]
pub(crate) struct Weights {
    /// Whether each test's weight of a metric is 1 or 0. `None` if the tests are unknown.
    metrics: Option<BTreeMap<String, bool>>,
}

impl Weights {
    /// Reads the tests of a configuration.
    pub(crate) fn read(config: Option<Value>) -> Weights {
        Weights { metrics: config.and_then(read) }
    }

    /// Whether the weight of a metric is 1 in each test with this metric.
    pub(crate) fn are_one(&self, metric: &str) -> bool {
        self.metrics.as_ref().and_then(|metrics| metrics.get(metric)).copied().unwrap_or(false)
    }
}

fn read(config: Value) -> Option<BTreeMap<String, bool>> {
    if config.member("scenarios").is_some_and(|it| it.element_count() != Some(0)) {
        return None;
    }
    let absent = |value: &Value| value.json() == "null";
    let default = config.member("defaultTest").filter(|test| !absent(test));
    if default.is_some_and(|test| !test.is_object()) {
        return None;
    }
    let of_default = assertions(default)?;
    let mut metrics = BTreeMap::new();
    for test in config.member("tests")?.elements()? {
        if !test.is_object() {
            return None;
        }
        let mut counted: BTreeMap<String, u32> = BTreeMap::new();
        for assertion in of_default.iter().copied().chain(assertions(Some(test))?) {
            // The assertions of a set have one weight together.
            if assertion.member("assert").is_some() || !assertion.is_object() {
                return None;
            }
            let Some(metric) = assertion.member("metric").and_then(Value::decode) else { continue };
            // The name of a metric can depend on the variables of the test.
            if metric.text.contains('{') {
                return None;
            }
            let weight = assertion.member("weight").filter(|weight| !absent(weight));
            let is_one = weight.is_none_or(|weight| weight.number() == Some(1.0));
            let metric = metric.text.into_owned();
            *counted.entry(metric.clone()).or_default() += 1;
            let is_only = counted.get(&metric) == Some(&1);
            let all = metrics.entry(metric).or_insert(true);
            *all = *all && is_one && is_only;
        }
    }
    // A derived metric is computed from the sums, and replaces a metric with the same name.
    let derived = config.member("derivedMetrics").filter(|derived| !absent(derived));
    for derived in derived.map_or_else(|| Some(Vec::new()), Value::elements)? {
        let name = derived.member("name")?.decode()?;
        metrics.insert(name.text.into_owned(), false);
    }
    Some(metrics)
}

/// Returns the assertions of a test: `None` if they are in another file.
fn assertions(test: Option<Value>) -> Option<Vec<Value>> {
    let assertions = test.and_then(|test| test.member("assert")).filter(|it| it.json() != "null");
    match assertions {
        Some(assertions) => assertions.elements(),
        None => Some(Vec::new()),
    }
}
