//! Extracting recorded results again: rejected results are replayed, outcomes are rewritten.

use arc_host::Recorder;
use arc_host::extraction::{BUILT_IN, ExtractionSettings, Extractor};
use arc_host::recorder::{PlanDigest, Submission, Verdict, new_simulation_id};
use arc_host::store::{NewSimulation, SimulationStart};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::support::{Files, Finished, Program, TestDatabase, record, result, wait_for};

/// An extractor that is registered but has extracted nothing yet.
const OLD: &str = "00000000-0000-0000-0000-0000000000ff";

/// The columns of outcomes that must never change.
const IDENTITY: &str = "SELECT simulation_id::text, outcome_id::text, partition_time::text,
        received_at::text, document, modal_call_id, sandbox_id, trial
    FROM arc_recorder.outcomes
    JOIN arc_recorder.documents USING (simulation_id, outcome_id, partition_time) ORDER BY 1, 2";

/// The columns of outcomes except the extractor.
const FIELDS: &str = "SELECT (to_jsonb(outcome) - 'extractor_id')::text
    FROM arc_recorder.outcomes AS outcome ORDER BY simulation_id, outcome_id";

fn texts(database: &TestDatabase, sql: &str) -> Vec<Vec<Option<String>>> {
    let rows = database.query(sql);
    let row = |row: &tokio_postgres::Row| {
        (0..row.len())
            .map(|column| {
                row.try_get::<_, Option<String>>(column)
                    .unwrap_or_else(|_| Some(row.get::<_, i32>(column).to_string()))
            })
            .collect()
    };
    rows.iter().map(row).collect()
}

fn register_old_extractor(database: &TestDatabase) {
    database.execute(&format!(
        "INSERT INTO arc_recorder.extractors (extractor_id, name, version, component_sha256)
         VALUES ('{OLD}', 'arc-guide', '0.0.1', '\\x00')"
    ));
}

/// Makes these outcomes appear as results that an older extractor rejected.
fn reject_before(database: &TestDatabase, condition: &str) {
    register_old_extractor(database);
    database.execute(&format!(
        "WITH moved AS (DELETE FROM arc_recorder.outcomes WHERE {condition} RETURNING *),
             documents AS (DELETE FROM arc_recorder.documents USING moved
                 WHERE documents.simulation_id = moved.simulation_id
                     AND documents.outcome_id = moved.outcome_id
                 RETURNING documents.*)
         INSERT INTO arc_recorder.rejected_results (simulation_id, outcome_id, partition_time,
             received_at, position, trial, modal_call_id, sandbox_id, violations, extractor_id,
             document_bytes, document)
         SELECT simulation_id, outcome_id, partition_time, received_at, 7, NULL, modal_call_id,
             sandbox_id, '[{{\"path\": \"/x\", \"code\": \"odd\", \"message\": \"odd\"}}]', '{OLD}',
             octet_length(document), convert_to(document, 'UTF8')
         FROM moved JOIN documents USING (simulation_id, outcome_id, partition_time)"
    ));
}

fn many(count: usize) -> Vec<Value> {
    let one = |number: usize| {
        let mut result = result(&format!("scenario-{number}"), "success", 0.5);
        result["trajectory"]["full_trajectory"] = json!([{"content": "x".repeat(400)}]);
        result
    };
    (0..count).map(one).collect()
}

fn replay(program: &Program) -> Finished {
    program.run(["retry-rejected", "--json"])
}

fn count_outcomes(database: &TestDatabase) -> i64 {
    database.count("SELECT count(*) FROM arc_recorder.outcomes")
}

fn count_rejected(database: &TestDatabase) -> i64 {
    database.count("SELECT count(*) FROM arc_recorder.rejected_results")
}

#[test]
fn results_accepted_after_a_fix_are_stored_as_if_accepted_at_first() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let mut results = many(3);
    // Two attempts at one scenario, of which the later one counts.
    results.push(result("scenario-1", "error", 0.25));
    results.push(json!({"still": "no result"}));
    let path = files.write_lines("results.jsonl", &results);
    let id = record(&program, &path, &[]).ended(2).json()["simulation_id"].to_string();
    let id = id.trim_matches('"');
    let fields = texts(&database, FIELDS);
    let identity = texts(&database, IDENTITY);
    let status = program.run(["status", id, "--json"]).ended(0).json();
    reject_before(&database, "scenario_id IN ('scenario-1', 'scenario-2')");
    assert_eq!((count_outcomes(&database), count_rejected(&database)), (1, 4));

    let replayed = replay(&program).ended(2).json();
    assert_eq!(
        replayed,
        json!({"stored": 3, "duplicate": 0, "rejected": 1, "reasons_changed": 0, "unreadable": 0,
            "failed": 0, "failure": null, "interrupted": false})
    );
    assert_eq!(texts(&database, IDENTITY), identity, "ids, times and documents are unchanged");
    assert_eq!(texts(&database, FIELDS), fields);
    assert_eq!(program.run(["status", id, "--json"]).ended(0).json(), status);
    assert_eq!(
        database.count(
            "SELECT count(*) FROM arc_recorder.simulations
             WHERE (computed_figures ->> 'recorded_outcomes')::integer = 4
                 AND (computed_figures ->> 'rejected_results')::integer = 1"
        ),
        1,
        "the completed simulation has its figures again"
    );
    // The reasons of the earlier rejection are kept.
    let kept = database.query(
        "SELECT replaced FROM arc_recorder.replaced_extractions
         WHERE verdict = 'rejected' AND extractor_id <> replaced_by",
    );
    assert_eq!(kept.len(), 3);
    let replaced: Value = kept[0].get(0);
    assert_eq!(
        (&replaced["violations"][0]["code"], &replaced["position"]),
        (&json!("odd"), &json!(7))
    );

    // Neither a second replay nor recording the same file again stores anything.
    let again = replay(&program).ended(2).json();
    assert_eq!((&again["stored"], &again["rejected"]), (&json!(0), &json!(1)));
    let recorded = record(&program, &path, &[]).ended(2).json();
    assert_eq!((&recorded["stored"], &recorded["duplicate"]), (&json!(0), &json!(4)));
    let text = program.run(["retry-rejected", "--simulation", id]).ended(2).stdout;
    assert!(text.contains("still rejected"), "{text}");
    program.run(["spool", "drain"]).ended(1);
    program.run(["retry-rejected", "--simulation", OLD]).ended(1);
}

#[test]
fn unreadable_results_stay_rejected_and_new_reasons_replace_old_ones() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let good = result("a", "success", 1.0).to_string();
    let mut bytes = Vec::new();
    bytes.extend_from_slice(b"{\"not\": \"text \xff\"}\n{\"scenario\": {\"id\": \"\"}}\n");
    bytes.extend_from_slice(format!("{good}\n{{\"cut\": ").as_bytes());
    let path = files.write("results.jsonl", bytes);
    let recorded = record(&program, &path, &[]).ended(2).json();
    assert_eq!((&recorded["stored"], &recorded["rejected"]), (&json!(1), &json!(3)));
    let cut = files.write("cut.json", "[{\"scenario\": {\"id\": \"c\"}}, {\"cut\": ");
    let recorded = record(&program, &cut, &[]).ended(2).json();
    assert_eq!(recorded["rejected_results"][0]["code"], "truncated");
    reject_before(&database, "true");
    let own = "violations <> '[{\"path\": \"/x\", \"code\": \"odd\", \"message\": \"odd\"}]'";
    // A document that was truncated but reads like a complete one, and one whose trial was too
    // great to be kept, so that its id does not match its bytes.
    database.execute(
        "INSERT INTO arc_recorder.rejected_results
         SELECT simulation_id, gen_random_uuid(), partition_time, received_at, position, line, trial, NULL,
             NULL, violations, extractor_id, NULL, document_bytes + extra, document
         FROM arc_recorder.rejected_results, (VALUES (0), (1)) AS more (extra)
         WHERE position = 7",
    );
    let reasons = "SELECT outcome_id::text, violations::text, extractor_id::text
        FROM arc_recorder.rejected_results WHERE position <> 7 ORDER BY 1";
    let before = texts(&database, reasons);
    let replayed = replay(&program).ended(2).json();
    assert_eq!(
        (&replayed["stored"], &replayed["rejected"], &replayed["unreadable"]),
        (&json!(2), &json!(8), &json!(6)),
        "{replayed}"
    );
    assert_eq!(texts(&database, reasons), before, "reasons that did not change stay as they are");
    assert_eq!(count_rejected(&database), 8);

    // An older extractor had found another reason.
    database.execute(&format!(
        "UPDATE arc_recorder.rejected_results SET extractor_id = '{OLD}',
             violations = '[{{\"path\": \"\", \"code\": \"odd\", \"message\": \"odd\"}}]'
         WHERE position = 1 AND violations::text NOT LIKE '%truncated%'"
    ));
    let replayed = replay(&program).ended(2).json();
    assert_eq!((&replayed["reasons_changed"], &replayed["rejected"]), (&json!(1), &json!(8)));
    assert_eq!(texts(&database, reasons), before);
    assert!(
        database.count(&format!("SELECT count(*) FROM arc_recorder.rejected_results WHERE {own}"))
            > 0
    );
}

#[test]
fn a_replay_follows_the_plan_as_recording_does() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let with_trial = |trial: u32| {
        let mut result = result("a", "success", 0.5);
        result["recording"] = json!({"trial": trial});
        result
    };
    let path = files.write_lines("results.jsonl", &[with_trial(1), with_trial(2)]);
    let recorded = record(&program, &path, &[]).ended(0).json();
    let id = recorded["simulation_id"].as_str().unwrap();
    let more = files
        .write_lines("more.jsonl", &[result("a", "success", 0.5), result("b", "success", 0.1)]);
    let added = record(&program, &more, &["--simulation", id]).ended(2).json();
    assert_eq!(added["rejected"], 2, "trials are required");
    let before = count_rejected(&database);
    let replayed = replay(&program).ended(2).json();
    assert_eq!((&replayed["stored"], &replayed["rejected"]), (&json!(0), &json!(before)));
    assert_eq!(replayed["reasons_changed"], 0);
    let trials = "SELECT trial::text FROM arc_recorder.outcomes ORDER BY 1";
    let stored = texts(&database, trials);
    reject_before(&database, "true");
    replay(&program).ended(2);
    assert_eq!(texts(&database, trials), stored);
}

#[test]
fn replays_can_be_killed_and_run_concurrently() {
    const RESULTS: usize = 12_000;
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let path = files.write_lines("results.jsonl", &many(RESULTS));
    record(&program, &path, &[]).ended(0);
    let fields = texts(&database, FIELDS);
    reject_before(&database, "true");
    let mut child = program.spawn(["retry-rejected", "--json"]);
    wait_for("a stored result", || {
        count_outcomes(&database) > 0 || child.try_wait().unwrap().is_some()
    });
    kill(Pid::from_raw(child.id() as i32), Signal::SIGKILL).unwrap();
    child.wait().unwrap();
    assert!(count_outcomes(&database) > 0);
    let both = count_outcomes(&database) + count_rejected(&database);
    // The killed process's last transaction can be committed between the two counts.
    assert!(both >= RESULTS as i64 - 1_000, "nothing is lost: {both}");

    let children = [0, 1].map(|_| program.spawn(["retry-rejected", "--json"]));
    for child in children {
        Finished::from(child.wait_with_output().unwrap()).ended(0);
    }
    assert_eq!(count_rejected(&database), 0);
    assert_eq!(texts(&database, FIELDS), fields, "each is stored once, as if accepted at first");
    assert_eq!(
        database.count("SELECT count(*) FROM arc_recorder.replaced_extractions"),
        RESULTS as i64
    );
}

/// Makes these outcomes appear as results that an older extractor extracted differently.
fn extract_before(database: &TestDatabase, condition: &str, assignments: &str) {
    database.execute(&format!(
        "UPDATE arc_recorder.outcomes SET extractor_id = '{OLD}'{assignments} WHERE {condition}"
    ));
}

#[test]
fn fields_are_extracted_again_and_ids_stay() {
    let database = TestDatabase::new();
    register_old_extractor(&database);
    let program = Program::on(&database);
    let files = Files::new();
    let mut results = many(5);
    results[0]["reliability_score"]["dimension_scores"] =
        json!({"a": 0.1, "b": 0.333_333_333_333_333_3});
    results[1]["trajectory"]["start_time"] = json!("2025-03-01T10:00:00.123456789Z");
    results[2]["trajectory"]["token_usage"]["total_cost"] = json!(1e-7);
    let path = files.write_lines("results.jsonl", &results);
    let id = record(&program, &path, &[]).ended(0).json()["simulation_id"].to_string();
    let id = id.trim_matches('"');
    let (fields, identity) = (texts(&database, FIELDS), texts(&database, IDENTITY));
    let status = program.run(["status", id, "--json"]).ended(0).json();
    let again = program.run(["reextract", "--json"]).ended(0).json();
    assert_eq!((&again["examined"], &again["dry_run"]), (&json!(0), &json!(false)));
    let again = program.run(["reextract", "--all", "--json"]).ended(0).json();
    assert_eq!(
        (&again["examined"], &again["changed"], &again["rewritten"]),
        (&json!(5), &json!(0), &json!(0))
    );

    extract_before(
        &database,
        "scenario_id = 'scenario-0'",
        ", score = 0.125, status = 'error', error_category = 'network'",
    );
    extract_before(
        &database,
        "scenario_id = 'scenario-1'",
        ", metrics = '{}', trajectory_offset = 1, execution_time = now()",
    );
    extract_before(&database, "scenario_id = 'scenario-2'", "");
    let before = texts(&database, FIELDS);
    let stale = "SELECT count(*) FROM arc_recorder.replaced_extractions";

    let lines = program.run(["reextract", "--dry-run", "--json"]).ended(0).json_lines();
    assert_eq!(lines.len(), 3);
    let first = lines
        .iter()
        .find(|line| {
            line["changes"].as_array().is_some_and(|changes| changes[0]["column"] == "status")
        })
        .unwrap();
    assert_eq!(
        first["changes"],
        json!([
            {"column": "status", "old": "error", "new": "success"},
            {"column": "score", "old": 0.125, "new": 0.5},
            {"column": "error_category", "old": "network", "new": null},
        ])
    );
    let summary = &lines[2];
    assert_eq!(
        (&summary["examined"], &summary["changed"], &summary["rewritten"], &summary["dry_run"]),
        (&json!(3), &json!(2), &json!(3), &json!(true))
    );
    assert_eq!(
        summary["by_column"],
        json!({"status": 1, "score": 1, "error_category": 1, "metrics": 1, "trajectory_offset": 1, "execution_time": 1})
    );
    let text = program.run(["reextract", "--dry-run", "--simulation", id]).ended(0).stdout;
    for expected in ["score", "0.125 → 0.5", "2 of 3 outcomes change"] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert_eq!(
        (texts(&database, FIELDS), database.count(stale)),
        (before, 0),
        "a dry run writes nothing"
    );

    let done = program.run(["reextract", "--json"]).ended(0).json();
    assert_eq!(
        (&done["simulations"], &done["changed"], &done["rewritten"]),
        (&json!(1), &json!(2), &json!(3))
    );
    assert_eq!(texts(&database, FIELDS), fields);
    assert_eq!(texts(&database, IDENTITY), identity);
    assert_eq!(program.run(["status", id, "--json"]).ended(0).json(), status);
    assert_eq!(
        database.count("SELECT count(*) FROM arc_recorder.simulations WHERE computed_figures IS NOT NULL AND overall_score = 0.5"),
        1,
        "the completed simulation has its figures again"
    );
    let kept = database.query(&format!(
        "SELECT replaced FROM arc_recorder.replaced_extractions
         WHERE extractor_id = '{OLD}' AND verdict = 'accepted' ORDER BY replaced ->> 'status', replaced ->> 'metrics'"
    ));
    let kept: Vec<Value> = kept.iter().map(|row| row.get(0)).collect();
    assert_eq!(kept.len(), 3);
    assert_eq!(kept[0], json!({"status": "error", "score": 0.125, "error_category": "network"}));
    assert_eq!((&kept[1]["metrics"], &kept[1]["trajectory_offset"]), (&json!({}), &json!(1)));
    assert_eq!(kept[2], json!({}), "only the extractor changed");
    let again = program.run(["reextract", "--json"]).ended(0).json();
    assert_eq!(again["examined"], 0);
    program.run(["reextract", "--simulation", OLD]).ended(1);
}

#[test]
fn an_outcome_that_would_be_rejected_now_stays_and_is_reported() {
    let database = TestDatabase::new();
    register_old_extractor(&database);
    let program = Program::on(&database);
    let files = Files::new();
    let path = files.write_lines("results.jsonl", &many(2));
    record(&program, &path, &[]).ended(0);
    // As if an older extractor had accepted a status that today's rejects: the id is derived from
    // the bytes, so the bytes are recorded as rejected, and then moved.
    let odd = files.write_lines("odd.jsonl", &[result("odd", "odd", 1.0)]);
    record(&program, &odd, &[]).ended(2);
    database.execute(&format!(
        "INSERT INTO arc_recorder.outcomes (simulation_id, outcome_id, partition_time, scenario_id, trial,
             received_at, execution_time, status, scores, execution_time_ms, tokens_used, cost_usd,
             all_roles_tokens, all_roles_cost_usd, metrics, extractor_id, document_bytes)
         SELECT simulation_id, outcome_id, partition_time, 'odd', 1, received_at, received_at, 'success', '[]', 0,
             0, 0, 0, 0, '{{}}', '{OLD}', document_bytes
         FROM arc_recorder.rejected_results;
         INSERT INTO arc_recorder.documents (simulation_id, outcome_id, partition_time, part, document)
         SELECT simulation_id, outcome_id, partition_time, 0, convert_from(document, 'UTF8')
         FROM arc_recorder.rejected_results"
    ));
    let before = texts(&database, FIELDS);
    let lines = program.run(["reextract", "--json"]).ended(2).json_lines();
    assert_eq!(lines[0]["violations"][0]["code"], "unknown_status");
    assert_eq!((&lines[1]["rejected"], &lines[1]["rewritten"]), (&json!(1), &json!(0)));
    assert_eq!(texts(&database, FIELDS), before);
    let finished = program.run(["reextract"]).ended(2);
    assert!(finished.stderr.contains("stays as it is"), "{}", finished.stderr);
}

#[test]
fn rewriting_can_be_killed_and_run_concurrently_and_is_all_or_nothing() {
    const RESULTS: usize = 8_000;
    let database = TestDatabase::new();
    register_old_extractor(&database);
    let program = Program::on(&database);
    let files = Files::new();
    let path = files.write_lines("results.jsonl", &many(RESULTS));
    record(&program, &path, &[]).ended(0);
    let fields = texts(&database, FIELDS);
    extract_before(&database, "true", ", cost_usd = 9, error_message = 'old'");
    let old = format!("SELECT count(*) FROM arc_recorder.outcomes WHERE extractor_id = '{OLD}'");

    // Killed in the middle of its transaction: it holds the table lock and has not committed.
    let mut child = program.spawn(["reextract", "--json"]);
    let writing = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
        AND backend_xid IS NOT NULL";
    wait_for("a write", || database.count(writing) > 0 || child.try_wait().unwrap().is_some());
    // On a cluster, the coordinator does not show the write, so that it can have ended.
    let _ = kill(Pid::from_raw(child.id() as i32), Signal::SIGKILL);
    child.wait().unwrap();
    let left = database.count(&old);
    assert!(left == 0 || left == RESULTS as i64, "all or nothing: {left}");

    let children = [0, 1].map(|_| program.spawn(["reextract", "--json"]));
    let summaries =
        children.map(|child| Finished::from(child.wait_with_output().unwrap()).ended(0).json());
    let rewritten: i64 = summaries.iter().map(|done| done["rewritten"].as_i64().unwrap()).sum();
    assert!(rewritten == left, "each was rewritten once: {summaries:?}");
    assert_eq!(database.count(&old), 0);
    assert_eq!(texts(&database, FIELDS), fields);
    assert_eq!(
        database.count("SELECT count(*) FROM arc_recorder.replaced_extractions"),
        RESULTS as i64
    );
}

#[test]
fn another_component_is_another_extractor_and_a_trial_that_was_passed_stays() {
    let database = TestDatabase::new();
    // The same code with a custom section at its end, and thus another SHA-256.
    let mut component = BUILT_IN.to_vec();
    component.extend_from_slice(b"\x00\x06\x05older");
    let older = Extractor::from_component(&component, &ExtractionSettings::default()).unwrap();
    let newer = Extractor::built_in(&ExtractionSettings::default()).unwrap();
    assert_ne!(older.identity().id, newer.identity().id);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let recorder = runtime.block_on(Recorder::new(older, database.store())).unwrap();
    let start = SimulationStart {
        simulation_id: Some(new_simulation_id()),
        config_version_id: "test".to_owned(),
        modal_environment: Some("test".to_owned()),
        trials: Some(3),
        ..SimulationStart::default()
    };
    let new = NewSimulation::new(start, 0, PlanDigest::new().finish());
    runtime.block_on(recorder.start_planned(&new, std::iter::empty())).unwrap();
    let document = result("a", "success", 0.5).to_string();
    let submission = |trial| Submission {
        trial: Some(trial),
        modal_call_id: Some("call".to_owned()),
        ..Submission::new(document.clone())
    };
    let submissions = vec![submission(2), submission(3)];
    let verdicts = runtime.block_on(recorder.record_batch(new.simulation_id, submissions)).unwrap();
    assert!(verdicts.iter().all(|item| item.verdict == Verdict::Stored), "{verdicts:?}");
    let identity = texts(&database, IDENTITY);
    assert_eq!(identity.len(), 2);
    let program = Program::on(&database);
    let done = program.run(["reextract", "--json"]).ended(0).json();
    assert_eq!((&done["changed"], &done["rewritten"]), (&json!(0), &json!(2)), "{done}");
    assert_eq!(texts(&database, IDENTITY), identity);
    reject_before(&database, "trial = 2");
    database.execute("UPDATE arc_recorder.rejected_results SET trial = 2");
    replay(&program).ended(0);
    assert_eq!(texts(&database, IDENTITY), identity);
}
