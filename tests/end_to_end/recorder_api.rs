//! The recorder as a Rust library.

use arc_host::extraction::{ExtractionSettings, Extractor};
use arc_host::recorder::{SimulationStart, Submission, Verdict, new_simulation_id};
use arc_host::{Error, Recorder};

use crate::support::TestDatabase;

async fn recorder(database: &TestDatabase) -> Recorder {
    let extractor = Extractor::built_in(&ExtractionSettings::default()).unwrap();
    Recorder::new(extractor, database.store()).await.unwrap()
}

fn start(scenarios: &str) -> SimulationStart {
    SimulationStart { scenarios: scenarios.to_owned(), ..SimulationStart::default() }
}

/// Runs an asynchronous test on a thread of its own runtime; the database is made outside of it.
fn run(test: impl AsyncFnOnce(&TestDatabase)) {
    let database = TestDatabase::new();
    tokio::runtime::Runtime::new().unwrap().block_on(test(&database));
}

#[test]
fn one_result_gives_its_id_or_all_that_is_wrong_with_it() {
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
        assert_eq!(recorder.rejected(id).await.unwrap().len(), 1);
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
        assert!(recorder.start_simulation(begun).await.unwrap().configuration_known);

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
        assert_eq!(recorder.simulations(None, 10, None).await.unwrap().simulations.len(), 1);
    });
}

#[test]
fn metrics_count_and_a_closed_recorder_says_so() {
    run(async |database| {
        let recorder = recorder(database).await;
        let id = recorder.start_simulation(start("[]")).await.unwrap().simulation_id;
        let document = |number: usize| {
            // Together they are more than the queue holds: it waits, and loses nothing.
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
        let Verdict::Failed { retryable: true, message } = &late[0].verdict else {
            panic!("{:?}", late[0].verdict)
        };
        assert!(message.contains("closed"), "{message}");
    });
}
