//! The scores of a result: its verdict, its score, and its named metrics.

use std::borrow::Cow;
use std::collections::BTreeMap;

use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::score::Scores;
use arc_format_kit::{Score, codes};

/// The name of the verdict, 1 for a result that passed. Promptfoo's own figure of an evaluation is
/// the share of results that passed.
pub(crate) const PASS: &str = "pass";

/// The name of the weighted mean of the assertions' scores.
pub(crate) const SCORE: &str = "score";

/// The prefix of a named metric that has the name of another score.
const NAMED: &str = "namedScores/";

/// Returns the name of the score of a named metric.
pub(crate) fn metric_name(metric: &str) -> Cow<'_, str> {
    if [PASS, SCORE, ""].contains(&metric) || metric.starts_with(NAMED) {
        return Cow::Owned(format!("{NAMED}{metric}"));
    }
    Cow::Borrowed(metric)
}

/// Reads the scores of a result.
pub(crate) fn read<'a>(
    reader: &mut Reader<'a>,
    success: Option<Value<'a>>,
    score: Option<Value<'a>>,
    named_scores: Option<Value<'a>>,
    grading: Option<Value<'a>>,
) -> Vec<Score> {
    let at = |member| Place { object: "", member };
    let reason = grading.and_then(|grading| grading.member("reason")).filter(|it| it.is_string());
    let explanation = reason.and_then(|reason| reader.span(reason));
    let passed = success.and_then(|value| match value.json() {
        "true" => Some(1.0),
        "false" => Some(0.0),
        _ => {
            reader.decoration(|reader| reader.wrong_type(at("success"), value, "a boolean"));
            None
        }
    });
    if passed.is_none() {
        reader.warning(
            at("success").pointer(),
            codes::SCORE_MISSING,
            "it is unknown whether the result passed; averages leave it out".to_owned(),
        );
    }
    let mut scores = Scores::default();
    scores.set(Score { explanation, ..Score::new(PASS, passed).of(1.0) });
    let overall = of_value(reader, score, at("score"), SCORE);
    scores.set(Score { explanation, ..overall });
    if let Some(named_scores) = named_scores {
        named(reader, &mut scores, named_scores, grading);
    }
    scores.into_list()
}

/// Reads the named metrics. Of two with the same name, the last one counts, as in the language of
/// the tool.
fn named<'a>(
    reader: &mut Reader<'a>,
    scores: &mut Scores,
    value: Value<'a>,
    grading: Option<Value<'a>>,
) {
    let Some(members) = value.members() else {
        let place = Place { object: "", member: "namedScores" };
        reader.decoration(|reader| reader.wrong_type(place, value, "an object"));
        return;
    };
    let reasons = Reasons::read(grading);
    for (name, value) in members {
        let place = Place { object: "/namedScores", member: &name.text };
        let score = of_value(reader, Some(value), place, &metric_name(&name.text));
        let explanation = reasons.of(&name.text).and_then(|reason| reader.span(reason));
        scores.set(Score { explanation, ..score });
    }
}

/// Reads one score. Promptfoo adds up scores, so a boolean counts as 1 or 0. It writes `null` for a
/// score that is not finite.
fn of_value<'a>(
    reader: &mut Reader<'a>,
    value: Option<Value<'a>>,
    place: Place,
    name: &str,
) -> Score {
    let score = Score::new(name, None);
    let Some(value) = value.filter(|value| value.json() != "null") else { return score };
    let boolean = match value.json() {
        "true" => Some(1.0),
        "false" => Some(0.0),
        _ => None,
    };
    if boolean.is_some() {
        let label = Some(value.json().to_owned());
        return Score { value: boolean, label, ..score }.of(1.0);
    }
    if let Some(label) = value.decode() {
        let found: String = label.text.chars().take(40).collect();
        reader.warning(
            place.pointer(),
            codes::LABEL_UNKNOWN,
            format!("{found:?} is no number; {name:?} has no score"),
        );
        return Score { label: Some(label.text.into_owned()), ..score };
    }
    let number = reader.decoration(|reader| reader.number(Some(value), place));
    // Adding 0 turns -0 into 0.
    Score { value: number.map(|number| number + 0.0), ..score }
}

/// The reasons of the assertions by their metrics: `None` if several have the metric.
struct Reasons<'a>(BTreeMap<String, Option<Value<'a>>>);

impl<'a> Reasons<'a> {
    fn read(grading: Option<Value<'a>>) -> Self {
        let components = grading.and_then(|grading| grading.member("componentResults")?.elements());
        let mut reasons = BTreeMap::new();
        for component in components.unwrap_or_default() {
            let metric = component.member("assertion").and_then(|it| it.member("metric")?.decode());
            let reason = component.member("reason").filter(|reason| reason.is_string());
            if let Some(metric) = metric {
                let reasons = reasons.entry(metric.text.into_owned());
                reasons.and_modify(|reason| *reason = None).or_insert(reason);
            }
        }
        Reasons(reasons)
    }

    /// Returns the reason of a metric, if exactly one assertion has one.
    fn of(&self, metric: &str) -> Option<Value<'a>> {
        self.0.get(metric).copied().flatten()
    }
}
