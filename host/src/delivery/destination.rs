//! What records in the end.

use std::time::Duration;

use uuid::Uuid;

use crate::Recorder;
use crate::error::{Error, Result};
use crate::recorder::{
    ItemVerdict, ReceivedResult, SimulationCompleted, SimulationStart, SimulationStarted,
};
use crate::store::SimulationStatus;

/// How long a destination that is there may take to say so.
const ANSWER_TIME: Duration = Duration::from_secs(3);

/// What records in the end. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Destination {
    /// A database, through the recorder of this process.
    Database(Recorder),
}

impl Destination {
    /// Whether it is there at all.
    pub(super) async fn answers(&self) -> Result<()> {
        let asked = async {
            match self {
                Destination::Database(recorder) => recorder.store().answers().await,
            }
        };
        tokio::time::timeout(ANSWER_TIME, asked).await.unwrap_or_else(|_| {
            Err(Error::Unavailable(format!(
                "no answer within {} s; try again",
                ANSWER_TIME.as_secs()
            )))
        })
    }

    pub(super) async fn create_configuration(
        &self,
        name: &str,
        configuration: &str,
        user_id: Option<&str>,
    ) -> Result<String> {
        match self {
            Destination::Database(recorder) => {
                recorder.create_configuration(name, configuration, user_id).await
            }
        }
    }

    pub(super) async fn start_simulation(
        &self,
        start: SimulationStart,
    ) -> Result<SimulationStarted> {
        match self {
            Destination::Database(recorder) => recorder.start_simulation(start).await,
        }
    }

    /// Gives how many scenarios a start plans, if nothing is wrong with it.
    pub(super) async fn check_start(&self, start: &SimulationStart) -> Result<u32> {
        match self {
            Destination::Database(recorder) => recorder.check_start(start).await,
        }
    }

    pub(super) async fn record_received(
        &self,
        simulation_id: Uuid,
        received: Vec<ReceivedResult>,
    ) -> Result<Vec<ItemVerdict>> {
        match self {
            Destination::Database(recorder) => {
                recorder.record_received(simulation_id, received).await
            }
        }
    }

    /// What would become of results, as far as it can be told without the destination.
    pub(super) async fn preview(
        &self,
        simulation_id: Uuid,
        received: Vec<ReceivedResult>,
    ) -> Result<Vec<ItemVerdict>> {
        match self {
            Destination::Database(recorder) => recorder.preview(simulation_id, received).await,
        }
    }

    pub(super) async fn complete_simulation(
        &self,
        simulation_id: Uuid,
        suite: Option<&str>,
    ) -> Result<SimulationCompleted> {
        match self {
            Destination::Database(recorder) => {
                recorder.complete_simulation(simulation_id, suite).await
            }
        }
    }

    pub(super) async fn check_suite(&self, suite: &str) -> Result<()> {
        match self {
            Destination::Database(recorder) => recorder.check_suite(suite).await,
        }
    }

    pub(super) async fn end_simulation(
        &self,
        simulation_id: Uuid,
        status: SimulationStatus,
        reason: &str,
    ) -> Result<SimulationStatus> {
        match self {
            Destination::Database(recorder) => {
                recorder.end_simulation(simulation_id, status, reason).await
            }
        }
    }
}
