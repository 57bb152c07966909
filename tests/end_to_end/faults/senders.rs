//! Runners that send continuously: single results, batches and streams.
//!
//! Most results that are not acknowledged are sent again until they are, as a runner does that wants its results
//! recorded; some are dropped, as by a runner that was killed itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_host::Recorder;
use arc_host::extraction::{ExtractionSettings, Extractor};
use arc_host::recorder::{ItemVerdict, SimulationStart, Submission, Verdict};
use arc_host::store::{ConnectionSettings, Store};
use reqwest::Client;
use serde_json::Value;
use uuid::Uuid;

use super::ledger::{Ledger, Way};
use super::run::Random;
use crate::support::http_client;

/// The pause before a retry.
const PAUSE: Duration = Duration::from_millis(20);

/// How long a request is retried before the test fails.
const RETRY_TIMEOUT: Duration = Duration::from_secs(120);

/// The pause after each result, and after a spooled one: real runners need time for a result, and a spool that is
/// filled at full speed never becomes empty again.
const WORK: Duration = Duration::from_millis(1);
const WORK_WHILE_SPOOLED: Duration = Duration::from_millis(5);

/// The number of connections of the direct recorder.
const CONNECTIONS: usize = 4;

/// The current address of a service.
#[derive(Clone, Debug, Default)]
pub(super) struct ServiceAddress(Arc<Mutex<String>>);

impl ServiceAddress {
    /// Returns a fixed address.
    pub(super) fn at(url: &str) -> Self {
        let place = ServiceAddress::default();
        place.set(url);
        place
    }

    pub(super) fn set(&self, url: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = url.to_owned();
    }

    fn url(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The state of each sender.
struct Common {
    ledger: Arc<Ledger>,
    stop: Arc<AtomicBool>,
    random: Random,
    number: usize,
    simulations: usize,
    results: usize,
}

impl Common {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn next_simulation(&mut self) -> Uuid {
        self.simulations += 1;
        let (number, simulation) = (self.number, self.simulations);
        format!("01920000-0000-7000-8000-{number:06x}{simulation:06x}").parse().unwrap()
    }

    /// Creates new documents of different lengths.
    fn documents(&mut self, most: u64) -> Vec<String> {
        (0..self.random.between(1, most)).map(|_| self.document()).collect()
    }

    fn document(&mut self) -> String {
        self.results += 1;
        let length = match self.random.between(0, 20) {
            0 => self.random.between(10_000, 40_000),
            _ => self.random.between(0, 1_500),
        };
        let (number, result) = (self.number, self.results);
        let text = "x".repeat(usize::try_from(length).unwrap());
        let document = format!(
            r#"{{"scenario":{{"id":"{number}-{result}"}},"trajectory":{{"status":"success","text":"{text}"}},"reliability_score":0.5}}"#
        );
        self.ledger.send(&document);
        document
    }
}

/// The acknowledgement of a document, if it has one: its id and how it was stored.
type Acknowledged = Option<(String, Way)>;

/// Notes the acknowledged documents and returns the others, after a pause for each acknowledged one.
async fn note(ledger: &Ledger, documents: Vec<String>, answers: Vec<Acknowledged>) -> Vec<String> {
    let mut answers = answers.into_iter();
    let (mut left, mut work) = (Vec::new(), Duration::ZERO);
    for document in documents {
        match answers.next().flatten() {
            Some((outcome_id, way)) => {
                ledger.acknowledge(&outcome_id, &document, way);
                work += if way == Way::Spool { WORK_WHILE_SPOOLED } else { WORK };
            }
            None => left.push(document),
        }
    }
    tokio::time::sleep(work).await;
    left
}

/// A runner that sends to a service over HTTP.
pub(super) struct ServiceSender {
    common: Common,
    place: ServiceAddress,
    client: Client,
}

impl ServiceSender {
    pub(super) fn new(
        ledger: Arc<Ledger>,
        stop: Arc<AtomicBool>,
        place: &ServiceAddress,
        random: Random,
        number: usize,
    ) -> Self {
        let common = Common { ledger, stop, random, number, simulations: 0, results: 0 };
        ServiceSender { common, place: place.clone(), client: http_client(Client::builder()) }
    }

    pub(super) async fn run(mut self) {
        while !self.common.stopped() {
            let id = self.common.next_simulation();
            let start = format!(r#"{{"simulation_id": "{id}", "scenarios": []}}"#);
            self.insist("/v1/simulations", &start).await;
            let outcomes = format!("/v1/simulations/{id}/outcomes");
            for _ in 0..self.common.random.between(5, 20) {
                self.record(&outcomes).await;
            }
            self.insist(&format!("/v1/simulations/{id}/complete"), "{}").await;
        }
    }

    /// Sends a request until the service accepts it.
    async fn insist(&self, path: &str, body: &str) {
        let since = Instant::now();
        while self.send(path, "application/json", body).await.0.is_none() {
            assert!(since.elapsed() < RETRY_TIMEOUT, "{path} was not accepted");
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn record(&mut self, path: &str) {
        let kind = self.common.random.between(0, 2);
        let mut documents = match kind {
            0 => vec![self.common.document()],
            1 => self.common.documents(20),
            _ => self.common.documents(40),
        };
        let given_up = self.common.random.between(0, 4) == 0;
        let since = Instant::now();
        loop {
            let answers = match kind {
                0 => self.send_one(path, &documents).await,
                1 => self.send_batch(path, &documents).await,
                _ => self.send_stream(path, &documents).await,
            };
            documents = note(&self.common.ledger, documents, answers).await;
            if documents.is_empty() || given_up {
                return;
            }
            assert!(since.elapsed() < RETRY_TIMEOUT, "{path}: results were not acknowledged");
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn send_one(&self, path: &str, documents: &[String]) -> Vec<Acknowledged> {
        match self.send(path, "application/json", &documents[0]).await {
            (Some(_), answer) => vec![acknowledged(&serde_json::from_str(&answer).unwrap())],
            _ => Vec::new(),
        }
    }

    async fn send_batch(&self, path: &str, documents: &[String]) -> Vec<Acknowledged> {
        let body = format!(r#"{{"results": [{}]}}"#, documents.join(","));
        match self.send(path, "application/json", &body).await {
            (Some(_), answer) => {
                let answer: Value = serde_json::from_str(&answer).unwrap();
                answer["verdicts"].as_array().unwrap().iter().map(acknowledged).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Sends a stream. Each received line is an acknowledgement, even if the rest of the answer never arrives.
    async fn send_stream(&self, path: &str, documents: &[String]) -> Vec<Acknowledged> {
        let body: String = documents.iter().map(|document| format!("{document}\n")).collect();
        let (_, answer) = self.send(path, "application/x-ndjson", &body).await;
        let mut answers: Vec<Acknowledged> = documents.iter().map(|_| None).collect();
        let whole = answer.rfind('\n').map_or("", |end| &answer[..end]);
        for line in whole.lines() {
            let line: Value = serde_json::from_str(line).expect(line);
            // The last line can be a problem document.
            if let Some(position) = line["position"].as_u64() {
                answers[usize::try_from(position).unwrap()] = acknowledged(&line);
            }
        }
        answers
    }

    /// Returns the status if the request was accepted and the whole answer arrived, and the body. Fails the test on a
    /// status that the service must not return while the fault is only outside of it.
    async fn send(&self, path: &str, kind: &str, body: &str) -> (Option<u16>, String) {
        let url = format!("{}{path}", self.place.url());
        let request = self.client.post(url).header("content-type", kind).body(body.to_owned());
        let Ok(mut response) = request.send().await else { return (None, String::new()) };
        let status = response.status().as_u16();
        let mut bytes = Vec::new();
        let whole = loop {
            match response.chunk().await {
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        let answer = String::from_utf8_lossy(&bytes).into_owned();
        match status {
            200 | 202 => (whole.then_some(status), answer),
            408 | 429 | 503 | 504 => (None, String::new()),
            _ => panic!("{path}: {status} {answer}"),
        }
    }
}

/// Returns the acknowledgement in a verdict of a service.
fn acknowledged(verdict: &Value) -> Acknowledged {
    let way = match verdict["verdict"].as_str().unwrap() {
        "stored" | "duplicate" => Way::Service,
        "spooled" => Way::Spool,
        "failed" => {
            assert_eq!(verdict["retryable"], true, "{verdict}");
            return None;
        }
        _ => panic!("{verdict}"),
    };
    Some((verdict["outcome_id"].as_str().unwrap().to_owned(), way))
}

/// Returns the acknowledgement in a verdict of a recorder in this process.
pub(super) fn acknowledged_directly(item: &ItemVerdict) -> Acknowledged {
    let way = match &item.verdict {
        Verdict::Stored | Verdict::Duplicate => Way::Direct,
        Verdict::Spooled => Way::Spool,
        Verdict::Failed { kind, .. } if kind.may_retry() => return None,
        other => panic!("{other:?}"),
    };
    Some((item.outcome_id.to_string(), way))
}

/// Creates a recorder in this process, on a database that can be unavailable at the moment.
pub(super) fn direct_recorder(url: &str) -> Recorder {
    let extractor = Extractor::built_in(&ExtractionSettings::default()).unwrap();
    let settings = ConnectionSettings::from_url_alone(url).unwrap();
    Recorder::when_reachable(extractor, Store::with_settings(&settings, CONNECTIONS).unwrap())
}

/// A runner that records directly into the database.
pub(super) struct DirectSender {
    common: Common,
    recorder: Recorder,
}

impl DirectSender {
    pub(super) fn new(
        ledger: Arc<Ledger>,
        stop: Arc<AtomicBool>,
        recorder: Recorder,
        random: Random,
        number: usize,
    ) -> Self {
        let common = Common { ledger, stop, random, number, simulations: 0, results: 0 };
        DirectSender { common, recorder }
    }

    pub(super) async fn run(self) {
        let DirectSender { common, recorder } = self;
        let start = |start| {
            let recorder = recorder.clone();
            async move { recorder.start_simulation(start).await.map(drop) }
        };
        let record = |id, submissions| recorder.record_batch(id, submissions);
        send_calls(common, start, record).await;
    }
}

/// Sends with calls in this process, through any recorder.
pub(super) async fn send_with<S, R>(
    (ledger, stop, random, number): (Arc<Ledger>, Arc<AtomicBool>, Random, usize),
    start: impl Fn(SimulationStart) -> S,
    record: impl Fn(Uuid, Vec<Submission>) -> R,
) where
    S: Future<Output = arc_host::Result<()>>,
    R: Future<Output = arc_host::Result<Vec<ItemVerdict>>>,
{
    let common = Common { ledger, stop, random, number, simulations: 0, results: 0 };
    send_calls(common, start, record).await;
}

async fn send_calls<S, R>(
    mut common: Common,
    start: impl Fn(SimulationStart) -> S,
    record: impl Fn(Uuid, Vec<Submission>) -> R,
) where
    S: Future<Output = arc_host::Result<()>>,
    R: Future<Output = arc_host::Result<Vec<ItemVerdict>>>,
{
    while !common.stopped() {
        let id = common.next_simulation();
        let begin = SimulationStart {
            simulation_id: Some(id),
            config_version_id: "faults".to_owned(),
            scenarios: "[]".to_owned(),
            ..SimulationStart::default()
        };
        let since = Instant::now();
        while let Err(error) = start(begin.clone()).await {
            assert!(error.retryable() && since.elapsed() < RETRY_TIMEOUT, "{error}");
            tokio::time::sleep(PAUSE).await;
        }
        for _ in 0..common.random.between(5, 20) {
            let mut documents = match common.random.between(0, 1) {
                0 => vec![common.document()],
                _ => common.documents(80),
            };
            let given_up = common.random.between(0, 4) == 0;
            let since = Instant::now();
            loop {
                let submissions = documents.iter().map(Submission::new).collect();
                let answers = match record(id, submissions).await {
                    Ok(verdicts) => verdicts.iter().map(acknowledged_directly).collect(),
                    Err(error) => {
                        assert!(error.retryable(), "{error}");
                        Vec::new()
                    }
                };
                documents = note(&common.ledger, documents, answers).await;
                if documents.is_empty() || given_up {
                    break;
                }
                assert!(since.elapsed() < RETRY_TIMEOUT, "results were not acknowledged");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
