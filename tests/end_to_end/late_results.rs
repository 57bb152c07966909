//! Figures that are frozen once a simulation has ended, and results that arrive later or
//! concurrently.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_host::Recorder;
use arc_host::extraction::{ExtractionSettings, Extractor};
use arc_host::recorder::{Submission, Verdict};
use arc_host::store::{
    FigureScope, NewSimulation, RunReport, SimulationStart, SimulationStatus, Store,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Files, Program, TestDatabase, record, result};

fn state(database: &TestDatabase) -> String {
    database.query("SELECT figures_state FROM arc_recorder.simulations")[0].get(0)
}

fn status(program: &Program, id: &str) -> Value {
    program.run(["status", id, "--json"]).ended(0).json()
}

/// Records through the library, which, unlike the command, does not query the figures afterwards.
fn record_late(database: &TestDatabase, id: &str, results: &[Value]) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let extractor = Extractor::built_in(&ExtractionSettings::default()).unwrap();
        let recorder = Recorder::new(extractor, database.store()).await.unwrap();
        let submissions =
            results.iter().map(|result| Submission::new(result.to_string())).collect();
        let verdicts = recorder.record_batch(id.parse().unwrap(), submissions).await.unwrap();
        assert_eq!(verdicts.len(), results.len());
        recorder.close().await;
    });
}

async fn start(store: &Store) -> Uuid {
    let simulation_id = Uuid::now_v7();
    let start = SimulationStart {
        simulation_id: Some(simulation_id),
        config_version_id: "v1".to_owned(),
        modal_environment: Some("test".to_owned()),
        ..SimulationStart::default()
    };
    let new = NewSimulation::new(start, 0, [7; 32]);
    store.start_simulation(&new, std::iter::empty()).await.unwrap();
    simulation_id
}

/// Returns the statements of a recorder up to the middle of its transaction: one outcome, not
/// committed.
fn half_recorded(simulation_id: Uuid) -> String {
    format!(
        "BEGIN; SELECT arc_recorder.note_results(ARRAY['{simulation_id}'::uuid]);
        INSERT INTO arc_recorder.outcomes (simulation_id, outcome_id, partition_time, scenario_id, trial,
            received_at, execution_time, status, scores, execution_time_ms, tokens_used, cost_usd,
            all_roles_tokens, all_roles_cost_usd, metrics, extractor_id, document_bytes)
        SELECT simulation_id, gen_random_uuid(), partition_time, 'half', 1, now(), now(), 'success', '[]', 1, 1,
            1, 1, 1, '{{}}', gen_random_uuid(), 2
        FROM arc_recorder.simulations WHERE simulation_id = '{simulation_id}'"
    )
}

#[test]
fn figures_are_frozen_and_whatever_comes_later_is_counted() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let path = files.write_lines("results.jsonl", &[result("first", "success", 1.0)]);
    let recorded = record(&program, &path, &[]).ended(0).json();
    let id = recorded["simulation_id"].as_str().unwrap();
    assert_eq!(state(&database), "frozen");
    let before = status(&program, id);
    // The frozen figures are shown without reading the outcomes.
    database.execute(
        "UPDATE arc_recorder.simulations
         SET computed_figures = jsonb_set(computed_figures, '{total_tokens}', '12345')",
    );
    assert_eq!(status(&program, id)["total_tokens"], 12_345);

    let many = |count: usize, name: &str| -> Vec<Value> {
        (0..count).map(|number| result(&format!("{name}{number}"), "error", 0.0)).collect()
    };
    let invalid = json!({"scenario": {"id": "x"}, "trajectory": {"status": "odd"}});
    // A single row, rows inserted by COPY, a rejected result, and both kinds in few rows and in
    // many.
    let late: [(Vec<Value>, i64, i64); 5] = [
        (many(1, "single"), 1, 0),
        (many(100, "many"), 100, 0),
        (vec![invalid.clone()], 0, 1),
        ([many(1, "and"), vec![json!({"a": 1, "trajectory": {"status": "no"}})]].concat(), 1, 1),
        ([many(90, "all"), vec![json!({"b": 1, "trajectory": {"status": "no"}})]].concat(), 90, 1),
    ];
    let (mut outcomes, mut rejected) = (1, 0);
    for (number, (results, more, refused)) in late.into_iter().enumerate() {
        record_late(&database, id, &results);
        (outcomes, rejected) = (outcomes + more, rejected + refused);
        assert_eq!(state(&database), "stale", "{number}");
        for _ in 0..2 {
            let status = status(&program, id);
            assert_eq!(status["recorded_outcomes"], outcomes, "{number}");
            assert_eq!(status["rejected_results"], rejected, "{number}");
            assert_eq!(status["total_tokens"], outcomes * 100, "{number}");
            assert_eq!(status["completed_at"], before["completed_at"], "{number}");
            assert_eq!(state(&database), "frozen", "{number}");
        }
    }
    // The list shows the figures that the status has computed.
    let listed = program.run(["simulations", "--json"]).ended(0).json();
    assert_eq!(listed["overall_score"], 1.0 / 193.0);
    assert_eq!(listed["total_cost_usd"], 96.5);
}

#[test]
fn the_figures_of_a_cancelled_simulation_are_frozen_too() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let id = runtime.block_on(async {
        let store = database.store();
        let id = start(&store).await.to_string();
        store.close();
        id
    });
    let path = files.write_lines("results.jsonl", &[result("a", "success", 1.0)]);
    record(&program, &path, &["--simulation", &id]).ended(0);
    assert_eq!(status(&program, &id)["recorded_outcomes"], 1);
    assert_eq!(state(&database), "stale", "nothing is frozen while it runs");
    program.run(["cancel", &id]).ended(0);
    assert_eq!(status(&program, &id)["recorded_outcomes"], 1);
    assert_eq!(state(&database), "frozen");
    let path = files.write_lines("late.jsonl", &[result("b", "success", 1.0)]);
    record(&program, &path, &["--simulation", &id]).ended(0);
    assert_eq!(status(&program, &id)["recorded_outcomes"], 2);
    assert_eq!(state(&database), "frozen");
}

#[test]
fn a_result_that_is_being_committed_while_a_simulation_is_completed_is_counted() {
    let database = TestDatabase::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = database.store();
        let simulation_id = start(&store).await;
        let (recorder, connection) =
            database.config().connect(tokio_postgres::NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        recorder.batch_execute(&half_recorded(simulation_id)).await.unwrap();
        // Completing does not wait for the open transaction, and does not freeze figures that it
        // can change.
        let (simulation, figures) =
            store.complete_simulation(simulation_id, None, &RunReport::default()).await.unwrap();
        assert_eq!(
            (simulation.status, figures.recorded_outcomes),
            (SimulationStatus::Completed, 0)
        );
        let (_, figures) = store.simulation_with_figures(simulation_id).await.unwrap();
        assert_eq!(figures.recorded_outcomes, 0);
        recorder.batch_execute("COMMIT").await.unwrap();
        for _ in 0..2 {
            let (_, figures) = store.simulation_with_figures(simulation_id).await.unwrap();
            assert_eq!(figures.recorded_outcomes, 1);
        }
        drop(recorder);
        connection.await.unwrap().unwrap();
        store.close();
    });
    assert_eq!(state(&database), "frozen");
}

#[test]
fn figures_that_a_result_overtakes_are_not_frozen() {
    let database = TestDatabase::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = database.store();
        let simulation_id = start(&store).await;
        let (other, connection) = database.config().connect(tokio_postgres::NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        // The task that computes the figures waits for this lock after it has made its claim.
        other
            .batch_execute(
                "BEGIN; LOCK TABLE arc_recorder.rejected_results IN ACCESS EXCLUSIVE MODE",
            )
            .await
            .unwrap();
        let completing = tokio::spawn({
            let store = store.clone();
            async move {
                store.complete_simulation(simulation_id, None, &RunReport::default()).await.unwrap()
            }
        });
        let (recorder, recording) = database.config().connect(tokio_postgres::NoTls).await.unwrap();
        let recording = tokio::spawn(recording);
        let claimed =
            "SELECT count(*) FROM arc_recorder.simulations WHERE figures_state = 'computing'";
        while recorder.query_one(claimed, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            tokio::task::yield_now().await;
        }
        let half = half_recorded(simulation_id);
        recorder.batch_execute(&format!("{half}; COMMIT")).await.unwrap();
        other.batch_execute("COMMIT").await.unwrap();
        let (simulation, _) = completing.await.unwrap();
        assert_eq!(simulation.status, SimulationStatus::Completed);
        let stale = "SELECT count(*) FROM arc_recorder.simulations WHERE figures_state = 'stale'";
        assert_eq!(recorder.query_one(stale, &[]).await.unwrap().get::<_, i64>(0), 1);
        let (_, figures) = store.simulation_with_figures(simulation_id).await.unwrap();
        assert_eq!(figures.recorded_outcomes, 1);
        drop((recorder, other));
        connection.await.unwrap().unwrap();
        recording.await.unwrap().unwrap();
        store.close();
    });
    assert_eq!(state(&database), "frozen");
}

#[test]
fn a_claim_whose_holder_has_gone_lapses() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let path = files.write_lines("results.jsonl", &[result("a", "success", 1.0)]);
    let recorded = record(&program, &path, &[]).ended(0).json();
    let id = recorded["simulation_id"].as_str().unwrap();
    for (age, expected) in [("0", "computing"), ("2 minutes", "frozen")] {
        // A literal: Citus accepts no function of the time in an UPDATE.
        let time = format!("SELECT (clock_timestamp() - interval '{age}')::text");
        let time: String = database.query(&time)[0].get(0);
        database.execute(&format!(
            "UPDATE arc_recorder.simulations SET figures_state = 'computing',
                 figures_claimed_at = '{time}'"
        ));
        assert_eq!(status(&program, id)["recorded_outcomes"], 1);
        assert_eq!(state(&database), expected);
    }
}

#[test]
fn a_read_only_session_sees_late_results_too() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let path = files.write_lines("results.jsonl", &[result("a", "success", 1.0)]);
    let recorded = record(&program, &path, &[]).ended(0).json();
    let id = recorded["simulation_id"].as_str().unwrap();
    record_late(&database, id, &[result("b", "success", 1.0)]);
    let url = database.url();
    let and = if url.contains('?') { '&' } else { '?' };
    let read_only = format!("{url}{and}options=-c%20default_transaction_read_only%3Don");
    let arguments = ["status", id, "--json", "--database-url", &read_only];
    let status = Program::without_database().run(arguments).ended(0).json();
    assert_eq!(status["recorded_outcomes"], 2);
    assert_eq!(state(&database), "stale");
}

/// Results arrive while the simulation is completed repeatedly and other clients query its status:
/// each answer includes every result that was acknowledged before the query.
#[test]
fn no_answer_misses_a_result_that_was_acknowledged_before_the_question() {
    const RECORDED: i64 = 150;
    let database = TestDatabase::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = Store::new(database.config(), 8).unwrap();
        let extractor = Extractor::built_in(&ExtractionSettings::default()).unwrap();
        let recorder = Recorder::new(extractor, store.clone()).await.unwrap();
        let simulation_id = start(&store).await;
        let acknowledged = Arc::new(AtomicI64::new(0));
        let recording: Vec<_> = (0..2)
            .map(|task| {
                let (recorder, acknowledged) = (recorder.clone(), Arc::clone(&acknowledged));
                tokio::spawn(async move {
                    for number in 0..RECORDED {
                        let document = result(&format!("{task}-{number}"), "success", 1.0);
                        let submissions = vec![Submission::new(document.to_string())];
                        let verdicts =
                            recorder.record_batch(simulation_id, submissions).await.unwrap();
                        assert_eq!(verdicts[0].verdict, Verdict::Stored);
                        acknowledged.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        let asking: Vec<_> = (0..3)
            .map(|task| {
                let (store, acknowledged) = (store.clone(), Arc::clone(&acknowledged));
                tokio::spawn(async move {
                    loop {
                        let before = acknowledged.load(Ordering::SeqCst);
                        let (_, figures) = match task {
                            0 => store
                                .complete_simulation(simulation_id, None, &RunReport::default())
                                .await
                                .unwrap(),
                            _ => store.simulation_with_figures(simulation_id).await.unwrap(),
                        };
                        assert!(figures.recorded_outcomes >= before, "{figures:?}, not {before}");
                        if before == 2 * RECORDED {
                            return;
                        }
                    }
                })
            })
            .collect();
        for task in recording.into_iter().chain(asking) {
            task.await.unwrap();
        }
        let (_, figures) = store.simulation_with_figures(simulation_id).await.unwrap();
        assert_eq!(figures, store.figures(simulation_id, FigureScope::WithMetrics).await.unwrap());
        store.close();
    });
    assert_eq!(state(&database), "frozen");
}
