//! Recorded outcomes, extracted again with the extractor of today.
//!
//! This is the one way in which extracted fields change. The ids of an outcome, its time of
//! receipt and its document never do.

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
use crate::store::{ColumnChange, ExtractedColumns, ExtractedOutcome, Rewriting, Rewritten};

/// Which outcomes are extracted again, and whether anything is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReextractionScope {
    /// Only those of this simulation.
    pub simulation_id: Option<Uuid>,
    /// Also those that the extractor of today has extracted.
    pub all: bool,
    /// Only look; nothing is written.
    pub dry_run: bool,
}

/// What was found of one outcome.
#[derive(Clone, Debug, PartialEq)]
pub enum Reexamined {
    /// Every field is what it was.
    Same,
    /// Some fields are others now.
    Changed {
        /// The outcome.
        outcome_id: Uuid,
        /// Its simulation.
        simulation_id: Uuid,
        /// What they were and what they are.
        changes: Vec<ColumnChange>,
    },
    /// The extractor of today would reject the document; the outcome stays as it is.
    Rejected {
        /// The outcome.
        outcome_id: Uuid,
        /// Its simulation.
        simulation_id: Uuid,
        /// Why.
        violations: Vec<Violation>,
    },
    /// It got no verdict; the outcome stays as it is.
    Failed {
        /// The outcome.
        outcome_id: Uuid,
        /// Why.
        message: String,
    },
    /// All outcomes of a simulation were looked at; they are written next.
    Simulation(SimulationChanges),
}

/// What changes in a simulation.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SimulationChanges {
    /// The simulation.
    pub simulation_id: Uuid,
    /// Outcomes that were extracted again.
    pub examined: u64,
    /// Those whose fields change.
    pub changed: u64,
    /// Those that are written: their fields change, or at least who extracted them.
    pub rewritten: u64,
    /// Those that would be rejected, and stay as they are.
    pub rejected: u64,
    /// Those without a verdict, which stay as they are.
    pub failed: u64,
    /// How many outcomes each column changes in.
    pub by_column: BTreeMap<&'static str, u64>,
}

/// What became of outcomes that were extracted again.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Reextraction {
    /// Simulations with something to do; each was written as a whole.
    pub simulations: u64,
    /// Outcomes that were extracted again.
    pub examined: u64,
    /// Those whose fields changed.
    pub changed: u64,
    /// Those that were written: their fields changed, or at least who extracted them.
    pub rewritten: u64,
    /// Those that would be rejected, and stay as they were.
    pub rejected: u64,
    /// Those without a verdict, which stay as they were.
    pub failed: u64,
    /// How many outcomes each column changed in.
    pub by_column: BTreeMap<&'static str, u64>,
    /// Whether it was stopped before the end; the simulation under way is as it was.
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

impl Reextraction {
    fn add(&mut self, changes: &SimulationChanges) {
        self.simulations += 1;
        self.examined += changes.examined;
        self.changed += changes.changed;
        self.rewritten += changes.rewritten;
        self.rejected += changes.rejected;
        self.failed += changes.failed;
        for (column, count) in &changes.by_column {
            *self.by_column.entry(column).or_default() += count;
        }
    }
}

/// The warnings that did not come from the document, which extracting it again would not give.
fn sender_warnings(columns: &ExtractedColumns) -> Vec<Violation> {
    let warnings = columns.value("warnings").and_then(|kept| JsonText::of(kept).ok());
    let mut warnings = warnings.as_ref().map(violations_of_json).unwrap_or_default();
    warnings.retain(|warning| matches!(&*warning.code, NOT_FINITE | ID_REPLACED));
    warnings
}

impl Recorder {
    /// Extracts recorded outcomes of this recorder's format again from their documents, and rewrites
    /// what changed: a simulation a transaction. What the fields were is kept in
    /// `replaced_extractions`. A call id that an outcome has stays, since nobody can tell whether its
    /// sender passed it. Safe to repeat, to break off, and to run twice at once. Setting `stop` ends
    /// it and leaves the simulation under way as it was. Takes two connections.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`] where there is no such simulation, or an error of the database;
    /// simulations that were done before stay done.
    pub async fn reextract(
        &self,
        scope: ReextractionScope,
        stop: &AtomicBool,
        mut report: impl FnMut(Reexamined),
    ) -> Result<Reextraction> {
        self.make_ready().await?;
        let store = &self.shared.store;
        if let Some(simulation_id) = scope.simulation_id {
            store.simulation(simulation_id).await?;
        }
        let extractor = self.extractor().identity();
        self.make_extractor_known(extractor).await?;
        let current = (!scope.all).then_some(extractor.id);
        let simulations =
            store.simulations_to_reextract(scope.simulation_id, current, &extractor.name).await?;
        let mut reextraction = Reextraction::default();
        for simulation_id in simulations {
            let done = self.reextract_simulation(simulation_id, scope, stop, &mut report).await?;
            match done {
                Some(changes) => {
                    if !scope.dry_run && changes.rewritten > 0 {
                        // Computes the figures of one that has ended again, as the next who
                        // asks would.
                        store.simulation_with_figures(simulation_id).await?;
                    }
                    reextraction.add(&changes);
                }
                None => {
                    reextraction.interrupted = true;
                    break;
                }
            }
        }
        Ok(reextraction)
    }

    /// Nothing where it was told to stop.
    async fn reextract_simulation(
        &self,
        simulation_id: Uuid,
        scope: ReextractionScope,
        stop: &AtomicBool,
        report: &mut impl FnMut(Reexamined),
    ) -> Result<Option<SimulationChanges>> {
        let store = &self.shared.store;
        let plan = self.plan(simulation_id).await?;
        let extractor = self.extractor().identity();
        let mut rewriter = match scope.dry_run {
            true => None,
            false => Some(store.rewriter().await?),
        };
        let mut rewriting = match &mut rewriter {
            None => None,
            Some(rewriter) => Some(rewriter.begin(simulation_id, plan.started_at).await?),
        };
        // Read only now: whoever rewrote it meanwhile has left less to do.
        let current = (!scope.all).then_some(extractor.id);
        let outcomes = store.extracted_outcomes(simulation_id, current, &extractor.name).await?;
        let mut outcomes = pin!(outcomes.fuse());
        let mut examination = Examination {
            target: Target { plan, sessions: Arc::clone(&self.sessions) },
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
        report(Reexamined::Simulation(changes.clone()));
        if let Some(rewriting) = rewriting {
            Rewriting::commit(rewriting).await?;
        }
        Ok(Some(changes))
    }
}

/// The outcomes of one simulation, on their way through the extractor again.
struct Examination<'r, R> {
    target: Target,
    headers: Headers<'r>,
    /// What was found so far.
    changes: SimulationChanges,
    /// Hears of each outcome.
    report: &'r mut R,
}

/// What an outcome was before.
struct PreviousExtraction {
    extractor_id: Uuid,
    columns: ExtractedColumns,
}

impl<R: FnMut(Reexamined)> Examination<'_, R> {
    /// Extracts a batch again, and gives what is to be written of it.
    async fn examine(&mut self, batch: Vec<ExtractedOutcome>) -> Result<Vec<Rewritten>> {
        let (mut received, mut before) = (Vec::new(), Vec::new());
        for outcome in batch {
            self.changes.examined += 1;
            let outcome_id = outcome.outcome_id;
            match self.received_again(outcome).await? {
                Some((again, was)) => {
                    received.push(again);
                    before.push(was);
                }
                None => {
                    self.changes.failed += 1;
                    let message = "its id was not made of the document that is kept with it";
                    let message = message.to_owned();
                    (self.report)(Reexamined::Failed { outcome_id, message });
                }
            }
        }
        let extracted = extract(&self.target, received).await?;
        let pairs = extracted.into_iter().zip(before);
        Ok(pairs.filter_map(|(now, before)| self.compare(now, before)).collect())
    }

    /// An outcome as it was received, and what was made of it; nothing where its id is not that of
    /// its document.
    async fn received_again(
        &mut self,
        outcome: ExtractedOutcome,
    ) -> Result<Option<(ReceivedResult, PreviousExtraction)>> {
        let ExtractedOutcome { outcome_id, document, extractor_id, columns, .. } = outcome;
        let simulation_id = self.changes.simulation_id;
        let bytes = document.as_bytes();
        let Some(trial) = passed_trial(simulation_id, outcome_id, Some(outcome.trial), bytes)
        else {
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

    /// Reports what became of an outcome, and gives it where it is to be written.
    fn compare(&mut self, now: ExtractionResult, before: PreviousExtraction) -> Option<Rewritten> {
        let Examination { changes, report, .. } = self;
        let simulation_id = changes.simulation_id;
        let row = match now {
            ExtractionResult::Failed { outcome_id, error } => {
                changes.failed += 1;
                report(Reexamined::Failed { outcome_id, message: error.to_string() });
                return None;
            }
            ExtractionResult::Rejected(row, violations) => {
                changes.rejected += 1;
                let outcome_id = row.key.outcome_id;
                report(Reexamined::Rejected { outcome_id, simulation_id, violations });
                return None;
            }
            ExtractionResult::Outcome(row) => row,
        };
        let changed = before.columns.changes(ExtractedColumns::extracted(&row));
        for change in &changed {
            *changes.by_column.entry(change.column).or_default() += 1;
        }
        if changed.is_empty() {
            report(Reexamined::Same);
        } else {
            changes.changed += 1;
            let outcome_id = row.key.outcome_id;
            report(Reexamined::Changed { outcome_id, simulation_id, changes: changed.clone() });
        }
        let replaced_extractor_id = before.extractor_id;
        if changed.is_empty() && replaced_extractor_id == row.extractor_id {
            return None;
        }
        changes.rewritten += 1;
        Some(Rewritten { row, replaced_extractor_id, changes: changed })
    }
}
