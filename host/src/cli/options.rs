//! Arguments that several commands share.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use uuid::Uuid;

use super::metrics::parse_metric;
use crate::delivery::Source;
use crate::error::Result;
use crate::extraction::OutcomeStatus;
use crate::store::{MetricDefinition, OutcomeFilter, Store};

/// The options that select the format of a file.
#[derive(Clone, Debug, Args)]
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

/// The existing simulation of a command.
#[derive(Debug, Args)]
pub(super) struct SimulationArgument {
    /// The simulation: its id, a unique prefix of it of at least 4 characters, its name, or `latest`.
    #[arg(id = "simulation", value_name = "SIMULATION")]
    reference: String,
}

impl SimulationArgument {
    /// Returns the simulation's id.
    pub(super) async fn resolve(&self, source: &Source) -> Result<Uuid> {
        source.resolve_simulation(&self.reference).await
    }
}

/// The existing simulation to which a command is limited.
#[derive(Debug, Args)]
pub(super) struct SimulationOption {
    /// Only the results of this simulation: its id, a unique prefix of it of at least 4 characters, its
    /// name, or `latest`.
    #[arg(id = "simulation", long = "simulation", value_name = "SIMULATION")]
    reference: Option<String>,
}

impl SimulationOption {
    /// Returns the simulation's id, if the option is set.
    pub(super) async fn resolve(&self, store: &Store) -> Result<Option<Uuid>> {
        match &self.reference {
            Some(reference) => store.resolve_simulation(reference).await.map(Some),
            None => Ok(None),
        }
    }
}

/// The options that select outcomes of a simulation.
#[derive(Debug, Args)]
pub(super) struct OutcomeSelection {
    /// Only those with this status.
    #[arg(long, value_name = "STATUS", value_parser = outcome_status())]
    status: Option<OutcomeStatus>,

    /// Only those of this scenario.
    #[arg(long, value_name = "SCENARIO")]
    scenario: Option<String>,
}

impl OutcomeSelection {
    /// Returns the filter of these options.
    pub(super) fn into_filter(self) -> OutcomeFilter {
        OutcomeFilter { scenario_id: self.scenario, status: self.status }
    }
}

/// The options that declare metrics.
#[derive(Debug, Args)]
pub(super) struct MetricOptions {
    /// Declare a metric, as NAME:KEY=VALUE,…: its unit, lowest and highest value, higher_is_better,
    /// kind (binary, fraction, number, label), pass_threshold, and headline=true if it is the score;
    /// headline=false withdraws that. Can be repeated.
    #[arg(long = "metric", value_name = "NAME:KEY=VALUE", value_parser = parse_metric)]
    metrics: Vec<MetricDefinition>,

    /// Declare the highest value of the results' own score, whose lowest is 0: 100 for percentages.
    #[arg(long, value_name = "HIGHEST", allow_negative_numbers = true)]
    score_scale: Option<f64>,
}

impl MetricOptions {
    /// Returns the declared metrics; the scale of the score is that of the metric without a name.
    pub(super) fn definitions(&self) -> Vec<MetricDefinition> {
        let scale = self.score_scale.map(MetricDefinition::score_to);
        self.metrics.iter().cloned().chain(scale).collect()
    }
}

/// Parses the id of a simulation or a result.
pub(super) fn id(text: &str) -> std::result::Result<Uuid, String> {
    Uuid::try_parse(text).map_err(|_| {
        "an id is a UUID of 36 characters, as `arc-host simulations` lists them".to_owned()
    })
}

/// Returns the parser of an outcome's status.
fn outcome_status() -> impl TypedValueParser<Value = OutcomeStatus> {
    PossibleValuesParser::new(OutcomeStatus::ALL.map(OutcomeStatus::as_str))
        .try_map(|name| name.parse::<OutcomeStatus>())
}
