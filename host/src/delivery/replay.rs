//! From the spool to the destination, in order, exactly once.
//!
//! An entry is removed after the destination has committed it. Whoever is killed in between sends
//! it again, and the destination finds a duplicate. What the destination refuses for good is put
//! aside with the reason, so that it neither blocks the others nor gets lost.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;
use uuid::Uuid;

use super::destination::Destination;
use super::watch::{note_away, note_back};
use crate::error::{Error, Result};
use crate::recorder::{Pauses, ReceivedResult, Verdict};
use crate::spool::{Spool, SpooledCall, Waiting};

/// How many entries are replayed at once, as many as a transaction takes.
const MOST_ENTRIES: usize = 1_000;

/// How many bytes of them.
const MOST_BYTES: usize = 8 << 20;

/// With how many a destination that was away is tried.
const FIRST_ENTRIES: usize = 16;

/// How often a destination that is away is asked whether it is back, where nothing waits for it.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// What became of entries of a spool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReplayedSpool {
    /// Recorded now.
    pub recorded: u64,
    /// Recorded before.
    pub duplicate: u64,
    /// Results that are not valid, and are kept as rejected.
    pub rejected: u64,
    /// Refused by the destination for good, and put aside.
    pub aside: u64,
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
            Replayed::Refused(_) => &mut self.aside,
        } += 1;
    }
}

/// Replays for as long as it is polled: what waits, and what comes.
pub(super) async fn replay(
    destination: Destination,
    spool: Spool,
    away: watch::Sender<Option<String>>,
) {
    let mut pauses = Pauses::new();
    loop {
        let known_away = away.borrow().is_some();
        if spool.state().depth == 0 {
            if !known_away {
                let mut trouble = away.subscribe();
                tokio::select! {
                    () = spool.changed() => {}
                    _ = trouble.wait_for(Option::is_some) => {}
                }
                continue;
            }
            tokio::time::sleep(ASK_EVERY).await;
            match destination.answers().await {
                Ok(()) => note_back(&away),
                Err(error) => note_away(&away, &error.to_string()),
            }
            continue;
        }
        let most = if known_away { FIRST_ENTRIES } else { MOST_ENTRIES };
        let replayed = async {
            if known_away {
                destination.answers().await?;
            }
            replay_next(&destination, &spool, most).await
        };
        match replayed.await {
            Ok(_) => {
                pauses = Pauses::new();
                note_back(&away);
            }
            Err(error) => {
                note_away(&away, &error.to_string());
                tokio::time::sleep(pauses.next_pause()).await;
            }
        }
    }
}

/// Replays everything that waits until `stop` is set, and tells `progress` after each part; for a
/// spool that no service has open.
///
/// # Errors
/// Where the destination takes nothing: what is left stays in the spool.
pub async fn replay_spool(
    destination: &Destination,
    spool: &Spool,
    stop: &AtomicBool,
    mut progress: impl FnMut(&ReplayedSpool),
) -> Result<ReplayedSpool> {
    let mut total = ReplayedSpool::default();
    while spool.state().depth > 0 && !stop.load(Ordering::Relaxed) {
        for replayed in replay_next(destination, spool, MOST_ENTRIES).await? {
            total += &replayed;
        }
        progress(&total);
    }
    Ok(total)
}

/// Replays the oldest entries.
async fn replay_next(
    destination: &Destination,
    spool: &Spool,
    most_entries: usize,
) -> Result<Vec<Replayed>> {
    let waiting = spool.next(most_entries, MOST_BYTES).await?;
    let mut done = Vec::with_capacity(waiting.len());
    let delivered = deliver(destination, waiting, &mut done).await;
    let (mut removed, mut aside) = (Vec::new(), Vec::new());
    for (sequence, replayed) in &done {
        match replayed {
            Replayed::Refused(reason) => aside.push((*sequence, reason.clone())),
            _ => removed.push(*sequence),
        }
    }
    spool.remove(removed).await?;
    spool.set_aside(aside).await?;
    delivered?;
    Ok(done.into_iter().map(|(_, replayed)| replayed).collect())
}

/// Delivers entries in order; results that follow one another share a call for each simulation.
async fn deliver(
    destination: &Destination,
    waiting: Vec<Waiting>,
    done: &mut Vec<(u64, Replayed)>,
) -> Result<()> {
    let mut results: BTreeMap<Uuid, (Vec<u64>, Vec<ReceivedResult>)> = BTreeMap::new();
    for Waiting { sequence, entry } in waiting {
        match entry.call {
            SpooledCall::Result { simulation_id, outcome_id, received_at, submission } => {
                let (sequences, received) = results.entry(simulation_id).or_default();
                sequences.push(sequence);
                received.push(ReceivedResult { outcome_id, received_at, submission });
            }
            other => {
                deliver_results(destination, std::mem::take(&mut results), done).await?;
                done.push((sequence, settled(deliver_call(destination, other).await)?));
            }
        }
    }
    deliver_results(destination, results, done).await
}

async fn deliver_results(
    destination: &Destination,
    results: BTreeMap<Uuid, (Vec<u64>, Vec<ReceivedResult>)>,
    done: &mut Vec<(u64, Replayed)>,
) -> Result<()> {
    for (simulation_id, (sequences, received)) in results {
        let verdicts = match destination.record_received(simulation_id, received).await {
            Ok(verdicts) => verdicts,
            Err(error) => {
                let replayed = settled(Err(error))?;
                done.extend(sequences.into_iter().map(|sequence| (sequence, replayed.clone())));
                continue;
            }
        };
        let mut left = None;
        for (sequence, item) in sequences.into_iter().zip(verdicts) {
            let replayed = match item.verdict {
                // A service that keeps it in its own spool has taken it, too.
                Verdict::Stored | Verdict::Spooled => Replayed::Recorded,
                Verdict::Duplicate => Replayed::Duplicate,
                Verdict::Rejected(_) => Replayed::Rejected,
                Verdict::Failed { retryable: false, message } => Replayed::Refused(message),
                Verdict::Failed { retryable: true, message } => {
                    left = Some(Error::Unavailable(message));
                    continue;
                }
            };
            done.push((sequence, replayed));
        }
        if let Some(error) = left {
            return Err(error);
        }
    }
    Ok(())
}

async fn deliver_call(destination: &Destination, call: SpooledCall) -> Result<()> {
    match call {
        SpooledCall::Configuration { name, configuration, user_id } => {
            let kept = destination.create_configuration(&name, &configuration, user_id.as_deref());
            kept.await.map(|_| ())
        }
        SpooledCall::Start(start) => destination.start_simulation(*start).await.map(|_| ()),
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

/// What became of an entry whose call has this answer; an error where it is to be tried again.
fn settled(answer: Result<()>) -> Result<Replayed> {
    match answer {
        Ok(()) => Ok(Replayed::Recorded),
        Err(
            error @ (Error::Invalid(_)
            | Error::Rejected { .. }
            | Error::NotFound(_)
            | Error::Conflict(_)),
        ) => Ok(Replayed::Refused(error.to_string())),
        // The same may work when the database was mended, and nothing may be lost until then.
        Err(error) => Err(error),
    }
}
