//! Errors when there can be no database: the reason, and a remedy.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use arc_host::embedded::{EmbeddedDatabase, EmbeddedSettings};

use super::folder::{Folder, connect};
use crate::support::{Finished, Program};

/// Asserts that a command only fails, with an error that contains all of these texts.
#[track_caller]
pub(super) fn assert_refused(command: &mut Command, words: &[&str]) {
    let finished = Finished::from(command.stdin(Stdio::null()).output().unwrap()).ended(1);
    assert_eq!(finished.stdout, "");
    for expected in words {
        assert!(finished.stderr.contains(expected), "{expected} is not in: {}", finished.stderr);
    }
}

/// Returns `health` with a data folder and a folder of programs.
fn with_programs(folder: &Folder, bin_dir: &Path) -> Command {
    let mut command = folder.command(["health"]);
    command.arg("--postgres-bin").arg(bin_dir);
    command
}

#[test]
fn programs_that_are_missing_or_unfit_are_named() {
    let folder = Folder::new();
    let empty = folder.scripts("empty", &[]);
    let name = empty.to_str().unwrap();
    let words = [name, "has no initdb and postgres", "hint: name the folder that holds both"];
    assert_refused(&mut with_programs(&folder, &empty), &words);

    let version = "echo 'postgres (PostgreSQL) 13.14'";
    let old = folder.scripts("old", &[("initdb", version), ("postgres", version)]);
    let words = ["PostgreSQL 14 or newer is needed", "13.14", "hint: install a newer one"];
    assert_refused(&mut with_programs(&folder, &old), &words);

    let broken =
        folder.scripts("broken", &[("initdb", ""), ("postgres", "echo no libpq >&2; exit 127")]);
    let words = ["could not be used", "no libpq", "hint: repair that installation"];
    assert_refused(&mut with_programs(&folder, &broken), &words);
}

#[test]
fn a_cluster_of_another_version_and_other_files_are_left_as_they_are() {
    let folder = Folder::new();
    let cluster = folder.data.join("postgres");
    fs::create_dir_all(&cluster).unwrap();
    fs::write(cluster.join("PG_VERSION"), "12\n").unwrap();
    let words = ["made by PostgreSQL 12", "hint: install PostgreSQL 12 again", "pg_upgrade"];
    assert_refused(&mut folder.command(["health"]), &words);

    let version = "echo 'postgres (PostgreSQL) 14.9'";
    let other = folder.scripts("other", &[("initdb", version), ("postgres", version)]);
    let words = ["made by PostgreSQL 12", "holds PostgreSQL 14.9", "another data folder"];
    assert_refused(&mut with_programs(&folder, &other), &words);

    fs::rename(cluster.join("PG_VERSION"), cluster.join("photo.jpg")).unwrap();
    let words = ["contains files, but no PostgreSQL cluster", "hint: move it elsewhere"];
    assert_refused(&mut folder.command(["health"]), &words);
    assert_eq!(fs::read_to_string(cluster.join("photo.jpg")).unwrap(), "12\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_servers_error_about_a_setting_is_shown() {
    let folder = Folder::without_fsync();
    let mistaken = EmbeddedSettings {
        server_settings: vec![("shared_buffers".to_owned(), "plenty".to_owned())],
        ..folder.settings()
    };
    let error = EmbeddedDatabase::acquire(&mistaken).await.unwrap_err();
    let refused = error.to_string();
    for expected in ["did not start", "shared_buffers", "plenty"] {
        assert!(refused.contains(expected), "{expected} is not in: {refused}");
    }
    assert!(error.hint().unwrap().contains("try again"), "{error:?}");
    assert!(!refused.contains("try again"), "{refused}");
    connect(&folder.acquire().await).await;
    folder.wait_until_stopped();

    let file = folder.data.join("postgres/postgresql.conf");
    let good = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{good}\nmax_connections = many\n")).unwrap();
    let logs = folder.data.to_str().unwrap();
    let words = ["did not start", "max_connections", "many", "hint: once that is fixed", logs];
    assert_refused(&mut folder.command(["health"]), &words);
    fs::write(&file, good).unwrap();
    connect(&folder.acquire().await).await;
}

#[test]
fn in_a_modal_container_nothing_is_embedded_unless_it_is_asked_for() {
    let folder = Folder::without_fsync();
    let modal = |mut command: Command| {
        command.env("MODAL_TASK_ID", "ta-1");
        command
    };
    let words = ["ARC_DATABASE_URL", "TIMESCALE_SERVICE_URL", "--data-dir"];
    let nowhere = folder.beside("home");
    let mut unasked = modal(Program::without_database().command(["health", "--json"]));
    assert_refused(unasked.env("HOME", &nowhere), &words);
    assert!(!nowhere.exists());

    let asked = modal(folder.command(["health", "--json"])).output().unwrap();
    assert_eq!(Finished::from(asked).ended(0).json()["status"], "ok");
}
