//! Selections: which revision of a result counts, if not the one that was made last, and which results
//! are superseded.
//!
//! A selection is a row, and the newest one of a result is valid. A person selects a revision, and the
//! recorder adds a selection if the list of a run's results shows that one is needed: a result that the
//! tool's final list lacks is superseded, and an earlier revision that a newer file has counts again.

use std::cmp::Ordering;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::Store;
use super::connection::Transaction;
use super::outcome_sql::{is_replaced, of_simulation, revision, revision_time};
use super::revisions::{Revision, revisions_statement};
use super::simulations::{locked_for_change, not_found};
use super::statement::{Statement, with_time};
use crate::error::{Error, Result};
use crate::identity;

/// The results of a run that a file, or another list of the tool, has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultList {
    /// The ids of their outcomes.
    pub outcome_ids: Vec<Uuid>,
    /// Whether these are all results of the run, which has ended.
    #[serde(default)]
    pub is_final: bool,
    /// When the tool made the list.
    #[serde(default)]
    pub made_at: Option<Timestamp>,
    /// When the file was last changed.
    #[serde(default)]
    pub modified_at: Option<Timestamp>,
}

/// The effects of a list of results.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedResults {
    /// How many results are superseded, because the list is the final one and lacks them.
    pub superseded: u64,
    /// How many superseded results count again, because the final list has them.
    pub restored: u64,
    /// The earlier revisions that count again, because the file is newer than the later ones.
    pub selected: Vec<Uuid>,
}

/// A selection, as it is stored.
struct Selection {
    result_key: String,
    outcome_id: Option<Uuid>,
    /// As text, because it can be infinity.
    revised_at: Option<String>,
    superseded: bool,
}

impl Selection {
    fn from_row(row: &Row) -> Self {
        Selection {
            result_key: row.get("result_key"),
            outcome_id: row.get("outcome_id"),
            revised_at: row.get("revised_at"),
            superseded: row.get("superseded"),
        }
    }
}

/// The results of the list `$2` of simulation `$1` that have a key, and the place of each in the run.
fn listed() -> String {
    format!(
        r#"listed AS MATERIALIZED (
        SELECT outcome.result_key COLLATE "C" AS result_key,
            outcome.scenario_id COLLATE "C" AS scenario_id, coalesce(outcome.trial, 0) AS trial,
            coalesce(outcome.place, '') COLLATE "C" AS place
        FROM arc_recorder.outcomes AS outcome
        WHERE {} AND outcome.outcome_id = ANY ($2)
            AND outcome.result_key IS NOT NULL
    )"#,
        of_simulation("outcome")
    )
}

/// The join of an outcome with the valid selection of its result.
const JOIN_SELECTED: &str = r#"LEFT JOIN arc_recorder.valid_selections AS selected
            ON selected.simulation_id = $1
            AND selected.result_key = outcome.result_key COLLATE "C""#;

/// Whether a list is allowed to supersede a result: it is not superseded yet, and no person has selected
/// one of its revisions.
const MAY_SUPERSEDE: &str = "selected.superseded IS NOT TRUE
            AND (selected.outcome_id IS NULL OR selected.revised_at IS NOT NULL)";

/// Whether a result is listed at the place of an outcome: the same one, or another attempt.
const IS_LISTED: &str = r#"(EXISTS (
                SELECT FROM listed WHERE listed.result_key = outcome.result_key COLLATE "C")
            OR EXISTS (
                SELECT FROM listed WHERE listed.scenario_id = outcome.scenario_id COLLATE "C"
                    AND listed.trial = coalesce(outcome.trial, 0)
                    AND listed.place = coalesce(outcome.place, '') COLLATE "C"))"#;

/// The selections that a final list adds, `$3` is when it was made. A result that it lacks is
/// superseded, unless it ran later, or another attempt at its place is listed. A superseded one that is
/// listed counts again.
fn final_list() -> String {
    format!(
        r#"WITH {listed}
        SELECT DISTINCT outcome.result_key, selected.outcome_id,
            selected.revised_at::text AS revised_at, true AS superseded
        FROM arc_recorder.outcomes AS outcome
        {JOIN_SELECTED}
        WHERE {of_simulation} AND outcome.result_key IS NOT NULL
            AND ($3::timestamptz IS NULL OR outcome.execution_time <= $3)
            AND NOT {IS_LISTED} AND {MAY_SUPERSEDE}
        UNION
        SELECT outcome.result_key, selected.outcome_id, selected.revised_at::text, false
        FROM arc_recorder.outcomes AS outcome
        {JOIN_SELECTED}
        WHERE {of_simulation} AND selected.superseded AND {IS_LISTED}"#,
        listed = listed(),
        of_simulation = of_simulation("outcome")
    )
}

/// The selections that an older list adds. The newest final list, which is recorded, has none of the
/// results that were received later; `$3` is when that list was made.
fn older_list() -> String {
    format!(
        r#"WITH {listed}
        SELECT DISTINCT outcome.result_key, selected.outcome_id,
            selected.revised_at::text AS revised_at, true AS superseded
        FROM listed AS outcome
        JOIN arc_recorder.simulations AS simulation ON simulation.simulation_id = $1
        {JOIN_SELECTED}
        WHERE {MAY_SUPERSEDE}
            AND NOT EXISTS (
                SELECT FROM arc_recorder.outcomes AS before
                WHERE {of_simulation}
                    AND before.received_at <= simulation.final_list_recorded_at
                    AND before.result_key COLLATE "C" = outcome.result_key)
            AND NOT EXISTS (
                SELECT FROM arc_recorder.outcomes AS before
                LEFT JOIN arc_recorder.valid_selections AS other
                    ON other.simulation_id = $1
                    AND other.result_key = before.result_key COLLATE "C"
                WHERE {of_simulation}
                    AND before.received_at <= simulation.final_list_recorded_at
                    AND before.execution_time <= $3
                    AND before.scenario_id COLLATE "C" = outcome.scenario_id
                    AND coalesce(before.trial, 0) = outcome.trial
                    AND coalesce(before.place, '') COLLATE "C" = outcome.place
                    AND other.superseded IS NOT TRUE)"#,
        listed = listed(),
        of_simulation = of_simulation("before")
    )
}

/// The selections that a file adds which was changed at `$3`: a tool that undoes an invalidation
/// writes the result as it was before, so the earlier revision counts again.
fn newer_file() -> String {
    format!(
        r#"SELECT outcome.result_key, outcome.outcome_id,
            least($3::timestamptz, pg_catalog.clock_timestamp())::text AS revised_at,
            coalesce(selected.superseded, false) AS superseded
        FROM arc_recorder.outcomes AS outcome
        {JOIN_SELECTED}
        CROSS JOIN LATERAL (
            SELECT revision.invalidation, {time} AS revised_at
            FROM arc_recorder.outcomes AS revision
            WHERE {of_revision}
                AND revision.result_key COLLATE "C" = outcome.result_key
            ORDER BY {order} DESC
            LIMIT 1
        ) AS latest
        WHERE {of_simulation} AND outcome.outcome_id = ANY ($2)
            AND outcome.invalidation IS NULL AND latest.invalidation IS NOT NULL
            AND latest.revised_at < $3 AND {is_replaced}"#,
        of_simulation = of_simulation("outcome"),
        of_revision = of_simulation("revision"),
        time = revision_time("revision"),
        order = revision("revision"),
        is_replaced = is_replaced("outcome"),
    )
}

impl Store {
    /// Selects the revision of a result that counts: the one with this number, or the one that was made
    /// last. Returns all its revisions. The figures of a simulation that has ended become stale. Every
    /// selection is kept.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such simulation, result or revision; [`Error::Invalid`] if no
    /// key is passed, and several results have revisions.
    pub async fn select_revision(
        &self,
        simulation_id: Uuid,
        result_key: Option<&str>,
        revision: Option<i64>,
    ) -> Result<Vec<Revision>> {
        let failed = |error| Error::postgres("select the revision", error);
        let time = self.row_time(simulation_id).await?;
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(failed)?;
        let locked = locked_for_change(&transaction, simulation_id).await.map_err(failed)?;
        locked.ok_or_else(|| not_found(simulation_id))?;
        let known =
            read_revisions(&transaction, simulation_id, time, result_key).await.map_err(failed)?;
        let selected = selected_revision(simulation_id, &known, result_key, revision)?;
        let selection = Selection {
            result_key: selected.result_key.clone(),
            outcome_id: revision.map(|_| selected.outcome_id),
            revised_at: None,
            superseded: false,
        };
        let result_key = selection.result_key.clone();
        add(&transaction, simulation_id, &[selection]).await.map_err(failed)?;
        let revisions = read_revisions(&transaction, simulation_id, time, Some(&result_key)).await;
        let revisions = revisions.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(revisions)
    }

    /// Compares a list of recorded results with those of their simulation. A result that the final list
    /// lacks is superseded, unless it ran after the list was made, or the list has another result at its
    /// place. If the file was changed after a result was invalidated, and has an earlier revision of it,
    /// that one counts again.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such simulation.
    pub async fn compare_results(
        &self,
        simulation_id: Uuid,
        list: &ResultList,
    ) -> Result<ListedResults> {
        let failed = |error| Error::postgres("compare the list of results", error);
        let time = self.row_time(simulation_id).await?;
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(failed)?;
        let locked = locked_for_change(&transaction, simulation_id).await.map_err(failed)?;
        locked.ok_or_else(|| not_found(simulation_id))?;
        let compare = async {
            let mut listed = ListedResults::default();
            for selection in compare_lists(&transaction, simulation_id, time, list).await? {
                match selection.superseded {
                    true => listed.superseded += 1,
                    false => listed.restored += 1,
                }
            }
            if let Some(modified_at) = list.modified_at {
                let found =
                    read(&transaction, &newer_file(), simulation_id, time, list, Some(modified_at))
                        .await?;
                add(&transaction, simulation_id, &found).await?;
                listed.selected = found.iter().filter_map(|one| one.outcome_id).collect();
            }
            Ok(listed)
        };
        let listed = compare.await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(listed)
    }

    /// Returns which outcomes of a simulation do not count, because a later revision does.
    pub(crate) async fn replaced_outcomes(
        &self,
        simulation_id: Uuid,
        outcome_ids: Vec<Uuid>,
    ) -> Result<Vec<Uuid>> {
        let statement = Statement::new(format!(
            "SELECT outcome.outcome_id FROM arc_recorder.outcomes AS outcome
             WHERE {} AND outcome.outcome_id = ANY ($2) AND {}",
            of_simulation("outcome"),
            is_replaced("outcome")
        ));
        let statement = statement.with(simulation_id).with(outcome_ids);
        let what = "read which revisions count";
        let rows = self.rows_of(simulation_id, statement, what).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}

/// Adds the selections that a list of results needs, and returns them.
async fn compare_lists(
    transaction: &Transaction<'_>,
    simulation_id: Uuid,
    row_time: Option<Timestamp>,
    list: &ResultList,
) -> std::result::Result<Vec<Selection>, tokio_postgres::Error> {
    let newest = transaction
        .query_one(
            "SELECT final_list_at, final_list_modified_at FROM arc_recorder.simulations
             WHERE simulation_id = $1",
            &[&simulation_id],
        )
        .await?;
    let (newest_at, modified_at): (Option<Timestamp>, Option<Timestamp>) =
        (newest.get(0), newest.get(1));
    // Copies with the same time, or without one, are in the order in which the files were changed.
    let is_older = match list.made_at.cmp(&newest_at) {
        Ordering::Equal => {
            list.modified_at.zip(modified_at).is_some_and(|(this, newest)| this < newest)
        }
        order => list.made_at.is_some() && order == Ordering::Less,
    };
    let (query, time) = match (is_older, list.is_final) {
        (true, _) => (older_list(), newest_at.or(modified_at)),
        (false, true) => (final_list(), list.made_at),
        (false, false) => return Ok(Vec::new()),
    };
    let selections = read(transaction, &query, simulation_id, row_time, list, time).await?;
    add(transaction, simulation_id, &selections).await?;
    if !is_older {
        transaction
            .execute(
                "WITH moment AS MATERIALIZED (SELECT pg_catalog.clock_timestamp() AS now)
                 UPDATE arc_recorder.simulations
                 SET final_list_at = $2, final_list_modified_at = $3,
                     final_list_recorded_at = moment.now
                 FROM moment WHERE simulation_id = $1",
                &[&simulation_id, &list.made_at, &list.modified_at],
            )
            .await?;
    }
    Ok(selections)
}

/// Reads the selections that a list needs. `row_time` is that of [`Store::row_time`].
async fn read(
    transaction: &Transaction<'_>,
    query: &str,
    simulation_id: Uuid,
    row_time: Option<Timestamp>,
    list: &ResultList,
    time: Option<Timestamp>,
) -> std::result::Result<Vec<Selection>, tokio_postgres::Error> {
    let mut values: Vec<(&(dyn ToSql + Sync), Type)> = vec![
        (&simulation_id, Type::UUID),
        (&list.outcome_ids, Type::UUID_ARRAY),
        (&time, Type::TIMESTAMPTZ),
    ];
    if let Some(row_time) = &row_time {
        values.push((row_time, Type::TIMESTAMPTZ));
    }
    let query = with_time(query, row_time.map(|_| values.len()));
    let rows = transaction.query_planned_anew(&query, &values).await?;
    Ok(rows.iter().map(Selection::from_row).collect())
}

/// Adds selections to those of a simulation.
async fn add(
    transaction: &Transaction<'_>,
    simulation_id: Uuid,
    selections: &[Selection],
) -> std::result::Result<(), tokio_postgres::Error> {
    if selections.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = selections.iter().map(|_| identity::new_id()).collect();
    let keys: Vec<&str> = selections.iter().map(|one| one.result_key.as_str()).collect();
    let outcomes: Vec<Option<Uuid>> = selections.iter().map(|one| one.outcome_id).collect();
    let times: Vec<Option<&str>> = selections.iter().map(|one| one.revised_at.as_deref()).collect();
    let superseded: Vec<bool> = selections.iter().map(|one| one.superseded).collect();
    let insert = "INSERT INTO arc_recorder.selections
             (simulation_id, selection_id, selected_at, result_key, outcome_id, revised_at, superseded)
         SELECT $1, one.selection_id, pg_catalog.clock_timestamp(), one.result_key, one.outcome_id,
             one.revised_at::timestamptz, one.superseded
         FROM unnest($2::uuid[], $3::text[], $4::uuid[], $5::text[], $6::boolean[])
             AS one (selection_id, result_key, outcome_id, revised_at, superseded)";
    transaction
        .execute(insert, &[&simulation_id, &ids, &keys, &outcomes, &times, &superseded])
        .await?;
    Ok(())
}

async fn read_revisions(
    transaction: &Transaction<'_>,
    simulation_id: Uuid,
    row_time: Option<Timestamp>,
    result_key: Option<&str>,
) -> std::result::Result<Vec<Revision>, tokio_postgres::Error> {
    let statement = revisions_statement(simulation_id, result_key).at(row_time);
    let rows = transaction.query(statement.sql.as_ref(), &statement.values()).await?;
    Ok(rows.iter().map(Revision::from_row).collect())
}

/// Returns the revision with this number, or the first one of the result.
fn selected_revision<'r>(
    simulation_id: Uuid,
    revisions: &'r [Revision],
    result_key: Option<&str>,
    number: Option<i64>,
) -> Result<&'r Revision> {
    let hint = format!("list them with `arc-host revisions {simulation_id}`");
    let Some(first) = revisions.first() else {
        return Err(Error::not_found(match result_key {
            Some(key) => format!("simulation {simulation_id} has no result with the key {key:?}"),
            None => format!("no result of simulation {simulation_id} has several revisions"),
        })
        .with_hint(hint));
    };
    if revisions.iter().any(|revision| revision.result_key != first.result_key) {
        return Err(Error::invalid(format!(
            "several results of simulation {simulation_id} have revisions (expected the key of one)"
        ))
        .with_hint(hint));
    }
    let Some(number) = number else { return Ok(first) };
    revisions.iter().find(|revision| revision.revision == number).ok_or_else(|| {
        Error::not_found(format!(
            "the result {:?} has no revision {number} (expected 1 to {})",
            first.result_key,
            revisions.len()
        ))
        .with_hint(hint)
    })
}
