//! The spool, on real files.

mod damage;
mod entries;
mod faults;
mod kills;

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Instant;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tempfile::TempDir;

use super::*;
use crate::error::ErrorDetail;
use crate::recorder::{ReceivedResult, Submission};
use crate::store::SimulationStatus;

const MB: u64 = 1 << 20;

fn settings(folder: &Path, limit_bytes: u64) -> SpoolSettings {
    SpoolSettings { folder: folder.join("spool"), limit_bytes }
}

fn open(folder: &TempDir) -> Spool {
    Spool::open(&settings(folder.path(), 64 * MB)).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn result(simulation_id: Uuid, document: impl Into<String>) -> Entry {
    let submission = Submission::new(document);
    let result = ReceivedResult::new(simulation_id, at(1), submission);
    let call = SpooledCall::Result { simulation_id, result };
    Entry { spooled_at: at(100), call }
}

fn document(entry: &Entry) -> &str {
    let SpooledCall::Result { result, .. } = &entry.call else { panic!("{entry:?}") };
    let document = &result.submission.document;
    let crate::recorder::Document::Text(text) = document else { panic!("{entry:?}") };
    text
}

fn documents(waiting: &[WaitingEntry]) -> Vec<&str> {
    waiting.iter().map(|waiting| document(&waiting.entry)).collect()
}

async fn everything(spool: &Spool) -> Vec<WaitingEntry> {
    spool.next(usize::MAX, usize::MAX).await.unwrap()
}

fn simulation(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

#[tokio::test]
async fn appended_entries_wait_in_order_until_they_are_removed() {
    let folder = TempDir::new().unwrap();
    let spool = open(&folder);
    assert_eq!(spool.append(Vec::new()).await.unwrap(), Vec::<u64>::new());
    let mut first = result(simulation(1), "first");
    first.spooled_at = at(50);
    let sequences = spool.append(vec![first, result(simulation(2), "second")]).await.unwrap();
    let call = SpooledCall::End {
        simulation_id: simulation(1),
        status: SimulationStatus::Failed,
        reason: "out of memory".to_owned(),
    };
    let third = spool.append(vec![Entry { spooled_at: at(101), call }]).await.unwrap();
    assert!(sequences[0] < sequences[1] && sequences[1] < third[0]);
    assert!(spool.holds(simulation(1)) && spool.holds(simulation(2)));
    assert!(!spool.holds(simulation(3)));
    let state = spool.state();
    assert_eq!((state.depth, state.dead_letters, state.full), (3, 0, false));
    assert_eq!(state.oldest_at, Some(at(50)));

    assert_eq!(documents(&spool.next(2, usize::MAX).await.unwrap()), ["first", "second"]);
    assert_eq!(documents(&spool.next(9, 1).await.unwrap()), ["first"], "one, however long");
    assert!(spool.next(0, 9).await.unwrap().is_empty());

    spool.close().await;
    spool.close().await;
    for answer in [
        spool.append(vec![result(simulation(1), "late")]).await.map(drop),
        spool.remove(sequences.clone()).await,
        spool.next(1, 1).await.map(drop),
        spool.dead_letters(1).await.map(drop),
        spool.requeue_all().await.map(drop),
    ] {
        let error = answer.unwrap_err();
        assert!(
            matches!(&error, Error::SpoolUnavailable { failure: SpoolFailure::Closed, .. }),
            "{error}"
        );
    }

    let spool = open(&folder);
    assert_eq!(spool.state(), state, "the same after opening it again");
    assert!(spool.holds(simulation(1)) && spool.holds(simulation(2)));
    spool.remove(vec![sequences[0], sequences[0], 99]).await.unwrap();
    assert!(spool.holds(simulation(1)), "its end waits");
    assert_eq!(spool.state().oldest_at, Some(at(100)));
    spool.remove(vec![third[0], sequences[1]]).await.unwrap();
    assert!(!spool.holds(simulation(1)) && !spool.holds(simulation(2)));
    let state = spool.state();
    assert_eq!((state.depth, state.bytes, state.oldest_at), (0, 0, None));
    let later = spool.append(vec![result(simulation(1), "later")]).await.unwrap();
    assert!(later[0] > third[0], "numbers are not used again");
    spool.close().await;
}

#[tokio::test]
async fn sequence_numbers_are_not_used_again_after_a_restart_with_an_empty_spool() {
    let folder = TempDir::new().unwrap();
    let mut last = 0;
    for round in 0..3 {
        let spool = open(&folder);
        let entries = (0..5).map(|number| result(simulation(number), "x")).collect();
        let sequences = spool.append(entries).await.unwrap();
        assert!(sequences[0] > last, "round {round}: {sequences:?} after {last}");
        last = sequences[4];
        if round == 1 {
            // A requeued entry gets a new number, which counts too.
            spool.dead_letter_entries(vec![(last, "refused".to_owned())]).await.unwrap();
            assert_eq!(spool.requeue_all().await.unwrap(), 1);
            let waiting = everything(&spool).await;
            assert!(waiting[4].sequence > last);
            last = waiting[4].sequence;
        }
        let all = everything(&spool).await.iter().map(|waiting| waiting.sequence).collect();
        spool.remove(all).await.unwrap();
        assert_eq!((spool.state().depth, spool.state().dead_letters), (0, 0));
        spool.close().await;
    }
}

#[tokio::test]
async fn a_new_spool_is_accessible_only_to_its_owner() {
    let folder = TempDir::new().unwrap();
    let settings = SpoolSettings { folder: folder.path().join("deep/spool"), limit_bytes: MB };
    let spool = Spool::open(&settings).unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&settings.folder), 0o700);
    assert_eq!(mode(&settings.folder.join("spool.redb")), 0o600);
    spool.close().await;
}

#[tokio::test]
async fn a_second_opening_is_refused() {
    let folder = TempDir::new().unwrap();
    let spool = open(&folder);
    let settings = settings(folder.path(), MB);
    let error = Spool::open(&settings).unwrap_err();
    assert!(matches!(error, Error::Configuration(_)), "{error:?}");
    assert_eq!(
        error.to_string(),
        format!("another process has the spool in {} open", settings.folder.display())
    );
    assert_eq!(error.hint().unwrap(), "end it, or name another folder for this one");
    spool.append(vec![result(simulation(1), "still works")]).await.unwrap();
    spool.close().await;
    Spool::open(&settings).unwrap().close().await;
}

#[tokio::test]
async fn a_file_that_is_not_a_spool_and_a_path_that_is_not_a_folder_are_refused() {
    let folder = TempDir::new().unwrap();
    let settings = settings(folder.path(), MB);
    std::fs::create_dir(&settings.folder).unwrap();
    std::fs::write(settings.folder.join("spool.redb"), "something else ".repeat(1000)).unwrap();
    let error = Spool::open(&settings).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error:?}");
    let command = format!("arc-host spool repair --spool-dir {}", settings.folder.display());
    assert!(error.hint().unwrap().contains(&command), "{error:?}");
    assert!(!error.to_string().contains(&command), "{error}");

    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Spool::open(&SpoolSettings { folder: file, limit_bytes: MB }).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error:?}");
}

#[tokio::test]
async fn a_full_spool_refuses_entries_and_loses_none() {
    let folder = TempDir::new().unwrap();
    let entry = || result(simulation(1), "x".repeat(1000));
    // The bytes of the disk that it takes.
    let bytes = entry().encode().unwrap().head.disk_bytes();
    let spool = Spool::open(&settings(folder.path(), 3 * bytes + 1)).unwrap();
    let sequences = spool.append(vec![entry(), entry()]).await.unwrap();
    assert!(!spool.state().full);
    // All or none: the second has no room any more.
    let error = spool.append(vec![entry(), entry()]).await.unwrap_err();
    let Error::SpoolFull { detail: ErrorDetail { message: text, .. }, .. } = &error else {
        panic!("{error:?}")
    };
    assert!(text.contains("is full"), "{text}");
    let figures = format!(
        "holds {} of at most {} bytes of the disk, and {} more",
        2 * bytes,
        3 * bytes + 1,
        2 * bytes
    );
    assert!(text.contains(&figures), "{text}");
    assert!(spool.state().full);
    assert_eq!(everything(&spool).await.len(), 2);

    spool.append(vec![entry()]).await.unwrap();
    // Dead letters count too.
    spool.dead_letter_entries(vec![(sequences[0], "refused".to_owned())]).await.unwrap();
    spool.append(vec![entry()]).await.unwrap_err();
    assert!(!spool.holds(simulation(2)));
    spool.append(vec![result(simulation(2), "y".repeat(1000))]).await.unwrap_err();
    assert!(!spool.holds(simulation(2)), "a refused entry is not held");
    spool.remove(vec![sequences[0]]).await.unwrap();
    assert!(!spool.state().full);
    spool.append(vec![entry()]).await.unwrap();
    assert_eq!(spool.state().bytes, 3 * bytes);
    spool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_appends_keep_the_order_of_each_caller() {
    let folder = TempDir::new().unwrap();
    let spool = open(&folder);
    let callers = (0..16_u128).map(|caller| {
        let spool = spool.clone();
        tokio::spawn(async move {
            let mut sequences = Vec::new();
            for turn in 0..20 {
                let entries = (0..=turn % 3)
                    .map(|part| result(simulation(caller), format!("{caller} {turn} {part}")));
                sequences.extend(spool.append(entries.collect()).await.unwrap());
            }
            sequences
        })
    });
    let sequences: Vec<Vec<u64>> =
        join_all(callers).await.into_iter().map(|caller| caller.unwrap()).collect();
    spool.close().await;
    let spool = open(&folder);
    let waiting = everything(&spool).await;
    assert!(waiting.is_sorted_by(|one, other| one.sequence < other.sequence));
    assert_eq!(waiting.len(), sequences.iter().map(Vec::len).sum::<usize>());
    for (caller, sequences) in sequences.iter().enumerate() {
        let id = Some(simulation(caller as u128));
        let own: Vec<&WaitingEntry> =
            waiting.iter().filter(|waiting| waiting.entry.call.simulation_id() == id).collect();
        assert_eq!(own.iter().map(|own| own.sequence).collect::<Vec<_>>(), *sequences);
        let wanted: Vec<String> = (0..20)
            .flat_map(|turn| (0..=turn % 3).map(move |part| format!("{caller} {turn} {part}")))
            .collect();
        assert_eq!(own.iter().map(|own| document(&own.entry)).collect::<Vec<_>>(), wanted);
    }
    spool.close().await;
}

#[tokio::test]
async fn an_append_is_held_from_its_acceptance_and_completes_without_its_caller() {
    let folder = TempDir::new().unwrap();
    let spool = open(&folder);
    let mut append = Box::pin(spool.append(vec![result(simulation(1), "left alone")]));
    // The first poll accepts it, regardless of whether it is committed by then.
    let polled = (&mut append).now_or_never();
    assert!(spool.holds(simulation(1)));
    drop((polled, append));
    spool.close().await;
    let spool = open(&folder);
    assert_eq!(documents(&everything(&spool).await), ["left alone"]);
    spool.close().await;
}

#[tokio::test]
async fn requeued_dead_letters_are_at_the_end_of_the_queue() {
    let folder = TempDir::new().unwrap();
    let spool = open(&folder);
    let names = ["one", "two", "three", "four"];
    let entries = names.map(|name| result(simulation(1), name));
    let sequences = spool.append(entries.to_vec()).await.unwrap();
    let bytes = spool.state().bytes;
    let reasons = vec![(sequences[0], "no such plan".to_owned()), (99, "none".to_owned())];
    spool.dead_letter_entries(reasons).await.unwrap();
    spool.dead_letter_entries(vec![(sequences[2], "too large".to_owned())]).await.unwrap();
    let state = spool.state();
    assert_eq!((state.depth, state.dead_letters, state.bytes), (2, 2, bytes));
    assert_eq!(documents(&everything(&spool).await), ["two", "four"]);

    spool.close().await;
    let spool = open(&folder);
    assert_eq!(spool.state(), state);
    let dead_letters = spool.dead_letters(10).await.unwrap();
    let seen: Vec<(u64, &str, &str)> = dead_letters
        .iter()
        .map(|one| (one.sequence, &*one.reason, document(one.entry.as_ref().unwrap())))
        .collect();
    let wanted = [(sequences[0], "no such plan", "one"), (sequences[2], "too large", "three")];
    assert_eq!(seen, wanted);
    assert_eq!(spool.dead_letters(1).await.unwrap().len(), 1);

    assert_eq!(spool.requeue_all().await.unwrap(), 2);
    assert_eq!(spool.requeue_all().await.unwrap(), 0);
    let state = spool.state();
    assert_eq!((state.depth, state.dead_letters, state.bytes), (4, 0, bytes));
    let waiting = everything(&spool).await;
    assert_eq!(documents(&waiting), ["two", "four", "one", "three"]);

    // A simulation is held by its waiting entries, not by its dead letters.
    let all = waiting.iter().map(|waiting| (waiting.sequence, "no".to_owned())).collect();
    spool.dead_letter_entries(all).await.unwrap();
    assert!(!spool.holds(simulation(1)));
    spool.remove(vec![waiting[0].sequence]).await.unwrap();
    assert_eq!((spool.state().depth, spool.state().dead_letters), (0, 3));
    spool.close().await;
}

#[tokio::test]
async fn more_is_requeued_than_one_transaction_takes() {
    let folder = TempDir::new().unwrap();
    let spool = open(&folder);
    let entries = (0..2_500).map(|number| result(simulation(1), number.to_string())).collect();
    let sequences = spool.append(entries).await.unwrap();
    let reasons = sequences.iter().map(|sequence| (*sequence, "no".to_owned())).collect();
    spool.dead_letter_entries(reasons).await.unwrap();
    assert_eq!(spool.requeue_all().await.unwrap(), 2_500);
    let waiting = everything(&spool).await;
    let wanted: Vec<String> = (0..2_500).map(|number| number.to_string()).collect();
    assert_eq!(documents(&waiting), wanted);
    spool.close().await;
}

#[tokio::test]
async fn an_entry_of_a_newer_version_blocks_nothing() {
    let folder = TempDir::new().unwrap();
    let spool = open(&folder);
    let sequences =
        spool.append((0..3).map(|_| result(simulation(1), "x")).collect()).await.unwrap();
    spool.append(vec![result(simulation(1), "after it")]).await.unwrap();
    spool.close().await;
    let path = settings(folder.path(), 0).folder.join("spool.redb");
    let rewrite = |version: u8| {
        let database = Database::open(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        {
            let mut entries = transaction.open_table(ENTRIES).unwrap();
            let mut numbers = Vec::new();
            for row in entries.iter().unwrap() {
                let (sequence, entry) = row.unwrap();
                let read = Entry::read(sequence.value(), entry.value());
                if read.is_err() || read.is_ok_and(|entry| document(&entry) == "x") {
                    numbers.push((sequence.value(), entry.value().to_vec()));
                }
            }
            for (sequence, mut bytes) in numbers {
                bytes[0] = version;
                entries.insert(sequence, bytes.as_slice()).unwrap();
            }
        }
        transaction.commit().unwrap();
    };
    rewrite(200);

    let spool = open(&folder);
    // The first two cannot be read, and there is still an answer.
    assert_eq!(documents(&spool.next(2, usize::MAX).await.unwrap()), ["after it"]);
    assert_eq!((spool.state().depth, spool.state().dead_letters), (1, 3));
    let dead_letters = spool.dead_letters(10).await.unwrap();
    assert_eq!(dead_letters.iter().map(|one| one.sequence).collect::<Vec<_>>(), sequences);
    for one in &dead_letters {
        assert!(one.entry.is_none());
        assert!(one.reason.contains("has format 200"), "{}", one.reason);
    }
    // They are not requeued, which would only dead-letter them again; the newer version can read them.
    let requeued = spool.requeue(None).await.unwrap();
    assert_eq!(requeued, RequeueCounts { entries: 0, unreadable: 3 });
    assert_eq!(documents(&spool.next(10, usize::MAX).await.unwrap()), ["after it"]);
    assert_eq!(spool.state().dead_letters, 3);
    spool.close().await;
    rewrite(3);
    let spool = open(&folder);
    assert_eq!(spool.requeue_all().await.unwrap(), 3);
    assert_eq!(documents(&everything(&spool).await), ["after it", "x", "x", "x"]);
    spool.close().await;
}

#[tokio::test]
async fn an_empty_spool_is_compacted() {
    let folder = TempDir::new().unwrap();
    let spool = Spool::open(&settings(folder.path(), 256 * MB)).unwrap();
    let text = "x".repeat(1 << 20);
    for _ in 0..10 {
        spool.append(vec![result(simulation(1), text.as_str()); 8]).await.unwrap();
    }
    let path = settings(folder.path(), 0).folder.join("spool.redb");
    assert!(path.metadata().unwrap().len() > 80 * MB);
    let sequences = everything(&spool).await.iter().map(|waiting| waiting.sequence).collect();
    spool.remove(sequences).await.unwrap();
    // The thread answers the next job after it has found the spool empty.
    spool.remove(vec![0]).await.unwrap();
    let length = path.metadata().unwrap().len();
    assert!(length < 8 * MB, "{length} bytes");
    spool.append(vec![result(simulation(1), "and works")]).await.unwrap();
    spool.close().await;
    let spool = open(&folder);
    assert_eq!(documents(&everything(&spool).await), ["and works"]);
    spool.close().await;
}

#[tokio::test]
async fn changed_completes_for_a_new_entry_and_for_the_end() {
    let folder = TempDir::new().unwrap();
    let spool = open(&folder);
    let waiter = tokio::spawn({
        let spool = spool.clone();
        async move {
            spool.changed().await;
            everything(&spool).await
        }
    });
    spool.append(vec![result(simulation(1), "news")]).await.unwrap();
    assert_eq!(documents(&waiter.await.unwrap()), ["news"]);
    spool.changed().await;
    let sequences = everything(&spool).await.iter().map(|waiting| waiting.sequence).collect();
    spool.remove(sequences).await.unwrap();
    let mut changed = Box::pin(spool.changed());
    assert!((&mut changed).now_or_never().is_none());
    spool.close().await;
    changed.await;
}

/// Not a test: measures the numbers in the module's documentation.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures; run only this test, with --ignored --nocapture"]
async fn cost() {
    use std::io::Write as _;

    let folder = TempDir::new_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let spool = Spool::open(&settings(folder.path(), 1 << 30)).unwrap();
    let text = "x".repeat(8_700);
    let say = |line: String| writeln!(std::io::stdout(), "{line}").unwrap();
    let since = Instant::now();
    for _ in 0..1_000 {
        spool.append(vec![result(simulation(1), text.as_str())]).await.unwrap();
    }
    say(format!("one caller: {:.0} appends/s", 1_000.0 / since.elapsed().as_secs_f64()));
    let since = Instant::now();
    join_all((0..64).map(|_| {
        let (spool, text) = (spool.clone(), text.clone());
        tokio::spawn(async move {
            for _ in 0..300 {
                spool.append(vec![result(simulation(1), text.as_str())]).await.unwrap();
            }
        })
    }))
    .await;
    say(format!("64 tasks: {:.0} appends/s", 19_200.0 / since.elapsed().as_secs_f64()));
    let path = folder.path().join("spool/spool.redb");
    let state = spool.state();
    let file = || path.metadata().unwrap().len();
    let taken = path.metadata().unwrap().blocks() * 512;
    say(format!("{} bytes of entries in a file of {}, {taken} on disk", state.bytes, file()));
    // The file as a kill leaves it: no write in progress, and not closed.
    let killed = TempDir::new_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    std::fs::create_dir(killed.path().join("spool")).unwrap();
    std::fs::copy(&path, killed.path().join("spool/spool.redb")).unwrap();
    spool.close().await;
    for (what, folder) in [("a kill", &killed), ("closing", &folder)] {
        let since = Instant::now();
        let spool = Spool::open(&settings(folder.path(), 1 << 30)).unwrap();
        say(format!("opened after {what} in {:?}", since.elapsed()));
        spool.close().await;
    }
    let spool = Spool::open(&settings(folder.path(), 1 << 30)).unwrap();
    let since = Instant::now();
    loop {
        let waiting = spool.next(500, 8 << 20).await.unwrap();
        if waiting.is_empty() {
            break;
        }
        spool.remove(waiting.iter().map(|waiting| waiting.sequence).collect()).await.unwrap();
    }
    say(format!("drained: {:.0} entries/s", state.depth as f64 / since.elapsed().as_secs_f64()));
    say(format!("a file of {} when empty", file()));
    spool.close().await;
    say(format!("a file of {} when closed", file()));
}

#[tokio::test]
async fn dead_letters_are_retried_until_a_time_that_another_refusal_does_not_move() {
    let folder = TempDir::new().unwrap();
    let spool = open(&folder);
    let sequences = spool
        .append(vec![result(simulation(1), "one"), result(simulation(2), "two")])
        .await
        .unwrap();
    let refuse = |sequence: u64, until: Option<i64>| {
        let reason = "out of time".to_owned();
        spool.dead_letter_refused(vec![Refusal { sequence, reason, retry_until: until.map(at) }])
    };
    let retried = |second: i64| {
        let read = spool.next_retried_at(at(second), SkippedEntries::default(), 9, u64::MAX);
        async {
            read.await.unwrap().into_iter().map(|waiting| waiting.sequence).collect::<Vec<_>>()
        }
    };
    refuse(sequences[0], Some(1_000)).await.unwrap();
    refuse(sequences[1], Some(2_000)).await.unwrap();
    refuse(sequences[0], Some(5_000)).await.unwrap();
    assert_eq!(retried(999).await, sequences);
    let until = |spool: Spool| async move {
        let listed = EntryFilter { after: 0, dead_letters: true };
        let kept = spool.list(listed, 9, u64::MAX).await.unwrap();
        kept.into_iter().map(|kept| kept.retry_until).collect::<Vec<_>>()
    };
    assert_eq!(until(spool.clone()).await, [Some(at(1_000)), Some(at(2_000))]);
    // Expired ones are not read again, even if the clock goes back.
    assert_eq!(retried(1_001).await, [sequences[1]]);
    assert_eq!(until(spool.clone()).await, [None, Some(at(2_000))]);
    assert_eq!(retried(999).await, [sequences[1]]);
    // A permanent refusal ends the retries, and the entries stay dead letters.
    refuse(sequences[1], None).await.unwrap();
    assert!(retried(999).await.is_empty());
    assert_eq!(spool.state().dead_letters, 2);
    spool.close().await;
}
