//! The data of a log's header that samples and the run's report need.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use arc_format_kit::Origin;
use arc_format_kit::finite::with_null_for_nan;
use arc_format_kit::json::{Reader, Value};
use arc_format_kit::memo::Memo;

use crate::origin;
use crate::suite::distinct;

/// The metrics of Inspect that are a mean of what `value_to_float` returns.
const MEANS: [&str; 2] = ["accuracy", "mean"];

/// The prefix of the names of Inspect's own metrics in a scorer's definition.
const OWN: &str = "inspect_ai/";

/// The score that a log counts as a sample's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Headline {
    /// The header does not name it, so it is the sample's first scorer.
    #[default]
    Unknown,
    /// Inspect has none, because the first scorer has no metric.
    None,
    /// The score with this name.
    Score(String),
}

/// The data of a header that samples need.
#[derive(Debug, Default)]
pub(crate) struct HeaderData {
    /// `eval.task`.
    pub(crate) task: Option<String>,
    /// `eval.task_id`, the same in every log of one run.
    pub(crate) run_id: Option<String>,
    /// See [`Headline`].
    pub(crate) headline: Headline,
    /// The name of the first score of the results.
    pub(crate) first_score: Option<String>,
    /// The scores that have a mean, in which Inspect counts a value that is no number as 0.
    pub(crate) means: BTreeSet<String>,
    /// The scores under which the results have a value of every sample, so that `null` is one that
    /// Inspect counts as 0, and not one that was not scored.
    pub(crate) without_unscored: BTreeSet<String>,
    /// Each scorer that has several scores, and one of their names.
    pub(crate) parts: Vec<(String, String)>,
    /// Who ran what.
    origin: Origin,
    /// The model of each role that has one.
    roles: BTreeMap<String, String>,
}

thread_local! {
    static HEADER: Memo<HeaderData> = const { Memo::new() };
}

impl HeaderData {
    /// Reads a header. A header that is not valid has no data.
    pub(crate) fn of(header: Option<&str>) -> Rc<HeaderData> {
        match header {
            None => Rc::default(),
            Some(header) => {
                HEADER.with(|memo| memo.get(header, |text| read(text).unwrap_or_default()))
            }
        }
    }

    /// Returns the model of a role, if the run has one for it.
    pub(crate) fn model_of_role(&self, role: &str) -> Option<&str> {
        self.roles.get(role).map(String::as_str)
    }

    /// Returns the origin of a sample, which differs from the run's if another model answered.
    pub(crate) fn origin_of_sample(&self, fallbacks: Option<Value>) -> Origin {
        let fallbacks = fallbacks.and_then(Value::elements).unwrap_or_default();
        let served =
            fallbacks.into_iter().filter_map(|it| it.member("fallback_model").and_then(text));
        let models = self.origin.models.iter().cloned().chain(served);
        Origin { models: distinct(models), ..self.origin.clone() }.without(&self.origin)
    }
}

fn read(header: &str) -> Option<HeaderData> {
    let header = with_null_for_nan(header);
    let (mut reader, root) = Reader::new(&header).ok()?;
    let [eval, results, plan] = reader.root(root, ["eval", "results", "plan"])?;
    let of_eval = |name| eval.and_then(|eval| eval.member(name));
    let declared = ScorerDefinitions::of(eval);
    let entries = Entry::all(results);
    let mut data = HeaderData {
        task: of_eval("task").and_then(text),
        run_id: of_eval("task_id").and_then(text),
        origin: origin::of_run(eval, plan),
        roles: origin::models_of_roles(eval)
            .into_iter()
            .filter_map(|(role, models)| Some((role, single(models)?)))
            .collect(),
        ..HeaderData::default()
    };
    if let Some(first) = entries.first() {
        data.first_score = Some(first.metric_name());
        data.headline = match headline(eval, results, &entries) {
            Some((entry, _)) => Headline::Score(entry.metric_name()),
            None => Headline::None,
        };
        let config = of_eval("config");
        let epochs = config.and_then(|config| config.member("epochs")).and_then(Value::number);
        for entry in &entries {
            // Of several epochs, one can be not scored although the sample has a value.
            if entry.unscored == Some(0.0) && epochs.is_none_or(|epochs| epochs <= 1.0) {
                data.without_unscored.insert(entry.metric_name());
            }
            if entry.metrics.iter().any(|(_, metric)| declared.is_mean(*metric)) {
                data.means.insert(entry.metric_name());
            }
            if entry.name != entry.scorer {
                data.parts.push((entry.scorer.clone(), entry.metric_name()));
            }
        }
    } else {
        data.headline = declared.headline(of_eval("headline_metric"));
        let of_scores = declared.scores.iter();
        let means = of_scores.filter(|score| score.is_mean).map(DeclaredScore::metric_name);
        data.means = means.collect();
        let parts = declared.scores.iter().filter(|score| score.key.is_some());
        data.parts = parts.map(|score| (score.scorer.clone(), score.metric_name())).collect();
    }
    Some(data)
}

/// Returns the only element of a list.
fn single(models: Vec<String>) -> Option<String> {
    <[String; 1]>::try_from(models).ok().map(|[model]| model)
}

/// Returns the name of the score of a scorer, or of one of the keys of its value.
fn metric_name(scorer: &str, key: Option<&str>) -> String {
    match key {
        Some(key) => format!("{scorer}/{key}"),
        None => scorer.to_owned(),
    }
}

/// An element of `results.scores`: the metrics of a score under one reducer.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    /// Its scorer.
    pub(crate) scorer: String,
    /// The scorer again, or a key of its values.
    pub(crate) name: String,
    /// How the epochs of a sample become one value.
    pub(crate) reducer: Option<String>,
    /// The metrics by key, in the log's order.
    pub(crate) metrics: Vec<(String, Value<'a>)>,
    /// The number of values, with those that were not scored.
    pub(crate) values: Option<f64>,
    /// The number of values that were not scored.
    pub(crate) unscored: Option<f64>,
}

impl<'a> Entry<'a> {
    /// Returns the elements that have a name.
    pub(crate) fn all(results: Option<Value<'a>>) -> Vec<Entry<'a>> {
        let scores = results.and_then(|results| results.member("scores"));
        scores.and_then(Value::elements).into_iter().flatten().filter_map(Entry::of).collect()
    }

    fn of(score: Value<'a>) -> Option<Entry<'a>> {
        let name = score.member("name").and_then(text)?;
        let count = |name| score.member(name).and_then(Value::number);
        let (scored, unscored) = (count("scored_samples"), count("unscored_samples"));
        let metrics = score.member("metrics").and_then(Value::members).unwrap_or_default();
        let named = |(key, metric): (arc_format_kit::json::Text, Value<'a>)| {
            Some((key.text.into_owned(), metric)).filter(|(key, _)| !key.is_empty())
        };
        Some(Entry {
            scorer: score.member("scorer").and_then(text).unwrap_or_else(|| name.clone()),
            name,
            reducer: score.member("reducer").and_then(text),
            metrics: metrics.into_iter().filter_map(named).collect(),
            values: scored.map(|scored| scored + unscored.unwrap_or_default()),
            unscored,
        })
    }

    /// Returns the name of the samples' scores that the metrics are computed from.
    pub(crate) fn metric_name(&self) -> String {
        metric_name(&self.scorer, Some(&*self.name).filter(|name| *name != self.scorer))
    }
}

/// Resolves the headline as Inspect does: the score and metric that the results, or else the task,
/// name; if nothing matches, the first metric of the first score.
pub(crate) fn headline<'e, 'a>(
    eval: Option<Value<'a>>,
    results: Option<Value<'a>>,
    entries: &'e [Entry<'a>],
) -> Option<(&'e Entry<'a>, &'e str)> {
    let first_metric = |entry: &'e Entry<'a>| entry.metrics.first().map(|(key, _)| (entry, &**key));
    let object = |value: Option<Value<'a>>| value.filter(|value| value.is_object());
    let named = object(results.and_then(|results| results.member("headline")))
        .or_else(|| object(eval.and_then(|eval| eval.member("headline_metric"))));
    let resolved = named.and_then(|named| {
        let [reducer, scorer, name, metric] = ["reducer", "scorer", "score", "metric"]
            .map(|member| named.member(member).and_then(text));
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| Some(wanted) == found)
        };
        let mut candidates = entries.iter().filter(|entry| {
            is(&reducer, entry.reducer.as_deref())
                && is(&scorer, Some(&entry.scorer))
                && is(&name, Some(&entry.name))
        });
        match metric {
            None => candidates.next().and_then(first_metric),
            Some(metric) => candidates.find_map(|entry| {
                let (key, _) = entry.metrics.iter().find(|(key, _)| *key == metric)?;
                Some((entry, &**key))
            }),
        }
    });
    resolved.or_else(|| entries.first().and_then(first_metric))
}

/// A score that a scorer's definition has metrics for.
#[derive(Debug)]
pub(crate) struct DeclaredScore {
    scorer: String,
    key: Option<String>,
    is_mean: bool,
    has_metric: bool,
}

impl DeclaredScore {
    /// Returns the name of the score.
    pub(crate) fn metric_name(&self) -> String {
        metric_name(&self.scorer, self.key.as_deref())
    }
}

/// The definitions of scorers and metrics in `eval`, which newer logs have from their start.
#[derive(Debug, Default)]
pub(crate) struct ScorerDefinitions {
    /// In the order in which Inspect computes their metrics. Keys with wildcards are left out.
    pub(crate) scores: Vec<DeclaredScore>,
    /// Metrics without a package, which a task defines itself: their names can be Inspect's.
    custom: BTreeSet<String>,
}

impl ScorerDefinitions {
    /// Reads the definitions.
    pub(crate) fn of(eval: Option<Value>) -> ScorerDefinitions {
        let mut declared = ScorerDefinitions::default();
        let scorers = eval.and_then(|eval| eval.member("scorers")).and_then(Value::elements);
        for scorer in scorers.into_iter().flatten() {
            let Some(name) = scorer.member("name").and_then(text) else { continue };
            let Some(metrics) = scorer.member("metrics") else { continue };
            declared.add(&name, metrics);
        }
        declared
    }

    fn add(&mut self, scorer: &str, metrics: Value) {
        let Some(list) = metrics.elements() else { return self.add_keys(scorer, metrics) };
        let (simple, by_key): (Vec<Value>, Vec<Value>) = list
            .into_iter()
            .partition(|metric| metric.member("name").is_some_and(Value::is_string));
        self.add_score(scorer, None, &simple);
        by_key.into_iter().for_each(|metrics| self.add_keys(scorer, metrics));
    }

    fn add_keys(&mut self, scorer: &str, metrics: Value) {
        for (key, metrics) in metrics.members().unwrap_or_default() {
            let metrics = metrics.elements().unwrap_or_default();
            if !key.text.contains(['*', '?', '[']) {
                self.add_score(scorer, Some(key.text.into_owned()), &metrics);
            }
        }
    }

    fn add_score(&mut self, scorer: &str, key: Option<String>, metrics: &[Value]) {
        let mut is_mean = false;
        for metric in metrics {
            let Some(name) = metric.member("name").and_then(text) else { continue };
            let own = name.strip_prefix(OWN);
            is_mean |= own.is_some_and(|own| MEANS.contains(&own)) && has_no_options(*metric);
            if !name.contains('/') {
                self.custom.insert(name);
            }
        }
        let scorer = scorer.to_owned();
        self.scores.push(DeclaredScore { scorer, key, is_mean, has_metric: !metrics.is_empty() });
    }

    /// Returns the headline of a log that has no results yet.
    pub(crate) fn headline(&self, named: Option<Value>) -> Headline {
        let member = |name| named.and_then(|named| named.member(name)).and_then(text);
        let (scorer, score) = (member("scorer"), member("score"));
        let is_named = |declared: &&DeclaredScore| {
            let name = declared.key.as_ref().unwrap_or(&declared.scorer);
            scorer.as_ref().is_none_or(|scorer| *scorer == declared.scorer)
                && score.as_ref().is_none_or(|score| score == name)
        };
        match self.scores.iter().find(is_named).or(self.scores.first()) {
            None => Headline::Unknown,
            Some(score) if score.has_metric => Headline::Score(score.metric_name()),
            Some(_) => Headline::None,
        }
    }

    /// Whether a metric of the results is the mean of what `value_to_float` returns by default:
    /// neither another function, nor a task's metric with the same name, nor a group's.
    pub(crate) fn is_mean(&self, metric: Value) -> bool {
        let name = metric.member("name").and_then(text);
        let is_mean = |name: String| MEANS.contains(&&*name) && !self.custom.contains(&name);
        name.is_some_and(is_mean)
            && metric.member("group").is_none_or(|group| group.json() == "null")
            && has_no_options(metric)
    }
}

/// Whether a metric was made without arguments; they are `options` in definitions and old results.
fn has_no_options(metric: Value) -> bool {
    ["params", "options"].iter().all(|name| {
        let options = metric.member(name).filter(|options| options.json() != "null");
        options.is_none_or(|options| options.members().is_some_and(|options| options.is_empty()))
    })
}

/// Returns the text of a string that is not empty.
pub(crate) fn text(value: Value<'_>) -> Option<String> {
    value.decode().map(|text| text.text.into_owned()).filter(|text| !text.is_empty())
}
