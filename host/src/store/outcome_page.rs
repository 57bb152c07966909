//! Recorded outcomes in pages, each as fast as the first.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use super::column_type::ColumnType;
use super::outcome_columns::{SELECTED, outcome_columns};
use super::outcome_sql::{document as whole_document, is_current, numbered, scale, scaled_score};
use super::outcomes::{OutcomeFilter, RecordedOutcome};
use super::statement::Statement;
use super::{Store, cursor};
use crate::error::{Error, Result};
use crate::json_text::JsonText;
use crate::paging::{PAGE_ROWS, PAGE_ROWS_WITH_DOCUMENTS};

/// The kind of the cursor, and its version.
const CURSOR: &str = "outcomes1";

/// A page ends early when its outcomes, or their attached documents and trajectories, reach this many
/// bytes: a thousand of the greatest size would be 16 GB. A single larger outcome is a page of its own.
const PAGE_BYTES: i64 = 2 << 20;

/// The size of an outcome in addition to its texts.
const ROW_BYTES: i64 = 512;

/// Replaces a number of bytes: one row of any size.
const ONE_ROW: i64 = -1;

/// How many documents are read at once: they can be large.
const DOCUMENTS_AT_ONCE: usize = 16;

/// The data that are returned with each outcome. They are read from the document, which is not read
/// otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attachments {
    /// The document, byte for byte.
    pub documents: bool,
    /// The document's own trajectory object.
    pub trajectories: bool,
}

impl Attachments {
    /// Returns how many outcomes are read at once if all are requested.
    pub fn page_rows(self) -> u32 {
        if self == Attachments::default() { PAGE_ROWS } else { PAGE_ROWS_WITH_DOCUMENTS }
    }
}

/// A page of outcomes.
#[derive(Clone, Debug, Default)]
pub struct OutcomePage {
    /// The outcomes, in order of scenario (its id's bytes), trial and attempt.
    pub outcomes: Vec<RecordedOutcome>,
    /// The cursor of the next page; `None` on the last page.
    pub cursor: Option<String>,
    /// Held while this page is of an outcome that is larger than a page, so that only one such page is
    /// read at a time.
    pub(crate) large: Option<Arc<OwnedSemaphorePermit>>,
}

/// The position of an outcome in the order. It contains the simulation, so that a cursor of another one
/// is rejected.
#[derive(Serialize, Deserialize)]
struct Position {
    simulation_id: Uuid,
    scenario_id: String,
    /// As it is stored; 0 for none.
    trial: i32,
    received_at: Timestamp,
    outcome_id: Uuid,
}

impl Store {
    /// Returns a page of a simulation's outcomes: at most `limit` of them, from 1 to 1,000 (100 is
    /// usual), from the beginning or after the previous page. A page can be shorter, so that it has no
    /// more than about 2 MiB, or one outcome if that is larger: a page that has a cursor is not the
    /// last.
    ///
    /// Outcomes that are recorded between two pages are on the later page if their position is on it,
    /// and missed if it is before; no outcome is returned twice.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the simulation does not exist; [`Error::Invalid`] for another limit, or a
    /// cursor that is not one of this simulation.
    pub async fn outcomes_page(
        &self,
        simulation_id: Uuid,
        filter: &OutcomeFilter,
        limit: u32,
        cursor: Option<&str>,
        attached: Attachments,
    ) -> Result<OutcomePage> {
        let mut statement = statement(simulation_id, filter, limit, cursor)?;
        let mut rows = self.rows(&statement, "read the outcomes").await?;
        let mut large = None;
        // The first outcome exceeds a page, and was read without its long columns.
        if rows.first().is_some_and(|row| !row.get::<_, bool>("whole")) {
            large = self.large_rows().await;
            statement = statement_within(simulation_id, filter, limit, cursor, ONE_ROW)?;
            rows = self.large_rows_of(&statement, "read the outcomes").await?;
        }
        if rows.is_empty() {
            self.simulation(simulation_id).await?;
        }
        let found = rows.first().map_or(0, |row| row.get::<_, i64>("found"));
        let trials: Vec<i32> = rows.iter().map(|row| row.get("stored_trial")).collect();
        let mut outcomes = rows
            .iter()
            .map(RecordedOutcome::from_row)
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(|error| Error::postgres("read an outcome", error))?;
        drop(rows);
        // One row more than requested was read, to find out whether there is a next page.
        outcomes.truncate(limit as usize);
        if attached != Attachments::default() && !outcomes.is_empty() {
            let done = match large {
                None => self.attach(simulation_id, &mut outcomes, attached, PAGE_BYTES).await?,
                Some(_) => 0,
            };
            outcomes.truncate(done.max(1));
            if done == 0 {
                if large.is_none() {
                    large = self.large_rows().await;
                }
                self.attach(simulation_id, &mut outcomes, attached, ONE_ROW).await?;
            }
        }
        let last_page = i64::try_from(outcomes.len()).is_ok_and(|read| read == found);
        let last = outcomes.last().zip(outcomes.len().checked_sub(1).and_then(|at| trials.get(at)));
        let next = last.filter(|_| !last_page).map(|(last, trial)| {
            let place = Position {
                simulation_id,
                scenario_id: last.scenario_id.clone(),
                trial: *trial,
                received_at: last.received_at,
                outcome_id: last.outcome_id,
            };
            cursor::encode(CURSOR, &place)
        });
        Ok(OutcomePage { outcomes, cursor: next.transpose()?, large: large.map(Arc::new) })
    }

    /// Attaches documents and trajectories to outcomes, up to this many bytes, and returns to how many
    /// outcomes they are now attached.
    async fn attach(
        &self,
        simulation_id: Uuid,
        outcomes: &mut [RecordedOutcome],
        attached: Attachments,
        mut left_bytes: i64,
    ) -> Result<usize> {
        let mut done = 0;
        for chunk in outcomes.chunks_mut(DOCUMENTS_AT_ONCE) {
            let ids = chunk.iter().map(|outcome| outcome.outcome_id).collect();
            let statement = attached_statement(simulation_id, ids, attached, left_bytes);
            let rows = match left_bytes {
                ONE_ROW => self.large_rows_of(&statement, "read the documents").await?,
                _ => self.rows(&statement, "read the documents").await?,
            };
            let mut found: HashMap<Uuid, (Option<String>, Option<String>)> = rows
                .iter()
                .map(|row| {
                    let [own, detailed, dimensions] = [2, 3, 4].map(|column| row.get(column));
                    (row.get(0), (row.get(1), trajectory(own, detailed, dimensions)))
                })
                .collect();
            drop(rows);
            for outcome in chunk {
                // It is too long for this page, or was removed in the meantime.
                let Some((document, trajectory)) = found.remove(&outcome.outcome_id) else {
                    return Ok(done);
                };
                let texts = [&document, &trajectory].into_iter().flatten();
                let bytes: usize = texts.map(String::len).sum();
                left_bytes = (left_bytes - i64::try_from(bytes).unwrap_or(i64::MAX)).max(0);
                (outcome.document, outcome.trajectory) = (document, trajectory);
                done += 1;
            }
        }
        Ok(done)
    }

    /// Waits until no other page of a row that is larger than a page is being read.
    async fn large_rows(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        Arc::clone(&self.large_rows).acquire_owned().await.ok()
    }
}

/// The query of a page and one row more. Only the rows of the page are read, in the order of an index.
/// The attempts at their scenarios and trials are counted separately, because a filter can omit some of
/// them, and the previous page can have others.
pub(super) fn statement(
    simulation_id: Uuid,
    filter: &OutcomeFilter,
    limit: u32,
    cursor: Option<&str>,
) -> Result<Statement> {
    statement_within(simulation_id, filter, limit, cursor, PAGE_BYTES)
}

/// The same query with another number of bytes, or [`ONE_ROW`].
fn statement_within(
    simulation_id: Uuid,
    filter: &OutcomeFilter,
    limit: u32,
    cursor: Option<&str>,
    bytes: i64,
) -> Result<Statement> {
    if !(1..=PAGE_ROWS).contains(&limit) {
        return Err(Error::invalid(format!(
            "a page has from 1 to {PAGE_ROWS} outcomes, not {limit}"
        ))
        .with_hint("what follows is on the next"));
    }
    let mut statement = Statement::new("").with(simulation_id).with(i64::from(limit) + 1);
    let mut conditions = String::new();
    // Writing to a string cannot fail.
    if let Some(scenario_id) = &filter.scenario_id {
        statement = statement.with(scenario_id.clone());
        let number = statement.count();
        let _ = write!(conditions, " AND outcome.scenario_id COLLATE \"C\" = ${number}");
    }
    if let Some(status) = filter.status {
        statement = statement.with(status.as_str());
        let _ = write!(conditions, " AND outcome.status = ${}", statement.count());
    }
    if let Some(cursor) = cursor {
        let place: Position = cursor::decode(CURSOR, cursor)?;
        if place.simulation_id != simulation_id {
            return Err(Error::invalid(format!(
                "the cursor belongs to simulation {}, not to {simulation_id}",
                place.simulation_id
            ))
            .with_hint("begin again without a cursor"));
        }
        let first = statement.count() + 1;
        let _ = write!(
            conditions,
            " AND (outcome.scenario_id COLLATE \"C\", coalesce(outcome.trial, 0), outcome.received_at,
                 outcome.outcome_id) > (${first}, ${}, ${}, ${})",
            first + 1,
            first + 2,
            first + 3
        );
        statement = statement
            .with(place.scenario_id)
            .with(place.trial)
            .with(place.received_at)
            .with(place.outcome_id);
    }
    statement = statement.with(bytes);
    let most_bytes = statement.count();
    let whole = format!("(page.bytes <= ${most_bytes} OR ${most_bytes} < 0)");
    let own: String = SELECTED.iter().map(|name| format!("outcome.{name}, ")).collect();
    let columns: String = selected()
        .into_iter()
        .map(|(name, bytes)| match bytes {
            // A first row that exceeds a page is returned without its long columns, so that one query
            // distinguishes it from no row.
            Some(_) => format!("CASE WHEN {whole} THEN page.{name} END AS {name}, "),
            None => format!("page.{name}, "),
        })
        .collect();
    let text_bytes: String =
        selected().into_iter().filter_map(|(_, bytes)| Some(format!(" + {}", bytes?))).collect();
    statement.sql = format!(
        r#"WITH {scale}, page AS MATERIALIZED (
            SELECT outcome.outcome_id, {own}coalesce(outcome.trial, 0) AS stored_trial,
                outcome.extractor_id
            FROM arc_recorder.outcomes AS outcome
            WHERE outcome.simulation_id = $1 AND {current}{conditions}
            ORDER BY outcome.scenario_id COLLATE "C", coalesce(outcome.trial, 0),
                outcome.received_at, outcome.outcome_id
            LIMIT $2
        ), numbered AS MATERIALIZED (
            SELECT attempts.outcome_id, attempts.attempt, attempts.trial
            FROM (SELECT DISTINCT scenario_id COLLATE "C" AS scenario_id, stored_trial FROM page)
                AS position
            CROSS JOIN LATERAL ({attempts}) AS attempts
        ), sized AS MATERIALIZED (
            SELECT page.*, pg_catalog.count(*) OVER () AS found,
                pg_catalog.row_number() OVER position AS position,
                pg_catalog.sum({ROW_BYTES}{text_bytes}) OVER position AS bytes
            FROM page
            WINDOW position AS (ORDER BY page.scenario_id COLLATE "C", page.stored_trial,
                page.received_at, page.outcome_id)
        )
        SELECT page.outcome_id, {columns}page.stored_trial, page.found, {whole} AS whole,
            numbered.trial, numbered.attempt, {scaled} AS reliability_score,
            coalesce(extractor.name || ' ' || extractor.version, '') AS extractor
        FROM sized AS page
        JOIN numbered USING (outcome_id)
        CROSS JOIN scale
        LEFT JOIN ranges ON ranges.name = coalesce(scale.headline, page.headline)
        LEFT JOIN arc_recorder.extractors AS extractor USING (extractor_id)
        WHERE page.bytes <= ${most_bytes} OR page.position = 1
        ORDER BY page.scenario_id COLLATE "C", page.stored_trial, page.received_at,
            page.outcome_id"#,
        scale = scale(),
        current = is_current("outcome"),
        scaled = scaled_score("page"),
        attempts = numbered(
            "outcome.outcome_id, outcome.scenario_id",
            r#"AND coalesce(outcome.trial, 0) = position.stored_trial
                AND outcome.scenario_id COLLATE "C" = position.scenario_id"#
        ),
    )
    .into();
    Ok(statement)
}

/// The columns of the table that are read, each with the SQL of its size if it can be long.
fn selected() -> Vec<(&'static str, Option<String>)> {
    macro_rules! with_bytes {
        ($(($role:ident $name:ident [$type:ty] $value:tt))*) => {
            vec![$((stringify!($name), <$type>::text_bytes_sql(stringify!($name)))),*]
        };
    }
    outcome_columns!(selected => with_bytes)
}

/// The document's own trajectory object, with the detailed one and the dimensions in it.
fn trajectory(
    own: Option<String>,
    detailed: Option<String>,
    dimensions: Option<String>,
) -> Option<String> {
    let members = [("detailed_trajectory", detailed), ("reliability_dimensions", dimensions)];
    let mut text = match own {
        Some(own) if own.ends_with('}') => own,
        own if members.iter().all(|(_, value)| value.is_none()) => return own,
        _ => "{}".to_owned(),
    };
    for (name, value) in members {
        let Some(value) = value else { continue };
        text.pop();
        let empty = text.trim_end().ends_with('{');
        // Writing to a string cannot fail.
        let _ = write!(text, "{}\"{name}\": {value}}}", if empty { "" } else { ", " });
    }
    Some(text)
}

/// Documents and trajectories of some outcomes. A span counts bytes, so the text becomes bytes first.
fn attached_statement(
    simulation_id: Uuid,
    ids: Vec<Uuid>,
    attached: Attachments,
    bytes: i64,
) -> Statement {
    let document = if attached.documents { "whole.document" } else { "NULL::text" };
    let part = |name: &str| {
        if attached.trajectories {
            format!(
                "pg_catalog.convert_from(pg_catalog.substr(
                     pg_catalog.convert_to(whole.document, 'UTF8'),
                     {name}_offset + 1, {name}_length), 'UTF8')"
            )
        } else {
            "NULL::text".to_owned()
        }
    };
    let [trajectory, detailed, dimensions] =
        ["trajectory", "detailed_trajectory", "dimensions"].map(part);
    Statement::new(format!(
        "SELECT outcome_id, {document}, {trajectory}, {detailed}, {dimensions}
         FROM (
             SELECT outcome.*, pg_catalog.row_number() OVER asked AS position,
                 (pg_catalog.sum(document_bytes) OVER asked)::bigint AS bytes
             FROM arc_recorder.outcomes AS outcome
             WHERE simulation_id = $1 AND outcome_id = ANY ($2::uuid[])
             WINDOW asked AS (ORDER BY pg_catalog.array_position($2::uuid[], outcome_id))
         ) AS sized
         CROSS JOIN LATERAL (SELECT {whole} AS document OFFSET 0) AS whole
         WHERE bytes <= $3 OR ($3 < 0 AND position = 1)",
        whole = whole_document("sized")
    ))
    .with(simulation_id)
    .with(ids)
    .with(bytes)
}
