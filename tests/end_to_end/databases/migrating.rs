//! How the schema is created in a database, by the program or by hand, and how its layout changes.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use arc_host::store::{Layout, migration_script_for_empty};
use serde_json::{Value, json};

use crate::support::{Files, Finished, Program, TestDatabase, installed_programs, record, result};

/// Runs SQL with psql, as an administrator does, and stops at the first error.
fn psql(url: &str, file: &PathBuf) -> Finished {
    let beside = installed_programs().join("psql");
    let program = if beside.exists() { beside } else { PathBuf::from("psql") };
    let mut command = Command::new(program);
    command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-f"]).arg(file);
    command.stdin(Stdio::null()).output().unwrap().into()
}

/// Returns everything that the catalogue contains about the schema.
fn described(database: &TestDatabase) -> Vec<String> {
    let rows = database.query(
        "SELECT format('%s %s %s %s %s', attrelid::regclass, attname, atttypid::regtype, attnotnull,
                 attcompression)
             FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
             WHERE relnamespace = 'arc_recorder'::regnamespace AND attnum > 0
         UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'arc_recorder'
         UNION ALL SELECT format('%s %s', proname, md5(prosrc)) FROM pg_proc
             WHERE pronamespace = 'arc_recorder'::regnamespace
         UNION ALL SELECT format('%s %s %s', version, name, sha256)
             FROM arc_recorder.schema_migrations
         UNION ALL SELECT layout FROM arc_recorder.installation
         ORDER BY 1",
    );
    rows.iter().map(|row| row.get(0)).collect()
}

#[test]
fn the_printed_sql_makes_the_schema_that_the_command_makes() {
    let files = Files::new();
    let by_command = TestDatabase::empty();
    Program::on(&by_command).run(["migrate"]).ended(0);

    let by_hand = TestDatabase::empty();
    let program = Program::on(&by_hand);
    let script = program.run(["migrate", "--print"]).ended(0).stdout;
    assert_eq!(
        by_hand.count("SELECT count(*) FROM pg_namespace WHERE nspname = 'arc_recorder'"),
        0,
        "printing changes nothing"
    );
    let file = files.write("schema.sql", &script);
    psql(by_hand.url(), &file).ended(0);
    assert_eq!(described(&by_hand), described(&by_command));
    assert_eq!(program.run(["migrate", "--json"]).ended(0).json()["applied"], json!([]));
    assert!(program.run(["migrate", "--print"]).ended(0).stdout.contains("nothing to run"));

    // The script is only valid for the database as it was.
    let again = psql(by_hand.url(), &file);
    assert_eq!(again.code, Some(3), "{}", again.stderr);
    assert!(again.stderr.contains("migrate --print"), "{}", again.stderr);
    assert_eq!(described(&by_hand), described(&by_command));

    // Without a database, the command prints the SQL for an empty one.
    let bare = Program::without_database().run(["migrate", "--print"]).ended(0).stdout;
    assert_eq!(bare.trim_end(), migration_script_for_empty(Layout::Plain).trim_end());
}

#[test]
fn a_migration_that_is_killed_is_finished_by_the_next() {
    let database = TestDatabase::empty();
    let program = Program::on(&database);
    // Another session holds a lock that the migration needs when it has created the tables.
    database.execute(
        "CREATE FUNCTION public.hold() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
             IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands()
                 WHERE object_identity = 'arc_recorder.outcomes_places') THEN
                 PERFORM pg_advisory_xact_lock(4711);
             END IF;
         END $$;
         CREATE EVENT TRIGGER hold ON ddl_command_end EXECUTE FUNCTION public.hold()",
    );
    let held = database.hold("SELECT pg_advisory_xact_lock(4711)");
    let mut child = program.spawn(["migrate"]);
    database.wait_for_a_lock();
    child.kill().unwrap();
    child.wait().unwrap();
    drop(held);
    let health = program.run(["health", "--json"]).ended(0).json();
    assert_eq!(health["schema_version"], Value::Null, "{health}");
    let finished = program.run(["migrate", "--json"]).ended(0).json();
    assert_eq!(finished["applied"][0], "0001_recording", "{finished}");
    program.run(["simulations"]).ended(0);
}

#[test]
fn a_layout_that_the_server_has_not_is_refused_and_nothing_changes() {
    let database = TestDatabase::empty();
    let program = Program::on(&database);
    let version = |program: &Program| {
        program.run(["health", "--json"]).ended(0).json()["schema_version"].clone()
    };
    let offered = |name: &str| {
        let available =
            format!("SELECT count(*) FROM pg_available_extensions WHERE name = '{name}'");
        database.count(&available) > 0
    };
    for (layout, extension) in [("timescale", "timescaledb"), ("citus", "citus")] {
        if offered(extension) {
            continue;
        }
        let refused = program.run(["migrate", "--to", layout]).ended(1);
        for expected in [layout, "the server does not have", "Nothing was changed"] {
            assert!(refused.stderr.contains(expected), "{}", refused.stderr);
        }
        assert_eq!(version(&program), Value::Null);
    }
    let made = program.run(["migrate", "--to", "plain", "--json"]).ended(0).json();
    assert_eq!(made["layout"], "plain");
    assert_eq!(program.run(["migrate", "--json"]).ended(0).json()["applied"], json!([]));
}

#[test]
fn the_error_of_a_missing_privilege_names_the_command_and_the_owner() {
    let database = TestDatabase::empty();
    let user = format!("{}_recorder", database.name());
    database.execute(&format!("CREATE ROLE {user} LOGIN"));
    let base = database.url().split_once("&user=").map_or(database.url(), |(base, _)| base);
    let program = Program::with_url(&format!("{base}&user={user}"));
    let owner: String = database.query("SELECT current_user::text")[0].get(0);
    let owner = format!("the database's owner, {owner:?}");
    let refused = program.run(["migrate"]).ended(1).stderr;
    for expected in
        [user.as_str(), owner.as_str(), "arc-host migrate --print", "CREATE on the database"]
    {
        assert!(refused.contains(expected), "{expected} is not in: {refused}");
    }
    // The owner runs the printed script, and the grants at its end.
    let files = Files::new();
    let script = program.run(["migrate", "--print"]).ended(0).stdout;
    psql(database.url(), &files.write("schema.sql", &script)).ended(0);
    let grants: Vec<String> = script
        .lines()
        .filter_map(|line| line.strip_prefix("-- "))
        .filter(|line| line.starts_with("GRANT ") || line.starts_with("REVOKE "))
        .map(|line| line.replace("RECORDER", &user))
        .collect();
    assert_eq!(grants.len(), 4, "{script}");
    database.execute(&grants.join("\n"));
    let results = files.write_lines("results.jsonl", &[result("a", "success", 1.0)]);
    assert_eq!(record(&program, &results, &[]).ended(0).json()["stored"], 1);
    assert_eq!(program.run(["migrate", "--json"]).ended(0).json()["applied"], json!([]));
    let token = program.run(["token", "create", "--name", "mine", "--scope", "admin"]).ended(1);
    assert!(token.stderr.contains("permission denied"), "{}", token.stderr);
    database.execute(&format!("DROP OWNED BY {user}; DROP ROLE {user}"));
}
