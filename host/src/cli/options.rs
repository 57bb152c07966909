//! Arguments that several commands share.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use uuid::Uuid;

use crate::extraction::OutcomeStatus;

/// The options that select the format of a file.
#[derive(Debug, Args)]
pub(super) struct FormatOptions {
    /// The format of the results, as `arc-host formats list` names it; arc-guide is the built-in one.
    /// Default: the format that recognises the file.
    #[arg(long, value_name = "NAME")]
    pub(super) format: Option<String>,

    /// The header file, with the information that all results share, if the format stores it
    /// separately. Default: the file in the same folder that the format's patterns match.
    #[arg(long, value_name = "FILE")]
    pub(super) header: Option<PathBuf>,
}

/// Parses the id of a simulation or a result.
pub(super) fn id(text: &str) -> Result<Uuid, String> {
    Uuid::try_parse(text).map_err(|_| {
        "an id is a UUID of 36 characters, as `arc-host simulations` lists them".to_owned()
    })
}

/// Returns the parser of an outcome's status.
pub(super) fn outcome_status() -> impl TypedValueParser<Value = OutcomeStatus> {
    PossibleValuesParser::new(OutcomeStatus::ALL.map(OutcomeStatus::as_str))
        .try_map(|name| name.parse::<OutcomeStatus>())
}
