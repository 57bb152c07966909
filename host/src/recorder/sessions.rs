//! Extraction sessions that are reused by the calls of one simulation.
//!
//! Making an instance costs as much as extracting a few documents, most of it for clearing memory. A
//! simulation that records one by one reuses the instance of its last call. The state that a document
//! leaves in an instance never reaches another simulation: its instance is dropped instead.

use std::sync::MutexGuard;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use crate::extraction::{Extractor, Session, SessionOwner};

/// The idle sessions of a recorder with one extractor. They are in one list with those of all other
/// recorders on the extractor's engine, because all share its instances: a caller must not wait for a
/// session that is idle in another recorder.
#[derive(Debug)]
pub(super) struct Sessions {
    extractor: Extractor,
    /// The number of this recorder with its extractor.
    number: u64,
    /// The maximum number of idle sessions: half of the pool's instances, so that a caller that needs
    /// another one only waits for sessions that are in use, which end.
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

    /// Returns a session for a simulation: its previous one, or a new one.
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
            // Makes room for the new one by dropping the session that was idle for longest.
            drop(idle.remove(0));
        }
        None
    }

    /// Keeps a session for the next call of the same simulation, if there is room.
    pub(super) fn release(&self, simulation_id: Uuid, session: Session) {
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
