//! Deliveries to a destination in memory with scripted failures.

use proptest::prelude::*;
use tempfile::TempDir;

use super::memory_sink::{Failing, MemorySink, outcome, simulation, spool, submission};
use super::*;
use crate::recorder::Document;
use crate::spool::{EntryFilter, SpoolSettings};

/// How long a step can take before a test fails.
const DEADLINE: Duration = Duration::from_secs(60);

async fn wait_until(what: &str, mut reached: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(DEADLINE, async {
        while !reached() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("{what}: not within {DEADLINE:?}"));
}

async fn delivered(delivery: &Delivery<MemorySink>) {
    wait_until("an empty spool", || {
        let state = delivery.spool_state().unwrap();
        (state.depth, state.dead_letters) == (0, 0)
    })
    .await;
}

/// Records results with these numbers, and returns their verdicts.
async fn record(
    delivery: &Delivery<MemorySink>,
    simulation_id: Uuid,
    numbers: std::ops::Range<usize>,
) -> Vec<Verdict> {
    let submissions = numbers.map(submission).collect();
    let verdicts = delivery.record_batch(simulation_id, submissions).await.unwrap();
    verdicts.into_iter().map(|item| item.verdict).collect()
}

fn outcomes(simulation_id: Uuid, numbers: std::ops::Range<usize>) -> Vec<Uuid> {
    numbers.map(|number| outcome(simulation_id, number)).collect()
}

fn failed(internal: bool) -> Verdict {
    let (kind, message) = match internal {
        true => (FailureKind::Internal, "a fault"),
        false => (FailureKind::Refused, "a value is out of range"),
    };
    Verdict::Failed { kind, message: message.to_owned(), hint: None }
}

#[tokio::test]
async fn without_a_spool_the_caller_gets_the_error() {
    let sink = MemorySink::with_simulations([simulation(1)]);
    let delivery = Delivery::new(sink.clone());
    sink.memory().script.extend([Some(Failing::Unavailable), Some(Failing::Internal)]);
    let first = delivery.record_batch(simulation(1), vec![submission(0)]).await;
    assert!(matches!(first, Err(Error::Unavailable(_))), "{first:?}");
    let second = delivery.record_batch(simulation(1), vec![submission(0)]).await;
    assert!(matches!(second, Err(Error::Internal(_))), "{second:?}");
    assert_eq!(record(&delivery, simulation(1), 0..1).await, [Verdict::Stored]);
    assert_eq!((delivery.unavailable_reason(), delivery.held_simulations()), (None, 0));
    assert_eq!(sink.committed(simulation(1)), outcomes(simulation(1), 0..1));
}

#[tokio::test]
async fn with_a_spool_the_destination_gets_the_bytes_of_the_caller() {
    let folder = TempDir::new().unwrap();
    let sink = MemorySink::with_simulations([simulation(1)]);
    let delivery = Delivery::with_spool(sink.clone(), spool(&folder));
    let submission = submission(0);
    let own = submission.document.clone();
    let verdicts = delivery.record_batch(simulation(1), vec![submission]).await.unwrap();
    assert_eq!(verdicts.first().map(|item| &item.verdict), Some(&Verdict::Stored));
    let memory = sink.memory();
    let (Document::Text(own), [Document::Text(recorded)]) = (&own, memory.documents.as_slice())
    else {
        panic!("{own:?}, {:?}", memory.documents)
    };
    assert!(Arc::ptr_eq(own, recorded));
}

#[tokio::test]
async fn calls_wait_in_the_spool_in_order_while_the_destination_is_unavailable() {
    let folder = TempDir::new().unwrap();
    let (one, other) = (simulation(1), simulation(2));
    let sink = MemorySink::with_simulations([one]);
    let delivery = Delivery::with_spool(sink.clone(), spool(&folder));
    sink.memory().unavailable = true;
    assert_eq!(record(&delivery, one, 0..2).await, [Verdict::Spooled, Verdict::Spooled]);
    assert!(delivery.unavailable_reason().is_some_and(|reason| reason.contains("unavailable")));
    // Not every call asks it again.
    let calls = sink.memory().calls;
    let start = SimulationStart {
        simulation_id: Some(other),
        scenarios: "[]".to_owned(),
        ..SimulationStart::default()
    };
    assert!(delivery.start_simulation(start).await.unwrap().spooled);
    assert_eq!(record(&delivery, one, 2..4).await, [Verdict::Spooled, Verdict::Spooled]);
    assert_eq!(record(&delivery, other, 0..1).await, [Verdict::Spooled]);
    assert_eq!(delivery.complete_simulation(one, None).await.unwrap(), DeliveryAnswer::Spooled);
    let ended = delivery.end_simulation(other, SimulationStatus::Failed, "out of memory").await;
    assert_eq!(ended.unwrap(), DeliveryAnswer::Spooled);
    let (id, kept) = delivery.create_configuration("agent", "a: 1", None).await.unwrap();
    assert_eq!(kept, DeliveryAnswer::Spooled);
    assert_eq!(sink.memory().calls, calls);
    assert_eq!(delivery.spool_state().unwrap().depth, 9);

    sink.memory().unavailable = false;
    delivered(&delivery).await;
    assert_eq!(sink.committed(one), outcomes(one, 0..4));
    assert_eq!(sink.committed(other), outcomes(other, 0..1));
    // Each simulation ended after all of its results.
    assert_eq!(sink.memory().ended, [(one, 4), (other, 1)]);
    assert_eq!(sink.memory().configurations, [id]);
    wait_until("a destination that is back", || delivery.unavailable_reason().is_none()).await;
    assert_eq!(record(&delivery, one, 3..5).await, [Verdict::Duplicate, Verdict::Stored]);
    delivery.close().await;
}

#[tokio::test]
async fn a_result_whose_answer_was_lost_is_stored_once() {
    let folder = TempDir::new().unwrap();
    let id = simulation(1);
    let sink = MemorySink::with_simulations([id]);
    let delivery = Delivery::with_spool(sink.clone(), spool(&folder));
    sink.memory().script.push_back(Some(Failing::AnswerLost));
    assert_eq!(record(&delivery, id, 0..3).await, vec![Verdict::Spooled; 3]);
    delivered(&delivery).await;
    assert_eq!(sink.committed(id), outcomes(id, 0..3));
    assert!(sink.memory().calls >= 2);
    delivery.close().await;
}

#[tokio::test]
async fn a_fault_of_the_program_spools_only_its_own_call() {
    let folder = TempDir::new().unwrap();
    let (one, other) = (simulation(1), simulation(2));
    let sink = MemorySink::with_simulations([one, other]);
    let delivery = Delivery::with_spool(sink.clone(), spool(&folder));
    sink.memory().script.push_back(Some(Failing::Internal));
    assert_eq!(record(&delivery, one, 0..2).await, vec![Verdict::Spooled; 2]);
    // The destination does not count as unavailable because of this.
    assert_eq!(record(&delivery, other, 0..1).await, [Verdict::Stored]);
    delivered(&delivery).await;
    assert_eq!(sink.committed(one), outcomes(one, 0..2));
    delivery.close().await;
}

#[tokio::test]
async fn a_result_that_fails_has_its_own_verdict() {
    let folder = TempDir::new().unwrap();
    let id = simulation(1);
    let sink = MemorySink::with_simulations([id]);
    let delivery = Delivery::with_spool(sink.clone(), spool(&folder));
    // The first is permanently refused, the second meets a fault of the program.
    let verdicts = [(outcome(id, 0), failed(false)), (outcome(id, 1), failed(true))];
    sink.memory().verdicts.extend(verdicts);
    let found = record(&delivery, id, 0..3).await;
    assert_eq!(found, [failed(false), Verdict::Spooled, Verdict::Stored]);
    // In the spool it becomes a dead letter, because it fails again, and does not block others.
    wait_until("a dead letter", || delivery.spool_state().unwrap().dead_letters == 1).await;
    let listed = EntryFilter { after: 0, dead_letters: true };
    let letters = delivery.spool().unwrap().list(listed, 9, u64::MAX).await.unwrap();
    assert_eq!(letters[0].dead_letter.as_deref(), Some("a fault"));
    assert!(letters[0].retry_until.is_some());
    assert_eq!(record(&delivery, id, 3..4).await, [Verdict::Stored]);
    // The fault is fixed, and no requeue is needed.
    sink.memory().verdicts.clear();
    delivered(&delivery).await;
    let wanted = [2, 3, 1].map(|number| outcome(id, number));
    assert_eq!(sink.committed(id), wanted);
    delivery.close().await;
}

#[tokio::test]
async fn a_dead_letter_is_delivered_when_it_is_requeued() {
    let folder = TempDir::new().unwrap();
    let id = simulation(1);
    let sink = MemorySink::with_simulations([id]);
    let delivery = Delivery::with_spool(sink.clone(), spool(&folder));
    sink.memory().unavailable = true;
    sink.memory().verdicts.insert(outcome(id, 1), failed(false));
    assert_eq!(record(&delivery, id, 0..3).await, vec![Verdict::Spooled; 3]);
    sink.memory().unavailable = false;
    wait_until("a dead letter", || {
        let state = delivery.spool_state().unwrap();
        (state.depth, state.dead_letters) == (0, 1)
    })
    .await;
    assert_eq!(sink.committed(id), [0, 2].map(|number| outcome(id, number)));
    sink.memory().verdicts.clear();
    assert_eq!(delivery.requeue(None).await.unwrap().unwrap().entries, 1);
    delivered(&delivery).await;
    assert_eq!(sink.committed(id), [0, 2, 1].map(|number| outcome(id, number)));
    delivery.close().await;
}

#[tokio::test]
async fn a_full_spool_refuses_calls_with_an_error() {
    let folder = TempDir::new().unwrap();
    let sink = MemorySink::with_simulations([simulation(1)]);
    let settings = SpoolSettings { folder: folder.path().join("spool"), limit_bytes: 1 };
    let delivery = Delivery::with_spool(sink.clone(), Spool::open(&settings).unwrap());
    sink.memory().unavailable = true;
    let refused = delivery.record_batch(simulation(1), vec![submission(0)]).await;
    assert!(matches!(refused, Err(Error::SpoolFull { .. })), "{refused:?}");
    assert!(sink.memory().committed.is_empty());
    delivery.close().await;
}

#[tokio::test]
async fn marked_unavailable_no_call_waits_for_the_destination() {
    let folder = TempDir::new().unwrap();
    let sink = MemorySink::with_simulations([simulation(1)]);
    let delivery = Delivery::with_spool(sink.clone(), spool(&folder));
    sink.memory().unavailable = true;
    delivery.mark_unavailable("the service is stopping");
    assert_eq!(record(&delivery, simulation(1), 0..1).await, [Verdict::Spooled]);
    assert_eq!(sink.memory().calls, 0);
    delivery.close().await;
    // It is still stored for the next process.
    let spool = spool(&folder);
    assert_eq!(spool.state().depth, 1);
    spool.close().await;
}

fn failing() -> impl Strategy<Value = Option<Failing>> {
    prop_oneof![
        Just(None),
        Just(Some(Failing::Unavailable)),
        Just(Some(Failing::AnswerLost)),
        Just(Some(Failing::Database)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    /// With any failures, each result is committed once, and those of a simulation in their order.
    #[test]
    fn any_failures_change_neither_what_is_committed_nor_its_order(
        script in prop::collection::vec(failing(), 0..6),
        batches in prop::collection::vec((1_u128..4, 1_usize..4), 1..8),
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = TempDir::new().unwrap();
            let sink = MemorySink::with_simulations((1..4).map(simulation));
            let delivery = Delivery::with_spool(sink.clone(), spool(&folder));
            sink.memory().script.extend(script);
            let mut sent = [0_usize; 4];
            for (number, count) in batches {
                let place = usize::try_from(number).unwrap();
                let next = sent[place] + count;
                for verdict in record(&delivery, simulation(number), sent[place]..next).await {
                    assert!(matches!(verdict, Verdict::Stored | Verdict::Spooled), "{verdict:?}");
                }
                sent[place] = next;
            }
            delivered(&delivery).await;
            for number in 1..4_u128 {
                let count = sent[usize::try_from(number).unwrap()];
                let id = simulation(number);
                assert_eq!(sink.committed(id), outcomes(id, 0..count));
            }
            delivery.close().await;
        });
    }
}
