//! Two services whose clocks are minutes apart, and runners that send attempts at a scenario to both in turn, while the
//! database is restarted: the latest attempt is the last one that was acknowledged.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::{Value, json};
use uuid::Uuid;

use super::ledger::{Ledger, Way};
use super::run::{Random, Run};
use crate::support::{
    DatabaseServer, Files, Program, Service, ShiftedClock, http_client, skip_without_tool,
};

/// The number of concurrent runners.
const RUNNERS: usize = 4;

/// The error of the second service's clock, in seconds.
const FAR: i64 = -180;

/// The time that a runner works between two attempts: longer than the remaining difference of the corrected clocks.
const WORK: Duration = Duration::from_millis(25);

/// The pause before a retry.
const PAUSE: Duration = Duration::from_millis(20);

/// How long an attempt is retried before the test fails.
const RETRY_TIMEOUT: Duration = Duration::from_secs(120);

/// The outcome of the last acknowledged attempt, by simulation and scenario.
type LastAttempts = Arc<Mutex<HashMap<(Uuid, String), String>>>;

/// A runner that makes attempts at one scenario after the other and alternates between the services.
struct Runner {
    ledger: Arc<Ledger>,
    stop: Arc<AtomicBool>,
    random: Random,
    simulation_id: Uuid,
    services: [String; 2],
    last_attempts: LastAttempts,
}

impl Runner {
    async fn run(mut self) {
        let client = http_client(Client::builder());
        for scenario in 0_u64.. {
            let id = format!("s{scenario}");
            for attempt in 0..self.random.between(2, 5) {
                if self.stop.load(Ordering::Relaxed) {
                    return;
                }
                let document = json!({
                    "scenario": {"id": id}, "trajectory": {"status": "success"},
                    "reliability_score": 0.5, "attempt": attempt,
                    "runner": self.simulation_id,
                })
                .to_string();
                self.ledger.send(&document);
                let first = self.random.between(0, 1);
                let (outcome_id, way) = self.record(&client, &document, first + attempt).await;
                self.ledger.acknowledge(&outcome_id, &document, way);
                let key = (self.simulation_id, id.clone());
                self.last_attempts.lock().unwrap().insert(key, outcome_id);
                tokio::time::sleep(WORK).await;
            }
        }
    }

    /// Sends an attempt to the services in turn, as a load balancer does, until one accepts it.
    async fn record(&self, client: &Client, document: &str, first: u64) -> (String, Way) {
        let since = Instant::now();
        for turn in first.. {
            let service = &self.services[usize::try_from(turn % 2).unwrap()];
            let url = format!("{service}/v1/simulations/{}/outcomes", self.simulation_id);
            let request = client.post(url).header("content-type", "application/json");
            if let Ok(response) = request.body(document.to_owned()).send().await {
                let status = response.status().as_u16();
                let verdict: Value = response.json().await.unwrap_or_default();
                let outcome_id = || verdict["outcome_id"].as_str().unwrap().to_owned();
                match status {
                    200 => return (outcome_id(), Way::Service),
                    202 => return (outcome_id(), Way::Spool),
                    429 | 503 | 504 => {}
                    _ => panic!("{status} {verdict}"),
                }
            }
            assert!(since.elapsed() < RETRY_TIMEOUT, "an attempt was not acknowledged");
            tokio::time::sleep(PAUSE).await;
        }
        unreachable!("turns do not end")
    }
}

#[test]
fn two_services_with_clocks_apart() {
    let Some(clock) = ShiftedClock::ahead_by(FAR) else {
        skip_without_tool("the test of clocks", "nothing can be preloaded here (Linux, cc)");
        return;
    };
    let mut run = Run::begin("clocks apart");
    let mut server = DatabaseServer::start();
    let folders = [Files::new(), Files::new()];
    let programs = [Program::with_url(&server.url()), clock.of(Program::with_url(&server.url()))];
    let options = ["--log-level", "info"];
    let services: Vec<Service> = programs
        .iter()
        .zip(&folders)
        .map(|(program, files)| Service::start(program, files, &options))
        .collect();
    let last_attempts = LastAttempts::default();
    for _ in 0..RUNNERS {
        let simulation_id = services[0].start_simulation(&[]).parse().unwrap();
        let urls = [services[0].url().to_owned(), services[1].url().to_owned()];
        let last_attempts = Arc::clone(&last_attempts);
        run.send_otherwise(|ledger, stop, random, _| {
            let services = urls;
            Runner { ledger, stop, random, simulation_id, services, last_attempts }.run()
        });
    }
    for _ in 0..Run::rounds(4) {
        run.wait(&[Way::Service]);
        server.stop();
        run.wait(&[Way::Spool]);
        server.resume();
        run.count_round();
    }
    run.wait(&[Way::Service]);
    run.end_senders();
    for service in &services {
        service.wait_for_empty_spool();
        let health = service.get("/v1/health").has(200).json();
        assert_eq!(health["spool"]["dead_letters"], 0, "{health}");
    }

    let rows = server.query(
        "SELECT DISTINCT ON (simulation_id, scenario_id)
             simulation_id::text, scenario_id, outcome_id::text
         FROM arc_recorder.outcomes
         ORDER BY simulation_id, scenario_id, received_at DESC, outcome_id DESC",
    );
    let expected = std::mem::take(&mut *last_attempts.lock().unwrap());
    assert_eq!(rows.len(), expected.len());
    for row in &rows {
        let simulation_id: Uuid = row.get::<_, &str>(0).parse().unwrap();
        let key = (simulation_id, row.get::<_, String>(1));
        let latest: &str = row.get(2);
        assert_eq!(expected.get(&key).map(String::as_str), Some(latest), "{key:?}");
    }
    run.check(&server);
}
