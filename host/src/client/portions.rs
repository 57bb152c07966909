//! How many results go in one request.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Limit;
use crate::recorder::Submission;

/// How many results a request has at most, as many as a transaction takes.
const REQUEST_RESULTS: usize = 1_000;

/// How many bytes of them.
const REQUEST_BYTES: usize = 8 << 20;

/// How much a request may have. A service that takes less says so, and is asked for no more again.
#[derive(Debug)]
pub(super) struct Portions {
    results: AtomicUsize,
    bytes: AtomicUsize,
}

impl Default for Portions {
    fn default() -> Self {
        let (results, bytes) = (REQUEST_RESULTS.into(), REQUEST_BYTES.into());
        Portions { results, bytes }
    }
}

impl Portions {
    /// Takes the next results for a request, one at least where there is any, and none for which
    /// `fits` does not hold.
    pub(super) fn take(
        &self,
        left: &mut VecDeque<Submission>,
        fits: impl Fn(&Submission) -> bool,
    ) -> Vec<Submission> {
        let most_results = self.results.load(Ordering::Relaxed);
        let most_bytes = self.bytes.load(Ordering::Relaxed);
        let (mut portion, mut bytes) = (Vec::new(), 0);
        while let Some(next) = left.front() {
            bytes += next.document_bytes();
            let full = portion.len() >= most_results || bytes > most_bytes;
            // A request names one format and one header.
            let last: Option<&Submission> = portion.last();
            let another = last.is_some_and(|last| last.format != next.format);
            if (full && !portion.is_empty()) || another || !fits(next) {
                break;
            }
            portion.extend(left.pop_front());
        }
        portion
    }

    /// Learns that these were too many for one request, so that fewer go in the next.
    pub(super) fn too_large(&self, portion: &[Submission], limit: Option<&Limit>) {
        match limit {
            Some(Limit::Results(most)) => {
                let most = usize::try_from(*most).unwrap_or(usize::MAX);
                let fewer = portion.len().saturating_sub(1).min(most).max(1);
                self.results.fetch_min(fewer, Ordering::Relaxed);
            }
            limit => {
                let bytes: usize = portion.iter().map(Submission::document_bytes).sum();
                // What stands beside the documents needs room, too.
                let known = match limit {
                    Some(Limit::Bytes(most)) => usize::try_from(*most / 4 * 3).ok(),
                    _ => None,
                };
                let fewer = known.filter(|known| *known < bytes).unwrap_or(bytes / 2);
                self.bytes.fetch_min(fewer.max(1), Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(count: usize) -> VecDeque<Submission> {
        (0..count).map(|_| Submission::new("{}")).collect()
    }

    #[test]
    fn what_is_too_large_is_parted_down_to_single_results_and_none_is_lost() {
        for limit in
            [None, Some(Limit::Results(7)), Some(Limit::Bytes(9)), Some(Limit::Bytes(1 << 30))]
        {
            let (portions, mut left) = (Portions::default(), results(100));
            let mut sizes = Vec::new();
            loop {
                let portion = portions.take(&mut left, |_| true);
                sizes.push(portion.len());
                if portion.len() == 1 {
                    break;
                }
                portions.too_large(&portion, limit.as_ref());
                portion.into_iter().rev().for_each(|one| left.push_front(one));
                assert_eq!(left.len(), 100);
            }
            // Each portion is smaller than the one before.
            assert!(sizes.is_sorted_by(|one, next| one > next), "{sizes:?}");
        }
    }

    #[test]
    fn a_limit_that_is_told_is_kept() {
        let (portions, mut left) = (Portions::default(), results(100));
        let all = portions.take(&mut left, |_| true);
        assert_eq!(all.len(), 100);
        portions.too_large(&all, Some(&Limit::Results(7)));
        assert_eq!(portions.take(&mut results(100), |_| true).len(), 7);
        assert!(portions.take(&mut results(1), |_| false).is_empty());
    }
}
