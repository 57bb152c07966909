//! Scores, as the tool wrote them.

use std::collections::BTreeMap;

use crate::answer::Score;
use crate::codes;
use crate::json::{Place, Reader, Text, Value};

/// Scores in the order in which their names first occurred. Of two with the same name, the last
/// one counts. A result can have very many, so names are indexed.
#[derive(Debug, Default)]
pub struct Scores {
    list: Vec<Score>,
    places: BTreeMap<String, usize>,
}

impl Scores {
    /// Sets the score of a metric.
    pub fn set(&mut self, score: Score) {
        let place = self.places.get(&score.name).and_then(|place| self.list.get_mut(*place));
        if let Some(known) = place {
            *known = score;
            return;
        }
        self.places.insert(score.name.clone(), self.list.len());
        self.list.push(score);
    }

    /// Returns the score of a metric.
    pub fn get(&self, name: &str) -> Option<&Score> {
        self.places.get(name).and_then(|place| self.list.get(*place))
    }

    /// Returns the score that was set first.
    pub fn first(&self) -> Option<&Score> {
        self.list.first()
    }

    /// Whether there are no scores.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Returns the scores.
    pub fn into_list(self) -> Vec<Score> {
        self.list
    }
}

/// Labels whose meaning is the same everywhere, in lower case, and their values.
const LABELS: [(&str, f64); 22] = [
    ("pass", 1.0),
    ("passed", 1.0),
    ("correct", 1.0),
    ("true", 1.0),
    ("yes", 1.0),
    ("success", 1.0),
    ("relevant", 1.0),
    ("factual", 1.0),
    ("grounded", 1.0),
    ("safe", 1.0),
    ("good", 1.0),
    ("fail", 0.0),
    ("failed", 0.0),
    ("incorrect", 0.0),
    ("false", 0.0),
    ("no", 0.0),
    ("failure", 0.0),
    ("irrelevant", 0.0),
    ("hallucinated", 0.0),
    ("ungrounded", 0.0),
    ("unsafe", 0.0),
    ("bad", 0.0),
];

/// Returns the value of a label whose meaning is the same everywhere, on the scale from 0 to 1:
/// `pass`, `Not_Relevant`; `None` for any other.
pub fn value_of_label(label: &str) -> Option<f64> {
    let label = label.trim().to_lowercase().replace([' ', '-'], "_");
    let known = |label: &str| LABELS.iter().find(|(name, _)| *name == label).map(|known| known.1);
    known(&label).or_else(|| label.strip_prefix("not_").and_then(known).map(|value| 1.0 - value))
}

/// Reads a number; any other value is left out, with a warning. `null` means absent.
pub fn optional_number<'a>(
    reader: &mut Reader<'a>,
    value: Option<Value<'a>>,
    place: Place,
) -> Option<f64> {
    let value = value.filter(|value| value.json() != "null")?;
    reader.decoration(|reader| reader.number(Some(value), place))
}

/// Adds a violation for each duplicate name in an object of dimensions: its score would be
/// ambiguous. Returns the names, sorted.
pub fn reject_duplicates<'m>(
    reader: &mut Reader,
    members: &'m [(Text, Value)],
    object: &str,
) -> Vec<&'m str> {
    let mut names: Vec<&str> = members.iter().map(|(name, _)| &*name.text).collect();
    names.sort_unstable();
    for duplicates in names.chunk_by(|first, second| first == second) {
        if let [name, _, ..] = duplicates {
            reader.violation(
                Place { object, member: name }.pointer(),
                codes::DUPLICATE_KEY,
                format!("the dimension {name:?} is scored more than once"),
            );
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_score_of_a_name_replaces_the_first_in_its_place() {
        let mut scores = Scores::default();
        assert!(scores.is_empty() && scores.first().is_none());
        for (name, value) in [("b", 0.5), ("a", 1.0), ("b", 7.0)] {
            scores.set(Score::new(name, Some(value)));
        }
        assert_eq!(scores.get("b").unwrap().value, Some(7.0));
        assert!(scores.get("c").is_none());
        assert_eq!(scores.first().unwrap().name, "b");
        let names: Vec<String> = scores.into_list().into_iter().map(|score| score.name).collect();
        assert_eq!(names, ["b", "a"]);
    }

    #[test]
    fn a_label_has_a_value_only_if_it_means_the_same_everywhere() {
        for (label, value) in [
            ("PASS", Some(1.0)),
            ("not_relevant", Some(0.0)),
            ("Not correct", Some(0.0)),
            ("irrelevant", Some(0.0)),
            (" unsafe ", Some(0.0)),
            ("not_unsafe", Some(1.0)),
            ("B", None),
            ("", None),
            ("partially correct", None),
            ("not_", None),
        ] {
            assert_eq!(value_of_label(label), value, "{label:?}");
        }
    }
}
