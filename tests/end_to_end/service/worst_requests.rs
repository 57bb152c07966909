//! The worst body that the limits of each path allow, sent to a service with its default settings:
//! its memory stays bounded, and it answers liveness probes all the while.

use std::cell::RefCell;
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{DEADLINE, Files, Program, Service, TestDatabase, read_to_end, result};

/// The memory limit of the whole service, in mebibytes.
const MOST_MIB: u64 = 512;

/// The time limit of a liveness probe.
const LIVENESS: Duration = Duration::from_secs(2);

/// The number of concurrent requests of a kind.
const AT_ONCE: usize = 4;

/// The number of clients that send a request and do not read the answer.
const READERS: usize = 30;

/// The longest document.
const DOCUMENT_BYTES: usize = 16 << 20;

/// Sends liveness probes repeatedly, on a connection of its own.
struct Watch {
    stop: Arc<AtomicBool>,
    longest_ms: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    fn begin(service: &Service) -> Self {
        let (stop, longest_ms) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let address = service.url().trim_start_matches("http://").to_owned();
        let (stopping, longest) = (Arc::clone(&stop), Arc::clone(&longest_ms));
        let thread = std::thread::spawn(move || {
            while !stopping.load(Ordering::Relaxed) {
                let asked = Instant::now();
                let mut stream = TcpStream::connect(&address).unwrap();
                stream.set_read_timeout(Some(DEADLINE)).unwrap();
                let request =
                    b"GET /health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
                stream.write_all(request).unwrap();
                let answer = read_to_end(&mut stream);
                assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
                let took = u64::try_from(asked.elapsed().as_millis()).unwrap();
                longest.fetch_max(took, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        Watch { stop, longest_ms, thread: Some(thread) }
    }

    /// Returns the time of the slowest probe since the last call.
    fn longest(&self) -> Duration {
        Duration::from_millis(self.longest_ms.swap(0, Ordering::Relaxed))
    }

    fn end(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

/// A service under attack, and the results.
struct Attack {
    service: Service,
    watch: Watch,
    /// Failed checks, reported at the end, so that a run shows all of them.
    wrong: RefCell<Vec<String>>,
}

impl Attack {
    /// Runs an attack on the service, and prints its cost.
    fn step<T>(&self, what: &str, attack: impl FnOnce(&Service) -> T) -> T {
        let begun = Instant::now();
        let done = attack(&self.service);
        let (peak, longest) = (self.service.peak_memory_mib(), self.watch.longest());
        let took = begun.elapsed().as_secs();
        println!("{what}: {peak} MiB by now, liveness {} ms, {took} s", longest.as_millis());
        self.check(peak < MOST_MIB, || format!("{what}: {peak} MiB"));
        self.check(longest < LIVENESS, || format!("{what}: liveness took {longest:?}"));
        done
    }

    fn check(&self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            let what = what();
            println!("WRONG: {what}");
            self.wrong.borrow_mut().push(what);
        }
    }

    /// Sends a body once, expecting this status, and then several times concurrently, when some of
    /// them can be refused for lack of memory.
    fn send(&self, what: &str, path: &str, headers: &[(&str, &str)], body: &[u8], expected: u16) {
        let single = self.step(what, |service| answer(service, path, headers, body));
        self.check(status(&single) == expected, || format!("{what}: not {expected}: {single}"));
        let answers: Vec<String> = self.step(&format!("{AT_ONCE} times {what}"), |service| {
            std::thread::scope(|scope| {
                let sending: Vec<_> = (0..AT_ONCE)
                    .map(|_| scope.spawn(|| answer(service, path, headers, body)))
                    .collect();
                sending.into_iter().map(|sent| sent.join().unwrap()).collect()
            })
        });
        for answer in answers {
            self.check([expected, 429].contains(&status(&answer)), || {
                format!("{what} at once: not {expected}: {answer}")
            });
        }
    }

    /// Sends a request from many clients, none of which reads until all have sent theirs.
    fn ask_and_read_nothing(&self, what: &str, path: &str, accept: &str) {
        self.step(what, |service| {
            let readers: Vec<TcpStream> = (0..READERS)
                .map(|_| {
                    let mut stream = service.connect();
                    write!(
                        stream,
                        "GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: {accept}\r\n\
                         connection: close\r\n\r\n"
                    )
                    .unwrap();
                    stream
                })
                .collect();
            // By then the answers that fit into the memory limit have begun, and the others wait.
            readers.iter().for_each(|stream| stream.set_nonblocking(true).unwrap());
            let (asked, mut first) = (Instant::now(), [0_u8; 1]);
            while !readers.iter().any(|stream| stream.peek(&mut first).is_ok_and(|read| read > 0)) {
                assert!(asked.elapsed() < DEADLINE, "no answer begins");
                std::thread::sleep(Duration::from_millis(20));
            }
            std::thread::sleep(Duration::from_secs(3));
        });
    }
}

/// Sends a body, and returns the status of the answer.
fn send(service: &Service, path: &str, headers: &[(&str, &str)], body: &[u8]) -> u16 {
    status(&answer(service, path, headers, body))
}

/// Returns the status of an answer.
fn status(answer: &str) -> u16 {
    let status = answer.get(9..12).and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("no answer: {answer}"))
}

/// Sends a body, and returns the whole answer.
fn answer(service: &Service, path: &str, headers: &[(&str, &str)], body: &[u8]) -> String {
    let mut stream = service.connect();
    // A refusal is fast; recording can take some time.
    stream.set_read_timeout(Some(DEADLINE * 4)).unwrap();
    let headers: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: localhost\r\n{headers}content-length: {}\r\n\
         connection: close\r\n\r\n",
        body.len()
    )
    .unwrap();
    // The service reads the whole body even if it refuses it earlier.
    stream.write_all(body).unwrap();
    read_to_end(&mut stream)
}

fn gzip(parts: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    parts.into_iter().for_each(|part| encoder.write_all(part.as_ref()).unwrap());
    encoder.finish().unwrap()
}

/// Returns a list of `count` values between two texts, one part at a time.
fn list<'t>(
    before: &'t str,
    count: usize,
    value: impl Fn(usize) -> String + 't,
    after: &'t str,
) -> impl Iterator<Item = String> + 't {
    let one = move |number: usize| {
        let comma = if number == 0 { "" } else { "," };
        format!("{comma}{}", value(number))
    };
    std::iter::once(before.to_owned()).chain((0..count).map(one)).chain([after.to_owned()])
}

/// Returns a result with this many dimensions whose scores are not numbers.
fn violated(number: usize, violations: usize) -> String {
    let scores: serde_json::Map<String, Value> =
        (0..violations).map(|place| (format!("d{place}"), json!("x"))).collect();
    let mut document = result(&format!("v{number}"), "success", 1.0);
    document["reliability_score"]["dimension_scores"] = Value::Object(scores);
    document.to_string()
}

const GZIP: [(&str, &str); 2] =
    [("content-type", "application/json"), ("content-encoding", "gzip")];
const ZSTD: [(&str, &str); 2] =
    [("content-type", "application/json"), ("content-encoding", "zstd")];
const LINES: [(&str, &str); 2] =
    [("content-type", "application/x-ndjson"), ("content-encoding", "gzip")];
const ONE: [(&str, &str); 2] =
    [("content-type", "application/octet-stream"), ("content-encoding", "gzip")];

#[test]
fn memory_and_liveness_hold_whatever_is_sent() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let service = Service::start(&Program::on(&database), &files, &["--log-level", "info"]);
    let id = service.start_simulation(&["a"]);
    let base = format!("/v1/simulations/{id}");
    let outcomes = format!("{base}/outcomes");
    let attack = Attack { watch: Watch::begin(&service), service, wrong: RefCell::default() };
    println!("at the start: {} MiB", attack.service.peak_memory_mib());
    configurations_starts_and_ends(&attack, &base);
    many_small_results(&attack, &outcomes);
    large_results(&attack, &outcomes);
    bodies_that_are_none(&attack, &outcomes);
    readers(&attack, &base);
    files_of_results(&attack);
    let Attack { service, watch, wrong } = attack;
    watch.end();
    assert_eq!(service.stop(), Some(0));
    assert!(wrong.borrow().is_empty(), "{wrong:#?}");
}

fn configurations_starts_and_ends(attack: &Attack, base: &str) {
    // 91 KB of gzip, and a value of gigabytes.
    let bomb = gzip(list("{\"name\":\"a\",\"config\":[", 30 << 20, |_| "0".to_owned(), "]}"));
    attack.send("a configuration of 60 MiB", "/v1/configurations", &GZIP, &bomb, 413);
    let longest = gzip(list("{\"name\":\"a\",\"config\":[", 500_000, |_| "0".to_owned(), "]}"));
    attack.send("a configuration of 1 MiB", "/v1/configurations", &GZIP, &longest, 200);
    let deep =
        gzip(["{\"name\":\"a\",\"config\":", &"[".repeat(400_000), &"]".repeat(400_000), "}"]);
    attack.send("a deep configuration", "/v1/configurations", &GZIP, &deep, 400);

    let scenario = |number: usize| format!("{{\"id\":\"{number}\"}}");
    let plan = gzip(list("{\"scenarios\":[", 950_000, scenario, "]}"));
    attack.send("a start of a million scenarios", "/v1/simulations", &GZIP, &plan, 400);
    let metadata = |count| {
        let member = |number: usize| format!("\"{number}\":0");
        gzip(list("{\"scenarios\":[{\"id\":\"a\"}],\"metadata\":{", count, member, "}}"))
    };
    attack.send("metadata of 10 MiB", "/v1/simulations", &GZIP, &metadata(1_000_000), 413);
    attack.send("metadata of 256 KiB", "/v1/simulations", &GZIP, &metadata(24_000), 200);

    let dimension = |number: usize| format!("\"{number}\":1");
    let suite = |count| gzip(list("{\"average_dimension_scores\":{", count, dimension, "}}"));
    let path = format!("{base}/complete");
    attack.send("a suite of 60 MiB", &path, &GZIP, &suite(5_000_000), 413);
    attack.send("a suite of 1 MiB", &path, &GZIP, &suite(90_000), 200);
    let reason = gzip(["{\"reason\":\"", &"x".repeat(60 << 20), "\"}"]);
    attack.send("a long reason", &format!("{base}/fail"), &GZIP, &reason, 413);
}

fn many_small_results(attack: &Attack, outcomes: &str) {
    let empty = gzip(list("[", 100_000, |_| "{}".to_owned(), "]"));
    attack.send("a hundred thousand empty results", outcomes, &GZIP, &empty, 200);
    let body = gzip(list("[", 20_000, |number| violated(number, 62), "]"));
    attack.step("many results with many violations", |service| {
        assert_eq!(send(service, outcomes, &GZIP, &body), 200);
    });
    let lines = gzip((20_000..40_000).map(|number| violated(number, 62) + "\n"));
    attack.step("a stream of them", |service| {
        assert_eq!(send(service, outcomes, &LINES, &lines), 200);
    });
    let worst = gzip(list("[", 200, |number| violated(number, 20_000), "]"));
    attack.send("results with twenty thousand violations", outcomes, &GZIP, &worst, 200);
    let ids = list("{\"results\":[{}],\"modal_call_ids\":[", 10 << 20, |_| "null".to_owned(), "]}");
    attack.send("ten million call ids", outcomes, &GZIP, &gzip(ids), 413);
}

fn large_results(attack: &Attack, outcomes: &str) {
    let text = |name: &str, status: &str, length: usize| {
        let mut document = result(name, status, 0.5);
        document["trajectory"]["error"] = json!("\"e\" ".repeat(length / 8));
        document["trajectory"]["text"] = json!("x".repeat(length / 4));
        gzip([document.to_string()])
    };
    for number in 0..3 {
        let document = text(&format!("large{number}"), "error", DOCUMENT_BYTES - (1 << 10));
        attack.send("a result of 16 MiB", outcomes, &ONE, &document, 200);
    }
    let dimension = |number: usize| format!("\"{number}\":1");
    let before = "{\"scenario\":{\"id\":\"dimensions\"},\"trajectory\":{\"status\":\"success\"},\
                  \"reliability_score\":{\"overall_score\":1,\"dimension_scores\":{";
    let scored = gzip(list(before, 1_300_000, dimension, "}}}"));
    attack.send("a result with a million dimensions", outcomes, &ONE, &scored, 200);
    attack.send("its verdict only", "/v1/extract", &GZIP, &scored, 200);
    let deep = gzip(["[".repeat((8 << 20) - 1), "]".repeat((8 << 20) - 1)]);
    attack.send("a result that is deep", outcomes, &ONE, &deep, 422);
    // As many of the longest documents as fit into a body.
    let mut long = result("long", "success", 1.0);
    long["trajectory"]["text"] = json!("x".repeat(DOCUMENT_BYTES - (1 << 10)));
    let one = long.to_string();
    let three = gzip(["[", &one, ",", &one, ",", &one, "]"]);
    attack.send("a body of the longest results", outcomes, &GZIP, &three, 200);
    attack.send(
        "a stream of the longest results",
        outcomes,
        &LINES,
        &gzip([&one, "\n", &one, "\n"]),
        200,
    );
}

fn bodies_that_are_none(attack: &Attack, outcomes: &str) {
    let spaces = zstd::bulk::compress(&vec![b' '; 512 << 20], 1).unwrap();
    attack.send("half a gibibyte of spaces", outcomes, &ZSTD, &spaces, 413);
    let mut open = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    open.window_log(23).unwrap();
    open.write_all(&vec![b' '; 63 << 20]).unwrap();
    attack.send("a zstd window", outcomes, &ZSTD, &open.finish().unwrap(), 400);
    // Each of these bodies is read to its end, although it is refused.
    let huge = vec![b' '; 128 << 20];
    let json = [("content-type", "application/json")];
    attack.step("128 MiB uncompressed", |service| {
        assert_eq!(send(service, outcomes, &json, &huge), 413);
    });
}

fn files_of_results(attack: &Attack) {
    let scenario = |number: usize| format!("{{\"scenario\":{{\"id\":\"{number}\"}}}}\n");
    let many = gzip((0..500_001).map(scenario));
    attack.send("a file of too many scenarios", "/v1/files?file_name=a.jsonl", &ONE, &many, 400);
    let long = |number: usize| {
        let mut document = result(&format!("long{number}"), "success", 1.0);
        document["trajectory"]["text"] = json!("x".repeat(DOCUMENT_BYTES - (1 << 10)));
        document.to_string() + "\n"
    };
    let long = gzip((0..6).map(long));
    attack.send("a file of the longest results", "/v1/files?file_name=b.jsonl", &ONE, &long, 200);
    // An archive with more names than the service reads.
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for number in 0..200_000 {
        zip.start_file(format!("samples/{number}.json"), options).unwrap();
    }
    let zip = zip.finish().unwrap().into_inner();
    let plain = [("content-type", "application/octet-stream")];
    attack.send("a long zip directory", "/v1/files?file_name=c.eval", &plain, &zip, 400);
}

fn readers(attack: &Attack, base: &str) {
    // A thousand results with their trajectories.
    let document = |number: usize| {
        let mut document = result(&format!("read{number}"), "error", 1.0);
        document["trajectory"]["error"] = json!("e".repeat(30_000));
        document["trajectory"]["text"] = json!("x".repeat(30_000));
        document.to_string()
    };
    let body = gzip(list("[", 1_000, document, "]"));
    attack.step("results to be read", |service| {
        assert_eq!(send(service, &format!("{base}/outcomes"), &GZIP, &body), 200);
    });
    for (path, accept) in [
        (format!("{base}/outcomes?limit=1000"), "application/json"),
        (format!("{base}/outcomes?limit=1000&documents=true"), "application/json"),
        (
            format!("{base}/outcomes?limit=1000&documents=true&trajectories=true"),
            "application/json",
        ),
        (format!("{base}/outcomes?scenario_id=large0&documents=true&trajectories=true"), "*/*"),
        (format!("{base}/outcomes?scenario_id=dimensions"), "application/json"),
        (format!("{base}/outcomes?documents=true"), "application/x-ndjson"),
        (format!("{base}/rejected?limit=1000"), "application/json"),
        (format!("{base}/performance"), "application/json"),
        ("/v1/failures?limit=10000".to_owned(), "application/json"),
        ("/v1/simulations?limit=10000".to_owned(), "application/json"),
    ] {
        attack.ask_and_read_nothing(&format!("{path} as {accept}"), &path, accept);
    }
}

#[test]
fn a_body_that_is_too_long_is_read_on_for_a_moment() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let made = ["token", "create", "--json", "--name", "worst", "--scope", "record"];
    let made = program.run(made).ended(0).json();
    let bearer = format!("Bearer {}", made["token"].as_str().unwrap());
    let mut service =
        Service::start(&program, &files, &["--max-body-mib", "1", "--require-tokens"]);
    service.send_header("authorization", &bearer);
    let path = format!("/v1/simulations/{}/outcomes", service.start_simulation(&["a"]));
    // More than the socket buffers hold: the client sends all of it before it reads the answer.
    let body = vec![b' '; 48 << 20];
    let json = ("content-type", "application/json");
    assert_eq!(send(&service, &path, &[json, ("authorization", &bearer)], &body), 413);
    assert_eq!(send(&service, &path, &[json], &body), 401);
    assert_eq!(send(&service, "/v1/nowhere", &[json], &body), 404);
}

#[test]
fn reasons_are_left_out_of_an_answer_that_would_be_too_long_and_verdicts_are_not() {
    const RESULTS: usize = 2_500;
    let (database, files) = (TestDatabase::new(), Files::new());
    let service = Service::start(&Program::on(&database), &files, &["--max-violations-kib", "64"]);
    let path = format!("/v1/simulations/{}/outcomes", service.start_simulation(&["a"]));
    let body: String = list("[", RESULTS, |number| violated(number, 10), "]").collect();
    let answer = service.send(Method::POST, &path, &[], body).has(200);
    assert!(answer.body.len() < (64 << 10) + RESULTS * 160, "{}", answer.body.len());
    let answer = answer.json();
    assert_eq!(answer["rejected"], RESULTS);
    let verdicts = answer["verdicts"].as_array().unwrap();
    assert_eq!(verdicts.len(), RESULTS);
    for (position, verdict) in verdicts.iter().enumerate() {
        assert_eq!(verdict["position"], position);
        assert_eq!(verdict["verdict"], "rejected");
        let listed = verdict["violations"].as_array().map_or(0, Vec::len) as u64;
        let omitted = verdict["violations_omitted"].as_u64().unwrap_or(0);
        assert_eq!(listed + omitted, 10, "{verdict}");
    }
    assert_eq!(verdicts[0]["violations"].as_array().unwrap().len(), 10);
    assert_eq!(verdicts[RESULTS - 1]["violations_omitted"], 10);
    // The stored results have all violations.
    let rejected = service.get(&path.replace("outcomes", "rejected?limit=1000")).has(200).json();
    for one in rejected["rejected"].as_array().unwrap() {
        assert_eq!(one["violations"].as_array().unwrap().len(), 10, "{one}");
    }
}

#[test]
fn pages_end_by_bytes_and_the_cursor_continues() {
    const RESULTS: usize = 60;
    let (database, files) = (TestDatabase::new(), Files::new());
    let service = Service::start(&Program::on(&database), &files, &[]);
    let base = format!("/v1/simulations/{}", service.start_simulation(&["a"]));
    let mut body = Vec::new();
    for number in 0..RESULTS {
        // One outcome exceeds a page on its own, in its document and in its message.
        let bytes = if number == RESULTS / 2 { 3 << 20 } else { 100_000 };
        let mut document = result(&format!("{number:03}"), "error", 1.0);
        document["trajectory"]["error"] = json!("é".repeat(bytes / 2));
        body.extend_from_slice(document.to_string().as_bytes());
        body.push(b'\n');
    }
    let lines = [("content-type", "application/x-ndjson")];
    service.send(Method::POST, &format!("{base}/outcomes"), &lines, body).has(200);
    for query in ["", "&documents=true", "&documents=true&trajectories=true"] {
        let (mut found, mut pages, mut cursor) = (Vec::new(), 0, String::new());
        loop {
            let path = format!("{base}/outcomes?limit=1000{query}{cursor}");
            let answer = service.get(&path).has(200);
            let page = answer.json();
            let outcomes = page["outcomes"].as_array().unwrap();
            assert!(answer.body.len() < 7 << 20 || outcomes.len() == 1, "{}", answer.body.len());
            assert!(!outcomes.is_empty(), "{path}");
            for outcome in outcomes {
                let message = outcome["error_message"].as_str().unwrap();
                assert!(
                    message.chars().all(|character| character == 'é'),
                    "the message is complete"
                );
                assert_eq!(outcome["document"].is_string(), query.contains("documents"));
                found.push(outcome["scenario_id"].as_str().unwrap().to_owned());
            }
            pages += 1;
            match page["cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let expected: Vec<String> = (0..RESULTS).map(|number| format!("{number:03}")).collect();
        assert_eq!(found, expected, "{query}");
        assert!(pages > 3, "{pages}");
    }
    // The list of all simulations' failures has truncated messages.
    let failures = service.get("/v1/failures?limit=1000").has(200).json();
    let failures = failures["failures"].as_array().unwrap();
    assert_eq!(failures.len(), RESULTS);
    for failure in failures {
        let message = failure["error_message"].as_str().unwrap();
        assert_eq!(message.chars().count(), 1_001);
        assert!(message.ends_with('…'));
    }
}
