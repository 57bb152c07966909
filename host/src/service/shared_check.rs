//! A query to the database that concurrent clients share, such as its health.

use tokio::sync::Mutex;
use tokio::time::Instant;

/// The latest answer to a query. Clients that ask during a query share the next answer, so that any
/// number of them causes only one query at a time.
#[derive(Debug)]
pub(super) struct SharedCheck<T> {
    latest: Mutex<Option<(Instant, T)>>,
}

impl<T> Default for SharedCheck<T> {
    fn default() -> Self {
        SharedCheck { latest: Mutex::new(None) }
    }
}

impl<T: Clone> SharedCheck<T> {
    /// Returns the answer to a query that began after this call.
    pub(super) async fn run(&self, ask: impl Future<Output = T>) -> T {
        let called = Instant::now();
        let mut latest = self.latest.lock().await;
        if let Some((begun, answer)) = &*latest
            && *begun >= called
        {
            return answer.clone();
        }
        let begun = Instant::now();
        let answer = ask.await;
        *latest = Some((begun, answer.clone()));
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn concurrent_callers_share_the_next_answer_and_none_gets_an_old_one() {
        let check = SharedCheck::default();
        let asked = AtomicUsize::new(0);
        let ask = || async {
            let number = asked.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            number
        };
        let answers = futures_util::future::join_all((0..100).map(|_| check.run(ask()))).await;
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        assert_eq!(answers[0], 0);
        assert!(answers[1..].iter().all(|answer| *answer == 1));
        assert_eq!(check.run(ask()).await, 2);
    }
}
