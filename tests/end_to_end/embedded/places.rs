//! Any path works, and a data folder can be moved.

use std::path::{Path, PathBuf};
use std::process::Command;

use arc_host::embedded::EmbeddedDatabase;
use tokio_postgres::config::Host;

use super::folder::Folder;
use crate::support::{Finished, skip_without_tool};

/// The longest path of a socket that Linux supports.
const LONGEST_SOCKET_PATH: usize = 107;

fn socket_dir(database: &EmbeddedDatabase) -> PathBuf {
    match database.config().get_hosts() {
        [Host::Unix(folder)] => folder.clone(),
        other => panic!("{other:?}"),
    }
}

/// Returns the answer of psql, if it is installed, to a query on this database.
fn psql(database: &EmbeddedDatabase, sql: &str) -> Option<String> {
    let beside = database.programs().bin_dir.join("psql");
    let program = if beside.exists() { beside.as_path() } else { Path::new("psql") };
    let output = Command::new(program).args(["-XAt", "-c", sql, "-d", &database.url()]).output();
    let Ok(output) = output else {
        skip_without_tool("the URL in psql", "there is no psql");
        return None;
    };
    Some(Finished::from(output).ended(0).stdout.trim().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_folder_of_any_name_will_do_and_keeps_its_results_when_it_is_moved() {
    const PLAIN: &str = r#"the "quoted" one, 50% of Zoë's 'data'"#;
    let without_comma = PLAIN.replace(',', "");
    let long = "a name that is long ".repeat(6);
    let mut folder = Folder::without_fsync();
    let file = folder.results(2);
    for (name, own_socket_dir, expected) in [
        (without_comma.as_str(), true, (2, 0)),
        (PLAIN, false, (0, 2)),
        (long.trim_end(), false, (0, 2)),
    ] {
        folder.rename(name);
        let database = folder.acquire().await;
        assert_eq!(folder.record(&file), expected, "{name}");
        let count = psql(&database, "SELECT count(*) FROM arc_recorder.outcomes");
        assert!(count.is_none_or(|count| count == "2"), "{name}");
        let socket_dir = socket_dir(&database);
        assert_eq!(socket_dir == database.data_dir().join("run"), own_socket_dir, "{name}");
        assert!(socket_dir.join(".s.PGSQL.5432").as_os_str().len() <= LONGEST_SOCKET_PATH);
        drop(database);
        folder.wait_until_stopped();
        assert_eq!(socket_dir.exists(), own_socket_dir, "{name}: no other folder is left");
    }
}
