//! Scores: converted to the scale from 0 to 1.

use std::collections::BTreeMap;

use crate::answer::DimensionScore;
use crate::codes;
use crate::json::{Place, Reader, Text, Value};

/// The value that represents a score of 1.
#[derive(Clone, Copy, Debug)]
pub enum Scale {
    /// Not declared: 0 to 1 is unchanged, above 1 and up to 100 is a percentage.
    Guessed,
    /// Declared by the result, as `scale`.
    Declared(f64),
}

impl Scale {
    /// Reads the `scale` member of a score object.
    pub fn read<'a>(reader: &mut Reader<'a>, value: Option<Value<'a>>, place: Place) -> Scale {
        match (reader.number(value, place), value) {
            (Some(scale), _) if scale > 0.0 => Scale::Declared(scale),
            (Some(_), Some(value)) => {
                reader.out_of_range(place, value, "a number above 0");
                Scale::Guessed
            }
            _ => Scale::Guessed,
        }
    }

    /// Reads one score.
    pub fn score<'a>(
        self,
        reader: &mut Reader<'a>,
        value: Option<Value<'a>>,
        place: Place,
    ) -> Option<f64> {
        let number = reader.number(value, place)?;
        let (most, score) = match self {
            Scale::Declared(scale) => (scale, number / scale),
            Scale::Guessed if number <= 1.0 => (100.0, number),
            Scale::Guessed => (100.0, number / 100.0),
        };
        if (0.0..=most).contains(&number) {
            return Some(score + 0.0);
        }
        let expected = match self {
            Scale::Declared(scale) => format!("a score from 0 to {scale}"),
            Scale::Guessed => "a score from 0 to 1, or a percentage up to 100".to_owned(),
        };
        reader.out_of_range(place, value?, &expected);
        None
    }

    /// Reads an object of dimension scores, in its order; `null` means absent.
    pub fn dimensions<'a>(
        self,
        reader: &mut Reader<'a>,
        value: Option<Value<'a>>,
        place: Place,
    ) -> Vec<DimensionScore> {
        let Some(value) = value else { return Vec::new() };
        let Some(members) = value.members() else {
            reader.wrong_type(place, value, "an object");
            return Vec::new();
        };
        let object = place.pointer();
        reject_duplicates(reader, &members, &object);
        let mut scores: Vec<DimensionScore> = Vec::with_capacity(members.len());
        for (name, value) in members {
            let place = Place { object: &object, member: &name.text };
            if name.replaced {
                reader.warn_replaced(place);
            }
            if value.json() == "null" {
                continue;
            }
            if let Some(score) = self.score(reader, Some(value), place) {
                scores.push(DimensionScore { name: name.text.into_owned(), score });
            }
        }
        scores
    }
}

/// Dimension scores in the order in which their names first occurred. Of two with the same name,
/// the last one counts. A result can have very many, so names are indexed.
#[derive(Debug, Default)]
pub struct Dimensions {
    scores: Vec<DimensionScore>,
    places: BTreeMap<String, usize>,
}

impl Dimensions {
    /// Sets the score of a dimension.
    pub fn set(&mut self, name: String, score: f64) {
        let place = self.places.get(&name).and_then(|place| self.scores.get_mut(*place));
        if let Some(known) = place {
            known.score = score;
            return;
        }
        self.places.insert(name.clone(), self.scores.len());
        self.scores.push(DimensionScore { name, score });
    }

    /// Returns the score of a dimension.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.places.get(name).and_then(|place| self.scores.get(*place)).map(|found| found.score)
    }

    /// Returns the score of the dimension that was set first.
    pub fn first(&self) -> Option<f64> {
        self.scores.first().map(|found| found.score)
    }

    /// Returns the mean of all scores; `None` if the list is empty.
    pub fn mean(&self) -> Option<f64> {
        let sum: f64 = self.scores.iter().map(|found| found.score).sum();
        (!self.scores.is_empty()).then(|| sum / self.scores.len() as f64)
    }

    /// Returns the scores.
    pub fn into_scores(self) -> Vec<DimensionScore> {
        self.scores
    }
}

/// Reads a score that must be from 0 to 1; any other is left out, with a warning.
pub fn within_scale<'a>(
    reader: &mut Reader<'a>,
    value: Option<Value<'a>>,
    place: Place,
) -> Option<f64> {
    let value = value?;
    let number = reader.decoration(|reader| reader.number(Some(value), place))?;
    if (0.0..=1.0).contains(&number) {
        return Some(number + 0.0);
    }
    let found: String = value.json().chars().take(40).collect();
    reader.warning(
        place.pointer(),
        codes::SCORE_OUT_OF_SCALE,
        format!("expected a score from 0 to 1, found {found}; it is left out"),
    );
    None
}

/// Adds a violation for each duplicate name in an object of dimensions: its score would be
/// ambiguous.
pub fn reject_duplicates(reader: &mut Reader, members: &[(Text, Value)], object: &str) {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_score_of_a_name_replaces_the_first_in_its_place() {
        let mut dimensions = Dimensions::default();
        assert_eq!((dimensions.mean(), dimensions.first()), (None, None));
        for (name, score) in [("b", 0.5), ("a", 1.0), ("b", 0.25)] {
            dimensions.set(name.to_owned(), score);
        }
        assert_eq!((dimensions.get("b"), dimensions.get("c")), (Some(0.25), None));
        assert_eq!((dimensions.first(), dimensions.mean()), (Some(0.25), Some(0.625)));
        let names: Vec<String> =
            dimensions.into_scores().into_iter().map(|score| score.name).collect();
        assert_eq!(names, ["b", "a"]);
    }

    #[test]
    fn a_score_outside_the_scale_is_left_out_with_a_warning() {
        let text = r#"{"in": 0.5, "above": 17, "below": -0.1, "text": "1", "minus": -0.0}"#;
        let (mut reader, root) = Reader::new(text).unwrap();
        let names = ["in", "above", "below", "text", "minus"];
        let values = reader.root(root, names).unwrap();
        let scores: Vec<Option<f64>> = names
            .iter()
            .zip(values)
            .map(|(member, value)| within_scale(&mut reader, value, Place { object: "", member }))
            .collect();
        assert_eq!(scores, [Some(0.5), None, None, None, Some(0.0)]);
        assert!(scores[4].unwrap().is_sign_positive());
        let codes: Vec<&str> = reader.warnings().iter().map(|warning| warning.code).collect();
        assert_eq!(
            codes,
            [codes::SCORE_OUT_OF_SCALE, codes::SCORE_OUT_OF_SCALE, codes::WRONG_TYPE]
        );
    }
}
