//! A reachable database that cannot be used as it is, which is not an error in the request. No result is refused
//! permanently, and none is lost until the database is repaired.

use serde_json::{Value, json};

use crate::support::{Files, Program, Service, TestDatabase, result};

const SIMULATION: &str = "01920000-0000-7000-8000-0000000000b8";

fn start() -> Value {
    json!({"simulation_id": SIMULATION, "scenarios": [{"id": "a"}]})
}

fn outcomes_path() -> String {
    format!("/v1/simulations/{SIMULATION}/outcomes")
}

/// Starts a service without a spool.
fn without_spool(database: &TestDatabase, files: &Files) -> Service {
    Service::start_with(&Program::on(database), &files.path("plain.log"), &["--spool=false"])
}

fn stored(database: &TestDatabase) -> i64 {
    database.count("SELECT count(*) FROM arc_recorder.outcomes")
}

#[test]
fn a_failed_migration_counts_as_unavailable() {
    let (database, files) = (TestDatabase::empty(), Files::new());
    // As if the owner had forbidden schema changes by programs.
    database.execute(
        "CREATE FUNCTION public.forbid() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
             RAISE EXCEPTION 'no changes today';
         END $$;
         CREATE EVENT TRIGGER forbid ON ddl_command_start EXECUTE FUNCTION public.forbid()",
    );
    let plain = without_spool(&database, &files);
    let problem = plain.post("/v1/simulations", &start()).has_problem(503, "unavailable");
    assert_eq!(problem["retryable"], true);
    let problem = plain.post(&outcomes_path(), &result("a", "success", 1.0));
    assert_eq!(problem.has_problem(503, "unavailable")["retryable"], true);

    let spooling = Service::start(&Program::on(&database), &files, &[]);
    spooling.post("/v1/simulations", &start()).has(202);
    spooling.post(&outcomes_path(), &result("a", "success", 1.0)).has(202);
    assert!(spooling.log().contains("no changes today"), "{}", spooling.log());

    database.execute("DROP EVENT TRIGGER forbid");
    spooling.wait_for_empty_spool();
    assert_eq!(spooling.get("/v1/health").has(200).json()["spool"]["dead_letters"], 0);
    assert_eq!(stored(&database), 1);
}

#[test]
fn a_missing_table_counts_as_unavailable() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let plain = without_spool(&database, &files);
    let spooling = Service::start(&Program::on(&database), &files, &[]);
    plain.post("/v1/simulations", &start()).has(200);
    database.execute("ALTER TABLE arc_recorder.outcomes RENAME TO elsewhere");
    let problem = plain.post(&outcomes_path(), &result("a", "success", 1.0));
    assert_eq!(problem.has_problem(503, "unavailable")["retryable"], true);
    spooling.post(&outcomes_path(), &result("a", "success", 1.0)).has(202);
    database.execute("ALTER TABLE arc_recorder.elsewhere RENAME TO outcomes");
    spooling.wait_for_empty_spool();
    assert_eq!(spooling.get("/v1/health").has(200).json()["spool"]["dead_letters"], 0);
    assert_eq!(stored(&database), 1);
}

#[test]
fn a_connection_is_usable_after_a_copy_that_was_refused_at_its_start() {
    const ROUNDS: usize = 20;
    let (database, files) = (TestDatabase::new(), Files::new());
    let options = ["--spool=false", "--max-database-connections=1"];
    let service = &Service::start_with(&Program::on(&database), &files.path("log"), &options);
    service.post("/v1/simulations", &start()).has(200);
    // Enough results for two COPYs.
    let batch = |round: usize| {
        let result = |number| result(&format!("{round}-{number}"), "success", 1.0);
        json!({"results": (0..100).map(result).collect::<Vec<_>>()})
    };
    for round in 0..ROUNDS {
        service.post(&outcomes_path(), &batch(round)).has(200);
        database.execute("ALTER TABLE arc_recorder.documents RENAME TO elsewhere");
        // The next request uses the connection as soon as the COPY is refused.
        std::thread::scope(|threads| {
            for number in 0..4 {
                threads.spawn(move || {
                    let batch = batch(ROUNDS + 4 * round + number);
                    let refused = service.post(&outcomes_path(), &batch).has(200).json();
                    assert_eq!(refused["failed"], 100, "{refused}");
                });
                threads.spawn(|| {
                    let simulation = service.get(&format!("/v1/simulations/{SIMULATION}"));
                    assert_eq!(simulation.has(200).json()["simulation_id"], SIMULATION);
                });
            }
        });
        database.execute("ALTER TABLE arc_recorder.elsewhere RENAME TO documents");
    }
    let log = service.log();
    let other = |line: &&str| line.contains("cause=") && !line.contains("42P01");
    assert_eq!(log.lines().find(other), None);
    assert_eq!(stored(&database), 100 * i64::try_from(ROUNDS).unwrap());
}

#[test]
fn a_statement_that_the_server_does_not_take_is_a_fault_of_the_program() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let plain = without_spool(&database, &files);
    let spooling = Service::start(&Program::on(&database), &files, &[]);
    plain.post("/v1/simulations", &start()).has(200);
    database.execute("ALTER FUNCTION arc_recorder.note_results(uuid[]) RENAME TO noted_results");
    let problem = plain.post(&outcomes_path(), &result("a", "success", 1.0));
    assert_eq!(problem.has_problem(500, "internal")["retryable"], false);
    let batch = json!({"results": [result("a", "success", 1.0)]});
    let answer = plain.post(&outcomes_path(), &batch).has(200).json();
    let verdict = &answer["verdicts"][0];
    assert_eq!((&verdict["verdict"], &verdict["unavailable"]), (&json!("failed"), &json!(false)));
    assert_eq!(verdict["retryable"], false);

    // With a spool it is kept, and dead-lettered with the reason; the database does not count as unavailable.
    spooling.post(&outcomes_path(), &result("a", "success", 1.0)).has(202);
    let dead_letters =
        |answer: &crate::support::Answer| answer.json()["spool"]["dead_letters"] == 1;
    spooling.wait_until("/v1/health", dead_letters);
    let metrics = spooling.get("/metrics").has(200).text();
    assert!(metrics.lines().any(|line| line == "arc_database_up 1"), "{metrics}");
    assert!(spooling.log().contains("42883"), "{}", spooling.log());

    database.execute("ALTER FUNCTION arc_recorder.noted_results(uuid[]) RENAME TO note_results");
    spooling.post("/v1/spool/requeue", &json!({"all": true})).has(200);
    spooling.wait_for_empty_spool();
    assert_eq!(spooling.get("/v1/health").has(200).json()["spool"]["dead_letters"], 0);
    assert_eq!(stored(&database), 1);
}
