//! Holds: entries that are skipped for a while, so that they do not block others.
//!
//! The destination can be available and take everything except the entries of one simulation. That
//! simulation is then held and retried after growing pauses, while the others are delivered.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::backoff::{Backoff, RetryPolicy};
use crate::spool::{SkippedEntries, Spool};

/// How often in a row the oldest entry fails, although the destination is available, before it is held.
const TRIES: u32 = 3;

/// The pauses between two attempts for a held simulation.
const RETRY: RetryPolicy = RetryPolicy::exact(Duration::from_secs(1), Duration::from_secs(30));

/// The unit that is delivered or held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Culprit {
    /// All entries of a simulation, which are delivered in order.
    Simulation(Uuid),
    /// One entry that belongs to no simulation.
    Entry(u64),
}

/// The state of one hold.
#[derive(Debug)]
struct Hold {
    since: Instant,
    backoff: Backoff,
    next_retry_at: Instant,
}

/// The holds of a delivery.
#[derive(Debug)]
pub(super) struct Holds {
    holds: HashMap<Culprit, Hold>,
    /// The last failure, and how often in a row it occurred.
    failing: Option<(Culprit, u32)>,
    /// How long a simulation can be unknown to the destination.
    unknown_for: Duration,
    policy: RetryPolicy,
}

impl Holds {
    /// Creates a set without holds. A simulation that is unknown to the destination is held for at most
    /// `unknown_for`.
    pub(super) fn new(unknown_for: Duration) -> Self {
        Holds { holds: HashMap::new(), failing: None, unknown_for, policy: RETRY }
    }

    /// Creates a set without holds and with the pauses of a policy; unknown simulations are never
    /// refused.
    pub(super) fn with_policy(policy: RetryPolicy) -> Self {
        Holds { policy, ..Holds::new(Duration::MAX) }
    }

    pub(super) fn len(&self) -> usize {
        self.holds.len()
    }

    /// Returns the entries to skip now.
    pub(super) fn skipped(&self) -> SkippedEntries {
        let now = Instant::now();
        let mut skipped = SkippedEntries::default();
        for (culprit, hold) in &self.holds {
            if hold.next_retry_at > now {
                match culprit {
                    Culprit::Simulation(id) => skipped.simulations.insert(*id),
                    Culprit::Entry(sequence) => skipped.sequences.insert(*sequence),
                };
            }
        }
        skipped
    }

    /// Returns when the first of them is retried.
    pub(super) fn next_retry_at(&self) -> Option<Instant> {
        self.holds.values().map(|hold| hold.next_retry_at).min()
    }

    /// Records a failure although the destination is available. Returns whether it is newly held; an
    /// existing hold is lengthened.
    pub(super) fn failed(&mut self, culprit: Culprit) -> bool {
        if self.holds.contains_key(&culprit) {
            self.hold(culprit);
            return false;
        }
        let before = self.failing.filter(|(other, _)| *other == culprit);
        let times = before.map_or(1, |(_, times)| times + 1);
        self.failing = Some((culprit, times));
        if times < TRIES {
            return false;
        }
        self.failing = None;
        self.hold(culprit);
        true
    }

    /// Returns whether it is held.
    pub(super) fn is_held(&self, culprit: Culprit) -> bool {
        self.holds.contains_key(&culprit)
    }

    /// Holds an entry or a simulation, for longer if it was held before.
    pub(super) fn hold(&mut self, culprit: Culprit) {
        let now = Instant::now();
        let hold = self.holds.entry(culprit).or_insert_with(|| Hold {
            since: now,
            backoff: Backoff::new(self.policy),
            next_retry_at: now,
        });
        hold.next_retry_at = now + hold.backoff.next_pause();
    }

    /// Holds an entry or a simulation permanently.
    pub(super) fn hold_permanently(&mut self, culprit: Culprit) {
        let now = Instant::now();
        let pause = Duration::from_secs(u64::from(u32::MAX));
        let backoff = Backoff::new(RetryPolicy::exact(pause, pause));
        self.holds.insert(culprit, Hold { since: now, backoff, next_retry_at: now + pause });
    }

    /// Returns whether a simulation that is unknown to the destination can still become known: its
    /// start can be in another spool.
    pub(super) fn may_become_known(&self, simulation_id: Uuid) -> bool {
        let hold = self.holds.get(&Culprit::Simulation(simulation_id));
        hold.map_or(Duration::ZERO, |hold| hold.since.elapsed()) < self.unknown_for
    }

    /// Removes the holds of delivered entries.
    pub(super) fn delivered(&mut self, delivered: &HashSet<Culprit>) {
        self.failing = self.failing.filter(|(culprit, _)| !delivered.contains(culprit));
        self.holds.retain(|culprit, _| !delivered.contains(culprit));
    }

    /// Removes the holds of simulations without waiting entries.
    pub(super) fn remove_finished(&mut self, spool: &Spool) {
        self.holds.retain(|culprit, _| match culprit {
            Culprit::Simulation(id) => spool.holds(*id),
            // Removed when the entry is delivered.
            Culprit::Entry(_) => true,
        });
    }

    /// Ends all holds.
    pub(super) fn release(&mut self) {
        self.holds.clear();
        self.failing = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_failures_are_held_until_a_delivery() {
        let mut held = Holds::new(Duration::from_secs(60));
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        for _ in 1..TRIES {
            assert!(!held.failed(Culprit::Simulation(one)));
        }
        assert!(held.skipped().simulations.is_empty());
        assert!(held.failed(Culprit::Simulation(one)));
        assert!(held.skipped().simulations.contains(&one));
        // Another failure does not add a hold, and failures of another simulation are counted
        // separately.
        assert!(!held.failed(Culprit::Simulation(one)));
        assert!(!held.failed(Culprit::Simulation(other)));
        held.delivered(&HashSet::from([Culprit::Simulation(one)]));
        assert_eq!(held.len(), 0);
    }

    #[test]
    fn an_unknown_simulation_is_held_until_its_time_limit() {
        let id = Uuid::from_u128(1);
        let mut patient = Holds::new(Duration::from_secs(3_600));
        assert!(patient.may_become_known(id));
        patient.hold(Culprit::Simulation(id));
        assert!(patient.may_become_known(id));
        assert!(!Holds::new(Duration::ZERO).may_become_known(id));
    }
}
