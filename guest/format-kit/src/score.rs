//! Scores: 0 to 1, whatever scale they were written in.

use crate::answer::DimensionScore;
use crate::codes;
use crate::json::{Place, Reader, Text, Value};

/// The greatest whole number up to which a 64-bit float holds every whole number: 2^53.
pub const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;

/// What a score of 1 is written as.
#[derive(Clone, Copy, Debug)]
pub enum Scale {
    /// Nothing is said: 0 to 1 stays as it is, above 1 and up to 100 is a percentage.
    Guessed,
    /// The result says it, as `scale`.
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
        refuse_twins(reader, &members, &object);
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

/// Two scores for one dimension cannot both be true.
fn refuse_twins(reader: &mut Reader, members: &[(Text, Value)], object: &str) {
    let mut names: Vec<&str> = members.iter().map(|(name, _)| &*name.text).collect();
    names.sort_unstable();
    for twins in names.chunk_by(|first, second| first == second) {
        if let [name, _, ..] = twins {
            reader.violation(
                Place { object, member: name }.pointer(),
                codes::DUPLICATE_KEY,
                format!("the dimension {name:?} is scored more than once"),
            );
        }
    }
}
