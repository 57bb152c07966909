//! The schema: how it is created in a database, which databases are refused, what its views show.

use arc_host::store::outcome_columns_of_table;
use serde_json::{Value, json};

use crate::support::{Files, Finished, Program, TestDatabase, fixture, record, result};

/// Statements that run at the end of the test, successful or not, to drop objects outside of its
/// database.
struct Cleanup<'d>(&'d TestDatabase, String);

impl Drop for Cleanup<'_> {
    fn drop(&mut self) {
        self.0.execute(&self.1);
    }
}

/// Returns the URL of another database on the server, or with another user.
fn url_with(database: &TestDatabase, name: &str, user: Option<&str>) -> String {
    let url = database.url().replace(database.name(), name);
    match user {
        Some(user) => match url.split_once("&user=") {
            Some((rest, _)) => format!("{rest}&user={user}"),
            None => format!("{url}?user={user}"),
        },
        None => url,
    }
}

fn run(url: &str, arguments: &[&str]) -> Finished {
    let mut command = Program::without_database().command(arguments);
    command.env("ARC_DATABASE_URL", url).output().unwrap().into()
}

#[test]
fn fifty_processes_can_migrate_an_empty_database_concurrently() {
    let database = TestDatabase::empty();
    let program = Program::on(&database);
    let children: Vec<_> = (0..50).map(|_| program.spawn(["migrate", "--json"])).collect();
    let answers: Vec<Value> = children
        .into_iter()
        .map(|child| Finished::from(child.wait_with_output().unwrap()).ended(0).json())
        .collect();
    let mut applied: Vec<&str> = answers
        .iter()
        .flat_map(|answer| answer["applied"].as_array().unwrap())
        .map(|step| step.as_str().unwrap())
        // Servers with extensions also have a layout.
        .filter(|step| !step.starts_with("layout"))
        .collect();
    // The processes take turns: each applies the next step.
    applied.sort_unstable();
    assert_eq!(applied[0], "0001_recording");
    assert_eq!(
        database.count("SELECT count(*) FROM arc_recorder.schema_migrations"),
        applied.len() as i64,
        "each was applied once: {applied:?}"
    );
    let versions: Vec<&Value> = answers.iter().map(|answer| &answer["schema_version"]).collect();
    assert!(versions.iter().all(|version| *version == versions[0]), "{versions:?}");
    let again = program.run(["migrate"]).ended(0).stdout;
    assert!(again.contains("the schema is at version"), "{again}");
}

#[test]
fn any_command_makes_the_schema_and_health_only_looks() {
    let database = TestDatabase::empty();
    let program = Program::on(&database);
    let health = program.run(["health", "--json"]).ended(0).json();
    assert_eq!((&health["status"], &health["schema_version"]), (&"ok".into(), &Value::Null));
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'arc_recorder'";
    assert_eq!(database.count(schemas), 0);
    let text = program.run(["health"]).ended(0).stdout;
    assert!(text.contains("not there yet"), "{text}");
    program.run(["simulations"]).ended(0);
    assert_eq!(database.count(schemas), 1);
}

/// Asserts that every command that uses the schema refuses it with this message.
#[track_caller]
fn refused(database: &TestDatabase, sentence: &str) {
    let program = Program::on(database);
    let files = Files::new();
    let path = files.write_lines("results.jsonl", &[result("a", "success", 1.0)]);
    let path = path.to_str().unwrap();
    for arguments in [&["migrate"][..], &["record", path], &["simulations"], &["psql"]] {
        let finished = program.run(arguments).ended(1);
        assert!(finished.stderr.contains(sentence), "{arguments:?}: {}", finished.stderr);
        assert_eq!(finished.stdout, "", "{arguments:?}");
    }
    let health = program.run(["health", "--json"]).ended(1).json();
    assert_eq!(health["status"], "error");
    assert!(health["error"].as_str().unwrap().contains(sentence), "{health}");
    assert_eq!(database.count("SELECT count(*) FROM arc_recorder.simulations"), 0);
}

#[test]
fn a_database_of_a_newer_program_is_refused() {
    let database = TestDatabase::new();
    database.execute(
        "INSERT INTO arc_recorder.schema_migrations (version, name, sha256, applied_by)
         VALUES (9001, 'later', '\\x00', 'arc-host 99')",
    );
    refused(&database, "install a newer arc-host");
}

#[test]
fn a_database_whose_migrations_are_others_is_refused() {
    let database = TestDatabase::new();
    database
        .execute("UPDATE arc_recorder.schema_migrations SET sha256 = '\\x00' WHERE version = 1");
    refused(&database, "0001_recording is not the one this program has");
}

#[test]
fn a_database_that_does_not_hold_utf8_is_refused() {
    let database = TestDatabase::empty();
    let name = format!("{}_latin1", database.name());
    let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    database.execute(&drop);
    database.execute(&format!(
        "CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"
    ));
    let _dropped = Cleanup(&database, drop);
    let url = url_with(&database, &name, None);
    for arguments in [&["migrate"][..], &["simulations"]] {
        let finished = run(&url, arguments).ended(1);
        for expected in ["LATIN1", "ENCODING 'UTF8'"] {
            assert!(finished.stderr.contains(expected), "{}", finished.stderr);
        }
    }
}

#[test]
fn the_error_of_a_missing_privilege_names_the_grant() {
    let database = TestDatabase::empty();
    let user = format!("{}_user", database.name());
    let drop = format!("DROP OWNED BY {user}; DROP ROLE {user}");
    database.execute(&format!("CREATE ROLE {user} LOGIN"));
    let _dropped = Cleanup(&database, drop);
    let url = url_with(&database, database.name(), Some(&user));
    for arguments in [&["migrate"][..], &["simulations"]] {
        let finished = run(&url, arguments).ended(1);
        assert!(finished.stderr.contains("grant this one CREATE"), "{}", finished.stderr);
    }

    // Once the tables exist, such a user can record with privileges on rows only.
    Program::on(&database).run(["migrate"]).ended(0);
    for arguments in [&["health"][..], &["simulations"]] {
        let finished = run(&url, arguments).ended(1);
        assert!(finished.stderr.contains("grant this one USAGE"), "{}", finished.stderr);
        assert!(!finished.stdout.contains("not there yet"), "{}", finished.stdout);
    }
    database.execute(&format!(
        "GRANT USAGE ON SCHEMA arc_recorder TO {user};
         GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA arc_recorder TO {user};
         GRANT UPDATE ON arc_recorder.simulations, arc_recorder.planned_scenarios TO {user}"
    ));
    let files = Files::new();
    let path = files.write_lines("results.jsonl", &[result("a", "success", 1.0), json!({})]);
    let path = path.to_str().unwrap();
    let summary = run(&url, &["record", "--json", path]).ended(2).json();
    assert_eq!((&summary["stored"], &summary["rejected"]), (&1.into(), &1.into()));
    assert_eq!(run(&url, &["record", "--json", path]).ended(2).json()["duplicate"], 1);
    run(&url, &["health"]).ended(0);
}

#[test]
fn tables_with_the_same_names_elsewhere_are_not_touched() {
    const TABLES: [&str; 8] = [
        "config_versions",
        "extractors",
        "installation",
        "outcomes",
        "planned_scenarios",
        "rejected_results",
        "scenarios",
        "simulations",
    ];
    let database = TestDatabase::empty();
    let program = Program::on(&database);
    for table in TABLES {
        database.execute(&format!(
            "CREATE TABLE public.{table} (old integer); INSERT INTO public.{table} VALUES (42)"
        ));
    }
    database.execute("CREATE VIEW public.simulations_scenarios AS SELECT 42 AS old");
    let elsewhere =
        "SELECT count(*) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
         WHERE nspname = 'public'";
    let before = database.count(elsewhere);
    program.run(["migrate"]).ended(0);
    let files = Files::new();
    let path = files.write_lines("results.jsonl", &[result("a", "success", 1.0), json!({})]);
    record(&program, &path, &[]).ended(2);
    for table in TABLES {
        let rows = database.query(&format!("SELECT * FROM public.{table}"));
        assert_eq!((rows.len(), rows[0].len(), rows[0].get::<_, i32>(0)), (1, 1, 42), "{table}");
    }
    assert_eq!(database.count(elsewhere), before, "nothing was added to public");
}

#[test]
fn the_view_of_scenarios_shows_the_latest_attempt_at_each_trial() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let with = |mut result: Value, trial: u32, call: &str| {
        result["recording"] =
            json!({"trial": trial, "modal_call_id": call, "sandbox_id": format!("sandbox-{call}")});
        result
    };
    let results = [
        with(result("b", "error", 0.1), 1, "one"),
        with(result("a", "odd", 0.5), 2, "two"),
        with(result("b", "success", 0.9), 1, "three"),
        with(result("b", "timeout", 0.2), 2, "four"),
    ];
    record(&program, &files.write_lines("results.jsonl", &results), &[]).ended(2);
    let rows = database.query(
        "SELECT scenario_id, trial, execution_order, view.status, modal_call_id, sandbox_id,
             view.outcome_id IS NULL, view.received_at IS NULL, scenario.task_prompt
         FROM arc_recorder.simulations_scenarios AS view
             JOIN arc_recorder.scenarios AS scenario USING (scenario_version_id, scenario_id)
         ORDER BY execution_order, trial",
    );
    type Shown = (String, i32, i32, String, Option<String>, Option<String>);
    let shown = |row: &tokio_postgres::Row| -> Shown {
        (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4), row.get(5))
    };
    let found: Vec<Shown> = rows.iter().map(shown).collect();
    let row = |id: &str, trial, order, status: &str, call: Option<&str>| {
        let sandbox = call.map(|call| format!("sandbox-{call}"));
        (id.to_owned(), trial, order, status.to_owned(), call.map(str::to_owned), sandbox)
    };
    let expected = [
        row("b", 1, 1, "success", Some("three")),
        row("b", 2, 1, "timeout", Some("four")),
        row("a", 1, 2, "pending", None),
        row("a", 2, 2, "pending", None),
    ];
    assert_eq!(found, expected);
    for row in &rows {
        let pending = row.get::<_, String>(3) == "pending";
        assert_eq!((row.get::<_, bool>(6), row.get::<_, bool>(7)), (pending, pending));
        assert_eq!(row.get::<_, String>(8), "Do it.");
    }
}

#[test]
fn the_view_of_documents_replaces_characters_that_jsonb_cannot_store() {
    let cases = [
        (r"plain \u00e9 \n", "plain é \n"),
        (r"\u0000", "�"),
        (r"a\u0000\u0000b", "a��b"),
        // An escaped backslash does not begin an escape.
        (r"\\u0000", r"\u0000"),
        (r"\\u0000 \u0000", r"\u0000 �"),
        (r"\\\u0000", r"\�"),
        (r"\\\\u0000 \\\\\u0000", r"\\u0000 \\�"),
        (r"\ud83d\ude00", "😀"),
        (r"\uD83D\uDE00\u0000", "😀�"),
        (r"cut off \ud83d", "cut off �"),
        (r"\ude00 first", "� first"),
        (r"\ude00\ud83d", "��"),
        (r"\ud83d\ud83d\ude00", "�😀"),
        (r"\ud83d\ude00\ude00", "😀�"),
        (r"\ud83d\\ude00", r"�\ude00"),
        (r"\ud83d\n\ude00", "�\n�"),
        (r"\\ud83d \ud83d", r"\ud83d �"),
        (r"\ud83d\u0000\ude00", "���"),
        // The second surrogate is lone, because the text before it is not an escape.
        (r"\\ud800\udc00", r"\ud800�"),
    ];
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let mut lines: Vec<String> = cases
        .iter()
        .enumerate()
        .map(|(number, (text, _))| {
            format!(r#"{{"scenario": {{"id": "{number:02}"}}, "text": "{text}", "n": 1.50}}"#)
        })
        .collect();
    lines.push(r#"{"scenario": {"id": "x-large"}, "number": 1e400}"#.to_owned());
    lines.push(r#"{"scenario": {"id": "x-too-large"}, "number": 1e999999}"#.to_owned());
    record(&program, &files.write("odd.jsonl", lines.join("\n")), &[]).ended(0);
    let rows = database.query(
        "SELECT document->>'text', document->>'number', document_text, document IS NULL
         FROM arc_recorder.outcome_documents
         ORDER BY scenario_id",
    );
    for ((row, (text, expected)), line) in rows.iter().zip(cases).zip(&lines) {
        assert_eq!(row.get::<_, Option<String>>(0).as_deref(), Some(expected), "{text}");
        assert_eq!(row.get::<_, String>(2), *line, "the document is unchanged");
    }
    let [large, too_large] = [&rows[cases.len()], &rows[cases.len() + 1]];
    assert_eq!(large.get::<_, Option<String>>(1), Some(format!("1{}", "0".repeat(400))));
    assert!(!large.get::<_, bool>(3) && too_large.get::<_, bool>(3), "null beyond numeric's range");
}

#[test]
fn the_table_of_columns_is_that_of_the_migrated_database() {
    let database = TestDatabase::new();
    let rows = database.query(
        "SELECT column_name::text, udt_name::text, is_nullable = 'YES'
         FROM information_schema.columns
         WHERE table_schema = 'arc_recorder' AND table_name = 'outcomes'",
    );
    let mut migrated: Vec<(String, String, bool)> =
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    migrated.sort();
    let mut columns: Vec<(String, String, bool)> = outcome_columns_of_table()
        .into_iter()
        .map(|(name, sql_type, nullable)| (name.to_owned(), sql_type, nullable))
        .collect();
    columns.sort();
    assert_eq!(columns, migrated);
}

#[test]
fn documents_are_text_compressed_with_lz4_if_supported() {
    let database = TestDatabase::new();
    let has_lz4 = database.count(
        "SELECT count(*) FROM pg_settings
         WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)",
    ) == 1;
    let rows = database.query(
        "SELECT attrelid::regclass::text, atttypid::regtype::text, attcompression::text
         FROM pg_attribute WHERE attname = 'document' AND attrelid IN
             ('arc_recorder.documents'::regclass, 'arc_recorder.rejected_results'::regclass)
         ORDER BY 1",
    );
    let found: Vec<(String, String, String)> =
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let compression = if has_lz4 { "l" } else { "" };
    let expected = [("arc_recorder.documents", "text"), ("arc_recorder.rejected_results", "bytea")]
        .map(|(table, kind)| (table.to_owned(), kind.to_owned(), compression.to_owned()));
    assert_eq!(found, expected);
}

#[test]
fn spans_cut_the_parts_out_of_a_document_byte_for_byte() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let scenario = r#"{ "id":"é" ,"n":1.50, "note":"\u0000\ud800 🦀" }"#;
    let trajectory = "{\"status\":\t\"success\", \"text\": \"日本語 \\\"}{\"}";
    let dimensions = r#"{"a": 0.50,"日": 1e-1}"#;
    let detailed = r#"[ {"deep": [1 , 2.0]}, "🦀" ]"#;
    let document = format!(
        r#"{{"é🦀": "before", "detailed_trajectory":{detailed},  "trajectory" : {trajectory},
            "scenario":{scenario}, "reliability_score": {{"overall_score": 1, "dimension_scores": {dimensions} }}}}"#
    );
    record(&program, &files.write("spans.json", &document), &[]).ended(0);
    record(&program, &fixture("results.jsonl"), &[]).ended(0);
    let part = |name: &str| {
        format!(
            "convert_from(substring(convert_to(document, 'UTF8')
                FROM {name}_offset + 1 FOR {name}_length), 'UTF8')"
        )
    };
    let parts =
        ["scenario", "trajectory", "detailed_trajectory", "dimensions"].map(part).join(", ");
    let rows = database.query(&format!(
        "SELECT document, {parts} FROM arc_recorder.outcomes
         JOIN arc_recorder.documents USING (simulation_id, outcome_id, partition_time)
         ORDER BY scenario_id <> 'é'"
    ));
    let cut = |row: &tokio_postgres::Row, index: usize| row.get::<_, Option<String>>(index);
    let found: Vec<Option<String>> = (1..=4).map(|index| cut(&rows[0], index)).collect();
    assert_eq!(
        found,
        [scenario, trajectory, detailed, dimensions].map(|text| Some(text.to_owned()))
    );

    // For every fixture whose parts PostgreSQL can extract itself.
    let members = [
        ("scenario", "document::json->'scenario'"),
        ("trajectory", "document::json->'trajectory'"),
        ("detailed_trajectory", "document::json->'detailed_trajectory'"),
        ("dimensions", "document::json->'reliability_score'->'dimension_scores'"),
    ];
    for (name, member) in members {
        let row = &database.query(&format!(
            "SELECT count(*), count(*) FILTER (WHERE {} = ({member})::text)
             FROM (SELECT * FROM arc_recorder.outcomes
                     JOIN arc_recorder.documents USING (simulation_id, outcome_id, partition_time)
                 WHERE document !~ '\\\\u(0000|[dD][89a-fA-F])' OFFSET 0) AS nameable
             WHERE {name}_offset IS NOT NULL",
            part(name)
        ))[0];
        let (all, right): (i64, i64) = (row.get(0), row.get(1));
        assert!(all > 100 && right == all, "{name}: {right} of {all}");
    }
}
