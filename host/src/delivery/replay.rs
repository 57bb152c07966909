//! Replay from the spool to the destination, in order, exactly once.
//!
//! An entry is removed after the destination has committed it. A process killed in between sends it
//! again, and the destination finds a duplicate. Entries that the destination permanently refuses are
//! dead-lettered with the reason, so that they neither block the others nor get lost. If an entry fails
//! although the destination is available, all entries of its simulation are held, and retried later.
//!
//! Some refusals can end without an operator: the simulation becomes known when another service's spool
//! delivers its start, the extraction ran out of time, or the server failed at a statement that it
//! accepts a moment later. Such dead letters are retried for a day.
//!
//! An error of the spool does not mean that the destination is unavailable: results of simulations
//! without entries in the spool go directly to it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::AddAssign;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use uuid::Uuid;

use super::destination::Sink;
use super::holds::{Culprit, Holds};
use super::watch::{note_back, note_unavailable_for};
use crate::backoff::{Backoff, RetryPolicy};
use crate::error::{Error, Result};
use crate::paging::BATCH_ROWS;
use crate::reason::with_hint;
use crate::recorder::{FailureKind, ReceivedResult, Verdict};
use crate::spool::{Refusal, Spool, SpooledCall, WaitingEntry};

/// The most bytes of entries that are replayed in a part.
const MOST_BYTES: usize = 8 << 20;

/// The size of the first part after the destination was unavailable.
const FIRST_ENTRIES: usize = 16;

/// How often an unavailable destination is pinged while the spool is empty.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// How long dead letters are retried automatically if their refusal is possibly temporary.
const RETRY_REFUSED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// How often due dead letters are looked for.
const RETRY_REFUSED_EVERY: Duration = Duration::from_secs(1);

/// The pauses between two attempts for one simulation.
const RETRY_REFUSED: RetryPolicy =
    RetryPolicy::exact(Duration::from_secs(2), Duration::from_secs(60));

/// How many simulations a log message lists.
const SHOWN_SIMULATIONS: usize = 8;

/// The counts of a replay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SpoolReplaySummary {
    /// Recorded now.
    pub recorded: u64,
    /// Recorded before.
    pub duplicate: u64,
    /// Results that are not valid, and are kept as rejected.
    pub rejected: u64,
    /// Permanently refused by the destination, and dead-lettered.
    pub dead_letters: u64,
}

/// The verdict on one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayVerdict {
    /// It is committed.
    Recorded,
    /// It was committed before.
    Duplicate,
    /// The result is not valid.
    Rejected,
    /// The destination permanently refuses it, for this reason.
    Refused(String),
}

impl AddAssign<&ReplayVerdict> for SpoolReplaySummary {
    fn add_assign(&mut self, verdict: &ReplayVerdict) {
        *match verdict {
            ReplayVerdict::Recorded => &mut self.recorded,
            ReplayVerdict::Duplicate => &mut self.duplicate,
            ReplayVerdict::Rejected => &mut self.rejected,
            ReplayVerdict::Refused(_) => &mut self.dead_letters,
        } += 1;
    }
}

/// The state shared by the replay and the rest of a delivery.
#[derive(Debug, Default)]
pub(super) struct Notices {
    /// Notified to retry held simulations immediately.
    pub(super) again: Notify,
    /// How many simulations are held.
    pub(super) held: AtomicUsize,
}

/// Why a part was not delivered.
#[derive(Debug)]
struct PartFailure {
    /// The entries that failed; `None` if the spool itself failed.
    culprit: Option<Culprit>,
    error: Error,
}

/// The result of replaying a part.
#[derive(Debug, Default)]
struct Part {
    /// The verdicts on the delivered entries.
    done: Vec<ReplayVerdict>,
    /// The simulations and entries that were delivered.
    taken: HashSet<Culprit>,
    /// The failure that ended the part early.
    failure: Option<PartFailure>,
}

/// The destination's answers that are not yet written to the spool.
#[derive(Debug, Default)]
struct Settlement {
    removed: Vec<u64>,
    refused: Vec<Refusal>,
}

impl Settlement {
    fn add(&mut self, done: &[DeliveredEntry]) {
        let now = Timestamp::now();
        for DeliveredEntry { sequence, verdict, retry, .. } in done {
            match verdict {
                ReplayVerdict::Refused(reason) => self.refused.push(Refusal {
                    sequence: *sequence,
                    reason: reason.clone(),
                    retry_until: retry
                        .then(|| now.saturating_add(RETRY_REFUSED_FOR).unwrap_or(now)),
                }),
                _ => self.removed.push(*sequence),
            }
        }
    }

    /// Writes the answers to the spool. After a failure they are kept for the next attempt, so that the
    /// entries are not delivered again.
    async fn settle(&mut self, spool: &Spool) -> Result<()> {
        spool.remove(self.removed.clone()).await?;
        self.removed.clear();
        spool.dead_letter_refused(self.refused.clone()).await?;
        self.refused.clear();
        Ok(())
    }
}

/// Replays waiting and future entries for as long as it is polled.
pub(super) async fn replay(
    destination: impl Sink,
    spool: Spool,
    unavailable: watch::Sender<Option<String>>,
    notices: Arc<Notices>,
) {
    let mut held = Holds::new(destination.unknown_for());
    let mut refused = Holds::with_policy(RETRY_REFUSED);
    let mut retry_at = Instant::now();
    let mut settlement = Settlement::default();
    let mut backoff = Backoff::new(RetryPolicy::SERVER);
    loop {
        held.remove_finished(&spool);
        if notices.again.notified().now_or_never().is_some() {
            held.release();
            refused.release();
            retry_at = Instant::now();
        }
        notices.held.store(held.len(), Ordering::Relaxed);
        let known_unavailable = unavailable.borrow().is_some();
        if let Err(error) = settlement.settle(&spool).await {
            // Further replay would deliver them again. New calls go directly to the destination.
            tracing::warn!(target: "arc_host::delivery", error = error.report(), hint = error.hint().as_deref(), "delivered entries cannot be removed from the spool");
            if known_unavailable && destination.ping().await.is_ok() {
                note_back(&unavailable);
            }
            tokio::time::sleep(backoff.next_pause()).await;
            continue;
        }
        let state = spool.state();
        if state.dead_letters == 0 {
            refused.release();
        } else if !known_unavailable && retry_at <= Instant::now() {
            retry_refused(&destination, &spool, &mut refused).await;
            retry_at = Instant::now() + RETRY_REFUSED_EVERY;
        }
        if state.depth == 0 {
            if !known_unavailable {
                let mut outage = unavailable.subscribe();
                tokio::select! {
                    () = spool.changed() => {}
                    _ = outage.wait_for(Option::is_some) => {}
                    () = notices.again.notified() => refused.release(),
                    () = tokio::time::sleep_until(retry_at), if state.dead_letters > 0 => {}
                }
                continue;
            }
            tokio::time::sleep(ASK_EVERY).await;
            match destination.ping().await {
                Ok(()) => note_back(&unavailable),
                Err(error) => note_unavailable_for(&unavailable, &error),
            }
            continue;
        }
        let most = if known_unavailable { FIRST_ENTRIES } else { BATCH_ROWS };
        if known_unavailable && let Err(error) = destination.ping().await {
            note_unavailable_for(&unavailable, &error);
            tokio::time::sleep(backoff.next_pause()).await;
            continue;
        }
        let Part { done, taken, failure } =
            replay_next(&destination, &spool, most, &held, true, &mut settlement).await;
        if !done.is_empty() {
            backoff.reset();
            held.delivered(&taken);
            note_back(&unavailable);
        }
        let Some(PartFailure { culprit, error }) = failure else {
            if done.is_empty() {
                // All waiting entries are held. If the spool is full, no further entry could show that
                // the destination is available: new calls are sent to it directly.
                if !state.accepts_entries() {
                    note_back(&unavailable);
                }
                let until = held.next_retry_at().unwrap_or_else(|| Instant::now() + ASK_EVERY);
                tokio::select! {
                    () = tokio::time::sleep_until(until.min(Instant::now() + ASK_EVERY)) => {}
                    () = notices.again.notified() => {
                        held.release();
                        refused.release();
                    }
                }
            }
            continue;
        };
        let Some(culprit) = culprit else {
            // A failure of the spool itself does not affect the destination, which has just answered if
            // it was unavailable.
            tracing::warn!(target: "arc_host::delivery", error = error.report(), hint = error.hint().as_deref(), "the spool cannot be read or written");
            if known_unavailable {
                note_back(&unavailable);
            }
            tokio::time::sleep(backoff.next_pause()).await;
            continue;
        };
        if matches!(error, Error::NotFound(_)) {
            if !held.is_held(culprit) {
                tracing::info!(target: "arc_host::delivery", ?culprit, error = error.report(), hint = error.hint().as_deref(), "the spool's entries of an unknown simulation wait until it is known");
            }
            held.hold(culprit);
            // The destination has answered.
            note_back(&unavailable);
            continue;
        }
        match destination.ping().await {
            // It was held before; other entries were delivered meanwhile, or can be.
            Ok(()) if held.is_held(culprit) => {
                held.failed(culprit);
                continue;
            }
            Ok(()) => {
                if held.failed(culprit) {
                    tracing::warn!(target: "arc_host::delivery", ?culprit, error = error.report(), hint = error.hint().as_deref(), "the oldest entry of the spool cannot be delivered although the database is available; the entries of its simulation wait, and the others are delivered");
                    continue;
                }
                if done.is_empty() {
                    note_unavailable_for(&unavailable, &error);
                }
            }
            Err(reason) => note_unavailable_for(&unavailable, &reason),
        }
        tokio::time::sleep(backoff.next_pause()).await;
    }
}

/// Retries due dead letters. Those that are delivered leave the spool; the others stay dead letters.
async fn retry_refused(destination: &impl Sink, spool: &Spool, refused: &mut Holds) {
    loop {
        let letters = match spool.next_retried(refused.skipped(), BATCH_ROWS, MOST_BYTES).await {
            Ok(letters) if letters.is_empty() => return,
            Ok(letters) => letters,
            Err(error) => {
                tracing::warn!(target: "arc_host::delivery", error = error.report(), hint = error.hint().as_deref(), "dead letters cannot be read");
                return;
            }
        };
        let mut delivering =
            EntryDelivery { destination, held: refused, unknown_may_wait: true, done: Vec::new() };
        let failure = delivering.deliver(letters).await.err();
        let done = delivering.done;
        let mut settlement = Settlement::default();
        settlement.add(&done);
        if let Err(error) = settlement.settle(spool).await {
            // They are delivered again, and found to be duplicates.
            tracing::warn!(target: "arc_host::delivery", error = error.report(), hint = error.hint().as_deref(), "dead letters that were delivered cannot be removed");
            return;
        }
        let taken = done.iter().filter(|done| !matches!(done.verdict, ReplayVerdict::Refused(_)));
        let entries = taken.clone().count();
        if entries > 0 {
            tracing::info!(target: "arc_host::delivery", entries, "dead letters were delivered");
        }
        refused.delivered(&taken.map(|done| culprit(done.sequence, done.simulation_id)).collect());
        // Entries refused again are paused too: otherwise they would be selected again immediately, and
        // no others would be delivered. Each simulation is held once, because each hold lengthens the
        // pause.
        let again: HashSet<Culprit> = done
            .iter()
            .filter(|done| matches!(done.verdict, ReplayVerdict::Refused(_)))
            .map(|done| culprit(done.sequence, done.simulation_id))
            .collect();
        again.into_iter().for_each(|culprit| refused.hold(culprit));
        let Some(PartFailure { culprit, error }) = failure else { continue };
        // Only delivery fails here, and each of its failures has a culprit.
        let Some(culprit) = culprit else { return };
        refused.hold(culprit);
        if !matches!(error, Error::NotFound(_)) && destination.ping().await.is_err() {
            // The next call will detect that the destination is unavailable.
            return;
        }
    }
}

/// Replays all waiting entries until `stop` is set, and calls `progress` after each part; for a spool
/// that no service uses. Entries that the destination cannot take now are skipped with all entries of
/// their simulation, and stay in the spool.
///
/// # Errors
/// The first reason why entries were skipped; an error of the spool; an error if the destination is
/// unavailable, in which case the remaining entries stay in the spool.
pub async fn replay_spool(
    destination: &impl Sink,
    spool: &Spool,
    stop: &AtomicBool,
    mut progress: impl FnMut(&SpoolReplaySummary),
) -> Result<SpoolReplaySummary> {
    let mut total = SpoolReplaySummary::default();
    let mut held = Holds::new(Duration::ZERO);
    let mut first_reason = None;
    let mut settlement = Settlement::default();
    while spool.state().depth > 0 && !stop.load(Ordering::Relaxed) {
        let Part { done, failure, .. } =
            replay_next(destination, spool, BATCH_ROWS, &held, false, &mut settlement).await;
        for verdict in &done {
            total += verdict;
        }
        progress(&total);
        match failure {
            Some(PartFailure { culprit: Some(culprit), error }) => {
                destination.ping().await?;
                held.hold_permanently(culprit);
                first_reason.get_or_insert(error);
            }
            Some(PartFailure { culprit: None, error }) => return Err(error),
            None if done.is_empty() => break,
            None => {}
        }
    }
    first_reason.map_or(Ok(total), Err)
}

/// Replays the oldest entries that are not held.
async fn replay_next(
    destination: &impl Sink,
    spool: &Spool,
    most_entries: usize,
    held: &Holds,
    unknown_may_wait: bool,
    settlement: &mut Settlement,
) -> Part {
    let mut part = Part::default();
    let waiting = match spool.next_except(held.skipped(), most_entries, MOST_BYTES).await {
        Ok(waiting) => waiting,
        Err(error) => {
            part.failure = Some(PartFailure { culprit: None, error });
            return part;
        }
    };
    let mut delivering = EntryDelivery { destination, held, unknown_may_wait, done: Vec::new() };
    part.failure = delivering.deliver(waiting).await.err();
    let done = delivering.done;
    log_refused(&done);
    settlement.add(&done);
    if let Err(error) = settlement.settle(spool).await {
        part.failure = Some(PartFailure { culprit: None, error });
    }
    for DeliveredEntry { sequence, verdict, simulation_id, .. } in done {
        part.taken.insert(culprit(sequence, simulation_id));
        part.done.push(verdict);
    }
    part
}

fn culprit(sequence: u64, simulation_id: Option<Uuid>) -> Culprit {
    simulation_id.map_or(Culprit::Entry(sequence), Culprit::Simulation)
}

/// Logs the dead-lettered entries, which need an operator.
fn log_refused(done: &[DeliveredEntry]) {
    let refused = || {
        done.iter().filter_map(|done| match &done.verdict {
            ReplayVerdict::Refused(reason) => Some((done.simulation_id, reason)),
            _ => None,
        })
    };
    let Some((_, reason)) = refused().next() else { return };
    let simulations: BTreeSet<Uuid> = refused().filter_map(|(id, _)| id).collect();
    let shown: Vec<String> =
        simulations.iter().take(SHOWN_SIMULATIONS).map(Uuid::to_string).collect();
    tracing::warn!(
        target: "arc_host::delivery",
        entries = refused().count(),
        simulations = simulations.len(),
        shown = shown.join(" "),
        reason = reason.as_str(),
        "entries of the spool are permanently refused, and dead-lettered; `arc-host spool list` shows them, `arc-host spool requeue` retries them"
    );
}

/// An entry whose delivery is complete.
struct DeliveredEntry {
    sequence: u64,
    simulation_id: Option<Uuid>,
    verdict: ReplayVerdict,
    /// Whether a refusal is possibly temporary.
    retry: bool,
}

/// The delivery of some entries.
struct EntryDelivery<'d, S> {
    destination: &'d S,
    held: &'d Holds,
    unknown_may_wait: bool,
    done: Vec<DeliveredEntry>,
}

/// Consecutive results of one simulation, with their sequence numbers.
type Results = (Vec<u64>, Vec<ReceivedResult>);

impl<S: Sink> EntryDelivery<'_, S> {
    /// Delivers entries in order; consecutive results share a call for each simulation.
    async fn deliver(
        &mut self,
        waiting: Vec<WaitingEntry>,
    ) -> std::result::Result<(), PartFailure> {
        let mut results: BTreeMap<Uuid, Results> = BTreeMap::new();
        for WaitingEntry { sequence, entry } in waiting {
            match entry.call {
                SpooledCall::Result { simulation_id, result } => {
                    let (sequences, received) = results.entry(simulation_id).or_default();
                    sequences.push(sequence);
                    received.push(result);
                }
                other => {
                    self.deliver_results(std::mem::take(&mut results)).await?;
                    let simulation_id = other.simulation_id();
                    let answer = deliver_call(self.destination, other).await;
                    let failure = |error| PartFailure {
                        culprit: Some(culprit(sequence, simulation_id)),
                        error,
                    };
                    let (verdict, retry) =
                        self.verdict_on(answer, simulation_id).map_err(failure)?;
                    self.done.push(DeliveredEntry { sequence, simulation_id, verdict, retry });
                }
            }
        }
        self.deliver_results(results).await
    }

    async fn deliver_results(
        &mut self,
        results: BTreeMap<Uuid, Results>,
    ) -> std::result::Result<(), PartFailure> {
        for (id, (sequences, received)) in results {
            let simulation_id = Some(id);
            let failure = |error| PartFailure { culprit: Some(Culprit::Simulation(id)), error };
            let verdicts = match self.destination.record_received(id, received).await {
                Ok(verdicts) => verdicts,
                Err(error) => {
                    let (verdict, retry) =
                        self.verdict_on(Err(error), simulation_id).map_err(failure)?;
                    let done = |sequence| {
                        let verdict = verdict.clone();
                        DeliveredEntry { sequence, simulation_id, verdict, retry }
                    };
                    self.done.extend(sequences.into_iter().map(done));
                    continue;
                }
            };
            let mut left = None;
            for (sequence, item) in sequences.into_iter().zip(verdicts) {
                let mut retry = false;
                let verdict = match item.verdict {
                    // A result in the service's own spool counts as recorded.
                    Verdict::Stored | Verdict::Spooled => ReplayVerdict::Recorded,
                    Verdict::Duplicate => ReplayVerdict::Duplicate,
                    Verdict::Rejected(_) => ReplayVerdict::Rejected,
                    Verdict::Failed { kind: kind @ FailureKind::Unavailable, message, hint } => {
                        left = Some(kind.into_error(message, hint));
                        continue;
                    }
                    // Also results that ran out of time, which must not block the entries after them.
                    Verdict::Failed { kind, message, hint } => {
                        retry = kind != FailureKind::Refused;
                        ReplayVerdict::Refused(with_hint(message, hint.as_deref()))
                    }
                };
                self.done.push(DeliveredEntry { sequence, simulation_id, verdict, retry });
            }
            if let Some(error) = left {
                return Err(failure(error));
            }
        }
        Ok(())
    }

    /// Returns the verdict on an entry whose call has this answer, and whether a refusal is possibly
    /// temporary; an error if it is to be retried.
    fn verdict_on(
        &self,
        answer: Result<()>,
        simulation_id: Option<Uuid>,
    ) -> Result<(ReplayVerdict, bool)> {
        match answer {
            Ok(()) => Ok((ReplayVerdict::Recorded, false)),
            Err(error @ Error::NotFound(_))
                if self.unknown_may_wait
                    && simulation_id.is_some_and(|id| self.held.may_become_known(id)) =>
            {
                Err(error)
            }
            // A fault of the program or of the database can be temporary, for example a cached plan
            // that became invalid when another client changed the schema.
            Err(error) if error.is_request_error() || matches!(error, Error::Internal(_)) => {
                let retry = matches!(error, Error::NotFound(_) | Error::Internal(_));
                Ok((ReplayVerdict::Refused(error.report_with_hint()), retry))
            }
            // The call can succeed after the database is repaired, and the entry must be kept until
            // then.
            Err(error) => Err(error),
        }
    }
}

async fn deliver_call(destination: &impl Sink, call: SpooledCall) -> Result<()> {
    match call {
        SpooledCall::Configuration { name, configuration, user_id } => {
            let kept = destination.create_configuration(&name, &configuration, user_id.as_deref());
            kept.await.map(|_| ())
        }
        SpooledCall::Start { mut start, host_clock } => {
            if host_clock {
                destination.correct_start(&mut start).await?;
            }
            destination.start_simulation(*start).await.map(|_| ())
        }
        SpooledCall::Complete { simulation_id, suite } => {
            destination.complete_simulation(simulation_id, suite.as_deref()).await.map(|_| ())
        }
        SpooledCall::End { simulation_id, status, reason } => {
            destination.end_simulation(simulation_id, status, &reason).await.map(|_| ())
        }
        // Results are delivered in batches.
        SpooledCall::Result { .. } => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::TcpListener;

    use proptest::prelude::*;

    use super::super::Destination;
    use super::super::memory_sink::{Failing, MemorySink, entry, outcome, simulation, spool};
    use super::*;
    use crate::client::{ClientSettings, ServiceClient};
    use crate::recorder::{ItemVerdict, Submission};
    use crate::spool::{Entry, EntryFilter, SpoolSettings};
    use crate::wire::BatchVerdicts;

    /// A service with this answer to every request.
    fn service(body: Vec<u8>) -> Destination {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                let mut request = BufReader::new(connection.try_clone().unwrap());
                let mut length = 0;
                loop {
                    let mut line = String::new();
                    request.read_line(&mut line).unwrap();
                    let line = line.trim().to_ascii_lowercase();
                    if let Some(bytes) = line.strip_prefix("content-length:") {
                        length = bytes.trim().parse().unwrap();
                    }
                    if line.is_empty() {
                        break;
                    }
                }
                request.read_exact(&mut vec![0; length]).unwrap();
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\
                     content-length: {}\r\n\r\n",
                    body.len()
                );
                connection.write_all(head.as_bytes()).unwrap();
                connection.write_all(&body).unwrap();
            }
        });
        let settings = ClientSettings { url, token: None, compress: None };
        Destination::Service(ServiceClient::new(&settings).unwrap())
    }

    /// Stores an entry as a dead letter that is retried automatically for an hour.
    async fn dead_letter_entries(spool: &Spool, simulation_id: Uuid, number: usize) -> Timestamp {
        let sequences = spool.append(vec![entry(simulation_id, number)]).await.unwrap();
        let until = Timestamp::now() + SignedDuration::from_hours(1);
        let refusal =
            |sequence| Refusal { sequence, reason: "unknown".to_owned(), retry_until: Some(until) };
        spool.dead_letter_refused(sequences.into_iter().map(refusal).collect()).await.unwrap();
        until
    }

    #[tokio::test]
    async fn a_dead_letter_of_an_unknown_simulation_is_held_and_the_others_are_delivered() {
        let folder = tempfile::TempDir::new().unwrap();
        let spool = spool(&folder);
        let (unknown, known) = (simulation(1), simulation(2));
        let sink = MemorySink::with_simulations([known]);
        let until = dead_letter_entries(&spool, unknown, 0).await;
        dead_letter_entries(&spool, known, 1).await;
        let mut refused = Holds::with_policy(RetryPolicy::exact(
            Duration::from_secs(3_600),
            Duration::from_secs(7_200),
        ));
        retry_refused(&sink, &spool, &mut refused).await;
        assert_eq!(sink.committed(known), [outcome(known, 1)]);
        assert!(refused.is_held(Culprit::Simulation(unknown)));
        assert!(!refused.is_held(Culprit::Simulation(known)));
        // An unknown simulation does not cause a ping of the destination.
        assert_eq!(sink.memory().pings, 0);
        let listed = EntryFilter { after: 0, dead_letters: true };
        let letters = spool.list(listed, 9, u64::MAX).await.unwrap();
        assert_eq!(letters.len(), 1);
        assert_eq!(letters[0].retry_until, Some(until), "the day does not begin anew");
        // While it is held it is not sent again, and others are.
        let calls = sink.memory().calls;
        retry_refused(&sink, &spool, &mut refused).await;
        assert_eq!(sink.memory().calls, calls);
        dead_letter_entries(&spool, known, 2).await;
        retry_refused(&sink, &spool, &mut refused).await;
        assert_eq!(sink.memory().calls, calls + 1);
        // Its start has been delivered.
        sink.memory().simulations.insert(unknown);
        refused.release();
        retry_refused(&sink, &spool, &mut refused).await;
        assert_eq!(sink.committed(unknown), [outcome(unknown, 0)]);
        assert_eq!((spool.state().depth, spool.state().dead_letters), (0, 0));
        spool.close().await;
    }

    #[tokio::test]
    async fn a_manual_replay_skips_all_entries_of_a_failing_simulation() {
        let folder = tempfile::TempDir::new().unwrap();
        let spool = spool(&folder);
        let (first, second) = (simulation(1), simulation(2));
        let sink = MemorySink::with_simulations([first, second]);
        for number in 0..4 {
            let id = if number % 2 == 0 { first } else { second };
            spool.append(vec![entry(id, number)]).await.unwrap();
        }
        sink.memory().script.push_back(Some(Failing::Database));
        let stop = AtomicBool::new(false);
        let replayed = replay_spool(&sink, &spool, &stop, |_| {}).await;
        assert!(matches!(replayed, Err(Error::Database(_))), "{replayed:?}");
        assert!(sink.committed(first).is_empty());
        assert_eq!(sink.committed(second), [1, 3].map(|number| outcome(second, number)));
        assert_eq!((spool.state().depth, spool.state().dead_letters), (2, 0));
        // An unavailable destination gets no entries.
        sink.memory().unavailable = true;
        let replayed = replay_spool(&sink, &spool, &stop, |_| {}).await;
        assert!(matches!(replayed, Err(Error::Unavailable(_))), "{replayed:?}");
        assert_eq!(spool.state().depth, 2);
        sink.memory().unavailable = false;
        let replayed = replay_spool(&sink, &spool, &stop, |_| {}).await.unwrap();
        assert_eq!((replayed.recorded, replayed.dead_letters, spool.state().depth), (2, 0, 0));
        spool.close().await;
    }

    /// The fate of a single result.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Fate {
        Accepted,
        Rejected,
        Refused,
        TimedOut,
    }

    impl Fate {
        fn verdict(self) -> Option<Verdict> {
            let failed = |kind| Verdict::Failed { kind, message: format!("{self:?}"), hint: None };
            match self {
                Fate::Accepted => None,
                Fate::Rejected => Some(Verdict::Rejected(Vec::new())),
                Fate::Refused => Some(failed(FailureKind::Refused)),
                Fate::TimedOut => Some(failed(FailureKind::Timeout)),
            }
        }
    }

    fn fate() -> impl Strategy<Value = Fate> {
        prop_oneof![
            6 => Just(Fate::Accepted),
            1 => Just(Fate::Rejected),
            1 => Just(Fate::Refused),
            1 => Just(Fate::TimedOut),
        ]
    }

    fn failing() -> impl Strategy<Value = Option<Failing>> {
        prop_oneof![
            3 => Just(None),
            1 => Just(Some(Failing::Unavailable)),
            1 => Just(Some(Failing::AnswerLost)),
            1 => Just(Some(Failing::Database)),
            1 => Just(Some(Failing::Internal)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

        /// With any failures, and in parts of any length: each result is committed once and in order,
        /// or is a dead letter with its reason.
        #[test]
        fn each_result_is_committed_once_or_is_a_dead_letter(
            results in prop::collection::vec((1_u128..4, fate()), 1..24),
            script in prop::collection::vec(failing(), 0..10),
            most_entries in 1_usize..10,
        ) {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let folder = tempfile::TempDir::new().unwrap();
                let spool = spool(&folder);
                let sink = MemorySink::with_simulations((1..4).map(simulation));
                let mut entries = Vec::new();
                for (number, (of, fate)) in results.iter().enumerate() {
                    let id = simulation(*of);
                    entries.push(entry(id, number));
                    if let Some(verdict) = fate.verdict() {
                        sink.memory().verdicts.insert(outcome(id, number), verdict);
                    }
                }
                let sequences = spool.append(entries).await.unwrap();
                sink.memory().script.extend(script.iter().copied());
                let held = Holds::with_policy(RetryPolicy::exact(Duration::ZERO, Duration::ZERO));
                let mut settlement = Settlement::default();
                let mut turns = 0;
                while spool.state().depth > 0 {
                    let part =
                        replay_next(&sink, &spool, most_entries, &held, true, &mut settlement);
                    let Part { done, failure, .. } = part.await;
                    assert!(!done.is_empty() || failure.is_some());
                    turns += 1;
                    assert!(turns <= results.len() + script.len(), "it does not come to an end");
                }
                let listed = EntryFilter { after: 0, dead_letters: true };
                let letters = spool.list(listed, 99, u64::MAX).await.unwrap();
                let letter = |sequence| letters.iter().find(|letter| letter.sequence == sequence);
                for (number, ((of, fate), sequence)) in results.iter().zip(sequences).enumerate() {
                    let id = simulation(*of);
                    let key = (id, outcome(id, number));
                    let committed =
                        sink.memory().committed.iter().filter(|other| **other == key).count();
                    let Some(letter) = letter(sequence) else {
                        let taken = matches!(fate, Fate::Accepted | Fate::Rejected);
                        assert!(taken, "{number} is lost: {fate:?}");
                        assert_eq!(committed, usize::from(*fate == Fate::Accepted));
                        continue;
                    };
                    // A call that failed because of a fault of the program is retried, and so is one
                    // that ran out of time; a permanent refusal is not.
                    let reason = letter.dead_letter.clone().unwrap();
                    if reason == "a fault of the program" {
                        assert!(script.contains(&Some(Failing::Internal)));
                        assert!(letter.retry_until.is_some() && committed <= 1);
                    } else {
                        assert_eq!((reason, committed), (format!("{fate:?}"), 0));
                        assert_eq!(letter.retry_until.is_some(), *fate == Fate::TimedOut);
                    }
                }
                // In order, except for dead letters.
                for of in 1..4 {
                    let id = simulation(of);
                    let order: Vec<usize> = sink
                        .committed(id)
                        .into_iter()
                        .map(|found| {
                            (0..results.len()).find(|number| outcome(id, *number) == found).unwrap()
                        })
                        .collect();
                    assert!(order.is_sorted_by(|one, other| one < other), "{order:?}");
                }
                spool.close().await;
            });
        }
    }

    #[tokio::test]
    async fn dead_letters_refused_again_are_paused_and_block_nothing() {
        let folder = tempfile::TempDir::new().unwrap();
        let settings = SpoolSettings { folder: folder.path().join("spool"), limit_bytes: 64 << 20 };
        let spool = Spool::open(&settings).unwrap();
        let simulation_id = Uuid::from_u128(1);
        let mut answer = BatchVerdicts::default();
        let mut entries = Vec::new();
        for number in 0..5 {
            let submission = Submission::new(format!("{{\"number\":{number}}}"));
            let outcome_id = submission.outcome_id(simulation_id);
            let received_at = Timestamp::now();
            let verdict = Verdict::Failed {
                kind: FailureKind::Timeout,
                message: "extraction ran longer than its deadline".to_owned(),
                hint: None,
            };
            answer.add(ItemVerdict { outcome_id, verdict, warnings: Vec::new() });
            let result = ReceivedResult::new(simulation_id, received_at, submission);
            let call = SpooledCall::Result { simulation_id, result };
            entries.push(Entry { spooled_at: received_at, call });
        }
        let sequences = spool.append(entries).await.unwrap();
        let until = Timestamp::now() + SignedDuration::from_hours(1);
        let refusal =
            |sequence| Refusal { sequence, reason: "unknown".to_owned(), retry_until: Some(until) };
        spool.dead_letter_refused(sequences.into_iter().map(refusal).collect()).await.unwrap();

        let destination = service(serde_json::to_vec(&answer).unwrap());
        let mut refused = Holds::with_policy(RETRY_REFUSED);
        let retried = retry_refused(&destination, &spool, &mut refused);
        tokio::time::timeout(Duration::from_secs(30), retried).await.expect("it never ends");

        assert!(refused.is_held(Culprit::Simulation(simulation_id)));
        // One pause for all of them, the first.
        assert!(refused.next_retry_at().unwrap() <= Instant::now() + RETRY_REFUSED.first);
        let listed = EntryFilter { after: 0, dead_letters: true };
        let kept = spool.list(listed, 9, u64::MAX).await.unwrap();
        assert_eq!(kept.len(), 5);
        for kept in kept {
            assert_eq!(kept.retry_until, Some(until), "the day does not begin anew");
            assert!(kept.dead_letter.unwrap().contains("deadline"));
        }
        spool.close().await;
    }
}
