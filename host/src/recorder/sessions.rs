//! Extraction sessions that are kept between the calls of one simulation.
//!
//! Making an instance costs as much as extracting a few documents, most of it for clearing memory.
//! A simulation that records one by one finds the instance of its last call here. What a document
//! leaves behind in an instance never meets another simulation: its instance is dropped instead.

use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::extraction::{Extractor, Session};

/// The idle sessions of a recorder.
#[derive(Debug)]
pub(super) struct Sessions {
    extractor: Extractor,
    /// The one used last is at the end.
    idle: Mutex<Vec<(Uuid, Session)>>,
    /// How many may be idle: half of the pool's instances, so that whoever needs another one waits
    /// only for sessions that work, and these end.
    most: usize,
}

impl Sessions {
    pub(super) fn new(extractor: Extractor) -> Self {
        let most = extractor.instances() / 2;
        Sessions { extractor, idle: Mutex::default(), most }
    }

    /// A session for a simulation: its own of before, or a new one.
    pub(super) async fn take(&self, simulation_id: Uuid) -> Session {
        match self.take_idle(simulation_id) {
            Some(session) => session,
            None => self.extractor.session().await,
        }
    }

    fn take_idle(&self, simulation_id: Uuid) -> Option<Session> {
        let mut idle = self.idle();
        if let Some(place) = idle.iter().rposition(|(owner, _)| *owner == simulation_id) {
            return Some(idle.remove(place).1);
        }
        if idle.len() >= self.most && !idle.is_empty() {
            // Room for the new one: the session that was idle for longest goes.
            drop(idle.remove(0));
        }
        None
    }

    /// Keeps a session for the next call of the same simulation, where there is room.
    pub(super) fn give_back(&self, simulation_id: Uuid, session: Session) {
        let mut idle = self.idle();
        if idle.len() < self.most {
            idle.push((simulation_id, session));
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(Uuid, Session)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
