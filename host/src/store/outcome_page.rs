//! Recorded outcomes a page at a time, each page as quick as the first.

use std::collections::HashMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::outcomes::{COLUMNS, OutcomeFilter, RecordedOutcome};
use super::statement::Statement;
use super::{Store, cursor};
use crate::error::{Error, Result};

/// The kind of the cursor, and its version.
const CURSOR: &str = "outcomes1";

/// How many outcomes a page has at most.
const PAGE_OUTCOMES: u32 = 1_000;

/// A page ends early when what is attached to it has so many bytes: a thousand documents of the
/// greatest size would be 16 GB.
const PAGE_BYTES: usize = 32 << 20;

/// How many documents are read at once: they may be large.
const DOCUMENTS_AT_ONCE: usize = 16;

/// What is to come with each outcome. It is read from the document, which is else left alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attached {
    /// The document, byte for byte.
    pub documents: bool,
    /// The document's own trajectory object.
    pub trajectories: bool,
}

/// A page of outcomes.
#[derive(Clone, Debug)]
pub struct OutcomePage {
    /// The outcomes, in order of scenario (its id's bytes), trial and attempt.
    pub outcomes: Vec<RecordedOutcome>,
    /// Where the next page begins; none on the last page.
    pub cursor: Option<String>,
}

/// The place of an outcome in the order. The simulation is in it, so that a cursor of another one
/// is refused.
#[derive(Serialize, Deserialize)]
struct Place {
    simulation_id: Uuid,
    scenario_id: String,
    trial: i32,
    received_at: Timestamp,
    outcome_id: Uuid,
}

impl Store {
    /// A page of a simulation's outcomes: at most `limit` of them, from 1 to 1,000 (100 is usual),
    /// from the beginning or from where the page before ended. With documents or trajectories a
    /// page may be shorter, so that it stays within some 32 MiB; one that has a cursor is not the last.
    ///
    /// Outcomes that are recorded between two pages are on the later page where they belong there,
    /// and missed where they belong before it; none is given twice.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another limit, or a cursor that is not one of this simulation's.
    pub async fn outcomes_page(
        &self,
        simulation_id: Uuid,
        filter: &OutcomeFilter,
        limit: u32,
        cursor: Option<&str>,
        attached: Attached,
    ) -> Result<OutcomePage> {
        let statement = statement(simulation_id, filter, limit, cursor)?;
        let rows = self.rows(&statement, "read the outcomes").await?;
        let mut outcomes: Vec<RecordedOutcome> =
            rows.iter().map(RecordedOutcome::from_row).collect();
        // One more was read than wanted, only to see whether there is one.
        let mut last_page = outcomes.len() <= limit as usize;
        outcomes.truncate(limit as usize);
        if attached != Attached::default() {
            let whole = self.attach(simulation_id, &mut outcomes, attached).await?;
            last_page &= whole;
        }
        let next = outcomes.last().filter(|_| !last_page).map(|last| {
            let place = Place {
                simulation_id,
                scenario_id: last.scenario_id.clone(),
                trial: last.trial,
                received_at: last.received_at,
                outcome_id: last.outcome_id,
            };
            cursor::encode(CURSOR, &place)
        });
        Ok(OutcomePage { outcomes, cursor: next.transpose()? })
    }

    /// Attaches what was asked for, and ends the page where it has become large: then `false`.
    async fn attach(
        &self,
        simulation_id: Uuid,
        outcomes: &mut Vec<RecordedOutcome>,
        attached: Attached,
    ) -> Result<bool> {
        let (mut done, mut bytes) = (0, 0);
        for chunk in outcomes.chunks_mut(DOCUMENTS_AT_ONCE) {
            if bytes >= PAGE_BYTES {
                outcomes.truncate(done);
                return Ok(false);
            }
            let ids = chunk.iter().map(|outcome| outcome.outcome_id).collect();
            let statement = attached_statement(simulation_id, ids, attached);
            let rows = self.rows(&statement, "read the documents").await?;
            let mut found: HashMap<Uuid, (Option<String>, Option<String>)> = rows
                .iter()
                .map(|row| {
                    let [own, detailed, dimensions] = [2, 3, 4].map(|column| row.get(column));
                    (row.get(0), (row.get(1), trajectory(own, detailed, dimensions)))
                })
                .collect();
            for outcome in chunk {
                let (document, trajectory) = found.remove(&outcome.outcome_id).unwrap_or_default();
                let texts = [&document, &trajectory].into_iter().flatten();
                bytes += texts.map(String::len).sum::<usize>();
                (outcome.document, outcome.trajectory) = (document, trajectory);
                done += 1;
            }
        }
        Ok(true)
    }
}

/// The query of a page and one row more. Only the rows of the page are read, in the order of an
/// index; the attempts at their scenarios and trials are counted beside, for a filter may leave
/// some of them out, and the page before may hold others.
pub(super) fn statement(
    simulation_id: Uuid,
    filter: &OutcomeFilter,
    limit: u32,
    cursor: Option<&str>,
) -> Result<Statement> {
    if !(1..=PAGE_OUTCOMES).contains(&limit) {
        return Err(Error::Invalid(format!(
            "a page has from 1 to {PAGE_OUTCOMES} outcomes, not {limit}; what follows is on the next"
        )));
    }
    let mut statement = Statement::new("").with(simulation_id).with(i64::from(limit) + 1);
    let mut conditions = String::new();
    // Writing to a string cannot fail.
    if let Some(scenario_id) = &filter.scenario_id {
        statement = statement.with(scenario_id.clone());
        let number = statement.count();
        let _ = write!(conditions, " AND outcome.scenario_id COLLATE \"C\" = ${number}");
    }
    if let Some(status) = &filter.status {
        statement = statement.with(status.clone());
        let _ = write!(conditions, " AND outcome.status = ${}", statement.count());
    }
    if let Some(cursor) = cursor {
        let place: Place = cursor::decode(CURSOR, cursor)?;
        if place.simulation_id != simulation_id {
            return Err(Error::Invalid(format!(
                "the cursor belongs to simulation {}, not to {simulation_id}; begin again without a \
                 cursor",
                place.simulation_id
            )));
        }
        let first = statement.count() + 1;
        let _ = write!(
            conditions,
            " AND (outcome.scenario_id COLLATE \"C\", outcome.trial, outcome.received_at,
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
    statement.sql = format!(
        r#"WITH page AS MATERIALIZED (
            SELECT {COLUMNS}, outcome.extractor_id
            FROM arc_recorder.outcomes AS outcome
            WHERE outcome.simulation_id = $1{conditions}
            ORDER BY outcome.scenario_id COLLATE "C", outcome.trial, outcome.received_at,
                outcome.outcome_id
            LIMIT $2
        ), numbered AS MATERIALIZED (
            SELECT attempts.outcome_id, attempts.attempt
            FROM (SELECT DISTINCT scenario_id COLLATE "C" AS scenario_id, trial FROM page) AS place
            CROSS JOIN LATERAL (
                SELECT outcome.outcome_id, pg_catalog.row_number() OVER (
                    ORDER BY outcome.received_at, outcome.outcome_id) AS attempt
                FROM arc_recorder.outcomes AS outcome
                WHERE outcome.simulation_id = $1 AND outcome.trial = place.trial
                    AND outcome.scenario_id COLLATE "C" = place.scenario_id
            ) AS attempts
        )
        SELECT page.*, numbered.attempt, extractor.name || ' ' || extractor.version AS extractor
        FROM page
        JOIN numbered USING (outcome_id)
        LEFT JOIN arc_recorder.extractors AS extractor USING (extractor_id)
        ORDER BY page.scenario_id COLLATE "C", page.trial, page.received_at, page.outcome_id"#
    )
    .into();
    Ok(statement)
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
fn attached_statement(simulation_id: Uuid, ids: Vec<Uuid>, attached: Attached) -> Statement {
    let document = if attached.documents { "document::text" } else { "NULL::text" };
    let part = |name: &str| {
        if attached.trajectories {
            format!(
                "pg_catalog.convert_from(pg_catalog.substr(pg_catalog.convert_to(document::text, 'UTF8'),
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
         FROM arc_recorder.outcomes
         WHERE simulation_id = $1 AND outcome_id = ANY ($2)"
    ))
    .with(simulation_id)
    .with(ids)
}
