//! How many results go in one request.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Limit;
use super::recording::goes_as_it_is;
use crate::paging::BATCH_ROWS;
use crate::recorder::{NotFinite, Submission};

/// How many bytes of them and of what stands beside them; the header comes on top.
const REQUEST_BYTES: usize = 8 << 20;

/// What a body has besides: the names of its members and its brackets.
const BODY_BYTES: usize = 128;

/// How much a request may have. A service that takes less says so, and is asked for no more again.
#[derive(Debug)]
pub(super) struct Portions {
    results: AtomicUsize,
    /// Of a body without its header.
    bytes: AtomicUsize,
    /// Of a whole body, once a service has said it.
    body_bytes: AtomicUsize,
}

impl Default for Portions {
    fn default() -> Self {
        let (results, bytes) = (BATCH_ROWS.into(), REQUEST_BYTES.into());
        Portions { results, bytes, body_bytes: usize::MAX.into() }
    }
}

impl Portions {
    /// Takes the next results for a request, one at least where there is any, and none for which
    /// `fits` does not hold. All that the body will have is counted.
    pub(super) fn take(
        &self,
        left: &mut VecDeque<Submission>,
        fits: impl Fn(&Submission) -> bool,
    ) -> Vec<Submission> {
        let most_results = self.results.load(Ordering::Relaxed);
        let header_bytes = left.front().map_or(0, header_bytes);
        let most_bytes = self
            .bytes
            .load(Ordering::Relaxed)
            .saturating_add(header_bytes)
            .min(self.body_bytes.load(Ordering::Relaxed));
        let (mut portion, mut bytes) = (Vec::new(), BODY_BYTES + header_bytes);
        while let Some(next) = left.front() {
            bytes += result_bytes(next);
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
                let bytes: usize = portion.iter().map(result_bytes).sum();
                let body = BODY_BYTES + portion.first().map_or(0, header_bytes) + bytes;
                let known = match limit {
                    Some(Limit::Bytes(most)) => usize::try_from(*most).ok(),
                    _ => None,
                };
                match known.filter(|known| *known < body) {
                    Some(known) => {
                        self.body_bytes.fetch_min(known, Ordering::Relaxed);
                    }
                    None => {
                        self.bytes.fetch_min((bytes / 2).max(1), Ordering::Relaxed);
                    }
                }
            }
        }
    }
}

/// How many bytes of a body a result takes at most: its document, and what stands beside it.
fn result_bytes(submission: &Submission) -> usize {
    let Submission { modal_call_id, sandbox_id, not_finite, .. } = submission;
    let id = |id: &Option<String>| id.as_ref().map_or("null".len(), |id| json_bytes(id));
    let place = |place: &NotFinite| {
        // The offset has 20 digits at most, and the number is a word of at most 9 letters.
        r#"{"offset":,"path":,"number":""},"#.len() + 20 + 9 + json_bytes(&place.path)
    };
    let not_finite: usize = not_finite.iter().map(place).sum();
    // A document has a comma and may have a line break before it; a trial has ten digits at most.
    submission.document_bytes() + 2 + id(modal_call_id) + id(sandbox_id) + 10 + not_finite + 8
}

/// How many bytes of a body the header takes at most.
fn header_bytes(submission: &Submission) -> usize {
    submission.header().map_or(0, |header| match goes_as_it_is(header) {
        true => header.len(),
        false => json_bytes(header),
    })
}

/// How many bytes a text has as a JSON string.
fn json_bytes(text: &str) -> usize {
    let byte = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => 6,
        _ => 1,
    };
    2 + text.bytes().map(byte).sum::<usize>()
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
    fn what_stands_beside_the_documents_is_counted() {
        let portions = Portions::default();
        let mut left = results(100);
        for one in &mut left {
            one.modal_call_id = Some("\u{1}".repeat(REQUEST_BYTES / 60));
        }
        // Each of them is six bytes in JSON.
        assert_eq!(portions.take(&mut left, |_| true).len(), 9);
        assert_eq!(json_bytes("a\"\n\u{1}é"), r#""a\"\n\u0001é""#.len());
        // A service's own limit is one of the whole body, with the header in it.
        let header = Some("[1]".repeat(1_000));
        let format = std::sync::Arc::new(crate::recorder::ResultFormat::new("f", header));
        let mut left = results(100);
        left.iter_mut().for_each(|one| one.format = Some(std::sync::Arc::clone(&format)));
        let all = portions.take(&mut left, |_| true);
        assert_eq!(all.len(), 100);
        portions.too_large(&all, Some(&Limit::Bytes(4_000)));
        let mut left = VecDeque::from(all);
        let fewer = portions.take(&mut left, |_| true);
        assert!((1..30).contains(&fewer.len()), "{}", fewer.len());
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
