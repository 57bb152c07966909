//! From the spool to the destination, in order, exactly once.
//!
//! An entry is removed after the destination has committed it. Whoever is killed in between sends
//! it again, and the destination finds a duplicate. What the destination refuses for good is dead-lettered
//! with the reason, so that it neither blocks the others nor gets lost. What fails although the
//! destination is there is held with all that belongs to it, and tried again later.
//!
//! A refusal may end by itself: the simulation becomes known when its start comes from the spool of
//! another service, the extraction ran out of time, or the server has failed at a statement that it
//! takes a moment later. Such dead letters are tried again for a day.
//!
//! An error of the spool says nothing of the destination: results of simulations of which nothing is
//! in the spool go straight there.

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
use crate::recorder::{FailureKind, ReceivedResult, Verdict};
use crate::spool::{Refusal, Spool, SpooledCall, Waiting};

/// How many bytes of entries are replayed at once.
const MOST_BYTES: usize = 8 << 20;

/// With how many a destination that was unavailable is tried.
const FIRST_ENTRIES: usize = 16;

/// How often a destination that is unavailable is asked whether it is back, where nothing waits for it.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// How long dead letters are tried again by themselves whose refusal may end by itself.
const RETRY_REFUSED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// How often it is looked whether any of them is due.
const RETRY_REFUSED_EVERY: Duration = Duration::from_secs(1);

/// The pauses between two tries of those of one simulation.
const RETRY_REFUSED: RetryPolicy =
    RetryPolicy::exact(Duration::from_secs(2), Duration::from_secs(60));

/// How many simulations a line of the log names.
const SHOWN_SIMULATIONS: usize = 8;

/// What became of entries of a spool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReplayedSpool {
    /// Recorded now.
    pub recorded: u64,
    /// Recorded before.
    pub duplicate: u64,
    /// Results that are not valid, and are kept as rejected.
    pub rejected: u64,
    /// Refused by the destination for good, and dead-lettered.
    pub dead_letters: u64,
}

/// What became of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// It is committed.
    Recorded,
    /// It was committed before.
    Duplicate,
    /// The result is not valid.
    Rejected,
    /// The destination refuses it for good, for this reason.
    Refused(String),
}

impl AddAssign<&Replayed> for ReplayedSpool {
    fn add_assign(&mut self, replayed: &Replayed) {
        *match replayed {
            Replayed::Recorded => &mut self.recorded,
            Replayed::Duplicate => &mut self.duplicate,
            Replayed::Rejected => &mut self.rejected,
            Replayed::Refused(_) => &mut self.dead_letters,
        } += 1;
    }
}

/// What the replay and the rest of a delivery tell each other.
#[derive(Debug, Default)]
pub(super) struct Notices {
    /// What is held is to be tried again at once.
    pub(super) again: Notify,
    /// How many simulations are held.
    pub(super) held: AtomicUsize,
}

/// Why a part was not delivered.
#[derive(Debug)]
struct Trouble {
    /// What was to be delivered; nothing where the spool itself is in trouble.
    culprit: Option<Culprit>,
    error: Error,
}

/// What came of replaying a part.
#[derive(Debug, Default)]
struct Part {
    /// What became of the entries that are done.
    done: Vec<Replayed>,
    /// What they belong to.
    taken: HashSet<Culprit>,
    /// Why it ended before its end.
    trouble: Option<Trouble>,
}

/// What the destination has answered, and the spool has not noted yet.
#[derive(Debug, Default)]
struct Settlement {
    removed: Vec<u64>,
    refused: Vec<Refusal>,
}

impl Settlement {
    fn add(&mut self, done: &[DeliveredEntry]) {
        let now = Timestamp::now();
        for DeliveredEntry { sequence, replayed, retry, .. } in done {
            match replayed {
                Replayed::Refused(reason) => self.refused.push(Refusal {
                    sequence: *sequence,
                    reason: reason.clone(),
                    retry_until: retry
                        .then(|| now.saturating_add(RETRY_REFUSED_FOR).unwrap_or(now)),
                }),
                _ => self.removed.push(*sequence),
            }
        }
    }

    /// Notes it in the spool. What could not be noted is kept for the next time: the destination is
    /// not asked again for what it has taken.
    async fn settle(&mut self, spool: &Spool) -> Result<()> {
        spool.remove(self.removed.clone()).await?;
        self.removed.clear();
        spool.dead_letter_refused(self.refused.clone()).await?;
        self.refused.clear();
        Ok(())
    }
}

/// Replays for as long as it is polled: what waits, and what comes.
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
        held.forget_gone(&spool);
        if notices.again.notified().now_or_never().is_some() {
            held.release();
            refused.release();
            retry_at = Instant::now();
        }
        notices.held.store(held.len(), Ordering::Relaxed);
        let known_unavailable = unavailable.borrow().is_some();
        if let Err(error) = settlement.settle(&spool).await {
            // What it has taken would be sent once more. What is new goes to it directly.
            tracing::warn!(target: "arc_host::delivery", error = error.report(), hint = error.hint().as_deref(), "what was delivered cannot be removed from the spool");
            if known_unavailable && destination.answers().await.is_ok() {
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
                let mut trouble = unavailable.subscribe();
                tokio::select! {
                    () = spool.changed() => {}
                    _ = trouble.wait_for(Option::is_some) => {}
                    () = notices.again.notified() => refused.release(),
                    () = tokio::time::sleep_until(retry_at), if state.dead_letters > 0 => {}
                }
                continue;
            }
            tokio::time::sleep(ASK_EVERY).await;
            match destination.answers().await {
                Ok(()) => note_back(&unavailable),
                Err(error) => note_unavailable_for(&unavailable, &error),
            }
            continue;
        }
        let most = if known_unavailable { FIRST_ENTRIES } else { BATCH_ROWS };
        if known_unavailable && let Err(error) = destination.answers().await {
            note_unavailable_for(&unavailable, &error);
            tokio::time::sleep(backoff.next_pause()).await;
            continue;
        }
        let Part { done, taken, trouble } =
            replay_next(&destination, &spool, most, &held, true, &mut settlement).await;
        if !done.is_empty() {
            backoff.reset();
            held.taken(&taken);
            note_back(&unavailable);
        }
        let Some(Trouble { culprit, error }) = trouble else {
            if done.is_empty() {
                // All that waits is held. Without room for more nobody can show that the
                // destination takes other things: they are let through to it.
                if !state.takes_entries() {
                    note_back(&unavailable);
                }
                let until = held.again_at().unwrap_or_else(|| Instant::now() + ASK_EVERY);
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
            // The spool itself: of the destination that says nothing, and it has just answered
            // where it was unavailable.
            tracing::warn!(target: "arc_host::delivery", error = error.report(), hint = error.hint().as_deref(), "the spool cannot be read or written");
            if known_unavailable {
                note_back(&unavailable);
            }
            tokio::time::sleep(backoff.next_pause()).await;
            continue;
        };
        if matches!(error, Error::NotFound(_)) {
            if !held.knows(culprit) {
                tracing::info!(target: "arc_host::delivery", ?culprit, error = error.report(), hint = error.hint().as_deref(), "what the spool has of a simulation waits until the simulation is known");
            }
            held.hold(culprit);
            // It has answered.
            note_back(&unavailable);
            continue;
        }
        match destination.answers().await {
            // It was held, and others were delivered meanwhile, or may be.
            Ok(()) if held.knows(culprit) => {
                held.failed(culprit);
                continue;
            }
            Ok(()) => {
                if held.failed(culprit) {
                    tracing::warn!(target: "arc_host::delivery", ?culprit, error = error.report(), hint = error.hint().as_deref(), "the oldest entry of the spool cannot be delivered although the database is there; it and what belongs to it wait, and the others go on");
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

/// Tries dead letters again that are due. Those that are taken leave the spool; the others stay where
/// they are.
async fn retry_refused(destination: &impl Sink, spool: &Spool, refused: &mut Holds) {
    loop {
        let letters = match spool.next_retried(refused.passed_over(), BATCH_ROWS, MOST_BYTES).await
        {
            Ok(letters) if letters.is_empty() => return,
            Ok(letters) => letters,
            Err(error) => {
                tracing::warn!(target: "arc_host::delivery", error = error.report(), hint = error.hint().as_deref(), "dead letters cannot be read");
                return;
            }
        };
        let mut delivering =
            EntryDelivery { destination, held: refused, unknown_may_wait: true, done: Vec::new() };
        let trouble = delivering.deliver(letters).await.err();
        let done = delivering.done;
        let mut settlement = Settlement::default();
        settlement.add(&done);
        if let Err(error) = settlement.settle(spool).await {
            // They are tried again, and found to be duplicates.
            tracing::warn!(target: "arc_host::delivery", error = error.report(), hint = error.hint().as_deref(), "dead letters that were delivered cannot be removed");
            return;
        }
        let taken = done.iter().filter(|done| !matches!(done.replayed, Replayed::Refused(_)));
        let entries = taken.clone().count();
        if entries > 0 {
            tracing::info!(target: "arc_host::delivery", entries, "dead letters were delivered");
        }
        refused.taken(&taken.map(|done| culprit(done.sequence, done.simulation_id)).collect());
        // What is refused again has its pause, too: else it would be the next one at once, and nothing
        // else would be delivered. Each once, for each time lengthens the pause.
        let again: HashSet<Culprit> = done
            .iter()
            .filter(|done| matches!(done.replayed, Replayed::Refused(_)))
            .map(|done| culprit(done.sequence, done.simulation_id))
            .collect();
        again.into_iter().for_each(|culprit| refused.hold(culprit));
        let Some(Trouble { culprit, error }) = trouble else { continue };
        // Only the delivery itself fails here, of which each part has a culprit.
        let Some(culprit) = culprit else { return };
        refused.hold(culprit);
        if !matches!(error, Error::NotFound(_)) && destination.answers().await.is_err() {
            // What is new finds out by itself.
            return;
        }
    }
}

/// Replays everything that waits until `stop` is set, and tells `progress` after each part; for a
/// spool that no service has open. What the destination does not take for the moment is passed over
/// with all that belongs to it, and stays.
///
/// # Errors
/// The first reason why something was passed over; an error of the spool; where the destination is
/// not there, and what is left stays in the spool.
pub async fn replay_spool(
    destination: &impl Sink,
    spool: &Spool,
    stop: &AtomicBool,
    mut progress: impl FnMut(&ReplayedSpool),
) -> Result<ReplayedSpool> {
    let mut total = ReplayedSpool::default();
    let mut held = Holds::new(Duration::ZERO);
    let mut first_reason = None;
    let mut settlement = Settlement::default();
    while spool.state().depth > 0 && !stop.load(Ordering::Relaxed) {
        let Part { done, trouble, .. } =
            replay_next(destination, spool, BATCH_ROWS, &held, false, &mut settlement).await;
        for replayed in &done {
            total += replayed;
        }
        progress(&total);
        match trouble {
            Some(Trouble { culprit: Some(culprit), error }) => {
                destination.answers().await?;
                held.hold_for_good(culprit);
                first_reason.get_or_insert(error);
            }
            Some(Trouble { culprit: None, error }) => return Err(error),
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
    let waiting = match spool.next_but(held.passed_over(), most_entries, MOST_BYTES).await {
        Ok(waiting) => waiting,
        Err(error) => {
            part.trouble = Some(Trouble { culprit: None, error });
            return part;
        }
    };
    let mut delivering = EntryDelivery { destination, held, unknown_may_wait, done: Vec::new() };
    part.trouble = delivering.deliver(waiting).await.err();
    let done = delivering.done;
    tell_of_refused(&done);
    settlement.add(&done);
    if let Err(error) = settlement.settle(spool).await {
        part.trouble = Some(Trouble { culprit: None, error });
    }
    for DeliveredEntry { sequence, replayed, simulation_id, .. } in done {
        part.taken.insert(culprit(sequence, simulation_id));
        part.done.push(replayed);
    }
    part
}

fn culprit(sequence: u64, simulation_id: Option<Uuid>) -> Culprit {
    simulation_id.map_or(Culprit::Entry(sequence), Culprit::Simulation)
}

/// Says what is dead-lettered, for somebody must see to it.
fn tell_of_refused(done: &[DeliveredEntry]) {
    let refused = || {
        done.iter().filter_map(|done| match &done.replayed {
            Replayed::Refused(reason) => Some((done.simulation_id, reason)),
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
        "entries of the spool are refused for good, and dead-lettered; `arc-host spool list` shows them, `arc-host spool requeue` tries them again"
    );
}

/// An entry that needs to be delivered no more.
struct DeliveredEntry {
    sequence: u64,
    simulation_id: Option<Uuid>,
    replayed: Replayed,
    /// Whether a refusal may end by itself.
    retry: bool,
}

/// The delivery of some entries.
struct EntryDelivery<'d, S> {
    destination: &'d S,
    held: &'d Holds,
    unknown_may_wait: bool,
    done: Vec<DeliveredEntry>,
}

/// Results that follow one another, of one simulation, and their numbers.
type Results = (Vec<u64>, Vec<ReceivedResult>);

impl<S: Sink> EntryDelivery<'_, S> {
    /// Delivers entries in order; results that follow one another share a call for each simulation.
    async fn deliver(&mut self, waiting: Vec<Waiting>) -> std::result::Result<(), Trouble> {
        let mut results: BTreeMap<Uuid, Results> = BTreeMap::new();
        for Waiting { sequence, entry } in waiting {
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
                    let trouble =
                        |error| Trouble { culprit: Some(culprit(sequence, simulation_id)), error };
                    let (replayed, retry) = self.settled(answer, simulation_id).map_err(trouble)?;
                    self.done.push(DeliveredEntry { sequence, simulation_id, replayed, retry });
                }
            }
        }
        self.deliver_results(results).await
    }

    async fn deliver_results(
        &mut self,
        results: BTreeMap<Uuid, Results>,
    ) -> std::result::Result<(), Trouble> {
        for (id, (sequences, received)) in results {
            let simulation_id = Some(id);
            let trouble = |error| Trouble { culprit: Some(Culprit::Simulation(id)), error };
            let verdicts = match self.destination.record_received(id, received).await {
                Ok(verdicts) => verdicts,
                Err(error) => {
                    let (replayed, retry) =
                        self.settled(Err(error), simulation_id).map_err(trouble)?;
                    let done = |sequence| {
                        let replayed = replayed.clone();
                        DeliveredEntry { sequence, simulation_id, replayed, retry }
                    };
                    self.done.extend(sequences.into_iter().map(done));
                    continue;
                }
            };
            let mut left = None;
            for (sequence, item) in sequences.into_iter().zip(verdicts) {
                let mut retry = false;
                let replayed = match item.verdict {
                    // A service that keeps it in its own spool has taken it, too.
                    Verdict::Stored | Verdict::Spooled => Replayed::Recorded,
                    Verdict::Duplicate => Replayed::Duplicate,
                    Verdict::Rejected(_) => Replayed::Rejected,
                    Verdict::Failed { kind: FailureKind::Unavailable, message, .. } => {
                        left = Some(Error::unavailable(message));
                        continue;
                    }
                    // Also what ran out of time: it must not keep all that comes after it waiting.
                    Verdict::Failed { kind, message, .. } => {
                        retry = kind != FailureKind::Refused;
                        Replayed::Refused(message)
                    }
                };
                self.done.push(DeliveredEntry { sequence, simulation_id, replayed, retry });
            }
            if let Some(error) = left {
                return Err(trouble(error));
            }
        }
        Ok(())
    }

    /// What became of an entry whose call has this answer, and whether a refusal may end by itself;
    /// an error where it is to be tried again.
    fn settled(&self, answer: Result<()>, simulation_id: Option<Uuid>) -> Result<(Replayed, bool)> {
        match answer {
            Ok(()) => Ok((Replayed::Recorded, false)),
            Err(error @ Error::NotFound(_))
                if self.unknown_may_wait
                    && simulation_id.is_some_and(|id| self.held.may_become_known(id)) =>
            {
                Err(error)
            }
            // A fault of the program or of the database's may be one of the moment, such as a plan
            // that another one's change of the schema has made wrong.
            Err(error) if error.is_request_error() || matches!(error, Error::Internal(_)) => {
                let retry = matches!(error, Error::NotFound(_) | Error::Internal(_));
                Ok((Replayed::Refused(error.report()), retry))
            }
            // The same may work when the database was mended, and nothing may be lost until then.
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
        // Results go together.
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
    use crate::spool::{Entry, Listed, SpoolSettings};
    use crate::wire::BatchVerdicts;

    /// A service that gives this answer to every request.
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

    /// An entry as a dead letter that is tried again by itself for an hour.
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
        let sink = MemorySink::knowing([known]);
        let until = dead_letter_entries(&spool, unknown, 0).await;
        dead_letter_entries(&spool, known, 1).await;
        let mut refused = Holds::with_policy(RetryPolicy::exact(
            Duration::from_secs(3_600),
            Duration::from_secs(7_200),
        ));
        retry_refused(&sink, &spool, &mut refused).await;
        assert_eq!(sink.committed(known), [outcome(known, 1)]);
        assert!(refused.knows(Culprit::Simulation(unknown)));
        assert!(!refused.knows(Culprit::Simulation(known)));
        // That the simulation is unknown does not make anybody ask whether the destination is there.
        assert_eq!(sink.memory().questions, 0);
        let listed = Listed { after: 0, dead_letters: true };
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
        // Its start has come.
        sink.memory().simulations.insert(unknown);
        refused.release();
        retry_refused(&sink, &spool, &mut refused).await;
        assert_eq!(sink.committed(unknown), [outcome(unknown, 0)]);
        assert_eq!((spool.state().depth, spool.state().dead_letters), (0, 0));
        spool.close().await;
    }

    #[tokio::test]
    async fn by_hand_what_fails_is_passed_over_with_all_that_belongs_to_it() {
        let folder = tempfile::TempDir::new().unwrap();
        let spool = spool(&folder);
        let (first, second) = (simulation(1), simulation(2));
        let sink = MemorySink::knowing([first, second]);
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
        // Of one that does not answer nothing is tried.
        sink.memory().unavailable = true;
        let replayed = replay_spool(&sink, &spool, &stop, |_| {}).await;
        assert!(matches!(replayed, Err(Error::Unavailable(_))), "{replayed:?}");
        assert_eq!(spool.state().depth, 2);
        sink.memory().unavailable = false;
        let replayed = replay_spool(&sink, &spool, &stop, |_| {}).await.unwrap();
        assert_eq!((replayed.recorded, replayed.dead_letters, spool.state().depth), (2, 0, 0));
        spool.close().await;
    }

    /// What becomes of a result by itself.
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

        /// Whatever fails, and in parts of any length: each result is committed once and in order, or
        /// is a dead letter with its reason.
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
                let sink = MemorySink::knowing((1..4).map(simulation));
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
                    let Part { done, trouble, .. } = part.await;
                    assert!(!done.is_empty() || trouble.is_some());
                    turns += 1;
                    assert!(turns <= results.len() + script.len(), "it does not come to an end");
                }
                let listed = Listed { after: 0, dead_letters: true };
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
                    // A call that failed for a fault of the program is tried again, and so is what ran
                    // out of time; what is refused for good is not.
                    let reason = letter.dead_letter.clone().unwrap();
                    if reason == "a fault of the program" {
                        assert!(script.contains(&Some(Failing::Internal)));
                        assert!(letter.retry_until.is_some() && committed <= 1);
                    } else {
                        assert_eq!((reason, committed), (format!("{fate:?}"), 0));
                        assert_eq!(letter.retry_until.is_some(), *fate == Fate::TimedOut);
                    }
                }
                // In order, but for dead letters.
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
    async fn dead_letters_that_are_refused_again_have_a_pause_and_stop_nothing() {
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

        assert!(refused.knows(Culprit::Simulation(simulation_id)));
        // One pause for all of them, and the first one.
        assert!(refused.again_at().unwrap() <= Instant::now() + RETRY_REFUSED.first);
        let listed = Listed { after: 0, dead_letters: true };
        let kept = spool.list(listed, 9, u64::MAX).await.unwrap();
        assert_eq!(kept.len(), 5);
        for kept in kept {
            assert_eq!(kept.retry_until, Some(until), "the day does not begin anew");
            assert!(kept.dead_letter.unwrap().contains("deadline"));
        }
        spool.close().await;
    }
}
