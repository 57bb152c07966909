//! The number of results in one request.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Limit;
use super::recording::goes_as_it_is;
use crate::paging::BATCH_ROWS;
use crate::recorder::{NotFinite, Submission};

/// The most bytes of results and of the members beside them, without the header.
const REQUEST_BYTES: usize = 8 << 20;

/// The other bytes of a body: the names of its members and its brackets.
const BODY_BYTES: usize = 128;

/// The limits of a request. They are lowered if the service accepts less.
#[derive(Debug)]
pub(super) struct Portions {
    results: AtomicUsize,
    /// The limit of a body without its header.
    bytes: AtomicUsize,
    /// The limit of a whole body, once the service has reported it.
    body_bytes: AtomicUsize,
}

impl Default for Portions {
    fn default() -> Self {
        let (results, bytes) = (BATCH_ROWS.into(), REQUEST_BYTES.into());
        Portions { results, bytes, body_bytes: usize::MAX.into() }
    }
}

impl Portions {
    /// Takes the next results for a request, at least one if any are left, and stops before a
    /// result for which `fits` returns false. All bytes of the body are counted.
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

    /// Lowers the limits after these results were too many for one request.
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

/// Returns the most bytes that a result takes in a body: its document and its metadata.
fn result_bytes(submission: &Submission) -> usize {
    let Submission { modal_call_id, sandbox_id, not_finite, .. } = submission;
    let id = |id: &Option<String>| id.as_ref().map_or("null".len(), |id| json_bytes(id));
    let place = |place: &NotFinite| {
        // The offset has at most 20 digits, and the number is a string of at most 9 letters.
        r#"{"offset":,"path":,"number":""},"#.len() + 20 + 9 + json_bytes(&place.path)
    };
    let not_finite: usize = not_finite.iter().map(place).sum();
    // A document has a comma and possibly a line break before it; a trial has at most ten digits.
    submission.document_bytes() + 2 + id(modal_call_id) + id(sandbox_id) + 10 + not_finite + 8
}

/// Returns the most bytes that the header takes in a body.
fn header_bytes(submission: &Submission) -> usize {
    submission.header().map_or(0, |header| match goes_as_it_is(header) {
        true => header.len(),
        false => json_bytes(header),
    })
}

/// Returns the length of a text as a JSON string, in bytes.
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
    fn too_large_requests_are_split_down_to_single_results_and_none_is_lost() {
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
    fn metadata_beside_the_documents_is_counted() {
        let portions = Portions::default();
        let mut left = results(100);
        for one in &mut left {
            one.modal_call_id = Some("\u{1}".repeat(REQUEST_BYTES / 60));
        }
        // Each of them is six bytes in JSON.
        assert_eq!(portions.take(&mut left, |_| true).len(), 9);
        assert_eq!(json_bytes("a\"\n\u{1}é"), r#""a\"\n\u0001é""#.len());
        // A service's own limit applies to the whole body, including the header.
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
    fn a_reported_limit_is_respected() {
        let (portions, mut left) = (Portions::default(), results(100));
        let all = portions.take(&mut left, |_| true);
        assert_eq!(all.len(), 100);
        portions.too_large(&all, Some(&Limit::Results(7)));
        assert_eq!(portions.take(&mut results(100), |_| true).len(), 7);
        assert!(portions.take(&mut results(1), |_| false).is_empty());
    }
}
