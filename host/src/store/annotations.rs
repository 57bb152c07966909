//! Annotations: notes and corrections of results by people and rules, made after recording.
//!
//! Rows are only added. An annotation belongs to the result with its key, in all revisions, or without a
//! key to its outcome; a changed score belongs to the revision that it was made for. Of the annotations
//! of one subject, the newest that is not undone is valid. The valid ones replace extracted
//! values in every query of outcomes: see [`super::outcome_sql::reviews`].

use std::collections::{HashMap, HashSet};
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::Store;
use super::connection::Transaction;
use super::outcome_sql::{
    ATTEMPT_ORDER, IS_NOT_REPLACED, IS_SUPERSEDED, is_current, of_simulation, replaced, reviews,
};
use super::simulations::{locked_for_change, not_found};
use super::statement::{Statement, with_time};
use crate::error::{Error, Result};
use crate::extraction::FailureClass;
use crate::identity::{self, Fingerprint};

/// The most annotations of one request, and the most that are made of it.
pub const MOST_ANNOTATIONS: usize = 10_000;

/// The longest text of an annotation, in bytes.
const TEXT_BYTES: usize = 16 << 10;

/// The longest name of an author, a tag or a metric, in bytes.
const NAME_BYTES: usize = 512;

/// The kind of an annotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnnotationKind {
    /// A note.
    Note,
    /// A tag.
    Tag,
    /// The result does not count.
    Invalidate,
    /// The result counts again, also if its tool has invalidated it.
    Restore,
    /// Another value of a score.
    Score,
    /// Whose failure it is.
    FailureClass,
    /// An earlier annotation does not count any more.
    Undo,
}

impl AnnotationKind {
    /// Returns the name in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            AnnotationKind::Note => "note",
            AnnotationKind::Tag => "tag",
            AnnotationKind::Invalidate => "invalidate",
            AnnotationKind::Restore => "restore",
            AnnotationKind::Score => "score",
            AnnotationKind::FailureClass => "failure_class",
            AnnotationKind::Undo => "undo",
        }
    }

    fn from_database(name: &str) -> Self {
        match name {
            "tag" => AnnotationKind::Tag,
            "invalidate" => AnnotationKind::Invalidate,
            "restore" => AnnotationKind::Restore,
            "score" => AnnotationKind::Score,
            "failure_class" => AnnotationKind::FailureClass,
            "undo" => AnnotationKind::Undo,
            _ => AnnotationKind::Note,
        }
    }
}

impl fmt::Display for AnnotationKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Whether an annotation counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnnotationState {
    /// It counts.
    Valid,
    /// A later one about the same counts instead.
    Replaced,
    /// It was undone.
    Undone,
    /// It changed the score of a revision that does not count any more.
    Superseded,
}

/// An annotation to be made.
///
/// It names its result by `outcome_id`, by `result_key`, or by `scenario_id`, without `trial` for all
/// trials of the scenario; with a key the revision that counts is meant, and with a scenario the latest
/// attempt at each trial. An undo names an annotation instead.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewAnnotation {
    /// Its kind.
    pub kind: AnnotationKind,
    /// Its id, so that a repeated request makes it once; the default is a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotation_id: Option<Uuid>,
    /// The outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome_id: Option<Uuid>,
    /// The tool's own id of the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_key: Option<String>,
    /// The scenario.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario_id: Option<String>,
    /// The trial of the scenario, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<i32>,
    /// The text of a note, a tag, the new value of a score (a number), or a failure class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// The metric of the score; the default is that of the result's own score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The author. A service with tokens puts the token's name before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The annotation that is undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<Uuid>,
}

impl NewAnnotation {
    /// Makes an annotation of this kind, which names no result yet.
    pub fn new(kind: AnnotationKind) -> Self {
        NewAnnotation {
            kind,
            annotation_id: None,
            outcome_id: None,
            result_key: None,
            scenario_id: None,
            trial: None,
            value: None,
            metric: None,
            reason: None,
            author: None,
            undoes: None,
        }
    }
}

/// An annotation that was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Annotation {
    /// Its id; `None` for the mark with which the tool itself invalidated the result.
    pub annotation_id: Option<Uuid>,
    /// Its kind.
    pub kind: AnnotationKind,
    /// Whether it counts.
    pub state: AnnotationState,
    /// The outcome for which it was made.
    pub outcome_id: Uuid,
    /// The tool's own id of the result; with it, the annotation belongs to all revisions.
    pub result_key: Option<String>,
    /// The scenario.
    pub scenario_id: String,
    /// The metric of the score.
    pub metric: Option<String>,
    /// The value before.
    pub old_value: Option<Value>,
    /// The value after: the text of a note, a tag, a number or a class.
    pub new_value: Option<Value>,
    /// Why.
    pub reason: Option<String>,
    /// The author: a person, `rule:NAME`, or the author in the tool's own mark.
    pub author: String,
    /// When.
    pub annotated_at: Timestamp,
    /// The annotation that is undone.
    pub undoes: Option<Uuid>,
}

/// How many results of a simulation have valid annotations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewFigures {
    /// Results that were invalidated.
    pub invalidated: i64,
    /// Results that count again, also if their tool has invalidated them.
    pub restored: i64,
    /// Changed scores.
    pub changed_scores: i64,
    /// Changed scores of revisions that do not count any more.
    pub superseded_scores: i64,
    /// Changed failure classes.
    pub changed_classes: i64,
    /// Results with a note or a tag.
    pub noted: i64,
}

impl ReviewFigures {
    /// Whether figures of the tool cannot include these.
    pub fn changes_figures(&self) -> bool {
        self.invalidated + self.restored + self.changed_scores + self.changed_classes > 0
    }

    /// Whether there is no annotation.
    pub fn is_empty(&self) -> bool {
        *self == ReviewFigures::default()
    }

    pub(super) fn from_row(row: &Row) -> Self {
        ReviewFigures {
            invalidated: row.get("invalidated"),
            restored: row.get("restored"),
            changed_scores: row.get("changed_scores"),
            superseded_scores: row.get("superseded_scores"),
            changed_classes: row.get("changed_classes"),
            noted: row.get("noted"),
        }
    }
}

/// Returns the query of [`ReviewFigures`].
pub(super) fn review_statement(simulation_id: Uuid) -> Statement {
    Statement::new(format!(
        "WITH {replaced}, {reviews}
        SELECT pg_catalog.count(*) FILTER (WHERE kind = 'invalidate') AS invalidated,
            pg_catalog.count(*) FILTER (WHERE kind = 'restore') AS restored,
            pg_catalog.count(*) FILTER (WHERE kind = 'score' AND NOT is_replaced) AS changed_scores,
            pg_catalog.count(*) FILTER (WHERE kind = 'score' AND is_replaced) AS superseded_scores,
            pg_catalog.count(*) FILTER (WHERE kind = 'failure_class') AS changed_classes,
            pg_catalog.count(DISTINCT target) FILTER (WHERE kind IN ('note', 'tag')) AS noted
        FROM (
            SELECT newest.*, newest.outcome_id IN (SELECT replaced.outcome_id FROM replaced)
                AS is_replaced
            FROM newest
        ) AS newest",
        replaced = replaced(),
        reviews = reviews(),
    ))
    .with(simulation_id)
}

/// The valid failure classes of results of the simulations `$1`, by simulation and result.
const CLASSES: &str = "SELECT DISTINCT ON (annotation.simulation_id, target)
        annotation.simulation_id, coalesce(annotation.result_key, annotation.outcome_id::text)
            COLLATE \"C\" AS target,
        annotation.new_value, annotation.author
    FROM arc_recorder.annotations AS annotation
    WHERE annotation.simulation_id = ANY ($1) AND annotation.kind = 'failure_class'
        AND NOT EXISTS (
            SELECT FROM arc_recorder.annotations AS undo
            WHERE undo.simulation_id = annotation.simulation_id
                AND undo.undoes = annotation.annotation_id)
    ORDER BY annotation.simulation_id, target, annotation.annotated_at DESC,
        annotation.annotation_id DESC";

/// Failure classes and who annotated them, by simulation and result.
pub(super) type AnnotatedClasses = HashMap<(Uuid, String), (String, String)>;

/// An outcome that an annotation can name.
struct Target {
    outcome_id: Uuid,
    result_key: Option<String>,
    scenario_id: String,
    trial: Option<i32>,
    headline: Option<String>,
    scores: Value,
    failure_class: Option<String>,
    is_current: bool,
    /// Whether it is the latest attempt at its trial that counts.
    is_latest: bool,
}

impl Target {
    fn from_row(row: &Row) -> Self {
        Target {
            outcome_id: row.get("outcome_id"),
            result_key: row.get("result_key"),
            scenario_id: row.get("scenario_id"),
            trial: row.get("trial"),
            headline: row.get("headline"),
            scores: row.get("scores"),
            failure_class: row.get("failure_class"),
            is_current: row.get("is_current"),
            is_latest: row.get("is_latest"),
        }
    }

    /// Returns what the annotations of the result have in common.
    fn name(&self) -> String {
        target_name(self.result_key.as_deref(), self.outcome_id)
    }

    /// Returns the recorded value of a metric, if the result has the metric.
    fn score(&self, metric: &str) -> Option<Value> {
        let scores = self.scores.as_array()?;
        let named =
            scores.iter().find(|one| one.get("name").and_then(Value::as_str) == Some(metric));
        named.map(|one| one.get("value").cloned().unwrap_or(Value::Null))
    }

    fn is_named_by(&self, new: &NewAnnotation) -> bool {
        match (new.outcome_id, &new.result_key, &new.scenario_id) {
            (Some(id), _, _) => self.outcome_id == id,
            (None, Some(key), _) => self.is_current && self.result_key.as_ref() == Some(key),
            (None, None, Some(scenario)) => {
                let is_trial = |trial| self.trial.unwrap_or(1) == trial;
                self.is_latest && self.scenario_id == *scenario && new.trial.is_none_or(is_trial)
            }
            (None, None, None) => false,
        }
    }
}

/// Returns what the annotations of a result have in common.
pub(super) fn target_name(result_key: Option<&str>, outcome_id: Uuid) -> String {
    result_key.map_or_else(|| outcome_id.to_string(), str::to_owned)
}

/// Every annotation of simulation `$1`, oldest first, with its state; and the marks of tools. `$2` is an
/// outcome, `$3` the most rows.
fn annotations_statement(simulation_id: Uuid, outcome_id: Option<Uuid>, limit: i64) -> Statement {
    Statement::new(format!(
        r#"WITH {replaced}, undone AS MATERIALIZED (
            SELECT undo.undoes FROM arc_recorder.annotations AS undo
            WHERE {of_undo} AND undo.undoes IS NOT NULL
        ), all_annotations AS (
            SELECT annotation.*,
                annotation.annotation_id IN (SELECT undone.undoes FROM undone) AS is_undone,
                CASE WHEN annotation.kind IN ('note', 'tag', 'undo') THEN annotation.annotation_id::text
                    WHEN annotation.kind = 'restore' THEN 'invalidate'
                    ELSE annotation.kind || coalesce(annotation.metric, '') END AS subject
            FROM arc_recorder.annotations AS annotation
            WHERE {of_annotation}
        ), placed AS (
            SELECT *, NOT is_undone AND pg_catalog.row_number() OVER (
                PARTITION BY coalesce(result_key, outcome_id::text) COLLATE "C",
                    CASE WHEN kind = 'score' THEN outcome_id END, subject COLLATE "C", is_undone
                ORDER BY annotated_at DESC, annotation_id DESC) = 1 AS is_newest
            FROM all_annotations
        ), chosen AS (
            SELECT outcome.outcome_id, outcome.result_key, outcome.scenario_id, outcome.invalidation,
                outcome.received_at, {is_current} AS is_current
            FROM arc_recorder.outcomes AS outcome
            WHERE {of_outcome} AND ($2::uuid IS NULL OR outcome.outcome_id = $2)
        ), listed AS (
            SELECT placed.annotation_id, placed.kind, placed.outcome_id, placed.result_key,
                made.scenario_id, placed.metric, placed.old_value, placed.new_value,
                placed.reason, placed.author, placed.annotated_at, placed.undoes,
                CASE WHEN is_undone THEN 'undone' WHEN NOT is_newest THEN 'replaced'
                    WHEN placed.kind = 'score' AND NOT made.is_current THEN 'superseded'
                    ELSE 'valid' END AS state
            FROM placed
            JOIN (
                SELECT outcome.outcome_id, outcome.scenario_id, {is_current} AS is_current
                FROM arc_recorder.outcomes AS outcome WHERE {of_outcome}
            ) AS made ON made.outcome_id = placed.outcome_id
            WHERE $2::uuid IS NULL OR coalesce(placed.result_key, placed.outcome_id::text) IN (
                SELECT coalesce(chosen.result_key, chosen.outcome_id::text) FROM chosen)
            UNION ALL
            SELECT NULL, 'invalidate', chosen.outcome_id, chosen.result_key, chosen.scenario_id, NULL,
                NULL, NULL, chosen.invalidation->>'reason'::text,
                coalesce(chosen.invalidation->>'author'::text, 'the tool'),
                chosen.received_at, NULL,
                CASE WHEN EXISTS (
                    SELECT FROM placed
                    WHERE placed.is_newest AND placed.subject = 'invalidate'
                        AND coalesce(placed.result_key, placed.outcome_id::text)
                            = coalesce(chosen.result_key, chosen.outcome_id::text)
                ) THEN 'replaced' ELSE 'valid' END
            FROM chosen
            WHERE chosen.invalidation IS NOT NULL AND chosen.is_current
        )
        SELECT * FROM listed ORDER BY annotated_at, annotation_id NULLS FIRST LIMIT $3"#,
        replaced = replaced(),
        of_undo = of_simulation("undo"),
        of_annotation = of_simulation("annotation"),
        of_outcome = of_simulation("outcome"),
        is_current = format!("({IS_NOT_REPLACED} AND NOT {IS_SUPERSEDED})"),
    ))
    .with(simulation_id)
    .with(outcome_id)
    .with(limit)
}

impl Annotation {
    fn from_row(row: &Row) -> Self {
        Annotation {
            annotation_id: row.get("annotation_id"),
            kind: AnnotationKind::from_database(row.get("kind")),
            state: match row.get("state") {
                "undone" => AnnotationState::Undone,
                "replaced" => AnnotationState::Replaced,
                "superseded" => AnnotationState::Superseded,
                _ => AnnotationState::Valid,
            },
            outcome_id: row.get("outcome_id"),
            result_key: row.get("result_key"),
            scenario_id: row.get("scenario_id"),
            metric: row.get("metric"),
            old_value: row.get("old_value"),
            new_value: row.get("new_value"),
            reason: row.get("reason"),
            author: row.get("author"),
            annotated_at: row.get("annotated_at"),
            undoes: row.get("undoes"),
        }
    }

    /// Whether it replaces the recorded value of this subject of a result.
    fn changes(&self, target: &Target, kind: AnnotationKind, metric: Option<&str>) -> bool {
        let is_of_result = match kind {
            AnnotationKind::Score => self.outcome_id == target.outcome_id,
            _ => target_name(self.result_key.as_deref(), self.outcome_id) == target.name(),
        };
        self.kind == kind
            && is_of_result
            && self.metric.as_deref() == metric
            && matches!(self.state, AnnotationState::Valid | AnnotationState::Superseded)
    }
}

impl Store {
    /// Returns the annotations of a simulation, or of one result in all its revisions, oldest first: at
    /// most 10,000. The marks with which tools have invalidated results are among them.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such simulation.
    pub async fn annotations(
        &self,
        simulation_id: Uuid,
        outcome_id: Option<Uuid>,
    ) -> Result<Vec<Annotation>> {
        let limit = i64::try_from(MOST_ANNOTATIONS).unwrap_or(i64::MAX);
        let statement = annotations_statement(simulation_id, outcome_id, limit);
        let rows = self.rows_of(simulation_id, statement, "read the annotations").await?;
        if rows.is_empty() {
            self.simulation(simulation_id).await?;
        }
        Ok(rows.iter().map(Annotation::from_row).collect())
    }

    /// Returns the annotated failure classes of these simulations.
    pub(super) async fn annotated_classes(&self, ids: Vec<Uuid>) -> Result<AnnotatedClasses> {
        let rows =
            self.rows(&Statement::new(CLASSES).with(ids), "read the failure classes").await?;
        let class = |row: &Row| {
            let class: Value = row.get("new_value");
            let class = class.as_str().unwrap_or_default().to_owned();
            ((row.get("simulation_id"), row.get("target")), (class, row.get("author")))
        };
        Ok(rows.iter().map(class).collect())
    }

    /// Makes annotations, all or none, and returns them. The figures of a simulation that has ended
    /// become stale. An annotation whose id exists is not made again. `author` is the author of those that
    /// have none; the default is the user of the database.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such simulation, result or annotation; [`Error::Invalid`] for
    /// an annotation that is incomplete, or whose value does not fit its kind.
    pub async fn annotate(
        &self,
        simulation_id: Uuid,
        annotations: &[NewAnnotation],
        author: Option<&str>,
    ) -> Result<Vec<Annotation>> {
        check(annotations)?;
        let failed = |error| Error::postgres("store the annotations", error);
        let time = self.row_time(simulation_id).await?;
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(failed)?;
        let locked = locked_for_change(&transaction, simulation_id).await.map_err(failed)?;
        let simulation = locked.ok_or_else(|| not_found(simulation_id))?;
        let row = transaction
            .query_one("SELECT session_user::text, pg_catalog.clock_timestamp()", &[])
            .await
            .map_err(failed)?;
        let author = author.map_or_else(|| row.get(0), str::to_owned);
        let now: Timestamp = row.get(1);

        let statement = annotations_statement(simulation_id, None, i64::MAX).at(time);
        let rows = transaction.query(statement.sql.as_ref(), &statement.values()).await;
        let existing: Vec<Annotation> =
            rows.map_err(failed)?.iter().map(Annotation::from_row).collect();
        let targets = read_targets(&transaction, simulation_id, time, annotations, &existing);
        let targets = targets.await.map_err(failed)?;
        let made = resolve(simulation_id, annotations, &targets, &existing, &author, now)?;
        let partition_time = simulation.partition_time;
        insert(&transaction, simulation_id, partition_time, &made).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(made)
    }
}

/// Checks each annotation.
fn check(annotations: &[NewAnnotation]) -> Result<()> {
    if annotations.is_empty() || annotations.len() > MOST_ANNOTATIONS {
        let count = annotations.len();
        return Err(Error::invalid(format!(
            "a request has from 1 to {MOST_ANNOTATIONS} annotations, not {count}"
        )));
    }
    for (position, new) in annotations.iter().enumerate() {
        check_one(new).map_err(|reason| {
            Error::invalid(format!("annotation {position} ({}): {reason}", new.kind))
        })?;
    }
    Ok(())
}

fn check_one(new: &NewAnnotation) -> std::result::Result<(), String> {
    let named = [new.outcome_id.is_some(), new.result_key.is_some(), new.scenario_id.is_some()];
    let named = named.into_iter().filter(|is_named| *is_named).count();
    match new.kind {
        AnnotationKind::Undo if new.undoes.is_none() || named > 0 => {
            return Err("an undo names an annotation in `undoes`, and no result".to_owned());
        }
        AnnotationKind::Undo => {}
        _ if new.undoes.is_some() => {
            return Err("only an undo has `undoes`".to_owned());
        }
        _ if named != 1 => {
            return Err(format!(
                "it names its result by one of outcome_id, result_key and scenario_id, not by {named}"
            ));
        }
        _ => {}
    }
    if new.trial.is_some_and(|trial| trial < 1 || new.scenario_id.is_none()) {
        return Err("a trial is counted from 1, and belongs to a scenario_id".to_owned());
    }
    if new.metric.is_some() && new.kind != AnnotationKind::Score {
        return Err("only a score has a metric".to_owned());
    }
    let names = [&new.author, &new.metric];
    if names.into_iter().flatten().any(|name| name.is_empty() || name.len() > NAME_BYTES) {
        return Err(format!("an author and a metric have from 1 to {NAME_BYTES} bytes"));
    }
    if new.reason.as_ref().is_some_and(|reason| reason.len() > TEXT_BYTES) {
        return Err(format!("a reason has at most {TEXT_BYTES} bytes"));
    }
    let texts = [&new.author, &new.metric, &new.reason];
    if texts.into_iter().flatten().any(|text| text.contains('\0')) {
        return Err("PostgreSQL stores no NUL character".to_owned());
    }
    check_value(new)
}

fn check_value(new: &NewAnnotation) -> std::result::Result<(), String> {
    let text = |most: usize| match &new.value {
        Some(Value::String(text)) if (1..=most).contains(&text.len()) && !text.contains('\0') => {
            Ok(())
        }
        other => {
            Err(format!("the value is a text of 1 to {most} bytes, not {}", shown(other.as_ref())))
        }
    };
    match new.kind {
        AnnotationKind::Note => text(TEXT_BYTES),
        AnnotationKind::Tag => text(NAME_BYTES),
        AnnotationKind::Score => match &new.value {
            Some(Value::Number(_)) => Ok(()),
            other => Err(format!("the value is a number, not {}", shown(other.as_ref()))),
        },
        AnnotationKind::FailureClass => {
            let name = new.value.as_ref().and_then(Value::as_str);
            name.and_then(FailureClass::from_name).map(drop).ok_or_else(|| {
                format!(
                    "the value is infrastructure, agent, scorer, harness or undecided, not {}",
                    shown(new.value.as_ref())
                )
            })
        }
        AnnotationKind::Invalidate | AnnotationKind::Restore | AnnotationKind::Undo => {
            match &new.value {
                None => Ok(()),
                Some(_) => Err("it has no value".to_owned()),
            }
        }
    }
}

/// Formats a value for an error.
fn shown(value: Option<&Value>) -> String {
    let Some(value) = value else { return "absent".to_owned() };
    let mut text = value.to_string();
    if text.len() > 100 {
        text.truncate(text.floor_char_boundary(100));
        text.push('…');
    }
    text
}

/// Reads the outcomes that the annotations name, and those of the annotations that are undone.
async fn read_targets(
    transaction: &Transaction<'_>,
    simulation_id: Uuid,
    time: Option<Timestamp>,
    annotations: &[NewAnnotation],
    existing: &[Annotation],
) -> std::result::Result<Vec<Target>, tokio_postgres::Error> {
    let undone: HashSet<Uuid> = annotations.iter().filter_map(|new| new.undoes).collect();
    let is_undone = |one: &&Annotation| one.annotation_id.is_some_and(|id| undone.contains(&id));
    let ids: Vec<Uuid> = annotations
        .iter()
        .filter_map(|new| new.outcome_id)
        .chain(existing.iter().filter(is_undone).map(|one| one.outcome_id))
        .collect();
    let keys: Vec<&str> = annotations.iter().filter_map(|new| new.result_key.as_deref()).collect();
    let scenarios: Vec<&str> =
        annotations.iter().filter_map(|new| new.scenario_id.as_deref()).collect();
    let mut values: Vec<(&(dyn ToSql + Sync), Type)> = vec![
        (&simulation_id, Type::UUID),
        (&ids, Type::UUID_ARRAY),
        (&keys, Type::TEXT_ARRAY),
        (&scenarios, Type::TEXT_ARRAY),
    ];
    if let Some(time) = &time {
        values.push((time, Type::TIMESTAMPTZ));
    }
    let select = format!(
        r#"SELECT outcome.outcome_id, outcome.result_key, outcome.scenario_id, outcome.trial,
            outcome.headline, outcome.scores, outcome.failure_class, outcome.is_current,
            outcome.is_current AND pg_catalog.lead(1) OVER (
                PARTITION BY outcome.scenario_id COLLATE "C", outcome.trial, outcome.place COLLATE "C"
                ORDER BY outcome.is_current, {ATTEMPT_ORDER}
            ) IS NULL AS is_latest
        FROM (
            SELECT outcome.*, {} AS is_current
            FROM arc_recorder.outcomes AS outcome
            WHERE {} AND (outcome.outcome_id = ANY ($2)
                OR outcome.result_key COLLATE "C" = ANY ($3)
                OR outcome.scenario_id COLLATE "C" = ANY ($4))
            OFFSET 0
        ) AS outcome
        ORDER BY outcome.scenario_id COLLATE "C", outcome.trial, outcome.outcome_id"#,
        is_current("outcome"),
        of_simulation("outcome"),
    );
    let select = with_time(&select, time.map(|_| values.len()));
    let rows = transaction.query_planned_anew(&select, &values).await?;
    Ok(rows.iter().map(Target::from_row).collect())
}

/// Returns the annotations to be stored, each for one outcome.
fn resolve(
    simulation_id: Uuid,
    annotations: &[NewAnnotation],
    targets: &[Target],
    existing: &[Annotation],
    author: &str,
    now: Timestamp,
) -> Result<Vec<Annotation>> {
    let by_id: HashMap<Uuid, &Annotation> =
        existing.iter().filter_map(|one| Some((one.annotation_id?, one))).collect();
    let mut made: Vec<Annotation> = Vec::with_capacity(annotations.len());
    for new in annotations {
        let undone = match new.undoes {
            None => None,
            Some(id) => Some(*by_id.get(&id).ok_or_else(|| no_annotation(simulation_id, id))?),
        };
        let named: Vec<&Target> = match undone {
            Some(undone) => {
                targets.iter().filter(|one| one.outcome_id == undone.outcome_id).collect()
            }
            None => targets.iter().filter(|one| one.is_named_by(new)).collect(),
        };
        if named.is_empty() {
            return Err(no_result(simulation_id, new));
        }
        let several = named.len() > 1;
        for target in named {
            let metric = metric_of(new, target)?;
            let annotation_id = match new.annotation_id {
                Some(id) if several => derived_id(id, target.outcome_id),
                Some(id) => id,
                None => identity::new_id(),
            };
            // A repeated request returns the annotation that exists.
            if let Some(same) = by_id.get(&annotation_id) {
                made.push((*same).clone());
                continue;
            }
            let before = |one: &&Annotation| one.changes(target, new.kind, metric.as_deref());
            let earlier = made.iter().rev().chain(existing.iter().rev()).find(before);
            let old_value = match (new.kind, earlier) {
                (AnnotationKind::Undo, _) => undone.and_then(|one| one.new_value.clone()),
                (_, Some(earlier)) => earlier.new_value.clone(),
                (AnnotationKind::Score, None) => {
                    metric.as_deref().and_then(|one| target.score(one))
                }
                (AnnotationKind::FailureClass, None) => {
                    target.failure_class.clone().map(Value::String)
                }
                _ => None,
            };
            made.push(Annotation {
                annotation_id: Some(annotation_id),
                kind: new.kind,
                state: AnnotationState::Valid,
                outcome_id: target.outcome_id,
                result_key: target.result_key.clone(),
                scenario_id: target.scenario_id.clone(),
                metric,
                old_value: old_value
                    .filter(|_| !matches!(new.kind, AnnotationKind::Note | AnnotationKind::Tag)),
                new_value: new.value.clone(),
                reason: new.reason.clone(),
                author: new.author.clone().unwrap_or_else(|| author.to_owned()),
                annotated_at: now,
                undoes: new.undoes,
            });
            if made.len() > MOST_ANNOTATIONS {
                return Err(Error::invalid(format!(
                    "the request makes more than {MOST_ANNOTATIONS} annotations"
                ))
                .with_hint("name fewer results in one request"));
            }
        }
    }
    Ok(made)
}

/// Returns the metric of a changed score, which the result must have.
fn metric_of(new: &NewAnnotation, target: &Target) -> Result<Option<String>> {
    if new.kind != AnnotationKind::Score {
        return Ok(None);
    }
    let Some(metric) = new.metric.clone().or_else(|| target.headline.clone()) else {
        return Err(Error::invalid(format!(
            "outcome {} has no score of its own: name the metric",
            target.outcome_id
        )));
    };
    if target.score(&metric).is_none() {
        return Err(Error::invalid(format!(
            "outcome {} has no score {metric:?}, so it cannot be changed",
            target.outcome_id
        )));
    }
    Ok(Some(metric))
}

/// Returns the id of one of the annotations that a request with this id makes.
fn derived_id(annotation_id: Uuid, outcome_id: Uuid) -> Uuid {
    let mut fingerprint = Fingerprint::new("annotation");
    fingerprint.part(annotation_id.as_bytes());
    fingerprint.part(outcome_id.as_bytes());
    fingerprint.uuid()
}

fn no_annotation(simulation_id: Uuid, id: Uuid) -> Error {
    Error::not_found(format!("simulation {simulation_id} has no annotation {id}"))
        .with_hint(format!("list them with `arc-host annotations {simulation_id}`"))
}

fn no_result(simulation_id: Uuid, new: &NewAnnotation) -> Error {
    let result = match (new.outcome_id, &new.result_key, &new.scenario_id, new.trial) {
        (Some(id), _, _, _) => format!("outcome {id}"),
        (None, Some(key), _, _) => format!("result with the key {key:?} that counts"),
        (None, None, Some(scenario), Some(trial)) => {
            format!("result of trial {trial} of scenario {scenario:?} that counts")
        }
        (None, None, scenario, _) => {
            format!("result of scenario {:?} that counts", scenario.as_deref().unwrap_or_default())
        }
    };
    Error::not_found(format!("simulation {simulation_id} has no {result}"))
        .with_hint(format!("list its outcomes with `arc-host outcomes {simulation_id}`"))
}

async fn insert(
    transaction: &Transaction<'_>,
    simulation_id: Uuid,
    partition_time: Timestamp,
    annotations: &[Annotation],
) -> std::result::Result<(), tokio_postgres::Error> {
    fn column<'a, T>(
        annotations: &'a [Annotation],
        value: impl FnMut(&'a Annotation) -> T,
    ) -> Vec<T> {
        annotations.iter().map(value).collect()
    }
    transaction
        .execute(
            "INSERT INTO arc_recorder.annotations (simulation_id, partition_time, annotation_id,
                 outcome_id, result_key, annotated_at, author, kind, metric, old_value, new_value,
                 reason, undoes)
             SELECT $1, $2, one.annotation_id, one.outcome_id, one.result_key, one.annotated_at,
                 one.author, one.kind, one.metric, one.old_value, one.new_value, one.reason, one.undoes
             FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::timestamptz[], $7::text[], $8::text[],
                     $9::text[], $10::jsonb[], $11::jsonb[], $12::text[], $13::uuid[])
                 AS one (annotation_id, outcome_id, result_key, annotated_at, author, kind, metric,
                     old_value, new_value, reason, undoes)
             ON CONFLICT (simulation_id, annotation_id, partition_time) DO NOTHING",
            &[
                &simulation_id,
                &partition_time,
                &column(annotations, |one| one.annotation_id),
                &column(annotations, |one| one.outcome_id),
                &column(annotations, |one| one.result_key.as_deref()),
                &column(annotations, |one| one.annotated_at),
                &column(annotations, |one| one.author.as_str()),
                &column(annotations, |one| one.kind.as_str()),
                &column(annotations, |one| one.metric.as_deref()),
                &column(annotations, |one| one.old_value.as_ref()),
                &column(annotations, |one| one.new_value.as_ref()),
                &column(annotations, |one| one.reason.as_deref()),
                &column(annotations, |one| one.undoes),
            ],
        )
        .await?;
    Ok(())
}
