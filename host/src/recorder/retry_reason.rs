//! Trying again: the pauses, and why it is necessary.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The first pause; a deadlock or a lost race is over by then.
const FIRST: Duration = Duration::from_millis(20);

/// The longest pause: a restarted server is noticed soon, and not flooded.
const LONGEST: Duration = Duration::from_secs(2);

/// Pauses that double, each shortened by up to half at random, so that many clients of one server
/// do not come back at the same moment.
#[derive(Debug)]
pub(crate) struct Pauses {
    next: Duration,
    random: RandomState,
    count: u32,
}

impl Pauses {
    pub(crate) fn new() -> Self {
        Pauses { next: FIRST, random: RandomState::new(), count: 0 }
    }

    pub(crate) fn next_pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(LONGEST);
        self.count += 1;
        // The standard library's hash keys are random, which is all the randomness needed here.
        let share = self.random.hash_one(self.count) % 512;
        let share = u32::try_from(share).unwrap_or(0);
        pause / 2 + (pause / 2) * share / 512
    }
}

/// The reason for which results are being sent to the database again, if they are.
#[derive(Debug, Default)]
pub(super) struct RetryReason(Mutex<Option<String>>);

impl RetryReason {
    /// Sets the reason; `None` once results have been stored.
    pub(super) fn set(&self, reason: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    /// Returns the reason.
    pub(super) fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_differ() {
        let mut pauses = Pauses::new();
        let all: Vec<Duration> = (0..20).map(|_| pauses.next_pause()).collect();
        assert!(all[0] >= FIRST / 2 && all[0] <= FIRST);
        assert!(all[19] >= LONGEST / 2 && all[19] <= LONGEST);
        let mut other = Pauses::new();
        let others: Vec<Duration> = (0..20).map(|_| other.next_pause()).collect();
        assert_ne!(all, others);
    }
}
