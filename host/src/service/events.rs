//! Progress of simulations as server-sent events.
//!
//! One query serves all watchers of a simulation, and also finds what other hosts have committed.
//! NOTIFY would make commits wait for one another, so the database is polled: at most twice a second,
//! and for at most a tenth of the time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Response, header};
use bytes::Bytes;
use tokio::sync::watch;
use uuid::Uuid;

use super::answer::{Answer, CompressionOptOut};
use super::app::SharedApp;
use super::concurrency::ConcurrencyPermit;
use super::guard::{Caller, StreamAuthorization};
use super::parameters::SimulationId;
use crate::error::Error;
use crate::lock::lock;
use crate::recorder::SimulationProgress;
use crate::store::SimulationStatus;
use crate::wire::Problem;

/// The shortest time between two queries.
const PAUSE: Duration = Duration::from_millis(500);

/// The queries of a slow database use at most one part of the time in this many.
const SHARE: u32 = 10;

/// How often a client receives a keep-alive comment.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The last known status of a simulation, shared by all watchers.
type Changes = watch::Receiver<Arc<SimulationProgress>>;

/// The simulations that are watched.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    watched: Mutex<HashMap<Uuid, watch::Sender<Arc<SimulationProgress>>>>,
}

impl Watchers {
    /// Subscribes to a simulation. Its last known status is the first change for each subscriber; the
    /// first subscriber also receives the sender, and has to query the database.
    fn join(
        &self,
        simulation_id: Uuid,
        now: Arc<SimulationProgress>,
    ) -> (Changes, Option<watch::Sender<Arc<SimulationProgress>>>) {
        let mut watched = self.watched();
        let known = watched.get(&simulation_id).map(watch::Sender::subscribe);
        let (mut changes, asking) = match known {
            Some(changes) => (changes, None),
            None => {
                let (sender, changes) = watch::channel(now);
                watched.insert(simulation_id, sender.clone());
                (changes, Some(sender))
            }
        };
        drop(watched);
        changes.mark_changed();
        (changes, asking)
    }

    fn watched(&self) -> MutexGuard<'_, HashMap<Uuid, watch::Sender<Arc<SimulationProgress>>>> {
        lock(&self.watched)
    }
}

/// A simulation's progress as it is committed, by any host: server-sent events.
///
/// An event `progress` has the simulation's status as its data; after the event `end` there is no
/// other. A client that comes back gets the state as it is then. An event `problem` is the last
/// one, too: the token was revoked.
#[utoipa::path(
    get, path = "/v1/simulations/{simulation_id}/events", tag = "reading",
    operation_id = "simulation_events",
    params(SimulationId),
    responses(
        (status = 200, description = "Events", body = String, content_type = "text/event-stream"),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn simulation_events(
    State(app): State<SharedApp>,
    SimulationId(simulation_id): SimulationId,
    caller: Option<Extension<Caller>>,
) -> Answer {
    let place = app.limits.events.acquire(caller.as_deref())?;
    let now = Arc::new(app.recorder.simulation_status(simulation_id).await?);
    let (changes, asking) = app.watchers.join(simulation_id, now);
    if let Some(sender) = asking {
        tokio::spawn(ask(SharedApp::clone(&app), simulation_id, sender));
    }
    let events = Events {
        changes,
        stopping: app.stopping.subscribe(),
        authorization: StreamAuthorization::of(&app, caller.as_deref()),
        number: 0,
        ended: false,
        _place: place,
    };
    let stream = futures_util::stream::unfold(events, |mut events| async {
        let text = events.next().await?;
        Some((Ok::<_, std::convert::Infallible>(text), events))
    });
    let mut response = Response::new(Body::from_stream(stream));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.extensions_mut().insert(CompressionOptOut);
    Ok(response)
}

/// Polls a simulation as long as it has watchers and is running.
async fn ask(app: SharedApp, simulation_id: Uuid, sender: watch::Sender<Arc<SimulationProgress>>) {
    let mut took = Duration::ZERO;
    loop {
        tokio::time::sleep(PAUSE.max(took * SHARE)).await;
        let asked_at = Instant::now();
        let mut gone = false;
        match app.recorder.simulation_status(simulation_id).await {
            Ok(progress) => {
                sender.send_if_modified(|last| {
                    let changed = differs(last, &progress);
                    *last = Arc::new(progress);
                    changed
                });
            }
            // The simulation was removed; a client that reconnects gets the error.
            Err(Error::NotFound(_) | Error::SimulationRemoved(_)) => gone = true,
            // An unavailable database is polled again.
            Err(_) => {}
        }
        took = asked_at.elapsed();
        // No subscriber can join under this lock, so each gets the last status.
        let mut watched = app.watchers.watched();
        let ended = sender.borrow().status != SimulationStatus::Running;
        if ended || gone || sender.receiver_count() == 0 {
            watched.remove(&simulation_id);
            return;
        }
    }
}

/// Returns whether anything except the elapsed time has changed.
fn differs(one: &SimulationProgress, other: &SimulationProgress) -> bool {
    let still = |progress: &SimulationProgress| SimulationProgress {
        execution_time_ms: 0.0,
        ..progress.clone()
    };
    still(one) != still(other)
}

/// The events of one client.
struct Events {
    changes: Changes,
    stopping: watch::Receiver<bool>,
    authorization: StreamAuthorization,
    number: u64,
    ended: bool,
    _place: ConcurrencyPermit,
}

impl Events {
    async fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        let progress = tokio::select! {
            biased;
            failure = self.authorization.ended() => {
                self.ended = true;
                let problem = serde_json::to_string(&failure.problem).unwrap_or_default();
                return Some(format!("event: problem\ndata: {problem}\n\n").into());
            }
            changed = self.changes.changed() => match changed {
                Ok(()) => Arc::clone(&self.changes.borrow_and_update()),
                // The task that queried has ended; the client reconnects.
                Err(_) => return None,
            },
            _ = self.stopping.wait_for(|stopping| *stopping) => return None,
            () = tokio::time::sleep(HEARTBEAT) => return Some(Bytes::from_static(b": \n\n")),
        };
        self.number += 1;
        let data = serde_json::to_string(&*progress).unwrap_or_default();
        let mut text = format!("id: {}\nevent: progress\ndata: {data}\n\n", self.number);
        if progress.status != SimulationStatus::Running {
            self.ended = true;
            let status = progress.status.as_str();
            text.push_str(&format!("event: end\ndata: {{\"status\":\"{status}\"}}\n\n"));
        }
        Some(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_outcomes(count: i64) -> Arc<SimulationProgress> {
        let progress = serde_json::json!({
            "simulation_id": Uuid::nil(), "config_version_id": "", "status": "running",
            "progress_percentage": 0.0, "total_scenarios": 9, "completed_scenarios": count,
            "successful_outcomes": 0, "failed_outcomes": 0, "rejected_results": 0,
            "invalidated_outcomes": 0, "superseded_outcomes": 0, "superseded_results": [],
            "metrics": [], "metric_definitions": [], "higher_is_better_assumed": [], "warnings": [],
            "recorded_outcomes": count, "by_status": {}, "by_error_category": {}, "by_failure_class": {},
            "infrastructure_outcomes": 0,
            "review": {"invalidated": 0, "restored": 0, "changed_scores": 0, "superseded_scores": 0,
                "changed_classes": 0, "noted": 0},
            "tags": [], "project": "default", "models": [], "usage": [], "prices_dated": [], "unpriced_outcomes": 0,
            "total_tokens": 0, "total_cost_usd": 0.0, "execution_time_ms": 0.0,
            "all_roles_tokens": 0, "all_roles_cost_usd": 0.0,
            "created_at": "2026-01-01T00:00:00Z", "started_at": "2026-01-01T00:00:00Z",
        });
        Arc::new(serde_json::from_value(progress).unwrap())
    }

    #[tokio::test]
    async fn a_change_before_a_watcher_joined_is_its_first_change() {
        let watchers = Watchers::default();
        let (mut first, asking) = watchers.join(Uuid::nil(), with_outcomes(1));
        first.changed().await.unwrap();
        assert_eq!(first.borrow_and_update().recorded_outcomes, 1);
        let asking = asking.unwrap();
        // This client has read the status before the change, and joins after it.
        let asked_before = with_outcomes(1);
        asking.send_replace(with_outcomes(2));
        let (mut second, no_sender) = watchers.join(Uuid::nil(), asked_before);
        assert!(no_sender.is_none());
        for changes in [&mut first, &mut second] {
            changes.changed().await.unwrap();
            assert_eq!(changes.borrow_and_update().recorded_outcomes, 2);
        }
        // Also if the simulation has ended since, and there are no further queries.
        let (mut third, _) = watchers.join(Uuid::nil(), with_outcomes(2));
        watchers.watched().clear();
        drop(asking);
        third.changed().await.unwrap();
        assert!(third.changed().await.is_err());
    }
}
