//! The read operations of a recorder.

use jiff::Timestamp;
use uuid::Uuid;

use super::Recorder;
use super::progress::SimulationProgress;
use crate::error::Result;
use crate::store::{
    Attachments, Failure, Health, Metrics, OutcomeFilter, OutcomePage, Performance, RejectedPage,
    SimulationFilter, SimulationPage, hours_before,
};

impl Recorder {
    /// Returns the progress of a simulation.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if the simulation does not exist.
    pub async fn simulation_status(&self, simulation_id: Uuid) -> Result<SimulationProgress> {
        self.make_ready().await?;
        SimulationProgress::read(&self.shared.store, simulation_id).await
    }

    /// Returns a page of a simulation's outcomes, in order of scenario, trial and attempt: at most
    /// `limit` of them, from 1 to 1,000, from the beginning or after the previous page.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if the simulation does not exist;
    /// [`Error::Invalid`](crate::Error::Invalid) for another limit, or a cursor that is not one of
    /// this simulation.
    pub async fn outcomes(
        &self,
        simulation_id: Uuid,
        filter: &OutcomeFilter,
        limit: u32,
        cursor: Option<&str>,
        attached: Attachments,
    ) -> Result<OutcomePage> {
        self.make_ready().await?;
        self.shared.store.outcomes_page(simulation_id, filter, limit, cursor, attached).await
    }

    /// Returns a page of the simulations that a filter selects, newest first: at most `limit` of them, from
    /// 1 to 10,000.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for another limit, or an invalid cursor.
    pub async fn simulations(
        &self,
        filter: &SimulationFilter,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<SimulationPage> {
        self.make_ready().await?;
        self.shared.store.simulations_page(filter, limit, cursor).await
    }

    /// Returns a page of a simulation's rejected results, in order of receipt and without the
    /// documents: at most `limit` of them, from 1 to 1,000, from the beginning or after the previous
    /// page.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if the simulation does not exist;
    /// [`Error::Invalid`](crate::Error::Invalid) for another limit, or a cursor that is not one of
    /// this simulation.
    pub async fn rejected(
        &self,
        simulation_id: Uuid,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<RejectedPage> {
        self.make_ready().await?;
        self.shared.store.rejected_page(simulation_id, limit, cursor).await
    }

    /// Returns the verdict on one result as JSON text; nothing is recorded.
    ///
    /// # Errors
    /// An error of the extraction.
    pub async fn verdict_json(&self, document: String) -> Result<String> {
        let verdict =
            self.extractor().run(move |session| session.extract_json(None, &document)).await?;
        Ok(verdict?)
    }

    /// Returns a simulation's performance by the hour, for the last `hours` hours.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if the simulation does not exist.
    pub async fn performance(&self, simulation_id: Uuid, hours: f64) -> Result<Performance> {
        self.make_ready().await?;
        self.shared.store.performance(simulation_id, hours).await
    }

    /// Returns the latest failures of all simulations, newest first.
    ///
    /// # Errors
    /// An error of the database.
    pub async fn recent_failures(&self, limit: u32) -> Result<Vec<Failure>> {
        self.recent_failures_in(limit, None).await
    }

    /// The same of the simulations of a project.
    ///
    /// # Errors
    /// As [`Recorder::recent_failures`].
    pub async fn recent_failures_in(
        &self,
        limit: u32,
        project: Option<&str>,
    ) -> Result<Vec<Failure>> {
        self.make_ready().await?;
        self.shared.store.failures_in(limit.into(), project).await
    }

    /// Returns whether the database works. That it is unreachable is an answer too, not an error.
    pub async fn health(&self) -> Health {
        self.shared.store.health().await
    }

    /// Returns the metrics of this recorder and its store since the start.
    pub fn metrics(&self) -> Metrics {
        self.shared.store.metrics()
    }
}

/// Converts a duration such as `90m`, `24h`, `7d` or `2w` to hours; a day has 24 of them.
///
/// # Errors
/// The reason why the text is not valid.
pub fn duration_hours(text: &str) -> std::result::Result<f64, String> {
    let wrong =
        |reason: &dyn std::fmt::Display| format!("{reason}; a duration is like 90m, 24h, 7d or 2w");
    let span: jiff::Span = text.parse().map_err(|error: jiff::Error| wrong(&error))?;
    let day = jiff::SpanRelativeTo::days_are_24_hours();
    let hours = span.total((jiff::Unit::Hour, day)).map_err(|error| error.to_string())?;
    if hours > 0.0 { Ok(hours) } else { Err(wrong(&"it must be greater than 0")) }
}

/// Returns the time that a text names: a date or a time (RFC 3339), or a duration such as `7d` before now.
///
/// # Errors
/// The reason why the text is not valid.
pub fn time_since(text: &str, now: Timestamp) -> std::result::Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    if let Ok(date) = text.parse::<jiff::civil::Date>() {
        let begins = date.to_zoned(jiff::tz::TimeZone::UTC).map_err(|error| error.to_string())?;
        return Ok(begins.timestamp());
    }
    let hours = duration_hours(text).map_err(|_| {
        format!("invalid time: {text:?} (expected 2026-03-01, 2026-03-01T12:00:00Z, or a duration such as 7d)")
    })?;
    hours_before(now, hours).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{duration_hours, time_since};

    #[test]
    fn a_time_is_a_date_a_time_or_a_duration_before_now() {
        let now: Timestamp = "2026-03-08T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("2026-03-01", "2026-03-01T00:00:00Z"),
            ("2026-03-01T12:00:00+02:00", "2026-03-01T10:00:00Z"),
            ("7d", "2026-03-01T12:00:00Z"),
            ("90m", "2026-03-08T10:30:00Z"),
        ] {
            assert_eq!(time_since(text, now).unwrap().to_string(), expected, "{text}");
        }
        for text in ["", "yesterday", "2026-13-01", "-7d", "99999999d"] {
            assert!(time_since(text, now).is_err(), "{text}");
        }
    }

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
