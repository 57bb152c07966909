//! The command line over the service: `--server` and `--token`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    DatabaseServer, Files, Finished, Program, Service, TestDatabase, fixture, record, result,
};

#[test]
fn a_file_is_recorded_and_asked_about_as_with_the_database() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let direct = Program::on(&database);
    let service = Service::start(&direct, &files, &[]);
    let over = service.program();
    let results: Vec<Value> = (0..2_500)
        .map(|number| {
            let status = if number % 5 == 0 { "error" } else { "success" };
            result(&format!("s{number:04}"), status, 0.5)
        })
        .chain([json!({"scenario": {"id": "bad"}, "trajectory": {"status": "odd"}})])
        .collect();
    let path = files.write_lines("results.jsonl", &results);
    let config = files.write("agent.yaml", "model: x\n").display().to_string();
    let mut first = record(&over, &path, &["--config", &config]).ended(2).json();
    assert_eq!((&first["stored"], &first["rejected"]), (&json!(2_500), &json!(1)));
    assert_eq!(first["status"], "completed");
    assert_eq!(first["rejected_results"][0]["code"], "unknown_status");
    // The same command with the database finds the same simulation, with all of its results stored.
    let mut second = record(&direct, &path, &["--config", &config]).ended(2).json();
    assert_eq!(second["duplicate"], 2_500);
    for summary in [&mut first, &mut second] {
        for name in ["stored", "duplicate", "elapsed_seconds", "warnings"] {
            summary[name] = Value::Null;
        }
    }
    assert_eq!(first, second);

    let id = first["simulation_id"].as_str().unwrap();
    for arguments in [
        &["status", id, "--json"][..],
        &["outcomes", id, "--json", "--status", "error"],
        &["outcomes", id, "--json", "--documents", "--scenario", "s0001"],
        &["outcomes", id, "--json", "--limit", "7"],
        &["rejected", id, "--json"],
        &["performance", id, "--json"],
        &["failures", "--json", "--limit", "3"],
        &["simulations", "--json"],
    ] {
        let [over, direct] = [&over, &direct].map(|program| program.run(arguments).ended(0).stdout);
        assert!(!over.is_empty(), "{arguments:?}");
        assert_eq!(over, direct, "{arguments:?}");
    }
    // The text output works, too.
    for arguments in [&["status", id][..], &["simulations"], &["health"], &["failures"]] {
        over.run(arguments).ended(0);
    }
    let health = over.run(["health", "--json"]).ended(0).json();
    assert_eq!(health["status"], "ok");
    let ended = over.run(["cancel", id, "--reason", "no"]).ended(1);
    assert!(ended.stderr.contains("is completed and cannot become cancelled"), "{}", ended.stderr);
    let unknown = over.run(["status", "01920000-0000-7000-8000-0000000000ff"]).ended(1);
    assert!(unknown.stderr.contains("not found"), "{}", unknown.stderr);
}

/// One rule for everything that reads: never an empty list.
#[test]
fn an_unknown_simulation_is_not_found_by_every_reader() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let direct = Program::on(&database);
    let service = Service::start(&direct, &files, &[]);
    let over = service.program();
    let unknown = "01920000-0000-7000-8000-0000000000ff";
    let refused = |program: &Program, arguments: &[&str]| {
        let refused = program.run(arguments).ended(1);
        let sentence = format!("simulation {unknown} not found");
        assert!(refused.stderr.contains(&sentence), "{arguments:?}: {}", refused.stderr);
        assert_eq!(refused.stdout, "", "{arguments:?}");
    };
    let again = ["retry-rejected", "reextract"].map(|name| [name, "--simulation", unknown]);
    again.iter().for_each(|arguments| refused(&direct, arguments));
    // Something is recorded, elsewhere.
    let odd = json!({"scenario": {"id": "a"}, "trajectory": {"status": "odd"}});
    let results = [result("a", "success", 1.0), result("b", "error", 0.5), odd, json!({})];
    record(&direct, &files.write_lines("few.jsonl", &results), &[]).ended(2);
    again.iter().for_each(|arguments| refused(&direct, arguments));
    for arguments in [
        &["status", unknown][..],
        &["outcomes", unknown],
        &["outcomes", unknown, "--documents"],
        &["outcomes", unknown, "--scenario", "a", "--status", "error"],
        &["outcomes", unknown, "--limit", "5", "--json"],
        &["rejected", unknown],
        &["rejected", unknown, "--limit", "5", "--json"],
        &["performance", unknown],
        &["export", unknown, "--format", "csv"],
    ] {
        refused(&direct, arguments);
        refused(&over, arguments);
    }
    let path = format!("/v1/simulations/{unknown}");
    for question in ["", "/outcomes", "/outcomes?status=error", "/rejected", "/performance"] {
        service.get(&format!("{path}{question}")).has_problem(404, "not_found");
    }
    let lines = [("accept", "application/x-ndjson")];
    let outcomes = format!("{path}/outcomes");
    service.send(Method::GET, &outcomes, &lines, "").has_problem(404, "not_found");

    // A cursor of a simulation that was removed meanwhile finds nothing either.
    let listed = direct.run(["simulations", "--json"]).ended(0).json_lines();
    let id = listed[0]["simulation_id"].as_str().unwrap();
    let pages = ["outcomes", "rejected"].map(|command| {
        let page = direct.run([command, id, "--limit", "1", "--json"]).ended(0).json_lines();
        (command, page[1]["cursor"].as_str().unwrap().to_owned())
    });
    for table in ["outcomes", "rejected_results", "simulations"] {
        database.execute(&format!("DELETE FROM arc_recorder.{table}"));
    }
    for (command, cursor) in &pages {
        for program in [&direct, &over] {
            let refused = program.run([command, id, "--cursor", cursor]).ended(1);
            assert!(refused.stderr.contains("not found"), "{command}: {}", refused.stderr);
        }
    }
}

/// Fast parsers of floats read some of these with an error in the last bit.
#[test]
fn figures_are_the_doubles_that_were_written_however_they_travel() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let direct = Program::on(&database);
    let service = Service::start(&direct, &files, &[]);
    let over = service.program();
    let thirds = (1..90).map(|number| f64::from(number) / 601.0);
    let figures: Vec<f64> = [0.1 + 0.2, 0.851_234_567_890_123_3, 5e-324, f64::MIN_POSITIVE]
        .into_iter()
        .chain(thirds)
        .collect();
    let results: Vec<Value> = (0..)
        .zip(&figures)
        .map(|(number, figure)| {
            let mut result = result(&format!("s{number:03}"), "success", *figure);
            result["trajectory"]["token_usage"] = json!({"total_cost": figure * 1e3});
            result
        })
        .collect();
    let path = files.write_lines("results.jsonl", &results);
    let id = record(&over, &path, &[]).ended(0).json()["simulation_id"].clone();
    let id = id.as_str().unwrap();
    let bits = |number: f64| number.to_bits();
    let written: Vec<[u64; 2]> = figures.iter().map(|it| [*it, it * 1e3].map(bits)).collect();
    let rows =
        database.query("SELECT score, cost_usd FROM arc_recorder.outcomes ORDER BY scenario_id");
    let stored: Vec<[u64; 2]> = rows.iter().map(|row| [row.get(0), row.get(1)].map(bits)).collect();
    assert_eq!(stored, written);
    for program in [&over, &direct] {
        let outcomes = program.run(["outcomes", id, "--json"]).ended(0).json_lines();
        let figures_of = |outcome: &Value| {
            ["reliability_score", "cost_usd"].map(|name| bits(outcome[name].as_f64().unwrap()))
        };
        assert_eq!(outcomes.iter().map(figures_of).collect::<Vec<_>>(), written);
    }
    for command in ["status", "performance"] {
        let [over, direct] =
            [&over, &direct].map(|program| program.run([command, id, "--json"]).ended(0).json());
        assert_eq!(over, direct, "{command}");
    }
}

#[test]
fn every_kind_of_document_has_the_same_verdict_both_ways() {
    let [one, other] = [TestDatabase::new(), TestDatabase::new()];
    let files = Files::new();
    let service = Service::start(&Program::on(&one), &files, &[]);
    let mut lines = std::fs::read(fixture("hostile.jsonl")).unwrap_or_default();
    for part in [
        &b"{\"half\":\n"[..],
        b"\xff\xfe\n",
        b"[1]\n\"text\"\nnull\n",
        b"{\"scenario\":{\"id\":\"n\"},\"trajectory\":{\"status\":\"success\"},\"reliability_score\":NaN}\n",
        b"{\"results\": [{\"scenario\":{\"id\":\"r\"},\"trajectory\":{\"status\":\"success\"}}]}\n",
        b"{\"scenario\":{\"id\":\"z\"},\"trajectory\":{\"status\":\"success\"},\"text\":\"\\u0000\"}\n",
    ] {
        lines.extend_from_slice(part);
    }
    lines.extend_from_slice(result("last", "success", 1.0).to_string().as_bytes());
    let path = files.write("mixed.jsonl", lines);
    let over = record(&service.program(), &path, &[]);
    let direct = record(&Program::on(&other), &path, &[]);
    assert_eq!(over.code, direct.code);
    let same = |finished: &Finished| {
        let mut summary = finished.json();
        summary["elapsed_seconds"] = Value::Null;
        summary
    };
    assert_eq!(same(&over), same(&direct));
    for rows in [
        "SELECT outcome_id::text, document_text FROM arc_recorder.outcome_documents ORDER BY 1",
        "SELECT outcome_id::text, encode(document, 'hex') FROM arc_recorder.rejected_results ORDER BY 1",
    ] {
        let [over, direct] = [&one, &other].map(|database| {
            database
                .query(rows)
                .iter()
                .map(|row| (row.get(0), row.get(1)))
                .collect::<Vec<(String, String)>>()
        });
        assert!(!over.is_empty());
        assert_eq!(over, direct);
    }
}

#[test]
fn a_service_that_cannot_be_used_is_reported() {
    let files = Files::new();
    let path = files.write_lines("results.jsonl", &[result("a", "success", 1.0)]);
    for (url, expected) in [
        ("ftp://arc.example", "http://"),
        ("http://user:hush-hush@127.0.0.1:1", "pass a token separately"),
    ] {
        let refused = record(&Program::on_service(url), &path, &[]).ended(1);
        assert!(refused.stderr.contains(expected), "{}", refused.stderr);
        assert!(!refused.stderr.contains("hush-hush"), "{}", refused.stderr);
    }
    let (database, files) = (TestDatabase::new(), Files::new());
    let service = Service::start(&Program::on(&database), &files, &["--require-tokens"]);
    let refused = record(&service.program(), &path, &[]).ended(1);
    assert!(refused.stderr.contains("--token"), "{}", refused.stderr);
    let mut command = service.program().command(["simulations"]);
    let wrong = command.env("ARC_TOKEN", "arc_hush").stdin(Stdio::null()).output().unwrap();
    let wrong = Finished::from(wrong).ended(1);
    assert!(!wrong.stderr.contains("arc_hush"), "{}", wrong.stderr);
    // A command that needs the database itself reports that.
    for arguments in [
        &["migrate"][..],
        &["token", "list"],
        &["psql"],
        &["serve", "--listen", "127.0.0.1:0"],
        &["retry-rejected"],
    ] {
        let refused = service.program().run(arguments).ended(1);
        assert!(refused.stderr.contains("--database-url"), "{arguments:?}: {}", refused.stderr);
    }
    let both =
        Program::on(&database).run(["simulations", "--server", "http://x", "--database-url", "y"]);
    assert_eq!(both.code, Some(1));
}

#[test]
fn a_file_goes_to_the_services_spool_while_the_database_is_unavailable() {
    let mut server = DatabaseServer::start();
    let files = Files::new();
    let direct = Program::with_url(&server.url());
    let service = Service::start(&direct, &files, &[]);
    let results: Vec<Value> =
        (0..1_500).map(|number| result(&format!("{number}"), "success", 1.0)).collect();
    let path = files.write_lines("results.jsonl", &results);
    server.stop();
    let summary = record(&service.program(), &path, &[]).ended(0);
    assert!(summary.stderr.contains("recorded when it is available again"), "{}", summary.stderr);
    let shown = summary.json();
    assert_eq!((&shown["spooled"], &shown["stored"]), (&json!(1_500), &json!(0)), "{shown}");
    server.resume();
    service.wait_for_empty_spool();
    // The simulation is completed without another command.
    let id = shown["simulation_id"].as_str().unwrap();
    let status = direct.run(["--json", "status", id]).ended(0).json();
    assert_eq!(
        (&status["status"], &status["recorded_outcomes"]),
        (&json!("completed"), &json!(1_500))
    );
    let again = record(&direct, &path, &[]).ended(0).json();
    assert_eq!(again["duplicate"], 1_500);
    assert_eq!(again["status"], "completed");
}

#[test]
fn a_file_has_the_same_plan_whichever_way_it_goes() {
    let (over, direct, files) = (TestDatabase::new(), TestDatabase::new(), Files::new());
    // The results have no scenario object: their scenarios are found elsewhere in them, or not at
    // all.
    let text = std::fs::read_to_string(fixture("results.jsonl")).unwrap();
    let mut results: Vec<Value> =
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    results.retain(|result| result["scenario"].is_null());
    assert!(!results.is_empty());
    let path = files.write_lines("results.jsonl", &results);
    let service = Service::start(&Program::on(&over), &files, &[]);
    let first = record(&service.program(), &path, &[]);
    assert_eq!(record(&Program::on(&direct), &path, &[]).code, first.code);
    let plan = |database: &TestDatabase| -> Vec<u8> {
        database.query("SELECT plan_sha256 FROM arc_recorder.simulations")[0].get(0)
    };
    assert_eq!(plan(&over), plan(&direct));
    // So one way can finish a simulation that the other has begun.
    over.execute("UPDATE arc_recorder.simulations SET status = 'running', completed_at = NULL");
    let again = record(&Program::on(&over), &path, &[]);
    assert_eq!(again.code, first.code);
    let again = again.json();
    assert_eq!(again["status"], "completed", "{again}");
}

#[test]
fn a_service_with_smaller_limits_gets_smaller_requests() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let mut results: Vec<Value> =
        (0..1_200).map(|number| result(&format!("s{number:04}"), "success", 0.5)).collect();
    for place in [10, 600, 1_100] {
        results[place]["filling"] = "x".repeat(700_000).into();
    }
    let path = files.write_lines("results.jsonl", &results);
    let stored = || database.count("SELECT count(*) FROM arc_recorder.outcomes");
    let options = ["--max-results-per-body", "500", "--max-body-mib", "1"];
    let service = Service::start(&program, &files, &options);
    let summary = record(&service.program(), &path, &[]).ended(0).json();
    assert_eq!((&summary["stored"], &summary["failed"]), (&json!(1_200), &json!(0)));
    assert_eq!(stored(), 1_200);

    // A result that is too large on its own does not affect the others.
    results[20]["filling"] = "y".repeat(1_500_000).into();
    let path = files.write_lines("larger.jsonl", &results);
    let summary = record(&service.program(), &path, &[]).ended(1).json();
    assert_eq!((&summary["stored"], &summary["failed"]), (&json!(1_199), &json!(1)));

    // A spool that is drained by hand.
    let unavailable = DatabaseServer::stopped();
    let spooled = files.path("other").display().to_string();
    let other = ["--spool-dir", spooled.as_str()];
    let spooling = Service::start_with(
        &Program::with_url(&unavailable.url()),
        &files.path("other.log"),
        &other,
    );
    let id = service.start_simulation(&[]);
    let batch: Vec<&Value> = results.iter().filter(|one| one.get("filling").is_none()).collect();
    let path = format!("/v1/simulations/{id}/outcomes");
    let answer = spooling.post(&path, &json!(batch)).has(200).json();
    assert_eq!(answer["spooled"], batch.len());
    assert_eq!(spooling.stop(), Some(0));
    let reported = service
        .program()
        .run(["spool", "drain", "--json", "--spool-dir", &spooled])
        .ended(0)
        .json();
    assert_eq!(
        (&reported["recorded"], &reported["dead_letters"]),
        (&json!(batch.len()), &json!(0))
    );
}

#[test]
fn a_proxy_that_takes_only_short_bodies_gets_short_ones() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let service = Service::start(&Program::on(&database), &files, &[]);
    let results: Vec<Value> =
        (0..200).map(|number| result(&format!("s{number:04}"), "success", 0.5)).collect();
    let path = files.write_lines("results.jsonl", &results);
    let proxy = ShortBodies::start(&service, 20_000);
    let summary = record(&Program::on_service(&proxy.url), &path, &[]).ended(0).json();
    assert_eq!((&summary["stored"], &summary["failed"]), (&json!(200), &json!(0)));
    assert!(proxy.refused.load(Ordering::Relaxed) > 0);
}

/// A proxy that answers longer bodies with 413 and an HTML page, as other proxies do, and forwards
/// the rest.
struct ShortBodies {
    url: String,
    refused: Arc<AtomicUsize>,
}

impl ShortBodies {
    fn start(service: &Service, limit: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let refused = Arc::new(AtomicUsize::new(0));
        let (counted, behind) = (Arc::clone(&refused), service.url().replace("http://", ""));
        // The thread ends with the tests.
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (counted, behind) = (Arc::clone(&counted), behind.clone());
                std::thread::spawn(move || forward(client, &behind, limit, &counted));
            }
        });
        ShortBodies { url, refused }
    }
}

/// Forwards one request of a connection, which ends with the answer.
fn forward(client: TcpStream, behind: &str, limit: usize, refused: &AtomicUsize) -> Option<()> {
    let mut reader = BufReader::new(client.try_clone().ok()?);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut client = client;
    if length > limit {
        refused.fetch_add(1, Ordering::Relaxed);
        let page = "<html>413 Request Entity Too Large</html>";
        return write!(
            client,
            "HTTP/1.1 413 Payload Too Large\r\ncontent-type: text/html\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{page}",
            page.len()
        )
        .ok();
    }
    let mut service = TcpStream::connect(behind).ok()?;
    write!(service, "{head}connection: close\r\n\r\n").ok()?;
    service.write_all(&body).ok()?;
    std::io::copy(&mut service, &mut client).ok().map(drop)
}
