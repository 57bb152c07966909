//! Replay: rejected results are extracted again after the extractor was fixed.

use std::collections::HashSet;
use std::ops::AddAssign;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt as _;
use serde::Serialize;
use uuid::Uuid;

use super::history::{Headers, passed_trial};
use super::rows::{ExtractionResult, Target};
use super::scheduling::extract;
use super::{ReceivedResult, Recorder, ResultFormat, Submission};
use crate::error::{Error, Result};
use crate::extraction::{Violation, violations_of_json};
use crate::json_text::JsonText;
use crate::paging::next_batch;
use crate::reason::with_hint;
use crate::store::{OutcomeRow, RejectedSubmission, Replay};

/// The codes of the host's reasons for documents whose end is missing or that could not be decompressed
/// completely: even if the stored bytes are text, they are not a result as it was sent.
const FRAMING_CODES: [&str; 3] = ["truncated", "trailing_text", "damaged"];

/// The totals of a replay of rejected results.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ReplaySummary {
    /// Results that are now accepted, and stored as outcomes with their own ids and times of receipt.
    pub stored: u64,
    /// Results that are now accepted, but were already stored.
    pub duplicate: u64,
    /// Still rejected.
    pub rejected: u64,
    /// Of those still rejected, how many have other reasons than before.
    pub reasons_changed: u64,
    /// Of those still rejected, how many no extractor can read: they are stored only in part, are not
    /// UTF-8, or were truncated.
    pub unreadable: u64,
    /// Results without a verdict, or that the database refused. They are not changed.
    pub failed: u64,
    /// The first of the failed results, and why it failed.
    pub failure: Option<String>,
    /// Whether it was stopped before the end.
    pub interrupted: bool,
}

/// The progress of a replay.
#[derive(Clone, Copy, Debug)]
pub struct ReplayProgress {
    /// Results that were processed.
    pub results: u64,
    /// Results that existed at the beginning.
    pub total: u64,
}

impl AddAssign for ReplaySummary {
    fn add_assign(&mut self, other: Self) {
        self.stored += other.stored;
        self.duplicate += other.duplicate;
        self.rejected += other.rejected;
        self.reasons_changed += other.reasons_changed;
        self.unreadable += other.unreadable;
        self.failed += other.failed;
        self.failure = self.failure.take().or(other.failure);
        self.interrupted |= other.interrupted;
    }
}

impl ReplaySummary {
    fn fail(&mut self, outcome_id: Uuid, message: String) {
        self.failed += 1;
        self.failure.get_or_insert_with(|| format!("result {outcome_id}: {message}"));
    }
}

impl Recorder {
    /// Extracts the rejected results of this recorder's format again, of one simulation or of all.
    /// Those that are now accepted become outcomes, with their ids and times of receipt; their reasons
    /// are kept in `replaced_extractions`. It is safe to repeat, to interrupt, and to run twice at
    /// once. Setting `stop` ends it after the current batch. It takes two connections.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the simulation does not exist, or an error of the database that does not
    /// concern a single result; results that were already stored remain so.
    pub async fn replay_rejected(
        &self,
        simulation_id: Option<Uuid>,
        stop: &AtomicBool,
        mut report: impl FnMut(ReplayProgress),
    ) -> Result<ReplaySummary> {
        self.make_ready().await?;
        let store = &self.shared.store;
        if let Some(simulation_id) = simulation_id {
            store.simulation(simulation_id).await?;
        }
        let extractor = self.extractor().identity();
        self.ensure_extractor(extractor).await?;
        let (simulations, total) =
            store.rejected_simulations(simulation_id, &extractor.name).await?;
        let mut replayed = ReplaySummary::default();
        let mut results = 0;
        for simulation_id in simulations {
            let before = replayed.stored + replayed.duplicate;
            let plan = self.plan(simulation_id).await?;
            let prices = store.prices().await?;
            let target = Target { plan, sessions: Arc::clone(&self.sessions), prices };
            let kept = store.rejected_submissions(simulation_id, &extractor.name).await?;
            let mut kept = pin!(kept.fuse());
            let mut headers = Headers::new(store, &extractor.name);
            loop {
                if stop.load(Ordering::Relaxed) {
                    replayed.interrupted = true;
                    break;
                }
                let bytes = |kept: &RejectedSubmission| kept.document.as_ref().map_or(0, Vec::len);
                let batch = next_batch(&mut kept, bytes).await?;
                if batch.is_empty() {
                    break;
                }
                results += batch.len() as u64;
                self.replay_batch(&target, batch, &mut headers, &mut replayed).await?;
                report(ReplayProgress { results, total: total.max(results) });
            }
            if replayed.stored + replayed.duplicate > before {
                // Recomputes the figures of a simulation that has ended, as the next query would.
                store.simulation_with_figures(simulation_id).await?;
            }
            if replayed.interrupted {
                break;
            }
        }
        Ok(replayed)
    }

    async fn replay_batch(
        &self,
        target: &Target,
        batch: Vec<RejectedSubmission>,
        headers: &mut Headers<'_>,
        replayed: &mut ReplaySummary,
    ) -> Result<()> {
        let (mut received, mut old_reasons) = (Vec::new(), Vec::new());
        for mut kept in batch {
            let reasons = std::mem::take(&mut kept.violations);
            let format = headers.format(kept.header_id).await?;
            match readable(target.plan.simulation_id, kept, format, &reasons) {
                Some(result) => {
                    received.push(result);
                    old_reasons.push(reasons);
                }
                None => {
                    replayed.rejected += 1;
                    replayed.unreadable += 1;
                }
            }
        }
        let extracted = extract(target, received).await?;
        let (mut accepted, mut reasons) = (Vec::new(), Vec::new());
        for (item, old) in extracted.into_iter().zip(old_reasons) {
            match item {
                ExtractionResult::Outcome(row) => accepted.push(row),
                ExtractionResult::Rejected(row, _) => {
                    replayed.rejected += 1;
                    if violations_of_json(&row.violations) != violations_of_json(&old) {
                        replayed.reasons_changed += 1;
                        reasons.push((row.key.outcome_id, row.violations.clone()));
                    }
                }
                ExtractionResult::Failed { outcome_id, error } => {
                    replayed.fail(outcome_id, with_hint(error.to_string(), error.hint()));
                }
            }
        }
        self.store_replayed(target, &accepted, &reasons, replayed).await
    }

    /// Stores the accepted results. If the database refuses one of them, they are stored in ever
    /// smaller parts, until it is in a part of its own.
    async fn store_replayed(
        &self,
        target: &Target,
        accepted: &[Arc<OutcomeRow>],
        reasons: &[(Uuid, JsonText)],
        replayed: &mut ReplaySummary,
    ) -> Result<()> {
        if accepted.is_empty() && reasons.is_empty() {
            return Ok(());
        }
        let rows: Vec<&OutcomeRow> = accepted.iter().map(|row| &**row).collect();
        let mut parts = vec![(rows.as_slice(), reasons)];
        while let Some((rows, reasons)) = parts.pop() {
            let replay = Replay {
                simulation_id: target.plan.simulation_id,
                partition_time: target.plan.partition_time,
                extractor_id: target.extractor_id(),
                accepted: rows,
                reasons,
            };
            match (self.shared.store.store_replay(&replay).await, rows) {
                (Ok(stored), _) => {
                    let stored: HashSet<_> = stored;
                    replayed.stored += stored.len() as u64;
                    replayed.duplicate += (rows.len() - stored.len()) as u64;
                }
                (Err(Error::Refused(_)), rows) if rows.len() > 1 => {
                    let (first, second) = rows.split_at(rows.len() / 2);
                    parts.extend([(first, reasons), (second, &[])]);
                }
                (Err(error @ Error::Refused(_)), [row]) => {
                    replayed.fail(row.key.outcome_id, error.report_with_hint());
                    if !reasons.is_empty() {
                        parts.push((&[], reasons));
                    }
                }
                (Err(error), _) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Returns a rejected result if an extractor can read it: complete, text, and with the trial that its
/// sender passed.
fn readable(
    simulation_id: Uuid,
    kept: RejectedSubmission,
    format: Option<Arc<ResultFormat>>,
    reasons: &JsonText,
) -> Option<ReceivedResult> {
    let framing = |reason: &Violation| FRAMING_CODES.contains(&reason.code.as_str());
    if violations_of_json(reasons).iter().any(framing) {
        return None;
    }
    let text = String::from_utf8(kept.document?).ok()?;
    let trial = passed_trial(simulation_id, kept.outcome_id, kept.trial, text.as_bytes())?;
    let submission = Submission {
        position: kept.position.and_then(|position| u64::try_from(position).ok()),
        trial,
        modal_call_id: kept.modal_call_id,
        sandbox_id: kept.sandbox_id,
        format,
        ..Submission::new(text)
    };
    Some(ReceivedResult {
        outcome_id: kept.outcome_id,
        received_at: kept.received_at,
        host_clock: false,
        submission,
        sender_warnings: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use arc_framing::{Problem, Unclosed};
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::identity;

    #[test]
    fn a_truncated_or_damaged_document_is_not_extracted_again() {
        let simulation_id = Uuid::from_u128(1);
        let is_readable = |code: &str| {
            let kept = RejectedSubmission {
                outcome_id: identity::outcome_id(simulation_id, None, b"{}"),
                received_at: Timestamp::now(),
                position: None,
                trial: None,
                modal_call_id: None,
                sandbox_id: None,
                violations: JsonText::default(),
                document: Some(b"{}".to_vec()),
                header_id: None,
            };
            readable(simulation_id, kept, None, &JsonText::of(&json!([{"code": code}])).unwrap())
                .is_some()
        };
        assert!(is_readable("required"));
        let problems =
            [Problem::Truncated(Unclosed::Document), Problem::TrailingText, Problem::Damaged];
        for problem in problems {
            assert!(!is_readable(problem.code()), "{problem}");
        }
    }
}
