//! Re-extraction: recorded outcomes are extracted again with the current extractor.
//!
//! This is the only way in which extracted fields change. The ids of an outcome, its time of receipt
//! and its document never change.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt as _;
use serde::Serialize;
use uuid::Uuid;

use super::history::{Headers, passed_trial};
use super::rows::{ExtractionResult, ID_REPLACED, NOT_FINITE, Target};
use super::scheduling::extract;
use super::{ReceivedResult, Recorder, Submission};
use crate::error::Result;
use crate::extraction::{Violation, violations_of_json};
use crate::json_text::JsonText;
use crate::paging::next_batch;
use crate::reason::with_hint;
use crate::store::{
    ColumnChange, ExtractedColumns, ExtractedOutcome, RewriteTransaction, RewrittenOutcome,
};

/// Which outcomes are extracted again, and whether anything is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReextractionScope {
    /// Only those of this simulation.
    pub simulation_id: Option<Uuid>,
    /// Also outcomes that were extracted by the current extractor.
    pub all: bool,
    /// Only report the changes; nothing is written.
    pub dry_run: bool,
}

/// The result of re-extracting one outcome, or one simulation.
#[derive(Clone, Debug, PartialEq)]
pub enum ReextractionEvent {
    /// No field changes.
    Same,
    /// Some fields change.
    Changed {
        /// The outcome.
        outcome_id: Uuid,
        /// Its simulation.
        simulation_id: Uuid,
        /// The old and the new values.
        changes: Vec<ColumnChange>,
    },
    /// The current extractor would reject the document; the outcome is not changed.
    Rejected {
        /// The outcome.
        outcome_id: Uuid,
        /// Its simulation.
        simulation_id: Uuid,
        /// Why.
        violations: Vec<Violation>,
    },
    /// It got no verdict; the outcome is not changed.
    Failed {
        /// The outcome.
        outcome_id: Uuid,
        /// Why.
        message: String,
    },
    /// All outcomes of a simulation were examined; they are written next.
    Simulation(SimulationChanges),
}

/// The changes in a simulation.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SimulationChanges {
    /// The simulation.
    pub simulation_id: Uuid,
    /// Outcomes that were extracted again.
    pub examined: u64,
    /// Those whose fields change.
    pub changed: u64,
    /// Outcomes that are written: their fields change, or at least their extractor.
    pub rewritten: u64,
    /// Outcomes that would be rejected; they are not changed.
    pub rejected: u64,
    /// Outcomes without a verdict; they are not changed.
    pub failed: u64,
    /// In how many outcomes each column changes.
    pub by_column: BTreeMap<&'static str, u64>,
}

/// The totals of a re-extraction.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Reextraction {
    /// Simulations with something to do; each was written as a whole.
    pub simulations: u64,
    /// Outcomes that were extracted again.
    pub examined: u64,
    /// Those whose fields changed.
    pub changed: u64,
    /// Outcomes that were written: their fields changed, or at least their extractor.
    pub rewritten: u64,
    /// Outcomes that would be rejected; they were not changed.
    pub rejected: u64,
    /// Outcomes without a verdict; they were not changed.
    pub failed: u64,
    /// In how many outcomes each column changed.
    pub by_column: BTreeMap<&'static str, u64>,
    /// Whether it was stopped before the end; the simulation that was being examined is unchanged.
    pub interrupted: bool,
}

impl AddAssign for Reextraction {
    fn add_assign(&mut self, other: Self) {
        self.simulations += other.simulations;
        self.examined += other.examined;
        self.changed += other.changed;
        self.rewritten += other.rewritten;
        self.rejected += other.rejected;
        self.failed += other.failed;
        for (column, count) in other.by_column {
            *self.by_column.entry(column).or_default() += count;
        }
        self.interrupted |= other.interrupted;
    }
}

impl From<SimulationChanges> for Reextraction {
    /// Returns the totals of one simulation.
    fn from(changes: SimulationChanges) -> Self {
        Reextraction {
            simulations: 1,
            examined: changes.examined,
            changed: changes.changed,
            rewritten: changes.rewritten,
            rejected: changes.rejected,
            failed: changes.failed,
            by_column: changes.by_column,
            interrupted: false,
        }
    }
}

/// Returns the warnings that did not come from the document, which re-extraction would not find.
fn sender_warnings(columns: &ExtractedColumns) -> Vec<Violation> {
    let warnings = columns.value("warnings").and_then(|kept| JsonText::of(kept).ok());
    let mut warnings = warnings.as_ref().map(violations_of_json).unwrap_or_default();
    warnings.retain(|warning| matches!(&*warning.code, NOT_FINITE | ID_REPLACED));
    warnings
}

impl Recorder {
    /// Extracts recorded outcomes of this recorder's format again from their documents, and rewrites
    /// those that changed, in one transaction for each simulation. The old fields are kept in
    /// `replaced_extractions`. An outcome keeps its call id, since it is not known whether the sender
    /// passed it. It is safe to repeat, to interrupt, and to run twice at once. Setting `stop` ends it
    /// and leaves the current simulation unchanged. It takes two connections.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`] if the simulation does not exist, or an error of the database;
    /// simulations that were already written remain so.
    pub async fn reextract(
        &self,
        scope: ReextractionScope,
        stop: &AtomicBool,
        mut report: impl FnMut(ReextractionEvent),
    ) -> Result<Reextraction> {
        self.make_ready().await?;
        let store = &self.shared.store;
        if let Some(simulation_id) = scope.simulation_id {
            store.simulation(simulation_id).await?;
        }
        let extractor = self.extractor().identity();
        self.ensure_extractor(extractor).await?;
        let current = (!scope.all).then_some(extractor.id);
        let simulations =
            store.simulations_to_reextract(scope.simulation_id, current, &extractor.name).await?;
        let mut reextraction = Reextraction::default();
        for simulation_id in simulations {
            let done = self.reextract_simulation(simulation_id, scope, stop, &mut report).await?;
            match done {
                Some(changes) => {
                    if !scope.dry_run && changes.rewritten > 0 {
                        // Recomputes the figures of a simulation that has ended, as the next query would.
                        store.simulation_with_figures(simulation_id).await?;
                    }
                    reextraction += changes.into();
                }
                None => {
                    reextraction.interrupted = true;
                    break;
                }
            }
        }
        Ok(reextraction)
    }

    /// Returns `None` if it was stopped.
    async fn reextract_simulation(
        &self,
        simulation_id: Uuid,
        scope: ReextractionScope,
        stop: &AtomicBool,
        report: &mut impl FnMut(ReextractionEvent),
    ) -> Result<Option<SimulationChanges>> {
        let store = &self.shared.store;
        let plan = self.plan(simulation_id).await?;
        let prices = store.prices().await?;
        let extractor = self.extractor().identity();
        let mut rewriter = match scope.dry_run {
            true => None,
            false => Some(store.rewriter().await?),
        };
        let mut rewriting = match &mut rewriter {
            None => None,
            Some(rewriter) => Some(rewriter.begin(simulation_id, plan.partition_time).await?),
        };
        // Read only now, because another process might have rewritten some of them in the meantime.
        let current = (!scope.all).then_some(extractor.id);
        let outcomes = store.extracted_outcomes(simulation_id, current, &extractor.name).await?;
        let mut outcomes = pin!(outcomes.fuse());
        let mut examination = Examination {
            target: Target { plan, sessions: Arc::clone(&self.sessions), prices },
            headers: Headers::new(store, &extractor.name),
            changes: SimulationChanges { simulation_id, ..SimulationChanges::default() },
            report,
        };
        loop {
            let batch = next_batch(&mut outcomes, |outcome| outcome.document.len()).await?;
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            if batch.is_empty() {
                break;
            }
            let rows = examination.examine(batch).await?;
            if let Some(rewriting) = &mut rewriting {
                rewriting.rewrite(&rows).await?;
            }
        }
        let Examination { changes, report, .. } = examination;
        report(ReextractionEvent::Simulation(changes.clone()));
        if let Some(rewriting) = rewriting {
            RewriteTransaction::commit(rewriting).await?;
        }
        Ok(Some(changes))
    }
}

/// The re-extraction of the outcomes of one simulation.
struct Examination<'r, R> {
    target: Target,
    headers: Headers<'r>,
    /// The changes found so far.
    changes: SimulationChanges,
    /// Called with the result of each outcome.
    report: &'r mut R,
}

/// The previous fields of an outcome.
struct PreviousExtraction {
    extractor_id: Uuid,
    columns: ExtractedColumns,
}

impl<R: FnMut(ReextractionEvent)> Examination<'_, R> {
    /// Extracts a batch again, and returns the outcomes that are to be written.
    async fn examine(&mut self, batch: Vec<ExtractedOutcome>) -> Result<Vec<RewrittenOutcome>> {
        let (mut received, mut before) = (Vec::new(), Vec::new());
        for outcome in batch {
            self.changes.examined += 1;
            let outcome_id = outcome.outcome_id;
            match self.received_again(outcome).await? {
                Some((again, previous)) => {
                    received.push(again);
                    before.push(previous);
                }
                None => {
                    self.changes.failed += 1;
                    let message = "its id is not derived from the document that is stored with it";
                    let message = message.to_owned();
                    (self.report)(ReextractionEvent::Failed { outcome_id, message });
                }
            }
        }
        let extracted = extract(&self.target, received).await?;
        let pairs = extracted.into_iter().zip(before);
        Ok(pairs.filter_map(|(now, before)| self.compare(now, before)).collect())
    }

    /// Returns an outcome as it was received, and its previous fields; `None` if its id is not that of
    /// its document.
    async fn received_again(
        &mut self,
        outcome: ExtractedOutcome,
    ) -> Result<Option<(ReceivedResult, PreviousExtraction)>> {
        let ExtractedOutcome { outcome_id, document, extractor_id, columns, .. } = outcome;
        let simulation_id = self.changes.simulation_id;
        let bytes = document.as_bytes();
        let Some(trial) = passed_trial(simulation_id, outcome_id, outcome.trial, bytes) else {
            return Ok(None);
        };
        let submission = Submission {
            trial,
            modal_call_id: outcome.modal_call_id,
            sandbox_id: outcome.sandbox_id,
            format: self.headers.format(outcome.header_id).await?,
            ..Submission::new(document)
        };
        let again = ReceivedResult {
            outcome_id,
            received_at: outcome.received_at,
            host_clock: false,
            submission,
            sender_warnings: sender_warnings(&columns),
        };
        Ok(Some((again, PreviousExtraction { extractor_id, columns })))
    }

    /// Reports the result of an outcome, and returns the outcome if it is to be written.
    fn compare(
        &mut self,
        now: ExtractionResult,
        before: PreviousExtraction,
    ) -> Option<RewrittenOutcome> {
        let Examination { changes, report, .. } = self;
        let simulation_id = changes.simulation_id;
        let row = match now {
            ExtractionResult::Failed { outcome_id, error } => {
                changes.failed += 1;
                let message = with_hint(error.to_string(), error.hint());
                report(ReextractionEvent::Failed { outcome_id, message });
                return None;
            }
            ExtractionResult::Rejected(row, violations) => {
                changes.rejected += 1;
                let outcome_id = row.key.outcome_id;
                report(ReextractionEvent::Rejected { outcome_id, simulation_id, violations });
                return None;
            }
            ExtractionResult::Outcome(row) => row,
        };
        let changed = before.columns.changes(ExtractedColumns::extracted(&row));
        for change in &changed {
            *changes.by_column.entry(change.column).or_default() += 1;
        }
        if changed.is_empty() {
            report(ReextractionEvent::Same);
        } else {
            changes.changed += 1;
            let outcome_id = row.key.outcome_id;
            report(ReextractionEvent::Changed {
                outcome_id,
                simulation_id,
                changes: changed.clone(),
            });
        }
        let replaced_extractor_id = before.extractor_id;
        if changed.is_empty() && replaced_extractor_id == row.extractor_id {
            return None;
        }
        changes.rewritten += 1;
        Some(RewrittenOutcome { row, replaced_extractor_id, changes: changed })
    }
}
