//! A spool in the process of a client, in front of a service or a database.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use arc_host::Recorder;
use arc_host::client::{ClientSettings, ServiceClient};
use arc_host::delivery::{Delivery, Destination, replay_spool};
use arc_host::extraction::{ExtractionLimits, ExtractionSettings, Extractor};
use arc_host::recorder::{FailureKind, ReceivedResult, SimulationStart, Submission, Verdict};
use arc_host::spool::{Entry, EntryFilter, Spool, SpoolSettings, SpooledCall};
use arc_host::store::NewSimulation;
use uuid::Uuid;

use crate::support::{DEADLINE, Files, Program, Service, TestDatabase, result};

fn spool(files: &Files) -> Spool {
    let folder = files.path("client-spool");
    Spool::open(&SpoolSettings { folder, limit_bytes: 64 << 20 }).unwrap()
}

fn client(service: &Service) -> Destination {
    let settings = ClientSettings { url: service.url().to_owned(), token: None, compress: None };
    Destination::Service(ServiceClient::new(&settings).unwrap())
}

/// Returns a result of a simulation.
fn entry(simulation_id: Uuid) -> Entry {
    let submission = Submission::new(result("a", "success", 1.0).to_string());
    let received_at = jiff::Timestamp::now();
    let result = ReceivedResult::new(simulation_id, received_at, submission);
    let call = SpooledCall::Result { simulation_id, result };
    Entry { spooled_at: jiff::Timestamp::now(), call }
}

async fn wait_until(what: &str, good: impl Fn() -> bool) {
    let waited = tokio::time::timeout(DEADLINE, async {
        while !good() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("{what}"));
}

/// Runs an asynchronous test on a runtime of its own.
fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Runtime::new().unwrap().block_on(test);
}

#[test]
fn results_of_a_simulation_that_a_service_does_not_know_yet_wait_for_its_start() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let service = Service::start(&Program::on(&database), &files, &[]);
    let id = "01920000-0000-7000-8000-0000000000aa";
    let (spool, destination) = (spool(&files), client(&service));
    let simulation_id: Uuid = id.parse().unwrap();
    run(async {
        spool.append(vec![entry(simulation_id)]).await.unwrap();
        let delivery = Delivery::with_spool(destination, spool.clone());
        wait_until("it is held", || delivery.held_simulations() == 1).await;
        let state = spool.state();
        assert_eq!((state.depth, state.dead_letters), (1, 0));
        // Another service, which has the simulation's start, records it in the database.
        let start = serde_json::json!({"simulation_id": id, "scenarios": [{"id": "a"}]});
        tokio::task::block_in_place(|| service.post("/v1/simulations", &start).has(200));
        wait_until("it is delivered", || spool.state().depth == 0).await;
        assert_eq!(spool.state().dead_letters, 0);
        delivery.close().await;
    });
    assert_eq!(database.count("SELECT count(*) FROM arc_recorder.outcomes"), 1);
}

#[test]
fn a_result_that_gets_no_verdict_in_time_is_no_sign_that_the_database_is_unavailable() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let store = database.store();
    run(async {
        // The component loops when the document requests it, and only the deadline ends it.
        let limits = ExtractionLimits {
            deadline: Duration::from_millis(50),
            fuel: u64::MAX,
            fuel_most: u64::MAX,
            ..ExtractionLimits::default()
        };
        let settings = ExtractionSettings { limits, cache_dir: None };
        let component = std::fs::read(env!("ARC_HOSTILE_FORMAT")).unwrap();
        let extractor = Extractor::from_component(&component, &settings).unwrap();
        let recorder = Recorder::new(extractor, store).await.unwrap();
        let spool = spool(&files);
        let delivery = Delivery::with_spool(Destination::Database(recorder.clone()), spool.clone());
        let start = SimulationStart {
            simulation_id: Some(Uuid::from_u128(1)),
            config_version_id: "none".to_owned(),
            modal_environment: Some("test".to_owned()),
            ..SimulationStart::default()
        };
        let new = NewSimulation::new(start, 0, [0; 32]);
        recorder.start_planned(&new, std::iter::empty()).await.unwrap();
        let results = [r#"{"id": "a", "do": "loop"}"#, r#"{"id": "b"}"#].map(Submission::new);
        let verdicts = delivery.record_batch(new.simulation_id, results.to_vec()).await.unwrap();
        let Verdict::Failed { kind: FailureKind::Timeout, message, hint } = &verdicts[0].verdict
        else {
            panic!("{verdicts:?}")
        };
        assert!(message.contains("deadline") && !message.contains("try again"), "{message}");
        assert_eq!(hint.as_deref(), Some("try again, or raise the deadline"));
        assert_eq!(verdicts[1].verdict, Verdict::Stored);
        assert_eq!((delivery.unavailable_reason(), spool.state().depth), (None, 0));
        delivery.close().await;

        // Such a result in a spool is dead-lettered, and does not delay others.
        let folder = files.path("another-spool");
        let spool = Spool::open(&SpoolSettings { folder, limit_bytes: 64 << 20 }).unwrap();
        let [late, _] = results;
        let simulation_id = new.simulation_id;
        let result = ReceivedResult::new(simulation_id, jiff::Timestamp::now(), late);
        let call = SpooledCall::Result { simulation_id, result };
        spool.append(vec![Entry { spooled_at: jiff::Timestamp::now(), call }]).await.unwrap();
        let destination = Destination::Database(recorder.clone());
        let stop = AtomicBool::new(false);
        let replayed = replay_spool(&destination, &spool, &stop, |_| {}).await.unwrap();
        assert_eq!((replayed.dead_letters, spool.state().depth), (1, 0));
        recorder.close().await;
    });
}

#[test]
fn entries_that_fail_are_skipped_and_kept_when_draining_by_hand() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let store = database.store();
    let (stuck, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
    // An error that is not caused by the row.
    database.execute(&format!(
        "CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION 'a fault' USING ERRCODE = 'XX001'; END $$;
         CREATE TRIGGER fails BEFORE INSERT ON arc_recorder.outcomes FOR EACH ROW
         WHEN (NEW.simulation_id = '{stuck}') EXECUTE FUNCTION fails()"
    ));
    run(async {
        let extractor = Extractor::built_in(&ExtractionSettings::default()).unwrap();
        let recorder = Recorder::new(extractor, store).await.unwrap();
        let spool = spool(&files);
        for simulation_id in [stuck, other] {
            let start = SimulationStart {
                simulation_id: Some(simulation_id),
                scenarios: "[]".to_owned(),
                ..SimulationStart::default()
            };
            recorder.start_simulation(start).await.unwrap();
            spool.append(vec![entry(simulation_id)]).await.unwrap();
        }
        let destination = Destination::Database(recorder.clone());
        let stop = AtomicBool::new(false);
        let mut recorded = 0;
        let replayed =
            replay_spool(&destination, &spool, &stop, |total| recorded = total.recorded).await;
        assert!(replayed.unwrap_err().to_string().contains("a fault"));
        let state = spool.state();
        assert_eq!((recorded, state.depth, state.dead_letters), (1, 1, 0));
        let mend = "DROP TRIGGER fails ON arc_recorder.outcomes";
        recorder.store().execute_sql(mend, &[]).await.unwrap();
        let replayed = replay_spool(&destination, &spool, &stop, |_| {}).await.unwrap();
        assert_eq!((replayed.recorded, spool.state().depth), (1, 0));
        recorder.close().await;
        spool.close().await;
    });
}

/// A port in front of a service that changes the host name of requests to one that the service does
/// not accept.
struct OtherName {
    url: String,
    is_on: Arc<AtomicBool>,
    /// The number of requests with the changed name.
    requests: Arc<AtomicUsize>,
}

impl OtherName {
    fn before(service: &Service) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let target = service.url().trim_start_matches("http://").to_owned();
        let (is_on, requests) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
        let url = format!("http://{host}");
        let named = OtherName { url, is_on: Arc::clone(&is_on), requests: Arc::clone(&requests) };
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (mut client, mut server) =
                    (client.unwrap(), TcpStream::connect(&target).unwrap());
                let (mut answers, mut to_client) =
                    (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut answers, &mut to_client);
                    let _ = to_client.shutdown(std::net::Shutdown::Both);
                });
                let (is_on, requests, host) =
                    (Arc::clone(&is_on), Arc::clone(&requests), host.clone());
                std::thread::spawn(move || {
                    let mut part = vec![0; 64 << 10];
                    while let Ok(bytes @ 1..) = client.read(&mut part) {
                        let mut sent = part[..bytes].to_vec();
                        let found = sent.windows(host.len()).position(|at| at == host.as_bytes());
                        if let (true, Some(at)) = (is_on.load(Ordering::SeqCst), found) {
                            drop(sent.splice(at..at + host.len(), *b"page.example"));
                            requests.fetch_add(1, Ordering::SeqCst);
                        }
                        if server.write_all(&sent).is_err() {
                            break;
                        }
                    }
                    let _ = server.shutdown(std::net::Shutdown::Both);
                });
            }
        });
        named
    }
}

#[test]
fn a_service_that_does_not_answer_to_the_name_of_its_host_makes_no_dead_letters() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let service = Service::start(&Program::on(&database), &files, &[]);
    let simulation_id: Uuid = service.start_simulation(&["a"]).parse().unwrap();
    let other_name = OtherName::before(&service);
    let settings = ClientSettings { url: other_name.url.clone(), token: None, compress: None };
    let client = ServiceClient::new(&settings).unwrap();
    let spool = spool(&files);
    run(async {
        spool.append(vec![entry(simulation_id)]).await.unwrap();
        let delivery = Delivery::with_spool(Destination::Service(client.clone()), spool.clone());
        let new = vec![Submission::new(result("b", "success", 1.0).to_string())];
        let verdicts = delivery.record_batch(simulation_id, new).await.unwrap();
        assert_eq!(verdicts[0].verdict, Verdict::Spooled);
        // Without a spool the caller gets the error.
        let error = Delivery::new(Destination::Service(client))
            .record_batch(simulation_id, vec![Submission::new("{}")])
            .await
            .unwrap_err();
        assert!(error.to_string().contains("page.example"), "{error}");
        wait_until("it is tried again", || other_name.requests.load(Ordering::SeqCst) >= 8).await;
        let state = spool.state();
        assert_eq!((state.depth, state.dead_letters), (2, 0));
        // The service now accepts the name.
        other_name.is_on.store(false, Ordering::SeqCst);
        wait_until("it is delivered", || spool.state().depth == 0).await;
        assert_eq!(spool.state().dead_letters, 0);
        delivery.close().await;
    });
    assert_eq!(database.count("SELECT count(*) FROM arc_recorder.outcomes"), 2);
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn a_dead_letter_waits_for_its_simulation_to_become_known_to_the_database() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let store = database.store();
    let (unknown, known) = (Uuid::from_u128(1), Uuid::from_u128(2));
    run(async {
        let extractor = Extractor::built_in(&ExtractionSettings::default()).unwrap();
        let recorder = Recorder::new(extractor, store).await.unwrap();
        let start = |simulation_id| SimulationStart {
            simulation_id: Some(simulation_id),
            scenarios: "[]".to_owned(),
            ..SimulationStart::default()
        };
        recorder.start_simulation(start(known)).await.unwrap();
        let spool = spool(&files);
        let unknown_sequence = spool.append(vec![entry(unknown)]).await.unwrap()[0];
        let delivery = Delivery::with_spool(Destination::Database(recorder.clone()), spool.clone());
        // The result is held for some seconds, and then becomes a dead letter.
        wait_until("it is held", || delivery.held_simulations() == 1).await;
        assert_eq!((spool.state().depth, spool.state().dead_letters), (1, 0));
        wait_until("it is a dead letter", || spool.state().dead_letters == 1).await;
        let listed = EntryFilter { after: 0, dead_letters: true };
        let until = || async {
            let letters = spool.list(listed, 9, u64::MAX).await.unwrap();
            assert_eq!(letters[0].sequence, unknown_sequence);
            letters[0].retry_until.unwrap()
        };
        let first = until().await;
        // Meanwhile others are recorded, directly and from the spool.
        let new = vec![Submission::new(result("b", "success", 1.0).to_string())];
        let verdicts = delivery.record_batch(known, new).await.unwrap();
        assert_eq!(verdicts[0].verdict, Verdict::Stored);
        spool.append(vec![entry(known)]).await.unwrap();
        wait_until("the other is delivered", || spool.state().depth == 0).await;
        assert_eq!(until().await, first, "the retry period does not start again");
        // The simulation's start arrives, and the result is retried automatically.
        recorder.start_simulation(start(unknown)).await.unwrap();
        wait_until("it is delivered", || spool.state().dead_letters == 0).await;
        delivery.close().await;
        recorder.close().await;
    });
    assert_eq!(database.count("SELECT count(*) FROM arc_recorder.outcomes"), 3);
}
