//! A cluster is created completely or not at all, even if processes are killed or cancelled.

use std::fs;

use arc_host::embedded::{EmbeddedDatabase, Stage};
use tokio::sync::Notify;

use super::folder::{Folder, User, connect, until};
use crate::support::Program;

#[test]
fn a_cluster_whose_maker_was_killed_is_made_by_the_next_user() {
    let folder = Folder::without_fsync();
    let mut user = folder.user();
    until("initdb is at work", || {
        folder.half_made().first()?.join("PG_VERSION").exists().then_some(())
    });
    user.kill();
    assert_eq!(folder.record(&folder.results(3)), (3, 0));
    // The processes of a killed initdb can still write for a moment; the next user removes what they wrote.
    until("nothing half made is left", || {
        let cleared = folder.half_made().is_empty();
        if !cleared {
            assert_eq!(folder.record(&folder.results(3)), (0, 3));
        }
        cleared.then_some(())
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_remains_of_a_killed_initdb_are_removed() {
    let folder = Folder::without_fsync();
    // This initdb writes one file and never finishes.
    let initdb = r#"echo half > "$2/half-made"; exec sleep 60"#;
    let postgres = "echo 'postgres (PostgreSQL) 17.1'";
    let bin_dir = folder.scripts("bin", &[("initdb", initdb), ("postgres", postgres)]);
    let mut command = folder.command(["record", "-", "--postgres-bin"]);
    command.arg(&bin_dir);
    let mut user = User::start(command);
    until("initdb is at work", || {
        folder.half_made().first()?.join("half-made").exists().then_some(())
    });
    user.kill();
    assert_eq!(folder.half_made().len(), 1);
    assert!(!folder.data.join("postgres").exists());

    connect(&folder.acquire().await).await;
    assert!(folder.half_made().is_empty());

    // It wrote once more after its folder was removed and the cluster was complete.
    folder.wait_until_stopped();
    fs::create_dir(folder.data.join("postgres-new-late")).unwrap();
    connect(&folder.acquire().await).await;
    assert!(folder.half_made().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_cancelled_acquisition_can_be_repeated_in_the_same_process() {
    let folder = Folder::without_fsync();
    for moment in [Stage::MakingCluster, Stage::Starting] {
        let reached = Notify::new();
        let settings = folder.settings();
        let acquisition = EmbeddedDatabase::acquire_with(&settings, |stage| {
            if stage == moment {
                reached.notify_one();
            }
        });
        tokio::select! {
            biased;
            () = reached.notified() => {}
            acquired = acquisition => panic!("{moment:?} did not come: {acquired:?}"),
        }
        connect(&folder.acquire().await).await;
        folder.wait_until_stopped();
    }
    assert!(folder.half_made().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_supervisor_that_leaves_the_server_to_another_is_no_failure() {
    let folder = Folder::without_fsync();
    // As if the process that launched the other supervisor was killed, and that supervisor is slow.
    let leaves_once = format!(
        r#"if mkdir "$(dirname "$0")/left" 2>/dev/null; then exit 0; fi; exec '{}' "$@""#,
        Program::path().display()
    );
    let scripts = folder.scripts("supervisor", &[("supervisor", &leaves_once)]);
    let mut settings = folder.settings();
    settings.supervisor.program = scripts.join("supervisor");
    connect(&EmbeddedDatabase::acquire(&settings).await.unwrap()).await;
    assert!(scripts.join("left").exists());
    assert_eq!(folder.starts().len(), 1);
}
