//! Rejected results: each is stored once, with the reasons.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::statement::Statement;
use super::{Store, cursor};
use crate::error::{Error, Result};
use crate::json_text::JsonText;
use crate::paging::PAGE_ROWS;

/// The kind of the cursor, and its version.
const CURSOR: &str = "rejected1";

/// A page ends early when its reasons reach this many bytes.
const PAGE_BYTES: i64 = 2 << 20;

/// The size of a rejected result in addition to its reasons.
const ROW_BYTES: i64 = 192;

/// A rejected result as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns of the table, described in its migration")]
pub struct RejectedResult {
    pub outcome_id: Uuid,
    pub received_at: Timestamp,
    pub position: Option<i64>,
    pub line: Option<i64>,
    pub trial: Option<i32>,
    pub violations: JsonText,
    pub document_bytes: i64,
}

/// A page of rejected results.
#[derive(Clone, Debug)]
pub struct RejectedPage {
    /// The results, in order of receipt.
    pub rejected: Vec<RejectedResult>,
    /// The cursor of the next page; `None` on the last page.
    pub cursor: Option<String>,
}

/// The position of a rejected result in the order.
#[derive(Serialize, Deserialize)]
struct Position {
    simulation_id: Uuid,
    received_at: Timestamp,
    outcome_id: Uuid,
}

impl Store {
    /// Returns a page of a simulation's rejected results, in order of receipt and without the
    /// documents: at most `limit` of them, from 1 to 1,000, from the beginning or after the previous
    /// page. A page can be shorter, so that its reasons have no more than about 2 MiB: a page that has
    /// a cursor is not the last.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the simulation does not exist; [`Error::Invalid`] for another limit, or a
    /// cursor that is not one of this simulation.
    pub async fn rejected_page(
        &self,
        simulation_id: Uuid,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<RejectedPage> {
        let statement = statement(simulation_id, limit, cursor)?;
        let rows = self.rows(&statement, "read the rejected results").await?;
        if rows.is_empty() {
            self.simulation(simulation_id).await?;
        }
        let result = |row: &tokio_postgres::Row| RejectedResult {
            outcome_id: row.get(0),
            received_at: row.get(1),
            position: row.get(2),
            trial: row.get(3),
            violations: row.get(4),
            document_bytes: row.get(5),
            line: row.get(7),
        };
        let mut rejected: Vec<RejectedResult> = rows.iter().map(result).collect();
        let found = rows.first().map_or(0, |row| row.get::<_, i64>(6));
        // One row more than requested was read, to find out whether there is a next page.
        rejected.truncate(limit as usize);
        let last_page = i64::try_from(rejected.len()).is_ok_and(|read| read == found);
        let next = rejected.last().filter(|_| !last_page).map(|last| {
            let RejectedResult { received_at, outcome_id, .. } = *last;
            cursor::encode(CURSOR, &Position { simulation_id, received_at, outcome_id })
        });
        Ok(RejectedPage { rejected, cursor: next.transpose()? })
    }

    /// Returns the stored bytes of a rejected result: all of them, or the beginning of one that
    /// exceeded the limit.
    ///
    /// # Errors
    /// [`Error::NotFound`] if no rejected result has this id.
    pub async fn rejected_document(
        &self,
        simulation_id: Uuid,
        outcome_id: Uuid,
    ) -> Result<Vec<u8>> {
        let failed = |error| Error::postgres("read the rejected result", error);
        let client = self.client().await?;
        let row = client
            .query_opt(
                "SELECT document FROM arc_recorder.rejected_results
                 WHERE simulation_id = $1 AND outcome_id = $2",
                &[&simulation_id, &outcome_id],
            )
            .await
            .map_err(failed)?;
        row.map(|row| row.get(0)).ok_or_else(|| {
            Error::not_found(format!(
                "no rejected result {outcome_id} in simulation {simulation_id}"
            ))
            .with_hint(format!("list them with `arc-host rejected {simulation_id}`"))
        })
    }
}

/// The query of a page and one row more.
fn statement(simulation_id: Uuid, limit: u32, cursor: Option<&str>) -> Result<Statement> {
    if !(1..=PAGE_ROWS).contains(&limit) {
        return Err(Error::invalid(format!(
            "a page has from 1 to {PAGE_ROWS} rejected results, not {limit}"
        ))
        .with_hint("what follows is on the next"));
    }
    let mut statement = Statement::new("").with(simulation_id).with(i64::from(limit) + 1);
    let mut after = "";
    if let Some(cursor) = cursor {
        let place: Position = cursor::decode(CURSOR, cursor)?;
        if place.simulation_id != simulation_id {
            return Err(Error::invalid("the cursor belongs to another simulation")
                .with_hint("begin again without a cursor"));
        }
        after = "AND (received_at, outcome_id) > ($3, $4)";
        statement = statement.with(place.received_at).with(place.outcome_id);
    }
    // The first result is on the page regardless of its size: reasons are bounded when they are
    // recorded.
    statement.sql = format!(
        "WITH page AS MATERIALIZED (
             SELECT outcome_id, received_at, position, trial, violations, document_bytes, line
             FROM arc_recorder.rejected_results WHERE simulation_id = $1 {after}
             ORDER BY received_at, outcome_id LIMIT $2
         ), sized AS MATERIALIZED (
             SELECT page.*, pg_catalog.count(*) OVER () AS found,
                 pg_catalog.row_number() OVER place AS place,
                 pg_catalog.sum({ROW_BYTES} + pg_catalog.octet_length(violations::text))
                     OVER place AS bytes
             FROM page WINDOW place AS (ORDER BY received_at, outcome_id)
         )
         SELECT outcome_id, received_at, position, trial, violations, document_bytes, found, line
         FROM sized WHERE place = 1 OR bytes <= {PAGE_BYTES}
         ORDER BY received_at, outcome_id"
    )
    .into();
    Ok(statement)
}
