//! Each limit of the service, exceeded once: the request fails with an error of its own, and the next request is
//! answered as usual.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    DEADLINE, Files, OpenTransaction, Program, Service, TestDatabase, read_to_end, result,
};

/// Runs a test with a service that has these settings.
fn with_service(options: &[&str], test: impl FnOnce(&TestDatabase, &Service)) {
    let (database, files) = (TestDatabase::new(), Files::new());
    let service = Service::start(&Program::on(&database), &files, options);
    test(&database, &service);
    // The service still works.
    service.get("/v1/simulations").has(200);
    assert_eq!(service.stop(), Some(0));
}

fn outcomes(service: &Service) -> String {
    format!("/v1/simulations/{}/outcomes", service.start_simulation(&["a"]))
}

/// Starts a transaction that blocks recording until it is dropped.
fn hold_recording(database: &TestDatabase) -> OpenTransaction {
    database.hold("LOCK TABLE arc_recorder.outcomes")
}

#[test]
fn a_body_and_a_document() {
    with_service(&["--max-body-mib", "18"], |database, service| {
        let path = outcomes(service);
        let long = |bytes: usize| {
            let mut document = result("a", "success", 1.0);
            document["trajectory"]["text"] = json!("x".repeat(bytes));
            document.to_string()
        };
        let problem = service
            .send(Method::POST, &path, &[], long(19 << 20))
            .has_problem(413, "body_too_large");
        assert_eq!(problem["limit"], 18 << 20);
        // The limit also applies to the decompressed size.
        let packed = zstd::bulk::compress(&vec![b' '; 200 << 20], 1).unwrap();
        assert!(packed.len() < 1 << 20);
        let encoding = [("content-encoding", "zstd")];
        let bomb = service.send(Method::POST, &path, &encoding, packed);
        bomb.has_problem(413, "body_too_large");
        // A document has a limit of its own; one that exceeds it is kept as rejected.
        let problem =
            service.send(Method::POST, &path, &[], long(17 << 20)).has_problem(422, "rejected");
        assert_eq!(problem["violations"][0]["code"], "document_too_large", "{problem}");
        // A stream has no limit, but its documents do.
        let lines = format!("{}\n{}\n", long(17 << 20), result("b", "success", 1.0));
        let ndjson = [("content-type", "application/x-ndjson")];
        let verdicts = service.send(Method::POST, &path, &ndjson, lines).has(200).lines();
        let words: Vec<&Value> = verdicts.iter().map(|verdict| &verdict["verdict"]).collect();
        assert_eq!(words, ["rejected", "stored"]);
        assert_eq!(database.count("SELECT count(*) FROM arc_recorder.outcomes"), 1);
    });
}

#[test]
fn results_in_one_body() {
    with_service(&["--max-results-per-body", "3"], |database, service| {
        let path = outcomes(service);
        let some = |count: usize| -> Value {
            (0..count).map(|number| result(&format!("{number}"), "success", 1.0)).collect()
        };
        let problem = service.post(&path, &some(4)).has_problem(413, "too_many_results");
        assert_eq!(problem["limit"], 3);
        assert_eq!(database.count("SELECT count(*) FROM arc_recorder.outcomes"), 0);
        assert_eq!(service.post(&path, &some(3)).has(200).json()["stored"], 3);
    });
}

#[test]
fn headers_in_bytes_and_in_time() {
    with_service(
        &["--max-request-headers-kib", "8", "--headers-timeout-seconds", "1"],
        |_, service| {
            let mut stream = service.connect();
            let long = "x".repeat(32 << 10);
            // The connection can be closed before all of it is sent.
            let _ = write!(
                stream,
                "GET /health/live HTTP/1.1\r\nhost: localhost\r\nx-long: {long}\r\n\r\n"
            );
            let answer = read_to_end(&mut stream);
            assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
            // The service does not wait for a client that sends nothing, an incomplete request, or the beginning of
            // either protocol; `read_to_end` would fail at the deadline.
            for begun in
                ["", "G", "GET /health/live HTTP/1.1\r\nhost: a", "PRI * HTTP/2.0\r\n\r\nSM"]
            {
                let mut stream = service.connect();
                stream.write_all(begun.as_bytes()).unwrap();
                let answer = read_to_end(&mut stream);
                assert!(
                    answer.is_empty() || answer.starts_with("HTTP/1.1 408 "),
                    "{begun}: {answer}"
                );
            }
            // A connection also ends if no other request follows an answer.
            let mut stream = service.connect();
            stream.write_all(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
            assert!(read_to_end(&mut stream).ends_with("ok\n"));
        },
    );
}

#[test]
fn a_body_that_makes_no_progress() {
    with_service(&["--body-idle-timeout-seconds", "1"], |_, service| {
        let path = outcomes(service);
        for kind in ["application/json", "application/x-ndjson"] {
            let mut stream = service.connect();
            write!(
                stream,
                "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\n\
                 content-length: 1000\r\nconnection: close\r\n\r\n{{\"scenario\""
            )
            .unwrap();
            let answer = read_to_end(&mut stream);
            assert!(answer.starts_with("HTTP/1.1 408 "), "{kind}: {answer}");
            assert!(answer.contains("\"code\":\"body_timeout\""), "{kind}: {answer}");
        }
        // Half of a stream is stored, and the timeout is reported.
        let mut stream = service.connect();
        let line = format!("{}\n", result("a", "success", 1.0));
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\n\
             content-length: 100000\r\nconnection: close\r\n\r\n{line}"
        )
        .unwrap();
        let answer = read_to_end(&mut stream);
        assert!(answer.contains("\"stored\""), "{answer}");
        assert!(answer.contains("\"code\":\"body_timeout\""), "{answer}");
    });
}

#[test]
fn a_request_that_takes_too_long() {
    with_service(&["--request-timeout-seconds", "1"], |database, service| {
        let path = outcomes(service);
        let held = hold_recording(database);
        let text = result("a", "success", 1.0);
        let problem = service.post(&path, &text).has_problem(504, "timeout");
        assert_eq!(problem["retryable"], true);
        drop(held);
        // The result might have been stored, so a retry must be safe.
        let answer = service.post(&path, &text).has(200).json();
        assert!(["stored", "duplicate"].contains(&answer["verdict"].as_str().unwrap()));
        assert_eq!(database.count("SELECT count(*) FROM arc_recorder.outcomes"), 1);
    });
}

/// Sends a request that records and waits for a lock, until its connection is closed.
fn send_raw(service: &Service, path: &str, token: Option<&str>, text: &str) -> TcpStream {
    let mut stream = service.connect();
    let token = token.map_or(String::new(), |token| format!("authorization: Bearer {token}\r\n"));
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{token}\
         content-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    )
    .unwrap();
    stream
}

/// Asserts that these requests are answered even if all others are refused.
fn operation_is_answered(service: &Service) {
    for path in ["/health/live", "/health/ready", "/v1/health", "/metrics", "/v1/stats"] {
        service.get(path).has(200);
    }
}

#[test]
fn requests_that_record_at_once() {
    with_service(&["--max-concurrent-requests", "1"], |database, service| {
        let path = outcomes(service);
        let held = hold_recording(database);
        let text = result("a", "success", 1.0).to_string();
        let mut first = send_raw(service, &path, None, &text);
        database.wait_for_a_lock();
        let answer = service.post(&path, &result("b", "success", 1.0));
        assert_eq!(answer.header("retry-after"), "1");
        let problem = answer.has_problem(429, "too_many_requests");
        assert_eq!((&problem["limit"], &problem["retry_after_seconds"]), (&json!(1), &json!(1)));
        // Reads and probes are still answered.
        service.get("/v1/simulations").has(200);
        operation_is_answered(service);
        drop(held);
        assert!(read_to_end(&mut first).contains("\"stored\""));
        let since = std::time::Instant::now();
        while service.post(&path, &result("b", "success", 1.0)).status != 200 {
            assert!(since.elapsed() < DEADLINE);
        }
    });
}

#[test]
fn requests_that_read_at_once() {
    with_service(&["--max-concurrent-reads", "1"], |database, service| {
        let path = outcomes(service);
        let held = database.hold("LOCK TABLE arc_recorder.rejected_results");
        let id = path.split('/').nth(3).unwrap();
        let mut first = service.connect();
        write!(
            first,
            "GET /v1/simulations/{id}/rejected HTTP/1.1\r\nhost: localhost\r\nconnection: \
             close\r\n\r\n"
        )
        .unwrap();
        database.wait_for_a_lock();
        let problem = service.get("/v1/failures").has_problem(429, "too_many_requests");
        assert_eq!(problem["limit"], 1);
        assert!(problem["detail"].as_str().unwrap().contains("max_concurrent_reads"), "{problem}");
        // Reads do not prevent others from recording.
        service.post(&path, &result("a", "success", 1.0)).has(200);
        operation_is_answered(service);
        drop(held);
        assert!(read_to_end(&mut first).starts_with("HTTP/1.1 200 "));
        service.wait_until("/v1/failures", |answer| answer.status == 200);
    });
}

/// Waits until this many requests are in flight besides the one for the metrics.
fn wait_for_requests(service: &Service, count: usize) {
    let line = format!("arc_http_requests_in_flight {}", count + 1);
    service.wait_until("/metrics", |metrics| metrics.text().lines().any(|other| other == line));
}

/// Begins to send a file and does not end it.
fn begin_file(service: &Service) -> TcpStream {
    let mut stream = service.connect();
    write!(
        stream,
        "POST /v1/files HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/octet-stream\r\n\
         transfer-encoding: chunked\r\n\r\n"
    )
    .unwrap();
    stream
}

/// Sends a part of it.
fn send_chunk(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    stream.write_all(&chunk)
}

#[test]
fn files_at_once() {
    with_service(&["--max-concurrent-files", "2"], |_, service| {
        let path = outcomes(service);
        let mut slow = [begin_file(service), begin_file(service)];
        for stream in &mut slow {
            send_chunk(stream, b"{").unwrap();
        }
        wait_for_requests(service, 2);
        let file = result("a", "success", 1.0).to_string();
        let refused = service.send(Method::POST, "/v1/files", &[], file.clone());
        let problem = refused.has_problem(429, "too_many_requests");
        assert_eq!(problem["limit"], 2);
        // All other requests are answered.
        service.post(&path, &result("a", "success", 1.0)).has(200);
        service.get("/v1/simulations").has(200);
        operation_is_answered(service);
        drop(slow);
        let since = std::time::Instant::now();
        while service.send(Method::POST, "/v1/files", &[], file.clone()).status != 200 {
            assert!(since.elapsed() < DEADLINE);
        }
    });
}

#[test]
fn a_token_leaves_some_places_to_others() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let [one, other] = ["one", "other"].map(|name| {
        let arguments = ["token", "create", "--json", "--name", name, "--scope", "admin"];
        program.run(arguments).ended(0).json()["token"].as_str().unwrap().to_owned()
    });
    let mut service =
        Service::start(&program, &files, &["--require-tokens", "--max-concurrent-requests", "4"]);
    service.send_header("authorization", &format!("Bearer {one}"));
    let path = outcomes(&service);
    let held = hold_recording(&database);
    let text = |number: usize| result(&number.to_string(), "success", 1.0).to_string();
    let mut in_flight: Vec<TcpStream> =
        (0..3).map(|number| send_raw(&service, &path, Some(&one), &text(number))).collect();
    wait_for_requests(&service, 3);
    // The share of a token is three quarters of four.
    let refused = service.post(&path, &json!([])).has_problem(429, "too_many_requests");
    assert_eq!(refused["limit"], 3);
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("max_token_share_percent"), "{detail}");
    in_flight.push(send_raw(&service, &path, Some(&other), &text(3)));
    drop(held);
    for stream in &mut in_flight {
        let answer = read_to_end(stream);
        assert!(answer.contains("\"stored\""), "{answer}");
    }
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn a_body_that_always_makes_a_little_progress() {
    with_service(&["--body-idle-timeout-seconds", "2"], |database, service| {
        let path = outcomes(service);
        for (path, kind) in [
            ("/v1/files", "application/octet-stream"),
            (&path, "application/json"),
            (&path, "application/octet-stream"),
            ("/v1/simulations", "application/json"),
            ("/v1/extract", "application/json"),
        ] {
            let mut stream = service.connect();
            write!(
                stream,
                "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\n\
                 transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
            )
            .unwrap();
            let mut sender = stream.try_clone().unwrap();
            let sending = std::thread::spawn(move || {
                // Until the service has closed the connection.
                let since = std::time::Instant::now();
                while send_chunk(&mut sender, b" ").is_ok() {
                    assert!(since.elapsed() < DEADLINE, "it is never too slow");
                    std::thread::sleep(std::time::Duration::from_millis(100));
                }
            });
            let answer = read_to_end(&mut stream);
            assert!(answer.starts_with("HTTP/1.1 408 "), "{path} {kind}: {answer}");
            assert!(answer.contains("\"code\":\"body_timeout\""), "{answer}");
            let setting = match path {
                "/v1/files" => "min_file_bytes_per_second",
                _ => "min_body_bytes_per_second",
            };
            assert!(answer.contains(setting), "{answer}");
            sending.join().unwrap();
        }
        // A stream of results is allowed to be slow, because a runner sends results as it produces them.
        let id = path.split('/').nth(3).unwrap();
        let mut stream = service.open_stream(id, &[]);
        let text = format!("{}\n", result("a", "success", 1.0));
        let since = std::time::Instant::now();
        for byte in text.as_bytes().chunks(text.len() / 30 + 1) {
            stream.send(byte);
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        assert!(since.elapsed().as_secs() >= 2);
        assert_eq!(stream.next()["verdict"], "stored");
        assert_eq!(database.count("SELECT count(*) FROM arc_recorder.outcomes"), 1);
    });
}

#[test]
fn the_disk_for_files() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let limits = ["--max-file-mib", "4", "--max-file-disk-mib", "4"];
    let mut service = Service::start(&program, &files, &limits);
    let file = format!("{}{}", result("a", "success", 1.0), " ".repeat(2 << 20));
    let send = |service: &Service| service.send(Method::POST, "/v1/files", &[], file.clone());
    send(&service).has(200);
    // The second upload that exceeds the disk limit is refused, and either can be the second.
    let since = std::time::Instant::now();
    let (other, refused) = loop {
        let mut other = begin_file(&service);
        for _ in 0..3 {
            // The upload might have been refused already.
            let _ = send_chunk(&mut other, &vec![b' '; 1 << 20]);
        }
        let answer = send(&service);
        if answer.status != 200 {
            break (other, answer);
        }
        assert!(since.elapsed() < DEADLINE);
    };
    assert_eq!(refused.header("retry-after"), "15");
    let problem = refused.has_problem(503, "disk_full");
    assert_eq!((&problem["retryable"], &problem["limit"]), (&json!(true), &json!(4 << 20)));
    drop(other);
    while send(&service).status != 200 {
        assert!(since.elapsed() < DEADLINE);
    }
    // The files have no names, in a folder beside the spool, so that a killed service leaves none behind.
    let folder = files.path("spool/files");
    assert!(folder.is_dir());
    let mut open = begin_file(&service);
    send_chunk(&mut open, &vec![b' '; 1 << 20]).unwrap();
    service.kill();
    std::fs::write(folder.join("arc-receiving-1"), "created, but not yet unlinked").unwrap();
    let elsewhere = files.path("elsewhere").display().to_string();
    let service = Service::start(&program, &files, &[]);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    send(&service).has(200);
    assert_eq!(service.stop(), Some(0));
    let service = Service::start(&program, &files, &["--file-dir", &elsewhere]);
    send(&service).has(200);
    assert!(files.path("elsewhere").is_dir());
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn open_files_of_the_process() {
    const OPEN_FILES: usize = 250;
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let spool = files.path("spool").display().to_string();
    let options = ["--spool-dir", spool.as_str(), "--log-level", "info"];
    let limit = format!("ulimit -n {OPEN_FILES}");
    let service = Service::start_after(&limit, &program, &files.path("log"), &options);
    service.wait_for_log("fewer connections than in the settings");
    // Every connection is served or refused; none is left without an answer.
    let request = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut open = Vec::new();
    let mut refused_connections = 0;
    for _ in 0..2 * OPEN_FILES {
        let mut stream = service.connect();
        // A refused connection might be closed already.
        let _ = stream.write_all(request);
        let mut begun = [0; 12];
        let read = std::io::Read::read_exact(&mut stream, &mut begun);
        match (read, &begun) {
            (Ok(()), b"HTTP/1.1 200") => open.push(stream),
            (Ok(()), b"HTTP/1.1 429") => refused_connections += 1,
            // The service closed the connection with unread data, which discards the answer.
            (Err(error), _) if error.kind() != std::io::ErrorKind::WouldBlock => {
                refused_connections += 1
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(open.len() >= 100 && refused_connections > 0, "{} {refused_connections}", open.len());
    assert_eq!(service.log().matches("fewer connections than in the settings").count(), 1);
    assert!(!service.log().contains("could not accept"), "{}", service.log());
    // The rest of the service has file descriptors of its own.
    let mut recording = open.pop().unwrap();
    let text = result("a", "success", 1.0).to_string();
    let mut rest = vec![0; 4_096];
    let _ = std::io::Read::read(&mut recording, &mut rest).unwrap();
    write!(
        recording,
        "POST /v1/files HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    )
    .unwrap();
    let answer = read_to_end(&mut recording);
    assert!(answer.contains("\"stored\":1"), "{answer}");
    drop(open);
    assert_eq!(service.stop(), Some(0));
    // A limit below the system's maximum is raised.
    let files = Files::new();
    let spool = files.path("spool").display().to_string();
    let options = ["--spool-dir", spool.as_str(), "--max-connections", "300"];
    let service = Service::start_after("ulimit -S -n 100", &program, &files.path("log"), &options);
    assert!(!service.log().contains("fewer connections"), "{}", service.log());
    let open: Vec<TcpStream> = (0..150)
        .map(|_| {
            let mut stream = service.connect();
            stream.write_all(request).unwrap();
            let mut begun = [0; 12];
            std::io::Read::read_exact(&mut stream, &mut begun).unwrap();
            assert_eq!(&begun, b"HTTP/1.1 200");
            stream
        })
        .collect();
    drop(open);
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn connections_at_once() {
    with_service(&["--max-connections", "2"], |_, service| {
        let [first, second] = [service.connect(), service.connect()];
        let mut third = service.connect();
        third.write_all(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        let answer = read_to_end(&mut third);
        assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
        assert!(answer.contains("retry-after: 1"), "{answer}");
        assert!(answer.contains("2 connections are open"), "{answer}");
        for stream in [first, second] {
            stream.shutdown(Shutdown::Both).unwrap();
        }
        // The slots are free when the service has noticed that the clients are gone.
        let since = std::time::Instant::now();
        loop {
            let mut stream = service.connect();
            let request =
                "GET /health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
            // A refused connection might be closed already.
            let _ = stream.write_all(request.as_bytes());
            if read_to_end(&mut stream).starts_with("HTTP/1.1 200 ") {
                break;
            }
            assert!(since.elapsed() < DEADLINE);
        }
    });
}

#[test]
fn a_client_that_does_not_read() {
    const RESULTS: usize = 600;
    with_service(&["--response-idle-timeout-seconds", "1"], |_, service| {
        let path = outcomes(service);
        let many: Vec<Value> = (0..RESULTS)
            .map(|number| {
                let mut document = result(&format!("{number}"), "success", 1.0);
                document["trajectory"]["text"] = json!("x".repeat(50_000));
                document
            })
            .collect();
        for part in many.chunks(100) {
            assert_eq!(service.post(&path, &json!(part)).has(200).json()["stored"], 100);
        }
        let mut slow = service.connect();
        write!(
            slow,
            "GET {path}?documents=true HTTP/1.1\r\nhost: localhost\r\naccept: \
             application/x-ndjson\r\n\r\n"
        )
        .unwrap();
        // The service closes the connection: only the one that reads the metrics is left.
        service.wait_until("/metrics", |metrics| {
            let text = metrics.text();
            let asked =
                "method=\"GET\",path=\"/v1/simulations/{simulation_id}/outcomes\",status=\"200\"";
            text.contains(asked) && text.lines().any(|line| line == "arc_http_connections 1")
        });
        let got = read_to_end(&mut slow);
        assert!(got.starts_with("HTTP/1.1 200 "));
        assert!(!got.ends_with("0\r\n\r\n"), "the answer is incomplete");
    });
}

#[test]
fn a_body_of_very_many_results_takes_no_memory_for_each() {
    with_service(&["--max-results-per-body", "1000"], |_, service| {
        let path = outcomes(service);
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(b"[1").unwrap();
        let part = b",1".repeat(1 << 19);
        (0..24).for_each(|_| encoder.write_all(&part).unwrap());
        encoder.write_all(b"]").unwrap();
        let packed = encoder.finish().unwrap();
        let encoding = [("content-encoding", "gzip")];
        let refused = service.send(Method::POST, &path, &encoding, packed);
        refused.has_problem(413, "too_many_results");
        // Twelve million documents in 24 MiB of text.
        let peak = service.peak_memory_mib();
        assert!(peak < 400, "{peak} MiB");
    });
}

/// Returns the beginning of a body with a zstd window of this size, as a power of two.
fn with_window(window_log: u32, text: &str) -> zstd::stream::Encoder<'static, Vec<u8>> {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(window_log).unwrap();
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.flush().unwrap();
    encoder
}

#[test]
fn the_window_of_a_compressed_body() {
    let limits = ["--max-body-mib", "1", "--max-body-memory-mib", "40"];
    with_service(&limits, |_, service| {
        let path = outcomes(service);
        let encoding = [("content-encoding", "zstd")];
        let text = format!("{}\n", result("a", "success", 1.0));
        let send = |window_log: u32| {
            let body = with_window(window_log, &text).finish().unwrap();
            service.send(Method::POST, &path, &encoding, body)
        };
        let problem = send(27).has_problem(400, "invalid_request");
        assert!(problem["detail"].as_str().unwrap().contains("8 MiB"), "{problem}");
        send(23).has(200);
        // Windows take memory for bodies: none is left for another window beside these.
        let id = path.split('/').nth(3).unwrap();
        let streams = [(); 4].map(|()| {
            let mut stream = service.open_stream(id, &encoding);
            stream.send(with_window(23, &text).get_ref());
            assert_eq!(stream.next()["verdict"], "duplicate");
            stream
        });
        send(23).has_problem(429, "too_many_requests");
        send(18).has(200);
        drop(streams);
    });
}

#[test]
fn room_for_bodies() {
    let limits = ["--max-body-mib", "25", "--max-body-memory-mib", "57"];
    with_service(&limits, |database, service| {
        let path = outcomes(service);
        let held = hold_recording(database);
        // Three documents of 8 MiB, which are in memory twice while they are recorded.
        let large = |name: &str| {
            let mut large = result(name, "success", 1.0);
            large["trajectory"]["text"] = json!("x".repeat(8 << 20));
            large
        };
        let text = json!(["a", "b", "c"].map(large)).to_string();
        let mut first = service.connect();
        write!(
            first,
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{text}",
            text.len()
        )
        .unwrap();
        database.wait_for_a_lock();
        let answer = service.send(Method::POST, &path, &[], text.clone());
        assert_eq!(answer.header("retry-after"), "1");
        answer.has_problem(429, "too_many_requests");
        drop(held);
        assert!(read_to_end(&mut first).contains("\"stored\""));
        let again = service.send(Method::POST, &path, &[], text).has(200).json();
        assert_eq!(again["duplicate"], 3);
    });
}

#[test]
fn answers_that_are_kept_for_their_keys() {
    const KEPT: usize = 4_096;
    with_service(&[], |_, service| {
        let path = outcomes(service);
        let send = |key: &str, body: &Value| {
            let key = [("idempotency-key", key)];
            let answer = service.send(Method::POST, &path, &key, body.to_string()).has(200);
            (answer.header("idempotent-replayed") == "true", answer)
        };
        // A long answer is not cached, and the retry is safe all the same.
        let many: Value =
            (0..700).map(|number| result(&format!("{number}"), "success", 1.0)).collect();
        let (_, first) = send("long", &many);
        assert!(first.body.len() > 64 << 10, "{}", first.body.len());
        let (replayed, second) = send("long", &many);
        assert!(!replayed);
        assert_eq!(second.json()["duplicate"], 700);

        // If there are too many answers, the oldest is removed.
        let one = json!([result("one", "success", 1.0)]);
        assert!(!send("oldest", &one).0);
        assert!(send("oldest", &one).0);
        let mut stream = service.connect();
        let mut writer = stream.try_clone().unwrap();
        let asked = path.clone();
        let writing = std::thread::spawn(move || {
            for number in 1..=KEPT {
                let last = if number == KEPT { "connection: close\r\n" } else { "" };
                write!(
                    writer,
                    "POST {asked} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                     idempotency-key: k-{number}\r\n{last}content-length: 2\r\n\r\n[]"
                )
                .unwrap();
            }
        });
        let answers = read_to_end(&mut stream);
        writing.join().unwrap();
        assert_eq!(answers.matches("HTTP/1.1 200 ").count(), KEPT);
        let (replayed, answer) = send("oldest", &one);
        assert!(!replayed);
        assert_eq!(answer.json()["duplicate"], 1);
        assert!(send(&format!("k-{KEPT}"), &json!([])).0);
    });
}

#[test]
fn a_client_that_reads_too_slowly() {
    // No client reaches this rate, so the limit applies to the time of the whole answer.
    let limits =
        ["--response-idle-timeout-seconds", "5", "--min-answer-bytes-per-second", "4294967295"];
    with_service(&limits, |_, service| {
        let path = outcomes(service);
        let mut large = result("a", "success", 1.0);
        // More than the buffers of a connection hold.
        large["trajectory"]["text"] = json!("x".repeat(15 << 20));
        let octets = [("content-type", "application/octet-stream")];
        service.send(Method::POST, &path, &octets, large.to_string()).has(200);
        let path = format!("{path}?documents=true");
        let length = service.get(&path).has(200).body.len();
        assert!(length > 15 << 20);

        let mut slow = service.connect();
        write!(slow, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .unwrap();
        let (mut read, mut part) = (0, vec![0; 64 << 10]);
        let since = std::time::Instant::now();
        // The client reads steadily, so that it is never idle for 5 s.
        while let Ok(bytes @ 1..) = slow.read(&mut part) {
            read += bytes;
            assert!(since.elapsed() < DEADLINE, "{read} of {length} bytes");
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        assert!(read > 1 << 20 && read < length, "{read} of {length} bytes");
    });
}

#[test]
fn a_file_with_too_many_items() {
    with_service(&[], |database, service| {
        let header = r#"{"spec": {"completion_fns": ["m"], "eval_name": "e", "run_config": {}}}"#;
        let send = |items: usize| {
            let body = format!("{header}\n{}", "1\n".repeat(items));
            let kind = [("content-type", "application/octet-stream")];
            let path = "/v1/files?file_name=a.jsonl&format=openai-evals";
            service.send(Method::POST, path, &kind, body)
        };
        let problem = send(1_000_000).has_problem(400, "invalid_request");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("a.jsonl has more than 1000000 items"), "{detail}");
        // Nothing of the file is recorded.
        assert_eq!(database.count("SELECT count(*) FROM arc_recorder.simulations"), 0);
        let report = send(3).has(200).json();
        assert_eq!(report["rejected"], 3, "{report}");
    });
}

#[test]
fn a_file_with_too_many_scenarios() {
    with_service(&["--max-file-scenarios", "2"], |_, service| {
        let file = |names: &[&str]| -> String {
            let line = |name: &&str| format!("{}\n", result(name, "success", 1.0));
            names.iter().map(line).collect()
        };
        let send = |text: String| {
            let kind = [("content-type", "application/octet-stream")];
            service.send(Method::POST, "/v1/files?file_name=a.jsonl", &kind, text)
        };
        let problem = send(file(&["a", "b", "c"])).has_problem(400, "invalid_request");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("more than 2 scenarios"), "{detail}");
        let report = send(file(&["a", "b", "a"])).has(200).json();
        assert_eq!((&report["failed"], &report["total_scenarios"]), (&json!(0), &json!(2)));
    });
}
