//! The summary of recording a file's results.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use serde::Serialize;
use uuid::Uuid;

use crate::extraction::Violation;
use crate::recorder::{FailureKind, ItemVerdict, LATER_REVISION_COUNTS, Verdict};

/// How many rejected results are listed; all of them are counted, and stored in the database.
pub const REMEMBERED_REJECTED: usize = 1_000;

/// A rejected result of a file.
#[derive(Clone, Debug, Serialize)]
pub struct RejectedItem {
    /// Its position in the file, counted from 0.
    pub position: u64,
    /// The line of the file on which it starts, counted from 1; `None` if the file has none.
    pub line: Option<u64>,
    /// The id under which it is stored.
    pub outcome_id: Uuid,
    /// The first violation's JSON Pointer.
    pub path: String,
    /// The first violation's code.
    pub code: String,
    /// The first violation as a sentence.
    pub message: String,
    /// All violations.
    pub violations: Vec<Violation>,
}

impl RejectedItem {
    /// Returns its place in the file.
    pub fn place(&self) -> ResultPlace {
        ResultPlace { position: self.position, line: self.line }
    }
}

/// The place of a result in a file, as people read it: its line, or else its number, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResultPlace {
    /// Counted from 0.
    pub position: u64,
    /// Counted from 1; `None` if the file has no lines.
    pub line: Option<u64>,
}

impl fmt::Display for ResultPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self.line {
            Some(line) => write!(formatter, "line {line}"),
            None => write!(formatter, "result {}", self.position + 1),
        }
    }
}

/// A result of a file that was not recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFailure {
    /// Its place in the file.
    pub place: ResultPlace,
    /// Why it was not recorded.
    pub message: String,
    /// What the caller can do, if the message does not show it.
    pub hint: Option<String>,
    /// The cause.
    pub kind: FailureKind,
}

impl fmt::Display for FileFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.message)
    }
}

/// The summary of recording a file's results.
#[derive(Clone, Debug, Default)]
pub struct FileSummary {
    /// Results that were newly stored.
    pub stored: u64,
    /// Results that were already stored.
    pub duplicate: u64,
    /// Results that wait in a spool until the database is available.
    pub spooled: u64,
    /// Results that are not valid.
    pub rejected: u64,
    /// The first of them, in order: at most [`REMEMBERED_REJECTED`].
    pub rejected_results: Vec<RejectedItem>,
    /// Results that were not recorded.
    pub failed: u64,
    /// The first one that was not recorded.
    pub failure: Option<FileFailure>,
    /// Whether the same call again can record some of the failed results.
    pub retryable: bool,
    /// How many accepted results have each warning.
    pub warnings: BTreeMap<String, u64>,
    /// Whether recording was stopped before the end of the file.
    pub interrupted: bool,
    /// The outcomes of the results that are recorded.
    pub(super) outcome_ids: Vec<Uuid>,
    /// Those of them with the warning that a later revision counts.
    pub(super) replaced: HashSet<Uuid>,
}

impl FileSummary {
    /// Removes the warning that a later revision counts from revisions that were selected since.
    pub(super) fn count_again(&mut self, selected: &[Uuid]) {
        let replaced = &mut self.replaced;
        let again = selected.iter().filter(|outcome_id| replaced.remove(outcome_id)).count() as u64;
        if let Some(total) = self.warnings.get_mut(LATER_REVISION_COUNTS) {
            *total = total.saturating_sub(again);
        }
        self.warnings.retain(|_, total| *total > 0);
    }

    /// Counts the verdict on the result at this place.
    pub(super) fn add(&mut self, place: ResultPlace, item: ItemVerdict) {
        let ResultPlace { position, line } = place;
        if matches!(item.verdict, Verdict::Stored | Verdict::Duplicate) {
            self.outcome_ids.push(item.outcome_id);
        }
        for warning in item.warnings {
            if warning.code == LATER_REVISION_COUNTS {
                self.replaced.insert(item.outcome_id);
            }
            *self.warnings.entry(warning.code).or_default() += 1;
        }
        match item.verdict {
            Verdict::Stored => self.stored += 1,
            Verdict::Duplicate => self.duplicate += 1,
            Verdict::Spooled => self.spooled += 1,
            Verdict::Failed { kind, message, hint } => {
                self.failed += 1;
                self.retryable |= kind.may_retry();
                let failure = FileFailure { place, message, hint, kind };
                self.failure.get_or_insert(failure);
            }
            Verdict::Rejected(_) if self.rejected_results.len() >= REMEMBERED_REJECTED => {
                self.rejected += 1;
            }
            Verdict::Rejected(violations) => {
                self.rejected += 1;
                let first = violations.first().cloned();
                let (path, code, message) =
                    first.map(|first| (first.path, first.code, first.message)).unwrap_or_default();
                self.rejected_results.push(RejectedItem {
                    position,
                    line,
                    outcome_id: item.outcome_id,
                    path,
                    code,
                    message,
                    violations,
                });
            }
        }
    }
}
