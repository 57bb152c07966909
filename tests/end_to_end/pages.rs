//! Paged lists: every row once, in order, with the right attempt, and cursors that are refused if
//! they are damaged.

use arc_host::Error;
use arc_host::extraction::OutcomeStatus;
use arc_host::store::{
    Attachments, ExportSelection, OutcomeFilter, RecordedOutcome, SimulationFilter, Store,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Files, Program, TestDatabase, fixture, record, result};

/// Records attempts of scenarios whose ids sort differently by bytes and by language, and returns
/// the simulation's id.
fn record_attempts(program: &Program, files: &Files) -> Uuid {
    let mut results = Vec::new();
    for attempt in 0..5 {
        for scenario in ["b", "B", "a-1", "a", "é", "\u{1F980}", "a1"] {
            let status = if attempt % 2 == 0 { "success" } else { "error" };
            results.push(result(scenario, status, f64::from(attempt) / 10.0));
        }
        results.push(result("many", "error", f64::from(attempt) / 20.0));
        results.push(result("many", "error", f64::from(attempt) / 20.0 + 0.5));
    }
    let summary =
        record(program, &files.write_lines("attempts.jsonl", &results), &[]).ended(0).json();
    assert_eq!(summary["stored"], results.len());
    summary["simulation_id"].as_str().unwrap().parse().unwrap()
}

fn place(outcome: &RecordedOutcome) -> (String, i32, i64, Uuid) {
    (outcome.scenario_id.clone(), outcome.trial, outcome.attempt, outcome.outcome_id)
}

/// The places of all outcomes, as an export has them.
async fn exported(
    store: &Store,
    simulation_id: Uuid,
    filter: &OutcomeFilter,
) -> Vec<(String, i32, i64, Uuid)> {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    let selection = ExportSelection {
        simulations: vec![simulation_id],
        filter: filter.clone(),
        documents: false,
    };
    let export = async move {
        store.export(&selection, &sender).await.unwrap();
    };
    let read = async {
        let mut places = Vec::new();
        while let Some(rows) = receiver.recv().await {
            for outcome in rows.records() {
                let outcome = outcome.unwrap();
                let scenario = outcome.scenario_id.to_owned();
                places.push((scenario, outcome.trial, outcome.attempt, outcome.outcome_id));
            }
        }
        places
    };
    tokio::join!(export, read).1
}

/// Returns all pages of a list.
async fn pages(
    store: &Store,
    simulation_id: Uuid,
    filter: &OutcomeFilter,
    limit: u32,
    attached: Attachments,
) -> Vec<Vec<RecordedOutcome>> {
    let mut pages = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = store
            .outcomes_page(simulation_id, filter, limit, cursor.as_deref(), attached)
            .await
            .unwrap();
        pages.push(page.outcomes);
        match page.cursor {
            Some(next) => cursor = Some(next),
            None => return pages,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_any_length_are_the_whole_list() {
    let (database, simulation_id) = tokio::task::spawn_blocking(|| {
        let database = TestDatabase::new();
        let id = record_attempts(&Program::on(&database), &Files::new());
        (database, id)
    })
    .await
    .unwrap();
    let store = database.store();
    let filters = [
        OutcomeFilter::default(),
        OutcomeFilter { status: Some(OutcomeStatus::Error), ..OutcomeFilter::default() },
        OutcomeFilter { scenario_id: Some("many".to_owned()), ..OutcomeFilter::default() },
        OutcomeFilter { scenario_id: Some("a".to_owned()), status: Some(OutcomeStatus::Success) },
        OutcomeFilter { scenario_id: Some("none".to_owned()), status: None },
    ];
    for filter in &filters {
        let expected = exported(&store, simulation_id, filter).await;
        let mut sorted = expected.clone();
        sorted.sort();
        assert_eq!(sorted, expected, "{filter:?}: in order of bytes");
        for limit in [1, 2, 3, 7, 44, 45, 46, 1_000] {
            let pages = pages(&store, simulation_id, filter, limit, Attachments::default()).await;
            let found: Vec<_> = pages.iter().flatten().map(place).collect();
            assert_eq!(found, expected, "{filter:?}, {limit} a page");
            let full = expected.len().div_ceil(limit as usize).max(1);
            assert_eq!(pages.len(), full, "{filter:?}, {limit} a page");
        }
    }
    store.close();
    tokio::task::spawn_blocking(|| drop(database)).await.unwrap();
}

#[test]
fn documents_and_trajectories_come_when_they_are_asked_for_byte_for_byte() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let documents = [
        r#"{"scenario": {"id": "a\u0000é"}, "é": "\u0000",  "trajectory": {"status" : "success","z":1.50, "a": "\u0000é"} }"#,
        r#"{"scenario": {"id": "b"}, "trajectory": null, "n": 1e999999}"#,
    ];
    let path = files.write("odd.jsonl", documents.join("\n"));
    let id =
        record(&program, &path, &[]).ended(0).json()["simulation_id"].as_str().unwrap().to_owned();
    let simulation_id: Uuid = id.parse().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = database.store();
        let filter = OutcomeFilter::default();
        let page = |documents, trajectories| {
            let (store, filter) = (&store, &filter);
            async move {
                let attached = Attachments { documents, trajectories };
                store
                    .outcomes_page(simulation_id, filter, 10, None, attached)
                    .await
                    .unwrap()
                    .outcomes
            }
        };
        for (with_documents, with_trajectories) in
            [(false, false), (true, false), (false, true), (true, true)]
        {
            let outcomes = page(with_documents, with_trajectories).await;
            for (outcome, document) in outcomes.iter().zip(documents) {
                let expected = with_documents.then_some(document);
                assert_eq!(outcome.document.as_deref(), expected);
            }
            let trajectory = r#"{"status" : "success","z":1.50, "a": "\u0000é"}"#;
            let expected = with_trajectories.then_some(trajectory);
            assert_eq!(outcomes[0].trajectory.as_deref(), expected);
            assert_eq!(outcomes[1].trajectory, None);
        }
        store.close();
    });
    let shown = program.run(["outcomes", &id, "--documents", "--limit", "1"]).ended(0);
    assert_eq!(shown.stdout, format!("{}\n", documents[0]));
    assert!(shown.stderr.contains("--cursor outcomes1-"), "{}", shown.stderr);
}

#[test]
fn a_page_of_large_documents_is_shorter_and_has_a_cursor() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let large = "x".repeat(1 << 20);
    let results: Vec<Value> = (0..50)
        .map(|number| json!({"scenario": {"id": format!("{number:02}")}, "text": large}))
        .collect();
    let path = files.write_lines("large.jsonl", &results);
    let id: Uuid = record(&program, &path, &[]).ended(0).json()["simulation_id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = database.store();
        let attached = Attachments { documents: true, trajectories: false };
        let pages = pages(&store, id, &OutcomeFilter::default(), 1_000, attached).await;
        let lengths: Vec<usize> = pages.iter().map(Vec::len).collect();
        assert!(lengths.len() > 1 && lengths.iter().sum::<usize>() == 50, "{lengths:?}");
        assert!(pages.iter().flatten().all(|outcome| outcome.document.is_some()));
        store.close();
    });
}

#[test]
fn an_empty_page_leaves_its_connection_and_a_large_outcome_is_a_page_of_its_own() {
    let database = TestDatabase::new();
    let (program, files) = (Program::on(&database), Files::new());
    let results = ["a", "b", "c"]
        .map(|id| json!({"scenario": {"id": id}, "trajectory": {"status": "success"}}));
    let recorded = record(&program, &files.write_lines("few.jsonl", &results), &[]).ended(0);
    let id: Uuid = recorded.json()["simulation_id"].as_str().unwrap().parse().unwrap();
    database.execute(
        "UPDATE arc_recorder.outcomes SET error_message = repeat('x', 3 << 20)
         WHERE scenario_id = 'b'",
    );
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = database.store();
        let none =
            OutcomeFilter { status: Some(OutcomeStatus::Timeout), ..OutcomeFilter::default() };
        let page = store.outcomes_page(id, &none, 10, None, Attachments::default()).await.unwrap();
        assert!(page.outcomes.is_empty() && page.cursor.is_none(), "{page:?}");
        let left = store.pool_stats();
        assert_eq!((left.size, left.available), (1, 1));
        let pages = pages(&store, id, &OutcomeFilter::default(), 10, Attachments::default()).await;
        let ids: Vec<Vec<&str>> = pages
            .iter()
            .map(|page| page.iter().map(|outcome| outcome.scenario_id.as_str()).collect())
            .collect();
        assert_eq!(ids, [["a"], ["b"], ["c"]]);
        let message = pages[1][0].error_message.as_deref().unwrap();
        assert_eq!(message.len(), 3 << 20);
        store.close();
    });
}

#[test]
fn a_cursor_of_another_list_and_a_limit_out_of_range_are_refused() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let first = record_attempts(&program, &files).to_string();
    let path = files.write_lines("other.jsonl", &[result("a", "success", 1.0)]);
    record(&program, &path, &[]).ended(0);
    let listed = program.run(["simulations", "--limit", "1", "--json"]).ended(0).json_lines();
    let other = listed[0]["simulation_id"].as_str().unwrap();
    let list_cursor = listed[1]["cursor"].as_str().unwrap();
    let page = program.run(["outcomes", &first, "--limit", "1", "--json"]).ended(0).json_lines();
    let cursor = page[1]["cursor"].as_str().unwrap();
    let cut = &cursor[..cursor.len() - 2];
    for (arguments, sentence) in [
        (["outcomes", other, "--cursor", cursor], "belongs to simulation"),
        (["outcomes", &first, "--cursor", list_cursor], "begin again without a cursor"),
        (["outcomes", &first, "--cursor", cut], "begin again without a cursor"),
        (["outcomes", &first, "--cursor", ""], "begin again without a cursor"),
        (["outcomes", &first, "--limit", "0"], "1..=1000"),
        (["outcomes", &first, "--limit", "1001"], "1..=1000"),
    ] {
        let refused = program.run(arguments).ended(1);
        assert!(refused.stderr.contains(sentence), "{arguments:?}: {}", refused.stderr);
    }
    let refused = program.run(["simulations", "--cursor", cursor]).ended(1);
    assert!(refused.stderr.contains("begin again without a cursor"), "{}", refused.stderr);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = database.store();
        let filter = OutcomeFilter::default();
        for limit in [0, 1_001, u32::MAX] {
            let refused = store
                .outcomes_page(first.parse().unwrap(), &filter, limit, None, Attachments::default())
                .await;
            assert!(matches!(refused, Err(Error::Invalid(_))));
            let (all, limit) =
                (SimulationFilter::default(), limit.max(10_001) * u32::from(limit > 0));
            let refused = store.simulations_page(&all, limit, None).await;
            assert!(matches!(refused, Err(Error::Invalid(_))));
        }
        store.close();
    });
}

#[test]
fn the_command_line_continues_at_the_cursor() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let id = record_attempts(&program, &files).to_string();
    let all = program.run(["outcomes", &id, "--json"]).ended(0).json_lines();
    let mut found = Vec::new();
    let mut arguments: Vec<String> =
        ["outcomes", &id, "--json", "--limit", "20"].map(str::to_owned).to_vec();
    loop {
        let mut lines = program.run(&arguments).ended(0).json_lines();
        let cursor = match lines.last() {
            Some(last) if last.get("cursor").is_some() => lines.pop(),
            _ => None,
        };
        found.extend(lines);
        let Some(cursor) = cursor else { break };
        arguments.truncate(5);
        arguments.extend(["--cursor".to_owned(), cursor["cursor"].as_str().unwrap().to_owned()]);
    }
    assert_eq!(found, all);
    let table = program.run(["outcomes", &id, "--limit", "20"]).ended(0);
    // The metric of the scores, and the names of the columns.
    assert_eq!(table.stdout.lines().count(), 22);
    assert!(table.stderr.contains("there are more: --cursor"), "{}", table.stderr);

    for name in ["second", "third", "fourth"] {
        record(&program, &files.path("attempts.jsonl"), &["--name", name]).ended(0);
    }
    database.execute("UPDATE arc_recorder.simulations SET created_at = '2025-01-01'");
    for status in [&[][..], &["--status", "completed"]] {
        let all = program.run([&["simulations", "--json"], status].concat()).ended(0).json_lines();
        assert_eq!(all.len(), 4);
        let options = [&["simulations", "--json", "--limit", "3"], status].concat();
        let mut lines = program.run(&options).ended(0).json_lines();
        let cursor = lines.pop().unwrap();
        let options = [&options[..], &["--cursor", cursor["cursor"].as_str().unwrap()]].concat();
        lines.extend(program.run(options).ended(0).json_lines());
        assert_eq!(lines, all);
    }
}

#[test]
fn attempts_are_in_the_order_in_which_they_ran_on_pages_too() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    // Two scenarios with three trials each, which have keys, and no numbers.
    let path = fixture("formats/harbor/three-trials-each/job-with-trials.json");
    let summary = record(&program, &path, &[]).ended(0).json();
    let id = summary["simulation_id"].as_str().unwrap();
    // An earlier and a later attempt at each trial, recorded afterwards, the later one first.
    for (key, shift) in [("later", "1 day"), ("earlier", "-1 day")] {
        database.execute(&format!(
            "INSERT INTO arc_recorder.outcomes
             SELECT (jsonb_populate_record(outcome, jsonb_build_object(
                 'outcome_id', gen_random_uuid(), 'result_key', '{key}' || result_key,
                 'received_at', clock_timestamp(),
                 'execution_time', execution_time + interval '{shift}'))).*
             FROM arc_recorder.outcomes AS outcome WHERE result_key NOT LIKE '%later%'"
        ));
    }
    let places = |outcomes: &[Value]| -> Vec<(String, i64, i64, String)> {
        let text = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
        let number = |one: &Value, name: &str| one[name].as_i64().unwrap();
        let place = |one| {
            let (trial, attempt) = (number(one, "trial"), number(one, "attempt"));
            (text(one, "scenario_id"), trial, attempt, text(one, "result_key"))
        };
        outcomes.iter().map(place).collect()
    };
    let all = places(&program.run(["outcomes", id, "--json"]).ended(0).json_lines());
    let mut sorted = all.clone();
    sorted.sort();
    assert_eq!(all, sorted, "in order of scenario, trial and attempt");
    assert_eq!(all.len(), 18);
    for trial in all.chunks(3) {
        let [first, second, third] = trial else { panic!("{trial:?}") };
        assert_eq!([first.2, second.2, third.2], [1, 2, 3]);
        assert_eq!(first.3, format!("earlier{}", second.3));
        assert_eq!(third.3, format!("later{}", second.3));
    }
    let exported = files.path("outcomes.jsonl");
    program.run(["export", id, "-o", exported.to_str().unwrap()]).ended(0);
    let exported = std::fs::read_to_string(exported).unwrap();
    let exported: Vec<Value> =
        exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(places(&exported), all, "an export");
    for limit in ["1", "2", "4", "17"] {
        let (mut found, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let after = cursor.iter().flat_map(|cursor| ["--cursor", cursor]);
            let arguments = ["outcomes", id, "--json", "--limit", limit].into_iter().chain(after);
            let mut page = program.run(arguments).ended(0).json_lines();
            let last = page.pop_if(|last| last.get("cursor").is_some());
            found.extend(page);
            match last {
                Some(last) => cursor = Some(last["cursor"].as_str().unwrap().to_owned()),
                None => break,
            }
        }
        assert_eq!(places(&found), all, "pages of {limit}");
    }
}
