//! The spool's entries, for an administrator: list, show, requeue, drop.

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::answer::{self, Answer, Failure};
use super::app::{App, SharedApp};
use super::body;
use super::parameters::{Parameters, checked_limit};
use super::simulations::parse;
use crate::paging::PAGE_ROWS;
use crate::spool::{EntryFilter, Spool};
use crate::wire::{
    DeadLetterSelection, Problem, ProblemCode, SpoolDropped, SpoolEntry, SpoolEntryDocument,
    SpoolEntryList, SpoolRequeued,
};

/// The default number of entries of a page.
const PAGE: u32 = 100;

/// The most bytes of entries that are read for a page.
const PAGE_BYTES: u64 = 16 << 20;

/// The longest body of a request: a million numbers.
const BODY_BYTES: u64 = 16 << 20;

/// Which entries of the spool.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SpoolQuery {
    /// Also those that wait; otherwise only dead letters.
    #[serde(default)]
    waiting: bool,
    /// How many at most. Default: 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// Only those with a greater number.
    after: Option<u64>,
}

fn spool_of(app: &App) -> Result<&Spool, Failure> {
    app.delivery
        .spool()
        .ok_or_else(|| Failure::new(ProblemCode::NotFound, "this service has no spool"))
}

/// The spool's dead letters, oldest first, without their documents.
///
/// Needs a token with the scope `admin`.
#[utoipa::path(
    get, path = "/v1/spool/entries", tag = "operation", operation_id = "list_spool_entries",
    params(SpoolQuery),
    responses(
        (status = 200, description = "A page", body = SpoolEntryList),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list_spool_entries(
    State(app): State<SharedApp>,
    Parameters(query): Parameters<SpoolQuery>,
) -> Answer {
    let limit = checked_limit(query.limit, PAGE, PAGE_ROWS)? as usize;
    let listed = EntryFilter { after: query.after.unwrap_or(0), dead_letters: !query.waiting };
    // One more than the page, to find out whether there is another page.
    let mut found = spool_of(&app)?.list(listed, limit + 1, PAGE_BYTES).await?;
    let more = found.len() > limit || found.iter().map(|kept| kept.bytes).sum::<u64>() > PAGE_BYTES;
    found.truncate(limit);
    let after = found.last().filter(|_| more).map(|last| last.sequence);
    let list = SpoolEntryList { entries: found.iter().map(SpoolEntry::from).collect(), after };
    Ok(answer::json(StatusCode::OK, &list))
}

/// An entry of the spool with its document.
///
/// Needs a token with the scope `admin`.
#[utoipa::path(
    get, path = "/v1/spool/entries/{sequence}", tag = "operation", operation_id = "spool_entry",
    params(("sequence" = u64, Path, description = "The entry's number")),
    responses(
        (status = 200, description = "The entry", body = SpoolEntryDocument),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn spool_entry(
    State(app): State<SharedApp>,
    Path(sequence): Path<String>,
) -> Answer {
    let sequence: u64 = sequence.parse().map_err(|_| {
        Failure::new(ProblemCode::InvalidRequest, "the path holds no number of an entry")
    })?;
    match spool_of(&app)?.entry(sequence).await? {
        Some((kept, bytes)) => {
            Ok(answer::json(StatusCode::OK, &SpoolEntryDocument::new(&kept, &bytes)))
        }
        None => Err(Failure::new(
            ProblemCode::NotFound,
            format!("the spool has no entry with the number {sequence}"),
        )),
    }
}

async fn choice(app: &App, request: Request) -> Result<Option<Vec<u64>>, Failure> {
    let (parts, body) = request.into_parts();
    super::parameters::body_type(&parts.headers)?;
    let (bytes, _room) = body::whole(app, body, BODY_BYTES).await?;
    let choice: DeadLetterSelection = parse(&bytes)?;
    choice.sequences().map_err(|reason| Failure::new(ProblemCode::InvalidRequest, reason))
}

/// Put dead letters back at the end of the queue.
///
/// Needs a token with the scope `admin`. They get new numbers; an entry that is refused again is a dead
/// letter again.
#[utoipa::path(
    post, path = "/v1/spool/requeue", tag = "operation", operation_id = "requeue_dead_letters",
    request_body = DeadLetterSelection,
    responses(
        (status = 200, description = "How many wait again", body = SpoolRequeued),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn requeue_dead_letters(State(app): State<SharedApp>, request: Request) -> Answer {
    spool_of(&app)?;
    let sequences = choice(&app, request).await?;
    let requeued = app.delivery.requeue(sequences).await?.unwrap_or_default();
    let requeued = SpoolRequeued { entries: requeued.entries, unreadable: requeued.unreadable };
    Ok(answer::json(StatusCode::OK, &requeued))
}

/// Remove dead letters permanently.
///
/// Needs a token with the scope `admin`. Waiting entries are never dropped.
#[utoipa::path(
    post, path = "/v1/spool/drop", tag = "operation", operation_id = "drop_dead_letters",
    request_body = DeadLetterSelection,
    responses(
        (status = 200, description = "How many were removed", body = SpoolDropped),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn drop_dead_letters(State(app): State<SharedApp>, request: Request) -> Answer {
    let spool = spool_of(&app)?;
    let sequences = choice(&app, request).await?;
    let entries = spool.drop_dead_letters(sequences).await?;
    tracing::warn!(entries, "dead letters of the spool were dropped");
    Ok(answer::json(StatusCode::OK, &SpoolDropped { entries }))
}
