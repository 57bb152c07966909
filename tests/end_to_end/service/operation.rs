//! The operation of the service: shutdown, readiness, events, logs, metrics, settings, the description.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};

use serde_json::{Value, json};

use crate::support::{
    DEADLINE, Files, Program, Service, TestDatabase, read_to_end, record, result,
};

/// Sends a request without waiting for the answer.
fn post_raw(service: &Service, path: &str, body: &str) -> std::net::TcpStream {
    let mut stream = service.connect();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    stream
}

#[test]
fn requests_in_flight_at_shutdown_are_answered_first() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let mut service = Service::start(&Program::on(&database), &files, &[]);
    let id = service.start_simulation(&["a"]);
    let held = database.hold("LOCK TABLE arc_recorder.outcomes");
    let path = format!("/v1/simulations/{id}/outcomes");
    let mut in_flight = post_raw(&service, &path, &result("a", "success", 1.0).to_string());
    database.wait_for_a_lock();
    let mut idle = service.connect();
    service.terminate();
    // A connection without a request is closed at once, and new ones are refused.
    assert_eq!(read_to_end(&mut idle), "");
    let late = std::net::TcpStream::connect(service.url().trim_start_matches("http://"));
    assert!(late.is_err());
    drop(held);
    let answer = read_to_end(&mut in_flight);
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"stored\""), "{answer}");
    assert_eq!(service.wait(), Some(0));
    assert_eq!(database.count("SELECT count(*) FROM arc_recorder.outcomes"), 1);
}

#[test]
fn results_that_are_not_stored_in_time_are_spooled() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let mut service = Service::start(&program, &files, &["--shutdown-timeout-seconds", "1"]);
    let id = service.start_simulation(&["a"]);
    let held = database.hold("LOCK TABLE arc_recorder.outcomes");
    let path = format!("/v1/simulations/{id}/outcomes");
    let mut in_flight = post_raw(&service, &path, &result("a", "success", 1.0).to_string());
    database.wait_for_a_lock();
    service.terminate();
    let answer = read_to_end(&mut in_flight);
    assert!(answer.starts_with("HTTP/1.1 202 ") && answer.contains("\"spooled\""), "{answer}");
    assert_eq!(service.wait(), Some(0));
    drop(held);
    // The next process delivers it.
    let service = Service::start(&program, &files, &[]);
    service.wait_for_empty_spool();
    assert_eq!(database.count("SELECT count(*) FROM arc_recorder.outcomes"), 1);
}

/// Starts a service with a format whose results compute until the limit, and returns a body with enough of them that
/// they take some minutes.
fn computing(files: &Files, options: &[&str]) -> (TestDatabase, Service, String, String) {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let data = files.path("data").display().to_string();
    let hostile = env!("ARC_HOSTILE_FORMAT");
    program.run(["--data-dir", &data, "formats", "add", hostile]).ended(0);
    let mut all = vec!["--data-dir", data.as_str()];
    all.extend(options);
    let service = Service::start(&program, files, &all);
    let id = service.start_simulation(&[]);
    let path = format!("/v1/simulations/{id}/outcomes?format=hostile");
    let results: Vec<Value> =
        (0..2_000).map(|number| json!({"id": number.to_string(), "do": "loop"})).collect();
    (database, service, path, json!(results).to_string())
}

/// Waits until a component computes.
fn wait_for_work(service: &Service) {
    let since = std::time::Instant::now();
    let begun = service.processor_time();
    while service.processor_time() < begun + std::time::Duration::from_secs(2) {
        assert!(since.elapsed() < DEADLINE, "nothing computes");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn it_stops_in_its_time_while_a_component_computes() {
    let files = Files::new();
    let (_database, mut service, path, body) =
        computing(&files, &["--shutdown-timeout-seconds", "2"]);
    let _in_flight = post_raw(&service, &path, &body);
    let lines = body.trim_matches(['[', ']']).replace("},", "}\n");
    let _file = post_raw(&service, "/v1/files?file_name=a.hostile", &lines);
    wait_for_work(&service);
    service.terminate();
    // Far less than the results would take.
    assert_eq!(service.wait_at_most(DEADLINE / 2), Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let files = Files::new();
    let (_database, mut service, path, body) =
        computing(&files, &["--shutdown-timeout-seconds", "3600"]);
    let _in_flight = post_raw(&service, &path, &body);
    wait_for_work(&service);
    service.terminate();
    service.wait_for_log("stopping after");
    service.terminate();
    assert_eq!(service.wait_at_most(DEADLINE / 2), Some(130));
}

#[test]
fn nothing_is_extracted_for_a_client_that_has_gone() {
    let files = Files::new();
    let (_database, service, path, body) = computing(&files, &["--request-timeout-seconds", "1"]);
    service.send(reqwest::Method::POST, &path, &[], body).has_problem(504, "timeout");
    let since = std::time::Instant::now();
    loop {
        let begun = service.processor_time();
        std::thread::sleep(std::time::Duration::from_secs(1));
        if service.processor_time() < begun + std::time::Duration::from_millis(300) {
            break;
        }
        assert!(since.elapsed() < DEADLINE, "it still computes");
    }
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn commands_end_soon_after_sigterm_and_at_once_after_a_second() {
    let files = Files::new();
    let data = files.path("data").display().to_string();
    let hostile = env!("ARC_HOSTILE_FORMAT");
    let added = Program::without_database().run(["--data-dir", &data, "formats", "add", hostile]);
    added.ended(0);
    let lines: String =
        (0..2_000).map(|number| format!("{{\"id\": \"{number}\", \"do\": \"loop\"}}\n")).collect();
    let file = files.write("a.hostile", lines).display().to_string();
    for signals in [1, 2] {
        let database = TestDatabase::new();
        let program = Program::on(&database);
        let mut child = program.spawn(["--data-dir", &data, "record", &file]);
        let id = nix::unistd::Pid::from_raw(child.id() as i32);
        let started = std::time::Instant::now();
        // The simulation exists when the results are being recorded.
        while database.count("SELECT count(*) FROM arc_recorder.simulations") == 0 {
            assert!(started.elapsed() < DEADLINE);
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM).unwrap();
        let signalled = std::time::Instant::now();
        let mut lines = String::new();
        while !lines.contains("stopping after") {
            assert!(errors.read_line(&mut lines).unwrap() > 0, "{lines}");
        }
        if signals == 2 {
            nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM).unwrap();
        }
        let code = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status.code();
            }
            assert!(signalled.elapsed() < DEADLINE, "it has not ended");
            std::thread::sleep(std::time::Duration::from_millis(20));
        };
        errors.read_to_string(&mut lines).unwrap();
        assert_eq!(code, Some(130), "{lines}");
    }
}

#[test]
fn events_show_the_commits_of_other_processes_and_end_with_the_simulation() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let service = Service::start(&program, &files, &[]);
    let id = service.start_simulation(&["a", "b"]);
    let mut stream = service.connect();
    write!(stream, "GET /v1/simulations/{id}/events HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    let mut next = |event: &str| -> Value {
        let wanted = format!("event: {event}");
        lines.find(|line| *line == wanted).unwrap();
        let data = lines.next().unwrap();
        serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap()
    };
    assert_eq!(next("progress")["completed_scenarios"], 0);
    // Another process records, without the service.
    let file = files.write_lines("one.jsonl", &[result("a", "success", 1.0)]);
    record(&program, &file, &["--simulation", &id]).ended(0);
    assert_eq!(next("progress")["completed_scenarios"], 1);
    program.run(["cancel", &id, "--reason", "enough"]).ended(0);
    assert_eq!(next("progress")["status"], "cancelled");
    assert_eq!(next("end"), json!({"status": "cancelled"}));
    let unknown = "/v1/simulations/01920000-0000-7000-8000-0000000000ff/events";
    service.get(unknown).has_problem(404, "not_found");
    // A simulation that has ended has one event, and then the stream ends.
    let whole = service.get(&format!("/v1/simulations/{id}/events")).has(200);
    assert_eq!(whole.header("content-type"), "text/event-stream");
    assert_eq!(whole.text().matches("event: ").count(), 2);
}

#[test]
fn events_end_with_a_simulation_that_is_removed() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let service = Service::start(&Program::on(&database), &files, &[]);
    let id = service.start_simulation(&["a"]);
    let mut stream = service.connect();
    let request =
        format!("GET /v1/simulations/{id}/events HTTP/1.1\r\nhost: localhost\r\nconnection: close");
    write!(stream, "{request}\r\n\r\n").unwrap();
    let mut first = [0; 15];
    stream.read_exact(&mut first).unwrap();
    database.execute("TRUNCATE arc_recorder.simulations CASCADE");
    assert!(read_to_end(&mut stream).contains("event: progress"));
}

#[test]
fn open_events_do_not_keep_it_from_stopping() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let mut service = Service::start(&Program::on(&database), &files, &[]);
    let id = service.start_simulation(&["a"]);
    let mut stream = service.connect();
    write!(stream, "GET /v1/simulations/{id}/events HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut first = [0; 15];
    stream.read_exact(&mut first).unwrap();
    service.terminate();
    assert!(read_to_end(&mut stream).ends_with("0\r\n\r\n"));
    assert_eq!(service.wait(), Some(0));
}

#[test]
fn logs_are_an_object_a_line_with_the_requests_id_and_no_secret() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let url = database.url().replace("user=arc", "user=arc&password=hush-hush");
    let program = Program::with_url(&url);
    let mut service =
        Service::start(&program, &files, &["--log-format", "json", "--log-level", "debug"]);
    service.send_header("x-request-id", "abc-1");
    service.send_header("authorization", "Bearer arc_0123456789abcdef_secret");
    service.get("/v1/simulations").has(200);
    service.get("/v1/nothing").has(404);
    service.terminate();
    assert_eq!(service.wait(), Some(0));
    let log = service.log();
    assert!(!log.contains("hush-hush") && !log.contains("_secret"), "{log}");
    let lines: Vec<Value> =
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let request = lines.iter().find(|line| line["status"] == 404).unwrap();
    assert_eq!(
        (&request["request_id"], &request["path"]),
        (&json!("abc-1"), &json!("/v1/nothing"))
    );
    assert_eq!(request["level"], "INFO");
    assert!(request["timestamp"].is_string(), "{request}");
}

#[test]
fn metrics_are_in_the_form_that_prometheus_reads() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let service = Service::start(&Program::on(&database), &files, &[]);
    let id = service.start_simulation(&["a"]);
    let path = format!("/v1/simulations/{id}/outcomes");
    service.post(&path, &json!([result("a", "success", 1.0), result("a", "odd", 1.0)])).has(200);
    let answer = service.get("/metrics").has(200);
    assert!(answer.header("content-type").starts_with("application/openmetrics-text"));
    let text = answer.text();
    assert!(text.ends_with("# EOF\n"));
    for line in [
        "arc_results_total{verdict=\"stored\"} 1",
        "arc_results_total{verdict=\"rejected\"} 1",
        "arc_spool_depth 0",
        "arc_database_up 1",
    ] {
        assert!(text.lines().any(|other| other == line), "{line}: {text}");
    }
    let requests = "arc_http_requests_total{method=\"POST\",path=\"/v1/simulations/{simulation_id}\
                    /outcomes\",status=\"200\"} 1";
    assert!(text.lines().any(|line| line == requests), "{text}");
    // Each line is a comment, or a name and a number.
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (_, number) = line.rsplit_once(' ').unwrap();
        number.parse::<f64>().unwrap_or_else(|_| panic!("{line}"));
    }
    let json = service.get("/v1/stats").has(200).json();
    assert!(json["total_queries"].as_u64().unwrap() > 0);
}

#[test]
fn clients_cannot_make_up_series_of_metrics() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let service = Service::start(&Program::on(&database), &files, &[]);
    for method in ["ONE", "TWO", "get"] {
        let mut stream = service.connect();
        write!(
            stream,
            "{method} /nowhere HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        assert!(read_to_end(&mut stream).starts_with("HTTP/1.1 404 "));
    }
    let text = service.get("/metrics").has(200).text();
    let requests: Vec<&str> =
        text.lines().filter(|line| line.starts_with("arc_http_requests_total{")).collect();
    assert_eq!(
        requests,
        ["arc_http_requests_total{method=\"other\",path=\"other\",status=\"404\"} 3"]
    );
}

#[test]
fn settings_are_printed_as_a_file_that_is_read_again() {
    let program = Program::without_database();
    let files = Files::new();
    let printed = program
        .run([
            "serve",
            "--print-settings",
            "--max-concurrent-requests",
            "77",
            "--log-format",
            "json",
        ])
        .ended(0)
        .stdout;
    assert!(
        printed.contains("max_concurrent_requests = 77")
            && printed.contains("log_format = \"json\"")
    );
    let file = files.write("arc.toml", &printed).display().to_string();
    let again = program.run(["serve", "--settings", &file, "--print-settings"]).ended(0).stdout;
    assert_eq!(again, printed);
    // The environment overrides the file, and the command line overrides both.
    let mut command = program.command(["serve", "--settings", &file, "--print-settings"]);
    let finished = command.env("ARC_SERVE_MAX_CONCURRENT_REQUESTS", "78").output().unwrap();
    assert!(String::from_utf8(finished.stdout).unwrap().contains("max_concurrent_requests = 78"));
    for (arguments, expected) in [
        (&["--max-concurrent-requests", "many"][..], "--max-concurrent-requests"),
        (&["--settings", "/nowhere.toml"], "/nowhere.toml"),
        (&["--listen", "here"], "--listen"),
        (&["--allow-unauthenticated", "--require-tokens"], "contradict"),
        (&["--colour", "red"], "--colour"),
    ] {
        let mut all = vec!["serve"];
        all.extend(arguments);
        let refused = program.run(all).ended(1);
        assert!(refused.stderr.contains(expected), "{expected}: {}", refused.stderr);
    }
    let wrong = files
        .write("wrong.toml", "max_concurrent_requests = 1\nrequets = 2\n")
        .display()
        .to_string();
    let refused = program.run(["serve", "--settings", &wrong]).ended(1);
    assert!(refused.stderr.contains("requets"), "{}", refused.stderr);
    // The help lists every setting.
    let help = program.run(["serve", "--help"]).ended(0).stdout;
    for line in printed.lines().filter(|line| !line.starts_with("# ") && !line.is_empty()) {
        let name = line.split(' ').next().unwrap().replace('_', "-");
        assert!(help.contains(&format!("--{name}")), "{name}");
    }
}

#[test]
fn an_address_in_use_is_reported() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let service = Service::start(&program, &files, &[]);
    let address = service.url().trim_start_matches("http://");
    let second = program.run(["serve", "--spool=false", "--listen", address]).ended(1);
    assert!(second.stderr.contains(address), "{}", second.stderr);
}

#[test]
fn the_description_names_every_path_and_the_codes() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let service = Service::start(&Program::on(&database), &files, &[]);
    let description = service.get("/openapi.json").has(200).json();
    assert!(description["openapi"].as_str().unwrap().starts_with("3."));
    let paths: Vec<&String> = description["paths"].as_object().unwrap().keys().collect();
    for path in [
        "/v1/simulations",
        "/v1/simulations/{simulation_id}",
        "/v1/simulations/{simulation_id}/outcomes",
        "/v1/simulations/{simulation_id}/rejected",
        "/v1/simulations/{simulation_id}/performance",
        "/v1/simulations/{simulation_id}/events",
        "/v1/simulations/{simulation_id}/complete",
        "/v1/simulations/{simulation_id}/fail",
        "/v1/simulations/{simulation_id}/cancel",
        "/v1/failures",
        "/v1/extract",
        "/v1/health",
        "/v1/stats",
        "/metrics",
        "/v1/spool/requeue",
    ] {
        assert!(paths.iter().any(|other| *other == path), "{path}");
    }
    let text = description.to_string();
    for code in ["body_too_large", "spool_full", "too_many_requests", "idempotency_key_reused"] {
        assert!(text.contains(code), "{code}");
    }
}
