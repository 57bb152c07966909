//! The spool: the database unavailable, back, unavailable again; the service killed; the spool full. No acknowledged
//! result is lost, and none is stored twice.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    DatabaseServer, Files, Program, Service, TestDatabase, record, result, wait_for,
};

const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");

fn many(name: &str, count: usize) -> Vec<Value> {
    (0..count).map(|number| result(&format!("{name}{number}"), "success", 0.5)).collect()
}

fn lines(results: &[Value]) -> String {
    results.iter().map(|result| format!("{result}\n")).collect()
}

fn outcomes(server: &DatabaseServer) -> i64 {
    server.count("SELECT count(*) FROM arc_recorder.outcomes")
}

/// Sends a stream, and returns the number of each verdict.
fn stream(service: &Service, id: &str, results: &[Value]) -> Value {
    let path = format!("/v1/simulations/{id}/outcomes");
    let answer = service.send(Method::POST, &path, &[NDJSON], lines(results)).has(200).lines();
    assert_eq!(answer.len(), results.len());
    let mut counts = serde_json::Map::new();
    for line in answer {
        let word = line["verdict"].as_str().unwrap_or("none").to_owned();
        let count = counts.entry(word).or_insert(json!(0));
        *count = json!(count.as_u64().unwrap() + 1);
    }
    Value::Object(counts)
}

#[test]
fn a_whole_run_during_an_outage_of_the_database_is_delivered_afterwards() {
    let mut server = DatabaseServer::start();
    let files = Files::new();
    let service = Service::start(&Program::with_url(&server.url()), &files, &[]);
    let before = service.start_simulation(&["a", "b"]);
    let path = format!("/v1/simulations/{before}/outcomes");
    assert_eq!(
        service.post(&path, &result("a", "success", 1.0)).has(200).json()["verdict"],
        "stored"
    );
    server.stop();

    // A duplicate of the result above, which the service cannot detect now.
    let spooled = service.post(&path, &result("a", "success", 1.0)).has(202).json();
    assert_eq!(spooled["verdict"], "spooled");
    assert_eq!(
        service.post(&path, &result("b", "error", 0.0)).has(202).json()["verdict"],
        "spooled"
    );
    // An invalid result is reported at once.
    let bad = json!({"scenario": {"id": "x"}, "trajectory": {"status": "odd"}});
    let problem = service.post(&path, &bad).has_problem(422, "rejected");
    assert_eq!(problem["violations"][0]["path"], "/trajectory/status");
    // A run that begins and ends meanwhile.
    let start = json!({
        "simulation_id": "01920000-0000-7000-8000-0000000000aa",
        "scenarios": [{"id": "n0"}, {"id": "n1"}, {"id": "n2"}],
    });
    let started = service.post("/v1/simulations", &start).has(202).json();
    assert_eq!((&started["spooled"], &started["scenario_count"]), (&json!(true), &json!(3)));
    let during = started["simulation_id"].as_str().unwrap();
    assert_eq!(stream(&service, during, &many("n", 3)), json!({"spooled": 3}));
    let ended =
        service.post(&format!("/v1/simulations/{during}/complete"), &json!({})).has(202).json();
    assert_eq!((&ended["status"], &ended["spooled"]), (&json!("completed"), &json!(true)));
    let configuration = json!({"name": "agent", "config": "a: 1"});
    let kept = service.post("/v1/configurations", &configuration).has(202).json();

    // The waiting entries are visible.
    let health = service.get("/v1/health").has(200).json();
    assert_eq!(health["status"], "error");
    assert_eq!(health["spool"]["depth"], 9, "{health}");
    assert!(
        health["spool"]["oldest_at"].is_string() && health["spool"]["bytes"].as_u64() > Some(0)
    );
    let metrics = service.get("/metrics").has(200).text();
    for line in ["arc_spool_depth 9", "arc_database_up 0"] {
        assert!(metrics.lines().any(|other| other == line), "{line}: {metrics}");
    }
    service.get("/health/ready").has(200);
    // Queries need the database, and the database's own error is not disclosed.
    let problem = service.get("/v1/simulations").has_problem(503, "unavailable");
    assert!(!problem.to_string().contains("socket"), "{problem}");
    assert!(!health.to_string().contains(".s.PGSQL"), "{health}");

    server.resume();
    service.wait_for_empty_spool();
    let status = service.get(&format!("/v1/simulations/{during}")).has(200).json();
    assert_eq!(status["status"], "completed");
    assert_eq!(status["completed_scenarios"], 3);
    assert_eq!(status["recorded_outcomes"], 3, "{status}");
    assert_eq!(outcomes(&server), 5);
    assert_eq!(server.count("SELECT count(*) FROM arc_recorder.rejected_results"), 1);
    assert_eq!(
        service.post("/v1/configurations", &configuration).has(200).json()["config_version_id"],
        kept["config_version_id"]
    );
    // Results have the time at which they were received, in that order.
    let order = "SELECT scenario_id FROM arc_recorder.outcomes ORDER BY received_at";
    let order: Vec<String> = server.query(order).iter().map(|row| row.get(0)).collect();
    assert_eq!(order, ["a", "b", "n0", "n1", "n2"]);
    // A retry of a spooled result is a duplicate.
    let again = service.post(&path, &result("b", "error", 0.0)).has(200).json();
    assert_eq!(again["verdict"], "duplicate");
}

#[test]
fn it_starts_without_a_database_and_creates_the_schema_later() {
    let mut server = DatabaseServer::stopped();
    let files = Files::new();
    let service = Service::start(&Program::with_url(&server.url()), &files, &[]);
    let id = service.start_simulation(&["n0"]);
    assert_eq!(stream(&service, &id, &many("n", 1)), json!({"spooled": 1}));
    server.resume();
    service.wait_for_empty_spool();
    assert_eq!(outcomes(&server), 1);
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn a_service_that_is_killed_with_a_full_spool_delivers_it_after_a_new_start() {
    const RESULTS: usize = 3_000;
    let mut server = DatabaseServer::start();
    let files = Files::new();
    let program = Program::with_url(&server.url());
    let mut service = Service::start(&program, &files, &[]);
    let id = service.start_simulation(&[]);
    server.crash();
    assert_eq!(stream(&service, &id, &many("n", RESULTS)), json!({"spooled": RESULTS}));
    // Killed while it holds the entries, and repeatedly while it delivers them.
    service.kill();
    service = Service::start(&program, &files, &[]);
    assert_eq!(service.get("/v1/health").json()["spool"]["depth"], RESULTS);
    server.resume();
    for _ in 0..3 {
        let before = outcomes(&server);
        wait_for("another delivery", || before == RESULTS as i64 || outcomes(&server) > before);
        service.kill();
        service = Service::start(&program, &files, &[]);
    }
    service.wait_for_empty_spool();
    assert_eq!(outcomes(&server), RESULTS as i64);
    assert_eq!(stream(&service, &id, &many("n", RESULTS)), json!({"duplicate": RESULTS}));
}

#[test]
fn no_result_is_lost_when_the_database_becomes_unavailable() {
    const STREAMS: usize = 4;
    const RESULTS: usize = 2_000;
    let mut server = DatabaseServer::start();
    let files = Files::new();
    let service = Service::start(&Program::with_url(&server.url()), &files, &[]);
    let id = service.start_simulation(&[]);
    std::thread::scope(|scope| {
        let sending: Vec<_> = (0..STREAMS)
            .map(|number| {
                let (service, id) = (&service, &id);
                scope.spawn(move || stream(service, id, &many(&format!("{number}-"), RESULTS)))
            })
            .collect();
        // As soon as something is stored, and again when the database is back.
        for crash in [true, false] {
            let before = outcomes(&server);
            wait_for("another result", || {
                outcomes(&server) > before || sending.iter().all(|one| one.is_finished())
            });
            if crash {
                server.crash();
            } else {
                server.stop();
            }
            server.resume();
        }
        for one in sending {
            let counts = one.join().unwrap();
            let sum = ["stored", "duplicate", "spooled"]
                .map(|word| counts[word].as_u64().unwrap_or(0))
                .into_iter()
                .sum::<u64>();
            assert_eq!(sum, RESULTS as u64, "{counts}");
        }
    });
    service.wait_for_empty_spool();
    assert_eq!(outcomes(&server), (STREAMS * RESULTS) as i64);
}

#[test]
fn a_full_spool_accepts_nothing_drops_nothing_and_has_a_retry_time() {
    let mut server = DatabaseServer::start();
    let files = Files::new();
    let options = ["--max-spool-mib", "1"];
    let service = Service::start(&Program::with_url(&server.url()), &files, &options);
    let id = service.start_simulation(&[]);
    server.stop();
    let path = format!("/v1/simulations/{id}/outcomes");
    let mut accepted = 0;
    let full = loop {
        let mut document = result(&format!("s{accepted}"), "success", 1.0);
        document["trajectory"]["text"] = json!("x".repeat(50_000));
        let answer = service.post(&path, &document);
        if answer.status != 202 {
            break answer;
        }
        accepted += 1;
        assert!(accepted < 100, "1 MiB cannot hold 100 of them");
    };
    assert!(accepted > 5, "{accepted}");
    assert_eq!(full.header("retry-after"), "15");
    let problem = full.has_problem(503, "spool_full");
    assert_eq!((&problem["limit"], &problem["retryable"]), (&json!(1 << 20), &json!(true)));
    let health = service.get("/v1/health").json();
    assert_eq!(
        (&health["spool"]["full"], &health["spool"]["depth"]),
        (&json!(true), &json!(accepted))
    );
    service.get("/health/ready").has_problem(503, "spool_full");
    service.get("/health/live").has(200);
    server.resume();
    service.wait_for_empty_spool();
    assert_eq!(outcomes(&server), accepted);
    service.get("/health/ready").has(200);
    assert_eq!(
        service.post(&path, &result("after", "success", 1.0)).has(200).json()["verdict"],
        "stored"
    );
}

#[test]
fn permanently_refused_entries_are_dead_lettered_and_block_no_others() {
    let mut server = DatabaseServer::start();
    let files = Files::new();
    let service = Service::start(&Program::with_url(&server.url()), &files, &[]);
    let known = service.start_simulation(&["a"]);
    server.stop();
    // The service cannot know now that this simulation does not exist.
    let unknown = "/v1/simulations/01920000-0000-7000-8000-0000000000ff/outcomes";
    service.post(unknown, &result("a", "success", 1.0)).has(202);
    let path = format!("/v1/simulations/{known}/outcomes");
    service.post(&path, &result("a", "success", 1.0)).has(202);
    server.resume();
    service.wait_for_empty_spool();
    assert_eq!(outcomes(&server), 1);
    assert_eq!(service.get("/v1/health").json()["spool"]["dead_letters"], 1);
    assert!(service.log().contains("01920000-0000-7000-8000-0000000000ff"), "{}", service.log());
    assert_eq!(service.stop(), Some(0));

    // Draining it by hand is refused again, until the simulation exists.
    let program = Program::with_url(&server.url());
    let spool = files.path("spool").display().to_string();
    let replay = ["spool", "drain", "--json", "--spool-dir", &spool, "--requeue"];
    let reported = program.run(replay).ended(2).json();
    assert_eq!(
        (&reported["recorded"], &reported["dead_letters"], &reported["remaining"]),
        (&json!(0), &json!(1), &json!(0))
    );
    assert_eq!(reported["refused"][0]["simulation_id"], "01920000-0000-7000-8000-0000000000ff");
    let file = files.write_lines("first.jsonl", &[result("first", "success", 1.0)]);
    record(&program, &file, &["--simulation", "01920000-0000-7000-8000-0000000000ff"]).ended(0);
    let reported = program.run(replay).ended(0).json();
    assert_eq!((&reported["recorded"], &reported["refused"]), (&json!(1), &json!([])));
    assert_eq!(outcomes(&server), 3);
    let none = program.run(["spool", "drain", "--spool-dir", "/nowhere"]).ended(1);
    assert!(none.stderr.contains("/nowhere"), "{}", none.stderr);
    program.run(["spool", "drain"]).ended(1);
}

#[test]
fn without_a_spool_the_caller_has_to_retry() {
    let mut server = DatabaseServer::start();
    let files = Files::new();
    let options = ["--spool=false"];
    let program = Program::with_url(&server.url());
    let service = Service::start_with(&program, &files.path("log"), &options);
    let id = service.start_simulation(&["a"]);
    server.stop();
    service.get("/health/ready").has_problem(503, "unavailable");
    let health = service.get("/v1/health").json();
    assert_eq!((&health["status"], &health["spool"]), (&json!("error"), &Value::Null));
    let path = format!("/v1/simulations/{id}/outcomes");
    server.resume();
    let answer = service.post(&path, &result("a", "success", 1.0)).has(200).json();
    assert_eq!(answer["verdict"], "stored");
}

#[test]
fn a_spool_has_one_owner() {
    let server = DatabaseServer::stopped();
    let files = Files::new();
    let program = Program::with_url(&server.url());
    let _service = Service::start(&program, &files, &[]);
    let spool = files.path("spool").display().to_string();
    let second = program.run(["serve", "--listen", "127.0.0.1:0", "--spool-dir", &spool]).ended(1);
    assert!(second.stderr.contains("spool"), "{}", second.stderr);
    assert!(second.stderr.contains("another process"), "{}", second.stderr);
}

#[test]
fn an_entry_that_the_database_refuses_blocks_nothing_and_is_requeued_while_the_service_runs() {
    let mut server = DatabaseServer::start();
    let files = Files::new();
    let service = Service::start(&Program::with_url(&server.url()), &files, &[]);
    let id = service.start_simulation(&["a"]);
    server
        .query("ALTER TABLE arc_recorder.config_versions ADD CONSTRAINT odd CHECK (name <> 'odd')");
    let odd = json!({"name": "odd", "config": "a: 1"});
    service.post("/v1/configurations", &odd).has_problem(422, "refused");
    // A configuration that the database could never read is refused before it is spooled.
    let deep = json!({"name": "deep", "config": "[".repeat(30_000) + &"]".repeat(30_000)});
    service.post("/v1/configurations", &deep).has_problem(400, "invalid_request");
    server.stop();
    service.post("/v1/configurations", &deep).has_problem(400, "invalid_request");
    service.post("/v1/configurations", &odd).has(202);
    let path = format!("/v1/simulations/{id}/outcomes");
    service.post(&path, &result("a", "success", 1.0)).has(202);
    server.resume();
    service.wait_for_empty_spool();
    assert_eq!(outcomes(&server), 1);
    // The refusal is reported in the log, by the health, and on the command line.
    assert!(service.log().contains("permanently refused, and dead-lettered"), "{}", service.log());
    let health = service.get("/v1/health").json();
    assert_eq!(
        (&health["status"], &health["spool"]["dead_letters"]),
        (&json!("degraded"), &json!(1))
    );
    assert!(health["error"].as_str().unwrap().contains("/v1/spool/requeue"), "{health}");
    let reported = service.program().run(["health"]).ended(1);
    assert!(reported.stderr.contains("refused permanently"), "{}", reported.stderr);

    // It is refused again until the cause is removed.
    let retried = service.post("/v1/spool/requeue", &json!({"all": true})).has(200).json();
    assert_eq!(retried, json!({"entries": 1, "unreadable": 0}));
    service.wait_until("/v1/health", |health| health.json()["spool"]["dead_letters"] == 1);
    server.query("ALTER TABLE arc_recorder.config_versions DROP CONSTRAINT odd");
    let retried = service.program().run(["spool", "requeue", "--all", "--json"]).ended(0).json();
    assert_eq!(retried, json!({"entries": 1, "unreadable": 0}));
    service.wait_until("/v1/health", |health| health.json()["status"] == "ok");
    let kept = "SELECT count(*) FROM arc_recorder.config_versions WHERE name = 'odd'";
    assert_eq!(server.count(kept), 1);
    let nowhere = Program::with_url(&server.url())
        .run(["spool", "requeue", "--all", "--spool-dir", "/nowhere"])
        .ended(1);
    assert!(nowhere.stderr.contains("--server"), "{}", nowhere.stderr);
}

#[test]
fn an_entry_that_fails_on_a_reachable_database_waits_and_others_are_delivered() {
    let mut server = DatabaseServer::start();
    let files = Files::new();
    let service = Service::start(&Program::with_url(&server.url()), &files, &[]);
    let [stuck, other] = [(); 2].map(|()| service.start_simulation(&["a"]));
    let path = |id: &str| format!("/v1/simulations/{id}/outcomes");
    // An error that is not caused by the row.
    server.query(
        "CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION 'a fault' USING ERRCODE = 'XX001'; END $$",
    );
    server.query(&format!(
        "CREATE TRIGGER fails BEFORE INSERT ON arc_recorder.outcomes FOR EACH ROW
         WHEN (NEW.simulation_id = '{stuck}') EXECUTE FUNCTION fails()"
    ));
    server.stop();
    service.post(&path(&stuck), &result("a", "success", 1.0)).has(202);
    service.post(&path(&other), &result("a", "success", 1.0)).has(202);
    server.resume();
    service.wait_until("/v1/health", |health| health.json()["spool"]["depth"] == 1);
    assert_eq!(outcomes(&server), 1);
    let health = service.wait_until("/v1/health", |health| {
        let health = health.json();
        health["error"].as_str().is_some_and(|error| error.contains("cannot be delivered"))
    });
    let health = health.json();
    assert_eq!(
        (&health["status"], &health["spool"]["dead_letters"]),
        (&json!("degraded"), &json!(0))
    );
    // The database does not count as unavailable.
    let stored = service.post(&path(&other), &result("b", "success", 1.0)).has(200).json();
    assert_eq!(stored["verdict"], "stored");
    server.query("DROP TRIGGER fails ON arc_recorder.outcomes");
    service.post("/v1/spool/requeue", &json!({"all": true})).has(200);
    service.wait_for_empty_spool();
    assert_eq!(outcomes(&server), 3);
    service.wait_until("/v1/health", |health| health.json()["status"] == "ok");
}

#[test]
fn a_database_that_takes_no_writes_for_a_while_costs_nothing() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let service = Service::start(&Program::on(&database), &files, &[]);
    let id = service.start_simulation(&["a", "b", "c"]);
    let path = format!("/v1/simulations/{id}/outcomes");
    service.post(&path, &result("a", "success", 1.0)).has(200);
    // As after a failover to a standby: all connections are new, and read-only.
    let end_connections = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let name = database.name();
    database.execute(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on"));
    database.query(end_connections);
    let spooled = service.post(&path, &result("b", "success", 1.0)).has(202).json();
    assert_eq!(spooled["verdict"], "spooled");
    let batch = service.post(&path, &json!([result("c", "success", 1.0)])).has(200).json();
    assert_eq!((&batch["spooled"], &batch["failed"]), (&json!(1), &json!(0)));
    assert_eq!(service.get("/v1/health").json()["status"], "degraded");
    database.execute(&format!(
        "BEGIN READ WRITE; ALTER DATABASE {name} RESET default_transaction_read_only; COMMIT"
    ));
    database.query(end_connections);
    service.wait_for_empty_spool();
    assert_eq!(service.get("/v1/health").json()["spool"]["dead_letters"], 0);
    assert_eq!(database.count("SELECT count(*) FROM arc_recorder.outcomes"), 3);
}

#[test]
fn results_that_contradict_the_spooled_plan_are_refused_at_once() {
    let mut server = DatabaseServer::start();
    let files = Files::new();
    let program = Program::with_url(&server.url());
    let mut service = Service::start(&program, &files, &[]);
    let path = |id: &str| format!("/v1/simulations/{id}/outcomes");
    let with_trial = |trial: u32| {
        let mut document = result("a", "success", 1.0);
        document["recording"] = json!({"trial": trial});
        document
    };
    let refused = |service: &Service, id: &str| {
        let problem = service.post(&path(id), &result("a", "success", 1.0));
        let problem = problem.has_problem(422, "rejected");
        assert_eq!(problem["violations"][0]["code"], "trial_required", "{problem}");
        service.post(&path(id), &with_trial(2)).has(202);
    };
    // One simulation whose plan the service has read from the database, and one whose start is in the spool.
    let known = "01920000-0000-7000-8000-0000000000a1";
    let spooled = "01920000-0000-7000-8000-0000000000a2";
    let start = |id: &str| json!({"simulation_id": id, "scenarios": [{"id": "a"}], "trials": 3});
    service.post("/v1/simulations", &start(known)).has(200);
    service.post(&path(known), &with_trial(1)).has(200);
    server.stop();
    refused(&service, known);
    service.post("/v1/simulations", &start(spooled)).has(202);
    refused(&service, spooled);
    // The planned scenarios are known, too.
    let other = service.post(&path(spooled), &{
        let mut document = result("b", "success", 1.0);
        document["recording"] = json!({"trial": 1});
        document
    });
    let warnings = other.has(202).json()["warnings"].clone();
    assert_eq!(warnings[0]["code"], "unplanned_scenario", "{warnings}");
    // A new process reads the plan from the spool.
    service.kill();
    service = Service::start(&program, &files, &[]);
    refused(&service, spooled);
    server.resume();
    service.wait_for_empty_spool();
    assert_eq!(service.get("/v1/health").json()["spool"]["dead_letters"], 0);
    assert_eq!(outcomes(&server), 4);
}

#[test]
fn dead_letters_are_listed_shown_requeued_and_dropped() {
    let mut server = DatabaseServer::start();
    let files = Files::new();
    let program = Program::with_url(&server.url());
    let service = Service::start(&program, &files, &[]);
    server.stop();
    let ids = [1, 2, 3].map(|number| format!("01920000-0000-7000-8000-0000000000f{number}"));
    for (id, name) in ids.iter().zip(["one", "two", "three"]) {
        let path = format!("/v1/simulations/{id}/outcomes");
        service.post(&path, &result(name, "success", 1.0)).has(202);
    }
    server.resume();
    service.wait_until("/v1/health", |health| health.json()["spool"]["dead_letters"] == 3);
    let asked = service.program();
    let letters = asked.run(["spool", "list", "--json"]).ended(0).json_lines();
    assert_eq!(letters.len(), 3);
    for (letter, id) in letters.iter().zip(&ids) {
        assert_eq!(
            (&letter["state"], &letter["kind"]),
            (&json!("dead_letter"), &json!("result")),
            "{letter}"
        );
        assert_eq!(letter["simulation_id"], **id);
        assert!(letter["reason"].as_str().unwrap().contains(id.as_str()), "{letter}");
        assert!(letter["retry_until"].is_string(), "{letter}");
    }
    let numbers: Vec<String> =
        letters.iter().map(|letter| letter["sequence"].to_string()).collect();
    let table = asked.run(["spool", "list", "--limit", "2"]).ended(0);
    assert!(table.stdout.contains("dead letter") && table.stdout.contains(&ids[0]));
    assert!(!table.stdout.contains(&ids[2]) && table.stderr.contains("--after"), "{table:?}");
    let shown = asked.run(["spool", "show", &numbers[1], "--json"]).ended(0).json();
    assert_eq!(shown["exact"], true);
    let document: Value = serde_json::from_str(shown["document"].as_str().unwrap()).unwrap();
    assert_eq!(document, result("two", "success", 1.0));
    let shown = asked.run(["spool", "show", &numbers[1]]).ended(0).stdout;
    assert!(shown.contains(&ids[1]) && shown.contains("\"two\""), "{shown}");

    // One is requeued when its simulation exists, and one is dropped.
    let start = json!({"simulation_id": ids[0], "scenarios": []});
    service.post("/v1/simulations", &start).has(200);
    let unknown = asked.run(["spool", "drop", "99999"]).ended(1);
    assert!(unknown.stderr.contains("99999"), "{unknown:?}");
    let dropped = asked.run(["spool", "drop", &numbers[1]]).ended(0);
    assert!(dropped.stdout.contains("dropped") && dropped.stdout.contains(&ids[1]), "{dropped:?}");
    service.wait_until("/v1/health", |health| health.json()["spool"]["dead_letters"] == 1);
    assert_eq!(outcomes(&server), 1, "the one whose simulation exists was retried automatically");
    assert_eq!(service.stop(), Some(0));

    // The same on a folder that no process has open.
    let spool = files.path("spool").display().to_string();
    let on_folder = |arguments: &[&str], code: i32| {
        program.run([arguments, &["--json", "--spool-dir", &spool]].concat()).ended(code)
    };
    let letters = on_folder(&["spool", "list"], 0).json_lines();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0]["simulation_id"], *ids[2]);
    let requeued = on_folder(&["spool", "requeue", "--all"], 0).json();
    assert_eq!(requeued, json!({"entries": 1, "unreadable": 0}));
    assert!(on_folder(&["spool", "list"], 0).json_lines().is_empty());
    let waiting = on_folder(&["spool", "list", "--waiting"], 0).json_lines();
    assert_eq!((waiting.len(), &waiting[0]["state"]), (1, &json!("waiting")));
    let number = waiting[0]["sequence"].to_string();
    assert!(waiting[0]["sequence"].as_u64() > letters[0]["sequence"].as_u64(), "a new number");
    // A waiting entry cannot be dropped.
    on_folder(&["spool", "drop", &number], 1);
    let replayed = program.run(["spool", "drain", "--json", "--spool-dir", &spool]).ended(2).json();
    assert_eq!(replayed["dead_letters"], 1);
    let dropped = on_folder(&["spool", "drop", "--all"], 0).json();
    assert_eq!(dropped["entries"], 1, "{dropped}");
    assert!(dropped["dropped"][0]["reason"].is_string(), "{dropped}");
    let repaired = on_folder(&["spool", "repair"], 0).json();
    assert_eq!((&repaired["read"], &repaired["damaged_file"]), (&json!(0), &Value::Null));
    let neither = program.run(["spool", "drop", "--spool-dir", &spool]).ended(1);
    assert!(neither.stderr.contains("--all"), "{neither:?}");
    // Nothing remains that would raise an alert.
    let service = Service::start(&program, &files, &[]);
    let metrics = service.get("/metrics").has(200).text();
    for line in ["arc_spool_dead_letters 0", "arc_spool_depth 0", "arc_spool_up 1"] {
        assert!(metrics.lines().any(|other| other == line), "{line}: {metrics}");
    }
}

#[test]
fn a_damaged_result_is_never_stored_as_the_one_that_was_acknowledged() {
    let mut server = DatabaseServer::start();
    let files = Files::new();
    let program = Program::with_url(&server.url());
    let service = Service::start(&program, &files, &[]);
    let id = service.start_simulation(&[]);
    server.stop();
    let path = format!("/v1/simulations/{id}/outcomes");
    let good = result("good", "success", 0.25);
    let mut bad = result("bad", "success", 0.25);
    bad["trajectory"]["text"] = json!(format!("marked {}", "x".repeat(6_000)));
    for document in [&good, &bad] {
        service.post(&path, document).has(202);
    }
    assert_eq!(service.stop(), Some(0));
    let file = files.path("spool").join("spool.redb");
    let mut bytes = std::fs::read(&file).unwrap();
    let places: Vec<usize> = bytes
        .windows(7)
        .enumerate()
        .filter(|(_, window)| *window == b"marked ")
        .map(|(at, _)| at)
        .collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at] = b'M';
    }
    std::fs::write(&file, bytes).unwrap();
    let service = Service::start(&program, &files, &[]);
    server.resume();
    service.wait_for_empty_spool();
    assert_eq!(outcomes(&server), 1, "the undamaged result");
    assert_eq!(service.get("/v1/health").json()["spool"]["dead_letters"], 1);
    // A retry of the undamaged result is stored.
    let again = service.post(&path, &bad).has(200).json();
    assert_eq!(again["verdict"], "stored", "{again}");
    let letters = service.program().run(["spool", "list", "--json"]).ended(0).json_lines();
    assert_eq!(letters[0]["kind"], "unreadable");
    assert!(letters[0]["reason"].as_str().unwrap().contains("damaged"), "{letters:?}");
    let shown = service.get(&format!("/v1/spool/entries/{}", letters[0]["sequence"]));
    let shown = shown.has(200).json();
    assert!(shown["document"].as_str().unwrap().contains("Marked xxx"), "{shown}");
}
