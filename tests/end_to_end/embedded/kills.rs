//! Killed processes: nothing that was committed is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_host::Recorder;
use arc_host::embedded::EmbeddedDatabase;
use arc_host::extraction::{ExtractionSettings, Extractor};
use arc_host::recorder::{SimulationStart, Submission, Verdict};
use arc_host::store::Store;
use nix::sys::signal::{Signal, kill};

use super::folder::{Folder, connect, until};

/// Commits a row.
async fn keep(database: &EmbeddedDatabase) {
    let client = connect(database).await;
    client.batch_execute("CREATE TABLE kept AS SELECT 42 AS number").await.unwrap();
}

/// Asserts that the row exists.
async fn assert_kept(database: &EmbeddedDatabase) {
    let row = connect(database).await.query_one("SELECT number FROM kept", &[]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), 42);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_killed_server_is_restarted_for_its_users() {
    let folder = Folder::without_fsync();
    let database = folder.acquire().await;
    keep(&database).await;
    kill(folder.last_start().server, Signal::SIGKILL).unwrap();
    until("another server is started", || (folder.starts().len() == 2).then_some(()));
    assert_kept(&database).await;
    let [first, second] = folder.starts()[..] else { panic!("{:?}", folder.starts()) };
    assert_eq!(first.supervisor, second.supervisor);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_killed_supervisor_is_replaced_and_the_server_keeps_its_address() {
    let folder = Folder::without_fsync();
    let database = folder.acquire().await;
    let url = database.url();
    keep(&database).await;
    kill(folder.last_start().supervisor, Signal::SIGKILL).unwrap();
    until("its lock is free", || folder.is_free("supervisor.lock").then_some(()));
    database.ensure_running().await.unwrap();
    assert_kept(&database).await;
    assert_eq!(folder.acquire().await.url(), url);
    assert_eq!(folder.starts().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_terminated_supervisor_stops_the_server_in_order() {
    let folder = Folder::without_fsync();
    let database = folder.acquire().await;
    keep(&database).await;
    kill(folder.last_start().supervisor, Signal::SIGTERM).unwrap();
    folder.wait_until_stopped();
    assert!(!folder.data.join("postgres/postmaster.pid").exists());
    assert!(folder.server_log().trim_end().ends_with("database system is shut down"));

    database.ensure_running().await.unwrap();
    assert_kept(&database).await;
    let log = folder.server_log();
    assert!(!log.contains("was interrupted") && !log.contains("not properly shut down"), "{log}");
}

#[test]
fn acknowledged_results_exist_after_every_process_was_killed() {
    const RESULTS: u64 = 50;
    let folder = Folder::without_fsync();
    let file = folder.results(RESULTS as usize);
    let mut user = folder.user();
    folder.last_start();
    assert_eq!(folder.record(&file), (RESULTS, 0));
    let start = folder.last_start();
    // The stopped supervisor cannot react to the server's end.
    kill(start.supervisor, Signal::SIGSTOP).unwrap();
    kill(start.server, Signal::SIGKILL).unwrap();
    kill(start.supervisor, Signal::SIGKILL).unwrap();
    user.kill();
    assert_eq!(folder.record(&file), (0, RESULTS));
    assert!(folder.server_log().contains("not properly shut down"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nothing_twice_when_the_server_is_killed_under_load() {
    const TASKS: usize = 8;
    const CALLS: usize = 100;
    const KILLS: usize = 2;
    let folder = Folder::without_fsync();
    let database = folder.acquire().await;
    let store = Store::new(database.config(), 6).unwrap();
    store.migrate().await.unwrap();
    let extractor = Extractor::built_in(&ExtractionSettings::default()).unwrap();
    let recorder = Recorder::new(extractor, store).await.unwrap();
    let start = SimulationStart { scenarios: "[]".to_owned(), ..SimulationStart::default() };
    let id = recorder.start_simulation(start).await.unwrap().simulation_id;

    let acknowledged = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (recorder, acknowledged) = (recorder.clone(), Arc::clone(&acknowledged));
            tokio::spawn(async move {
                let mut ids = Vec::new();
                for call in 0..CALLS {
                    // Half of the tasks send one result a call, the others ten.
                    let count = if task % 2 == 0 { 1 } else { 10 };
                    let mut open: Vec<String> = (0..count)
                        .map(|item| {
                            format!(
                                r#"{{"scenario":{{"id":"{task}-{call}-{item}"}},"trajectory":{{"status":"success"}}}}"#
                            )
                        })
                        .collect();
                    while !open.is_empty() {
                        let submissions = open.iter().map(Submission::new).collect();
                        let verdicts = match recorder.record_batch(id, submissions).await {
                            Ok(verdicts) => verdicts,
                            Err(error) => {
                                assert!(error.retryable(), "{error}");
                                continue;
                            }
                        };
                        let mut again = Vec::new();
                        for (document, item) in open.into_iter().zip(verdicts) {
                            match item.verdict {
                                Verdict::Stored | Verdict::Duplicate => ids.push(item.outcome_id),
                                Verdict::Failed { kind, .. } if kind.may_retry() => again.push(document),
                                other => panic!("{other:?}"),
                            }
                        }
                        open = again;
                    }
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                ids
            })
        })
        .collect();
    for kill_number in 1..=KILLS {
        let enough = TASKS * CALLS * kill_number / (KILLS + 2);
        while acknowledged.load(Ordering::Relaxed) < enough {
            tokio::task::yield_now().await;
        }
        kill(folder.last_start().server, Signal::SIGKILL).unwrap();
        tokio::task::block_in_place(|| {
            until("another server is started", || {
                (folder.starts().len() == kill_number + 1).then_some(())
            });
        });
    }
    let mut ids = Vec::new();
    for task in tasks {
        ids.extend(task.await.unwrap());
    }
    ids.sort_unstable();
    let sent = TASKS / 2 * CALLS * 11;
    assert_eq!(ids.len(), sent);
    let rows = connect(&database)
        .await
        .query("SELECT outcome_id FROM arc_recorder.outcomes ORDER BY 1", &[])
        .await
        .unwrap();
    let mut found: Vec<uuid::Uuid> = rows.iter().map(|row| row.get(0)).collect();
    found.sort_unstable();
    assert_eq!(found, ids, "every acknowledged result is stored once, and nothing else is");
    assert!(recorder.metrics().retry_count > 0, "the server was killed while results were stored");
    recorder.close().await;
}
