//! The names of an outcome's status: in the database, in JSON and in arguments.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::OutcomeStatus;

impl OutcomeStatus {
    /// All of them.
    pub const ALL: [OutcomeStatus; 4] = [
        OutcomeStatus::Success,
        OutcomeStatus::Error,
        OutcomeStatus::Timeout,
        OutcomeStatus::Cancelled,
    ];

    /// Returns its name.
    pub fn as_str(self) -> &'static str {
        match self {
            OutcomeStatus::Success => "success",
            OutcomeStatus::Error => "error",
            OutcomeStatus::Timeout => "timeout",
            OutcomeStatus::Cancelled => "cancelled",
        }
    }

    /// Returns the status with a name from the database, whose CHECK allows no other.
    pub(crate) fn from_database(name: &str) -> Self {
        name.parse().unwrap_or(OutcomeStatus::Error)
    }
}

impl fmt::Display for OutcomeStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for OutcomeStatus {
    type Err = InvalidStatus;

    fn from_str(name: &str) -> Result<Self, InvalidStatus> {
        let found = Self::ALL.into_iter().find(|status| status.as_str() == name);
        found.ok_or_else(|| InvalidStatus::new(name, Self::ALL.map(Self::as_str)))
    }
}

/// The order is that of the names, in which JSON has counts of outcomes by their status.
impl Ord for OutcomeStatus {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl PartialOrd for OutcomeStatus {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Serialize for OutcomeStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for OutcomeStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

/// A text that is not a status of an outcome, or of a simulation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidStatus {
    text: String,
    expected: Vec<&'static str>,
}

impl InvalidStatus {
    /// Makes it of the text, and of the names that were expected.
    pub(crate) fn new<const N: usize>(text: &str, expected: [&'static str; N]) -> Self {
        InvalidStatus { text: text.to_owned(), expected: expected.to_vec() }
    }
}

impl fmt::Display for InvalidStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let InvalidStatus { text, expected } = self;
        write!(formatter, "invalid status: {text:?} (expected one of {})", expected.join(", "))
    }
}

impl std::error::Error for InvalidStatus {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_status_has_one_name() {
        for status in OutcomeStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
            assert_eq!(OutcomeStatus::from_database(status.as_str()), status);
            let json = serde_json::to_string(&status).unwrap();
            assert_eq!(json, format!("\"{status}\""));
            assert_eq!(serde_json::from_str::<OutcomeStatus>(&json).unwrap(), status);
        }
        let unknown = "done".parse::<OutcomeStatus>().unwrap_err().to_string();
        assert_eq!(
            unknown,
            r#"invalid status: "done" (expected one of success, error, timeout, cancelled)"#
        );
        assert!(serde_json::from_str::<OutcomeStatus>("\"done\"").is_err());
    }

    #[test]
    fn counts_by_status_are_an_object_in_the_order_of_the_names() {
        let counts: BTreeMap<_, _> = OutcomeStatus::ALL.into_iter().zip(1..).collect();
        let json = serde_json::to_string(&counts).unwrap();
        assert_eq!(json, r#"{"cancelled":4,"error":2,"success":1,"timeout":3}"#);
        assert_eq!(serde_json::from_str::<BTreeMap<_, _>>(&json).unwrap(), counts);
    }
}
