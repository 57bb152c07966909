//! Decides, for all calls that record, on which threads results are extracted.
//!
//! A few short documents are extracted by the task that writes them, one after the other, with the
//! extractor's code and memory in the processor's caches. All others are extracted on threads that can
//! block, on as many cores as their number is worth, before they wait for a transaction. Calls that
//! extract something other than results, such as a list of scenarios, use [`Extractor::run`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::try_join_all;
use uuid::Uuid;

use super::received_result::ReceivedResult;
use super::rows::{ExtractionResult, Target};
use super::sessions::Sessions;
use crate::blocking::blocking;
use crate::error::Result;
use crate::extraction::{Extractor, Session};

/// The minimum number of documents in a batch for which another core is used.
const DOCUMENTS_FOR_A_CORE: usize = 32;

/// The maximum number of bytes of documents that are extracted inline: that takes less time than
/// handing them to another thread, and far less than a task is allowed to take without yielding.
const INLINE_BYTES: usize = 64 << 10;

/// The maximum number of results that are extracted inline, however short they are.
const INLINE_RESULTS: usize = 128;

/// How many calls can have their results extracted on threads or wait for room in the queue at once:
/// the extracted rows take many times the memory of the documents. The pool has hardly more instances,
/// and the database takes no more transactions.
pub(super) const CALLS_AT_ONCE: usize = 4;

/// On which threads the results of a call are extracted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placement {
    /// By the task that writes them.
    Inline,
    /// On threads that can block, in this many parts at once.
    Threads {
        /// At least one.
        parts: usize,
    },
}

impl Placement {
    /// Decides on which threads the results of one extractor are extracted.
    pub(super) fn of(results: &[ReceivedResult], extractor: &Extractor) -> Self {
        let bytes = results.iter().map(ReceivedResult::input_bytes).sum();
        Placement::by_size(results.len(), bytes, extractor.metered())
    }

    fn by_size(results: usize, bytes: usize, metered: bool) -> Self {
        // A third-party component can run for seconds, and must not delay other calls.
        if bytes <= INLINE_BYTES && results <= INLINE_RESULTS && !metered {
            return Placement::Inline;
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Placement::Threads { parts: (results / DOCUMENTS_FOR_A_CORE).clamp(1, cores) }
    }
}

/// Extracts the results of a call, inline or on threads.
///
/// # Errors
/// An error of the extraction as a whole.
pub(super) async fn extract(
    target: &Target,
    results: Vec<ReceivedResult>,
) -> Result<Vec<ExtractionResult>> {
    match Placement::of(&results, target.sessions.extractor()) {
        Placement::Inline => {
            let mut inline = InlineExtraction::default();
            let extracted = inline.extract(target, results).await;
            inline.finish();
            Ok(extracted)
        }
        Placement::Threads { parts } => extract_on_threads(target, results, parts).await,
    }
}

/// Extracts results on threads that can block, in this many parts at once.
///
/// # Errors
/// An error of the extraction as a whole.
pub(super) async fn extract_on_threads(
    target: &Target,
    mut results: Vec<ReceivedResult>,
    parts: usize,
) -> Result<Vec<ExtractionResult>> {
    let dropped = SetOnDrop::default();
    let part_length = results.len().div_ceil(parts).max(1);
    let mut tasks = Vec::with_capacity(parts);
    while !results.is_empty() {
        let rest = results.split_off(part_length.min(results.len()));
        let part = std::mem::replace(&mut results, rest);
        let target = target.clone();
        let simulation_id = target.plan.simulation_id;
        let mut session = target.sessions.take(simulation_id).await;
        let dropped = Arc::clone(&dropped.0);
        tasks.push(blocking(move || {
            // Documents whose caller no longer waits are skipped.
            let wanted = part.into_iter().take_while(|_| !dropped.load(Ordering::Relaxed));
            let extracted = extract_part(&target, &mut session, wanted);
            target.sessions.release(simulation_id, session);
            extracted
        }));
    }
    Ok(try_join_all(tasks).await?.into_iter().flatten().collect())
}

/// A flag that is set when this is dropped.
#[derive(Default)]
struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn extract_part(
    target: &Target,
    session: &mut Session,
    part: impl IntoIterator<Item = ReceivedResult>,
) -> Vec<ExtractionResult> {
    part.into_iter().map(|result| result.extract(target, session)).collect()
}

/// The extraction of the results of several calls by one task, one call after the other. It keeps its
/// session while the calls are of one simulation and one extractor.
#[derive(Debug, Default)]
pub(super) struct InlineExtraction {
    session: Option<InlineSession>,
    since_pause_bytes: usize,
}

impl InlineExtraction {
    /// Extracts the results of the next call, and first yields to other tasks if the previous calls
    /// have taken long.
    pub(super) async fn extract(
        &mut self,
        target: &Target,
        results: Vec<ReceivedResult>,
    ) -> Vec<ExtractionResult> {
        let bytes = results.iter().map(|result| result.submission.document_bytes()).sum();
        self.since_pause_bytes += bytes;
        if self.since_pause_bytes > INLINE_BYTES {
            tokio::task::yield_now().await;
            self.since_pause_bytes = bytes;
        }
        let simulation_id = target.plan.simulation_id;
        let mut session = match self.session.take() {
            Some(last) if last.serves(target) => last.session,
            last => {
                last.into_iter().for_each(InlineSession::release);
                target.sessions.take(simulation_id).await
            }
        };
        let extracted = extract_part(target, &mut session, results);
        let sessions = Arc::clone(&target.sessions);
        self.session = Some(InlineSession { simulation_id, sessions, session });
        extracted
    }

    /// Returns the session for the next call of its simulation.
    pub(super) fn finish(self) {
        self.session.into_iter().for_each(InlineSession::release);
    }
}

/// A session that the next call can use, too.
#[derive(Debug)]
struct InlineSession {
    simulation_id: Uuid,
    sessions: Arc<Sessions>,
    session: Session,
}

impl InlineSession {
    fn serves(&self, target: &Target) -> bool {
        self.simulation_id == target.plan.simulation_id
            && Arc::ptr_eq(&self.sessions, &target.sessions)
    }

    fn release(self) {
        self.sessions.release(self.simulation_id, self.session);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_few_short_documents_of_a_component_that_is_not_metered_are_extracted_inline() {
        let inline = |results, bytes, metered| {
            Placement::by_size(results, bytes, metered) == Placement::Inline
        };
        assert!(inline(1, 1_000, false));
        assert!(inline(INLINE_RESULTS, INLINE_BYTES, false));
        assert!(!inline(INLINE_RESULTS + 1, 1_000, false));
        assert!(!inline(1, INLINE_BYTES + 1, false));
        assert!(!inline(1, 1_000, true));
    }

    #[test]
    fn each_core_gets_enough_documents_and_there_are_no_more_parts_than_cores() {
        let parts = |results| match Placement::by_size(results, usize::MAX, false) {
            Placement::Threads { parts } => parts,
            Placement::Inline => panic!("{results} results are long"),
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        assert_eq!(parts(1), 1);
        assert_eq!(parts(2 * DOCUMENTS_FOR_A_CORE - 1), 1);
        assert_eq!(parts(2 * DOCUMENTS_FOR_A_CORE), 2.min(cores));
        assert_eq!(parts(1_000_000), cores);
    }
}
