//! Limits of concurrent requests of one kind, and the share of one token in them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answer::Failure;
use super::guard::Caller;
use super::settings::ServiceSettings;
use crate::lock::lock;
use crate::wire::{Problem, ProblemCode};

/// The limits of all kinds of requests. Each kind has its own, so that readers do not block recording,
/// and slow uploads do not block other requests.
#[derive(Debug)]
pub(super) struct ConcurrencyLimits {
    pub(super) record: Arc<ConcurrencyLimit>,
    pub(super) read: Arc<ConcurrencyLimit>,
    pub(super) files: Arc<ConcurrencyLimit>,
    pub(super) record_streams: Arc<ConcurrencyLimit>,
    pub(super) read_streams: Arc<ConcurrencyLimit>,
    pub(super) events: Arc<ConcurrencyLimit>,
}

impl ConcurrencyLimits {
    pub(super) fn new(settings: &ServiceSettings) -> Self {
        let limit = |what, setting, limit| {
            let share = settings.max_token_share_percent;
            Arc::new(ConcurrencyLimit::new(what, setting, limit, share))
        };
        ConcurrencyLimits {
            record: limit(
                "requests that record",
                "max_concurrent_requests",
                settings.max_concurrent_requests,
            ),
            read: limit(
                "requests that read",
                "max_concurrent_reads",
                settings.max_concurrent_reads,
            ),
            files: limit("files", "max_concurrent_files", settings.max_concurrent_files),
            record_streams: limit(
                "streams of results",
                "max_record_streams",
                settings.max_record_streams,
            ),
            read_streams: limit(
                "streams of outcomes",
                "max_read_streams",
                settings.max_read_streams,
            ),
            events: limit("streams of events", "max_event_streams", settings.max_event_streams),
        }
    }
}

/// The number of concurrent requests of one kind.
#[derive(Debug)]
pub(super) struct ConcurrencyLimit {
    /// The name of the requests, for an error.
    what: &'static str,
    /// The setting with the limit.
    setting: &'static str,
    limit: usize,
    /// The most that one token can use.
    token_limit: usize,
    free: Arc<Semaphore>,
    by_token: Mutex<HashMap<String, usize>>,
}

/// The permit for one request, until it is dropped.
#[derive(Debug)]
pub(super) struct ConcurrencyPermit {
    limit: Arc<ConcurrencyLimit>,
    token_id: Option<String>,
    _permit: OwnedSemaphorePermit,
}

impl ConcurrencyLimit {
    fn new(what: &'static str, setting: &'static str, limit: usize, share_percent: u64) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        let share = (limit as u128 * u128::from(share_percent) / 100).max(1);
        ConcurrencyLimit {
            what,
            setting,
            limit,
            token_limit: usize::try_from(share).unwrap_or(limit).min(limit),
            free: Arc::new(Semaphore::new(limit)),
            by_token: Mutex::default(),
        }
    }

    /// Acquires a permit for one more request.
    ///
    /// # Errors
    /// If the limit is reached, for all clients or for this token.
    pub(super) fn acquire(
        self: &Arc<Self>,
        caller: Option<&Caller>,
    ) -> Result<ConcurrencyPermit, Failure> {
        let ConcurrencyLimit { what, setting, limit, token_limit, .. } = **self;
        let token_id = caller.map(|caller| caller.token_id().to_owned());
        let permit = Arc::clone(&self.free).try_acquire_owned().map_err(|_| {
            too_many(format!("{limit} {what} are in progress, the limit ({setting})"), limit)
        })?;
        if let Some(token_id) = &token_id {
            let mut by_token = self.by_token();
            let count = by_token.get(token_id).copied().unwrap_or_default();
            if count >= token_limit {
                return Err(too_many(
                    format!(
                        "{count} {what} of this token are in progress, its share of the {limit} of \
                         {setting} (max_token_share_percent)"
                    ),
                    token_limit,
                ));
            }
            by_token.insert(token_id.clone(), count + 1);
        }
        Ok(ConcurrencyPermit { limit: Arc::clone(self), token_id, _permit: permit })
    }

    fn by_token(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        lock(&self.by_token)
    }
}

impl Drop for ConcurrencyPermit {
    fn drop(&mut self) {
        let Some(token_id) = &self.token_id else { return };
        let mut by_token = self.limit.by_token();
        match by_token.get_mut(token_id) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(by_token.remove(token_id)),
        }
    }
}

fn too_many(detail: String, limit: usize) -> Failure {
    Problem::new(ProblemCode::TooManyRequests, detail).limit(limit as u64).retry_after(1).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(limit: usize, share_percent: u64) -> Arc<ConcurrencyLimit> {
        Arc::new(ConcurrencyLimit::new("requests", "max_concurrent_requests", limit, share_percent))
    }

    #[test]
    fn a_token_has_its_share_and_others_have_the_rest() {
        let limit = limit(4, 75);
        let (one, other) = (Caller::new("one"), Caller::new("other"));
        let mut held: Vec<_> = (0..3).map(|_| limit.acquire(Some(&one)).unwrap()).collect();
        let refused = limit.acquire(Some(&one)).unwrap_err();
        assert!(refused.problem.detail.contains("max_token_share_percent"), "{refused:?}");
        assert_eq!(refused.problem.limit, Some(3));
        let last = limit.acquire(Some(&other)).unwrap();
        let refused = limit.acquire(Some(&other)).unwrap_err();
        assert!(
            refused.problem.detail.contains("the limit (max_concurrent_requests)"),
            "{refused:?}"
        );
        held.pop();
        assert!(limit.acquire(Some(&one)).is_ok());
        drop((held, last));
        assert!(limit.by_token().is_empty(), "finished requests are not counted");
        assert_eq!(limit.free.available_permits(), 4);
    }

    #[test]
    fn the_share_is_at_least_one_and_at_most_all() {
        for (all, percent, expected) in [(1, 75, 1), (3, 1, 1), (3, 100, 3), (8, 50, 4)] {
            assert_eq!(limit(all, percent).token_limit, expected, "{all} {percent}");
        }
        // Without tokens, clients cannot be distinguished.
        let limit = limit(2, 50);
        let held = [limit.acquire(None).unwrap(), limit.acquire(None).unwrap()];
        assert!(limit.acquire(None).is_err());
        drop(held);
    }
}
