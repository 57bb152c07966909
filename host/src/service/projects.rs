//! The projects of simulations, for tokens that are bound to one.

use std::collections::HashMap;
use std::sync::Mutex;

use uuid::Uuid;

use super::answer::Failure;
use super::app::App;
use super::guard::Caller;
use crate::lock::lock;
use crate::wire::ProblemCode;

/// How many simulations are remembered.
const MOST_SIMULATIONS: usize = 100_000;

/// The projects of simulations as the database has them. A simulation never changes its project.
#[derive(Debug, Default)]
pub(super) struct ProjectCache(Mutex<HashMap<Uuid, String>>);

impl ProjectCache {
    fn get(&self, simulation_id: Uuid) -> Option<String> {
        lock(&self.0).get(&simulation_id).cloned()
    }

    fn insert(&self, simulation_id: Uuid, project: &str) {
        let mut projects = lock(&self.0);
        if projects.len() >= MOST_SIMULATIONS {
            projects.clear();
        }
        projects.insert(simulation_id, project.to_owned());
    }
}

impl App {
    /// Checks that a simulation belongs to the project of the caller's token, if that is bound to one. A
    /// simulation of another project looks like one that does not exist. Results for a simulation whose
    /// project is unknown are refused, because another project could start it later.
    ///
    /// # Errors
    /// If it does not; if the database is unavailable and has never been asked.
    pub(super) async fn require_project(
        &self,
        caller: Option<&Caller>,
        simulation_id: Uuid,
    ) -> Result<(), Failure> {
        let Some(own) = caller.and_then(Caller::project) else { return Ok(()) };
        match self.known_project(simulation_id).await? {
            Some(known) if known == own => Ok(()),
            _ => Err(no_simulation(own, simulation_id)),
        }
    }

    /// The same for a simulation that the request creates if it does not exist.
    ///
    /// # Errors
    /// If it exists in another project; if the database is unavailable and has never been asked.
    pub(super) async fn require_project_or_new(
        &self,
        caller: Option<&Caller>,
        simulation_id: Uuid,
    ) -> Result<(), Failure> {
        let Some(own) = caller.and_then(Caller::project) else { return Ok(()) };
        match self.known_project(simulation_id).await? {
            Some(known) if known != own => Err(no_simulation(own, simulation_id)),
            _ => Ok(()),
        }
    }

    /// Returns the project of a simulation, if it exists.
    async fn known_project(&self, simulation_id: Uuid) -> Result<Option<String>, Failure> {
        let known = match self.projects.get(simulation_id) {
            Some(known) => Some(known),
            None => self.recorder.project_of(simulation_id).await?,
        };
        if let Some(known) = &known {
            self.projects.insert(simulation_id, known);
        }
        Ok(known)
    }
}

fn no_simulation(project: &str, simulation_id: Uuid) -> Failure {
    Failure::new(
        ProblemCode::NotFound,
        format!("the project {project:?} has no simulation {simulation_id}"),
    )
    .hint("start it first, with a token of its project")
}
