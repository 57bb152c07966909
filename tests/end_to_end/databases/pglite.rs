//! TimescaleDB within the limits of PGlite: PostgreSQL and the extension compiled to WebAssembly, with one connection,
//! without COPY and without background workers.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::str::FromStr as _;

use arc_host::extraction::{ExtractionSettings, Extractor};
use arc_host::recorder::{SimulationStart, Submission, Verdict};
use arc_host::store::{
    Attachments, ConnectionSettings, Layout, OutcomeFilter, RetentionTime, SimulationFilter, Store,
    migration_script_for_empty,
};
use arc_host::{Error, Recorder};
use jiff::{SignedDuration, Timestamp};
use tokio::runtime::Runtime;
use tokio_postgres::{Config, NoTls, SimpleQueryMessage};

use crate::support::{result, skip_without_tool};

/// A running PGlite, which ends with the test.
pub(crate) struct Pglite {
    child: Child,
    url: String,
    pub(crate) runtime: Runtime,
}

impl Pglite {
    /// Starts PGlite; `None` if it is not installed.
    pub(crate) fn start(test: &str) -> Option<Self> {
        let Some(folder) = std::env::var_os("ARC_TEST_PGLITE") else {
            skip_without_tool(test, "ARC_TEST_PGLITE names no folder with the npm packages");
            return None;
        };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("end_to_end/databases/pglite.mjs");
        let mut child = Command::new("node")
            .arg(script)
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("node can be started");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines
            .find_map(|line| line.unwrap().strip_prefix("PORT ").map(str::to_owned))
            .expect("PGlite listens");
        // Its further output must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let url =
            format!("postgresql://postgres:postgres@127.0.0.1:{port}/postgres?sslmode=disable");
        Some(Pglite { child, url, runtime: Runtime::new().unwrap() })
    }

    /// Returns a store with the only connection. It must be closed before another client can connect.
    pub(crate) fn store(&self) -> Store {
        Store::with_settings(&ConnectionSettings::from_url(&self.url).unwrap(), 1).unwrap()
    }

    /// Runs work with a recorder and closes the recorder.
    fn record<T>(&self, work: impl AsyncFnOnce(&Recorder) -> T) -> T {
        self.runtime.block_on(async {
            let extractor = Extractor::built_in(&ExtractionSettings::default()).unwrap();
            let recorder = Recorder::new(extractor, self.store()).await.unwrap();
            let done = work(&recorder).await;
            recorder.close().await;
            done
        })
    }

    /// Returns the first column of each row of a statement.
    #[track_caller]
    pub(crate) fn query(&self, sql: &str) -> Vec<String> {
        self.runtime.block_on(async {
            let config = Config::from_str(&self.url).unwrap();
            let (client, connection) = config.connect(NoTls).await.unwrap();
            let connection = tokio::spawn(connection);
            // The server has one session for all its clients, with the recorder's search path.
            client.simple_query("SET search_path TO public").await.unwrap();
            let messages = client.simple_query(sql).await;
            let messages = messages.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            drop(client);
            let _ = connection.await;
            let text = |message: &SimpleQueryMessage| match message {
                SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            };
            messages.iter().filter_map(text).collect()
        })
    }
}

impl Drop for Pglite {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A simulation that started this many days ago, with this many scenarios of two attempts each.
fn start(days: i64, scenarios: usize) -> SimulationStart {
    let ids: Vec<String> =
        (0..scenarios).map(|number| format!(r#"{{"id":"s{number}"}}"#)).collect();
    SimulationStart {
        scenarios: format!("[{}]", ids.join(",")),
        started_at: Some(Timestamp::now() - SignedDuration::from_hours(24 * days)),
        ..SimulationStart::default()
    }
}

fn submissions(scenarios: usize) -> Vec<Submission> {
    let documents = (0..scenarios).flat_map(|number| {
        let id = format!("s{number}");
        [result(&id, "error", 0.25).to_string(), result(&id, "success", 0.75).to_string()]
    });
    documents.map(Submission::new).collect()
}

#[test]
fn timescaledb_gets_its_layout_records_answers_and_forgets() {
    const SCENARIOS: usize = 150;
    let Some(pglite) = Pglite::start("TimescaleDB on PGlite") else { return };

    // The layout is chosen by the database's extensions, and is complete.
    let migrated = pglite.runtime.block_on(async {
        let store = pglite.store();
        let migrated = store.migrate().await.unwrap();
        let again = store.migrate().await.unwrap();
        assert!(again.applied.is_empty() && again.layout == Layout::Timescale, "{again:?}");
        let health = store.health().await;
        assert_eq!((health.layout, health.error.as_deref()), (Some(Layout::Timescale), None));
        assert_eq!(health.hypertables, ["documents", "outcomes"]);
        let [policy] = health.policies.as_slice() else { panic!("{health:?}") };
        assert_eq!(
            (policy.name.as_str(), policy.table.as_str()),
            ("policy_compression", "outcomes")
        );
        assert!(policy.healthy, "it need not have run yet: {policy:?}");
        let older = "UPDATE arc_recorder.installation SET arranged_at = now() - interval '2 hours'";
        store.execute_sql(older, &[]).await.unwrap();
        let [policy] = &store.health().await.policies[..] else { panic!("no policy") };
        assert!(!policy.healthy, "it has no background workers: {policy:?}");
        store.close();
        migrated
    });
    assert_eq!(migrated.applied.first().map(String::as_str), Some("0001_recording"));
    assert_eq!(migrated.applied.last().map(String::as_str), Some("layout timescale"));
    assert_eq!(migrated.notes, Vec::<String>::new());

    // More results than justify a COPY, and the same results again.
    let (old, new) = pglite.record(async |recorder| {
        let mut ids = Vec::new();
        for days in [300, 0] {
            let id = recorder.start_simulation(start(days, SCENARIOS)).await.unwrap().simulation_id;
            for expected in [Verdict::Stored, Verdict::Duplicate] {
                let verdicts = recorder.record_batch(id, submissions(SCENARIOS)).await.unwrap();
                assert_eq!(verdicts.len(), 2 * SCENARIOS);
                assert!(verdicts.iter().all(|item| item.verdict == expected), "{expected:?}");
            }
            ids.push(id);
        }
        (ids[0], ids[1])
    });
    let chunks =
        "SELECT count(*) FROM timescaledb_information.chunks WHERE hypertable_name = 'outcomes'";
    assert_eq!(pglite.query(chunks), ["2"]);

    // In the columnstore the answers are the same, and duplicates are recognised.
    let compressed = pglite.query(
        "SELECT compress_chunk(chunk)::text FROM show_chunks('arc_recorder.outcomes') AS chunk",
    );
    assert_eq!(compressed.len(), 2);
    pglite.record(async |recorder| {
        for id in [old, new] {
            let verdicts = recorder.record_batch(id, submissions(SCENARIOS)).await.unwrap();
            assert!(verdicts.iter().all(|item| item.verdict == Verdict::Duplicate));
            let late = recorder
                .record_outcome(id, Submission::new(result("late", "timeout", 0.0).to_string()));
            late.await.unwrap();
            let completed = recorder.complete_simulation(id, None).await.unwrap();
            let progress = recorder.simulation_status(id).await.unwrap();
            assert_eq!(progress.completed_scenarios, SCENARIOS as i64 + 1, "{progress:?}");
            assert_eq!(progress.failed_outcomes, 1, "{progress:?}");
            assert_eq!(progress.overall_score, completed.computed.overall_score);
            let page = recorder
                .outcomes(id, &OutcomeFilter::default(), 100, None, Attachments::default())
                .await
                .unwrap();
            assert_eq!(page.outcomes.len(), 100);
            assert!(page.outcomes.iter().all(|outcome| outcome.attempt <= 2));
            assert!(page.cursor.is_some());
            let performance = recorder.performance(id, 24.0).await.unwrap();
            assert_eq!(performance.summary.total_outcomes, 2 * SCENARIOS as i64 + 1);
        }
        assert_eq!(recorder.recent_failures(50).await.unwrap().len(), 50);
        assert_eq!(
            recorder
                .simulations(&SimulationFilter::default(), 10, None)
                .await
                .unwrap()
                .simulations
                .len(),
            2
        );
    });

    // Expired simulations are removed with their chunk; the others stay.
    pglite.runtime.block_on(async {
        let store = pglite.store();
        let before = store.hours_ago(180.0 * 24.0).await.unwrap();
        let expired = store.expired(before, RetentionTime::Acceptance).await.unwrap();
        assert_eq!((expired.simulation_ids.as_slice(), expired.chunks.len()), (&[old][..], 2));
        assert_eq!(expired.outcomes, 2 * SCENARIOS as u64 + 1);
        let removed =
            store.remove_expired(before, RetentionTime::Acceptance, |_| {}).await.unwrap();
        assert_eq!((removed.simulations, removed.chunks, removed.deleted_outcomes), (1, 2, 0));
        assert!(
            store
                .expired(before, RetentionTime::Acceptance)
                .await
                .unwrap()
                .simulation_ids
                .is_empty()
        );
        // A simulation that shares a chunk with others is deleted from the columnstore row by row.
        let now = store.hours_ago(0.000_1).await.unwrap();
        let removed = store.remove_expired(now, RetentionTime::Acceptance, |_| {}).await.unwrap();
        assert_eq!(removed.simulations, 1, "{removed:?}");
        store.close();
    });

    // So is one that a person removes.
    let (named, other) = pglite.record(async |recorder| {
        let mut ids = Vec::new();
        for _ in 0..2 {
            let id = recorder.start_simulation(start(1, SCENARIOS)).await.unwrap().simulation_id;
            recorder.record_batch(id, submissions(SCENARIOS)).await.unwrap();
            ids.push(id);
        }
        (ids[0], ids[1])
    });
    pglite.query("SELECT compress_chunk(chunk) FROM show_chunks('arc_recorder.outcomes') AS chunk");
    pglite.record(async |recorder| {
        let removed = recorder.remove_simulation(named, Some("a test")).await.unwrap();
        assert_eq!(removed.deleted_outcomes, 2 * SCENARIOS as u64);
        let again = recorder.remove_simulation(named, None).await.unwrap();
        assert_eq!((again.deleted_outcomes, again.removed_by.as_str()), (0, "a test"));
        let late = recorder.record_batch(named, submissions(1)).await;
        assert!(matches!(late, Err(Error::SimulationRemoved(_))), "{late:?}");
        let verdicts = recorder.record_batch(other, submissions(SCENARIOS)).await.unwrap();
        assert!(verdicts.iter().all(|item| item.verdict == Verdict::Duplicate));
        recorder.remove_simulation(other, None).await.unwrap();
    });
    for table in ["outcomes", "documents", "simulations", "planned_scenarios"] {
        assert_eq!(pglite.query(&format!("SELECT count(*) FROM arc_recorder.{table}")), ["0"]);
    }
}

#[test]
fn layouts_change_with_existing_rows() {
    let Some(pglite) = Pglite::start("layouts of TimescaleDB on PGlite") else { return };
    let counted = "SELECT count(*) FROM arc_recorder.outcomes";
    let hypertables = "SELECT count(*) FROM timescaledb_information.hypertables";
    let indexes = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'arc_recorder' ORDER BY 1";
    let to = |layout| {
        pglite.runtime.block_on(async {
            let store = pglite.store();
            let migrated = store.migrate_to(layout).await.unwrap();
            store.close();
            assert_eq!(migrated.layout, layout);
            migrated
        })
    };
    let plain = to(Layout::Plain);
    assert!(plain.notes[0].contains("migrate --to timescale"), "{plain:?}");
    let made = pglite.query(indexes);
    pglite.query("CREATE ROLE reader; GRANT SELECT ON arc_recorder.outcomes, arc_recorder.outcome_documents TO reader");
    let id = pglite.record(async |recorder| {
        let id = recorder.start_simulation(start(10, 20)).await.unwrap().simulation_id;
        recorder.record_batch(id, submissions(20)).await.unwrap();
        id
    });
    assert_eq!(to(Layout::Timescale).applied, ["layout timescale"]);
    assert_eq!(
        (pglite.query(counted), pglite.query(hypertables)),
        (vec!["40".to_owned()], vec!["2".to_owned()])
    );
    pglite.query("SELECT compress_chunk(chunk) FROM show_chunks('arc_recorder.outcomes') AS chunk");
    assert_eq!(to(Layout::Plain).applied, ["layout plain"]);
    assert_eq!(
        (pglite.query(counted), pglite.query(hypertables)),
        (vec!["40".to_owned()], vec!["0".to_owned()])
    );
    assert_eq!(pglite.query(indexes), made);
    let rights = "SELECT bool_and(has_table_privilege('reader', 'arc_recorder.' || name, 'SELECT'))
         FROM unnest(ARRAY['outcomes', 'outcome_documents']) AS name";
    assert_eq!(pglite.query(rights), ["t"]);
    assert_eq!(
        pglite.query("SELECT count(document_text) FROM arc_recorder.outcome_documents"),
        ["40"]
    );
    pglite.record(async |recorder| {
        let verdicts = recorder.record_batch(id, submissions(20)).await.unwrap();
        assert!(verdicts.iter().all(|item| item.verdict == Verdict::Duplicate));
    });
}

#[test]
fn the_printed_sql_for_timescaledb_is_whole() {
    let Some(pglite) = Pglite::start("printed SQL for TimescaleDB on PGlite") else { return };
    pglite.query(&migration_script_for_empty(Layout::Timescale));
    pglite.runtime.block_on(async {
        let store = pglite.store();
        let migrated = store.migrate().await.unwrap();
        assert_eq!((migrated.applied.len(), migrated.layout), (0, Layout::Timescale));
        assert!(store.migration_script(None).await.unwrap().contains("nothing to run"));
        assert!(store.migration_script(Some(Layout::Plain)).await.unwrap().contains("'plain'"));
        store.close();
    });
}
