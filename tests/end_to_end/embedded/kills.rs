//! What a killed process takes with it: nothing that was committed.

use arc_host::embedded::EmbeddedDatabase;
use nix::sys::signal::{Signal, kill};

use super::folder::{Folder, connect, until};

/// Commits a row.
async fn keep(database: &EmbeddedDatabase) {
    let client = connect(database).await;
    client.batch_execute("CREATE TABLE kept AS SELECT 42 AS number").await.unwrap();
}

/// Asserts that the row is there.
async fn assert_kept(database: &EmbeddedDatabase) {
    let row = connect(database).await.query_one("SELECT number FROM kept", &[]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), 42);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_killed_server_comes_back_for_those_who_use_it() {
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
async fn a_killed_supervisor_is_replaced_and_the_server_is_where_it_was() {
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
async fn a_supervisor_that_is_told_to_end_stops_the_server_in_order() {
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
fn what_was_acknowledged_is_there_after_everything_was_killed() {
    const RESULTS: u64 = 50;
    let folder = Folder::without_fsync();
    let file = folder.results(RESULTS as usize);
    let mut user = folder.user();
    folder.last_start();
    assert_eq!(folder.record(&file), (RESULTS, 0));
    let start = folder.last_start();
    // Held, the supervisor cannot do anything about the server's end.
    kill(start.supervisor, Signal::SIGSTOP).unwrap();
    kill(start.server, Signal::SIGKILL).unwrap();
    kill(start.supervisor, Signal::SIGKILL).unwrap();
    user.kill();
    assert_eq!(folder.record(&file), (0, RESULTS));
    assert!(folder.server_log().contains("not properly shut down"));
}
