//! Exponential backoff: pauses between attempts that become longer.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use tokio::time::Instant;

/// The pauses between attempts: they double from the first to the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RetryPolicy {
    /// The first pause.
    pub(crate) first: Duration,
    /// The longest pause.
    pub(crate) longest: Duration,
    /// Whether each pause is shortened by up to half at random, so that many clients of one server
    /// do not come back at the same moment.
    pub(crate) jitter: bool,
}

impl RetryPolicy {
    /// The policy for a database or a service. A deadlock or a lost race is over after the first pause; a
    /// restarted server is noticed soon, and not flooded.
    pub(crate) const SERVER: RetryPolicy = RetryPolicy {
        first: Duration::from_millis(20),
        longest: Duration::from_secs(2),
        jitter: true,
    };

    /// Pauses that double from the first to the longest, exactly.
    pub(crate) const fn exact(first: Duration, longest: Duration) -> Self {
        RetryPolicy { first, longest, jitter: false }
    }
}

/// The pauses between the attempts of one operation.
#[derive(Debug)]
pub(crate) struct Backoff {
    policy: RetryPolicy,
    next: Duration,
    random: RandomState,
    count: u32,
}

impl Backoff {
    /// Begins with the first pause of the policy.
    pub(crate) fn new(policy: RetryPolicy) -> Self {
        Backoff { policy, next: policy.first, random: RandomState::new(), count: 0 }
    }

    /// Returns the next pause.
    pub(crate) fn next_pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.policy.longest);
        if !self.policy.jitter {
            return pause;
        }
        self.count += 1;
        // The standard library's hash keys are random, which is all the randomness needed here.
        let share = self.random.hash_one(self.count) % 512;
        let share = u32::try_from(share).unwrap_or(0);
        pause / 2 + (pause / 2) * share / 512
    }

    /// Returns the next pause, extended to `at_least`; `None` if it would end after `until`.
    pub(crate) fn next_pause_until(
        &mut self,
        until: Instant,
        at_least: Duration,
    ) -> Option<Duration> {
        let pause = self.next_pause().max(at_least);
        (Instant::now() + pause <= until).then_some(pause)
    }

    /// Begins again with the first pause, after a try that succeeded.
    pub(crate) fn reset(&mut self) {
        self.next = self.policy.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_differ() {
        let RetryPolicy { first, longest, .. } = RetryPolicy::SERVER;
        let mut backoff = Backoff::new(RetryPolicy::SERVER);
        let all: Vec<Duration> = (0..20).map(|_| backoff.next_pause()).collect();
        assert!(all[0] >= first / 2 && all[0] <= first);
        assert!(all[19] >= longest / 2 && all[19] <= longest);
        let mut other = Backoff::new(RetryPolicy::SERVER);
        let others: Vec<Duration> = (0..20).map(|_| other.next_pause()).collect();
        assert_ne!(all, others);
    }

    #[test]
    fn no_pause_is_longer_than_the_time_that_is_left() {
        let hour = Duration::from_secs(3_600);
        let mut backoff = Backoff::new(RetryPolicy::SERVER);
        let until = Instant::now() + hour;
        assert!(backoff.next_pause_until(until, Duration::ZERO).is_some());
        assert_eq!(backoff.next_pause_until(until, hour / 2), Some(hour / 2));
        assert_eq!(backoff.next_pause_until(until, hour * 2), None);
    }

    #[test]
    fn exact_pauses_double_and_begin_again_after_a_success() {
        let seconds = Duration::from_secs;
        let mut backoff = Backoff::new(RetryPolicy::exact(seconds(1), seconds(5)));
        let all: Vec<Duration> = (0..5).map(|_| backoff.next_pause()).collect();
        assert_eq!(all, [1, 2, 4, 5, 5].map(seconds));
        backoff.reset();
        assert_eq!(backoff.next_pause(), seconds(1));
    }
}
