//! Scores, as numbers from 0 to 1.

use arc_format_kit::codes;
use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::score::{Dimensions, reject_duplicates};

/// The scores of a sample.
#[derive(Debug, Default)]
pub(crate) struct Scores<'a> {
    /// The overall score of the sample.
    pub(crate) overall: Option<f64>,
    /// In the log's order.
    pub(crate) dimensions: Dimensions,
    /// The object that contains them.
    pub(crate) object: Option<Value<'a>>,
}

impl<'a> Scores<'a> {
    /// Reads the scores by scorer, or the single score of old logs.
    pub(crate) fn read(
        reader: &mut Reader<'a>,
        scores: Option<Value<'a>>,
        score: Option<Value<'a>>,
    ) -> Scores<'a> {
        let mut found = Scores::default();
        match (scores, score) {
            (Some(scores), _) => found.read_scorers(reader, scores),
            (None, Some(score)) => {
                found.object = Some(score).filter(|score| score.is_object());
                found.read_scorer(reader, "score", score, Place { object: "", member: "score" });
            }
            (None, None) => {}
        }
        if found.overall.is_none() {
            let message = "no scorer has a number from 0 to 1; averages leave the sample out";
            reader.warning("/scores".to_owned(), codes::SCORE_MISSING, message.to_owned());
        }
        found
    }

    fn read_scorers(&mut self, reader: &mut Reader<'a>, scores: Value<'a>) {
        let place = Place { object: "", member: "scores" };
        let Some(scorers) = scores.members() else {
            reader.decoration(|reader| reader.wrong_type(place, scores, "an object"));
            return;
        };
        self.object = Some(scores);
        reject_duplicates(reader, &scorers, "/scores");
        for (name, score) in scorers {
            let place = Place { object: "/scores", member: &name.text };
            if name.replaced {
                reader.warn_replaced(place);
            }
            self.read_scorer(reader, &name.text, score, place);
        }
    }

    /// Reads the scores of one scorer: a value, or several by key or index.
    fn read_scorer(&mut self, reader: &mut Reader<'a>, name: &str, score: Value<'a>, place: Place) {
        let Some(value) = score.member("value") else { return };
        let object = place.pointer();
        let place = Place { object: &object, member: "value" };
        let mut own = Vec::new();
        if let Some(parts) = value.members() {
            reject_duplicates(reader, &parts, &place.pointer());
            for (key, part) in parts {
                own.extend(self.read_part(reader, name, &key.text, part, place));
            }
        } else if let Some(parts) = value.elements() {
            for (index, part) in parts.into_iter().enumerate() {
                own.extend(self.read_part(reader, name, &index.to_string(), part, place));
            }
        } else if let Some(score) = scale(reader, value, place) {
            self.dimensions.set(name.to_owned(), score);
            own.push(score);
        }
        if self.overall.is_none() && !own.is_empty() {
            self.overall = Some(own.iter().sum::<f64>() / own.len() as f64);
        }
    }

    fn read_part(
        &mut self,
        reader: &mut Reader<'a>,
        scorer: &str,
        key: &str,
        part: Value<'a>,
        place: Place,
    ) -> Option<f64> {
        let object = place.pointer();
        let score = scale(reader, part, Place { object: &object, member: key })?;
        self.dimensions.set(format!("{scorer}/{key}"), score);
        Some(score)
    }
}

/// Reads a score from 0 to 1; `None`, with a warning, for any other value. `null` means not scored.
fn scale<'a>(reader: &mut Reader<'a>, value: Value<'a>, place: Place) -> Option<f64> {
    if value.json() == "null" {
        return None;
    }
    let number = to_number(value);
    if let Some(number) = number.filter(|number| (0.0..=1.0).contains(number)) {
        return Some(number + 0.0);
    }
    let found: String = value.json().chars().take(40).collect();
    let expected = if number.is_some() { "from 0 to 1" } else { "that is a number" };
    reader.warning(
        place.pointer(),
        codes::SCORE_OUT_OF_SCALE,
        format!("expected a score {expected}, found {found}; it is no dimension"),
    );
    None
}

/// Converts a value to a number, as Inspect's `value_to_float` does by default.
fn to_number(value: Value) -> Option<f64> {
    match value.json() {
        "true" => return Some(1.0),
        "false" => return Some(0.0),
        _ => {}
    }
    if value.is_number() {
        return value.number();
    }
    let text = value.decode()?.text;
    match &*text {
        "C" => Some(1.0),
        "P" => Some(0.5),
        "I" | "N" => Some(0.0),
        text => match text.to_lowercase().as_str() {
            "yes" | "true" => Some(1.0),
            "no" | "false" => Some(0.0),
            text => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        },
    }
}
