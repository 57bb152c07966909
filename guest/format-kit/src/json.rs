//! Reads the members of an object without copying them, and collects violations.
//!
//! The first pass over a document checks its syntax and finds the relevant members as raw text. The
//! members are then read one by one. Other text is skipped, not parsed.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::answer::{Outcome, Span, SuiteSummary, Violation};
use crate::number::MAX_WHOLE;
use crate::time::milliseconds_of;
use crate::usage::TokenUsage;
use crate::{codes, syntax};

/// The largest number of violations, and of warnings, that are reported for one document. More
/// would not be useful, and a document of 16 MiB can have a million.
pub const MAX_REPORTED: usize = 1_000;

/// The largest number of scores that are extracted from one result. The others stay in the document.
pub const MAX_SCORES: usize = 100_000;

/// A value of the document, as raw JSON text.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a>(&'a str);

/// The place of a value: the pointer to its object, and its name in the object. It is formatted
/// only if there is something to report.
#[derive(Clone, Copy, Debug)]
pub struct Place<'p> {
    /// The pointer to the object; empty for the whole document.
    pub object: &'p str,
    /// The member's name, not escaped.
    pub member: &'p str,
}

impl Place<'_> {
    /// The place as a JSON Pointer.
    pub fn pointer(self) -> String {
        let mut pointer = self.object.to_owned();
        syntax::push_segment(&mut pointer, self.member);
        pointer
    }
}

impl<'a> Value<'a> {
    /// Returns the name of the type, for a message.
    fn kind(self) -> &'static str {
        match self.0.as_bytes().first() {
            Some(b'{') => "an object",
            Some(b'[') => "an array",
            Some(b'"') => "a string",
            Some(b't' | b'f') => "a boolean",
            Some(b'n') => "null",
            _ => "a number",
        }
    }

    /// Whether it is an object.
    pub fn is_object(self) -> bool {
        self.0.starts_with('{')
    }

    /// Whether it is an array.
    pub fn is_array(self) -> bool {
        self.0.starts_with('[')
    }

    /// Whether it is a string.
    pub fn is_string(self) -> bool {
        self.0.starts_with('"')
    }

    /// Whether it is a number.
    pub fn is_number(self) -> bool {
        self.kind() == "a number"
    }

    /// The value's own JSON text.
    pub fn json(self) -> &'a str {
        self.0
    }

    /// Returns the value's JSON text without white space between its tokens, so that equal values
    /// with different formatting have equal texts.
    pub fn compact(self) -> String {
        let mut compact = String::with_capacity(self.0.len());
        let (mut in_string, mut escaped) = (false, false);
        for character in self.0.chars() {
            if !in_string && matches!(character, ' ' | '\t' | '\r' | '\n') {
                continue;
            }
            if character == '"' && !escaped {
                in_string = !in_string;
            }
            escaped = in_string && character == '\\' && !escaped;
            compact.push(character);
        }
        compact
    }

    /// Returns the number of elements of an array; `None` for any other value.
    pub fn element_count(self) -> Option<u32> {
        struct Count;
        impl<'de> Visitor<'de> for Count {
            type Value = u32;
            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("an array")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<u32, A::Error> {
                let mut count = 0_u32;
                while elements.next_element::<IgnoredAny>()?.is_some() {
                    count = count.saturating_add(1);
                }
                Ok(count)
            }
        }
        serde_json::Deserializer::from_str(self.0).deserialize_seq(Count).ok()
    }

    /// Returns the elements of an array; `None` for any other value.
    pub fn elements(self) -> Option<Vec<Value<'a>>> {
        let raw: Vec<&RawValue> = serde_json::from_str(self.0).ok()?;
        Some(raw.into_iter().map(|element| Value(element.get())).collect())
    }

    /// Returns all members of an object, with decoded names; `None` for any other value.
    pub fn members(self) -> Option<Vec<(Text<'a>, Value<'a>)>> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Vec<(Text<'de>, Value<'de>)>;
            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(key) = map.next_key::<&RawValue>()? {
                    let value = Value(map.next_value::<&RawValue>()?.get());
                    members.extend(Value(key.get()).decode().map(|name| (name, value)));
                }
                Ok(members)
            }
        }
        serde_json::Deserializer::from_str(self.0).deserialize_map(All).ok()
    }

    /// Returns a member of an object; `None` if it has no such member, and for any other value.
    pub fn member(self, name: &str) -> Option<Value<'a>> {
        let mut deserializer = serde_json::Deserializer::from_str(self.0);
        let [value] = deserializer.deserialize_map(MemberFinder(&[name])).ok()?.values;
        value
    }

    /// Returns the decoded text of a string; `None` for any other value.
    pub fn decode(self) -> Option<Text<'a>> {
        let inside = self.0.strip_prefix('"')?.strip_suffix('"')?;
        if memchr::memchr(b'\\', inside.as_bytes()).is_none() {
            return Some(Text { text: Cow::Borrowed(inside), replaced: false });
        }
        TextSeed.deserialize(&mut serde_json::Deserializer::from_str(self.0)).ok()
    }

    /// Returns the value of a number, which is infinite if the number is too large; `None` for any
    /// other value.
    pub fn number(self) -> Option<f64> {
        if self.is_number() { self.0.parse().ok() } else { None }
    }
}

/// Returns the first value at a path of member names. The text after it is not read, so it can be
/// long or invalid: tools write `NaN` among the figures of a header, after the names.
pub fn leading_member<'a>(text: &'a str, path: &[&str]) -> Option<Value<'a>> {
    struct Leading<'a, 'n>(&'n [&'n str], &'n mut Option<Value<'a>>);

    impl<'de> DeserializeSeed<'de> for Leading<'de, '_> {
        type Value = ();
        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
            if self.0.is_empty() {
                let value: &RawValue = serde::Deserialize::deserialize(deserializer)?;
                *self.1 = Some(Value(value.get()));
                return Ok(());
            }
            deserializer.deserialize_map(self)
        }
    }

    impl<'de> Visitor<'de> for Leading<'de, '_> {
        type Value = ();
        fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
            formatter.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            let Leading([name, inner @ ..], found) = self else { return Ok(()) };
            while let Some(key) = map.next_key::<&RawValue>()? {
                if Value(key.get()).decode().is_some_and(|key| key.text == *name) {
                    // The rest is not read, which the deserializer reports as an error.
                    return map.next_value_seed(Leading(inner, found));
                }
                map.next_value::<IgnoredAny>()?;
            }
            Ok(())
        }
    }

    let mut found = None;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    // Any error is in the text after the value, or the value is absent.
    let _ = Leading(path, &mut found).deserialize(&mut deserializer);
    found
}

/// Text that PostgreSQL can store.
#[derive(Debug)]
pub struct Text<'a> {
    /// The text.
    pub text: Cow<'a, str>,
    /// Whether a character was replaced by U+FFFD.
    pub replaced: bool,
}

/// Decodes a JSON string. serde_json returns a lone surrogate (`"\ud800"`, common in truncated
/// model output) only if bytes are requested, as the three bytes that it would have in UTF-8.
struct TextSeed;

impl<'de> DeserializeSeed<'de> for TextSeed {
    type Value = Text<'de>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl<'de> Visitor<'de> for TextSeed {
    type Value = Text<'de>;
    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a string")
    }
    fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Text<'de>, E> {
        // The syntax does not allow raw control characters, so borrowed text has no NUL.
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Text { text: Cow::Borrowed(text), replaced: false }),
            Err(_) => Ok(replace_unstorable(bytes)),
        }
    }
    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Text<'de>, E> {
        Ok(replace_unstorable(bytes))
    }
}

/// Replaces lone surrogates and NUL, which PostgreSQL's text cannot store, by U+FFFD.
fn replace_unstorable(bytes: &[u8]) -> Text<'static> {
    let mut stored = Vec::with_capacity(bytes.len());
    let mut replaced = false;
    let mut rest = bytes;
    loop {
        rest = match rest {
            [] => break,
            [0xED, 0xA0..=0xBF, _, after @ ..] | [0, after @ ..] => {
                stored.extend_from_slice("\u{FFFD}".as_bytes());
                replaced = true;
                after
            }
            [byte, after @ ..] => {
                stored.push(*byte);
                after
            }
        };
    }
    let text = match String::from_utf8(stored) {
        Ok(text) => text,
        Err(error) => {
            replaced = true;
            String::from_utf8_lossy(error.as_bytes()).into_owned()
        }
    };
    Text { text: Cow::Owned(text), replaced }
}

/// Finds the named members of an object and skips the others.
struct MemberFinder<'n, const N: usize>(&'n [&'n str; N]);

struct Found<'a, const N: usize> {
    values: [Option<Value<'a>>; N],
    twice: BTreeSet<usize>,
}

impl<'de, const N: usize> Visitor<'de> for MemberFinder<'_, N> {
    type Value = Found<'de, N>;
    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Found { values: [None; N], twice: BTreeSet::new() };
        // As raw text, because only then does serde_json check a key's characters.
        while let Some(key) = map.next_key::<&RawValue>()? {
            let key = Value(key.get()).decode();
            let is_key = |name: &&str| key.as_ref().is_some_and(|key| key.text == **name);
            match self.0.iter().position(is_key) {
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
                Some(index) => {
                    let value = Value(map.next_value::<&RawValue>()?.get());
                    if let Some(slot) = found.values.get_mut(index)
                        && slot.replace(value).is_some()
                    {
                        found.twice.insert(index);
                    }
                }
            }
        }
        Ok(found)
    }
}

/// Reads a document and collects its problems (violations) and the values that were assumed or
/// replaced (warnings). A reading method continues after a problem, so that all violations are
/// found.
pub struct Reader<'a> {
    document: &'a str,
    violations: CappedViolations,
    warnings: CappedViolations,
}

/// The first [`MAX_REPORTED`] violations, and the number of the others.
#[derive(Default)]
struct CappedViolations {
    list: Vec<Violation>,
    more: usize,
}

impl CappedViolations {
    fn push(&mut self, violation: Violation) {
        if self.list.len() < MAX_REPORTED {
            self.list.push(violation);
        } else {
            self.more += 1;
        }
    }

    fn count(&self) -> usize {
        self.list.len() + self.more
    }

    /// Removes and returns the violations after the first `count`.
    fn split_off(&mut self, count: usize) -> CappedViolations {
        let list = self.list.split_off(count.min(self.list.len()));
        let more = (self.count() + list.len()).saturating_sub(count).saturating_sub(list.len());
        self.more -= more;
        CappedViolations { list, more }
    }

    fn append(&mut self, other: CappedViolations) {
        other.list.into_iter().for_each(|violation| self.push(violation));
        self.more += other.more;
    }

    /// Returns the list. If some were dropped, the last entry has their number.
    fn into_list(mut self) -> Vec<Violation> {
        if self.more > 0 {
            self.list.push(Violation {
                path: String::new(),
                code: codes::MORE_FOUND,
                message: format!(
                    "{} more were found; the first {MAX_REPORTED} are reported",
                    self.more
                ),
            });
        }
        self.list
    }
}

impl<'a> Reader<'a> {
    /// Starts reading a whole document, which must be JSON within the limits.
    ///
    /// # Errors
    /// The limit that the document exceeds.
    pub fn new(document: &'a str) -> Result<(Self, Value<'a>), Vec<Violation>> {
        syntax::check_limits(document).map_err(|violation| vec![violation])?;
        let value = Value(document.trim_matches([' ', '\t', '\r', '\n']));
        Ok((
            Reader {
                document,
                violations: CappedViolations::default(),
                warnings: CappedViolations::default(),
            },
            value,
        ))
    }

    /// Returns the answer, or every violation found.
    ///
    /// # Errors
    /// The violations, if there are any or there is no answer.
    pub fn finish<T>(self, answer: Option<T>) -> Result<T, Vec<Violation>> {
        self.finish_warned(answer).map(|(answer, _)| answer)
    }

    /// Returns an outcome with its warnings, or every violation found.
    ///
    /// # Errors
    /// The violations, if there are any or there is no outcome.
    pub fn finish_outcome(
        mut self,
        mut answer: Option<Outcome>,
    ) -> Result<Outcome, Vec<Violation>> {
        let scores = answer.as_mut().map(|outcome| &mut outcome.scores);
        if let Some(scores) = scores.filter(|scores| scores.len() > MAX_SCORES) {
            let message = format!(
                "the result has more than {MAX_SCORES} scores; the first {MAX_SCORES} are extracted"
            );
            scores.truncate(MAX_SCORES);
            self.warning(String::new(), codes::SCORES_OMITTED, message);
        }
        let (mut outcome, warnings) = self.finish_warned(answer)?;
        outcome.origin.bound();
        outcome.usage.iter_mut().for_each(TokenUsage::bound);
        Ok(Outcome { warnings, ..outcome })
    }

    /// Returns a suite's figures with their warnings, or every violation found.
    ///
    /// # Errors
    /// The violations, if there are any or there are no figures.
    pub fn finish_suite(
        self,
        answer: Option<SuiteSummary>,
    ) -> Result<SuiteSummary, Vec<Violation>> {
        let (mut suite, warnings) = self.finish_warned(answer)?;
        suite.run.origin.bound();
        Ok(SuiteSummary { warnings, ..suite })
    }

    fn finish_warned<T>(self, answer: Option<T>) -> Result<(T, Vec<Violation>), Vec<Violation>> {
        match answer {
            Some(answer) if self.violations.count() == 0 => Ok((answer, self.warnings.into_list())),
            _ => Err(self.violations.into_list()),
        }
    }

    /// Reads optional data of a result: its violations become warnings.
    pub fn decoration<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let count = self.violations.count();
        let answer = read(self);
        let decorations = self.violations.split_off(count);
        self.warnings.append(decorations);
        answer
    }

    /// Returns the number of violations found so far.
    pub fn violation_count(&self) -> usize {
        self.violations.count()
    }

    /// Returns the warnings so far.
    pub fn warnings(&self) -> &[Violation] {
        &self.warnings.list
    }

    /// Adds a violation.
    pub fn violation(&mut self, path: String, code: &'static str, message: String) {
        self.violations.push(Violation { path, code, message });
    }

    /// Adds a warning.
    pub fn warning(&mut self, path: String, code: &'static str, message: String) {
        self.warnings.push(Violation { path, code, message });
    }

    /// Adds a violation for a value of the wrong type.
    pub fn wrong_type(&mut self, place: Place, value: Value, expected: &str) {
        self.violation(
            place.pointer(),
            codes::WRONG_TYPE,
            format!("expected {expected}, found {}", value.kind()),
        );
    }

    /// Returns members of the whole document. This pass checks its syntax.
    pub fn root<const N: usize>(
        &mut self,
        value: Value<'a>,
        names: [&str; N],
    ) -> Option<[Option<Value<'a>>; N]> {
        if value.is_object() {
            return self.named(value, None, &names);
        }
        match serde_json::from_str::<IgnoredAny>(value.0) {
            Err(error) => self.violations.push(syntax::describe_error(value.0, &error)),
            Ok(_) => self.violation(
                String::new(),
                codes::WRONG_TYPE,
                format!("expected an object, found {}", value.kind()),
            ),
        }
        None
    }

    /// Returns the elements of a document that is an array. This pass checks its syntax.
    pub fn root_elements(&mut self, value: Value<'a>) -> Option<Vec<Value<'a>>> {
        match serde_json::from_str::<IgnoredAny>(value.0) {
            Err(error) => self.violations.push(syntax::describe_error(value.0, &error)),
            Ok(_) if value.is_array() => return value.elements(),
            Ok(_) => self.violation(
                String::new(),
                codes::WRONG_TYPE,
                format!("expected an array, found {}", value.kind()),
            ),
        }
        None
    }

    /// Returns the named members of the object at a place; `null` means absent.
    pub fn object<const N: usize>(
        &mut self,
        value: Option<Value<'a>>,
        place: Place,
        names: [&str; N],
    ) -> [Option<Value<'a>>; N] {
        let Some(value) = value else { return [None; N] };
        if !value.is_object() {
            self.wrong_type(place, value, "an object");
            return [None; N];
        }
        self.named(value, Some(place), &names).unwrap_or([None; N])
    }

    fn named<const N: usize>(
        &mut self,
        value: Value<'a>,
        place: Option<Place>,
        names: &[&str; N],
    ) -> Option<[Option<Value<'a>>; N]> {
        let mut deserializer = serde_json::Deserializer::from_str(value.0);
        let found = deserializer
            .deserialize_map(MemberFinder(names))
            .and_then(|found| deserializer.end().map(|()| found));
        match found {
            Err(error) => {
                self.violations.push(syntax::describe_error(value.0, &error));
                None
            }
            Ok(mut found) => {
                for member in found.twice.iter().filter_map(|index| names.get(*index)) {
                    let object = place.map(Place::pointer).unwrap_or_default();
                    self.violation(
                        Place { object: &object, member }.pointer(),
                        codes::DUPLICATE_KEY,
                        format!("the member {member:?} occurs in the object more than once"),
                    );
                }
                for slot in &mut found.values {
                    *slot = slot.filter(|value| value.0 != "null");
                }
                Some(found.values)
            }
        }
    }

    /// Returns the position of a value in the document.
    pub fn span(&self, value: Value<'a>) -> Option<Span> {
        let offset = (value.0.as_ptr() as usize).checked_sub(self.document.as_ptr() as usize)?;
        Some(Span {
            offset: u32::try_from(offset).ok()?,
            length: u32::try_from(value.0.len()).ok()?,
        })
    }

    /// Decodes a text, with a warning if a character had to be replaced.
    pub fn decoded(&mut self, value: Value<'a>, place: Place) -> Option<Cow<'a, str>> {
        let decoded = value.decode()?;
        if decoded.replaced {
            self.warn_replaced(place);
        }
        Some(decoded.text)
    }

    /// Adds a warning for a text that could not be stored unchanged.
    pub fn warn_replaced(&mut self, place: Place) {
        self.warning(
            place.pointer(),
            codes::TEXT_REPLACED,
            "NUL or a lone surrogate was replaced by U+FFFD".to_owned(),
        );
    }

    /// Reads an optional member that must be a string.
    pub fn text(&mut self, value: Option<Value<'a>>, place: Place) -> Option<String> {
        let value = value?;
        match self.decoded(value, place) {
            Some(text) => Some(text.into_owned()),
            None => {
                self.wrong_type(place, value, "a string");
                None
            }
        }
    }

    /// Reads an optional member that must be a finite number.
    pub fn number(&mut self, value: Option<Value<'a>>, place: Place) -> Option<f64> {
        let value = value?;
        let Some(number) = value.number() else {
            self.wrong_type(place, value, "a number");
            return None;
        };
        if number.is_finite() {
            return Some(number);
        }
        self.out_of_range(place, value, "a number that a 64-bit float can hold");
        None
    }

    /// Reads an optional member that must be a number of at least 0.
    pub fn amount(&mut self, value: Option<Value<'a>>, place: Place) -> Option<f64> {
        let number = self.number(value, place)?;
        if number >= 0.0 {
            // Adding 0 turns -0 into 0, so that no row ever shows a minus sign.
            return Some(number + 0.0);
        }
        self.out_of_range(place, value?, "0 or more");
        None
    }

    /// Reads a member in seconds, and returns milliseconds.
    pub fn milliseconds(&mut self, value: Option<Value<'a>>, place: Place) -> Option<f64> {
        let milliseconds = milliseconds_of(self.amount(value, place)?);
        if milliseconds.is_finite() {
            return Some(milliseconds);
        }
        self.out_of_range(place, value?, "a duration that a 64-bit float can hold in milliseconds");
        None
    }

    /// Reads an optional member that must be a whole number from `least` to `most`.
    pub fn count(
        &mut self,
        value: Option<Value<'a>>,
        place: Place,
        least: f64,
        most: f64,
    ) -> Option<f64> {
        let number = self.number(value, place)?;
        if number.fract() != 0.0 {
            self.violation(
                place.pointer(),
                codes::NOT_AN_INTEGER,
                format!("expected a whole number, found {number}"),
            );
            return None;
        }
        // A float loses the last digits of an integer beyond its precision; the text does not.
        let written = value?.0.parse::<u64>();
        let exact =
            written.map_or(true, |written| written as f64 <= most && written <= MAX_WHOLE as u64);
        if exact && number >= least && number <= most {
            return Some(number + 0.0);
        }
        self.out_of_range(place, value?, &format!("a whole number from {least} to {most}"));
        None
    }

    /// Reads a member that counts tokens.
    pub fn tokens(&mut self, value: Option<Value<'a>>, place: Place) -> Option<f64> {
        self.count(value, place, 0.0, MAX_WHOLE)
    }

    /// Adds a violation for a value outside the allowed range.
    pub fn out_of_range(&mut self, place: Place, value: Value, expected: &str) {
        let found: String = value.0.chars().take(40).collect();
        self.violation(
            place.pointer(),
            codes::OUT_OF_RANGE,
            format!("expected {expected}, found {found}"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(json: &str) -> (String, bool) {
        let text = Value(json).decode().unwrap();
        (text.text.into_owned(), text.replaced)
    }

    #[test]
    fn text_is_decoded_and_made_storable() {
        assert_eq!(decoded(r#""plain""#), ("plain".into(), false));
        assert_eq!(decoded(r#""a\n\"b\" \u00e9 \ud83d\ude00""#), ("a\n\"b\" é 😀".into(), false));
        assert_eq!(decoded(r#""x\ud800y""#), ("x\u{FFFD}y".into(), true));
        assert_eq!(decoded(r#""\udc00\ud83d""#), ("\u{FFFD}\u{FFFD}".into(), true));
        assert_eq!(decoded(r#""a\u0000b""#), ("a\u{FFFD}b".into(), true));
        assert_eq!(decoded(r#""\ud83d\ud83d\ude00""#), ("\u{FFFD}😀".into(), true));
    }

    #[test]
    fn members_are_found_by_their_decoded_names() {
        let (mut reader, value) = Reader::new(r#" {"b": 1, "\u0061": [2], "c": null} "#).unwrap();
        let [a, c] = reader.root(value, ["a", "c"]).unwrap();
        assert_eq!(a.unwrap().json(), "[2]");
        assert!(c.is_none());
        assert_eq!(reader.span(a.unwrap()), Some(Span { offset: 20, length: 3 }));
    }

    #[test]
    fn a_leading_member_is_found_regardless_of_the_rest() {
        let text = r#" {"a": 1, "e": {"x": [NaN], "t": "s"}, "r": NaN}"#;
        let json = |text, path: &[&str]| leading_member(text, path).map(Value::json);
        assert_eq!(json(text, &["a"]), Some("1"));
        assert_eq!(json(text, &["e", "t"]), None, "NaN comes before it");
        let text = r#"{"e": {"y": {"t": 0}, "t": "s", "z": NaN"#;
        assert_eq!(json(text, &["e", "t"]), Some("\"s\""));
        assert_eq!(json(text, &["e", "z"]), None);
        for text in ["", "[1]", "null", r#"{"e": 1}"#, r#"{"e": []}"#, "{\"e\""] {
            assert_eq!(json(text, &["e", "t"]), None, "{text}");
        }
        assert_eq!(json("{\"\\u0065\": 2}", &["e"]), Some("2"));
    }

    #[test]
    fn a_compact_value_is_the_same_without_white_space() {
        let value = Value("{ \"a b\" :\n[1,\t\"\\\" \\\\\", \" x \"] }");
        assert_eq!(value.compact(), r#"{"a b":[1,"\" \\"," x "]}"#);
    }

    #[test]
    fn a_violation_in_optional_data_is_a_warning() {
        let (mut reader, value) = Reader::new(r#"{"a": "x", "b": 1e999}"#).unwrap();
        let [a, b] = reader.root(value, ["a", "b"]).unwrap();
        let at = |member| Place { object: "", member };
        assert_eq!(reader.decoration(|reader| reader.tokens(a, at("a"))), None);
        assert_eq!(reader.warnings().len(), 1);
        assert_eq!(reader.warnings()[0].code, codes::WRONG_TYPE);
        assert_eq!(reader.number(b, at("b")), None);
        assert_eq!(reader.finish(Some(())).unwrap_err()[0].path, "/b");
    }

    #[test]
    fn a_relevant_member_can_occur_only_once() {
        let (mut reader, value) =
            Reader::new(r#"{"a": 1, "x": 1, "x": 2, "\u0061": null}"#).unwrap();
        reader.root(value, ["a"]).unwrap();
        let violations = reader.finish(Some(())).unwrap_err();
        assert_eq!(violations.len(), 1);
        assert_eq!((violations[0].path.as_str(), violations[0].code), ("/a", codes::DUPLICATE_KEY));
    }

    #[test]
    fn the_first_thousand_are_reported_and_the_others_counted() {
        let found = |count: usize, decorations: usize| {
            let (mut reader, _) = Reader::new("0").unwrap();
            let place = Place { object: "", member: "a" };
            for index in 0..count.max(decorations) {
                if index < count {
                    reader.wrong_type(place, Value("0"), "a string");
                }
                if index < decorations {
                    reader.decoration(|reader| reader.wrong_type(place, Value("0"), "a string"));
                }
            }
            (reader.violation_count(), reader.finish_warned(Some(())))
        };
        assert_eq!(found(MAX_REPORTED, 5).1.unwrap_err().len(), MAX_REPORTED);
        let (count, reported) = found(MAX_REPORTED + 7, MAX_REPORTED + 9);
        let reported = reported.unwrap_err();
        assert_eq!((count, reported.len()), (MAX_REPORTED + 7, MAX_REPORTED + 1));
        let last = reported.last().unwrap();
        assert_eq!(last.code, codes::MORE_FOUND);
        assert_eq!(last.message, "7 more were found; the first 1000 are reported");
        let ((), warnings) = found(0, MAX_REPORTED + 2).1.unwrap();
        assert_eq!(
            warnings.last().unwrap().message,
            "2 more were found; the first 1000 are reported"
        );
    }
}
