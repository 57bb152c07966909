//! Services whose clocks differ: the later of two attempts is the latest, on either service.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::{
    DEADLINE, DatabaseServer, Files, Program, Service, ShiftedClock, TestDatabase, result,
    skip_without_tool,
};

/// The offset of the clocks, in seconds.
const FAR: i64 = 180;
const FAR_SECONDS: f64 = 180.0;

fn without_clocks() {
    skip_without_tool("the test of clocks", "nothing can be preloaded here (Linux, cc)");
}

/// Records an attempt at the scenario and returns the verdict.
#[track_caller]
fn attempt(service: &Service, simulation_id: &str, score: f64) -> String {
    let path = format!("/v1/simulations/{simulation_id}/outcomes");
    let answer = service.post(&path, &result("a", "success", score));
    assert!([200, 202].contains(&answer.status), "{answer:?}");
    answer.json()["verdict"].as_str().unwrap().to_owned()
}

/// Returns the score of the latest attempt.
#[track_caller]
fn score(service: &Service, simulation_id: &str) -> f64 {
    let status = service.get(&format!("/v1/simulations/{simulation_id}")).has(200).json();
    status["overall_score"].as_f64().unwrap_or_else(|| panic!("{status}"))
}

fn skew_seconds(health: &Value) -> f64 {
    health["clock_skew_ms"].as_f64().unwrap_or_else(|| panic!("{health}")) / 1_000.0
}

#[test]
fn the_later_attempt_counts_whichever_service_received_it() {
    let clocks = [0, -FAR, FAR].map(ShiftedClock::ahead_by);
    let [Some(right), Some(behind), Some(ahead)] = &clocks else { return without_clocks() };
    let database = TestDatabase::new();
    let folders = [Files::new(), Files::new(), Files::new()];
    let start =
        |clock: &ShiftedClock, files| Service::start(&clock.of(Program::on(&database)), files, &[]);
    let services =
        [start(right, &folders[0]), start(behind, &folders[1]), start(ahead, &folders[2])];

    for first in &services {
        for second in &services {
            let id = first.start_simulation(&["a"]);
            assert_eq!(attempt(first, &id, 0.0), "stored");
            assert_eq!(attempt(second, &id, 1.0), "stored");
            for service in &services {
                assert_eq!(score(service, &id), 1.0, "{} then {}", first.url(), second.url());
            }
            assert_eq!(attempt(first, &id, 0.25), "stored");
            let complete = format!("/v1/simulations/{id}/complete");
            let completed = second.post(&complete, &json!({})).has(200).json();
            assert_eq!(completed["overall_score"], 0.25);
            let status = first.get(&format!("/v1/simulations/{id}")).has(200).json();
            let milliseconds = status["execution_time_ms"].as_f64().unwrap();
            assert!(milliseconds < DEADLINE.as_secs_f64() * 1_000.0, "{status}");
        }
    }

    // The health and the log report the skew.
    for (service, expected) in services.iter().zip([0.0, -FAR_SECONDS, FAR_SECONDS]) {
        let health = service.get("/v1/health").has(200).json();
        assert!((skew_seconds(&health) - expected).abs() < 1.0, "{health}");
        let shown = service.program().run(["health", "--json"]).ended(0).json();
        assert!((skew_seconds(&shown) - expected).abs() < 1.0, "{shown}");
        let warned = service.log().contains("the clock of this host differs from the database's");
        assert_eq!(warned, expected != 0.0, "{}", service.log());
    }
    let text = behind.of(Program::on(&database)).run(["health"]).ended(0).stdout;
    assert!(text.contains("behind the database's"), "{text}");
    // No outcome was received in the future, or before it started.
    let wrong = "SELECT count(*) FROM arc_recorder.outcomes
         WHERE received_at > clock_timestamp() OR received_at < partition_time";
    assert_eq!(database.count(wrong), 0);
}

#[test]
fn results_spooled_before_the_databases_clock_was_known_are_in_order() {
    let clocks = [-FAR, FAR].map(ShiftedClock::ahead_by);
    let [Some(behind), Some(ahead)] = &clocks else { return without_clocks() };
    let mut server = DatabaseServer::start();
    let folders = [Files::new(), Files::new(), Files::new()];
    let program = || Program::with_url(&server.url());
    let right = Service::start(&program(), &folders[0], &[]);
    let [early, late] = [(), ()].map(|()| right.start_simulation(&["a"]));
    let programs = [behind.of(program()), ahead.of(program())];
    assert_eq!(attempt(&right, &late, 0.0), "stored");
    server.stop();

    // These two services have never connected to the database.
    let behind = Service::start(&programs[0], &folders[1], &[]);
    let mut ahead = Service::start(&programs[1], &folders[2], &[]);
    assert_eq!(attempt(&behind, &late, 1.0), "spooled");
    assert_eq!(attempt(&ahead, &early, 0.0), "spooled");
    // The next process delivers the spooled attempt.
    ahead.kill();
    let ahead = Service::start(&programs[1], &folders[2], &[]);
    // The same for simulations that each service has started itself.
    let started = [&behind, &ahead].map(|service| {
        let id = service.start_simulation(&["a"]);
        assert_eq!(attempt(service, &id, 1.0), "spooled");
        let complete = format!("/v1/simulations/{id}/complete");
        service.post(&complete, &json!({})).has(202);
        id
    });
    server.resume();
    behind.wait_for_empty_spool();
    ahead.wait_for_empty_spool();
    for id in &started {
        let status = right.get(&format!("/v1/simulations/{id}")).has(200).json();
        let time = |name: &str| status[name].as_str().unwrap().parse::<Timestamp>().unwrap();
        let apart = time("created_at").duration_since(time("started_at")).as_secs_f64();
        assert!((0.0..DEADLINE.as_secs_f64()).contains(&apart), "{status}");
        let milliseconds = status["execution_time_ms"].as_f64().unwrap();
        assert!((0.0..DEADLINE.as_secs_f64() * 1_000.0).contains(&milliseconds), "{status}");
        let page = right.get(&format!("/v1/simulations/{id}/outcomes")).has(200).json();
        let received: Timestamp =
            page["outcomes"][0]["received_at"].as_str().unwrap().parse().unwrap();
        assert!(time("started_at") < received && received < time("created_at"), "{status} {page}");
    }
    assert_eq!(attempt(&right, &early, 1.0), "stored");
    for (id, name) in [(&late, "behind"), (&early, "ahead")] {
        assert_eq!(score(&right, id), 1.0, "{name}");
    }
}

#[test]
fn a_clock_that_is_set_while_a_service_runs_changes_no_order() {
    let Some(clock) = ShiftedClock::ahead_by(0) else { return without_clocks() };
    let database = TestDatabase::new();
    let folders = [Files::new(), Files::new()];
    let wrong = Service::start(&clock.of(Program::on(&database)), &folders[0], &[]);
    let right = Service::start(&Program::on(&database), &folders[1], &[]);
    let id = right.start_simulation(&["a"]);
    let mut last = 0.0;
    let mut next = |service: &Service| {
        last += 1.0 / 64.0;
        attempt(service, &id, last);
        assert_eq!(score(&right, &id), last);
    };
    for seconds in [0, -FAR, FAR, 0, 20, -20] {
        clock.set(seconds);
        for service in [&wrong, &right, &wrong] {
            next(service);
        }
    }
}
