//! Reads the data around the results of a file: its time, the number of repetitions, and the
//! evaluation's own figures.

use std::collections::BTreeSet;
use std::rc::Rc;

use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::memo::Memo;
use arc_format_kit::time::in_utc;
use arc_format_kit::{
    Aggregation, MetricDefinition, MetricKind, MissingPolicy, ReportedFigure, RunReport, RunStatus,
    SuiteSummary, Violation,
};

use crate::result::{PASS, SCORE, named_score};

/// The data of the header that results need.
#[derive(Debug, Default)]
pub(crate) struct HeaderData {
    /// The start of the evaluation.
    pub(crate) began_at: Option<String>,
    /// The prompts whose label and provider are not unique.
    pub(crate) ambiguous_prompts: BTreeSet<u64>,
    /// The numbering of the results.
    pub(crate) numbering: Numbering,
    /// The tool's own id of the run.
    pub(crate) eval_id: Option<String>,
}

/// The meaning of `testIdx`.
#[derive(Debug, Default)]
pub(crate) enum Numbering {
    /// Every test was run once.
    Once,
    /// Each test was run `times` times; the number of combinations of variables of each test, in
    /// order.
    Repeated { times: u64, combinations: Vec<u64> },
    /// The repetitions are unknown.
    #[default]
    Unknown,
}

impl Numbering {
    /// Returns the trial of a result: `None` if every test was run once.
    ///
    /// # Errors
    /// If it is unknown.
    pub(crate) fn trial(&self, test_index: u64) -> Result<Option<u32>, ()> {
        let (times, combinations) = match self {
            Numbering::Once => return Ok(None),
            Numbering::Unknown => return Err(()),
            Numbering::Repeated { times, combinations } => (times, combinations),
        };
        // The runs of a test follow each other; each run has all combinations of the test's
        // variables.
        let mut rest = test_index;
        for combinations in combinations {
            let runs = combinations.saturating_mul(*times);
            if rest < runs {
                let trial = rest.checked_div(*combinations).ok_or(())? + 1;
                return u32::try_from(trial).map(Some).map_err(|_| ());
            }
            rest -= runs;
        }
        Err(())
    }
}

thread_local! {
    static HEADER: Memo<HeaderData> = const { Memo::new() };
}

/// Reads a header. A header that is not valid has no data.
pub(crate) fn header_data(header: Option<&str>) -> Rc<HeaderData> {
    match header {
        None => Rc::default(),
        Some(header) => HEADER.with(|memo| memo.get(header, |text| read(text).unwrap_or_default())),
    }
}

/// Splits the document into the summary, the configuration and the options: the document is the
/// whole file, or only the summary.
fn parts<'a>(root: Value<'a>) -> (Value<'a>, Option<Value<'a>>, Option<Value<'a>>) {
    match root.member("results").filter(|results| results.is_object()) {
        Some(summary) => {
            let object = |name| root.member(name).filter(|value| value.is_object());
            (summary, object("config"), object("runtimeOptions"))
        }
        None => (root, None, None),
    }
}

fn read(header: &str) -> Option<HeaderData> {
    let (mut reader, root) = Reader::new(header).ok()?;
    reader.root(root, [])?;
    let (summary, config, runtime) = parts(root);
    let began_at = summary.member("timestamp").and_then(Value::decode);
    let prompts = summary.member("prompts").and_then(Value::elements).unwrap_or_default();
    let keys: Vec<(String, String)> = prompts
        .iter()
        .map(|prompt| {
            let text = |name| prompt.member(name).map(Value::compact).unwrap_or_default();
            (text("label"), text("provider"))
        })
        .collect();
    let mut counted = std::collections::BTreeMap::new();
    keys.iter().for_each(|key| *counted.entry(key).or_insert(0_u32) += 1);
    let ambiguous_prompts = (0_u64..).zip(&keys).filter(|(_, key)| counted.get(key) > Some(&1));
    let ambiguous_prompts = ambiguous_prompts.map(|(index, _)| index).collect();
    let numbering = numbering(summary, config, runtime, prompts.len() as u64);
    Some(HeaderData {
        began_at: began_at.and_then(|text| in_utc(&text.text)),
        ambiguous_prompts,
        numbering,
        eval_id: eval_id(root),
    })
}

/// Computes how often tests were repeated: the number of results, divided by the number of results
/// of one repetition.
fn numbering(
    summary: Value,
    config: Option<Value>,
    runtime: Option<Value>,
    prompts: u64,
) -> Numbering {
    let configured = [runtime, config.and_then(|config| config.member("evaluateOptions"))]
        .into_iter()
        .flatten()
        .find_map(|options| whole(options.member("repeat")?));
    let stats = summary.member("stats");
    let count = |name| stats.and_then(|stats| whole(stats.member(name)?)).unwrap_or(0);
    let results = count("successes").saturating_add(count("failures"));
    let results = results.saturating_add(count("errors"));
    let combinations = config.and_then(combinations);
    let once = combinations.as_ref().map(|counts| {
        counts.iter().fold(0_u64, |sum, count| sum.saturating_add(*count)).saturating_mul(prompts)
    });
    let computed = once
        .filter(|once| *once > 0 && results.checked_rem(*once) == Some(0))
        .and_then(|once| results.checked_div(once))
        .filter(|times| *times > 0 && configured.is_none_or(|configured| configured == *times));
    match (computed, configured, combinations) {
        (Some(1), ..) | (None, Some(1), _) => Numbering::Once,
        (None, None, _) if runtime.is_some() => Numbering::Once,
        (Some(times), _, Some(combinations)) => Numbering::Repeated { times, combinations },
        _ => Numbering::Unknown,
    }
}

/// Returns the number of combinations of variables of each test: the product of the lengths of
/// those that are lists. `None` if tests are in another file, or generated in a way that is not
/// supported here.
fn combinations(config: Value) -> Option<Vec<u64>> {
    if config.member("scenarios").is_some_and(|it| it.element_count() != Some(0)) {
        return None;
    }
    let default = config.member("defaultTest");
    if default.is_some_and(|test| test.is_string() || !plain(test)) {
        return None;
    }
    let default = default.and_then(|test| test.member("vars"));
    let tests = config.member("tests")?.elements()?;
    tests
        .into_iter()
        .map(|test| {
            if !test.is_object() || !plain(test) {
                return None;
            }
            let mut vars = std::collections::BTreeMap::new();
            for object in [default, test.member("vars")].into_iter().flatten() {
                for (name, value) in object.members()? {
                    // A file name can represent many values.
                    if value.decode().is_some_and(|text| text.text.starts_with("file://")) {
                        return None;
                    }
                    vars.insert(name.text, value.element_count().map_or(1, u64::from));
                }
            }
            Some(vars.values().fold(1_u64, |product, count| product.saturating_mul(*count)))
        })
        .collect()
}

/// Whether a test has none of the options that change how often it is run.
fn plain(test: Value) -> bool {
    let option = |name| test.member("options").and_then(|options| options.member(name));
    option("disableVarExpansion").is_none()
        && option("repeat").is_none()
        && ["providers", "prompts"].iter().all(|name| test.member(name).is_none())
}

fn whole(value: Value) -> Option<u64> {
    value.json().parse().ok()
}

/// Reads the evaluation's own figures; see `extract-suite` in `wit/extraction.wit`. Promptfoo's
/// `successes` are tests that passed, which differs from a successful run here.
pub(crate) fn suite(header: &str) -> Result<SuiteSummary, Vec<Violation>> {
    let (mut reader, root) = Reader::new(header)?;
    let checked = reader.root(root, []);
    let answer = checked.map(|[]: [Option<Value>; 0]| {
        let (summary, ..) = parts(root);
        let place = Place { object: "", member: "stats" };
        reader.decoration(|reader| {
            let stats = summary.member("stats").filter(|stats| stats.is_object());
            let names = ["durationMs", "tokenUsage", "successes", "failures", "errors"];
            let [duration, usage, successes, failures, errors] = reader.object(stats, place, names);
            let [total] =
                reader.object(usage, Place { object: "/stats", member: "tokenUsage" }, ["total"]);
            let mut count =
                |value, member| reader.tokens(value, Place { object: "/stats", member });
            let successes = count(successes, names[2]);
            let [failures, errors] =
                [count(failures, names[3]), count(errors, names[4])].map(Option::unwrap_or_default);
            let mut figures = Vec::new();
            figures.extend(successes.map(|successes| sum("successes", PASS, Some(successes))));
            figures.extend(prompt_figures(summary));
            SuiteSummary {
                execution_time_ms: reader
                    .amount(duration, Place { object: "/stats", member: "durationMs" }),
                total_tokens_used: reader
                    .tokens(total, Place { object: "/stats/tokenUsage", member: "total" }),
                run: RunReport {
                    run_id: eval_id(root),
                    // The file is written at the end.
                    status: Some(RunStatus::Completed),
                    started_at: summary
                        .member("timestamp")
                        .and_then(Value::decode)
                        .and_then(|time| in_utc(&time.text)),
                    reported_results: successes.map(|successes| successes + failures + errors),
                    metrics: vec![MetricDefinition {
                        name: PASS.to_owned(),
                        kind: Some(MetricKind::Binary),
                        lowest: Some(0.0),
                        highest: Some(1.0),
                        ..MetricDefinition::default()
                    }],
                    figures,
                    ..RunReport::default()
                },
                ..SuiteSummary::default()
            }
        })
    });
    reader.finish_suite(answer)
}

fn eval_id(root: Value) -> Option<String> {
    let id = root.member("evalId")?.decode()?.text.into_owned();
    (!id.is_empty()).then_some(id)
}

/// Returns the sums of an evaluation with one prompt; those of several are for each prompt.
fn prompt_figures(summary: Value) -> Vec<ReportedFigure> {
    let prompts = summary.member("prompts").and_then(Value::elements).unwrap_or_default();
    let [prompt] = prompts.as_slice() else { return Vec::new() };
    let Some(metrics) = prompt.member("metrics") else { return Vec::new() };
    let mut figures = Vec::new();
    figures.extend(metrics.member("score").map(|score| sum("score", SCORE, finite(score))));
    for (name, value) in metrics.member("namedScores").and_then(Value::members).unwrap_or_default()
    {
        if !name.text.is_empty() {
            // Weights and derived metrics change these sums.
            figures.push(ReportedFigure {
                aggregation: Aggregation::NotComparable,
                ..sum(&name.text, &named_score(&name.text), finite(value))
            });
        }
    }
    figures
}

fn finite(value: Value) -> Option<f64> {
    value.number().filter(|number| number.is_finite())
}

fn sum(figure: &str, metric: &str, value: Option<f64>) -> ReportedFigure {
    ReportedFigure {
        metric: metric.to_owned(),
        figure: figure.to_owned(),
        value,
        standard_error: None,
        aggregation: Aggregation::Sum,
        missing: MissingPolicy::Exclude,
        tolerance: None,
        headline: false,
    }
}
