//! Runners that send continuously while the database is restarted and the service is killed: in the
//! end every acknowledged result is stored once.
//!
//! By default the test continues as soon as enough results were acknowledged between two faults.
//! With `ARC_SOAK_SECONDS` set it is a soak test of that length: the database is restarted every
//! minute, the service is killed every two, and the test prints its progress:
//!
//!     ARC_SOAK_SECONDS=600 cargo test --release --test end_to_end soak -- --nocapture

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{DEADLINE, DatabaseServer, Files, Http, Program, Service, result};

/// The number of concurrent runners.
const RUNNERS: usize = 6;

/// The least number of acknowledged results between two faults.
const BETWEEN: u64 = 400;

/// The number of faults in the short form.
const FAULTS: u64 = 6;

/// The time between two restarts of the database in the long form.
const PERIOD: Duration = Duration::from_secs(60);

/// The state that the runners share.
struct Shared {
    url: Mutex<String>,
    stop: AtomicBool,
    acknowledged: AtomicU64,
    spooled: AtomicU64,
    sent_again: AtomicU64,
}

impl Shared {
    fn url(&self) -> String {
        self.url.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Stops the runners, even if the test fails.
struct Stop<'s>(&'s Shared);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

/// A runner of one simulation after the other, which sends single results, batches and streams.
struct Runner<'s> {
    shared: &'s Shared,
    http: Http,
    number: usize,
}

/// The acknowledged work of a runner.
#[derive(Default)]
struct AcknowledgedWork {
    simulations: Vec<String>,
    results: u64,
}

impl Runner<'_> {
    fn run(&self) -> AcknowledgedWork {
        let mut done = AcknowledgedWork::default();
        while !self.shared.stop.load(Ordering::Relaxed) {
            let number = done.simulations.len();
            let id = format!("01920000-0000-7000-8000-{:06x}{number:06x}", self.number);
            let start = json!({"simulation_id": id, "scenarios": []});
            self.insist("/v1/simulations", None, start.to_string());
            let outcomes = format!("/v1/simulations/{id}/outcomes");
            let results: Vec<Value> = (0..60)
                .map(|place| result(&format!("{}-{number}-{place}", self.number), "success", 0.5))
                .collect();
            for one in &results[..10] {
                self.insist(&outcomes, None, one.to_string());
                self.count(1);
            }
            self.insist(&outcomes, None, json!({"results": results[10..20]}).to_string());
            self.count(10);
            let lines: String = results[20..].iter().map(|result| format!("{result}\n")).collect();
            self.insist(&outcomes, Some("application/x-ndjson"), lines);
            self.count(40);
            self.insist(&format!("/v1/simulations/{id}/complete"), None, "{}".to_owned());
            done.results += results.len() as u64;
            done.simulations.push(id);
        }
        done
    }

    fn count(&self, results: u64) {
        self.shared.acknowledged.fetch_add(results, Ordering::Relaxed);
    }

    /// Sends a request until all of it is acknowledged.
    fn insist(&self, path: &str, kind: Option<&str>, body: String) {
        let headers: Vec<(&str, &str)> =
            kind.map(|kind| ("content-type", kind)).into_iter().collect();
        let since = Instant::now();
        loop {
            let url = format!("{}{path}", self.shared.url());
            if let Ok(answer) = self.http.send(Method::POST, &url, &headers, body.clone()) {
                match answer.status {
                    200 if kind.is_none() => {
                        let batch = answer.json();
                        if batch["failed"].as_u64().unwrap_or(0) == 0 {
                            let spooled = batch["spooled"].as_u64().unwrap_or(0);
                            self.shared.spooled.fetch_add(spooled, Ordering::Relaxed);
                            return;
                        }
                    }
                    200 => {
                        let sent = body.lines().count();
                        let verdicts = answer.lines();
                        let count = |verdict: &str| {
                            verdicts.iter().filter(|line| line["verdict"] == verdict).count()
                        };
                        let spooled = count("spooled");
                        self.shared.spooled.fetch_add(spooled as u64, Ordering::Relaxed);
                        if spooled + count("stored") + count("duplicate") == sent {
                            return;
                        }
                    }
                    202 => {
                        self.shared.spooled.fetch_add(1, Ordering::Relaxed);
                        return;
                    }
                    429 | 503 | 504 => {}
                    status => panic!("{path}: {status} {}", answer.text()),
                }
            }
            self.shared.sent_again.fetch_add(1, Ordering::Relaxed);
            assert!(since.elapsed() < DEADLINE, "{path} was not acknowledged");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Waits until enough results were acknowledged, and, in the long form, until this time.
fn wait(shared: &Shared, until: Option<Instant>) {
    let enough = shared.acknowledged.load(Ordering::Relaxed) + BETWEEN;
    let since = Instant::now();
    while shared.acknowledged.load(Ordering::Relaxed) < enough
        || until.is_some_and(|until| Instant::now() < until)
    {
        assert!(until.is_some() || since.elapsed() < DEADLINE, "nothing is acknowledged any more");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn every_acknowledged_result_is_stored_once_despite_restarts_and_kills() {
    let length: Option<u64> =
        std::env::var("ARC_SOAK_SECONDS").ok().map(|text| text.parse().unwrap());
    let faults = length.map_or(FAULTS, |seconds| seconds / PERIOD.as_secs());
    let mut server = DatabaseServer::start();
    let files = Files::new();
    let program = Program::with_url(&server.url());
    let start = || Service::start(&program, &files, &["--log-level", "info"]);
    let mut service = start();
    let shared = Shared {
        url: Mutex::new(service.url().to_owned()),
        stop: AtomicBool::new(false),
        acknowledged: AtomicU64::new(0),
        spooled: AtomicU64::new(0),
        sent_again: AtomicU64::new(0),
    };
    let begun = Instant::now();
    let done: Vec<AcknowledgedWork> = std::thread::scope(|scope| {
        let runners: Vec<_> = (0..RUNNERS)
            .map(|number| {
                let runner = Runner { shared: &shared, http: Http::new(), number };
                scope.spawn(move || runner.run())
            })
            .collect();
        let _stop = Stop(&shared);
        for fault in 1..=faults {
            let at = length.map(|_| begun + PERIOD * u32::try_from(fault).unwrap());
            wait(&shared, at);
            // A crash and an administrator's stop in turns, while results are sent.
            if fault % 2 == 0 {
                server.stop()
            } else {
                server.crash()
            }
            wait(&shared, None);
            if fault % 2 == 0 {
                service.kill();
                service = start();
                *shared.url.lock().unwrap() = service.url().to_owned();
                if fault % 4 == 0 {
                    wait(&shared, None);
                }
            }
            server.resume();
            if length.is_some() {
                println!(
                    "{:4} s: {} acknowledged, {} of them spooled, {} requests sent again",
                    begun.elapsed().as_secs(),
                    shared.acknowledged.load(Ordering::Relaxed),
                    shared.spooled.load(Ordering::Relaxed),
                    shared.sent_again.load(Ordering::Relaxed)
                );
            }
        }
        wait(&shared, None);
        shared.stop.store(true, Ordering::Relaxed);
        runners.into_iter().map(|runner| runner.join().unwrap()).collect()
    });
    service.wait_for_empty_spool();
    let health = service.get("/v1/health").has(200).json();
    assert_eq!(
        (&health["status"], &health["spool"]["dead_letters"]),
        (&json!("ok"), &json!(0)),
        "{health}"
    );
    assert_eq!(service.stop(), Some(0));

    assert!(shared.spooled.load(Ordering::Relaxed) > 0, "the spool was used");
    let sent: u64 = done.iter().map(|done| done.results).sum();
    assert_eq!(sent, shared.acknowledged.load(Ordering::Relaxed));
    let simulations: usize = done.iter().map(|done| done.simulations.len()).sum();
    for (count, sql) in [
        (sent, "SELECT count(*) FROM arc_recorder.outcomes"),
        (sent, "SELECT count(DISTINCT scenario_id) FROM arc_recorder.outcomes"),
        (0, "SELECT count(*) FROM arc_recorder.rejected_results"),
        (
            simulations as u64,
            "SELECT count(*) FROM arc_recorder.simulations WHERE status = 'completed'",
        ),
        (simulations as u64, "SELECT count(*) FROM arc_recorder.simulations"),
    ] {
        assert_eq!(server.count(sql), count as i64, "{sql}");
    }
    println!(
        "{sent} results of {simulations} simulations in {:.0} s and {faults} faults: each stored once",
        begun.elapsed().as_secs_f64()
    );
}
