//! The policy for restarting a server that ended: how often, and after which delay.

use std::time::{Duration, Instant};

use crate::backoff::{Backoff, RetryPolicy};

/// How long leftovers of another server that look like a running one can block the start.
const BLOCKED: Duration = Duration::from_secs(30);

/// A server that ends sooner after its start than this has failed quickly.
const QUICK: Duration = Duration::from_secs(60);

/// The number of quick failures in a row after which another start would not help.
const QUICK_FAILURES: u32 = 5;

/// The pauses before further starts.
const RETRY: RetryPolicy =
    RetryPolicy::exact(Duration::from_millis(100), Duration::from_millis(1_600));

/// The failures so far.
#[derive(Debug)]
pub(super) struct RestartPolicy {
    has_run: bool,
    quick_failures: u32,
    backoff: Backoff,
    blocked_since: Option<Instant>,
}

/// The decision about a server that ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RestartDecision {
    /// Start another after this time.
    Retry(Duration),
    /// Do not start it again.
    GiveUp,
}

impl RestartPolicy {
    pub(super) fn new() -> Self {
        RestartPolicy {
            has_run: false,
            quick_failures: 0,
            backoff: Backoff::new(RETRY),
            blocked_since: None,
        }
    }

    /// Returns what to do after a server of this age ended.
    pub(super) fn after(
        &mut self,
        was_ready: bool,
        age: Duration,
        blocked: bool,
        now: Instant,
    ) -> RestartDecision {
        if blocked && !was_ready {
            let since = *self.blocked_since.get_or_insert(now);
            return if now.duration_since(since) < BLOCKED {
                RestartDecision::Retry(Duration::from_millis(200))
            } else {
                RestartDecision::GiveUp
            };
        }
        self.blocked_since = None;
        self.has_run |= was_ready;
        if age < QUICK {
            self.quick_failures += 1;
        } else {
            self.quick_failures = 1;
            self.backoff.reset();
        }
        // A server that never ran has an error in its settings or files, which is reported to the first user.
        if !self.has_run || self.quick_failures > QUICK_FAILURES {
            return RestartDecision::GiveUp;
        }
        RestartDecision::Retry(self.backoff.next_pause())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_never_ran_is_not_started_again() {
        let mut restarts = RestartPolicy::new();
        assert_eq!(
            restarts.after(false, Duration::from_millis(30), false, Instant::now()),
            RestartDecision::GiveUp
        );
    }

    #[test]
    fn a_killed_server_is_started_again_but_not_for_ever() {
        let mut restarts = RestartPolicy::new();
        let now = Instant::now();
        for _ in 0..20 {
            assert!(matches!(restarts.after(true, QUICK, false, now), RestartDecision::Retry(_)));
        }
        let quick =
            std::iter::repeat_with(|| restarts.after(true, Duration::from_secs(1), false, now));
        assert_eq!(quick.take_while(|verdict| *verdict != RestartDecision::GiveUp).count(), 4);
    }

    #[test]
    fn leftovers_of_a_killed_server_are_waited_for_with_a_limit() {
        let mut restarts = RestartPolicy::new();
        let now = Instant::now();
        assert!(matches!(
            restarts.after(false, Duration::ZERO, true, now),
            RestartDecision::Retry(_)
        ));
        assert!(matches!(
            restarts.after(false, Duration::ZERO, true, now + BLOCKED / 2),
            RestartDecision::Retry(_)
        ));
        assert_eq!(
            restarts.after(false, Duration::ZERO, true, now + BLOCKED),
            RestartDecision::GiveUp
        );
    }
}
