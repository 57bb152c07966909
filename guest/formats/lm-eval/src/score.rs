//! The scores of a document: a score for each metric and filter.

use std::collections::BTreeSet;

use arc_format_kit::json::{Reader, Value};
use arc_format_kit::score::Scores;
use arc_format_kit::{Score, codes};

use crate::header::{NO_METRIC, Task, score_name};
use crate::line::Line;

/// Reads the scores, and the name of the one that the tool lists first.
pub(crate) fn read<'a>(
    reader: &mut Reader<'a>,
    lines: &[Line<'a>],
    tasks: &[&Task],
) -> (Vec<Score>, Option<String>) {
    let mut scores = Scores::default();
    let mut first = None;
    let mut without_number = BTreeSet::new();
    for line in lines {
        let mut seen = BTreeSet::new();
        for (metric, value) in &line.metrics {
            let pointer = line.at(metric).pointer();
            if !seen.insert(metric) {
                let message = format!("the metric {metric:?} occurs in the line more than once");
                reader.violation(pointer, codes::DUPLICATE_KEY, message);
                continue;
            }
            let name = score_name(metric, &line.filter);
            if metric != NO_METRIC {
                first.get_or_insert_with(|| name.clone());
            }
            let Some(score) = read_score(reader, &pointer, name.clone(), *value) else {
                without_number.insert(name);
                continue;
            };
            if scores.get(&name).is_some_and(|other| other.value != score.value) {
                let message =
                    format!("the document was scored by {name} more than once; the last counts");
                reader.warning(pointer, codes::SCORE_REPEATED, message);
            }
            scores.set(score);
        }
    }
    let listed = match tasks {
        [task] => task.headline(),
        _ => None,
    };
    let headline = listed.or(first).filter(|name| !without_number.contains(name));
    let found = headline.as_ref().and_then(|name| scores.get(name));
    if found.is_none_or(|score| score.value.is_none()) {
        let message = match &headline {
            Some(name) => format!("{name} has no number; averages leave the document out"),
            None => "the document has no metric that is a number; averages leave it out".to_owned(),
        };
        let pointer = lines.first().map(|line| line.at("metrics").pointer()).unwrap_or_default();
        reader.warning(pointer, codes::SCORE_MISSING, message);
    }
    // The tool left the metric out of this document, so it has no score under it.
    if let (None, Some(name)) = (found, &headline) {
        scores.set(Score::new(name.clone(), None));
    }
    (scores.into_list(), headline)
}

/// Reads a metric; `None` if it is a list or an object, of which the tool makes a number only for
/// all documents together.
fn read_score<'a>(
    reader: &mut Reader<'a>,
    pointer: &str,
    name: String,
    value: Value<'a>,
) -> Option<Score> {
    match value.json() {
        "true" => return Some(Score::new(name, Some(1.0)).of(1.0)),
        "false" => return Some(Score::new(name, Some(0.0)).of(1.0)),
        "null" => return Some(Score::new(name, None)),
        _ => {}
    }
    if value.is_number() {
        let number = value.number().filter(|number| number.is_finite());
        if number.is_none() {
            let message = format!("{name} is no finite number; the document has no such score");
            reader.warning(pointer.to_owned(), codes::NOT_FINITE, message);
        }
        // Adding 0 turns -0 into 0.
        return Some(Score::new(name, number.map(|number| number + 0.0)));
    }
    if let Some(label) = value.decode() {
        let label = label.text.into_owned();
        let found: String = label.chars().take(40).collect();
        let message = format!("{name} is the text {found:?}, which the tool does not count");
        reader.warning(pointer.to_owned(), codes::LABEL_UNKNOWN, message);
        return Some(Score { label: Some(label), ..Score::new(name, None) });
    }
    let message = format!("{name} has several values, of which the tool counts none on its own");
    reader.warning(pointer.to_owned(), codes::NOT_SCORED, message);
    None
}
