//! A ledger of the results that were sent and acknowledged, compared with the database.

use std::collections::{HashMap, HashSet};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::Digest as _;

use crate::support::DatabaseServer;

/// How long a test waits for the next acknowledgement: longer than a recorder retries.
const ACKNOWLEDGEMENT_TIMEOUT: Duration = Duration::from_secs(120);

/// How a result was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By a service that stored it in the database.
    Service,
    /// By a service that stored it in its spool.
    Spool,
    /// By the database, without a service.
    Direct,
}

/// The results that were sent and acknowledged, shared by all senders.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    sent: HashSet<Digest>,
    /// The documents by the ids of their outcomes.
    acknowledged: HashMap<String, Digest>,
    service: u64,
    spool: u64,
    direct: u64,
}

/// The SHA-256 of a document, kept instead of its bytes because a long run sends gigabytes.
type Digest = [u8; 32];

fn digest(document: &str) -> Digest {
    sha2::Sha256::digest(document).into()
}

/// The result of the comparison.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    /// Results that were acknowledged.
    pub(super) acknowledged: u64,
    /// Acknowledged results that were in a spool at that time.
    pub(super) spooled: u64,
    /// Results that were sent but never acknowledged.
    pub(super) unknown: u64,
    /// Acknowledged results whose ids are not in the database.
    pub(super) lost: u64,
    /// Results that are stored more than once.
    pub(super) twice: u64,
    /// Results whose stored bytes differ from those acknowledged under their ids, or were never
    /// sent.
    pub(super) altered: u64,
    /// Entries that remain in a spool at the end.
    pub(super) stuck: u64,
}

impl Ledger {
    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a document before it is sent for the first time.
    pub(super) fn send(&self, document: &str) {
        assert!(self.inner().sent.insert(digest(document)), "each document is sent once");
    }

    /// Notes an acknowledged document.
    pub(super) fn acknowledge(&self, outcome_id: &str, document: &str, way: Way) {
        let digest = digest(document);
        let mut inner = self.inner();
        let before = inner.acknowledged.insert(outcome_id.to_owned(), digest);
        assert!(before.is_none(), "{outcome_id} was acknowledged for two documents");
        *match way {
            Way::Service => &mut inner.service,
            Way::Spool => &mut inner.spool,
            Way::Direct => &mut inner.direct,
        } += 1;
        self.changed.notify_all();
    }

    /// Waits for this many further acknowledgements of these kinds.
    #[track_caller]
    pub(super) fn wait(&self, ways: &[Way], more: u64) {
        let count = |inner: &Inner| -> u64 {
            ways.iter()
                .map(|way| match way {
                    Way::Service => inner.service,
                    Way::Spool => inner.spool,
                    Way::Direct => inner.direct,
                })
                .sum()
        };
        let since = Instant::now();
        let mut inner = self.inner();
        let enough = count(&inner) + more;
        while count(&inner) < enough {
            assert!(
                since.elapsed() < ACKNOWLEDGEMENT_TIMEOUT,
                "nothing is acknowledged any more: {ways:?}"
            );
            let waited = self.changed.wait_timeout(inner, ACKNOWLEDGEMENT_TIMEOUT);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Returns the number of acknowledged results.
    pub(super) fn acknowledged(&self) -> u64 {
        self.inner().acknowledged.len() as u64
    }

    /// Compares the acknowledged results with the database.
    pub(super) fn compare(&self, server: &DatabaseServer) -> Count {
        let inner = self.inner();
        let rows = server.query(
            "SELECT outcome_id::text, sha256(convert_to(document_text, 'UTF8'))
             FROM arc_recorder.outcome_documents",
        );
        let mut found: HashMap<&str, &[u8]> = HashMap::new();
        let mut documents: HashMap<&[u8], u64> = HashMap::new();
        let mut altered = 0;
        for row in &rows {
            let (id, document): (&str, &[u8]) = (row.get(0), row.get(1));
            altered += u64::from(!inner.sent.contains(document));
            *documents.entry(document).or_default() += 1;
            found.insert(id, document);
        }
        let mut lost = 0;
        for (id, document) in &inner.acknowledged {
            match found.get(id.as_str()) {
                None => lost += 1,
                // A document that was never sent is counted already.
                Some(stored) if inner.sent.contains(*stored) => {
                    altered += u64::from(*stored != document.as_slice());
                }
                Some(_) => {}
            }
        }
        Count {
            acknowledged: inner.acknowledged.len() as u64,
            spooled: inner.spool,
            unknown: (inner.sent.len() - inner.acknowledged.len()) as u64,
            lost,
            altered,
            stuck: 0,
            twice: documents.values().filter(|&&times| times > 1).count() as u64,
        }
    }
}
