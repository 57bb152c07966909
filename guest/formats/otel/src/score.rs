//! The scores of a trace: its evaluations, and the verdict of its test.

use std::collections::BTreeMap;

use arc_format_kit::finite::with_null_for_nan;
use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::score::{Scores, value_of_label};
use arc_format_kit::{Score, codes};

use crate::attribute::Attributes;
use crate::span::{EVALUATION, Span};
use crate::tree::Run;

const VALUE: &str = "gen_ai.evaluation.score.value";
const LABEL: &str = "gen_ai.evaluation.score.label";
const EXPLANATION: &str = "gen_ai.evaluation.explanation";

/// The attribute with the verdict of a test, which is also the name of its score.
const VERDICT: &str = "test.case.result.status";

/// The names of evaluations of the result as a whole, in lower case. The first that occurs counts.
const OVERALL: [&str; 4] = ["score", "overall", "overall_score", "reliability_score"];

/// Reads the scores, and the name of the one that is the result's own.
pub(crate) fn read<'a>(
    reader: &mut Reader<'a>,
    spans: &[Span<'a>],
    run: &Run,
) -> (Vec<Score>, Option<String>) {
    let mut scores = Scores::default();
    let mut times: BTreeMap<String, Option<i128>> = BTreeMap::new();
    for (_, span) in spans.iter().enumerate().filter(|(number, _)| run.has(*number)) {
        let events = span.events.iter().filter(|event| event.name == EVALUATION);
        let events = events.map(|event| (&event.attributes, event.time, true));
        for (attributes, time, is_event) in events.chain([(&span.attributes, span.end, false)]) {
            let Some(name) = attributes.text(reader, "gen_ai.evaluation.name") else {
                if is_event {
                    reader.warning(
                        attributes.pointer().to_owned(),
                        codes::SCORE_MISSING,
                        "the evaluation has no name, so it is left out".to_owned(),
                    );
                }
                continue;
            };
            let is_scored = attributes.find(VALUE).or_else(|| attributes.find(LABEL)).is_some();
            // A span with nothing but the name is the run of an evaluator, not its result.
            if !is_scored && (!is_event || scores.get(&name).is_some()) {
                continue;
            }
            let score = evaluation(reader, attributes, name);
            if let Some(other) = scores.get(&score.name) {
                let other_time = times.get(&score.name).copied().flatten();
                let is_older = time.zip(other_time).is_some_and(|(time, other)| time < other);
                if other.value != score.value {
                    reader.warning(
                        attributes.pointer().to_owned(),
                        codes::SCORE_REPEATED,
                        format!("{:?} was evaluated more than once; the last counts", score.name),
                    );
                }
                if is_older {
                    continue;
                }
            }
            times.insert(score.name.clone(), time);
            scores.set(score);
        }
        if span.is_case {
            of_case(reader, &span.attributes, &mut scores);
        }
    }
    let mut list = scores.into_list();
    let mut headline = overall(&list);
    let only = if let [only] = &list[..] { Some(only.name.clone()) } else { None };
    if let Some(verdict) = test_verdict(reader, spans, run)
        && list.iter().all(|score| score.name != VERDICT)
    {
        headline = headline.or_else(|| Some(verdict.name.clone()));
        list.push(verdict);
    }
    headline = headline.or(only);
    warn_if_missing(reader, &list, headline.as_deref());
    (list, headline)
}

/// Returns the name of the evaluation of the result as a whole.
fn overall(scores: &[Score]) -> Option<String> {
    OVERALL.into_iter().find_map(|overall| {
        let name = |score: &Score| score.name.trim().to_lowercase().replace([' ', '-'], "_");
        scores.iter().find(|score| name(score) == overall).map(|score| score.name.clone())
    })
}

/// Adds a warning if the trace has no score of its own with a value.
fn warn_if_missing(reader: &mut Reader, scores: &[Score], headline: Option<&str>) {
    let found = headline.and_then(|name| scores.iter().find(|score| score.name == name));
    let message = match found {
        Some(Score { value: Some(_), .. }) => return,
        Some(score) => format!("{:?} has no number; averages leave it out", score.name),
        None if scores.is_empty() => {
            "the trace has no evaluation and no verdict of a test; averages leave it out".to_owned()
        }
        None => "none of the trace's evaluations is that of the whole result: name it score, or \
                 set test.case.result.status"
            .to_owned(),
    };
    reader.warning(String::new(), codes::SCORE_MISSING, message);
}

/// Reads one evaluation.
fn evaluation<'a>(reader: &mut Reader<'a>, attributes: &Attributes<'a>, name: String) -> Score {
    let label = attributes.text(reader, LABEL);
    let explanation = attributes
        .find(EXPLANATION)
        .and_then(|(_, value)| value.member("stringValue").filter(|text| text.is_string()));
    let score = Score {
        label: label.clone(),
        explanation: explanation.and_then(|text| reader.span(text)),
        ..Score::new(name, None)
    };
    // A label never replaces a value: which labels are good depends on the evaluator.
    if let Some((pointer, value)) = attributes.find(VALUE) {
        return of_value(reader, &pointer, value, score);
    }
    if let Some(label) = label {
        let pointer = attributes.find(LABEL).map(|(pointer, _)| pointer).unwrap_or_default();
        return of_label(reader, pointer, &label, score);
    }
    reader.warning(
        attributes.pointer().to_owned(),
        codes::NOT_SCORED,
        format!("the evaluation {:?} has neither a value nor a label", score.name),
    );
    score
}

/// Reads a value, which is a number by the conventions.
fn of_value<'a>(reader: &mut Reader<'a>, pointer: &str, value: Value<'a>, score: Score) -> Score {
    let member = |member| value.member(member).filter(|value| value.json() != "null");
    for name in ["doubleValue", "intValue"] {
        let Some(written) = member(name) else { continue };
        let number = match written.decode() {
            // JSON has neither 64-bit integers nor NaN, so OTLP writes them as texts.
            Some(text) => text.text.parse().ok(),
            None => written.number(),
        };
        if let Some(number) = number.filter(|number: &f64| number.is_finite()) {
            return Score { value: Some(number + 0.0), ..score };
        }
        let found: String = written.json().chars().take(40).collect();
        reader.warning(
            Place { object: pointer, member: name }.pointer(),
            codes::NOT_FINITE,
            format!("{found} is no finite number; {:?} has no score", score.name),
        );
        return score;
    }
    let boolean = match member("boolValue").map(Value::json) {
        Some("true") => Some((1.0, "true")),
        Some("false") => Some((0.0, "false")),
        _ => None,
    };
    if let Some((value, written)) = boolean {
        let label = score.label.clone().or_else(|| Some(written.to_owned()));
        return Score { value: Some(value), label, ..score }.of(1.0);
    }
    if let Some(text) = member("stringValue").and_then(Value::decode) {
        let label = score.label.clone().or_else(|| Some(text.text.clone().into_owned()));
        return of_label(reader, pointer.to_owned(), &text.text, Score { label, ..score });
    }
    reader.warning(
        pointer.to_owned(),
        codes::NOT_SCORED,
        format!("the value of the evaluation {:?} is no number", score.name),
    );
    score
}

/// Reads the evaluations of a case of pydantic-evals: JSON objects of them by name.
fn of_case<'a>(reader: &mut Reader<'a>, attributes: &Attributes<'a>, scores: &mut Scores) {
    for key in ["assertions", "scores", "labels"] {
        let Some((pointer, text)) = attributes
            .find(key)
            .zip(attributes.text(reader, key))
            .map(|((at, _), text)| (at, text))
        else {
            continue;
        };
        let text = with_null_for_nan(&text);
        let Ok((mut inner, root)) = Reader::new(&text) else { continue };
        if inner.root(root, [""]).is_none() {
            continue;
        }
        for (name, evaluation) in root.members().unwrap_or_default() {
            let Some(value) = evaluation.member("value") else { continue };
            let score = Score::new(name.text.into_owned(), None);
            let boolean = match value.json() {
                "true" => Some(1.0),
                "false" => Some(0.0),
                _ => None,
            };
            scores.set(match (value.number(), boolean, value.decode()) {
                (Some(number), ..) if number.is_finite() => {
                    Score { value: Some(number + 0.0), ..score }
                }
                (_, Some(boolean), _) => {
                    let label = Some(value.json().to_owned());
                    Score { value: Some(boolean), label, ..score }.of(1.0)
                }
                (.., Some(label)) => {
                    let score = Score { label: Some(label.text.clone().into_owned()), ..score };
                    of_label(reader, pointer.clone(), &label.text, score)
                }
                _ => score,
            });
        }
    }
}

/// Returns a score with the value of a label, on the scale from 0 to 1.
fn of_label(reader: &mut Reader, pointer: String, label: &str, score: Score) -> Score {
    match value_of_label(label) {
        Some(value) => Score { value: Some(value), ..score }.of(1.0),
        None => {
            let found: String = label.chars().take(40).collect();
            reader.warning(
                pointer,
                codes::LABEL_UNKNOWN,
                format!("the label {found:?} of {:?} has no known value", score.name),
            );
            score
        }
    }
}

/// Reads the verdict of the test: `pass` or `fail`.
fn test_verdict<'a>(reader: &mut Reader<'a>, spans: &[Span<'a>], run: &Run) -> Option<Score> {
    let mut own = spans.iter().enumerate().filter(|(number, _)| run.has(*number));
    let (pointer, label) = own.find_map(|(_, span)| {
        let label = span.attributes.text(reader, VERDICT)?;
        Some((span.attributes.find(VERDICT)?.0, label))
    })?;
    let score = Score { label: Some(label.clone()), ..Score::new(VERDICT, None) };
    Some(of_label(reader, pointer, &label, score))
}
