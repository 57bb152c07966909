//! The entries of the spool and their format on the disk.
//!
//! An entry is a preamble of fixed length, a header as JSON, and the document's bytes as received:
//! documents are neither escaped nor copied into JSON, and one that is not text is stored unchanged.
//!
//! The preamble holds the version, a mark by which entries are found in a damaged file, the entry's
//! sequence number, both lengths, the SHA-256 of header and document, and a checksum of itself. An
//! entry is therefore read only if each of its bytes is as it was written, even from a damaged file.

use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::extraction::Violation;
use crate::identity::Fingerprint;
use crate::recorder::{Document, NotFinite, ReceivedResult, ResultFormat, Submission};
use crate::store::{SimulationStart, SimulationStatus};

/// The version of the encoding. A change of the header's format requires a new version.
const VERSION: u8 = 3;

/// The versions without a preamble: the version is followed by the header's length.
const WITHOUT_DIGEST: [u8; 2] = [1, 2];

/// The bytes after the version, by which an entry is found in a damaged file. The first byte cannot
/// begin a character of UTF-8 text.
pub(super) const MARK: [u8; 7] = *b"\xA7arcspl";

/// The length of the preamble: version, mark, sequence number, two lengths, digest, checksum.
pub(super) const PREAMBLE_BYTES: usize = 1 + 7 + 8 + 4 + 8 + 32 + 8;

/// The position of the preamble's checksum, which covers the bytes before it.
const CHECKSUM_AT: usize = PREAMBLE_BYTES - 8;

/// A page of the file. An entry that does not share a page takes a power of two of them.
const PAGE_BYTES: u64 = 4096;

/// The overhead of an entry: its keys, its heads, and its part of the index pages.
const ROW_BYTES: u64 = 256;

/// A call that is to be recorded later, and when it was spooled.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When it was spooled.
    pub spooled_at: Timestamp,
    /// The call.
    pub call: SpooledCall,
}

/// A call of the recorder.
#[derive(Clone, Debug)]
pub enum SpooledCall {
    /// A version of an agent's configuration.
    Configuration {
        /// The agent's name.
        name: String,
        /// The configuration's text.
        configuration: String,
        /// The user that it belongs to.
        user_id: Option<String>,
    },
    /// The start of a simulation, with its id.
    Start {
        /// The start's parameters.
        start: Box<SimulationStart>,
        /// Whether the start time is from the host's clock, because the database's was not known.
        host_clock: bool,
    },
    /// A result.
    Result {
        /// The simulation it belongs to.
        simulation_id: Uuid,
        /// The result, with its id and its time of receipt, which recording it later does not change.
        result: ReceivedResult,
    },
    /// The completion of a simulation.
    Complete {
        /// The simulation.
        simulation_id: Uuid,
        /// The summary of its suite: a JSON document.
        suite: Option<String>,
    },
    /// The end of a simulation that failed or was cancelled.
    End {
        /// The simulation.
        simulation_id: Uuid,
        /// The final status.
        status: SimulationStatus,
        /// The reason.
        reason: String,
    },
}

impl SpooledCall {
    /// Returns the simulation that the call belongs to; `None` for a configuration.
    pub fn simulation_id(&self) -> Option<Uuid> {
        match self {
            SpooledCall::Configuration { .. } => None,
            SpooledCall::Start { start, .. } => start.simulation_id,
            SpooledCall::Result { simulation_id, .. }
            | SpooledCall::Complete { simulation_id, .. }
            | SpooledCall::End { simulation_id, .. } => Some(*simulation_id),
        }
    }
}

/// The data of an entry that is available without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) simulation_id: Option<Uuid>,
    pub(super) spooled_at: Timestamp,
    /// The length of the encoded entry.
    pub(super) bytes: u64,
}

impl Head {
    /// Returns how many bytes of the disk an entry takes. The file's pages are powers of two, and those
    /// shared by several short entries are about half full.
    pub(super) fn disk_bytes(&self) -> u64 {
        let bytes = self.bytes.saturating_add(ROW_BYTES);
        if bytes <= PAGE_BYTES / 2 { 2 * bytes } else { bytes.next_power_of_two() + ROW_BYTES }
    }
}

/// An encoded entry, except for its sequence number.
#[derive(Debug)]
pub(super) struct EncodedEntry {
    pub(super) head: Head,
    /// The preamble and the header.
    pub(super) front: Vec<u8>,
    /// The document, shared with the call, so that its bytes are copied only to the disk.
    pub(super) document: Bytes,
}

impl EncodedEntry {
    /// Returns how many bytes [`EncodedEntry::write`] writes.
    pub(super) fn length(&self) -> usize {
        self.front.len() + self.document.len()
    }

    /// Writes the bytes to a slice of the same length, with the sequence number in the preamble.
    pub(super) fn write(&self, sequence: u64, place: &mut [u8]) {
        let mut rest = &mut *place;
        // The slice has the same length, so the write cannot fail.
        let _ = rest.write_all(&self.front).and_then(|()| rest.write_all(&self.document));
        seal(place, sequence);
    }
}

/// The fields of a preamble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Preamble {
    pub(super) sequence: u64,
    header_bytes: usize,
    /// The whole length, with the preamble.
    pub(super) entry_bytes: u64,
    digest: [u8; 32],
}

impl Preamble {
    /// Reads the preamble at the start of the bytes; `None` if any byte of it has changed.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let preamble: &[u8; PREAMBLE_BYTES] = bytes.first_chunk()?;
        let (checked, checksum) = preamble.split_at_checked(CHECKSUM_AT)?;
        if *checksum != checksum_of(checked) {
            return None;
        }
        let (version, rest) = checked.split_first()?;
        let (mark, rest) = rest.split_first_chunk::<7>()?;
        let (sequence, rest) = rest.split_first_chunk()?;
        let (header_bytes, rest) = rest.split_first_chunk()?;
        let (document_bytes, rest) = rest.split_first_chunk()?;
        if *version != VERSION || *mark != MARK {
            return None;
        }
        let header_bytes = u32::from_le_bytes(*header_bytes);
        Some(Preamble {
            sequence: u64::from_le_bytes(*sequence),
            header_bytes: usize::try_from(header_bytes).ok()?,
            entry_bytes: u64::from_le_bytes(*document_bytes)
                .checked_add(u64::from(header_bytes))?
                .checked_add(PREAMBLE_BYTES as u64)?,
            digest: *rest.first_chunk()?,
        })
    }
}

fn checksum_of(bytes: &[u8]) -> [u8; 8] {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    let mut checksum = [0; 8];
    checksum.iter_mut().zip(digest).for_each(|(slot, byte)| *slot = byte);
    checksum
}

fn digest_of(header: &[u8], document: &[u8]) -> [u8; 32] {
    let mut fingerprint = Fingerprint::new("spool-entry");
    fingerprint.part(header);
    fingerprint.part(document);
    fingerprint.digest()
}

/// Writes a sequence number into the preamble of an entry.
pub(super) fn seal(bytes: &mut [u8], sequence: u64) {
    let Some((checked, rest)) = bytes.split_at_mut_checked(CHECKSUM_AT) else { return };
    if let Some(slot) = checked.get_mut(8..16) {
        slot.copy_from_slice(&sequence.to_le_bytes());
    }
    let checksum = checksum_of(checked);
    rest.iter_mut().zip(checksum).for_each(|(slot, byte)| *slot = byte);
}

// An unknown member means a later version, which must not be read in part.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    spooled_at: Timestamp,
    call: Call,
}

/// A call without its document.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(clippy::large_enum_variant, reason = "nearly all calls are results")]
enum Call {
    /// The document is the configuration.
    Configuration { name: String, user_id: Option<String> },
    /// The document is the list of scenarios.
    Start {
        #[serde(flatten)]
        start: Box<SimulationStart>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        host_clock: bool,
    },
    /// The document is the result's.
    Result {
        simulation_id: Uuid,
        outcome_id: Uuid,
        received_at: Timestamp,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        host_clock: bool,
        unreadable: Option<TextDefect>,
        position: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        line: Option<u64>,
        trial: Option<u32>,
        modal_call_id: Option<String>,
        sandbox_id: Option<String>,
        not_finite: Vec<NotFinite>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        format: Option<Format>,
    },
    /// The document is the suite, if there is one.
    Complete { simulation_id: Uuid, has_suite: bool },
    /// No document.
    End { simulation_id: Uuid, status: SimulationStatus, reason: String },
}

/// The format of a result that is not in the built-in one.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Format {
    name: String,
    header: Option<String>,
}

/// Why a document is not text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TextDefect {
    length: u64,
    path: String,
    code: String,
    message: String,
}

impl Entry {
    pub(super) fn encode(self) -> Result<EncodedEntry> {
        let (simulation_id, spooled_at) = (self.call.simulation_id(), self.spooled_at);
        let (call, document) = parts(self.call);
        let header = serde_json::to_vec(&Header { spooled_at, call });
        let header = header.map_err(|error| {
            Error::invalid("the call cannot be encoded for the spool").with_source(error)
        })?;
        let length = u32::try_from(header.len()).map_err(|_| {
            Error::invalid(format!(
                "the call to be spooled has {} bytes beside its document, more than 4 GiB",
                header.len()
            ))
        })?;
        let mut front = Vec::with_capacity(PREAMBLE_BYTES + header.len());
        front.push(VERSION);
        front.extend(MARK);
        // The sequence number is set when the entry is written.
        front.extend([0; 8]);
        front.extend(length.to_le_bytes());
        front.extend((document.len() as u64).to_le_bytes());
        front.extend(digest_of(&header, &document));
        front.extend([0; 8]);
        front.extend(header);
        let bytes = (front.len() + document.len()) as u64;
        Ok(EncodedEntry { head: Head { simulation_id, spooled_at, bytes }, front, document })
    }

    /// Reads the entry stored under a sequence number, and checks that each byte is as it was written
    /// there and that a result's id matches its content.
    pub(super) fn read(sequence: u64, bytes: &[u8]) -> std::result::Result<Entry, Unreadable> {
        let entry = Entry::decode(bytes)?;
        if let Some(preamble) = Preamble::read(bytes)
            && preamble.sequence != sequence
        {
            return Err(Unreadable::Damaged(format!(
                "the entry in the spool is damaged: it is the one with the number {}",
                preamble.sequence
            )));
        }
        Ok(entry)
    }

    /// Decodes an entry, or returns why it cannot be read.
    pub(super) fn decode(bytes: &[u8]) -> std::result::Result<Entry, Unreadable> {
        let cut_off = || Unreadable::Damaged("the entry in the spool is cut off".to_owned());
        let damaged = |what: &str| Unreadable::Damaged(format!("the entry in the spool {what}"));
        let (version, rest) = bytes.split_first().ok_or_else(cut_off)?;
        let (header, document) = if WITHOUT_DIGEST.contains(version) {
            let (length, rest) = rest.split_first_chunk().ok_or_else(cut_off)?;
            let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| cut_off())?;
            rest.split_at_checked(length).ok_or_else(cut_off)?
        } else if *version == VERSION {
            let body = bytes.get(PREAMBLE_BYTES..).ok_or_else(cut_off)?;
            let preamble = Preamble::read(bytes)
                .ok_or_else(|| damaged("is damaged: its preamble has changed"))?;
            if preamble.entry_bytes != bytes.len() as u64 {
                return Err(cut_off());
            }
            let parts = body.split_at_checked(preamble.header_bytes).ok_or_else(cut_off)?;
            if digest_of(parts.0, parts.1) != preamble.digest {
                return Err(damaged("is damaged: its bytes are not those that were written"));
            }
            parts
        } else {
            return Err(Unreadable::Unknown(format!(
                "the entry in the spool has format {version}, and this version of the program \
                 reads format {VERSION}; requeue it with the version that wrote it, or a newer one"
            )));
        };
        let header: Header = serde_json::from_slice(header).map_err(|error| {
            Unreadable::Unknown(format!("the entry in the spool has an unknown header: {error}"))
        })?;
        let call = whole(header.call, document).map_err(Unreadable::Damaged)?;
        if let SpooledCall::Result { simulation_id, result } = &call
            && result.submission.outcome_id(*simulation_id) != result.outcome_id
        {
            return Err(damaged(&format!(
                "is damaged: its document is not that of the result {}",
                result.outcome_id
            )));
        }
        Ok(Entry { spooled_at: header.spooled_at, call })
    }

    /// Returns the document of an entry that can be damaged, as far as it can be separated from
    /// preamble and header, for display.
    pub(super) fn document_of(bytes: &[u8]) -> &[u8] {
        let length = |at: usize| {
            let length: &[u8; 4] = bytes.get(at..)?.first_chunk()?;
            usize::try_from(u32::from_le_bytes(*length)).ok()
        };
        let begins = match bytes.first() {
            Some(version) if WITHOUT_DIGEST.contains(version) => length(1).map(|header| 5 + header),
            _ => length(16).map(|header| PREAMBLE_BYTES.saturating_add(header)),
        };
        begins.and_then(|begins| bytes.get(begins..)).unwrap_or(bytes)
    }
}

/// The prefix of each reason why an entry cannot be read.
pub(super) const UNREADABLE: &str = "the entry in the spool";

/// Why an entry cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// Bytes are missing or not as they were written.
    Damaged(String),
    /// It was written by another version of the program.
    Unknown(String),
}

impl Unreadable {
    pub(super) fn reason(&self) -> &str {
        match self {
            Unreadable::Damaged(reason) | Unreadable::Unknown(reason) => reason,
        }
    }
}

/// Splits a call into its header and its document.
fn parts(call: SpooledCall) -> (Call, Bytes) {
    match call {
        SpooledCall::Configuration { name, configuration, user_id } => {
            (Call::Configuration { name, user_id }, configuration.into())
        }
        SpooledCall::Start { mut start, host_clock } => {
            let scenarios = std::mem::take(&mut start.scenarios);
            (Call::Start { start, host_clock }, scenarios.into())
        }
        SpooledCall::Result { simulation_id, result } => {
            // The sender's warnings are made from `not_finite` when the document is extracted.
            let ReceivedResult { outcome_id, received_at, host_clock, submission, .. } = result;
            let Submission {
                document,
                position,
                line,
                trial,
                modal_call_id,
                sandbox_id,
                not_finite,
                format,
            } = submission;
            let format = format.map(|format| Format {
                name: format.name().to_owned(),
                header: format.header().map(str::to_owned),
            });
            let unreadable = match &document {
                Document::Text(_) => None,
                Document::Unreadable { length, violation, .. } => {
                    let Violation { path, code, message } = Violation::clone(violation);
                    Some(TextDefect { length: *length, path, code, message })
                }
            };
            let call = Call::Result {
                simulation_id,
                outcome_id,
                received_at,
                host_clock,
                unreadable,
                position,
                line,
                trial,
                modal_call_id,
                sandbox_id,
                not_finite,
                format,
            };
            (call, document.to_bytes())
        }
        SpooledCall::Complete { simulation_id, suite } => {
            let call = Call::Complete { simulation_id, has_suite: suite.is_some() };
            (call, suite.unwrap_or_default().into())
        }
        SpooledCall::End { simulation_id, status, reason } => {
            (Call::End { simulation_id, status, reason }, Bytes::new())
        }
    }
}

/// Joins a header and its document to a call.
fn whole(call: Call, document: &[u8]) -> std::result::Result<SpooledCall, String> {
    let text = || {
        String::from_utf8(document.to_vec()).map_err(|error| {
            format!("the entry in the spool has a document that is not UTF-8: {error}")
        })
    };
    Ok(match call {
        Call::Configuration { name, user_id } => {
            SpooledCall::Configuration { name, configuration: text()?, user_id }
        }
        Call::Start { mut start, host_clock } => {
            start.scenarios = text()?;
            SpooledCall::Start { start, host_clock }
        }
        Call::Result {
            simulation_id,
            outcome_id,
            received_at,
            host_clock,
            unreadable,
            position,
            line,
            trial,
            modal_call_id,
            sandbox_id,
            not_finite,
            format,
        } => {
            let document = match unreadable {
                None => Document::Text(Arc::new(text()?)),
                Some(TextDefect { length, path, code, message }) => Document::Unreadable {
                    bytes: Bytes::copy_from_slice(document),
                    length,
                    violation: Arc::new(Violation { path, code, message }),
                },
            };
            let format =
                format.map(|Format { name, header }| Arc::new(ResultFormat::new(name, header)));
            let submission = Submission {
                document,
                position,
                line,
                trial,
                modal_call_id,
                sandbox_id,
                not_finite,
                format,
            };
            let sender_warnings = Vec::new();
            let result =
                ReceivedResult { outcome_id, received_at, host_clock, submission, sender_warnings };
            SpooledCall::Result { simulation_id, result }
        }
        Call::Complete { simulation_id, has_suite } => {
            SpooledCall::Complete { simulation_id, suite: has_suite.then(text).transpose()? }
        }
        Call::End { simulation_id, status, reason } => {
            SpooledCall::End { simulation_id, status, reason }
        }
    })
}
