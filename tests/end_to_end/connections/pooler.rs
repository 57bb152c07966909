//! PgBouncer in transaction mode, in which each transaction can get another session.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use arc_host::store::{ConnectionSettings, SimulationFilter, Store};
use serde_json::json;
use tokio_postgres::{Config, NoTls, SimpleQueryMessage};

use super::server::{ENCODED, PASSWORD, Server};
use crate::support::{
    Files, Program, as_server, chown_to_server_account, free_port, record, result,
    skip_without_tool,
};

/// A PgBouncer with two sessions of a server.
#[derive(Debug)]
struct Pooler {
    child: Child,
    port: u16,
}

impl Pooler {
    fn start(program: &Path, server: &Server) -> Self {
        let port = free_port();
        let folder = server.path("pooler");
        fs::create_dir(&folder).unwrap();
        chown_to_server_account(&folder);
        let users = folder.join("users");
        fs::write(&users, format!("\"arc\" \"{PASSWORD}\"\n")).unwrap();
        let settings = folder.join("pgbouncer.ini");
        let text = format!(
            "[databases]\nevaluations = host={} port={}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = scram-sha-256\nauth_file = {}\npool_mode = transaction\n\
             default_pool_size = 2\nlogfile = {}\n",
            server.socket_folder().display(),
            server.port,
            users.display(),
            folder.join("log").display(),
        );
        fs::write(&settings, text).unwrap();
        let child = as_server(program).arg("-q").arg(&settings).stderr(Stdio::null()).spawn();
        Pooler { child: child.unwrap(), port }
    }

    fn url(&self) -> String {
        format!("postgresql://arc:{ENCODED}@127.0.0.1:{}/evaluations", self.port)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the path of PgBouncer, which Debian installs in a folder that is not on an ordinary
/// user's PATH.
fn installed() -> Option<&'static Path> {
    ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"]
        .into_iter()
        .map(Path::new)
        .find(|path| path.exists())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn everything_works_behind_a_pooler_in_transaction_mode() {
    let Some(program) = installed() else {
        return skip_without_tool("the test of poolers", "pgbouncer is not installed");
    };
    let server = Server::with_tls().await;
    let pooler = Pooler::start(program, &server);
    let settings = ConnectionSettings::from_url_alone(&pooler.url()).unwrap();
    let store = Store::with_settings(&settings, 4).unwrap();
    let since = Instant::now();
    // PgBouncer needs a moment until it listens.
    while let Err(error) = store.check_schema().await {
        assert!(since.elapsed() < Duration::from_secs(60), "{error}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    store.migrate().await.unwrap();

    // Two programs at once, each with more connections than there are sessions.
    let files = Files::new();
    let paths = ["a", "b"].map(|name| {
        let mut results: Vec<_> =
            (0..300).map(|number| result(&format!("{name}{number}"), "success", 0.5)).collect();
        results.push(json!({"nothing": name}));
        results.push(result(&format!("{name}-error"), "error", 0.0));
        files.write_lines(&format!("{name}.jsonl"), &results)
    });
    let recorder = Program::with_url(&pooler.url());
    let recorded: Vec<_> = std::thread::scope(|scope| {
        let runs = paths.each_ref().map(|path| scope.spawn(|| record(&recorder, path, &[])));
        runs.into_iter().map(|run| run.join().unwrap().ended(2).json()).collect()
    });
    for summary in &recorded {
        assert_eq!((&summary["stored"], &summary["rejected"]), (&json!(301), &json!(1)));
        let id = summary["simulation_id"].as_str().unwrap();
        let command = |arguments: &[&str]| recorder.run(arguments).ended(0).stdout;
        assert_eq!(command(&["outcomes", id, "--json"]).lines().count(), 301);
        assert_eq!(command(&["outcomes", id, "--documents"]).lines().count(), 301);
        for name in ["status", "rejected", "performance"] {
            assert!(!command(&[name, id]).is_empty(), "{name}");
        }
    }
    assert!(!recorder.run(["failures"]).ended(0).stdout.is_empty());
    assert_eq!(record(&recorder, &paths[0], &[]).ended(2).json()["duplicate"], 301);

    // Nothing remains in the sessions unless the caller asks for it.
    assert_eq!(statements_left(&pooler).await, 0);
    let named = format!("{}?prepared_statements=named", pooler.url());
    let settings = ConnectionSettings::from_url_alone(&named).unwrap();
    Store::with_settings(&settings, 1)
        .unwrap()
        .simulations_page(&SimulationFilter::default(), 1, None)
        .await
        .unwrap();
    // The page and the short ids.
    assert_eq!(statements_left(&pooler).await, 2);
}

/// Returns how many prepared statements exist in the pooler's sessions.
async fn statements_left(pooler: &Pooler) -> usize {
    let config: Config = pooler.url().parse().unwrap();
    let mut clients = Vec::new();
    for _ in 0..2 {
        let (client, connection) = config.connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        // Each transaction occupies a session of its own.
        client.batch_execute("BEGIN").await.unwrap();
        clients.push(client);
    }
    let mut count = 0;
    for client in &clients {
        let names = client.simple_query("SELECT name FROM pg_prepared_statements").await.unwrap();
        let row = |message: &&SimpleQueryMessage| matches!(message, SimpleQueryMessage::Row(_));
        count += names.iter().filter(row).count();
    }
    for client in &clients {
        client.batch_execute("ROLLBACK").await.unwrap();
    }
    count
}
