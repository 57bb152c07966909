//! The list of simulations in pages, newest first.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::simulations::{COLUMNS, Simulation, SimulationStatus};
use super::statement::Statement;
use super::{Layout, Store, cursor, origin};
use crate::error::{Error, Result};

/// The kind of the cursor, and its version.
const CURSOR: &str = "simulations1";

/// How many simulations a page has at most.
const PAGE_SIMULATIONS: u32 = 10_000;

/// A page ends early when its names have this many bytes.
const PAGE_BYTES: i64 = 8 << 20;

/// The size of a simulation in addition to its names.
const ROW_BYTES: i64 = 512;

/// How many characters of an id are shown, or more if these are not unique.
const SHORT_CHARACTERS: usize = 8;

/// Which simulations are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SimulationFilter {
    /// Those with this status.
    pub status: Option<SimulationStatus>,
    /// Those whose name contains this text, in any case; if it has `*` or `?`, those whose whole name
    /// matches it.
    pub name: Option<String>,
    /// Those of this project.
    pub project: Option<String>,
    /// Those with this tag.
    pub tag: Option<String>,
    /// Those whose evaluation began at this time or later.
    pub since: Option<Timestamp>,
    /// Those that these ran.
    pub origin: OriginFilter,
}

/// Which simulations are listed, by who ran what. Each text is matched as the name of a simulation is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OriginFilter {
    /// One of the models.
    pub model: Option<String>,
    /// The provider.
    pub provider: Option<String>,
    /// The agent.
    pub agent: Option<String>,
    /// The task.
    pub task: Option<String>,
    /// The data set.
    pub dataset: Option<String>,
    /// The tool.
    pub tool: Option<String>,
}

impl OriginFilter {
    /// Returns the texts, with the names by which programs pass them.
    pub fn texts(&self) -> [(&'static str, Option<&String>); 6] {
        [
            ("model", self.model.as_ref()),
            ("provider", self.provider.as_ref()),
            ("agent", self.agent.as_ref()),
            ("task", self.task.as_ref()),
            ("dataset", self.dataset.as_ref()),
            ("tool", self.tool.as_ref()),
        ]
    }
}

/// A simulation in a list.
#[derive(Clone, Debug)]
pub struct ListedSimulation {
    /// The simulation, without its metadata.
    pub simulation: Simulation,
    /// The beginning of its id that no other simulation's id has, of at least 8 characters.
    pub short_id: String,
}

/// A page of simulations.
#[derive(Clone, Debug)]
pub struct SimulationPage {
    /// The simulations, newest first.
    pub simulations: Vec<ListedSimulation>,
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
    /// Returns a page of the simulations that a filter selects: at most `limit` of them, from 1
    /// to 10,000, from the newest or after the previous page. A page can be shorter if names are long:
    /// a page that has a cursor is not the last. Their scores and costs are those of their completion;
    /// late results change them when the simulation's status is next read.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another limit, or a text that is not a cursor of this list.
    pub async fn simulations_page(
        &self,
        filter: &SimulationFilter,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<SimulationPage> {
        let statement = statement(filter, limit, cursor)?;
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
        let short_ids = self.short_ids(&simulations).await?;
        let simulations = simulations
            .into_iter()
            .zip(short_ids)
            .map(|(simulation, short_id)| ListedSimulation { simulation, short_id })
            .collect();
        Ok(SimulationPage { simulations, cursor: next.transpose()? })
    }

    /// Returns the beginnings of the simulations' ids that no other simulation's id has.
    async fn short_ids(&self, simulations: &[Simulation]) -> Result<Vec<String>> {
        let ids = simulations.iter().map(|simulation| simulation.simulation_id);
        let layout = Layout::recorded(&*self.client().await?).await?;
        let statement = match layout {
            // Citus does not push down a limit for each row of a list.
            Layout::Citus => {
                let ranges: BTreeSet<(Uuid, Uuid)> = ids.clone().map(range_of_short_id).collect();
                let (lowest, highest): (Vec<Uuid>, Vec<Uuid>) = ranges.into_iter().unzip();
                let same_beginning = "SELECT simulation_id FROM arc_recorder.simulations
                     JOIN ROWS FROM (pg_catalog.unnest($1::uuid[]), pg_catalog.unnest($2::uuid[]))
                         AS range (lowest, highest)
                         ON simulation_id BETWEEN range.lowest AND range.highest
                     ORDER BY simulation_id";
                Statement::new(same_beginning).with(lowest).with(highest)
            }
            Layout::Plain | Layout::Timescale => {
                let neighbour = |comparison: &str, order: &str| {
                    format!(
                        "(SELECT simulation_id FROM arc_recorder.simulations
                          WHERE simulation_id {comparison} listed.id
                          ORDER BY simulation_id {order} LIMIT 1)"
                    )
                };
                Statement::new(format!(
                    "SELECT neighbour.simulation_id
                     FROM pg_catalog.unnest($1::uuid[]) AS listed (id)
                     CROSS JOIN LATERAL ({} UNION ALL {} UNION ALL SELECT listed.id) AS neighbour
                     GROUP BY neighbour.simulation_id ORDER BY neighbour.simulation_id",
                    neighbour("<", "DESC"),
                    neighbour(">", "ASC")
                ))
                .with(ids.clone().collect::<Vec<Uuid>>())
            }
        };
        let rows = self.rows(&statement, "shorten the ids of simulations").await?;
        let known: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
        Ok(ids.map(|id| short_id(id, &known)).collect())
    }
}

/// Returns the ids that begin with the same characters.
fn range_of_short_id(id: Uuid) -> (Uuid, Uuid) {
    let rest = u128::MAX >> (4 * SHORT_CHARACTERS);
    (Uuid::from_u128(id.as_u128() & !rest), Uuid::from_u128(id.as_u128() | rest))
}

/// Returns the beginning of an id that no other one of these ids has; they are in order.
fn short_id(id: Uuid, known: &[Uuid]) -> String {
    let text = id.to_string();
    let place = known.partition_point(|other| *other < id);
    let neighbours = known.get(place.saturating_sub(1)..).unwrap_or_default().iter().take(3);
    let common = neighbours.filter(|other| **other != id).map(|other| {
        let pairs = text.chars().zip(other.to_string().chars().collect::<Vec<_>>());
        pairs.take_while(|(one, other)| one == other).count() + 1
    });
    let length = common.max().unwrap_or_default().max(SHORT_CHARACTERS);
    text.chars().take(length).collect()
}

/// Returns the pattern of LIKE for a filter of names.
fn name_pattern(text: &str) -> String {
    let is_pattern = text.contains(['*', '?']);
    let mut pattern = String::new();
    for character in text.chars() {
        match character {
            '*' => pattern.push('%'),
            '?' => pattern.push('_'),
            '%' | '_' | '\\' => pattern.extend(['\\', character]),
            _ => pattern.push(character),
        }
    }
    if is_pattern { pattern } else { format!("%{pattern}%") }
}

/// The query of a page and one row more.
fn statement(filter: &SimulationFilter, limit: u32, cursor: Option<&str>) -> Result<Statement> {
    if !(1..=PAGE_SIMULATIONS).contains(&limit) {
        return Err(Error::invalid(format!(
            "a page has from 1 to {PAGE_SIMULATIONS} simulations, not {limit}"
        ))
        .with_hint("what follows is on the next"));
    }
    let mut statement = Statement::new("").with(i64::from(limit) + 1);
    let mut conditions = Vec::new();
    let SimulationFilter { status, name, project, tag, since, origin } = filter;
    let texts = origin.texts().map(|(_, text)| text);
    let mut texts =
        [name.as_ref(), project.as_ref(), tag.as_ref()].into_iter().chain(texts).flatten();
    if texts.any(|text| text.contains('\0')) {
        return Err(Error::invalid("the filter has a NUL character, which no text has"));
    }
    if let Some(status) = status {
        statement = statement.with(status.as_str());
        conditions.push(format!("status = ${}", statement.count()));
    }
    if let Some(name) = name {
        statement = statement.with(name_pattern(name));
        conditions.push(format!("simulation_name ILIKE ${}", statement.count()));
    }
    if let Some(project) = project {
        statement = statement.with(project.clone());
        conditions.push(format!("project = ${}", statement.count()));
    }
    if let Some(tag) = tag {
        statement = statement.with(tag.clone());
        conditions.push(format!("${} = ANY (tags)", statement.count()));
    }
    if let Some(since) = since {
        statement = statement.with(*since);
        conditions.push(format!("started_at >= ${}", statement.count()));
    }
    for (column, text) in origin.texts() {
        let Some(text) = text else { continue };
        statement = statement.with(name_pattern(text));
        let place = statement.count();
        conditions.push(match column {
            "model" => format!(
                "EXISTS (SELECT FROM pg_catalog.unnest(models) AS model WHERE model ILIKE ${place})"
            ),
            column => format!("{column} ILIKE ${place}"),
        });
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
                     + pg_catalog.octet_length(pg_catalog.array_to_string(tags, ','))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_id_is_as_long_as_its_neighbours_require() {
        let id = |text: &str| Uuid::try_parse(text).unwrap();
        let one = id("0192f3c1-7a00-8000-8000-000000000001");
        let known = [
            id("0192f3c0-ffff-8000-8000-000000000000"),
            one,
            id("0192f3c1-7a00-8000-8000-000000000002"),
            id("0192f3c1-7b00-8000-8000-000000000000"),
        ];
        let short: Vec<String> = known.iter().map(|id| short_id(*id, &known)).collect();
        let expected = ["0192f3c0", &one.to_string(), &known[2].to_string(), "0192f3c1-7b"];
        assert_eq!(short, expected);
        assert_eq!(short_id(one, &[]), "0192f3c1");
        let (lowest, highest) = range_of_short_id(one);
        assert_eq!(lowest, id("0192f3c1-0000-0000-0000-000000000000"));
        assert_eq!(highest, id("0192f3c1-ffff-ffff-ffff-ffffffffffff"));
    }

    #[test]
    fn a_name_is_a_part_or_a_pattern() {
        for (text, pattern) in [
            ("night", "%night%"),
            ("50%_a\\", "%50\\%\\_a\\\\%"),
            ("night*", "night%"),
            ("?_x*", "_\\_x%"),
        ] {
            assert_eq!(name_pattern(text), pattern, "{text}");
        }
    }
}
