//! The source of answers to queries: a database or a service.

use futures_util::future::try_join_all;
use uuid::Uuid;

use crate::client::ServiceClient;
use crate::error::Result;
use crate::paging::{PAGE_ROWS, Page, Pages};
use crate::recorder::{ComparedRun, SimulationProgress};
use crate::store::{
    Annotation, Attachments, Failure, MissingTrial, OutcomeFilter, OutcomePage, Performance,
    RejectedPage, RejectedResult, Revision, SimulationFilter, Store,
};
use crate::wire::SimulationList;

impl Page for OutcomePage {
    type Cursor = String;

    fn next_cursor(&self) -> Option<String> {
        self.cursor.clone()
    }
}

impl Page for RejectedPage {
    type Cursor = String;

    fn next_cursor(&self) -> Option<String> {
        self.cursor.clone()
    }
}

impl Page for SimulationList {
    type Cursor = String;

    fn next_cursor(&self) -> Option<String> {
        self.cursor.clone()
    }
}

/// The source of answers to queries. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Source {
    /// A database.
    Database(Store),
    /// A service, over HTTP.
    Service(ServiceClient),
}

impl Source {
    /// Returns a page of the simulations that a filter selects, newest first: at most `limit` of them, from
    /// 1 to 10,000.
    ///
    /// # Errors
    /// As [`Store::simulations_page`].
    pub async fn simulations(
        &self,
        filter: &SimulationFilter,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<SimulationList> {
        match self {
            Source::Database(store) => {
                let page = store.simulations_page(filter, limit, cursor).await?;
                let simulations = page.simulations.into_iter().map(Into::into).collect();
                Ok(SimulationList { simulations, cursor: page.cursor })
            }
            Source::Service(client) => client.simulations(filter, limit, cursor).await,
        }
    }

    /// Returns the id of the simulation that a text refers to: its id, a unique prefix of it, its name, or
    /// `latest`.
    ///
    /// # Errors
    /// As [`Store::resolve_simulation`].
    pub async fn resolve_simulation(&self, reference: &str) -> Result<Uuid> {
        match self {
            Source::Database(store) => store.resolve_simulation(reference).await,
            Source::Service(client) => client.resolve_simulation(reference).await,
        }
    }

    /// Returns the ids of the simulations that texts refer to, in their order.
    ///
    /// # Errors
    /// As [`Store::resolve_simulation`].
    pub async fn resolve_simulations(&self, references: &[String]) -> Result<Vec<Uuid>> {
        try_join_all(references.iter().map(|text| self.resolve_simulation(text))).await
    }

    /// Returns the progress of a simulation.
    ///
    /// # Errors
    /// As [`Store::simulation_with_figures`].
    pub async fn simulation_status(&self, simulation_id: Uuid) -> Result<SimulationProgress> {
        match self {
            Source::Database(store) => SimulationProgress::read(store, simulation_id).await,
            Source::Service(client) => client.simulation_status(simulation_id).await,
        }
    }

    /// Returns the results of a simulation that have several revisions, with each of them.
    ///
    /// # Errors
    /// As [`Store::revisions`].
    pub async fn revisions(&self, simulation_id: Uuid) -> Result<Vec<Revision>> {
        match self {
            Source::Database(store) => store.revisions(simulation_id).await,
            Source::Service(client) => client.revisions(simulation_id).await,
        }
    }

    /// Returns the annotations of a simulation's results, or of one result in all its revisions.
    ///
    /// # Errors
    /// As [`Store::annotations`].
    pub async fn annotations(
        &self,
        simulation_id: Uuid,
        outcome_id: Option<Uuid>,
    ) -> Result<Vec<Annotation>> {
        match self {
            Source::Database(store) => store.annotations(simulation_id, outcome_id).await,
            Source::Service(client) => client.annotations(simulation_id, outcome_id).await,
        }
    }

    /// Returns a recorded run as comparisons take it.
    ///
    /// # Errors
    /// As [`ComparedRun::read`].
    pub async fn compared_run(
        &self,
        simulation_id: Uuid,
        metric: Option<&str>,
        cluster: Option<&str>,
    ) -> Result<ComparedRun> {
        match self {
            Source::Database(store) => {
                ComparedRun::read(store, simulation_id, metric, cluster).await
            }
            Source::Service(client) => client.compared_run(simulation_id, metric, cluster).await,
        }
    }

    /// Returns the trials of a simulation that have no valid outcome.
    ///
    /// # Errors
    /// As [`Store::missing_trials`].
    pub async fn missing_trials(&self, simulation_id: Uuid) -> Result<Vec<MissingTrial>> {
        match self {
            Source::Database(store) => store.missing_trials(simulation_id).await,
            Source::Service(client) => client.missing_trials(simulation_id).await,
        }
    }

    /// Returns a page of a simulation's outcomes: at most `limit` of them, from 1 to 1,000.
    ///
    /// # Errors
    /// As [`Recorder::outcomes`](crate::Recorder::outcomes).
    pub async fn outcomes(
        &self,
        simulation_id: Uuid,
        filter: &OutcomeFilter,
        limit: u32,
        cursor: Option<&str>,
        attached: Attachments,
    ) -> Result<OutcomePage> {
        match self {
            Source::Database(store) => {
                store.outcomes_page(simulation_id, filter, limit, cursor, attached).await
            }
            Source::Service(client) => {
                client.outcomes(simulation_id, filter, limit, cursor, attached).await
            }
        }
    }

    /// Returns a page of a simulation's rejected results, in order of receipt and without the
    /// documents: at most `limit` of them, from 1 to 1,000.
    ///
    /// # Errors
    /// As [`Recorder::rejected`](crate::Recorder::rejected).
    pub async fn rejected(
        &self,
        simulation_id: Uuid,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<RejectedPage> {
        match self {
            Source::Database(store) => store.rejected_page(simulation_id, limit, cursor).await,
            Source::Service(client) => client.rejected(simulation_id, limit, cursor).await,
        }
    }

    /// Returns all rejected results of a simulation, page by page.
    ///
    /// # Errors
    /// As [`Source::rejected`].
    pub async fn all_rejected(&self, simulation_id: Uuid) -> Result<Vec<RejectedResult>> {
        let (mut all, mut pages) = (Vec::new(), Pages::from(None));
        let read = async |cursor: Option<String>| {
            self.rejected(simulation_id, PAGE_ROWS, cursor.as_deref()).await
        };
        while let Some(page) = pages.next(read).await? {
            all.extend(page.rejected);
        }
        Ok(all)
    }

    /// Returns a simulation's performance by the hour, for the last `hours` hours.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if the simulation does not exist.
    pub async fn performance(&self, simulation_id: Uuid, hours: f64) -> Result<Performance> {
        match self {
            Source::Database(store) => store.performance(simulation_id, hours).await,
            Source::Service(client) => client.performance(simulation_id, hours).await,
        }
    }

    /// Returns the latest failures of all simulations, newest first.
    ///
    /// # Errors
    /// An error of the database or the service.
    pub async fn failures(&self, limit: u32) -> Result<Vec<Failure>> {
        match self {
            Source::Database(store) => store.failures(limit.into()).await,
            Source::Service(client) => client.failures(limit).await,
        }
    }
}
