//! Access: tokens with scopes, revoked while the service runs; TLS.

use std::io::Write as _;
use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    DatabaseServer, Files, Program, Service, TestDatabase, read_to_end, record, result,
};

/// Creates a token.
fn token(program: &Program, scopes: &[&str], name: &str) -> Value {
    let mut arguments = vec!["token", "create", "--json", "--name", name];
    scopes.iter().for_each(|scope| arguments.extend(["--scope", scope]));
    program.run(arguments).ended(0).json()
}

fn secret(token: &Value) -> String {
    token["token"].as_str().unwrap().to_owned()
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[test]
fn a_token_opens_what_its_scopes_name() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let service = Service::start(&program, &files, &["--require-tokens"]);
    assert!(service.log().contains("there is no token yet"), "{}", service.log());
    let [read, record, admin] =
        ["read", "record", "admin"].map(|scope| secret(&token(&program, &[scope], scope)));
    let both = secret(&token(&program, &["read", "record"], "both"));
    let start = json!({"scenarios": [{"id": "a"}]}).to_string();
    let status = |method: Method, path: &str, token: &str| {
        let body = match path {
            "/v1/spool/requeue" => r#"{"all": true}"#.to_owned(),
            _ if method == Method::POST => start.clone(),
            _ => String::new(),
        };
        service.send(method, path, &[("authorization", &bearer(token))], body).status
    };
    // Tokens that were created after the start are accepted soon.
    let since = std::time::Instant::now();
    while status(Method::GET, "/v1/simulations", &both) == 401 {
        assert!(since.elapsed() < crate::support::DEADLINE);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    for (token, may_read, may_record) in
        [(&read, 200, 403), (&record, 403, 200), (&admin, 200, 200), (&both, 200, 200)]
    {
        assert_eq!(status(Method::GET, "/v1/simulations", token), may_read);
        assert_eq!(status(Method::POST, "/v1/simulations", token), may_record);
        assert_eq!(status(Method::GET, "/v1/health", token), 200);
    }
    for (token, may) in [(&read, 403), (&record, 403), (&both, 403), (&admin, 200)] {
        assert_eq!(status(Method::POST, "/v1/spool/requeue", token), may);
    }
    // Missing, incomplete and mixed tokens are refused, with the expected scheme.
    let answer = service.get("/v1/simulations");
    assert_eq!(answer.header("www-authenticate"), "Bearer");
    answer.has_problem(401, "unauthorized");
    let mixed = format!("{}{}", &read[..21], &record[21..]);
    for wrong in ["", "arc_", &read[..read.len() - 1], &format!("{read}0"), mixed.as_str(), "x y z"]
    {
        assert_eq!(status(Method::GET, "/v1/simulations", wrong), 401, "{wrong}");
    }
    let basic = [("authorization", "Basic YTpi")];
    service.send(Method::GET, "/v1/simulations", &basic, "").has_problem(401, "unauthorized");
    // Every path requires a token, except the probes and the description.
    for path in ["/v1/health", "/v1/stats", "/metrics", "/v1/failures"] {
        service.get(path).has_problem(401, "unauthorized");
    }
    for path in ["/health/live", "/health/ready", "/openapi.json"] {
        service.get(path).has(200);
    }
    // No secret is stored in the database, the log, or the folder.
    let rows = database.query("SELECT t::text FROM arc_recorder.access_tokens t");
    let mut kept: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    kept.push(service.log());
    kept.push(std::fs::read_to_string(files.path("spool/tokens.json")).unwrap());
    for token in [&read, &record, &admin, &both] {
        let secret = &token[21..];
        assert!(kept.iter().all(|text| !text.contains(secret)));
    }
    // The log names the token of each request.
    service.get("/v1/simulations");
    assert!(service.log().contains("both"), "{}", service.log());
}

#[test]
fn a_token_that_is_revoked_does_not_work_for_long() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let made = token(&program, &["admin"], "ci");
    let mut service = Service::start(&program, &files, &["--require-tokens"]);
    service.send_header("authorization", &bearer(&secret(&made)));
    service.get("/v1/simulations").has(200);
    let id = made["token_id"].as_str().unwrap();
    let listed = program.run(["token", "list", "--json"]).ended(0).json();
    assert_eq!((&listed["name"], &listed["revoked_at"]), (&json!("ci"), &Value::Null));
    assert!(listed.get("token").is_none());
    program.run(["token", "revoke", id]).ended(0);
    service.wait_until("/v1/simulations", |answer| answer.status == 401);
    let listed = program.run(["token", "list", "--json"]).ended(0).json();
    assert!(listed["revoked_at"].is_string());
    let unknown = program.run(["token", "revoke", "nobody"]).ended(1);
    assert!(unknown.stderr.contains("nobody"), "{}", unknown.stderr);
    for wrong in [["--scope", "write"], ["--scope", ""]] {
        let mut arguments = vec!["token", "create", "--name", "x"];
        arguments.extend(wrong);
        let refused = program.run(arguments).ended(1);
        assert!(refused.stderr.contains("read"), "{}", refused.stderr);
    }
}

#[test]
fn a_token_is_revoked_even_if_the_copy_cannot_be_written() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let made = token(&program, &["admin"], "ci");
    let mut service =
        Service::start(&program, &files, &["--require-tokens", "--log-level", "warn"]);
    service.send_header("authorization", &bearer(&secret(&made)));
    service.get("/v1/simulations").has(200);
    // A folder blocks the file's path.
    let copy = files.path("spool/tokens.json");
    std::fs::remove_file(&copy).unwrap();
    std::fs::create_dir_all(copy.join("in the way")).unwrap();
    program.run(["token", "revoke", "ci"]).ended(0);
    service.wait_until("/v1/simulations", |answer| answer.status == 401);
    // The log reports it, because the token would work again after a restart.
    let since = std::time::Instant::now();
    while !service.log().contains("tokens.json") {
        assert!(since.elapsed() < crate::support::DEADLINE, "{}", service.log());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    // The file is written as soon as that is possible.
    std::fs::remove_dir_all(&copy).unwrap();
    while !copy.is_file() {
        assert!(since.elapsed() < crate::support::DEADLINE, "{}", service.log());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(!std::fs::read_to_string(&copy).unwrap().contains("\"ci\""));
}

#[test]
fn tokens_work_during_an_outage_of_the_database_even_after_a_restart() {
    let mut server = DatabaseServer::start();
    let files = Files::new();
    let program = Program::with_url(&server.url());
    let made = secret(&token(&program, &["admin"], "ci"));
    let mut service = Service::start(&program, &files, &["--require-tokens"]);
    service.send_header("authorization", &bearer(&made));
    let id = service.start_simulation(&["a"]);
    server.stop();
    drop(service);
    let mut service = Service::start(&program, &files, &["--require-tokens"]);
    let path = format!("/v1/simulations/{id}/outcomes");
    service.post(&path, &result("a", "success", 1.0)).has_problem(401, "unauthorized");
    service.send_header("authorization", &bearer(&made));
    let answer = service.post(&path, &result("a", "success", 1.0)).has(202).json();
    assert_eq!(answer["verdict"], "spooled");
    server.resume();
    service.wait_for_empty_spool();
    assert_eq!(server.count("SELECT count(*) FROM arc_recorder.outcomes"), 1);
}

#[test]
fn tls_is_spoken_and_checked() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters =
        rcgen::CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]);
    let certificate = parameters.unwrap().self_signed(&key).unwrap();
    let certificate = files.write("server.crt", certificate.pem());
    let key = files.write("server.key", key.serialize_pem());
    let spool = files.path("spool");
    let [certificate, key, spool] =
        [&certificate, &key, &spool].map(|path| path.display().to_string());
    let options = [
        "--spool-dir",
        &spool,
        "--tls-certificate",
        &certificate,
        "--tls-key",
        &key,
        "--require-tokens",
    ];
    let made = secret(&token(&program, &["admin"], "ci"));
    let service = Service::start_with(&program, &files.path("log"), &options);
    assert!(service.url().starts_with("https://127.0.0.1:"), "{}", service.url());
    let results = files.write_lines("results.jsonl", &[result("a", "success", 1.0)]);
    let over = service.program();
    let trusting = |program: &Program| {
        let mut command = program.command(["record", "--json"]);
        command.env("SSL_CERT_FILE", &certificate).env("ARC_TOKEN", &made).arg(&results);
        crate::support::Finished::from(command.output().unwrap())
    };
    assert_eq!(trusting(&over).ended(0).json()["stored"], 1);
    // A client that does not trust the certificate sends nothing.
    let refused = record(&over, &results, &[]).ended(1);
    assert!(refused.stderr.contains("could not be trusted"), "{}", refused.stderr);
    // A client that uses the wrong protocol.
    let plain = Program::on_service(&service.url().replace("https", "http"));
    let refused = plain.run(["simulations"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("did not answer"), "{}", refused.stderr);

    // Invalid options are reported before the service listens.
    let refuse = |arguments: &[&str], expected: &str| {
        let mut all = vec!["serve", "--listen", "127.0.0.1:0", "--spool=false"];
        all.extend(arguments);
        let refused = program.run(all).ended(1);
        assert!(refused.stderr.contains(expected), "{expected}: {}", refused.stderr);
    };
    refuse(&["--tls-certificate", &certificate], "go together");
    refuse(&["--tls-certificate", &key, "--tls-key", &key], "server.key");
    refuse(&["--tls-certificate", &certificate, "--tls-key", &certificate], "server.crt");
    refuse(&["--tls-certificate", "/nowhere", "--tls-key", &key], "/nowhere");
}

#[test]
fn a_renewed_certificate_and_other_settings_are_read_again() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let spool = files.path("spool").display().to_string();
    let write = |retention: &str, level: &str, requests: u64| {
        let key = rcgen::KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let parameters = rcgen::CertificateParams::new(names).unwrap();
        let certificate = files.write("server.crt", parameters.self_signed(&key).unwrap().pem());
        let key = files.write("server.key", key.serialize_pem());
        let settings = format!(
            "tls_certificate = {certificate:?}\ntls_key = {key:?}\nspool_dir = {spool:?}\n\
             log_level = {level:?}\nmax_concurrent_requests = {requests}\n{retention}"
        );
        (files.write("arc.toml", settings), certificate)
    };
    let (settings, certificate) = write("", "info", 100);
    let options = ["--settings", settings.to_str().unwrap()];
    let service = Service::start_with(&program, &files.path("log"), &options);
    let over = service.program();
    let lists = |trusted: &Path| {
        let mut command = over.command(["simulations"]);
        command.env("SSL_CERT_FILE", trusted);
        crate::support::Finished::from(command.output().unwrap()).code == Some(0)
    };
    let old = files.write("old.crt", std::fs::read(&certificate).unwrap());
    assert!(lists(&old));
    assert!(service.log().contains("starting"), "{}", service.log());

    // A file that is not valid changes nothing.
    std::fs::write(&settings, "max_body_mib = \"x\"").unwrap();
    service.reload();
    service.wait_for_log("line 1: invalid max_body_mib");
    assert!(lists(&old));

    write("retention_days = 30\n", "debug", 200);
    service.reload();
    service.wait_for_log("these settings need a restart settings=\"max_concurrent_requests\"");
    assert!(lists(&certificate));
    assert!(!lists(&old), "the old certificate is still in use");
    // A request is logged at this level, with the client's address.
    service.wait_for_log("client=\"127.0.0.1:");
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn pages_of_the_allowed_origins_can_use_it_from_a_browser() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let allowed =
        ["--require-tokens", "--allow-origins", "https://app.example, http://localhost:5173"];
    let service = Service::start(&program, &files, &allowed);
    let ask = |origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization,content-encoding,content-type"),
        ];
        service.send(Method::OPTIONS, "/v1/simulations", &headers, "").has(200)
    };
    // A browser sends a preflight request, without the token, before the page's request.
    let answer = ask("http://localhost:5173");
    assert_eq!(answer.header("access-control-allow-origin"), "http://localhost:5173");
    for name in ["authorization", "content-encoding", "content-type", "idempotency-key"] {
        assert!(answer.header("access-control-allow-headers").contains(name), "{answer:?}");
    }
    assert_eq!(answer.header("access-control-allow-methods"), "GET,POST");
    assert_eq!(ask("https://other.example").header("access-control-allow-origin"), "");
    // The page can read the refusal, and a request without a token is refused.
    let refused =
        service.send(Method::GET, "/v1/simulations", &[("origin", "https://app.example")], "");
    assert_eq!(refused.header("access-control-allow-origin"), "https://app.example");
    assert_eq!(refused.header("access-control-expose-headers"), "retry-after");
    assert_eq!(refused.header("access-control-allow-credentials"), "");
    refused.has_problem(401, "unauthorized");
    // By default no page is allowed.
    let files = Files::new();
    let closed = Service::start(&program, &files, &[]);
    let headers = [("origin", "https://app.example"), ("access-control-request-method", "POST")];
    let answer = closed.send(Method::OPTIONS, "/v1/simulations", &headers, "");
    assert_eq!(answer.header("access-control-allow-origin"), "");
    answer.has_problem(403, "origin_not_allowed");
}

/// Returns every request that records, with the path and a body that it would accept.
fn recording_requests(service: &Service) -> Vec<(String, &'static str, String)> {
    let id = service.start_simulation(&["a"]);
    let document = result("forged", "success", 1.0).to_string();
    let simulation = format!("/v1/simulations/{id}");
    vec![
        ("/v1/files?file_name=a.json".to_owned(), "application/json", document.clone()),
        (format!("{simulation}/outcomes"), "application/json", document.clone()),
        (format!("{simulation}/outcomes"), "application/x-ndjson", format!("{document}\n")),
        ("/v1/simulations".to_owned(), "application/json", r#"{"scenarios": []}"#.to_owned()),
        (
            "/v1/configurations".to_owned(),
            "application/json",
            r#"{"name": "a", "config": "b"}"#.to_owned(),
        ),
        (format!("{simulation}/complete"), "application/json", String::new()),
        (format!("{simulation}/fail"), "application/json", String::new()),
        (format!("{simulation}/cancel"), "application/json", String::new()),
        ("/v1/spool/requeue".to_owned(), "application/json", r#"{"all": true}"#.to_owned()),
    ]
}

fn recorded(database: &TestDatabase) -> (i64, i64) {
    let ended = "SELECT count(*) FROM arc_recorder.simulations WHERE status <> 'running'";
    (database.count("SELECT count(*) FROM arc_recorder.outcomes"), database.count(ended))
}

#[test]
fn a_web_page_of_another_site_records_and_ends_nothing_without_tokens() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let service = Service::start(&Program::on(&database), &files, &[]);
    let requests = recording_requests(&service);
    let own = service.url().to_owned();
    let other_port = "http://localhost:1".to_owned();
    for (path, kind, body) in &requests {
        for (name, value) in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", other_port.as_str()),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            let headers = [(name, value), ("content-type", *kind)];
            let answer = service.send(Method::POST, path, &headers, body.clone());
            answer.has_problem(403, "origin_not_allowed");
        }
        // No content type that a page can send without a preflight request is accepted.
        if !body.is_empty() {
            for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
                let answer =
                    service.send(Method::POST, path, &[("content-type", kind)], body.clone());
                answer.has_problem(415, "unsupported_media_type");
            }
        }
    }
    assert_eq!(recorded(&database), (0, 0));
    // Such a page cannot read or open a stream either.
    for path in ["/v1/simulations", "/metrics", "/openapi.json"] {
        for headers in [[("origin", "https://evil.example")], [("sec-fetch-site", "cross-site")]] {
            service.send(Method::GET, path, &headers, "").has_problem(403, "origin_not_allowed");
        }
        // Following a link is allowed.
        let link = [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        service.send(Method::GET, path, &link, "").has(200);
    }
    // The service's own pages can do all of it, and so can programs.
    for (path, kind, body) in requests {
        let same =
            [("origin", own.as_str()), ("sec-fetch-site", "same-origin"), ("content-type", kind)];
        let status = service.send(Method::POST, &path, &same, body).status;
        // A simulation that has been completed can no longer fail.
        assert!([200, 409].contains(&status), "{path}: {status}");
    }
    assert_ne!(recorded(&database), (0, 0));
}

#[test]
fn a_name_that_was_made_to_point_here_is_not_answered() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let mut service =
        Service::start(&program, &files, &["--allow-host", "arc.example", "--allow-host", "other"]);
    let port = service.url().rsplit_once(':').unwrap().1.to_owned();
    let hosts = |name: &str| [name.to_owned(), format!("{name}:{port}"), format!("{name}:80")];
    let check = |service: &Service| {
        for host in hosts("evil.example").iter().chain(&hosts("192.0.2.1")) {
            for path in ["/v1/simulations", "/v1/failures", "/metrics", "/openapi.json", "/nothing"]
            {
                let problem = service
                    .send(Method::GET, path, &[("host", host)], "")
                    .has_problem(403, "host_not_allowed");
                let detail = problem["detail"].as_str().unwrap();
                assert!(detail.contains("--allow-host") && detail.contains(host), "{detail}");
            }
            // Load balancers and orchestrators address probes by other names.
            service.send(Method::GET, "/health/live", &[("host", host)], "").has(200);
            service.send(Method::GET, "/health/ready", &[("host", host)], "").has(200);
        }
        for name in ["localhost", "127.0.0.1", "arc.example", "other"] {
            for host in hosts(name) {
                service.send(Method::GET, "/v1/simulations", &[("host", &host)], "").has(200);
            }
        }
    };
    check(&service);
    // A request without a host, or with another one in its request line, is refused, too.
    for request in [
        "GET /v1/simulations HTTP/1.1\r\nconnection: close\r\n\r\n".to_owned(),
        "GET http://evil.example/v1/simulations HTTP/1.1\r\nhost: localhost\r\nconnection: \
         close\r\n\r\n"
            .to_owned(),
    ] {
        let mut stream = service.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let answer = read_to_end(&mut stream);
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    }
    // In HTTP/2 the host is the authority.
    service.speak_http2();
    check(&service);
    // With required tokens a page gets no data, so every host name is accepted.
    let files = Files::new();
    let tokens = Service::start(&program, &files, &["--require-tokens"]);
    let headers = [("host", "arc.other.example")];
    tokens.send(Method::GET, "/v1/simulations", &headers, "").has_problem(401, "unauthorized");
    // An open service accepts its addresses as hosts, which no page can use as its own name, and no other names.
    let files = Files::new();
    let open =
        Service::start(&program, &files, &["--allow-unauthenticated", "--listen", "0.0.0.0:0"]);
    let get = |host: &str| {
        let mut stream = open.connect();
        let request = "GET /v1/simulations HTTP/1.1\r\nconnection: close\r\nhost: ";
        stream.write_all(format!("{request}{host}\r\n\r\n").as_bytes()).unwrap();
        read_to_end(&mut stream)
    };
    assert!(get("10.1.2.3:7117").starts_with("HTTP/1.1 200 "));
    assert!(get("evil.example").starts_with("HTTP/1.1 403 "));
}
