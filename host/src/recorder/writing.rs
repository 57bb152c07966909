//! Writes rows in transactions of a bounded size. A transaction is retried after a transient error, and
//! split into ever smaller parts if the database refuses one of its rows.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::group_commit::TRANSACTION_ROWS;
use super::retry_reason::RetryReason;
use super::submission::Verdict;
use crate::backoff::{Backoff, RetryPolicy};
use crate::error::Error;
use crate::store::{OutcomeRow, RejectedRow, ResultKey, Store, simulations_of};

/// How long transient errors of the database are retried before the rows fail.
const RETRY_FOR: Duration = Duration::from_secs(30);

/// The maximum number of bytes of documents in one transaction, which has at least one document. A
/// queued transaction has far less; a single call can have more, and a message to the server has at
/// most 1 GiB, beyond which the server closes the connection as if it were unavailable.
const PART_BYTES: usize = 64 << 20;

/// The results of writing rows.
#[derive(Debug, Default)]
pub(super) struct WriteSummary {
    /// Outcomes that were not stored before.
    pub(super) new: HashSet<ResultKey>,
    /// The verdicts on rows that were not written.
    pub(super) failed: HashMap<ResultKey, Verdict>,
}

/// Writes rows in transactions of a bounded size, and finds those that the database refuses.
pub(super) async fn write_all(
    store: &Store,
    retry_reason: &RetryReason,
    outcomes: &[&OutcomeRow],
    rejected: &[&RejectedRow],
) -> WriteSummary {
    let mut written = WriteSummary::default();
    let mut parts = parts(outcomes, rejected);
    // The callers wait for all parts.
    let until = Instant::now() + RETRY_FOR;
    while let Some((outcomes, rejected)) = parts.pop() {
        match write_once(store, retry_reason, &outcomes, &rejected, until).await {
            Ok(new) => written.new.extend(new),
            // A row is refused, or the server fails at it: split the part until it has a single row.
            Err(Error::Refused(_) | Error::Internal(_)) if outcomes.len() + rejected.len() > 1 => {
                parts.extend(halves(outcomes, rejected));
            }
            // One of several simulations was removed.
            Err(Error::SimulationRemoved(_)) if simulations_of(&outcomes, &rejected).len() > 1 => {
                parts.extend(by_simulation(outcomes, rejected));
            }
            Err(error) => {
                let keys = outcomes.iter().map(|row| row.key);
                let keys = keys.chain(rejected.iter().map(|row| row.key));
                let failure = Verdict::failed(&error);
                written.failed.extend(keys.map(|key| (key, failure.clone())));
            }
        }
    }
    written
}

/// The rows of one transaction.
type Part<'r> = (Vec<&'r OutcomeRow>, Vec<&'r RejectedRow>);

/// Returns the rows in parts, each small enough for a transaction and for one message to the server.
fn parts<'r>(outcomes: &[&'r OutcomeRow], rejected: &[&'r RejectedRow]) -> Vec<Part<'r>> {
    let mut parts: Vec<Part<'r>> = chunks(outcomes, |row| row.document.len())
        .map(|chunk| (chunk.to_vec(), Vec::new()))
        .collect();
    for (index, chunk) in chunks(rejected, |row| row.document.len()).enumerate() {
        match parts.get_mut(index) {
            Some((_, rows)) => rows.extend(chunk),
            None => parts.push((Vec::new(), chunk.to_vec())),
        }
    }
    parts
}

/// Returns runs of rows, each as long as its number and its bytes allow, and at least one row.
fn chunks<R>(rows: &[R], bytes: impl Fn(&R) -> usize) -> impl Iterator<Item = &[R]> {
    let mut left = rows;
    std::iter::from_fn(move || {
        let mut taken_bytes = 0_usize;
        let fits = |row: &&R| {
            let first = taken_bytes == 0;
            taken_bytes = taken_bytes.saturating_add(bytes(row).max(1));
            first || taken_bytes <= PART_BYTES
        };
        let taken = left.iter().take(TRANSACTION_ROWS).take_while(fits).count();
        let (chunk, rest) = left.split_at_checked(taken)?;
        left = rest;
        (!chunk.is_empty()).then_some(chunk)
    })
}

/// Splits a part in two, each smaller than the whole.
fn halves<O, R>(mut outcomes: Vec<O>, mut rejected: Vec<R>) -> [(Vec<O>, Vec<R>); 2] {
    // A single outcome cannot be halved: it is separated from the rejected results.
    if outcomes.len() == 1 && !rejected.is_empty() {
        return [(outcomes, Vec::new()), (Vec::new(), rejected)];
    }
    if outcomes.is_empty() {
        let second = rejected.split_off(rejected.len() / 2);
        return [(outcomes, rejected), (Vec::new(), second)];
    }
    let second = outcomes.split_off(outcomes.len() / 2);
    [(outcomes, Vec::new()), (second, rejected)]
}

/// Splits a part into one for each simulation.
fn by_simulation<'r>(
    outcomes: Vec<&'r OutcomeRow>,
    rejected: Vec<&'r RejectedRow>,
) -> impl Iterator<Item = Part<'r>> {
    let mut parts: HashMap<Uuid, Part<'r>> = HashMap::new();
    for row in outcomes {
        parts.entry(row.key.simulation_id).or_default().0.push(row);
    }
    for row in rejected {
        parts.entry(row.key.simulation_id).or_default().1.push(row);
    }
    parts.into_values()
}

/// Writes one transaction, and retries it after transient errors until the time limit.
async fn write_once(
    store: &Store,
    retry_reason: &RetryReason,
    outcomes: &[&OutcomeRow],
    rejected: &[&RejectedRow],
    until: Instant,
) -> crate::Result<HashSet<ResultKey>> {
    let mut backoff = Backoff::new(RetryPolicy::SERVER);
    loop {
        match store.insert_results(outcomes, rejected).await {
            Err(error) if error.retryable() => {
                let Some(pause) = backoff.next_pause_until(until, Duration::ZERO) else {
                    return Err(error);
                };
                store.count_retry();
                retry_reason.set(Some(error.report()));
                tokio::time::sleep(pause).await;
            }
            Err(error) => return Err(error),
            Ok(new) => {
                retry_reason.set(None);
                return Ok(new);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_bounded_by_its_rows_and_by_its_bytes() {
        let sizes = |rows: &[usize]| -> Vec<usize> {
            chunks(rows, |bytes| *bytes).map(<[usize]>::len).collect()
        };
        assert!(sizes(&[]).is_empty());
        assert_eq!(sizes(&[1; 2_500]), [1_000, 1_000, 500]);
        // A thousand of the largest documents would exceed the limit of a message.
        assert_eq!(sizes(&[(16 << 20) - 1; 10]), [4, 4, 2]);
        let half = PART_BYTES / 2;
        assert_eq!(sizes(&[half, half, 1, 0, 3 * half, 0]), [2, 2, 1, 1]);
    }

    #[test]
    fn every_half_is_smaller_than_its_part_and_nothing_is_lost() {
        for outcomes in 0..5_usize {
            for rejections in 0..5_usize {
                let rows = outcomes + rejections;
                if rows < 2 {
                    continue;
                }
                let halves = halves(vec![(); outcomes], vec![(); rejections]);
                let sizes = halves.each_ref().map(|(some, others)| some.len() + others.len());
                assert!(sizes.iter().all(|size| (1..rows).contains(size)), "{rows}: {sizes:?}");
                assert_eq!(halves.iter().map(|(some, _)| some.len()).sum::<usize>(), outcomes);
                assert_eq!(sizes.iter().sum::<usize>(), rows);
            }
        }
    }
}
