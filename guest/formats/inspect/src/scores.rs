//! Scores, with the values that Inspect's own means count.

use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::score::{self, reject_duplicates};
use arc_format_kit::{Score, Span, codes};

use crate::header::{HeaderData, Headline};

/// The name that Inspect reads an old log's single score under, until it knows the scorer.
const PLACEHOLDER: &str = "88F74D2C";

/// The scores of a sample.
#[derive(Debug, Default)]
pub(crate) struct Scores<'a> {
    /// In the log's order.
    pub(crate) list: Vec<Score>,
    /// The score that Inspect counts as the sample's own, if the sample has one.
    pub(crate) headline: Option<String>,
    /// The object that contains them.
    pub(crate) object: Option<Value<'a>>,
}

impl<'a> Scores<'a> {
    /// Reads the scores by scorer, or the single score of old logs.
    pub(crate) fn read(
        reader: &mut Reader<'a>,
        header: &HeaderData,
        scores: Option<Value<'a>>,
        score: Option<Value<'a>>,
    ) -> Scores<'a> {
        let mut scorers = Scorers { header, found: score::Scores::default() };
        let mut object = None;
        let mut first = None;
        match (scores, score) {
            (Some(scores), _) => {
                let place = Place { object: "", member: "scores" };
                if let Some(members) = scores.members() {
                    object = Some(scores);
                    reject_duplicates(reader, &members, "/scores");
                    for (name, score) in members {
                        let place = Place { object: "/scores", member: &name.text };
                        if name.replaced {
                            reader.warn_replaced(place);
                        }
                        let name = scorers.name_of(&name.text);
                        scorers.read(reader, &name, score, place);
                        first.get_or_insert(name);
                    }
                } else {
                    reader.decoration(|reader| reader.wrong_type(place, scores, "an object"));
                }
            }
            (None, Some(score)) => {
                object = Some(score).filter(|score| score.is_object());
                let name = scorers.name_of(PLACEHOLDER);
                scorers.read(reader, &name, score, Place { object: "", member: "score" });
                first = Some(name);
            }
            (None, None) => {}
        }
        let headline = match &header.headline {
            Headline::Unknown => first,
            Headline::None => None,
            Headline::Score(name) => Some(name.clone()),
        };
        let headline = headline.filter(|name| scorers.found.get(name).is_some());
        let value = headline.as_ref().and_then(|name| scorers.found.get(name)?.value);
        if value.is_none() {
            let message = match &header.headline {
                Headline::Score(name) => format!("the sample has no number under {name}"),
                Headline::None => "the first scorer of the log has no metric".to_owned(),
                Headline::Unknown => "the sample's first scorer has no single number".to_owned(),
            };
            reader.warning(
                "/scores".to_owned(),
                codes::SCORE_MISSING,
                format!("{message}; averages leave the sample out"),
            );
        }
        Scores { list: scorers.found.into_list(), headline, object }
    }
}

/// Reads the scores of one scorer after the other.
struct Scorers<'h> {
    header: &'h HeaderData,
    found: score::Scores,
}

impl Scorers<'_> {
    /// Returns the name of a scorer's score.
    fn name_of(&self, scorer: &str) -> String {
        match (scorer, &self.header.first_score) {
            (PLACEHOLDER, Some(first)) => first.clone(),
            (PLACEHOLDER | "", _) => "score".to_owned(),
            (scorer, _) => scorer.to_owned(),
        }
    }

    /// Reads the scores of one scorer: a value, or several by key or index.
    fn read<'a>(&mut self, reader: &mut Reader<'a>, scorer: &str, score: Value<'a>, place: Place) {
        let object = place.pointer();
        let explanation = score.member("explanation").filter(|text| text.is_string());
        let explanation = explanation.and_then(|text| reader.span(text));
        let value = score.member("value").filter(|value| value.json() != "null");
        let Some(value) = value else { return self.set_unscored(scorer, explanation) };
        let place = Place { object: &object, member: "value" };
        let parts: Vec<(String, Value<'a>)> = if let Some(parts) = value.members() {
            reject_duplicates(reader, &parts, &place.pointer());
            parts.into_iter().map(|(key, part)| (key.text.into_owned(), part)).collect()
        } else if let Some(parts) = value.elements() {
            (0_usize..).zip(parts).map(|(index, part)| (index.to_string(), part)).collect()
        } else {
            return self.set(reader, scorer.to_owned(), value, place, explanation);
        };
        if self.header.means.contains(scorer) {
            reader.warning(
                place.pointer(),
                codes::NOT_SCORED,
                format!("Inspect's mean of {scorer} counts a value of several parts as 0"),
            );
            self.found.set(Score { explanation, ..Score::new(scorer, Some(0.0)) });
        }
        let object = place.pointer();
        for (key, part) in parts {
            let place = Place { object: &object, member: &key };
            self.set(reader, format!("{scorer}/{key}"), part, place, explanation);
        }
    }

    /// Adds the scores of a scorer that has none for this sample.
    fn set_unscored(&mut self, scorer: &str, explanation: Option<Span>) {
        let parts = self.header.parts.iter().filter(|(of, _)| of == scorer);
        let mut names: Vec<&str> = parts.map(|(_, name)| &**name).collect();
        if names.is_empty() || self.header.means.contains(scorer) {
            names.push(scorer);
        }
        for name in names {
            self.found.set(Score { explanation, ..Score::new(name, None) });
        }
    }

    fn set<'a>(
        &mut self,
        reader: &mut Reader<'a>,
        name: String,
        value: Value<'a>,
        place: Place,
        explanation: Option<Span>,
    ) {
        let counted = self.header.means.contains(&name);
        // A key's value can be `null`, which is not the mark of a value that was not scored.
        if value.json() == "null" && counted && self.header.without_unscored.contains(&name) {
            reader.warning(
                place.pointer(),
                codes::NOT_SCORED,
                format!("Inspect's mean of {name} counts null as 0"),
            );
            return self.found.set(Score { explanation, ..Score::new(name, Some(0.0)) });
        }
        let score = Score { explanation, ..Score::new(name, None) };
        self.found.set(convert(reader, score, counted, value, place));
    }
}

/// Converts a value as Inspect's `value_to_float` does by default. That counts any other text as 0:
/// here it has a number only if Inspect computes a mean of the score.
fn convert<'a>(
    reader: &mut Reader<'a>,
    score: Score,
    counted: bool,
    value: Value<'a>,
    place: Place,
) -> Score {
    match value.json() {
        "null" => return score,
        label @ ("true" | "false") => {
            let number = f64::from(u8::from(label == "true"));
            return Score { value: Some(number), label: Some(label.to_owned()), ..score }.of(1.0);
        }
        _ => {}
    }
    if value.is_number() {
        let number = reader.decoration(|reader| reader.number(Some(value), place));
        return Score { value: number.map(|number| number + 0.0), ..score };
    }
    let Some(label) = reader.decoded(value, place).map(std::borrow::Cow::into_owned) else {
        reader.decoration(|reader| reader.wrong_type(place, value, "a text or a number"));
        return score;
    };
    if let Some(number) = value_of_label(&label) {
        return Score { value: Some(number), label: Some(label), ..score }.of(1.0);
    }
    if let Some(number) = number_in(&label) {
        return Score { value: Some(number + 0.0), label: Some(label), ..score };
    }
    let found: String = label.chars().take(40).collect();
    let meaning = if counted { "Inspect's mean counts it as 0" } else { "it has no number" };
    reader.warning(
        place.pointer(),
        codes::LABEL_UNKNOWN,
        format!("{found:?} is no label that Inspect converts to a number; {meaning}"),
    );
    Score { value: counted.then_some(0.0), label: Some(label), ..score }
}

fn value_of_label(label: &str) -> Option<f64> {
    match label {
        "C" => Some(1.0),
        "P" => Some(0.5),
        "I" | "N" => Some(0.0),
        label => match label.to_lowercase().as_str() {
            "yes" | "true" => Some(1.0),
            "no" | "false" => Some(0.0),
            _ => None,
        },
    }
}

/// Reads a number as Python's `float` does, which accepts white space around it.
fn number_in(label: &str) -> Option<f64> {
    label.trim().parse().ok().filter(|number: &f64| number.is_finite())
}
