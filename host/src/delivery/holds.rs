//! What is passed over for a while, so that it holds up nobody else.
//!
//! The destination may be there and take everything but what belongs to one simulation. That one is
//! held then, and tried again after pauses that grow; the others go on.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::backoff::{Backoff, RetryPolicy};
use crate::spool::{PassedOver, Spool};

/// How often in a row the oldest entry fails, although the destination is there, before it is held.
const TRIES: u32 = 3;

/// The pauses between two tries of what is held.
const RETRY: RetryPolicy = RetryPolicy::exact(Duration::from_secs(1), Duration::from_secs(30));

/// What can be delivered, or not, by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Culprit {
    /// Everything of a simulation, which is delivered in order.
    Simulation(Uuid),
    /// One entry that belongs to none.
    Entry(u64),
}

/// How long something is held.
#[derive(Debug)]
struct Hold {
    since: Instant,
    backoff: Backoff,
    again_at: Instant,
}

/// What is held.
#[derive(Debug)]
pub(super) struct Holds {
    holds: HashMap<Culprit, Hold>,
    /// What has failed last, and how often in a row.
    failing: Option<(Culprit, u32)>,
    /// For how long a simulation may be unknown to the destination.
    unknown_for: Duration,
    policy: RetryPolicy,
}

impl Holds {
    /// Nothing is held. A simulation that the destination does not know is held for so long.
    pub(super) fn new(unknown_for: Duration) -> Self {
        Holds { holds: HashMap::new(), failing: None, unknown_for, policy: RETRY }
    }

    /// Nothing is held, and nothing is refused because it is unknown; with the pauses of a policy.
    pub(super) fn with_policy(policy: RetryPolicy) -> Self {
        Holds { policy, ..Holds::new(Duration::MAX) }
    }

    pub(super) fn len(&self) -> usize {
        self.holds.len()
    }

    /// What is not to be tried now.
    pub(super) fn passed_over(&self) -> PassedOver {
        let now = Instant::now();
        let mut passed_over = PassedOver::default();
        for (culprit, hold) in &self.holds {
            if hold.again_at > now {
                match culprit {
                    Culprit::Simulation(id) => passed_over.simulations.insert(*id),
                    Culprit::Entry(sequence) => passed_over.sequences.insert(*sequence),
                };
            }
        }
        passed_over
    }

    /// When the first of them is tried again.
    pub(super) fn again_at(&self) -> Option<Instant> {
        self.holds.values().map(|hold| hold.again_at).min()
    }

    /// Notes that something failed although the destination is there. True where it is held from
    /// now on; what was held before is held for longer.
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

    /// Whether something was held before it failed now.
    pub(super) fn knows(&self, culprit: Culprit) -> bool {
        self.holds.contains_key(&culprit)
    }

    /// Holds something, for longer where it was held before.
    pub(super) fn hold(&mut self, culprit: Culprit) {
        let now = Instant::now();
        let hold = self.holds.entry(culprit).or_insert_with(|| Hold {
            since: now,
            backoff: Backoff::new(self.policy),
            again_at: now,
        });
        hold.again_at = now + hold.backoff.next_pause();
    }

    /// Does not try something again.
    pub(super) fn hold_for_good(&mut self, culprit: Culprit) {
        let now = Instant::now();
        let pause = Duration::from_secs(u64::from(u32::MAX));
        let backoff = Backoff::new(RetryPolicy::exact(pause, pause));
        self.holds.insert(culprit, Hold { since: now, backoff, again_at: now + pause });
    }

    /// Whether a simulation that the destination does not know may still become known to it: its
    /// start may be on its way through another spool.
    pub(super) fn may_become_known(&self, simulation_id: Uuid) -> bool {
        let hold = self.holds.get(&Culprit::Simulation(simulation_id));
        hold.map_or(Duration::ZERO, |hold| hold.since.elapsed()) < self.unknown_for
    }

    /// Notes that these were taken.
    pub(super) fn taken(&mut self, taken: &HashSet<Culprit>) {
        self.failing = self.failing.filter(|(culprit, _)| !taken.contains(culprit));
        self.holds.retain(|culprit, _| !taken.contains(culprit));
    }

    /// Forgets simulations of which nothing waits any more.
    pub(super) fn forget_gone(&mut self, spool: &Spool) {
        self.holds.retain(|culprit, _| match culprit {
            Culprit::Simulation(id) => spool.holds(*id),
            // It goes when it is taken.
            Culprit::Entry(_) => true,
        });
    }

    /// Everything is tried again at once.
    pub(super) fn release(&mut self) {
        self.holds.clear();
        self.failing = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_in_a_row_is_held_and_let_go_when_it_is_taken() {
        let mut held = Holds::new(Duration::from_secs(60));
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        for _ in 1..TRIES {
            assert!(!held.failed(Culprit::Simulation(one)));
        }
        assert!(held.passed_over().simulations.is_empty());
        assert!(held.failed(Culprit::Simulation(one)));
        assert!(held.passed_over().simulations.contains(&one));
        // Another failure is not news, and another simulation's are counted anew.
        assert!(!held.failed(Culprit::Simulation(one)));
        assert!(!held.failed(Culprit::Simulation(other)));
        held.taken(&HashSet::from([Culprit::Simulation(one)]));
        assert_eq!(held.len(), 0);
    }

    #[test]
    fn an_unknown_simulation_is_waited_for_until_its_time_is_over() {
        let id = Uuid::from_u128(1);
        let mut patient = Holds::new(Duration::from_secs(3_600));
        assert!(patient.may_become_known(id));
        patient.hold(Culprit::Simulation(id));
        assert!(patient.may_become_known(id));
        assert!(!Holds::new(Duration::ZERO).may_become_known(id));
    }
}
