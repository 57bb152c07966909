//! Lists of hosts, keyword/value connection strings, libpq's variables, and psql with the same
//! settings.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use super::server::{ENCODED, PASSWORD, Server};
use crate::support::{Finished, Program, free_port};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_list_of_hosts_is_tried_until_one_will_do() {
    let server = Server::with_tls().await;
    let (dead, port) = (free_port(), server.port);
    let hosts = format!("127.0.0.1:{dead},no-such-host.invalid,localhost:{port}");
    for order in ["disable", "random"] {
        let url = format!(
            "postgresql://arc:{ENCODED}@{hosts}/evaluations?load_balance_hosts={order}&sslmode=require"
        );
        assert_eq!(server.reach(&url).await, Ok(true), "{order}");
    }
    let dead_only = format!("postgresql://arc:{ENCODED}@127.0.0.1:{dead}/evaluations?");
    server.refuses(&dead_only, "could not connect to the database").await;

    for wanted in ["any", "read-write", "primary", "prefer-standby"] {
        let url = server.url("arc", &format!("target_session_attrs={wanted}"));
        assert_eq!(server.reach(&url).await, Ok(true), "{wanted}");
    }
    server.refuses(&server.url("arc", "target_session_attrs=standby"), "is no standby").await;
    server.refuses(&server.url("arc", "target_session_attrs=read-only"), "takes writes").await;
    let read_only = "target_session_attrs=read-write&options=-cdefault_transaction_read_only%3Don";
    server.refuses(&server.url("arc", read_only), "takes no writes").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn variables_and_files_give_what_a_url_leaves_out() {
    let server = Server::with_tls().await;
    let home = server.path("home");
    fs::create_dir_all(home.join(".postgresql")).unwrap();
    fs::copy(server.path("ca.crt"), home.join(".postgresql/root.crt")).unwrap();
    fs::write(home.join(".pgpass"), format!("*:{}:*:arc:{PASSWORD}\n", server.port)).unwrap();
    fs::set_permissions(home.join(".pgpass"), Permissions::from_mode(0o600)).unwrap();
    let port = server.port.to_string();
    let command = |url: &str, arguments: &[&str]| {
        let mut command = Program::without_database().command(arguments);
        command.args(["--database-url", url]).env("HOME", &home).stdin(Stdio::null());
        command
    };
    let run = |command: &mut Command, code: i32| -> Finished {
        let finished = Finished::from(command.output().unwrap()).ended(code);
        let all = format!("{}{}", finished.stdout, finished.stderr);
        assert!(!all.contains("hunter2"), "{all}");
        finished
    };
    let variables = [
        ("PGHOST", "localhost"),
        ("PGPORT", &port),
        ("PGUSER", "arc"),
        ("PGDATABASE", "evaluations"),
        ("PGSSLMODE", "verify-full"),
        ("PGCHANNELBINDING", "require"),
        ("PGCONNECT_TIMEOUT", "20"),
        ("PGTARGETSESSIONATTRS", "read-write"),
    ];
    run(command("postgresql://", &["migrate"]).envs(variables), 0);
    let shown = run(command("postgresql://", &["health"]).envs(variables), 0).stdout;
    assert!(shown.contains(&format!("arc@localhost:{port}/evaluations")), "{shown}");

    // The URL takes precedence: its user's password is in no file.
    let mut other = command("postgresql://encrypted@localhost", &["health"]);
    let refused = run(other.envs(variables), 1).stderr;
    assert!(refused.contains("PGPASSWORD"), "{refused}");
    let mut given = command("postgresql://encrypted@localhost", &["health"]);
    let let_in = run(given.envs(variables).env("PGPASSWORD", PASSWORD), 1).stderr;
    assert!(let_in.contains("not allowed to read the schema"), "{let_in}");

    // A keyword/value connection string in place of a URL, with psql, which gets the same settings
    // as variables.
    let connection_string =
        format!("host=localhost port={port} dbname=evaluations user=arc sslmode=verify-full");
    let mut psql =
        Program::without_database().command(["psql", "--database-url", &connection_string, "--"]);
    psql.args(["-XAtc", "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"]);
    // Variables for other databases in the environment have no effect.
    psql.env("HOME", &home).env("PGSSLMODE", "disable").env("PGSERVICE", "none");
    assert!(run(&mut psql, 0).stdout.starts_with("t|TLSv1."));
}
