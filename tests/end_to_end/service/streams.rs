//! Streams: their limits, how they end, and that they do not keep others from being served.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::sync::mpsc;

use serde_json::{Value, json};

use crate::support::{Files, OpenStream, Program, Service, TestDatabase, result};

/// Runs a test with a service that has these settings.
fn with_service(options: &[&str], test: impl FnOnce(&TestDatabase, &Service)) {
    let (database, files) = (TestDatabase::new(), Files::new());
    let service = Service::start(&Program::on(&database), &files, options);
    test(&database, &service);
    assert_eq!(service.stop(), Some(0));
}

fn line(scenario: &str) -> Vec<u8> {
    format!("{}\n", result(scenario, "success", 1.0)).into_bytes()
}

/// Returns this many mebibytes of one byte, compressed with zstd.
fn packed(byte: u8, mib: usize) -> Vec<u8> {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    let part = vec![byte; 1 << 20];
    for _ in 0..mib {
        encoder.write_all(&part).unwrap();
    }
    encoder.finish().unwrap()
}

#[test]
fn decompressed_bytes_without_a_result_are_limited_and_others_are_served() {
    with_service(&[], |_, service| {
        let id = service.start_simulation(&["a"]);
        let blank = packed(b'\n', 100);
        assert!(blank.len() < 20_000, "{}", blank.len());
        // More streams than the service has threads.
        let count = std::thread::available_parallelism().map_or(2, usize::from) + 2;
        let mut streams: Vec<OpenStream> = (0..count)
            .map(|_| {
                let mut stream = service.open_stream(&id, &[("content-encoding", "zstd")]);
                stream.send(&blank);
                stream
            })
            .collect();
        service.get("/health/live").has(200);
        for stream in &mut streams {
            let problem = stream.next();
            assert_eq!(problem["code"], "body_too_large", "{problem}");
            assert_eq!(problem["limit"], 64 << 20);
        }
        // As a body instead of a stream, it has the same limit.
        let encoding = [("content-encoding", "zstd")];
        let path = format!("/v1/simulations/{id}/outcomes");
        let body = service.send(reqwest::Method::POST, &path, &encoding, blank);
        body.has_problem(413, "body_too_large");
    });
}

#[test]
fn streams_at_once() {
    const LIMITS: [&str; 8] = [
        "--max-record-streams",
        "1",
        "--max-event-streams",
        "2",
        "--max-read-streams",
        "1",
        "--max-concurrent-requests",
        "1",
    ];
    with_service(&LIMITS, |_, service| {
        let id = service.start_simulation(&["a"]);
        let mut recording = service.open_stream(&id, &[]);
        recording.send(&line("a"));
        assert_eq!(recording.next()["verdict"], "stored");
        // Another stream exceeds the limit.
        let mut second = service.open_stream(&id, &[]);
        second.send(&line("b"));
        let problem = second.next();
        assert_eq!((&problem["code"], &problem["limit"]), (&json!("too_many_requests"), &json!(1)));
        // Event streams have a limit of their own, and so have streams that read.
        let watch = || {
            let mut events = service.connect();
            write!(events, "GET /v1/simulations/{id}/events HTTP/1.1\r\nhost: localhost\r\n\r\n")
                .unwrap();
            let mut events = BufReader::new(events).lines();
            events.find(|line| line.as_ref().unwrap() == "event: progress").unwrap().unwrap();
            events
        };
        let watching = [watch(), watch()];
        let refused = service.get(&format!("/v1/simulations/{id}/events"));
        assert_eq!(refused.has_problem(429, "too_many_requests")["limit"], 2);
        let path = format!("/v1/simulations/{id}/outcomes");
        let lines = [("accept", "application/x-ndjson")];
        service.send(reqwest::Method::GET, &path, &lines, "").has(200);
        // Streams do not occupy the slots of requests that read or record.
        service.get("/v1/simulations").has(200);
        service.post(&path, &result("c", "success", 1.0)).has(200);
        // A slot is free when its stream has ended, however many event streams are open.
        recording.end();
        assert!(recording.try_next().is_none());
        let since = std::time::Instant::now();
        loop {
            let mut next = service.open_stream(&id, &[]);
            next.send(&line("d"));
            next.end();
            if next.next().get("verdict").is_some() {
                break;
            }
            assert!(since.elapsed() < crate::support::DEADLINE);
        }
        drop(watching);
    });
}

#[test]
fn unread_outcomes_occupy_a_slot_of_their_own() {
    let options = ["--max-read-streams", "1", "--response-idle-timeout-seconds", "60"];
    with_service(&options, |_, service| {
        let id = service.start_simulation(&["a"]);
        let path = format!("/v1/simulations/{id}/outcomes");
        for part in 0..4 {
            let many: Vec<Value> = (0..100)
                .map(|number| {
                    let mut document = result(&format!("{part}-{number}"), "success", 1.0);
                    document["trajectory"]["text"] = json!("x".repeat(50_000));
                    document
                })
                .collect();
            service.post(&path, &json!(many)).has(200);
        }
        let mut slow = service.connect();
        write!(
            slow,
            "GET {path}?documents=true HTTP/1.1\r\nhost: localhost\r\naccept: \
             application/x-ndjson\r\n\r\n"
        )
        .unwrap();
        // The answer has begun, and is not read to its end.
        let mut begun = [0; 12];
        slow.read_exact(&mut begun).unwrap();
        assert_eq!(&begun, b"HTTP/1.1 200");
        let lines = [("accept", "application/x-ndjson")];
        let refused = service.send(reqwest::Method::GET, &path, &lines, "");
        assert_eq!(refused.has_problem(429, "too_many_requests")["limit"], 1);
        service.get(&path).has(200);
        let mut recording = service.open_stream(&id, &[]);
        recording.send(&line("b"));
        assert_eq!(recording.next()["verdict"], "stored");
    });
}

#[test]
fn the_memory_of_unrecorded_results_of_streams() {
    with_service(&["--max-stream-memory-mib", "32"], |_, service| {
        let id = service.start_simulation(&["a"]);
        // Each stream holds the beginning of a document within its own limit; there is memory for
        // two.
        let begun = packed(b'y', 14);
        let (sender, ends) = mpsc::channel();
        let writers: Vec<_> = (0..3)
            .map(|_| {
                let mut stream = service.open_stream(&id, &[("content-encoding", "zstd")]);
                stream.send(&begun);
                let writer = stream.connection();
                let sender = sender.clone();
                // The other streams end without an answer when their connections are closed.
                std::thread::spawn(move || sender.send(stream.try_next()));
                writer
            })
            .collect();
        let problem = ends.recv().unwrap().unwrap();
        assert_eq!(problem["code"], "too_many_requests", "{problem}");
        assert_eq!(problem["retryable"], true);
        // Bodies have a memory limit of their own, and the streams' memory is free when they have
        // ended.
        let path = format!("/v1/simulations/{id}/outcomes");
        service.post(&path, &result("b", "success", 1.0)).has(200);
        for writer in writers {
            // The refused stream might be closed already.
            let _ = writer.shutdown(std::net::Shutdown::Both);
        }
        for _ in 0..2 {
            ends.recv().unwrap();
        }
        let since = std::time::Instant::now();
        loop {
            let mut stream = service.open_stream(&id, &[("content-encoding", "zstd")]);
            let mut text = vec![b' '; 14 << 20];
            text.extend(line("c"));
            stream.send(&zstd::bulk::compress(&text, 1).unwrap());
            if stream.next().get("verdict").is_some() {
                break;
            }
            assert!(since.elapsed() < crate::support::DEADLINE);
        }
    });
}

#[test]
fn a_stream_that_is_open_when_the_service_stops_gets_a_problem() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let mut service = Service::start(&Program::on(&database), &files, &[]);
    let id = service.start_simulation(&["a"]);
    let mut stream = service.open_stream(&id, &[]);
    stream.send(&line("a"));
    assert_eq!(stream.next()["verdict"], "stored");
    service.terminate();
    let last = stream.next();
    assert_eq!(last["problem"]["code"], "shutting_down", "{last}");
    assert!(last["problem"]["request_id"].is_string(), "{last}");
    assert_eq!(stream.try_next(), None);
    assert_eq!(service.wait(), Some(0));
    assert_eq!(database.count("SELECT count(*) FROM arc_recorder.outcomes"), 1);
}

#[test]
fn stopping_takes_no_longer_than_its_timeout() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let options = ["--shutdown-timeout-seconds", "2"];
    let mut service = Service::start(&Program::on(&database), &files, &options);
    let id = service.start_simulation(&["a"]);
    let held = database.hold("LOCK TABLE arc_recorder.outcomes");
    let mut stream = service.open_stream(&id, &[]);
    stream.send(&line("a"));
    database.wait_for_a_lock();
    service.terminate();
    let since = std::time::Instant::now();
    let verdict: Value = stream.next();
    assert_eq!(verdict["verdict"], "spooled", "{verdict}");
    assert_eq!(service.wait(), Some(0));
    let took = since.elapsed();
    // The lock is not released before that; without the option, stopping can take 20 seconds.
    assert!(took < std::time::Duration::from_secs(12), "{took:?}");
    drop(held);
}

#[test]
fn one_whose_token_is_revoked_ends() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let new = ["token", "create", "--json", "--name", "ci", "--scope", "admin"];
    let token = program.run(new).ended(0).json();
    let bearer = format!("Bearer {}", token["token"].as_str().unwrap());
    let mut service = Service::start(&program, &files, &["--require-tokens"]);
    service.send_header("authorization", &bearer);
    let id = service.start_simulation(&["a"]);
    let mut stream = service.open_stream(&id, &[("authorization", &bearer)]);
    stream.send(&line("a"));
    assert_eq!(stream.next()["verdict"], "stored");
    let mut events = service.connect();
    write!(
        events,
        "GET /v1/simulations/{id}/events HTTP/1.1\r\nhost: localhost\r\nauthorization: {bearer}\r\n\r\n"
    )
    .unwrap();
    let mut events = BufReader::new(events).lines().map_while(Result::ok);
    events.find(|line| line == "event: progress").unwrap();
    program.run(["token", "revoke", "ci"]).ended(0);
    let last = stream.next();
    assert_eq!(last["problem"]["code"], "unauthorized", "{last}");
    assert_eq!(stream.try_next(), None);
    events.find(|line| line == "event: problem").unwrap();
    assert!(events.next().unwrap().contains("unauthorized"));
}
