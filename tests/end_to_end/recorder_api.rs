//! The recorder as a Rust library.

use std::sync::atomic::AtomicBool;

use arc_host::extraction::{ExtractionSettings, Extractor};
use arc_host::recorder::{
    FailureKind, ReextractionScope, SimulationStart, Submission, Verdict, new_simulation_id,
};
use arc_host::store::{RetentionTime, SimulationFilter, Store};
use arc_host::{Error, Recorder};

use crate::support::TestDatabase;

async fn recorder(database: &TestDatabase) -> Recorder {
    let extractor = Extractor::built_in(&ExtractionSettings::default()).unwrap();
    Recorder::new(extractor, database.store()).await.unwrap()
}

fn start(scenarios: &str) -> SimulationStart {
    SimulationStart { scenarios: scenarios.to_owned(), ..SimulationStart::default() }
}

/// Runs an asynchronous test on a runtime of its own; the database is created outside of it.
fn run(test: impl AsyncFnOnce(&TestDatabase)) {
    let database = TestDatabase::new();
    tokio::runtime::Runtime::new().unwrap().block_on(test(&database));
}

#[test]
fn a_single_result_returns_its_id_or_all_its_violations() {
    run(async |database| {
        let recorder = recorder(database).await;
        let id = recorder.start_simulation(start(r#"[{"id":"a"}]"#)).await.unwrap().simulation_id;
        let good = r#"{"scenario":{"id":"a"},"trajectory":{"status":"success"}}"#;
        let first = recorder.record_outcome(id, Submission::new(good)).await.unwrap();
        assert_eq!(recorder.record_outcome(id, Submission::new(good)).await.unwrap(), first);
        let bad =
            r#"{"scenario":{"id":"a"},"trajectory":{"status":"odd","execution_time_seconds":-1}}"#;
        let Err(Error::Rejected { violations, .. }) =
            recorder.record_outcome(id, Submission::new(bad)).await
        else {
            panic!("it is not valid")
        };
        assert_eq!(violations.len(), 2, "{violations:?}");
        assert_eq!(recorder.rejected(id, 100, None).await.unwrap().rejected.len(), 1);
        let unknown = recorder.record_outcome(new_simulation_id(), Submission::new(good)).await;
        assert!(matches!(unknown, Err(Error::NotFound(_))), "{unknown:?}");
        assert!(recorder.record_batch(id, Vec::new()).await.unwrap().is_empty());
    });
}

#[test]
fn a_start_is_checked_before_anything_is_written() {
    run(async |database| {
        let recorder = recorder(database).await;
        let known = recorder.create_configuration("agent", "model: m-1", None).await.unwrap();
        assert_eq!(
            recorder.create_configuration("agent", "model: m-1", None).await.unwrap(),
            known
        );
        assert_ne!(
            recorder.create_configuration("agent", "model: m-2", None).await.unwrap(),
            known
        );
        let begun = SimulationStart { config_version_id: known, ..start("[]") };
        assert!(recorder.start_simulation(begun).await.unwrap().configuration_exists);

        let refused = |start: SimulationStart| async {
            recorder.start_simulation(start).await.unwrap_err().to_string()
        };
        let twice = refused(start(r#"[{"id":"twin"},{"id":"twin"}]"#)).await;
        assert!(twice.contains("twin"), "{twice}");
        assert!(refused(start("{}")).await.contains("scenarios"));
        let many = SimulationStart { trials: Some(10_001), ..start("[]") };
        assert!(refused(many).await.contains("10001"));
        let list = SimulationStart { metadata: Some("[]".to_owned()), ..start("[]") };
        assert!(refused(list).await.contains("metadata"));
        let nul = SimulationStart { simulation_name: Some("a\0".to_owned()), ..start("[]") };
        assert!(refused(nul).await.contains("name"));
        assert_eq!(
            recorder
                .simulations(&SimulationFilter::default(), 10, None)
                .await
                .unwrap()
                .simulations
                .len(),
            1
        );
    });
}

#[test]
fn metrics_count_and_a_closed_recorder_returns_an_error() {
    run(async |database| {
        let recorder = recorder(database).await;
        let id = recorder.start_simulation(start("[]")).await.unwrap().simulation_id;
        let document = |number: usize| {
            // Together they exceed the queue's limit: the calls wait, and no result is lost.
            let filling = "x".repeat(1 << 20);
            format!(
                r#"{{"scenario":{{"id":"s{number}"}},"trajectory":{{"status":"success"}},"filling":"{filling}"}}"#
            )
        };
        let calls = (0..64).map(|number| {
            let recorder = recorder.clone();
            let submission = Submission::new(document(number));
            tokio::spawn(async move { recorder.record_batch(id, vec![submission]).await })
        });
        for call in calls.collect::<Vec<_>>() {
            assert_eq!(call.await.unwrap().unwrap()[0].verdict, Verdict::Stored);
        }
        recorder.health().await;
        let metrics = recorder.metrics();
        assert_eq!(metrics.stored_outcomes, 64);
        assert!(metrics.transactions >= 1 && metrics.total_queries > metrics.transactions);
        assert!(metrics.avg_query_time > 0.0 && metrics.success_rate == 100.0);
        assert!(metrics.last_health_check.is_some());

        recorder.close().await;
        recorder.close().await;
        let late = recorder.record_batch(id, vec![Submission::new(document(64))]).await.unwrap();
        let Verdict::Failed { kind: FailureKind::Unavailable, message, .. } = &late[0].verdict
        else {
            panic!("{:?}", late[0].verdict)
        };
        assert!(message.contains("closed"), "{message}");
    });
}

const GOOD: &str =
    r#"{"scenario":{"id":"a"},"trajectory":{"status":"success"},"reliability_score":1}"#;

#[test]
fn a_nul_in_a_name_or_an_id_is_no_reason_to_lose_a_result() {
    run(async |database| {
        let recorder = recorder(database).await;
        let id = recorder.start_simulation(start(r#"[{"id":"a"}]"#)).await.unwrap().simulation_id;
        let deep = format!(r#"{{"\u0000":{}"#, "[".repeat(300));
        let results = [r#"{"scenario":{"id":"b"},"a\u0000b": none}"#, deep.as_str(), GOOD];
        let mut submissions = results.map(Submission::new).to_vec();
        submissions[2].modal_call_id = Some("fc-\0".to_owned());
        let verdicts = recorder.record_batch(id, submissions).await.unwrap();
        let rejected = |index: usize| matches!(verdicts[index].verdict, Verdict::Rejected(_));
        assert!(rejected(0) && rejected(1), "{verdicts:?}");
        assert_eq!(verdicts[2].verdict, Verdict::Stored);
        assert_eq!(recorder.rejected(id, 100, None).await.unwrap().rejected.len(), 2);
    });
}

#[test]
fn rows_that_the_database_refuses_are_found_among_the_others() {
    run(async |database| {
        let recorder = recorder(database).await;
        let id = recorder.start_simulation(start(r#"[{"id":"a"}]"#)).await.unwrap().simulation_id;
        let refuse =
            "ALTER TABLE arc_recorder.rejected_results ADD CHECK (document_bytes < 0) NOT VALID";
        database.store().execute_sql(refuse, &[]).await.unwrap();
        for good in 0..3 {
            let mut results: Vec<String> =
                (0..good).map(|n| format!("{GOOD}{}", " ".repeat(good * 10 + n))).collect();
            results.extend((0..3 - good).map(|n| format!("{}x", " ".repeat(good * 10 + n))));
            let submissions = results.into_iter().map(Submission::new).collect();
            let verdicts = recorder.record_batch(id, submissions).await.unwrap();
            for (index, item) in verdicts.iter().enumerate() {
                let failed =
                    matches!(item.verdict, Verdict::Failed { kind: FailureKind::Refused, .. });
                assert_eq!(failed, index >= good, "{verdicts:?}");
                assert!(failed || item.verdict == Verdict::Stored, "{verdicts:?}");
            }
        }
        recorder.close().await;
    });
}

#[test]
fn a_refused_row_costs_no_connection_and_every_copy_is_counted() {
    run(async |database| {
        let extractor = Extractor::built_in(&ExtractionSettings::default()).unwrap();
        let store = Store::new(database.config(), 1).unwrap();
        let recorder = Recorder::new(extractor, store.clone()).await.unwrap();
        let id = recorder.start_simulation(start("[]")).await.unwrap().simulation_id;
        let refuse = "ALTER TABLE arc_recorder.outcomes ADD CHECK (scenario_id <> 'odd') NOT VALID";
        store.execute_sql(refuse, &[]).await.unwrap();
        let connection = || async {
            let answer = store.execute_sql("SELECT pg_backend_pid()", &[]).await.unwrap();
            format!("{answer:?}")
        };
        let record = |name: &str, odd: Option<usize>| {
            let results = (0..20).map(|number| {
                let scenario =
                    if odd == Some(number) { "odd".to_owned() } else { format!("{name}{number}") };
                Submission::new(format!(
                    r#"{{"scenario":{{"id":"{scenario}"}},"trajectory":{{"status":"success"}},"name":"{name}"}}"#
                ))
            });
            recorder.record_batch(id, results.collect())
        };
        record("first", None).await.unwrap();
        let (before, used) = (connection().await, recorder.metrics().total_queries);
        record("second", None).await.unwrap();
        // BEGIN, the note of the simulation, COPY, the documents, COMMIT.
        assert_eq!(recorder.metrics().total_queries, used + 5);
        let verdicts = record("third", Some(7)).await.unwrap();
        for (place, item) in verdicts.iter().enumerate() {
            let failed = matches!(item.verdict, Verdict::Failed { kind: FailureKind::Refused, .. });
            assert_eq!(failed, place == 7, "{verdicts:?}");
        }
        assert_eq!(connection().await, before, "the connection was kept");
        recorder.close().await;
    });
}

#[test]
fn a_simulation_that_was_removed_and_started_again_has_results_of_its_own_time() {
    run(async |database| {
        let recorder = recorder(database).await;
        let new = SimulationStart {
            simulation_id: Some(new_simulation_id()),
            ..start(r#"[{"id":"a"}]"#)
        };
        let id = recorder.start_simulation(new.clone()).await.unwrap().simulation_id;
        recorder.record_outcome(id, Submission::new(GOOD)).await.unwrap();
        let later = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
        let removed = recorder
            .store()
            .remove_expired(later, RetentionTime::Acceptance, |_| {})
            .await
            .unwrap();
        assert_eq!((removed.simulations, removed.deleted_outcomes), (1, 1));

        let again = SimulationStart { scenarios: r#"[{"id":"b"}]"#.to_owned(), ..new };
        recorder.start_simulation(again).await.unwrap();
        let verdicts = recorder.record_batch(id, vec![Submission::new(GOOD)]).await.unwrap();
        assert_eq!(verdicts[0].verdict, Verdict::Stored);
        let last = verdicts[0].warnings.last().map(|warning| warning.code.as_str());
        assert_eq!(last, Some("unplanned_scenario"), "the scenario is not in the plan");
        let rows = "SELECT outcome_id FROM arc_recorder.outcomes
             JOIN arc_recorder.simulations USING (simulation_id, partition_time)";
        let answer = recorder.store().execute_sql(rows, &[]).await.unwrap();
        assert_eq!(answer.row_count, 1, "its time is the simulation's own");
        recorder.close().await;
    });
}

#[test]
fn the_extractor_is_known_for_every_format_of_the_recorder() {
    run(async |database| {
        let recorder = recorder(database).await;
        let id = recorder.start_simulation(start("[]")).await.unwrap().simulation_id;
        let other = recorder.in_format("promptfoo").await.unwrap();
        let verdicts = other.record_batch(id, vec![Submission::new("[]")]).await.unwrap();
        assert!(matches!(verdicts[0].verdict, Verdict::Rejected(_)), "{verdicts:?}");
        let named = "SELECT name FROM arc_recorder.rejected_results
             JOIN arc_recorder.extractors USING (extractor_id)";
        let answer = recorder.store().execute_sql(named, &[]).await.unwrap();
        assert_eq!(answer.rows[0].get(), r#"{"name":"promptfoo"}"#);
        recorder.close().await;
    });
}

#[test]
fn extracting_again_makes_a_new_database_ready_as_every_call_does() {
    let database = TestDatabase::empty();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let extractor = Extractor::built_in(&ExtractionSettings::default()).unwrap();
        let recorder = Recorder::when_reachable(extractor, database.store());
        let stop = AtomicBool::new(false);
        let scope = ReextractionScope::default();
        let reextracted = recorder.reextract(scope, &stop, |_| {}).await.unwrap();
        let replayed = recorder.replay_rejected(None, &stop, |_| {}).await.unwrap();
        assert_eq!((reextracted.examined, replayed.stored), (0, 0));
        recorder.close().await;
    });
}

#[test]
fn completing_again_without_a_summary_changes_nothing() {
    run(async |database| {
        let recorder = recorder(database).await;
        let id = recorder.start_simulation(start(r#"[{"id":"a"}]"#)).await.unwrap().simulation_id;
        recorder.record_outcome(id, Submission::new(GOOD)).await.unwrap();
        let suite = r#"{"average_reliability_score": 0.25, "total_cost_usd": 7, "parallel_execution_time": 12}"#;
        let first = recorder.complete_simulation(id, Some(suite)).await.unwrap();
        let again = recorder.complete_simulation(id, None).await.unwrap();
        assert_eq!((first.figures, first.completed_at), (again.figures, again.completed_at));
        assert_eq!(again.figures.overall_score, Some(0.25));
        assert_eq!(again.figures.execution_time_seconds, 12.0);
    });
}

#[test]
fn starts_that_share_scenarios_in_another_order_do_not_wait_for_each_other_for_ever() {
    run(async |database| {
        let recorder = recorder(database).await;
        for round in 0..3 {
            let mut scenarios: Vec<String> =
                (0..6_000).map(|n| format!(r#"{{"id":"{round}-{n}"}}"#)).collect();
            let forwards = start(&format!("[{}]", scenarios.join(",")));
            scenarios.reverse();
            let backwards = start(&format!("[{}]", scenarios.join(",")));
            let few = start(&format!("[{}]", scenarios[2_000..2_900].join(",")));
            let (one, other, third) = tokio::join!(
                recorder.start_simulation(forwards),
                recorder.start_simulation(backwards),
                recorder.start_simulation(few)
            );
            assert_eq!(one.unwrap().scenario_count, other.unwrap().scenario_count);
            assert_eq!(third.unwrap().scenario_count, 900);
        }
    });
}

#[test]
fn a_plan_of_large_scenarios_goes_in_in_parts() {
    run(async |database| {
        let recorder = recorder(database).await;
        let large = "x".repeat(100 << 10);
        let scenarios: Vec<String> =
            (0..150).map(|n| format!(r#"{{"id":"s-{n}","task_prompt":"{large}"}}"#)).collect();
        let begun = recorder.start_simulation(start(&format!("[{}]", scenarios.join(",")))).await;
        let id = begun.unwrap().simulation_id;
        let order = "SELECT count(*) AS n, max(execution_order) AS last, \
                     count(DISTINCT execution_order) AS orders \
                     FROM planned_scenarios WHERE simulation_id = :id";
        let values = [("id".to_owned(), Some(id.to_string()))];
        let answer = database.store().execute_sql(order, &values).await.unwrap();
        assert_eq!(answer.rows[0].get(), r#"{"n":150,"last":150,"orders":150}"#);
    });
}

/// Two hosts record the same results one by one and concurrently, each result twice, so that calls
/// share transactions within a host and conflict with those of the other host.
#[test]
fn results_one_by_one_from_two_hosts_at_once_are_stored_once_and_each_call_is_answered() {
    const RESULTS: usize = 150;
    run(async |database| {
        let hosts = [recorder(database).await, recorder(database).await];
        let id = hosts[0].start_simulation(start("[]")).await.unwrap().simulation_id;
        let document = |number: usize| {
            let status = if number.is_multiple_of(10) { "odd" } else { "success" };
            format!(r#"{{"scenario":{{"id":"s{number}"}},"trajectory":{{"status":"{status}"}}}}"#)
        };
        let calls = (0..RESULTS)
            .flat_map(|number| [number, RESULTS - 1 - number])
            .flat_map(|number| hosts.iter().map(move |host| (number, host.clone())));
        let answers = calls.map(|(number, host)| {
            let submission = Submission::new(document(number));
            let call = tokio::spawn(host.record_batch(id, vec![submission]));
            async move { (number, call.await.unwrap().unwrap()) }
        });
        let answers: Vec<_> = answers.collect();
        let mut stored = [0; RESULTS];
        for answer in answers {
            let (number, verdicts) = answer.await;
            let [item] = verdicts.as_slice() else { panic!("{verdicts:?}") };
            match &item.verdict {
                Verdict::Stored => stored[number] += 1,
                Verdict::Duplicate => assert_ne!(number % 10, 0),
                Verdict::Rejected(_) => assert_eq!(number % 10, 0),
                other => panic!("{other:?}"),
            }
        }
        for (number, times) in stored.into_iter().enumerate() {
            assert_eq!(times, i32::from(number % 10 != 0), "result {number}");
        }
        let count = |table: &str| {
            tokio::task::block_in_place(|| {
                database.count(&format!("SELECT count(*) FROM arc_recorder.{table}"))
            })
        };
        assert_eq!(count("outcomes"), 135);
        assert_eq!(count("rejected_results"), 15);
    });
}

/// A cancelled call does not affect the others, and leaves no connection in a transaction.
#[test]
fn cancelled_calls_do_not_affect_others_in_their_transaction() {
    const RESULTS: usize = 60;
    run(async |database| {
        let recorder = recorder(database).await;
        let id = recorder.start_simulation(start("[]")).await.unwrap().simulation_id;
        let record = |number: usize| {
            let document = format!(
                r#"{{"scenario":{{"id":"s{number}"}},"trajectory":{{"status":"success"}}}}"#
            );
            tokio::spawn(recorder.record_batch(id, vec![Submission::new(document)]))
        };
        let (kept, given_up): (Vec<_>, Vec<_>) = (0..RESULTS)
            .map(|number| (number, record(number)))
            .partition(|(number, _)| number % 2 == 0);
        for (_, call) in given_up {
            call.abort();
        }
        for (_, call) in kept {
            assert_eq!(call.await.unwrap().unwrap()[0].verdict, Verdict::Stored);
        }
        for number in 0..RESULTS {
            let verdicts = record(number).await.unwrap().unwrap();
            assert!(matches!(verdicts[0].verdict, Verdict::Stored | Verdict::Duplicate));
        }
        let open = "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
        tokio::task::block_in_place(|| {
            assert_eq!(database.count(open), 0);
            assert_eq!(database.count("SELECT count(*) FROM arc_recorder.outcomes"), 60);
        });
    });
}
