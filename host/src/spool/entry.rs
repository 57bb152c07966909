//! What is spooled, and how it lies on the disk.
//!
//! A version byte, the length of the header (4 bytes, little-endian), the header as JSON, and the
//! document's bytes as they came: what is long is neither escaped nor copied into JSON, and a
//! document that is no text stays what it is.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::extraction::Violation;
use crate::recorder::{Document, NotFinite, ResultFormat, SimulationStart, Submission};
use crate::store::SimulationStatus;

/// The version of the encoding. Whatever changes the header changes it too.
const VERSION: u8 = 2;

/// The version before results could name a format: its headers read the same.
const BEFORE_FORMATS: u8 = 1;

/// A call that could not be recorded, and when it was spooled.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When it was given to the spool.
    pub spooled_at: Timestamp,
    /// What is to be recorded.
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
        /// Whose it is.
        user_id: Option<String>,
    },
    /// The start of a simulation, with its id.
    Start(Box<SimulationStart>),
    /// A result.
    Result {
        /// The simulation it belongs to.
        simulation_id: Uuid,
        /// The id that its caller was told.
        outcome_id: Uuid,
        /// When it was received, which recording it later does not change.
        received_at: Timestamp,
        /// Whether that is by the host's own clock, since the database's was not known.
        host_clock: bool,
        /// The result itself.
        submission: Submission,
    },
    /// The completion of a simulation.
    Complete {
        /// Which one.
        simulation_id: Uuid,
        /// The summary of its suite: a JSON document.
        suite: Option<String>,
    },
    /// The end of a simulation that was given up or stopped.
    End {
        /// Which one.
        simulation_id: Uuid,
        /// How it ended.
        status: SimulationStatus,
        /// Why.
        reason: String,
    },
}

impl SpooledCall {
    /// The simulation that the call is about; none for a configuration.
    pub fn simulation_id(&self) -> Option<Uuid> {
        match self {
            SpooledCall::Configuration { .. } => None,
            SpooledCall::Start(start) => start.simulation_id,
            SpooledCall::Result { simulation_id, .. }
            | SpooledCall::Complete { simulation_id, .. }
            | SpooledCall::End { simulation_id, .. } => Some(*simulation_id),
        }
    }
}

/// What the spool knows of an entry without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) simulation_id: Option<Uuid>,
    pub(super) spooled_at: Timestamp,
    /// Of the encoded entry.
    pub(super) bytes: u64,
}

/// An entry as it lies on the disk.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) head: Head,
    pub(super) bytes: Vec<u8>,
}

// A header with members that are not known is of a later version, and not to be read in part.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    spooled_at: Timestamp,
    call: Call,
}

/// A call without its document.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Call {
    /// The document is the configuration.
    Configuration { name: String, user_id: Option<String> },
    /// The document is the list of scenarios.
    Start {
        simulation_id: Option<Uuid>,
        config_version_id: String,
        trials: Option<u32>,
        simulation_name: Option<String>,
        modal_app_id: Option<String>,
        modal_environment: Option<String>,
        sandbox_instances: Option<u32>,
        metadata: Option<String>,
        #[serde(default)]
        started_at: Option<Timestamp>,
    },
    /// The document is the result's.
    Result {
        simulation_id: Uuid,
        outcome_id: Uuid,
        received_at: Timestamp,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        host_clock: bool,
        unreadable: Option<Unreadable>,
        position: Option<u64>,
        trial: Option<u32>,
        modal_call_id: Option<String>,
        sandbox_id: Option<String>,
        not_finite: Vec<NotFinite>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        format: Option<Format>,
    },
    /// The document is the suite, where there is one.
    Complete { simulation_id: Uuid, has_suite: bool },
    /// No document.
    End { simulation_id: Uuid, status: SimulationStatus, reason: String },
}

/// The format of a result that is not of the built-in one.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Format {
    name: String,
    header: Option<String>,
}

/// Why a document is not text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unreadable {
    length: u64,
    path: String,
    code: String,
    message: String,
}

impl Entry {
    pub(super) fn encode(self) -> Result<Encoded> {
        let (simulation_id, spooled_at) = (self.call.simulation_id(), self.spooled_at);
        let (call, document) = parts(self.call);
        let named = matches!(&call, Call::Result { format: Some(_), .. });
        let version = if named { VERSION } else { BEFORE_FORMATS };
        let header = serde_json::to_vec(&Header { spooled_at, call });
        let header = header.map_err(|error| {
            Error::Invalid(format!("what is to be spooled cannot be written down: {error}"))
        })?;
        let length = u32::try_from(header.len()).map_err(|_| {
            Error::Invalid(format!(
                "what is to be spooled has {} bytes beside its document, more than 4 GiB",
                header.len()
            ))
        })?;
        let mut bytes = Vec::with_capacity(1 + 4 + header.len() + document.len());
        // What names no format is written as before, so that an older program takes it too.
        bytes.push(version);
        bytes.extend(length.to_le_bytes());
        bytes.extend(header);
        bytes.extend(document);
        let head = Head { simulation_id, spooled_at, bytes: bytes.len() as u64 };
        Ok(Encoded { head, bytes })
    }

    /// Reads an entry, or says why this version cannot.
    pub(super) fn decode(bytes: &[u8]) -> std::result::Result<Entry, String> {
        let cut_off = || "the entry in the spool is cut off".to_owned();
        let (version, rest) = bytes.split_first().ok_or_else(cut_off)?;
        if !matches!(*version, VERSION | BEFORE_FORMATS) {
            return Err(format!(
                "the entry in the spool has format {version}, and this version of the program \
                 reads format {VERSION}; take it back with the version that wrote it, or a newer one"
            ));
        }
        let (length, rest) = rest.split_first_chunk().ok_or_else(cut_off)?;
        let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| cut_off())?;
        let (header, document) = rest.split_at_checked(length).ok_or_else(cut_off)?;
        let header: Header = serde_json::from_slice(header)
            .map_err(|error| format!("the entry in the spool has an unknown header: {error}"))?;
        Ok(Entry { spooled_at: header.spooled_at, call: whole(header.call, document)? })
    }
}

/// A call as its header and its document.
fn parts(call: SpooledCall) -> (Call, Vec<u8>) {
    match call {
        SpooledCall::Configuration { name, configuration, user_id } => {
            (Call::Configuration { name, user_id }, configuration.into_bytes())
        }
        SpooledCall::Start(start) => {
            // Whole, so that a new member is not forgotten here.
            let SimulationStart {
                simulation_id,
                config_version_id,
                scenarios,
                trials,
                simulation_name,
                modal_app_id,
                modal_environment,
                sandbox_instances,
                metadata,
                started_at,
            } = *start;
            let call = Call::Start {
                simulation_id,
                config_version_id,
                trials,
                simulation_name,
                modal_app_id,
                modal_environment,
                sandbox_instances,
                metadata,
                started_at,
            };
            (call, scenarios.into_bytes())
        }
        SpooledCall::Result { simulation_id, outcome_id, received_at, host_clock, submission } => {
            let Submission {
                document,
                position,
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
            let (document, unreadable) = match document {
                Document::Text(text) => (text.into_bytes(), None),
                Document::Unreadable { bytes, length, violation } => {
                    let Violation { path, code, message } = violation;
                    (bytes, Some(Unreadable { length, path, code, message }))
                }
            };
            let call = Call::Result {
                simulation_id,
                outcome_id,
                received_at,
                host_clock,
                unreadable,
                position,
                trial,
                modal_call_id,
                sandbox_id,
                not_finite,
                format,
            };
            (call, document)
        }
        SpooledCall::Complete { simulation_id, suite } => {
            let call = Call::Complete { simulation_id, has_suite: suite.is_some() };
            (call, suite.unwrap_or_default().into_bytes())
        }
        SpooledCall::End { simulation_id, status, reason } => {
            (Call::End { simulation_id, status, reason }, Vec::new())
        }
    }
}

/// A header and its document as a call.
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
        Call::Start {
            simulation_id,
            config_version_id,
            trials,
            simulation_name,
            modal_app_id,
            modal_environment,
            sandbox_instances,
            metadata,
            started_at,
        } => SpooledCall::Start(Box::new(SimulationStart {
            simulation_id,
            config_version_id,
            scenarios: text()?,
            trials,
            simulation_name,
            modal_app_id,
            modal_environment,
            sandbox_instances,
            metadata,
            started_at,
        })),
        Call::Result {
            simulation_id,
            outcome_id,
            received_at,
            host_clock,
            unreadable,
            position,
            trial,
            modal_call_id,
            sandbox_id,
            not_finite,
            format,
        } => {
            let document = match unreadable {
                None => Document::Text(text()?),
                Some(Unreadable { length, path, code, message }) => Document::Unreadable {
                    bytes: document.to_vec(),
                    length,
                    violation: Violation { path, code, message },
                },
            };
            let format =
                format.map(|Format { name, header }| Arc::new(ResultFormat::new(name, header)));
            let submission = Submission {
                document,
                position,
                trial,
                modal_call_id,
                sandbox_id,
                not_finite,
                format,
            };
            SpooledCall::Result { simulation_id, outcome_id, received_at, host_clock, submission }
        }
        Call::Complete { simulation_id, has_suite } => {
            SpooledCall::Complete { simulation_id, suite: has_suite.then(text).transpose()? }
        }
        Call::End { simulation_id, status, reason } => {
            SpooledCall::End { simulation_id, status, reason }
        }
    })
}
