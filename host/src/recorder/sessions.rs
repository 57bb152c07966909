//! Extraction sessions that are kept between the calls of one simulation.
//!
//! Making an instance costs as much as extracting a few documents, most of it for clearing memory.
//! A simulation that records one by one finds the instance of its last call here. What a document
//! leaves behind in an instance never meets another simulation: its instance is dropped instead.

use std::sync::MutexGuard;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use crate::extraction::{Extractor, Session, SessionOwner};

/// The idle sessions of a recorder with one extractor. They stand with those of all others on the
/// extractor's engine, since they share its instances: one that is idle here must not be waited for
/// there.
#[derive(Debug)]
pub(super) struct Sessions {
    extractor: Extractor,
    /// This one's.
    number: u64,
    /// How many may be idle: half of the pool's instances, so that whoever needs another one waits
    /// only for sessions that work, and these end.
    most: usize,
}

impl Sessions {
    pub(super) fn new(extractor: Extractor) -> Self {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let most = extractor.instances() / 2;
        Sessions { extractor, number: NUMBERS.fetch_add(1, Ordering::Relaxed), most }
    }

    pub(super) fn extractor(&self) -> &Extractor {
        &self.extractor
    }

    /// A session for a simulation: its own of before, or a new one.
    pub(super) async fn take(&self, simulation_id: Uuid) -> Session {
        match self.take_idle((self.number, simulation_id)) {
            Some(session) => session,
            None => self.extractor.session().await,
        }
    }

    fn take_idle(&self, owner: SessionOwner) -> Option<Session> {
        let mut idle = self.idle();
        if let Some(place) = idle.iter().rposition(|(other, _)| *other == owner) {
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
            idle.push(((self.number, simulation_id), session));
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(SessionOwner, Session)>> {
        self.extractor.idle()
    }
}

impl Drop for Sessions {
    fn drop(&mut self) {
        let number = self.number;
        self.idle().retain(|((owner, _), _)| *owner != number);
    }
}
