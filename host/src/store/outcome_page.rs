//! Recorded outcomes in pages, each as fast as the first.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;
use tokio_postgres::Row;
use uuid::Uuid;

use super::column_type::ColumnType;
use super::outcome_columns::{SELECTED, outcome_columns};
use super::outcome_sql::{
    READING_ORDER, document as whole_document, is_current_of_many, join_scale, numbered,
    of_simulation, read_column, scale, scaled_score, with_replaced,
};
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
    /// When the first outcome of the trial was received.
    first_at: Timestamp,
    first_id: Uuid,
    attempted_at: Timestamp,
    received_at: Timestamp,
    outcome_id: Uuid,
}

impl Position {
    fn from_row(simulation_id: Uuid, row: &Row) -> Self {
        Position {
            simulation_id,
            scenario_id: row.get("scenario_id"),
            trial: row.get("stored_trial"),
            first_at: row.get("first_at"),
            first_id: row.get("first_id"),
            attempted_at: row.get("attempted_at"),
            received_at: row.get("received_at"),
            outcome_id: row.get("outcome_id"),
        }
    }
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
        let time = self.row_time(simulation_id).await?;
        let mut statement = statement(simulation_id, filter, limit, cursor)?.at(time);
        let mut rows = self.rows(&statement, "read the outcomes").await?;
        let mut large = None;
        // The first outcome exceeds a page, and was read without its long columns.
        if rows.first().is_some_and(|row| !row.get::<_, bool>("whole")) {
            large = self.large_rows().await;
            statement = statement_within(simulation_id, filter, limit, cursor, ONE_ROW)?.at(time);
            rows = self.large_rows_of(&statement, "read the outcomes").await?;
        }
        if rows.is_empty() {
            self.simulation(simulation_id).await?;
        }
        let found = rows.first().map_or(0, |row| row.get::<_, i64>("found"));
        let places: Vec<Position> =
            rows.iter().map(|row| Position::from_row(simulation_id, row)).collect();
        let mut outcomes = rows
            .iter()
            .map(RecordedOutcome::from_row)
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(|error| Error::postgres("read an outcome", error))?;
        drop(rows);
        // One row more than requested was read, to find out whether there is a next page.
        outcomes.truncate(limit as usize);
        if attached != Attachments::default() && !outcomes.is_empty() {
            let of_rows = (simulation_id, time);
            let done = match large {
                None => self.attach(of_rows, &mut outcomes, attached, PAGE_BYTES).await?,
                Some(_) => 0,
            };
            outcomes.truncate(done.max(1));
            if done == 0 {
                if large.is_none() {
                    large = self.large_rows().await;
                }
                self.attach(of_rows, &mut outcomes, attached, ONE_ROW).await?;
            }
        }
        let last_page = i64::try_from(outcomes.len()).is_ok_and(|read| read == found);
        let last = outcomes.len().checked_sub(1).and_then(|at| places.get(at));
        let next = last.filter(|_| !last_page).map(|place| cursor::encode(CURSOR, place));
        Ok(OutcomePage { outcomes, cursor: next.transpose()?, large: large.map(Arc::new) })
    }

    /// Attaches documents and trajectories to outcomes, up to this many bytes, and returns to how many
    /// outcomes they are now attached.
    async fn attach(
        &self,
        (simulation_id, time): (Uuid, Option<Timestamp>),
        outcomes: &mut [RecordedOutcome],
        attached: Attachments,
        mut left_bytes: i64,
    ) -> Result<usize> {
        let mut done = 0;
        for chunk in outcomes.chunks_mut(DOCUMENTS_AT_ONCE) {
            let ids = chunk.iter().map(|outcome| outcome.outcome_id).collect();
            let statement = attached_statement(simulation_id, ids, attached, left_bytes).at(time);
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

/// The query of a page and one row more. An index has the scenarios and trials that the page reaches,
/// and all attempts at these are counted, because a filter can omit some of them, and the previous page
/// can have others.
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
    let mut filters = String::new();
    // Writing to a string cannot fail.
    if let Some(scenario_id) = &filter.scenario_id {
        statement = statement.with(scenario_id.clone());
        let number = statement.count();
        let _ = write!(filters, " AND outcome.scenario_id COLLATE \"C\" = ${number}");
    }
    if let Some(status) = filter.status {
        statement = statement.with(status.as_str());
        let _ = write!(filters, " AND outcome.status = ${}", statement.count());
    }
    // The scenario and trial of the previous page's last outcome, of which there can be further ones.
    let (mut after_trial, mut last_trial, mut after) =
        (String::new(), String::new(), String::new());
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
        let trial = format!("${first}::text, ${}::integer", first + 1);
        after_trial = format!(
            r#" AND (outcome.scenario_id COLLATE "C", coalesce(outcome.trial, 0)) > ({trial})"#
        );
        last_trial = format!(r#"UNION SELECT ${first}::text COLLATE "C", ${}::integer"#, first + 1);
        after = format!(
            " AND ({READING_ORDER}) > ({trial}, ${}, ${}, ${}, ${}, ${})",
            first + 2,
            first + 3,
            first + 4,
            first + 5,
            first + 6
        );
        statement = statement
            .with(place.scenario_id)
            .with(place.trial)
            .with(place.first_at)
            .with(place.first_id)
            .with(place.attempted_at)
            .with(place.received_at)
            .with(place.outcome_id);
    }
    statement = statement.with(bytes);
    let most_bytes = statement.count();
    let whole = format!("(page.bytes <= ${most_bytes} OR ${most_bytes} < 0)");
    let own: String = SELECTED.iter().map(|name| format!("outcome.{name}, ")).collect();
    let columns: String = selected()
        .into_iter()
        .map(|(name, bytes)| match (read_column("page", name), bytes) {
            // A first row that exceeds a page is returned without its long columns, so that one query
            // distinguishes it from no row.
            (column, Some(_)) => format!("CASE WHEN {whole} THEN {column} END AS {name}, "),
            (column, None) => format!("{column} AS {name}, "),
        })
        .collect();
    let text_bytes: String =
        selected().into_iter().filter_map(|(_, bytes)| Some(format!(" + {}", bytes?))).collect();
    statement.sql = format!(
        r#"WITH {replaced}{scale}, trials AS MATERIALIZED (
            SELECT reached.scenario_id, reached.stored_trial FROM (
                SELECT outcome.scenario_id COLLATE "C" AS scenario_id,
                    coalesce(outcome.trial, 0) AS stored_trial
                FROM arc_recorder.outcomes AS outcome
                WHERE {of_simulation} AND {current}{filters}{after_trial}
                ORDER BY outcome.scenario_id COLLATE "C", coalesce(outcome.trial, 0)
                LIMIT $2
            ) AS reached
            GROUP BY reached.scenario_id, reached.stored_trial
            {last_trial}
        ), page AS MATERIALIZED (
            SELECT outcome.*, pg_catalog.row_number() OVER (ORDER BY {READING_ORDER}) AS position
            FROM ({attempts}) AS outcome
            WHERE outcome.is_current{filters}{after}
            ORDER BY {READING_ORDER}
            LIMIT $2
        ), sized AS MATERIALIZED (
            SELECT page.*, pg_catalog.count(*) OVER () AS found,
                pg_catalog.sum({ROW_BYTES}{text_bytes}) OVER (ORDER BY page.position) AS bytes
            FROM page
        )
        SELECT page.outcome_id, {columns}page.stored_trial, page.first_at, page.first_id,
            page.attempted_at, page.found, {whole} AS whole, page.trial, page.attempt,
            {scaled} AS reliability_score, {annotations} AS annotations,
            coalesce(extractor.name || ' ' || extractor.version, '') AS extractor
        FROM sized AS page
        {joined}
        LEFT JOIN arc_recorder.extractors AS extractor USING (extractor_id)
        WHERE page.bytes <= ${most_bytes} OR page.position = 1
        ORDER BY page.position"#,
        replaced = with_replaced(),
        scale = scale(),
        of_simulation = of_simulation("outcome"),
        current = is_current_of_many(),
        scaled = scaled_score("page"),
        annotations = read_column("page", "annotations"),
        joined = join_scale("page"),
        attempts = numbered(
            &format!("{own}outcome.outcome_id, outcome.extractor_id"),
            // One pass over all of them, because a chunk in the columnstore has no index by scenario.
            r#"JOIN trials ON coalesce(outcome.trial, 0) = trials.stored_trial
                AND outcome.scenario_id COLLATE "C" = trials.scenario_id"#,
            ""
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
             WHERE {of_simulation} AND outcome_id = ANY ($2::uuid[])
             WINDOW asked AS (ORDER BY pg_catalog.array_position($2::uuid[], outcome_id))
         ) AS sized
         CROSS JOIN LATERAL (SELECT {whole} AS document OFFSET 0) AS whole
         WHERE bytes <= $3 OR ($3 < 0 AND position = 1)",
        of_simulation = of_simulation("outcome"),
        whole = whole_document("sized")
    ))
    .with(simulation_id)
    .with(ids)
    .with(bytes)
}
