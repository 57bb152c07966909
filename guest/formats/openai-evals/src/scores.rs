//! The scores of a sample, from its events.

use std::borrow::Cow;
use std::collections::BTreeMap;

use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::score::optional_number;
use arc_format_kit::{Score, codes};

use crate::event::{Event, of_kind};

/// The name of the tool's mean of its matches, and of the metric with the same meaning.
pub(crate) const ACCURACY: &str = "accuracy";

/// The name of the matches of a sample that has a metric called `accuracy` as well.
const MATCH: &str = "match";

/// Reads the scores, and the name of the one that is the sample's own.
pub(crate) fn read<'a>(
    reader: &mut Reader<'a>,
    events: &[Event<'a>],
) -> (Vec<Score>, Option<String>) {
    let mut values = Values::default();
    for event in of_kind(events, "metrics") {
        let pointer = event.data_pointer();
        for (name, value) in event.data.and_then(Value::members).unwrap_or_default() {
            if !name.text.is_empty() {
                let place = Place { object: &pointer, member: &name.text };
                values.add(reader, &name.text, value, place);
            }
        }
    }
    let matches = if values.has(ACCURACY) { MATCH } else { ACCURACY };
    for event in of_kind(events, "match") {
        let correct = event.data.and_then(|data| data.member("correct"));
        let correct = correct.filter(|correct| matches!(correct.json(), "true" | "false"));
        if let Some(correct) = correct {
            let pointer = event.data_pointer();
            values.add(reader, matches, correct, Place { object: &pointer, member: "correct" });
        }
    }
    let scores = values.into_scores();
    let headline = headline(&scores).map(str::to_owned);
    let has_value = |score: &Score| {
        score.value.is_some() && headline.as_ref().is_none_or(|name| *name == score.name)
    };
    if !scores.iter().any(has_value) {
        let message = match &headline {
            Some(name) => format!("the sample has no number for {name:?}; averages leave it out"),
            None => "the sample has no match and no metric; averages leave it out".to_owned(),
        };
        reader.warning(String::new(), codes::SCORE_MISSING, message);
    }
    (scores, headline)
}

/// Returns the name of a sample's own score: its accuracy, or the only one that is no label.
fn headline(scores: &[Score]) -> Option<&str> {
    if let Some(accuracy) = scores.iter().find(|score| score.name == ACCURACY) {
        return Some(&accuracy.name);
    }
    let mut numbers = scores.iter().filter(|score| score.label.is_none());
    let only = numbers.next()?;
    numbers.next().is_none().then_some(&only.name)
}

/// The values of a sample's scores, in the order of their names' first occurrence.
#[derive(Default)]
struct Values {
    list: Vec<Recorded>,
    places: BTreeMap<String, usize>,
}

/// The recorded values of one score.
#[derive(Default)]
struct Recorded {
    name: String,
    sum: f64,
    count: f64,
    /// Whether each was `true` or `false`.
    are_booleans: bool,
    label: Option<String>,
}

impl Values {
    fn has(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    /// Adds a value; a list or an object is no score.
    fn add<'a>(&mut self, reader: &mut Reader<'a>, name: &str, value: Value<'a>, place: Place) {
        if value.is_array() || value.is_object() {
            return;
        }
        let number = match value.json() {
            "true" => Some(1.0),
            "false" => Some(0.0),
            _ if value.is_number() => optional_number(reader, Some(value), place),
            _ => None,
        };
        let is_boolean = matches!(value.json(), "true" | "false");
        let next = self.list.len();
        let index = *self.places.entry(name.to_owned()).or_insert(next);
        if index == next {
            let name = name.to_owned();
            self.list.push(Recorded { name, are_booleans: true, ..Recorded::default() });
        }
        let Some(values) = self.list.get_mut(index) else { return };
        if let Some(number) = number {
            values.sum += number;
            values.count += 1.0;
            values.are_booleans &= is_boolean;
        }
        if value.is_string() {
            values.label = reader.decoded(value, place).map(Cow::into_owned);
        }
    }

    /// Returns the scores. Of several events with the same score it is their mean: the tool's own
    /// mean is over events.
    fn into_scores(self) -> Vec<Score> {
        let score = |values: Recorded| {
            let mean = values.sum / values.count;
            let value = Some(mean).filter(|mean| mean.is_finite() && values.label.is_none());
            let score = Score::new(values.name, value.map(|value| value + 0.0));
            let score = if values.are_booleans && value.is_some() { score.of(1.0) } else { score };
            Score { label: values.label, ..score }
        };
        self.list.into_iter().map(score).collect()
    }
}
