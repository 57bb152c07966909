//! Measures the cost of HTTP: the service in a separate process against the recorder in this one.
//!
//! `cargo bench --bench service [-- SECONDS [BYTES]]` starts a PostgreSQL of its own with default
//! durability (fsync on) and prints ratios; absolute figures depend on the machine, and the clients
//! share it. For documents of 8.7 KB it measures
//!
//! - the recorder in this process, in batches of 1,000;
//! - the same documents as a stream of lines over one connection, and over two;
//! - 64 connections that send single results: the rate, and the time of each;
//! - the memory of the service with 1,000 open connections that have each received an answer;
//! - the time of `/health/live` while the longest results, configurations and compressed bodies are
//!   sent (it should be below 100 ms at p99), and the peak memory of the service.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a failing measurement panics, and the figures are printed"
)]

/// The program's allocator, for both sides.
#[path = "../src/allocator.rs"]
mod allocator;
mod support;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_host::Recorder;
use arc_host::extraction::{ExtractionSettings, Extractor};
use arc_host::recorder::{Submission, Verdict, new_simulation_id};
use futures_util::StreamExt as _;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_postgres::Client;
use uuid::Uuid;

use support::documents::document;
use support::{BenchDatabase, new_simulation};

const BATCH: usize = 1_000;

/// Connections that send single results.
const SENDERS: usize = 64;

/// The number of rounds, in each of which every way runs once.
const ROUNDS: usize = 5;

/// Connections that are open while the memory is read.
const OPEN: usize = 1_000;

#[tokio::main]
async fn main() {
    allocator::return_memory_soon();
    let numbers: Vec<f64> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let seconds = numbers.first().copied().unwrap_or(10.0);
    let bytes = numbers.get(1).map_or(8_700, |bytes| *bytes as usize);
    let database = BenchDatabase::start().await;
    let extractor = Extractor::built_in(&ExtractionSettings::default()).unwrap();
    let bench = Bench {
        recorder: Recorder::new(extractor, database.store(8)).await.unwrap(),
        admin: database.connect().await,
        service: Service::start(&database.url()),
    };
    let version = database.version();
    println!("PostgreSQL {version}, default durability, {seconds} s for each figure\n");
    let batches =
        ((seconds / ROUNDS as f64 * 12_000.0 * 8_700.0 / bytes.max(3_000) as f64) as usize / BATCH)
            .clamp(4, 200);
    let documents: Arc<Vec<String>> =
        Arc::new((0..batches * BATCH).map(|number| document(number, bytes)).collect());
    println!(
        "documents of {:.1} KB, {batches} batches of {BATCH}",
        documents[0].len() as f64 / 1e3
    );

    // The ways alternate: a disk or another process that is slow for a moment slows one round only.
    // Each figure is the median of the rounds, and each ratio compares figures of the same round.
    let share = Duration::from_secs_f64(seconds / ROUNDS as f64);
    let mut rounds = Rounds::default();
    let mut times = Vec::new();
    let before = bench.service.transactions().await;
    let mut streamed = 0.0;
    for _ in 0..ROUNDS {
        let inside = bench.batches(&documents).await;
        let begun = bench.service.transactions().await;
        let one = bench.streams(&documents, 1).await;
        let two = bench.streams(&documents, 2).await;
        streamed += bench.service.transactions().await - begun;
        let (single, some) = bench.singles(&documents, share).await;
        times.extend(some);
        rounds.add([inside, one, two, single]);
    }
    rounds.print();
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "    single results: median {:.1} ms, p99 {:.1} ms, longest {:.1} ms",
        at(0.5),
        at(0.99),
        at(1.0)
    );
    let transactions = bench.service.transactions().await - before - streamed;
    println!("    {:.1} of them a transaction", times.len() as f64 / transactions);
    let before = bench.service.resident_mib();
    let open = bench.open(OPEN).await;
    println!(
        "  resident after all of this       {before:>8.0} MiB, with {} connections open {:.0} MiB",
        open.len(),
        bench.service.resident_mib()
    );
    drop(open);
    let fresh = Service::start(&database.url());
    let open = fresh.open(OPEN).await;
    println!("  resident, fresh, {} connections open {:.0} MiB", open.len(), fresh.resident_mib());
    drop(open);
    let mut times = bench.liveness_under_load(&fresh, Duration::from_secs_f64(seconds)).await;
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "  /health/live under the worst load: median {:.1} ms, p99 {:.1} ms, longest {:.1} ms; {:.0} MiB",
        at(0.5),
        at(0.99),
        at(1.0),
        fresh.memory_mib("VmHWM:")
    );
}

/// The figures of all ways, a row for each round.
#[derive(Default)]
struct Rounds {
    rates: Vec<[f64; 4]>,
}

impl Rounds {
    fn add(&mut self, rates: [f64; 4]) {
        self.rates.push(rates);
    }

    fn print(&self) {
        let ways = [
            "in process, batches".to_owned(),
            "stream, 1 connection".to_owned(),
            "streams, 2 connections".to_owned(),
            format!("one by one, {SENDERS} connections"),
        ];
        for (place, way) in ways.iter().enumerate() {
            let rate = sorted(self.rates.iter().map(|rates| rates[place]));
            let ratio = sorted(self.rates.iter().map(|rates| rates[place] / rates[0]));
            println!(
                "  {way:<28} {:>8.0} results/s  {:>5.2} x in process ({:.2} to {:.2})",
                rate[ROUNDS / 2],
                ratio[ROUNDS / 2],
                ratio[0],
                ratio[ROUNDS - 1]
            );
        }
    }
}

fn sorted(numbers: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_unstable_by(f64::total_cmp);
    numbers
}

struct Bench {
    recorder: Recorder,
    admin: Client,
    service: Service,
}

/// The service in a separate process.
struct Service {
    child: Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl Service {
    fn start(database: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_arc-host"))
            .args(["serve", "--json", "--listen", "127.0.0.1:0", "--log-level", "warn"])
            .arg("--spool-dir")
            .arg(folder.path())
            .args(["--database-url", database])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: serde_json::Value = serde_json::from_str(&line).unwrap();
        let url = said["listening"][0].as_str().unwrap();
        let address = url.trim_start_matches("http://").to_owned();
        Service { child, address, _folder: folder }
    }

    async fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// Opens connections that have each received an answer.
    async fn open(&self, count: usize) -> Vec<TcpStream> {
        let mut open = Vec::new();
        for _ in 0..count {
            let mut stream = self.connect().await;
            stream.write_all(b"GET /v1/health HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
            let mut answer = [0; 4_096];
            let length = stream.read(&mut answer).await.unwrap();
            assert!(answer[..length].starts_with(b"HTTP/1.1 200"));
            open.push(stream);
        }
        open
    }

    /// Returns how many transactions have stored results.
    async fn transactions(&self) -> f64 {
        let mut stream = self.connect().await;
        let request = b"GET /v1/stats HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let body = answer.split("\r\n\r\n").nth(1).unwrap();
        let metrics: serde_json::Value = serde_json::from_str(body).unwrap();
        metrics["transactions"].as_f64().unwrap()
    }

    fn resident_mib(&self) -> f64 {
        self.memory_mib("VmRSS:")
    }

    fn memory_mib(&self, name: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib / 1_024.0
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Bench {
    async fn start(&self) -> Uuid {
        self.admin
            .batch_execute("TRUNCATE arc_recorder.outcomes, arc_recorder.documents; CHECKPOINT")
            .await
            .unwrap();
        let simulation_id = new_simulation_id();
        let new = new_simulation(simulation_id);
        self.recorder.start_planned(&new, std::iter::empty()).await.unwrap();
        simulation_id
    }

    async fn batches(&self, documents: &[String]) -> f64 {
        let simulation_id = self.start().await;
        let begun = Instant::now();
        let batches = futures_util::stream::iter(documents.chunks(BATCH)).map(|chunk| async move {
            let submissions = chunk.iter().map(Submission::new).collect();
            let verdicts = self.recorder.record_batch(simulation_id, submissions).await.unwrap();
            assert!(verdicts.iter().all(|item| item.verdict == Verdict::Stored));
        });
        batches.buffered(3).collect::<Vec<()>>().await;
        documents.len() as f64 / begun.elapsed().as_secs_f64()
    }

    /// Sends the documents as lines, divided among connections; returns the rate.
    async fn streams(&self, documents: &Arc<Vec<String>>, connections: usize) -> f64 {
        let simulation_id = self.start().await;
        let begun = Instant::now();
        let share = documents.len().div_ceil(connections);
        let mut tasks = Vec::new();
        for number in 0..connections {
            let stream = self.service.connect().await;
            let documents = Arc::clone(documents);
            tasks.push(tokio::spawn(async move {
                let own = &documents[number * share..documents.len().min((number + 1) * share)];
                let length: usize = own.iter().map(|document| document.len() + 1).sum();
                let (reading, mut writing) = stream.into_split();
                let head = format!(
                    "POST /v1/simulations/{simulation_id}/outcomes HTTP/1.1\r\nhost: localhost\r\n\
                     connection: close\r\ncontent-type: application/x-ndjson\r\n\
                     content-length: {length}\r\n\r\n"
                );
                let sending = async {
                    writing.write_all(head.as_bytes()).await.unwrap();
                    // In pieces, as a client that reads a file sends them.
                    let mut piece = Vec::with_capacity(300_000);
                    for document in own {
                        piece.extend_from_slice(document.as_bytes());
                        piece.push(b'\n');
                        if piece.len() > 256 << 10 {
                            writing.write_all(&piece).await.unwrap();
                            piece.clear();
                        }
                    }
                    writing.write_all(&piece).await.unwrap();
                };
                let answered = async {
                    let mut lines = tokio::io::BufReader::new(reading).lines();
                    let mut stored = 0;
                    while let Some(line) = lines.next_line().await.unwrap() {
                        stored += usize::from(line.contains("\"stored\""));
                    }
                    assert_eq!(stored, own.len());
                };
                tokio::join!(sending, answered);
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        documents.len() as f64 / begun.elapsed().as_secs_f64()
    }

    /// Sends results one by one: returns the rate, and the sorted times.
    async fn singles(&self, documents: &Arc<Vec<String>>, time: Duration) -> (f64, Vec<Duration>) {
        let simulation_id = self.start().await;
        let mut streams = Vec::new();
        for _ in 0..SENDERS {
            streams.push(self.service.connect().await);
        }
        let begun = Instant::now();
        let tasks: Vec<_> = streams
            .into_iter()
            .enumerate()
            .map(|(number, mut stream)| {
                let documents = Arc::clone(documents);
                tokio::spawn(async move {
                    let (mut times, mut request) = (Vec::new(), Vec::new());
                    let mut answer = [0; 2_048];
                    for document in documents.iter().skip(number).step_by(SENDERS) {
                        let sent = Instant::now();
                        if sent - begun > time {
                            break;
                        }
                        request.clear();
                        let head = format!(
                            "POST /v1/simulations/{simulation_id}/outcomes HTTP/1.1\r\n\
                             host: localhost\r\ncontent-type: application/json\r\n\
                             content-length: {}\r\n\r\n",
                            document.len()
                        );
                        request.extend_from_slice(head.as_bytes());
                        request.extend_from_slice(document.as_bytes());
                        stream.write_all(&request).await.unwrap();
                        // An answer is short, and arrives in one piece.
                        let length = stream.read(&mut answer).await.unwrap();
                        let text = std::str::from_utf8(&answer[..length]).unwrap();
                        assert!(
                            text.starts_with("HTTP/1.1 200") && text.contains("stored"),
                            "{text}"
                        );
                        times.push(sent.elapsed());
                    }
                    times
                })
            })
            .collect();
        let mut times = Vec::new();
        for task in tasks {
            times.extend(task.await.unwrap());
        }
        let rate = times.len() as f64 / begun.elapsed().as_secs_f64();
        times.sort_unstable();
        (rate, times)
    }

    async fn open(&self, count: usize) -> Vec<TcpStream> {
        self.service.open(count).await
    }

    /// Returns the times of requests for `/health/live` while bodies of the maximum length are sent to
    /// the service.
    async fn liveness_under_load(&self, service: &Service, time: Duration) -> Vec<Duration> {
        let simulation_id = self.start().await;
        let outcomes = format!("/v1/simulations/{simulation_id}/outcomes");
        let long = format!(
            "{{\"scenario\": {{\"id\": \"a\"}}, \"trajectory\": {{\"status\": \"error\", \"error\": \"{}\"}}}}",
            "e".repeat(15 << 20)
        );
        let configuration = format!("{{\"name\": \"a\", \"config\": [0{}]}}", ",0".repeat(520_000));
        let many = format!("[{{}}{}]", ",{}".repeat(99_999));
        let bodies = [
            (outcomes.clone(), "application/octet-stream", long),
            ("/v1/configurations".to_owned(), "application/json", configuration),
            (outcomes, "application/json", many),
        ];
        let until = Instant::now() + time;
        let mut tasks = Vec::new();
        for (path, kind, body) in bodies {
            let request = format!(
                "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
                 content-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let request = Arc::new(request.into_bytes());
            for _ in 0..2 {
                let (address, request) = (service.address.clone(), Arc::clone(&request));
                tasks.push(tokio::spawn(async move {
                    while Instant::now() < until {
                        let mut stream = TcpStream::connect(&address).await.unwrap();
                        // A body that does not fit into the memory budget is refused, possibly before
                        // its end.
                        let _ = stream.write_all(&request).await;
                        let _ = stream.read_to_end(&mut Vec::new()).await;
                    }
                }));
            }
        }
        let mut times = Vec::new();
        while Instant::now() < until {
            let asked = Instant::now();
            let mut stream = service.connect().await;
            let request =
                b"GET /health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
            stream.write_all(request).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            times.push(asked.elapsed());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for task in tasks {
            task.await.unwrap();
        }
        times
    }
}
