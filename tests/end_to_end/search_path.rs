//! Functions and operators that another role creates in a schema that is writable by everyone, as `public` is in
//! PostgreSQL 14. Our statements must call none of them, because they would run with the recorder's privileges.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::json;

use crate::support::{Files, Finished, Program, Service, TestDatabase, result};

/// The types of our statements' operands, and of functions' arguments.
const OPERANDS: &str = "'text', 'name', 'uuid', 'integer', 'bigint', 'oid', 'regclass', 'numeric',
     'float8', 'boolean', 'timestamptz', 'interval', 'jsonb', 'bytea', 'text[]', 'uuid[]'";
const ARGUMENTS: &str = "'text', 'uuid', 'integer', 'bigint', 'numeric', 'float8', 'boolean',
     'timestamptz', 'jsonb', 'text[]', 'uuid[]'";

/// Returns the names before a bracket in our SQL.
fn called_names() -> BTreeSet<String> {
    fn read(folder: &Path, names: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read(&path, names);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            for part in text.split('(') {
                let name =
                    |character: &char| character.is_ascii_alphanumeric() || *character == '_';
                let name: String = part.chars().rev().take_while(name).collect();
                if !name.is_empty() {
                    names.insert(name.chars().rev().collect());
                }
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut names = BTreeSet::new();
    read(&root.join("host/src/store"), &mut names);
    read(&root.join("migrations"), &mut names);
    names
}

/// Creates, as another role, every function and operator that could match better than PostgreSQL's own. Each raises an
/// exception when it is called, and other roles lack even the right to call it.
fn set_traps(database: &TestDatabase, role: &str) {
    let names: Vec<String> = called_names().iter().map(|name| format!("'{name}'")).collect();
    let names = names.join(", ");
    database.execute(&format!(
        "CREATE ROLE {role}; GRANT CREATE ON SCHEMA public TO PUBLIC; SET ROLE {role};
         DO $traps$
         DECLARE
             operands text[] := ARRAY[{OPERANDS}];
             arguments text[] := ARRAY[{ARGUMENTS}];
             body text := ' RETURNS boolean LANGUAGE plpgsql AS
                 $$ BEGIN RAISE EXCEPTION ''a trap was called''; END $$';
             one text;
             other text;
             called text;
             most integer;
             operator text;
         BEGIN
             FOREACH one IN ARRAY operands LOOP
                 FOREACH other IN ARRAY operands LOOP
                     EXECUTE format('CREATE FUNCTION public.trap(%s, %s)', one, other) || body;
                     FOREACH operator IN ARRAY ARRAY['=', '<>', '<', '>', '<=', '>=', '+', '-',
                         '*', '/', '||', '->', '->>', '~~', '<@', '@>', '&&'] LOOP
                         EXECUTE format('CREATE OPERATOR public.%s (FUNCTION = public.trap,
                             LEFTARG = %s, RIGHTARG = %s)', operator, one, other);
                     END LOOP;
                 END LOOP;
             END LOOP;
             FOR called, most IN
                 SELECT proname, max(CASE WHEN provariadic = 0::oid THEN pronargs ELSE 2 END)
                 FROM pg_catalog.pg_proc
                 WHERE pronamespace = 'pg_catalog'::regnamespace AND proname IN ({names})
                 GROUP BY proname
             LOOP
                 FOREACH one IN ARRAY arguments LOOP
                     IF most >= 1 THEN
                         EXECUTE format('CREATE FUNCTION public.%I(%s)', called, one) || body;
                     END IF;
                     CONTINUE WHEN most < 2;
                     FOREACH other IN ARRAY arguments LOOP
                         EXECUTE format('CREATE FUNCTION public.%I(%s, %s)', called, one, other)
                             || body;
                     END LOOP;
                 END LOOP;
             END LOOP;
         END
         $traps$;
         REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC; RESET ROLE"
    ));
}

/// Roles that are dropped at the end of the test.
struct Roles<'d>(&'d TestDatabase, [String; 2]);

impl Drop for Roles<'_> {
    fn drop(&mut self) {
        // The traps are dropped with the database; dropping this many would exceed the number of locks.
        let [other, recorder] = &self.1;
        self.0.execute(&format!(
            "REASSIGN OWNED BY {other} TO CURRENT_USER; DROP OWNED BY {other}; DROP ROLE {other};
             DROP OWNED BY {recorder} CASCADE; DROP ROLE {recorder}"
        ));
    }
}

/// Runs everything that the program does with a database, in one with traps.
fn everything_works(parameters: &str) {
    let database = TestDatabase::empty();
    let [other, recorder] = ["other", "recorder"].map(|name| format!("{}_{name}", database.name()));
    set_traps(&database, &other);
    database.execute(&format!(
        "CREATE ROLE {recorder} LOGIN; GRANT CREATE ON DATABASE {} TO {recorder}",
        database.name()
    ));
    let roles = Roles(&database, [other, recorder]);
    let url = database.url().split_once("&user=").unwrap().0;
    let url = format!("{url}&user={}{parameters}", roles.1[1]);
    let program = Program::with_url(&url);
    let run = |arguments: &[&str]| -> Finished { program.run(arguments).ended(0) };

    // A statement without precautions calls a trap.
    let careless = format!("SET ROLE {}; SELECT FROM unnest(ARRAY['a'::text])", roles.1[1]);
    let config = database.config();
    let caught = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(&careless).await.unwrap_err()
    });
    assert_eq!(caught.code(), Some(&tokio_postgres::error::SqlState::INSUFFICIENT_PRIVILEGE));

    run(&["migrate"]);
    run(&["health"]);
    let files = Files::new();
    let mut results: Vec<_> =
        (0..200).map(|number| result(&format!("s{number}"), "success", 0.5)).collect();
    results.push(json!({"nothing": true}));
    results.push(result("wrong", "error", 0.0));
    let many = files.write_lines("many.jsonl", &results).display().to_string();
    let recorded = program.run(["record", "--json", &many]).ended(2).json();
    assert_eq!((&recorded["stored"], &recorded["rejected"]), (&json!(201), &json!(1)));
    let id = recorded["simulation_id"].as_str().unwrap();
    assert_eq!(program.run(["record", "--json", &many]).ended(2).json()["duplicate"], 201);
    for arguments in [
        &["status", id][..],
        &["outcomes", id, "--documents"],
        &["outcomes", id, "--status", "error"],
        &["outcomes", id, "--scenario", "s7"],
        &["rejected", id],
        &["performance", id],
        &["failures"],
        &["simulations"],
        &["reextract", "--all"],
        &["prune", "--older-than", "30d", "--dry-run"],
        &["token", "create", "--name", "reader", "--scope", "read"],
        &["token", "list"],
        &["token", "revoke", "reader"],
    ] {
        run(arguments);
    }
    program.run(["retry-rejected"]).ended(2);
    let exported = files.path("all.jsonl").display().to_string();
    run(&["export", "--output", &exported, id]);

    let service = Service::start(&program, &files, &[]);
    let configuration = json!({"name": "agent", "config": "a: 1"});
    service.post("/v1/configurations", &configuration).has(200);
    let started = service.start_simulation(&["a", "b"]);
    let outcomes = format!("/v1/simulations/{started}/outcomes");
    for count in [1, 2, 9, 100] {
        let results: Vec<_> =
            (0..count).map(|number| result(&format!("{count}-{number}"), "success", 0.5)).collect();
        for expected in ["stored", "duplicate"] {
            let answer = service.post(&outcomes, &json!({"results": results})).has(200).json();
            assert_eq!(answer[expected], count, "{answer}");
        }
        let mut mixed = results;
        mixed.push(json!({"nothing": count}));
        mixed.push(result(&format!("{count}-more"), "error", 0.0));
        let answer = service.post(&outcomes, &json!({"results": mixed})).has(200).json();
        assert_eq!((&answer["stored"], &answer["rejected"]), (&json!(1), &json!(1)), "{answer}");
    }
    let simulation = format!("/v1/simulations/{started}");
    let mut page = format!("{outcomes}?limit=10&documents=true&trajectories=true");
    let first = service.get(&page).has(200).json();
    page = format!("{page}&cursor={}", first["cursor"].as_str().unwrap());
    service.get(&page).has(200);
    service.get(&format!("{simulation}/rejected?limit=2")).has(200);
    service.get(&simulation).has(200);
    service.post(&format!("{simulation}/complete"), &json!({})).has(200);
    service.post(&outcomes, &result("late", "success", 1.0)).has(200);
    service.get(&simulation).has(200);
    service.get(&simulation).has(200);
    service.post(&format!("{simulation}/complete"), &json!({})).has(200);
    let failing = service.start_simulation(&["a"]);
    service.post(&format!("/v1/simulations/{failing}/fail"), &json!({"reason": "r"})).has(200);
    let health = service.get("/v1/health").has(200).json();
    assert_eq!(
        (&health["status"], &health["spool"]["depth"]),
        (&json!("ok"), &json!(0)),
        "{health}"
    );
    drop(service);
    database.execute(
        "UPDATE arc_recorder.simulations SET partition_time = partition_time - interval '9 days'",
    );
    run(&["prune", "--older-than", "8d"]);
    assert_eq!(run(&["simulations", "--json"]).stdout, "");
}

#[test]
fn no_statement_calls_functions_of_another_role() {
    everything_works("");
}

#[test]
fn no_statement_behind_a_pooler_calls_functions_of_another_role() {
    everything_works("&prepared_statements=unnamed");
}

#[test]
fn every_function_sets_its_search_path() {
    let database = TestDatabase::new();
    let open = "SELECT oid::regprocedure::text FROM pg_proc
         WHERE pronamespace = 'arc_recorder'::regnamespace AND prosqlbody IS NULL
             AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (proconfig), false)";
    let open: Vec<String> = database.query(open).iter().map(|row| row.get(0)).collect();
    assert!(open.is_empty(), "{open:?}");
    let script = Program::without_database().run(["migrate", "--print"]).ended(0).stdout;
    assert!(script.contains("BEGIN;\nSET LOCAL search_path = pg_catalog, pg_temp;"), "{script}");
}

#[test]
fn a_users_own_statement_finds_the_users_own_schemas() {
    let database = TestDatabase::new();
    database.execute(
        "CREATE FUNCTION public.twice(number integer) RETURNS integer LANGUAGE sql AS
             'SELECT 2 * number'",
    );
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = database.store();
        let sql = "SELECT twice(count(*)::integer) AS n FROM simulations";
        let answer = store.execute_sql(sql, &[]).await.unwrap();
        assert_eq!(answer.rows[0].get(), r#"{"n":0}"#);
    });
}
