//! Progress as it happens: server-sent events.
//!
//! One question a simulation serves all who watch it, however many they are, and finds what other
//! hosts have committed, too. NOTIFY would make commits wait for one another, so the database is
//! asked: at most twice a second, and a tenth of the time that the answers take.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Response, header};
use bytes::Bytes;
use tokio::sync::watch;
use uuid::Uuid;

use super::answer::Answer;
use super::app::SharedApp;
use super::parameters::SimulationId;
use super::record::Uncompressed;
use crate::recorder::SimulationProgress;
use crate::store::SimulationStatus;
use crate::wire::Problem;

/// The shortest time between two questions.
const PAUSE: Duration = Duration::from_millis(500);

/// Of a database that takes long to answer one part in so many is used.
const SHARE: u32 = 10;

/// How often a client hears that the connection is there.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The simulations that are watched.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    watched: Mutex<HashMap<Uuid, watch::Sender<Arc<SimulationProgress>>>>,
}

/// Somebody who has joined, and, for the first one of a simulation, what the answers go to.
type Joined =
    (watch::Receiver<Arc<SimulationProgress>>, Option<watch::Sender<Arc<SimulationProgress>>>);

impl Watchers {
    /// Joins those who watch a simulation. What they know by now is news to whoever joins: between
    /// the question that gave `now` and this, it may have become another.
    fn join(&self, simulation_id: Uuid, now: &Arc<SimulationProgress>) -> Joined {
        let mut watched = self.watched();
        let known = watched.get(&simulation_id).cloned();
        let is_new = known.is_none();
        let sender = known.unwrap_or_else(|| watch::Sender::new(Arc::clone(now)));
        let mut receiver = sender.subscribe();
        receiver.mark_changed();
        if is_new {
            watched.insert(simulation_id, sender.clone());
        }
        (receiver, is_new.then_some(sender))
    }

    fn watched(&self) -> MutexGuard<'_, HashMap<Uuid, watch::Sender<Arc<SimulationProgress>>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A simulation's progress as it is committed, by any host: server-sent events.
///
/// An event `progress` has the simulation's status as its data; after the event `end` there is no
/// other. A client that comes back gets the state as it is then.
#[utoipa::path(
    get, path = "/v1/simulations/{simulation_id}/events", tag = "reading",
    operation_id = "simulation_events",
    params(("simulation_id" = Uuid, Path, description = "The simulation's id")),
    responses(
        (status = 200, description = "Events", body = String, content_type = "text/event-stream"),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn simulation_events(
    State(app): State<SharedApp>,
    SimulationId(simulation_id): SimulationId,
) -> Answer {
    let now = Arc::new(app.recorder.simulation_status(simulation_id).await?);
    let changes = subscribe(&app, simulation_id, &now);
    let events = Events { changes, stopping: app.stopping.subscribe(), number: 0, ended: false };
    let stream = futures_util::stream::unfold(events, |mut events| async {
        let text = events.next().await?;
        Some((Ok::<_, std::convert::Infallible>(text), events))
    });
    let mut response = Response::new(Body::from_stream(stream));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.extensions_mut().insert(Uncompressed);
    Ok(response)
}

/// Joins those who watch a simulation, or begins to ask about it.
fn subscribe(
    app: &SharedApp,
    simulation_id: Uuid,
    now: &Arc<SimulationProgress>,
) -> watch::Receiver<Arc<SimulationProgress>> {
    let (receiver, begun) = app.watchers.join(simulation_id, now);
    if let Some(sender) = begun {
        tokio::spawn(ask(SharedApp::clone(app), simulation_id, sender));
    }
    receiver
}

/// Asks about a simulation for as long as anybody watches it and it runs.
async fn ask(app: SharedApp, simulation_id: Uuid, sender: watch::Sender<Arc<SimulationProgress>>) {
    let mut took = Duration::ZERO;
    loop {
        tokio::time::sleep(PAUSE.max(took * SHARE)).await;
        let asked_at = Instant::now();
        // A database that is away is asked again.
        if let Ok(progress) = app.recorder.simulation_status(simulation_id).await {
            sender.send_if_modified(|last| {
                let changed = differs(last, &progress);
                *last = Arc::new(progress);
                changed
            });
        }
        took = asked_at.elapsed();
        // Under the lock nobody can join whom this would leave without an answer.
        let mut watched = app.watchers.watched();
        let ended = sender.borrow().status != SimulationStatus::Running;
        if ended || sender.receiver_count() == 0 {
            watched.remove(&simulation_id);
            return;
        }
    }
}

/// Whether anything but the passing of time has changed.
fn differs(one: &SimulationProgress, other: &SimulationProgress) -> bool {
    let still = |progress: &SimulationProgress| SimulationProgress {
        execution_time_ms: 0.0,
        ..progress.clone()
    };
    still(one) != still(other)
}

/// The events for one client.
struct Events {
    changes: watch::Receiver<Arc<SimulationProgress>>,
    stopping: watch::Receiver<bool>,
    number: u64,
    ended: bool,
}

impl Events {
    async fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        let progress = tokio::select! {
            biased;
            changed = self.changes.changed() => match changed {
                Ok(()) => Arc::clone(&self.changes.borrow_and_update()),
                // Whoever asked has gone; the client comes back.
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
            let status = progress.status.word();
            text.push_str(&format!("event: end\ndata: {{\"status\":\"{status}\"}}\n\n"));
        }
        Some(text.into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn progress(completed: i64) -> Arc<SimulationProgress> {
        let value = json!({
            "simulation_id": Uuid::from_u128(1), "simulation_name": null,
            "config_version_id": "c", "status": "running", "progress_percentage": 0.0,
            "total_scenarios": 2, "completed_scenarios": completed, "successful_outcomes": 0,
            "failed_outcomes": 0, "rejected_results": 0, "recorded_outcomes": completed,
            "by_status": {}, "by_error_category": {}, "overall_score": null, "total_tokens": 0,
            "total_cost_usd": 0.0, "execution_time_ms": 0.0, "modal_app_id": null,
            "metadata": null, "created_at": "2025-03-01T10:00:00Z",
            "started_at": "2025-03-01T10:00:00Z", "completed_at": null,
        });
        Arc::new(serde_json::from_value(value).unwrap())
    }

    #[tokio::test]
    async fn a_change_between_the_question_and_the_joining_is_told() {
        let (watchers, id) = (Watchers::default(), Uuid::from_u128(1));
        let stopping = watch::Sender::new(false);
        let events =
            |changes| Events { changes, stopping: stopping.subscribe(), number: 0, ended: false };
        let (changes, begun) = watchers.join(id, &progress(0));
        let sender = begun.unwrap();
        let mut first = events(changes);
        let told = String::from_utf8(first.next().await.unwrap().to_vec()).unwrap();
        assert!(told.contains("\"completed_scenarios\":0"), "{told}");
        // One who has asked before the change joins after it.
        let asked = progress(0);
        sender.send_replace(progress(1));
        let (changes, begun) = watchers.join(id, &asked);
        assert!(begun.is_none());
        for mut events in [first, events(changes)] {
            let told = String::from_utf8(events.next().await.unwrap().to_vec()).unwrap();
            assert!(told.contains("\"completed_scenarios\":1"), "{told}");
        }
    }
}
