//! Recording files: the fixtures, real results, duplicates, rejections.

use serde_json::Value;

use crate::support::{Files, Program, TestDatabase, fixture, record, shared_data, skip};

fn results(path: &std::path::Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

fn close(left: f64, right: f64) -> bool {
    (left - right).abs() <= 1e-9 * left.abs().max(1.0)
}

#[test]
fn real_results_are_stored_and_their_figures_are_the_sums_of_the_documents() {
    let Some(path) = shared_data("real-results.jsonl") else {
        return skip("the real results", "../shared/data/real-results.jsonl is not here");
    };
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let summary =
        program.run(["record".as_ref(), path.as_os_str(), "--json".as_ref()]).ended(0).json();
    let results = results(&path);
    let sum = |pointer: &str| -> f64 {
        results.iter().map(|result| result.pointer(pointer).and_then(Value::as_f64).unwrap()).sum()
    };
    assert_eq!(summary["stored"], results.len());
    assert_eq!(summary["rejected"], 0);
    let score = sum("/reliability_score/overall_score") / results.len() as f64;
    assert!(close(summary["overall_score"].as_f64().unwrap(), score));
    assert!(close(
        summary["total_cost_usd"].as_f64().unwrap(),
        sum("/trajectory/token_usage/total_cost")
    ));
    assert_eq!(
        summary["total_tokens"].as_f64().unwrap(),
        sum("/trajectory/token_usage/total_tokens")
    );

    let id = summary["simulation_id"].as_str().unwrap();
    let status = program.run(["status", id, "--json"]).ended(0).json();
    assert_eq!(status["status"], "completed");
    assert_eq!(status["completed_scenarios"], results.len());
    assert_eq!(status["progress_percentage"], 100.0);

    let documents = program.run(["outcomes", id, "--documents"]).ended(0).stdout;
    let mut stored: Vec<&str> = documents.lines().collect();
    let text = std::fs::read_to_string(&path).unwrap();
    let mut sent: Vec<&str> = text.lines().collect();
    stored.sort_unstable();
    sent.sort_unstable();
    assert!(stored == sent, "every document comes back byte for byte");
}

#[test]
fn the_same_file_again_stores_nothing_twice() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let path = fixture("results.jsonl");
    let first =
        program.run(["record".as_ref(), path.as_os_str(), "--json".as_ref()]).ended(0).json();
    let second =
        program.run(["record".as_ref(), path.as_os_str(), "--json".as_ref()]).ended(0).json();
    let total = results_in(&path);
    assert_eq!((&first["stored"], &first["duplicate"]), (&total.into(), &0.into()));
    assert_eq!((&second["stored"], &second["duplicate"]), (&0.into(), &total.into()));
    assert_eq!(first["simulation_id"], second["simulation_id"]);
    for figure in
        ["overall_score", "total_cost_usd", "total_tokens", "by_status", "by_error_category"]
    {
        assert_eq!(first[figure], second[figure], "{figure}");
    }
    assert_eq!(database.count("SELECT count(*) FROM arc_recorder.outcomes"), total);
    let newer = program
        .run(["record".as_ref(), path.as_os_str(), "--new".as_ref(), "--json".as_ref()])
        .ended(0)
        .json();
    assert_ne!(newer["simulation_id"], first["simulation_id"]);
    assert_eq!(newer["stored"], total);
}

fn results_in(path: &std::path::Path) -> i64 {
    std::fs::read_to_string(path).unwrap().lines().count() as i64
}

#[test]
fn every_hostile_document_is_rejected_with_its_reason_and_no_neighbour_is_lost() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let path = fixture("hostile.jsonl");
    let summary =
        program.run(["record".as_ref(), path.as_os_str(), "--json".as_ref()]).ended(2).json();
    let expected: Vec<Value> =
        serde_json::from_str(&std::fs::read_to_string(fixture("hostile.expected.json")).unwrap())
            .unwrap();
    let (good, bad): (Vec<&Value>, Vec<&Value>) =
        expected.iter().partition(|line| line["verdict"] == "accepted");
    assert_eq!(summary["stored"], good.len());
    assert_eq!(summary["rejected"], bad.len());
    let rejected = summary["rejected_results"].as_array().unwrap();
    for (found, expected) in rejected.iter().zip(&bad) {
        assert_eq!(found["position"], expected["position"]);
        let reasons = |list: &Value| -> Vec<(String, String)> {
            let text = |reason: &Value, name: &str| reason[name].as_str().unwrap().to_owned();
            list.as_array()
                .unwrap()
                .iter()
                .map(|reason| (text(reason, "path"), text(reason, "code")))
                .collect()
        };
        assert_eq!(reasons(&found["violations"]), reasons(&expected["violations"]), "{found}");
    }
    // Each rejected line is kept byte for byte, even if it is not text.
    let bytes = std::fs::read(&path).unwrap();
    let lines: Vec<&[u8]> = bytes
        .split(|byte| *byte == b'\n')
        .map(|line| line.trim_ascii())
        .filter(|line| !line.is_empty())
        .collect();
    for row in database.query("SELECT position, document FROM arc_recorder.rejected_results") {
        let (position, document): (i64, Vec<u8>) = (row.get(0), row.get(1));
        assert!(document == lines[position as usize], "line {position} is kept byte for byte");
    }
    // On repetition the valid results are duplicates, and the invalid ones are not kept twice.
    let again =
        program.run(["record".as_ref(), path.as_os_str(), "--json".as_ref()]).ended(2).json();
    assert_eq!(again["duplicate"], good.len());
    assert_eq!(
        database.count("SELECT count(*) FROM arc_recorder.rejected_results"),
        bad.len() as i64
    );
}

/// A result whose trajectory has a text of about this many bytes, most of them in characters of three.
fn long_result(id: &str, bytes: usize) -> String {
    let text = "日".repeat(bytes / 3);
    format!(
        r#"{{"scenario": {{"id": "{id}"}}, "trajectory": {{"status": "success", "text": "{text}"}}}}"#
    )
}

#[test]
fn long_documents_are_stored_in_parts_and_come_back_whole() {
    const MIB: usize = 1 << 20;
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    // As a single result, as a few, which are written as arrays, and as many, which are copied.
    for (name, short) in [("one", 0), ("few", 5), ("many", 200)] {
        let mut lines: Vec<String> =
            (0..short).map(|number| long_result(&format!("{name}-{number}"), 30)).collect();
        let long: &[usize] =
            if short == 0 { &[3 * MIB] } else { &[MIB - 200, MIB, MIB + 1, MIB + 2, 5 * MIB] };
        lines.extend(long.iter().map(|bytes| long_result(&format!("{name}-long-{bytes}"), *bytes)));
        let path = files.write(&format!("{name}.jsonl"), lines.join("\n"));
        for stored in [lines.len(), 0] {
            let summary = record(&program, &path, &[]).ended(0).json();
            assert_eq!(summary["stored"], stored, "{name}");
            let id = summary["simulation_id"].as_str().unwrap();
            let documents = program.run(["outcomes", id, "--documents"]).ended(0).stdout;
            assert!(same_lines(&documents, &lines), "{name}: outcomes --documents");
            let exported = program
                .run(["export", id, "--format", "jsonl", "--documents"])
                .ended(0)
                .json_lines();
            let exported: Vec<&str> =
                exported.iter().map(|outcome| outcome["document"].as_str().unwrap()).collect();
            assert!(same_lines(&exported.join("\n"), &lines), "{name}: export");
        }
        let whole = database.count(&format!(
            "SELECT count(*) FROM arc_recorder.outcome_documents AS view
             JOIN arc_recorder.outcomes USING (simulation_id, outcome_id, partition_time)
             WHERE view.scenario_id LIKE '{name}-%' AND octet_length(document_text) = document_bytes
                 AND document->'trajectory'->>'text' ~ '^日+$'"
        ));
        assert_eq!(whole, i64::try_from(lines.len()).unwrap());
    }
    let parts = database.query(
        "SELECT scenario_id, count(*), max(octet_length(document)) FROM arc_recorder.documents
         JOIN arc_recorder.outcomes USING (simulation_id, outcome_id, partition_time)
         GROUP BY scenario_id HAVING count(*) > 1 OR max(octet_length(document)) > 1000000
         ORDER BY max(document_bytes)",
    );
    let parts: Vec<(i64, bool)> = parts
        .iter()
        .map(|row| (row.get(1), row.get::<_, i32>(2) <= i32::try_from(MIB).unwrap()))
        .collect();
    let counts = [1, 1, 2, 2, 2, 2, 2, 2, 4, 6, 6];
    assert_eq!(parts, counts.map(|count| (count, true)));

    // Extracted again, each is read whole.
    let again = program.run(["reextract", "--all", "--dry-run", "--json"]).ended(0).json_lines();
    let last = again.last().unwrap();
    assert_eq!((&last["examined"], &last["rejected"]), (&216.into(), &0.into()), "{last}");
}

/// Whether a text has these lines, in any order.
fn same_lines(text: &str, lines: &[String]) -> bool {
    let (mut found, mut wanted): (Vec<&str>, Vec<&str>) =
        (text.lines().collect(), lines.iter().map(String::as_str).collect());
    found.sort_unstable();
    wanted.sort_unstable();
    found == wanted
}
