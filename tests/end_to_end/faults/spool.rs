//! Faults of the spool itself: a full disk, a damaged file, a simulation whose start is in another spool.

use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::conditions::SmallDisk;
use super::ledger::Way;
use super::run::{Host, Run};
use crate::support::DatabaseServer;

/// The longest wait before a test fails.
const DEADLINE: Duration = Duration::from_secs(60);

#[track_caller]
fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let since = Instant::now();
    while !done() {
        assert!(since.elapsed() < DEADLINE, "timed out waiting for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Creates the documents of a round, of different lengths.
fn documents(run: &mut Run, round: u64, count: usize) -> Vec<String> {
    let longest = 6_000;
    let document = |number| {
        let text = "x".repeat(usize::try_from(run.random.between(0, longest)).unwrap());
        let document = format!(
            r#"{{"scenario":{{"id":"{round}-{number}"}},"trajectory":{{"status":"success","text":"{text}"}},"reliability_score":0.25}}"#
        );
        run.ledger.send(&document);
        document
    };
    (0..count).map(document).collect()
}

/// Sends results in one request and returns the verdicts.
fn send(host: &Host, id: &str, documents: &[String]) -> Vec<Value> {
    let body = format!(r#"{{"results": [{}]}}"#, documents.join(","));
    let path = format!("/v1/simulations/{id}/outcomes");
    let answer = host.service().send(reqwest::Method::POST, &path, &[], body).has(200).json();
    answer["verdicts"].as_array().unwrap().clone()
}

/// Sends results while the database is unavailable, so that all of them are spooled.
fn spool(run: &Run, host: &Host, id: &str, documents: &[String]) {
    for (document, verdict) in documents.iter().zip(send(host, id, documents)) {
        assert_eq!(verdict["verdict"], "spooled", "{verdict}");
        run.ledger.acknowledge(verdict["outcome_id"].as_str().unwrap(), document, Way::Spool);
    }
}

fn start(host: &Host, id: &str) {
    let start = json!({"simulation_id": id, "scenarios": []});
    host.service().post("/v1/simulations", &start).has(202);
}

fn simulation(round: u64) -> String {
    format!("01920000-0000-7000-8000-00000000{round:04x}")
}

#[test]
fn a_full_disk() {
    let Some(disk) = SmallDisk::mount("a spool whose disk is full", 64) else {
        return;
    };
    let mut run = Run::begin("full disk of the spool");
    let mut server = DatabaseServer::start();
    let host = Host::start_with_spool(&server.url(), &disk.folder.path().join("spool"));
    run.send_to_service(host.place(), 3);
    for _ in 0..Run::rounds(2) {
        run.wait(&[Way::Service]);
        server.kill();
        run.wait(&[Way::Spool]);
        disk.fill(run.random.between(0, 512) << 10);
        wait("a full disk", || host.spool_state()["error"] == "disk_full");
        // Nothing can be accepted, and every client gets the reason.
        let not_ready = host.service().wait_until("/health/ready", |answer| answer.status == 503);
        let problem = not_ready.has_problem(503, "spool_unavailable");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("the spool's disk is full"), "{detail}");
        let health = host.service().get("/v1/health").has(200).json();
        assert_eq!(health["status"], "error", "{health}");
        host.service().wait_until("/metrics", |metrics| {
            metrics.text().lines().any(|line| line == "arc_spool_up 0")
        });
        // The database is back and the disk is still full: the spool's entries are delivered, and new results are
        // stored directly in the database.
        server.resume();
        wait("a delivered spool", || host.spool_state()["depth"] == 0);
        run.wait(&[Way::Service]);
        host.service().get("/health/ready").has(200);
        disk.clear();
        wait("a spool that works", || host.spool_state()["error"].is_null());
        run.count_round();
    }
    run.wait(&[Way::Service]);
    run.end_senders();
    run.settle(&host);
    run.check(&server);
}

/// Changes a byte of a file, or truncates it.
fn damage(run: &mut Run, file: &Path, cut: bool) {
    let length = file.metadata().unwrap().len();
    let at = run.random.between(0, length - 1);
    let file = std::fs::File::options().read(true).write(true).open(file).unwrap();
    if cut {
        return file.set_len(at).unwrap();
    }
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    byte[0] ^= u8::try_from(run.random.between(1, 255)).unwrap();
    file.write_all_at(&byte, at).unwrap();
}

/// Returns how many of the documents are in a file with all of their bytes. A document is the end of its entry, so the
/// entry's beginning is in the file, too.
fn whole_documents(file: &Path, documents: &[String]) -> usize {
    let bytes = std::fs::read(file).unwrap();
    documents
        .iter()
        .filter(|document| {
            let document = document.as_bytes();
            bytes.windows(document.len()).any(|window| window == document)
        })
        .count()
}

/// Copies the readable entries to a new file, and returns whether the file's lists of entries were readable.
fn repair(host: &Host) -> bool {
    let spool = host.spool().display().to_string();
    let repaired = host.program().run(["spool", "repair", "--json", "--spool-dir", &spool]);
    assert!([Some(0), Some(1)].contains(&repaired.code), "{repaired:?}");
    let report = repaired.json();
    assert!(report["read"].is_u64(), "{repaired:?}");
    report["lists_read"].as_bool().unwrap()
}

#[test]
fn a_file_that_is_damaged() {
    const RESULTS: usize = 60;
    let mut run = Run::begin("byte changed in the spool, or its end missing");
    let mut server = DatabaseServer::start();
    let mut host = Host::start(&server.url());
    for round in 0..Run::rounds(4) {
        server.stop();
        let id = simulation(round);
        start(&host, &id);
        let documents = documents(&mut run, round, RESULTS);
        spool(&run, &host, &id, &documents);
        let cut = round % 4 >= 2;
        match round % 2 {
            0 => host.kill(),
            _ => host.stop(),
        }
        let file = host.spool().join("spool.redb");
        assert_eq!(whole_documents(&file, &documents), RESULTS, "before the damage");
        damage(&mut run, &file, cut);
        let whole = whole_documents(&file, &documents);
        let mut lists_read = true;
        // If the file cannot be opened, the error names the command that repairs it.
        let spool = host.spool().display().to_string();
        let listed = host.program().run(["spool", "list", "--json", "--spool-dir", &spool]);
        if listed.code != Some(0) {
            assert!(listed.stderr.contains("arc-host spool repair --spool-dir"), "{listed:?}");
            lists_read &= repair(&host);
        }
        host.resume();
        server.resume();
        let letters = |host: &Host| {
            host.service().program().run(["spool", "list", "--json"]).ended(0).json_lines()
        };
        wait("a delivered spool, or one that is damaged", || {
            let state = host.spool_state();
            state["depth"] == 0 || state["error"] == "damaged"
        });
        if host.spool_state()["depth"] != 0 || !letters(&host).is_empty() {
            // Bytes that are not at their place can be elsewhere in the file.
            host.stop();
            lists_read &= repair(&host);
            host.resume();
            wait("a delivered spool", || host.spool_state()["depth"] == 0);
        }
        // A runner sends everything once more: results whose bytes were lost are stored, and every other one is stored
        // unaltered already.
        let begin = json!({"simulation_id": id, "scenarios": []});
        host.service().post("/v1/simulations", &begin).has(200);
        wait("the entries that waited for the start", || {
            letters(&host).iter().all(|letter| letter["kind"] == "unreadable")
        });
        let again = send(&host, &id, &documents);
        let stored = again.iter().filter(|verdict| verdict["verdict"] == "stored").count();
        let known = again.iter().filter(|verdict| verdict["verdict"] == "duplicate").count();
        assert_eq!(stored + known, RESULTS, "{again:?}");
        // A changed byte belongs to at most one entry.
        assert!(cut || stored <= 1, "{stored} were lost with one byte");
        // Every entry whose bytes are all left in a truncated file is read.
        assert!(!cut || known >= whole, "{known} were read of {whole} complete ones");
        // The remains of damaged entries are kept until an operator drops them. If the file's lists are lost, the
        // report states that entries can be missing.
        let unreadable = letters(&host).len();
        assert!(
            stored <= unreadable || (cut && !lists_read),
            "each loss is reported: {stored} of {unreadable} (cut: {cut}, lists read: {lists_read})"
        );
        host.service().program().run(["spool", "drop", "--all"]).ended(0);
        run.count_round();
    }
    run.settle(&host);
    run.check(&server);
}

#[test]
fn two_services_of_which_one_is_unavailable() {
    const RESULTS: usize = 40;
    let mut run = Run::begin("start in the spool of a service that is unavailable");
    let mut server = DatabaseServer::start();
    let mut one = Host::start(&server.url());
    let other = Host::start(&server.url());
    for round in 0..Run::rounds(2) {
        server.stop();
        let id = simulation(round);
        start(&one, &id);
        let documents = documents(&mut run, round, RESULTS);
        spool(&run, &other, &id, &documents);
        one.kill();
        server.resume();
        if round % 2 == 0 {
            // Long enough for the results to become dead letters.
            wait("dead letters", || other.spool_state()["dead_letters"] == RESULTS);
        } else {
            wait("a delivery that waits", || {
                let health = other.service().get("/v1/health").has(200).json();
                health["error"].as_str().is_some_and(|error| error.contains("cannot be delivered"))
                    || health["spool"]["dead_letters"] == RESULTS
            });
        }
        one.resume();
        // The results are retried automatically.
        wait("a delivered spool", || {
            let state = other.spool_state();
            state["depth"] == 0 && state["dead_letters"] == 0
        });
        let stored =
            format!("SELECT count(*) FROM arc_recorder.outcomes WHERE simulation_id = '{id}'");
        assert_eq!(server.count(&stored), RESULTS as i64);
        run.count_round();
    }
    run.settle(&one);
    run.settle(&other);
    let metrics = other.service().get("/metrics").has(200).text();
    assert!(metrics.lines().any(|line| line == "arc_spool_dead_letters 0"), "{metrics}");
    run.check(&server);
}
