//! One server for many users, stopped by the last.

use std::io::Write as _;
use std::process::{Child, Stdio};

use arc_host::embedded::EmbeddedDatabase;

use super::folder::{Folder, connect, counts};
use crate::support::{Finished, result};

/// Returns the identifier that a cluster gets when it is created.
async fn identity(database: &EmbeddedDatabase) -> i64 {
    let query = "SELECT system_identifier FROM pg_control_system()";
    connect(database).await.query_one(query, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_cluster_is_made_once_and_its_server_stops_with_the_last_user() {
    let folder = Folder::without_fsync();
    let mut first = folder.user();
    folder.last_start();
    let second = folder.acquire().await;
    let made = identity(&second).await;
    let client = connect(&second).await;
    first.leave();
    // Meanwhile the supervisor looks for users several times.
    client.execute("SELECT pg_sleep(0.5)", &[]).await.unwrap();
    drop(client);
    drop(second);
    folder.wait_until_stopped();
    assert!(!folder.data.join("postgres/postmaster.pid").exists());
    assert_eq!(folder.starts().len(), 1);

    let third = folder.acquire().await;
    assert_eq!(identity(&third).await, made);
    assert_eq!(folder.starts().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn ten_processes_that_come_at_once_share_one_server() {
    const PROCESSES: u64 = 10;
    let folder = Folder::without_fsync();
    let spawn = |_| -> Child {
        let mut command = folder.command(["record", "--json", "-"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let mut processes: Vec<Child> = (0..PROCESSES).map(spawn).collect();
    // An additional user, so that the server does not stop before the slowest process connects.
    let database = folder.acquire().await;
    for (number, process) in processes.iter_mut().enumerate() {
        // The pipe is closed at once, which ends the process's input.
        let mut input = process.stdin.take().unwrap();
        writeln!(input, "{}", result(&format!("scenario-{number}"), "success", 0.5)).unwrap();
    }
    for process in processes {
        let finished = Finished::from(process.wait_with_output().unwrap()).ended(0);
        assert_eq!(counts(&finished.json()), (1, 0));
    }
    let query = "SELECT count(DISTINCT simulation_id) FROM arc_recorder.outcomes";
    let client = connect(&database).await;
    assert_eq!(client.query_one(query, &[]).await.unwrap().get::<_, i64>(0), PROCESSES as i64);
    assert_eq!(folder.starts().len(), 1);
    assert!(folder.half_made().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn ctrl_c_for_the_user_who_started_the_server_does_not_affect_others() {
    let folder = Folder::without_fsync();
    let mut starter = folder.user();
    folder.last_start();
    let other = folder.acquire().await;
    let client = connect(&other).await;
    client.batch_execute("BEGIN; CREATE TABLE kept AS SELECT 1 AS number").await.unwrap();
    // 130 is the exit code that shells use for SIGINT.
    assert_eq!(starter.interrupt().code(), Some(130));
    client.batch_execute("SELECT pg_sleep(0.5); COMMIT").await.unwrap();
    connect(&other).await.query_one("SELECT number FROM kept", &[]).await.unwrap();
    assert_eq!(folder.starts().len(), 1);
}
