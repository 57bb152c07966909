//! A run of one test: rounds, moments, the final check, and the summary line.

use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::ledger::{Count, Ledger, Way};
use super::senders::{DirectSender, ServiceAddress, ServiceSender, direct_recorder};
use crate::support::{DatabaseServer, Files, Program, Service, at_exit, print_uncaptured};

/// How long the senders have to finish what they have begun.
const ENDING: Duration = Duration::from_secs(120);

/// Random numbers from a seed (SplitMix64).
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number between two others, both included.
    pub(super) fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.next() % (most - least + 1)
    }

    /// Returns an independent generator, for another task.
    pub(super) fn branch(&mut self) -> Self {
        Random(self.next())
    }
}

/// A run, which prints its summary line when it is dropped.
#[derive(Debug)]
pub(super) struct Run {
    name: &'static str,
    seed: u64,
    rounds: u64,
    begun: Instant,
    count: Option<Count>,
    stuck: u64,
    pub(super) random: Random,
    pub(super) ledger: Arc<Ledger>,
    runtime: Runtime,
    stop: Arc<AtomicBool>,
    senders: Vec<JoinHandle<()>>,
}

impl Run {
    /// Begins a run; `name` is its name in the summary line.
    pub(super) fn begin(name: &'static str) -> Self {
        let seed = number_of("ARC_TEST_FAULT_SEED");
        let seed = seed.unwrap_or_else(|| RandomState::new().hash_one(name) >> 32);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        Run {
            name,
            seed,
            rounds: 0,
            begun: Instant::now(),
            count: None,
            stuck: 0,
            random: Random::new(seed),
            ledger: Arc::default(),
            runtime,
            stop: Arc::default(),
            senders: Vec::new(),
        }
    }

    /// Returns the number of rounds: this many, unless the environment sets another number.
    pub(super) fn rounds(by_default: u64) -> u64 {
        number_of("ARC_TEST_FAULT_ROUNDS").unwrap_or(by_default)
    }

    /// Counts a finished round.
    pub(super) fn count_round(&mut self) {
        self.rounds += 1;
    }

    /// Returns the runtime of the test's asynchronous parts.
    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Starts runners that send to a service continuously.
    pub(super) fn send_to_service(&mut self, place: &ServiceAddress, runners: usize) {
        for _ in 0..runners {
            let number = self.senders.len();
            let (ledger, stop) = (Arc::clone(&self.ledger), Arc::clone(&self.stop));
            let sender = ServiceSender::new(ledger, stop, place, self.random.branch(), number);
            self.senders.push(self.runtime.spawn(sender.run()));
        }
    }

    /// Starts runners that record directly into the database continuously, all with one recorder.
    pub(super) fn send_directly(&mut self, url: &str, runners: usize) {
        let recorder = self.runtime.block_on(async { direct_recorder(url) });
        for _ in 0..runners {
            let number = self.senders.len();
            let (ledger, stop) = (Arc::clone(&self.ledger), Arc::clone(&self.stop));
            let recorder = recorder.clone();
            let sender = DirectSender::new(ledger, stop, recorder, self.random.branch(), number);
            self.senders.push(self.runtime.spawn(sender.run()));
        }
    }

    /// Starts another sender, which ends when the stop flag is set.
    pub(super) fn send_otherwise<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        sender: impl FnOnce(Arc<Ledger>, Arc<AtomicBool>, Random, usize) -> F,
    ) {
        let (ledger, stop) = (Arc::clone(&self.ledger), Arc::clone(&self.stop));
        let sending = sender(ledger, stop, self.random.branch(), self.senders.len());
        self.senders.push(self.runtime.spawn(sending));
    }

    /// Waits until a random number of results was acknowledged in one of these ways.
    #[track_caller]
    pub(super) fn wait(&mut self, ways: &[Way]) {
        let more = self.random.between(1, 150);
        self.ledger.wait(ways, more);
    }

    /// Lets the senders finish what they have begun.
    pub(super) fn end_senders(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for sender in std::mem::take(&mut self.senders) {
            let ended = self.runtime.block_on(async { tokio::time::timeout(ENDING, sender).await });
            ended.expect("the sender ends in time").expect("the sender does not panic");
        }
    }

    /// Waits until the spool of a service is delivered, and counts the remaining entries.
    pub(super) fn settle(&mut self, host: &Host) {
        self.stuck += host.settle();
    }

    /// Compares the acknowledged results with the database: all of them are stored once.
    pub(super) fn check(mut self, server: &DatabaseServer) {
        let count = self.ledger.compare(server);
        self.check_count(count);
    }

    /// Checks a count that was made in another way.
    pub(super) fn check_count(&mut self, count: Count) {
        let count = Count { stuck: count.stuck + self.stuck, ..count };
        self.count = Some(count);
        assert!(count.acknowledged > 0, "something was acknowledged");
        let Count { lost, twice, altered, stuck, .. } = count;
        assert_eq!((lost, twice, altered, stuck), (0, 0, 0, 0), "{count:?}, seed {}", self.seed);
    }
}

/// The number in a variable of the environment, if it is set.
fn number_of(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("{variable} is {text:?}: {error}")))
}

impl Drop for Run {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let failed = std::thread::panicking();
        let count = self.count.unwrap_or_default();
        let mut line = sentence(self.name, self.rounds, &count);
        if self.count.is_none() {
            // The losses are unknown.
            let (rounds, sent) = (thousands(self.rounds), thousands(self.ledger.acknowledged()));
            let name = self.name;
            line = format!("faults: {name}: {rounds} rounds, {sent} acknowledged, not compared");
        }
        if failed {
            line.push_str(": FAILED");
        }
        let seconds = self.begun.elapsed().as_secs_f64();
        print_uncaptured(&format!(
            "{line} ({} spooled, {} never acknowledged; {seconds:.0} s, seed {})",
            thousands(count.spooled),
            thousands(count.unknown),
            self.seed
        ));
        add(self.rounds, &count, failed);
    }
}

/// Adds a run to the total, which is printed when the process ends.
fn add(rounds: u64, count: &Count, failed: bool) {
    static REPORT: Once = Once::new();
    at_exit(&REPORT, print_total);
    let mut total = TOTAL.lock().unwrap_or_else(PoisonError::into_inner);
    total.ended += 1;
    total.failed += usize::from(failed);
    total.rounds += rounds;
    total.acknowledged += count.acknowledged;
    total.lost += count.lost;
    total.twice += count.twice;
    total.altered += count.altered;
    total.stuck += count.stuck;
}

extern "C" fn print_total() {
    let total = TOTAL.lock().unwrap_or_else(PoisonError::into_inner);
    let sum = Count {
        acknowledged: total.acknowledged,
        lost: total.lost,
        twice: total.twice,
        altered: total.altered,
        stuck: total.stuck,
        ..Count::default()
    };
    let failed = match total.failed {
        0 => String::new(),
        some => format!(", {some} FAILED"),
    };
    let all = sentence("all", total.rounds, &sum);
    print_uncaptured(&format!("{all} ({} tests{failed})", total.ended));
}

/// The total of all runs of this process.
struct Total {
    ended: usize,
    failed: usize,
    rounds: u64,
    acknowledged: u64,
    lost: u64,
    twice: u64,
    altered: u64,
    stuck: u64,
}

static TOTAL: Mutex<Total> = Mutex::new(Total {
    ended: 0,
    failed: 0,
    rounds: 0,
    acknowledged: 0,
    lost: 0,
    twice: 0,
    altered: 0,
    stuck: 0,
});

fn sentence(name: &str, rounds: u64, count: &Count) -> String {
    format!(
        "faults: {name}: {} rounds, {} acknowledged, {} lost, {} twice, {} altered, {} stuck",
        thousands(rounds),
        thousands(count.acknowledged),
        thousands(count.lost),
        thousands(count.twice),
        thousands(count.altered),
        thousands(count.stuck)
    )
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// The service under test, which can be killed and started again.
#[derive(Debug)]
pub(super) struct Host {
    program: Program,
    /// Dropped before the files, which contain its log.
    service: Option<Service>,
    files: Files,
    spool: PathBuf,
    place: ServiceAddress,
}

impl Host {
    /// Starts a service with the database of this URL.
    pub(super) fn start(url: &str) -> Self {
        let files = Files::new();
        let spool = files.path("spool");
        Host::begin(url, files, spool)
    }

    /// Starts a service with its spool in this folder.
    pub(super) fn start_with_spool(url: &str, spool: &Path) -> Self {
        Host::begin(url, Files::new(), spool.to_owned())
    }

    fn begin(url: &str, files: Files, spool: PathBuf) -> Self {
        let program = Program::with_url(url);
        let mut host =
            Host { program, files, service: None, spool, place: ServiceAddress::default() };
        host.resume();
        host
    }

    /// Returns its current address, which is updated at each start.
    pub(super) fn place(&self) -> &ServiceAddress {
        &self.place
    }

    /// Returns the folder of its spool.
    pub(super) fn spool(&self) -> &Path {
        &self.spool
    }

    /// Returns the command line, with the database of the service.
    pub(super) fn program(&self) -> &Program {
        &self.program
    }

    /// Returns the service, which must be running.
    pub(super) fn service(&self) -> &Service {
        self.service.as_ref().expect("it runs")
    }

    /// Kills it with SIGKILL.
    pub(super) fn kill(&mut self) {
        if let Some(mut service) = self.service.take() {
            service.kill();
        }
    }

    /// Stops it as an operator does.
    pub(super) fn stop(&mut self) {
        if let Some(service) = self.service.take() {
            assert_eq!(service.stop(), Some(0));
        }
    }

    /// Starts it again with the same spool.
    pub(super) fn resume(&mut self) {
        let spool = self.spool.display().to_string();
        let options = ["--spool-dir", spool.as_str(), "--log-level", "info"];
        let service = Service::start_with(&self.program, &self.files.path("service.log"), &options);
        self.place.set(service.url());
        self.service = Some(service);
    }

    /// Returns the spool's state as its health reports it.
    pub(super) fn spool_state(&self) -> Value {
        let health = self.service().get("/v1/health").has(200).json();
        assert!(health["spool"].is_object(), "{health}");
        health["spool"].clone()
    }

    /// Waits until the spool is delivered, for as long as it shrinks. Returns the number of remaining entries and dead
    /// letters.
    pub(super) fn settle(&self) -> u64 {
        let count = |state: &Value| {
            ["depth", "dead_letters"]
                .map(|member| state[member].as_u64().unwrap())
                .iter()
                .sum::<u64>()
        };
        let (mut left, mut since) = (count(&self.spool_state()), Instant::now());
        while left > 0 && since.elapsed() < ENDING {
            std::thread::sleep(Duration::from_millis(20));
            let now = count(&self.spool_state());
            if now < left {
                (left, since) = (now, Instant::now());
            }
        }
        left
    }
}
