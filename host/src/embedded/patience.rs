//! How often, and how soon, a server that ended is started again.

use std::time::{Duration, Instant};

use crate::backoff::{Backoff, RetryPolicy};

/// How long a server may be kept from starting by what another one left behind that cannot be told from a living one.
const BLOCKED: Duration = Duration::from_secs(30);

/// A server that ends sooner after its start than this has failed quickly.
const QUICK: Duration = Duration::from_secs(60);

/// As many quick failures in a row are not mended by one more start.
const QUICK_FAILURES: u32 = 5;

/// The pauses before further starts.
const RETRY: RetryPolicy =
    RetryPolicy::exact(Duration::from_millis(100), Duration::from_millis(1_600));

/// What has happened so far.
#[derive(Debug)]
pub(super) struct Patience {
    has_run: bool,
    quick_failures: u32,
    backoff: Backoff,
    blocked_since: Option<Instant>,
}

/// What to do about a server that ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Start another after this time.
    Retry(Duration),
    /// One more start would not help.
    GiveUp,
}

impl Patience {
    pub(super) fn new() -> Self {
        Patience {
            has_run: false,
            quick_failures: 0,
            backoff: Backoff::new(RETRY),
            blocked_since: None,
        }
    }

    /// What follows the end of a server of this age.
    pub(super) fn after(
        &mut self,
        was_ready: bool,
        age: Duration,
        blocked: bool,
        now: Instant,
    ) -> Verdict {
        if blocked && !was_ready {
            let since = *self.blocked_since.get_or_insert(now);
            return if now.duration_since(since) < BLOCKED {
                Verdict::Retry(Duration::from_millis(200))
            } else {
                Verdict::GiveUp
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
        // One that never ran has a mistake in its settings or its files, which the first user should hear of.
        if !self.has_run || self.quick_failures > QUICK_FAILURES {
            return Verdict::GiveUp;
        }
        Verdict::Retry(self.backoff.next_pause())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_never_ran_is_not_started_again() {
        let mut patience = Patience::new();
        assert_eq!(
            patience.after(false, Duration::from_millis(30), false, Instant::now()),
            Verdict::GiveUp
        );
    }

    #[test]
    fn a_killed_server_is_started_again_but_not_for_ever() {
        let mut patience = Patience::new();
        let now = Instant::now();
        for _ in 0..20 {
            assert!(matches!(patience.after(true, QUICK, false, now), Verdict::Retry(_)));
        }
        let quick =
            std::iter::repeat_with(|| patience.after(true, Duration::from_secs(1), false, now));
        assert_eq!(quick.take_while(|verdict| *verdict != Verdict::GiveUp).count(), 4);
    }

    #[test]
    fn what_a_killed_server_left_is_waited_for_within_reason() {
        let mut patience = Patience::new();
        let now = Instant::now();
        assert!(matches!(patience.after(false, Duration::ZERO, true, now), Verdict::Retry(_)));
        assert!(matches!(
            patience.after(false, Duration::ZERO, true, now + BLOCKED / 2),
            Verdict::Retry(_)
        ));
        assert_eq!(patience.after(false, Duration::ZERO, true, now + BLOCKED), Verdict::GiveUp);
    }
}
