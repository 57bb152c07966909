//! The OpenAPI schema of the report on a file.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::extraction::{OutcomeStatus, Violation};
use crate::wire::{ViolationBody, describe};
use crate::{delivery, recorder, store};

describe! {
    /// The same as programs read it.
    struct FileReport of delivery {
        /// The file's name.
        file: String,
        /// The format of its results; `null` for the built-in one.
        format: Option<String>,
        /// The simulation.
        simulation_id: Uuid,
        /// Its name.
        simulation_name: String,
        /// Its status; `null` if it could not be queried.
        status: Option<store::SimulationStatus>,
        /// Results that were stored now.
        stored: u64,
        /// Results that were stored before.
        duplicate: u64,
        /// Results that a service keeps until its database is back.
        spooled: u64,
        /// Results that are not valid.
        rejected: u64,
        /// Results that were not recorded.
        failed: u64,
        /// Why the first of these was not.
        failure: Option<String>,
        /// What to do about that, if `failure` does not show it.
        failure_hint: Option<String>,
        /// Whether it was stopped before the end of the file.
        interrupted: bool,
        /// How many outcomes have each status, all results of the simulation together.
        #[schema(value_type = Option<BTreeMap<String, i64>>)]
        by_status: Option<BTreeMap<OutcomeStatus, i64>>,
        /// How many outcomes have each error category.
        by_error_category: Option<BTreeMap<String, i64>>,
        /// How many outcomes are failures of each class.
        by_failure_class: Option<BTreeMap<String, i64>>,
        /// The score that counts: from 0 to 1 if its scale is known, otherwise as the tool wrote it.
        overall_score: Option<f64>,
        /// The highest value of the scores as the tool wrote them; `null` if their scale is unknown.
        score_scale: Option<f64>,
        /// The score that counts, with its name and its origin.
        headline: Option<recorder::Headline>,
        /// How the recorded results compare with what the tool reports; `null` if it reports nothing.
        reconciliation: Option<recorder::Reconciliation>,
        /// Why the simulation did not complete.
        status_reason: Option<String>,
        /// Results that the tool's final list lacks, and that do not count.
        superseded_outcomes: Option<i64>,
        /// The first of them, at most 100.
        superseded_results: Vec<store::SupersededResult>,
        /// The tokens of everything that ran.
        total_tokens: Option<i64>,
        /// The cost in US dollars.
        total_cost_usd: Option<f64>,
        /// The planned trials of all scenarios, and unplanned ones.
        total_scenarios: Option<i64>,
        /// Those that have an outcome.
        completed_scenarios: Option<i64>,
        /// How many accepted results have each warning.
        warnings: BTreeMap<String, u64>,
        /// The first results that are not valid.
        rejected_results: Vec<delivery::RejectedItem>,
        /// What else of the file was not recorded as it is written there, or is worth knowing.
        notes: Vec<String>,
        /// How long it took, in seconds.
        elapsed_seconds: f64,
    }
}

describe! {
    /// A rejected result of a file.
    struct RejectedItem of delivery {
        /// Its position in the file, counted from 0.
        position: u64,
        /// The line of the file on which it starts, counted from 1; null if the file has none.
        line: Option<u64>,
        /// The id under which it is kept.
        outcome_id: Uuid,
        /// The first violation's JSON Pointer.
        path: String,
        /// The first violation's code.
        code: String,
        /// The first violation as a sentence.
        message: String,
        /// All of them.
        #[schema(value_type = Vec<ViolationBody>)]
        violations: Vec<Violation>,
    }
}
