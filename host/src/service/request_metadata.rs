//! The members beside the results of a body, read with memory in proportion to the number of results.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::wire::NotFiniteBody;

/// The members that a request can have beside its results.
const MEMBERS: &str = "modal_call_ids, sandbox_ids, trials, not_finite and header";

/// How many characters of an unknown member's name are shown.
const SHOWN_CHARACTERS: usize = 64;

/// The members next to `results` in a body: see [`ResultsMetadata`](crate::wire::ResultsMetadata).
#[derive(Debug, Default)]
pub(super) struct RequestMetadata {
    pub(super) modal_call_ids: Option<PerResult<Option<String>>>,
    pub(super) sandbox_ids: Option<PerResult<Option<String>>>,
    pub(super) trials: Option<PerResult<Option<u32>>>,
    pub(super) not_finite: Option<PerResult<Vec<NotFiniteBody>>>,
    pub(super) header: Option<Box<RawValue>>,
}

impl RequestMetadata {
    /// The first member without exactly one value for each result, and its number of values.
    pub(super) fn other_length(&self, count: usize) -> Option<(&'static str, usize)> {
        let lengths = [
            ("modal_call_ids", self.modal_call_ids.as_ref().map(|each| each.length)),
            ("sandbox_ids", self.sandbox_ids.as_ref().map(|each| each.length)),
            ("trials", self.trials.as_ref().map(|each| each.length)),
            ("not_finite", self.not_finite.as_ref().map(|each| each.length)),
        ];
        lengths.into_iter().find_map(|(name, length)| {
            length.filter(|length| *length != count).map(|length| (name, length))
        })
    }
}

/// Values in the results' order, at most one for each result, and the number of values in the request.
#[derive(Debug)]
pub(super) struct PerResult<T> {
    values: Vec<T>,
    length: usize,
}

impl<T> IntoIterator for PerResult<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.values.into_iter()
    }
}

/// Reads the members next to `count` results.
///
/// # Errors
/// If a member has the wrong type or is unknown: a typing error must not record results without their
/// metadata.
pub(super) fn read_metadata(envelope: &str, count: usize) -> serde_json::Result<RequestMetadata> {
    let mut reader = serde_json::Deserializer::from_str(envelope);
    let metadata = reader.deserialize_map(Members { count })?;
    reader.end()?;
    Ok(metadata)
}

/// The object of all members.
struct Members {
    count: usize,
}

impl<'de> Visitor<'de> for Members {
    type Value = RequestMetadata;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<RequestMetadata, A::Error> {
        let mut metadata = RequestMetadata::default();
        let mut seen: Vec<String> = Vec::new();
        while let Some(name) = members.next_key::<String>()? {
            if seen.contains(&name) {
                return Err(A::Error::custom(format!("{name} is repeated")));
            }
            let count = self.count;
            match name.as_str() {
                "modal_call_ids" => metadata.modal_call_ids = per_result(&mut members, count)?,
                "sandbox_ids" => metadata.sandbox_ids = per_result(&mut members, count)?,
                "trials" => metadata.trials = per_result(&mut members, count)?,
                "not_finite" => metadata.not_finite = per_result(&mut members, count)?,
                "header" => metadata.header = members.next_value()?,
                _ => {
                    let name: String = name.chars().take(SHOWN_CHARACTERS).collect();
                    return Err(A::Error::custom(format!(
                        "unknown member {name:?} (expected {MEMBERS}); the figures of a suite go \
                         to /complete, and a file with results and figures to /v1/files"
                    )));
                }
            }
            seen.push(name);
        }
        Ok(metadata)
    }
}

fn per_result<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    members: &mut A,
    count: usize,
) -> Result<Option<PerResult<T>>, A::Error> {
    members.next_value_seed(PerResultSeed { count, values: PhantomData })
}

/// An array with a value for each result, or `null`.
struct PerResultSeed<T> {
    count: usize,
    values: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for PerResultSeed<T> {
    type Value = Option<PerResult<T>>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_option(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for PerResultSeed<T> {
    type Value = Option<PerResult<T>>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an array with one member for each result")
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let (mut values, mut length) = (Vec::new(), 0);
        loop {
            // Excess values are counted but not stored.
            let more = if values.len() < self.count {
                let value = sequence.next_element()?;
                let more = value.is_some();
                values.extend(value);
                more
            } else {
                sequence.next_element::<IgnoredAny>()?.is_some()
            };
            if !more {
                return Ok(Some(PerResult { values, length }));
            }
            length += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_is_not_known_is_refused_by_its_name() {
        for envelope in [r#"{"trails": [1]}"#, r#"{"trials": [1], "suite": "nightly"}"#] {
            let error = read_metadata(envelope, 1).unwrap_err().to_string();
            assert!(error.contains("unknown member"), "{error}");
            assert!(error.contains("trails") || error.contains("suite"), "{error}");
        }
        let twice = read_metadata(r#"{"trials": [1], "trials": [2]}"#, 1).unwrap_err();
        assert!(twice.to_string().contains("trials is repeated"), "{twice}");
    }

    #[test]
    fn values_that_are_too_many_are_counted_and_not_kept() {
        let envelope = format!(r#"{{"trials": [{}1]}}"#, "null,".repeat(9_999));
        let metadata = read_metadata(&envelope, 3).unwrap();
        assert_eq!(metadata.other_length(3), Some(("trials", 10_000)));
        assert_eq!(metadata.trials.unwrap().values, [None, None, None]);
        let metadata = read_metadata(r#"{"trials": null, "sandbox_ids": [null, "a"]}"#, 2).unwrap();
        assert_eq!(metadata.other_length(2), None);
        assert!(metadata.trials.is_none());
    }
}
