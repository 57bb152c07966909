//! The list of simulations in pages, newest first.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::simulations::{COLUMNS, Simulation, SimulationStatus};
use super::statement::Statement;
use super::{Store, cursor, origin};
use crate::error::{Error, Result};

/// The kind of the cursor, and its version.
const CURSOR: &str = "simulations1";

/// How many simulations a page has at most.
const PAGE_SIMULATIONS: u32 = 10_000;

/// A page ends early when its names have this many bytes.
const PAGE_BYTES: i64 = 8 << 20;

/// The size of a simulation in addition to its names.
const ROW_BYTES: i64 = 512;

/// A page of simulations.
#[derive(Clone, Debug)]
pub struct SimulationPage {
    /// The simulations, newest first.
    pub simulations: Vec<Simulation>,
    /// The cursor of the next page; `None` on the last page.
    pub cursor: Option<String>,
}

/// The position of a simulation in the order.
#[derive(Serialize, Deserialize)]
struct Position {
    created_at: Timestamp,
    simulation_id: Uuid,
}

impl Store {
    /// Returns a page of the simulations, or of those with one status: at most `limit` of them, from 1
    /// to 10,000, from the newest or after the previous page. A page can be shorter if names are long:
    /// a page that has a cursor is not the last. Their scores and costs are those of their completion;
    /// late results change them when the simulation's status is next read.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another limit, or a text that is not a cursor of this list.
    pub async fn simulations_page(
        &self,
        status: Option<SimulationStatus>,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<SimulationPage> {
        let statement = statement(status, limit, cursor)?;
        let rows = self.rows(&statement, "list the simulations").await?;
        let mut simulations: Vec<Simulation> = rows.iter().map(Simulation::from_row).collect();
        let found = rows.first().map_or(0, |row| row.get::<_, i64>("found"));
        // One row more than requested was read, to find out whether there is a next page.
        simulations.truncate(limit as usize);
        let last_page = i64::try_from(simulations.len()).is_ok_and(|read| read == found);
        let next = simulations.last().filter(|_| !last_page).map(|last| {
            let place = Position { created_at: last.created_at, simulation_id: last.simulation_id };
            cursor::encode(CURSOR, &place)
        });
        Ok(SimulationPage { simulations, cursor: next.transpose()? })
    }
}

/// The query of a page and one row more.
fn statement(
    status: Option<SimulationStatus>,
    limit: u32,
    cursor: Option<&str>,
) -> Result<Statement> {
    if !(1..=PAGE_SIMULATIONS).contains(&limit) {
        return Err(Error::invalid(format!(
            "a page has from 1 to {PAGE_SIMULATIONS} simulations, not {limit}"
        ))
        .with_hint("what follows is on the next"));
    }
    let mut statement = Statement::new("").with(i64::from(limit) + 1);
    let mut conditions = Vec::new();
    if let Some(status) = status {
        statement = statement.with(status.as_str());
        conditions.push(format!("status = ${}", statement.count()));
    }
    if let Some(cursor) = cursor {
        let place: Position = cursor::decode(CURSOR, cursor)?;
        let first = statement.count() + 1;
        conditions.push(format!("(created_at, simulation_id) < (${first}, ${})", first + 1));
        statement = statement.with(place.created_at).with(place.simulation_id);
    }
    let conditions = match conditions.is_empty() {
        true => String::new(),
        false => format!("WHERE {}", conditions.join(" AND ")),
    };
    // A list omits long data, such as the metadata. The first simulation is on the page regardless of
    // the length of its names.
    let columns = COLUMNS.replace("metadata::text AS metadata", "NULL::text AS metadata");
    statement.sql = format!(
        "WITH page AS MATERIALIZED (
             SELECT {columns} FROM arc_recorder.simulations {conditions}
             ORDER BY created_at DESC, simulation_id DESC LIMIT $1
         ), sized AS MATERIALIZED (
             SELECT page.*, pg_catalog.count(*) OVER () AS found,
                 pg_catalog.row_number() OVER place AS place,
                 pg_catalog.sum({ROW_BYTES} + coalesce(pg_catalog.octet_length(simulation_name), 0)
                     + pg_catalog.octet_length(config_version_id)
                     + coalesce(pg_catalog.octet_length(score_metric), 0)
                     + coalesce(pg_catalog.octet_length(score_figure), 0)
                     + coalesce(pg_catalog.octet_length(modal_app_id), 0)
                     + {origin_bytes}) OVER place AS bytes
             FROM page WINDOW place AS (ORDER BY created_at DESC, simulation_id DESC)
         )
         SELECT * FROM sized WHERE place = 1 OR bytes <= {PAGE_BYTES}
         ORDER BY created_at DESC, simulation_id DESC",
        origin_bytes = origin::bytes_sql()
    )
    .into();
    Ok(statement)
}
