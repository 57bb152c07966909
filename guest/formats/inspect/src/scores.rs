//! Scores, as the log has them.

use arc_format_kit::codes;
use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::score::{Scores, reject_duplicates};
use arc_format_kit::time::in_utc;
use arc_format_kit::{Score, Span};

use crate::header::LogHeader;

/// The scores of a sample.
#[derive(Debug, Default)]
pub(crate) struct SampleScores<'a> {
    /// In the log's order.
    pub(crate) scores: Scores,
    /// The score that Inspect shows for the log.
    pub(crate) headline: Option<String>,
    /// The object that contains them.
    pub(crate) object: Option<Value<'a>>,
    /// When a score was last edited.
    pub(crate) edited_at: Option<String>,
    /// The first scorer with a single value.
    first: Option<String>,
}

impl<'a> SampleScores<'a> {
    /// Reads the scores by scorer, or the single score of old logs.
    pub(crate) fn read(
        reader: &mut Reader<'a>,
        header: &LogHeader,
        scores: Option<Value<'a>>,
        score: Option<Value<'a>>,
    ) -> SampleScores<'a> {
        let mut found = SampleScores::default();
        match (scores, score) {
            (Some(scores), _) => found.read_scorers(reader, scores),
            (None, Some(score)) => {
                found.object = Some(score).filter(|score| score.is_object());
                found.read_scorer(reader, "score", score, Place { object: "", member: "score" });
            }
            (None, None) => {}
        }
        let named = header.headline.clone().filter(|name| found.scores.get(name).is_some());
        found.headline = named.or_else(|| found.first.take());
        let value = found.headline.as_ref().and_then(|name| found.scores.get(name)?.value);
        if value.is_none() {
            let message = match &found.headline {
                Some(name) => format!("the scorer {name} has no number; averages leave it out"),
                None => "no scorer has a single number; averages leave the sample out".to_owned(),
            };
            reader.warning("/scores".to_owned(), codes::SCORE_MISSING, message);
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
        self.read_edits(score);
        let explanation = score.member("explanation").filter(|text| text.is_string());
        let explanation = explanation.and_then(|text| reader.span(text));
        let object = place.pointer();
        let place = Place { object: &object, member: "value" };
        if let Some(parts) = value.members() {
            reject_duplicates(reader, &parts, &place.pointer());
            let parts = parts.into_iter().map(|(key, part)| (key.text.into_owned(), part));
            self.read_parts(reader, name, parts, place, explanation);
        } else if let Some(parts) = value.elements() {
            let parts = parts.into_iter().enumerate();
            let parts = parts.map(|(index, part)| (index.to_string(), part));
            self.read_parts(reader, name, parts, place, explanation);
        } else {
            self.first.get_or_insert_with(|| name.to_owned());
            let score = read_value(reader, name, value, place);
            self.scores.set(Score { explanation, ..score });
        }
    }

    fn read_parts(
        &mut self,
        reader: &mut Reader<'a>,
        scorer: &str,
        parts: impl Iterator<Item = (String, Value<'a>)>,
        place: Place,
        explanation: Option<Span>,
    ) {
        let object = place.pointer();
        for (key, part) in parts {
            let place = Place { object: &object, member: &key };
            let score = read_value(reader, &format!("{scorer}/{key}"), part, place);
            self.scores.set(Score { explanation, ..score });
        }
    }

    /// Reads when the score was last edited, which changes no other time of the sample.
    fn read_edits(&mut self, score: Value<'a>) {
        let edits = score.member("history").and_then(Value::elements).unwrap_or_default();
        let times = edits.into_iter().filter_map(|edit| {
            let time = edit.member("provenance")?.member("timestamp")?.decode()?;
            in_utc(&time.text)
        });
        self.edited_at = times.chain(self.edited_at.take()).max();
    }
}

/// Reads a value, which is unchanged. Its number is that of Inspect's `value_to_float`, which knows the
/// range of letters, words and booleans, but not of numbers.
fn read_value<'a>(reader: &mut Reader<'a>, name: &str, value: Value<'a>, place: Place) -> Score {
    match value.json() {
        // Not scored.
        "null" => return Score::new(name, None),
        "true" => return Score::new(name, Some(1.0)).of(1.0),
        "false" => return Score::new(name, Some(0.0)).of(1.0),
        _ => {}
    }
    if value.is_number() {
        let number = reader.decoration(|reader| reader.number(Some(value), place));
        return Score::new(name, number.map(|number| number + 0.0));
    }
    let text = reader.decoration(|reader| reader.text(Some(value), place));
    let Some(text) = text else { return Score::new(name, None) };
    let known = match text.as_str() {
        "C" => Some(1.0),
        "P" => Some(0.5),
        "I" | "N" => Some(0.0),
        text => match text.to_lowercase().as_str() {
            "yes" | "true" => Some(1.0),
            "no" | "false" => Some(0.0),
            _ => None,
        },
    };
    let number = || text.trim().parse().ok().filter(|number: &f64| number.is_finite());
    let score = match known {
        Some(known) => Score::new(name, Some(known)).of(1.0),
        None => Score::new(name, number()),
    };
    if score.value.is_none() {
        let found: String = text.chars().take(40).collect();
        reader.warning(
            place.pointer(),
            codes::LABEL_UNKNOWN,
            format!(
                "{found:?} is neither a number nor a value that Inspect knows; it has no number"
            ),
        );
    }
    Score { label: Some(text), ..score }
}
