//! Damaged files: a changed byte, a missing end, a kill.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;

use super::*;

const ENTRIES_OF_TEST: usize = 200;

fn path(folder: &TempDir) -> std::path::PathBuf {
    settings(folder.path(), 0).folder.join("spool.redb")
}

fn text(number: usize) -> String {
    format!("{{\"number\": {number}, \"score\": 0.25, \"text\": \"{}\"}}", "x".repeat(number * 40))
}

/// A spool with entries of different lengths, closed.
async fn filled(folder: &TempDir) -> Vec<u64> {
    let spool = open(folder);
    let mut sequences = Vec::new();
    for part in 0..ENTRIES_OF_TEST / 20 {
        let entries = (part * 20..part * 20 + 20).map(|number| result(simulation(1), text(number)));
        sequences.extend(spool.append(entries.collect()).await.unwrap());
    }
    spool.close().await;
    sequences
}

/// The file as a kill leaves it: copied while a spool uses it.
async fn killed(folder: &TempDir) -> TempDir {
    let spool = open(folder);
    spool.append(vec![result(simulation(1), text(ENTRIES_OF_TEST))]).await.unwrap();
    let copy = TempDir::new().unwrap();
    std::fs::create_dir(settings(copy.path(), 0).folder).unwrap();
    std::fs::copy(path(folder), path(&copy)).unwrap();
    spool.close().await;
    copy
}

/// All positions of a text in the file.
fn places(folder: &TempDir, wanted: &str) -> Vec<u64> {
    let bytes = std::fs::read(path(folder)).unwrap();
    let found = memchr::memmem::find_iter(&bytes, wanted.as_bytes()).map(|at| at as u64);
    found.collect()
}

fn write(folder: &TempDir, at: u64, bytes: &[u8]) {
    OpenOptions::new().write(true).open(path(folder)).unwrap().write_all_at(bytes, at).unwrap();
}

#[tokio::test]
async fn a_changed_byte_damages_only_its_own_entry() {
    let folder = TempDir::new().unwrap();
    let sequences = filled(&folder).await;
    let found = places(&folder, "\"number\": 150, \"score\": 0.25");
    assert!(!found.is_empty());
    for at in found {
        write(&folder, at + 26, b"9");
    }
    let spool = open(&folder);
    let waiting = everything(&spool).await;
    let wanted: Vec<String> =
        (0..ENTRIES_OF_TEST).filter(|number| *number != 150).map(text).collect();
    assert_eq!(documents(&waiting), wanted);
    let dead_letters = spool.dead_letters(10).await.unwrap();
    assert_eq!(dead_letters.len(), 1);
    assert_eq!(dead_letters[0].sequence, sequences[150]);
    assert!(dead_letters[0].reason.contains("is damaged"), "{}", dead_letters[0].reason);
    // The rest of it can be read, and it can be dropped.
    let (kept, bytes) = spool.entry(sequences[150]).await.unwrap().unwrap();
    assert!(kept.entry.is_none());
    assert!(document_of(&bytes).starts_with(b"{\"number\": 150"));
    assert_eq!(spool.drop_dead_letters(None).await.unwrap(), 1);
    assert_eq!(spool.state().dead_letters, 0);
    spool.close().await;
}

#[tokio::test]
async fn a_damaged_page_that_entries_share_is_damage_of_the_file() {
    let folder = TempDir::new().unwrap();
    filled(&folder).await;
    let spool = open(&folder);
    // The pages of the tree that refer to the pages of many entries.
    for (number, page) in (0..).zip(std::fs::read(path(&folder)).unwrap().chunks(4096)) {
        if page[0] == 2 && u16::from_le_bytes([page[2], page[3]]) > 20 {
            write(&folder, number * 4096, &[0; 4096]);
        }
    }
    for _ in 0..2 {
        let error = spool.next(usize::MAX, usize::MAX).await.unwrap_err();
        assert!(
            matches!(&error, Error::SpoolUnavailable { failure: SpoolFailure::Damaged, .. }),
            "{error:?}"
        );
        assert!(error.hint().unwrap().contains("arc-host spool repair --spool-dir"), "{error:?}");
    }
    // Nothing is written to it any more.
    let more = result(simulation(1), text(ENTRIES_OF_TEST));
    spool.append(vec![more]).await.unwrap_err();
    let state = spool.state();
    assert_eq!((state.error, state.dead_letters), (Some(SpoolFailure::Damaged), 0));
    assert!(!state.accepts_entries());
    spool.close().await;
    let report = repair(&settings(folder.path(), MB).folder).unwrap();
    assert_eq!((report.read, report.damaged), (ENTRIES_OF_TEST as u64, 0));
}

#[tokio::test]
async fn a_changed_byte_of_the_last_commit_does_not_undo_it_even_after_a_kill() {
    let folder = TempDir::new().unwrap();
    filled(&folder).await;
    let copy = killed(&folder).await;
    for at in places(&copy, &format!("\"number\": {ENTRIES_OF_TEST}, \"score\": 0.25")) {
        write(&copy, at + 26, b"9");
    }
    // Returning to the previous commit would silently lose acknowledged entries.
    let error = Spool::open(&settings(copy.path(), MB)).unwrap_err();
    assert!(error.hint().unwrap().contains("arc-host spool repair --spool-dir"), "{error:?}");
    let report = repair(&settings(copy.path(), MB).folder).unwrap();
    assert_eq!((report.read, report.damaged), (ENTRIES_OF_TEST as u64, 1));
    // The file as a whole is not trusted: every entry in it was searched for.
    assert!(!report.lists_read);
    let spool = open(&copy);
    assert_eq!((spool.state().depth, spool.state().dead_letters), (ENTRIES_OF_TEST as u64, 1));
    spool.close().await;
}

#[tokio::test]
async fn the_remaining_entries_of_a_truncated_file_are_read() {
    let folder = TempDir::new().unwrap();
    filled(&folder).await;
    let whole = std::fs::read(path(&folder)).unwrap();
    for eighths in [7, 4, 1] {
        let length = whole.len() / 8 * eighths;
        std::fs::write(path(&folder), &whole[..length]).unwrap();
        let error = Spool::open(&settings(folder.path(), MB)).unwrap_err();
        assert!(error.hint().unwrap().contains("arc-host spool repair --spool-dir"), "{error:?}");
        // Every entry whose bytes all remain is read.
        let left = (0..ENTRIES_OF_TEST)
            .filter(|number| {
                let end = format!("\"number\": {number}, \"score\": 0.25, \"text\": \"");
                memchr::memmem::find_iter(&whole[..length], end.as_bytes())
                    .any(|at| at + end.len() + number * 40 + 2 <= length)
            })
            .count();
        let report = repair(&settings(folder.path(), MB).folder).unwrap();
        assert_eq!(report.read, left as u64, "{eighths} eighths");
        assert!(left > 0 || eighths == 1);
        let damaged_file = report.damaged_file.unwrap();
        assert_eq!(std::fs::read(&damaged_file).unwrap(), &whole[..length]);
        std::fs::remove_file(damaged_file).unwrap();
        let spool = open(&folder);
        assert_eq!(everything(&spool).await.len(), left);
        spool.close().await;
    }
}

#[tokio::test]
async fn a_changed_byte_anywhere_neither_alters_nor_loses_readable_entries() {
    let folder = TempDir::new().unwrap();
    filled(&folder).await;
    let whole = std::fs::read(path(&folder)).unwrap();
    let wanted: HashSet<String> = (0..ENTRIES_OF_TEST).map(text).collect();
    // One byte in each step, and each byte of the header.
    let step = whole.len() / 300;
    for at in (0..320).step_by(16).chain((320..whole.len()).step_by(step)) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        std::fs::write(path(&folder), &damaged).unwrap();
        let mut read = match Spool::open(&settings(folder.path(), 64 * MB)) {
            Ok(spool) => {
                let read = spool.next(usize::MAX, usize::MAX).await;
                spool.close().await;
                read.map(|waiting| {
                    documents(&waiting).into_iter().map(str::to_owned).collect::<HashSet<_>>()
                })
                .unwrap_or_default()
            }
            Err(_) => HashSet::new(),
        };
        assert!(read.is_subset(&wanted), "{at}: something was altered");
        if read.len() + 1 < wanted.len() {
            std::fs::write(path(&folder), &damaged).unwrap();
            let report = repair(&settings(folder.path(), MB).folder).unwrap();
            if let Some(damaged_file) = report.damaged_file {
                std::fs::remove_file(damaged_file).unwrap();
            }
            let spool = open(&folder);
            read = documents(&everything(&spool).await).into_iter().map(str::to_owned).collect();
            spool.close().await;
        }
        assert!(read.is_subset(&wanted), "{at}: something was altered");
        // One byte belongs to one entry at most.
        assert!(read.len() + 1 >= wanted.len(), "{at}: {} of {}", read.len(), wanted.len());
    }
}

#[tokio::test]
async fn an_intact_spool_is_unchanged_and_removed_entries_stay_removed() {
    let folder = TempDir::new().unwrap();
    let sequences = filled(&folder).await;
    let spool = open(&folder);
    spool.remove(sequences[..150].to_vec()).await.unwrap();
    spool.dead_letter_entries(vec![(sequences[150], "refused".to_owned())]).await.unwrap();
    let place = settings(folder.path(), MB).folder;
    let error = repair(&place).unwrap_err();
    assert!(
        matches!(&error, Error::Configuration(detail) if detail.message.contains("another process"))
    );
    spool.close().await;
    let before = std::fs::read(path(&folder)).unwrap();
    let report = repair(&place).unwrap();
    let wanted = RepairReport { read: 50, damaged: 0, lists_read: true, damaged_file: None };
    assert_eq!(report, wanted);
    assert_eq!(std::fs::read(path(&folder)).unwrap(), before);

    // One is damaged: the others are unchanged, and the dead letter has its reason.
    for at in places(&folder, "\"number\": 170, \"score\": 0.25") {
        write(&folder, at + 26, b"9");
    }
    let report = repair(&place).unwrap();
    assert_eq!((report.read, report.damaged, report.lists_read), (49, 1, true));
    let spool = open(&folder);
    assert_eq!((spool.state().depth, spool.state().dead_letters), (48, 2));
    let dead_letters = spool.dead_letters(10).await.unwrap();
    assert_eq!(dead_letters[0].reason, "refused");
    assert_eq!(dead_letters[1].sequence, sequences[170]);
    spool.close().await;
}

#[tokio::test]
async fn a_head_that_is_damaged_is_corrected_from_its_entry() {
    let folder = TempDir::new().unwrap();
    let sequences = filled(&folder).await;
    {
        let database = Database::open(path(&folder)).unwrap();
        let transaction = database.begin_write().unwrap();
        {
            let mut waiting = transaction.open_table(WAITING).unwrap();
            let (_, at, bytes) = waiting.get(sequences[3]).unwrap().unwrap().value();
            let other = Some(simulation(9).as_u128());
            waiting.insert(sequences[3], (other, at, bytes)).unwrap();
        }
        transaction.commit().unwrap();
    }
    let spool = open(&folder);
    assert!(spool.holds(simulation(9)));
    spool.next(10, usize::MAX).await.unwrap();
    assert!(!spool.holds(simulation(9)));
    assert_eq!(everything(&spool).await.len(), ENTRIES_OF_TEST);
    spool.close().await;
}

/// The bytes of an entry of a closed spool.
async fn bytes_of(folder: &TempDir, sequence: u64) -> Vec<u8> {
    let spool = open(folder);
    let (_, bytes) = spool.entry(sequence).await.unwrap().unwrap();
    spool.close().await;
    bytes
}

/// An entry slightly longer than a power of two: nearly half of its pages is unused.
fn with_unused_pages() -> Entry {
    result(simulation(9), "y".repeat(33 << 10))
}

/// Writes bytes to an unused part of the file, like pages that were copied on write.
fn write_to_free_page(folder: &TempDir, bytes: &[u8]) {
    let file = std::fs::read(path(folder)).unwrap();
    let free = vec![0; bytes.len() + 2 * 4096];
    let at = memchr::memmem::rfind(&file, &free).unwrap() as u64;
    write(folder, at + 4096, bytes);
}

#[tokio::test]
async fn an_older_copy_takes_the_place_of_a_damaged_entry() {
    let folder = TempDir::new().unwrap();
    let spool = open(&folder);
    let entries = [1, 2, 3].map(|number| result(simulation(1), text(number)));
    let sequences = spool.append(entries.to_vec()).await.unwrap();
    spool.dead_letter_entries(vec![(sequences[1], "refused".to_owned())]).await.unwrap();
    let last = spool.append(vec![with_unused_pages()]).await.unwrap()[0];
    spool.close().await;
    let first = bytes_of(&folder, sequences[0]).await;
    let second = bytes_of(&folder, sequences[1]).await;
    for number in 1..=2 {
        let found = places(&folder, &format!("\"number\": {number}, \"score\": 0.25"));
        assert!(!found.is_empty());
        for at in found {
            write(&folder, at + 24, b"9");
        }
    }
    // Pages of an earlier transaction still have both entries; a partial copy is not used.
    write_to_free_page(&folder, &first[..first.len() - 1]);
    write_to_free_page(&folder, &first);
    write_to_free_page(&folder, &second);
    let report = repair(&settings(folder.path(), MB).folder).unwrap();
    assert_eq!((report.read, report.damaged, report.lists_read), (4, 0, true));
    // Each has its own number and is in its list: one is waiting, and one is a dead letter.
    let spool = open(&folder);
    let waiting = everything(&spool).await;
    assert_eq!(documents(&waiting)[..2], [text(1), text(3)]);
    let numbers: Vec<u64> = waiting.iter().map(|waiting| waiting.sequence).collect();
    assert_eq!(numbers, [sequences[0], sequences[2], last]);
    let dead_letters = spool.dead_letters(9).await.unwrap();
    assert_eq!(dead_letters.len(), 1);
    assert_eq!((dead_letters[0].sequence, &*dead_letters[0].reason), (sequences[1], "refused"));
    assert_eq!(document(dead_letters[0].entry.as_ref().unwrap()), text(2));
    // No number is reused.
    let next = spool.append(vec![result(simulation(1), "next")]).await.unwrap();
    assert!(next[0] > last);
    spool.close().await;
}

#[tokio::test]
async fn entries_that_had_the_same_number_are_all_recovered() {
    for lists in [false, true] {
        let folder = TempDir::new().unwrap();
        let place = settings(folder.path(), MB).folder;
        let spool = open(&folder);
        let sequences = spool.append(vec![result(simulation(1), text(1))]).await.unwrap();
        spool.close().await;
        let old = bytes_of(&folder, sequences[0]).await;
        std::fs::remove_file(path(&folder)).unwrap();
        let spool = open(&folder);
        let mut other = result(simulation(2), text(2));
        other.spooled_at = at(200);
        assert_eq!(spool.append(vec![other]).await.unwrap(), sequences);
        if lists {
            spool.append(vec![with_unused_pages()]).await.unwrap();
        }
        spool.close().await;
        if lists {
            // The current one is damaged, and the other is not the one that is missing.
            for at in places(&folder, "\"number\": 2, \"score\": 0.25") {
                write(&folder, at + 24, b"9");
            }
            write_to_free_page(&folder, &old);
        } else {
            // The lists cannot be read, and the older one is first in the file.
            let mut file = std::fs::read(path(&folder)).unwrap();
            file[..64].fill(0);
            let both = [vec![0; 64], old, file].concat();
            std::fs::write(path(&folder), both).unwrap();
        }
        let report = repair(&place).unwrap();
        assert_eq!(report.lists_read, lists);
        let spool = open(&folder);
        let mut waiting = everything(&spool).await;
        let dead_letters = spool.dead_letters(9).await.unwrap();
        if lists {
            waiting.retain(|waiting| waiting.entry.call.simulation_id() != Some(simulation(9)));
            assert_eq!(documents(&waiting), [text(1)]);
            assert_ne!(waiting[0].sequence, sequences[0]);
            assert_eq!((report.damaged, dead_letters[0].sequence), (1, sequences[0]));
        } else {
            assert_eq!(documents(&waiting), [text(2), text(1)], "the newest keeps its number");
            assert_eq!((report.damaged, waiting[0].sequence), (0, sequences[0]));
        }
        spool.close().await;
    }
}
