//! The spool over HTTP: its entries, and the actions on its dead letters.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::spool::{SpooledCall, StoredEntry};

/// Whether an entry waits or is a dead letter.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SpoolEntryState {
    /// It is waiting to be delivered.
    Waiting,
    /// It was refused, or cannot be read, and is kept.
    DeadLetter,
    /// A state of a newer service.
    #[serde(other)]
    Other,
}

/// The kind of an entry's record.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SpoolEntryKind {
    /// A version of an agent's configuration.
    Configuration,
    /// The start of a simulation.
    Start,
    /// A result.
    Result,
    /// The completion of a simulation.
    Completion,
    /// The end of a simulation that failed or was cancelled.
    End,
    /// It is damaged, or was written by a newer version of the program.
    Unreadable,
    /// A kind of a newer service.
    #[serde(other)]
    Other,
}

/// An entry of the spool, without its document.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
pub struct SpoolEntry {
    /// Its number: later entries have greater ones. A requeued entry gets a new one.
    pub sequence: u64,
    /// Whether it waits or was refused.
    pub state: SpoolEntryState,
    /// The kind of its record.
    pub kind: SpoolEntryKind,
    /// The simulation that it belongs to; none for a configuration.
    pub simulation_id: Option<Uuid>,
    /// The id of its result, if it is one.
    pub outcome_id: Option<Uuid>,
    /// When it was spooled.
    pub spooled_at: Timestamp,
    /// Its length in bytes.
    pub bytes: u64,
    /// Why it is a dead letter.
    pub reason: Option<String>,
    /// Until when it is retried automatically, if it is.
    pub retry_until: Option<Timestamp>,
}

impl From<&StoredEntry> for SpoolEntry {
    fn from(kept: &StoredEntry) -> Self {
        let call = kept.entry.as_ref().map(|entry| &entry.call);
        let kind = match call {
            None => SpoolEntryKind::Unreadable,
            Some(SpooledCall::Configuration { .. }) => SpoolEntryKind::Configuration,
            Some(SpooledCall::Start { .. }) => SpoolEntryKind::Start,
            Some(SpooledCall::Result { .. }) => SpoolEntryKind::Result,
            Some(SpooledCall::Complete { .. }) => SpoolEntryKind::Completion,
            Some(SpooledCall::End { .. }) => SpoolEntryKind::End,
        };
        let outcome_id = match call {
            Some(SpooledCall::Result { result, .. }) => Some(result.outcome_id),
            _ => None,
        };
        SpoolEntry {
            sequence: kept.sequence,
            state: match kept.dead_letter {
                Some(_) => SpoolEntryState::DeadLetter,
                None => SpoolEntryState::Waiting,
            },
            kind,
            simulation_id: kept.simulation_id,
            outcome_id,
            spooled_at: kept.spooled_at,
            bytes: kept.bytes,
            reason: kept.dead_letter.clone().or_else(|| kept.unreadable.clone()),
            retry_until: kept.retry_until,
        }
    }
}

/// Entries of the spool, oldest first.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
pub struct SpoolEntryList {
    /// The entries.
    pub entries: Vec<SpoolEntry>,
    /// The number after which the next page begins; absent on the last.
    pub after: Option<u64>,
}

/// An entry of the spool with its document.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
pub struct SpoolEntryDocument {
    /// The entry.
    #[serde(flatten)]
    pub entry: SpoolEntry,
    /// Its document: a result, a list of scenarios, a configuration, a suite's summary, or why a
    /// simulation ended. If the entry cannot be read, the readable part of it. Bytes that are not UTF-8
    /// text are replaced by U+FFFD.
    pub document: String,
    /// Whether the document is exactly this text.
    pub exact: bool,
}

impl SpoolEntryDocument {
    /// Creates the description of an entry from its bytes in the spool.
    pub fn new(kept: &StoredEntry, bytes: &[u8]) -> Self {
        let document = match kept.entry.as_ref().map(|entry| &entry.call) {
            None => crate::spool::document_of(bytes).to_vec(),
            Some(SpooledCall::Configuration { configuration, .. }) => {
                configuration.clone().into_bytes()
            }
            Some(SpooledCall::Start { start, .. }) => start.scenarios.clone().into_bytes(),
            Some(SpooledCall::Result { result, .. }) => {
                result.submission.document.as_bytes().to_vec()
            }
            Some(SpooledCall::Complete { suite, .. }) => {
                suite.clone().unwrap_or_default().into_bytes()
            }
            Some(SpooledCall::End { reason, .. }) => reason.clone().into_bytes(),
        };
        let entry = SpoolEntry::from(kept);
        match String::from_utf8(document) {
            Ok(document) => SpoolEntryDocument { entry, document, exact: true },
            Err(error) => {
                let document = String::from_utf8_lossy(error.as_bytes()).into_owned();
                SpoolEntryDocument { entry, document, exact: false }
            }
        }
    }
}

/// A selection of dead letters: some, or all.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeadLetterSelection {
    /// The dead letters with these numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sequences: Vec<u64>,
    /// All dead letters.
    #[serde(default)]
    pub all: bool,
}

impl DeadLetterSelection {
    /// Returns the numbers, or `None` for all dead letters.
    ///
    /// # Errors
    /// A sentence, if it names neither or both.
    pub fn sequences(self) -> Result<Option<Vec<u64>>, &'static str> {
        match (self.sequences.is_empty(), self.all) {
            (true, true) => Ok(None),
            (false, false) => Ok(Some(self.sequences)),
            _ => {
                Err("name dead letters by their numbers in `sequences`, or all of them with `all`")
            }
        }
    }
}

/// The result of requeueing dead letters.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
pub struct SpoolRequeued {
    /// How many wait again.
    pub entries: u64,
    /// How many cannot be read, and stay dead letters.
    pub unreadable: u64,
}

/// The result of dropping dead letters.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
pub struct SpoolDropped {
    /// How many were removed permanently.
    pub entries: u64,
}
