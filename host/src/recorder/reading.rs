//! What can be asked of a recorder.

use uuid::Uuid;

use super::Recorder;
use super::progress::SimulationProgress;
use crate::error::Result;
use crate::store::{
    Attached, Failure, Health, Metrics, OutcomeFilter, OutcomePage, Performance, RejectedPage,
    SimulationPage, SimulationStatus,
};

impl Recorder {
    /// Where a simulation stands.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) where there is no such simulation.
    pub async fn simulation_status(&self, simulation_id: Uuid) -> Result<SimulationProgress> {
        self.make_ready().await?;
        SimulationProgress::read(&self.shared.store, simulation_id).await
    }

    /// A page of a simulation's outcomes, in order of scenario, trial and attempt: at most `limit`
    /// of them, from 1 to 1,000, from the beginning or from where the page before ended.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) where there is no such simulation;
    /// [`Error::Invalid`](crate::Error::Invalid) for another limit, or a cursor that is not one of
    /// this simulation's.
    pub async fn outcomes(
        &self,
        simulation_id: Uuid,
        filter: &OutcomeFilter,
        limit: u32,
        cursor: Option<&str>,
        attached: Attached,
    ) -> Result<OutcomePage> {
        self.make_ready().await?;
        self.shared.store.outcomes_page(simulation_id, filter, limit, cursor, attached).await
    }

    /// A page of the simulations, newest first: at most `limit` of them, from 1 to 10,000.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for another limit, or a cursor that is none.
    pub async fn simulations(
        &self,
        status: Option<SimulationStatus>,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<SimulationPage> {
        self.make_ready().await?;
        self.shared.store.simulations_page(status, limit, cursor).await
    }

    /// A page of what was rejected in a simulation, in order of receipt and without the documents: at
    /// most `limit` of them, from 1 to 1,000, from the first or from where the page before ended.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) where there is no such simulation;
    /// [`Error::Invalid`](crate::Error::Invalid) for another limit, or a cursor that is not one of
    /// this simulation's.
    pub async fn rejected(
        &self,
        simulation_id: Uuid,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<RejectedPage> {
        self.make_ready().await?;
        self.shared.store.rejected_page(simulation_id, limit, cursor).await
    }

    /// The verdict on one result as JSON text; nothing is recorded.
    ///
    /// # Errors
    /// An error of the extraction.
    pub async fn verdict_json(&self, document: String) -> Result<String> {
        let verdict =
            self.extractor().run(move |session| session.extract_json(None, &document)).await?;
        Ok(verdict?)
    }

    /// A simulation by the hour, for the last so many hours.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) where there is no such simulation.
    pub async fn performance(&self, simulation_id: Uuid, hours: f64) -> Result<Performance> {
        self.make_ready().await?;
        self.shared.store.performance(simulation_id, hours).await
    }

    /// The latest failures of all simulations, newest first.
    ///
    /// # Errors
    /// An error of the database.
    pub async fn recent_failures(&self, limit: u32) -> Result<Vec<Failure>> {
        self.make_ready().await?;
        self.shared.store.failures(limit.into()).await
    }

    /// Whether the database works. One that cannot be reached is an answer too, not an error.
    pub async fn health(&self) -> Health {
        self.shared.store.health().await
    }

    /// What this recorder and its store have done so far.
    pub fn metrics(&self) -> Metrics {
        self.shared.store.metrics()
    }
}

/// A duration such as `90m`, `24h`, `7d` or `2w` in hours; a day is 24 of them.
///
/// # Errors
/// A sentence that says what is wrong with the text.
pub fn duration_hours(text: &str) -> std::result::Result<f64, String> {
    let wrong =
        |reason: &dyn std::fmt::Display| format!("{reason}; a duration is like 90m, 24h, 7d or 2w");
    let span: jiff::Span = text.parse().map_err(|error: jiff::Error| wrong(&error))?;
    let day = jiff::SpanRelativeTo::days_are_24_hours();
    let hours = span.total((jiff::Unit::Hour, day)).map_err(|error| error.to_string())?;
    if hours > 0.0 { Ok(hours) } else { Err("a duration is longer than nothing".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::duration_hours;

    #[test]
    fn a_range_is_a_duration() {
        for (text, expected) in [("24h", 24.0), ("7d", 168.0), ("90m", 1.5), ("2w", 336.0)] {
            assert_eq!(duration_hours(text).unwrap(), expected, "{text}");
        }
        for text in ["", "24", "-1h", "0h", "x"] {
            assert!(duration_hours(text).is_err(), "{text}");
        }
    }
}
