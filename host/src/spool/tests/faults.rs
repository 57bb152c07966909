//! A disk that fails, and works again.

use std::fs::File;
use std::io;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};

use super::*;

type BackendResult<T> = std::result::Result<T, BackendError>;

/// A file on a disk that has no room while the switch is on. Existing data can be read.
#[derive(Debug)]
struct FullDisk {
    file: FileBackend,
    full: Arc<AtomicBool>,
}

impl FullDisk {
    fn room(&self) -> io::Result<()> {
        if self.full.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl StorageBackend for FullDisk {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.room()?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.room()?;
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.room()?;
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> BackendResult<bool> {
        self.file.try_lock_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> BackendResult<()> {
        self.file.lock_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> BackendResult<()> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> BackendResult<bool> {
        self.file.query_lock_range(start, end)
    }
}

fn open_on(full: &Arc<AtomicBool>, folder: &TempDir) -> Spool {
    let full = Arc::clone(full);
    let opener: Opener = Box::new(move |file: File| {
        let file = FileBackend::new(file)?;
        Database::builder().create_with_backend(FullDisk { file, full: Arc::clone(&full) })
    });
    Spool::open_with(&settings(folder.path(), 64 * MB), opener).unwrap()
}

#[tokio::test]
async fn the_spool_works_again_when_its_disk_has_room() {
    let folder = TempDir::new().unwrap();
    let full = Arc::new(AtomicBool::new(false));
    let spool = open_on(&full, &folder);
    let big = |name: &str| result(simulation(2), format!("{name} {}", "x".repeat(100_000)));
    let mut acknowledged = spool.append(vec![result(simulation(1), "before")]).await.unwrap();
    let before = spool.state();
    for round in 0..3 {
        full.store(true, Ordering::Relaxed);
        for _ in 0..2 {
            let error = spool.append(vec![big("lost")]).await.unwrap_err();
            assert!(error.retryable(), "{error:?}");
            let folder = settings(folder.path(), 0).folder;
            assert!(error.to_string().contains(&folder.display().to_string()), "{error}");
        }
        assert!(!spool.holds(simulation(3)));
        full.store(false, Ordering::Relaxed);
        acknowledged
            .extend(spool.append(vec![result(simulation(1), format!("{round}"))]).await.unwrap());
    }
    let waiting = everything(&spool).await;
    assert_eq!(waiting.iter().map(|waiting| waiting.sequence).collect::<Vec<_>>(), acknowledged);
    assert_eq!(documents(&waiting), ["before", "0", "1", "2"]);
    let state = spool.state();
    assert_eq!((state.depth, state.dead_letters, state.oldest_at), (4, 0, before.oldest_at));
    assert!(!spool.holds(simulation(2)));
    spool.close().await;
    let spool = open(&folder);
    assert_eq!(spool.state(), state, "the counts in memory are those of the file");
    spool.close().await;
}

#[tokio::test]
async fn a_removal_on_a_full_disk_uses_the_reserve() {
    let folder = TempDir::new().unwrap();
    let full = Arc::new(AtomicBool::new(false));
    let spool = open_on(&full, &folder);
    let sequences = spool
        .append((0..300).map(|number| result(simulation(1), number.to_string())).collect())
        .await
        .unwrap();
    assert_eq!(spool.state().error, None);
    full.store(true, Ordering::Relaxed);
    let error = spool.append(vec![result(simulation(2), "no room")]).await.unwrap_err();
    assert!(
        matches!(&error, Error::SpoolUnavailable { failure: SpoolFailure::DiskFull, .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("is full"), "{error}");
    assert_eq!(spool.state().error, Some(SpoolFailure::DiskFull));
    assert!(!spool.state().accepts_entries());
    // This disk has no room at all, not even for the reserve: the error names the cause, and nothing is
    // lost.
    spool.remove(sequences[..250].to_vec()).await.unwrap_err();
    full.store(false, Ordering::Relaxed);
    spool.remove(sequences[..250].to_vec()).await.unwrap();
    assert_eq!(everything(&spool).await.len(), 50);
    spool.append(vec![result(simulation(2), "room again")]).await.unwrap();
    assert_eq!(spool.state().error, None);
    spool.close().await;
}

#[tokio::test]
async fn the_reserve_is_created_beside_the_file_and_created_again() {
    let folder = TempDir::new().unwrap();
    let reserve = settings(folder.path(), 0).folder.join("spool.reserve");
    let spool = open(&folder);
    let length = || reserve.metadata().map_or(0, |file| file.len());
    assert_eq!(length(), 4 * MB);
    std::fs::remove_file(&reserve).unwrap();
    spool.append(vec![result(simulation(1), "one")]).await.unwrap();
    assert_eq!(length(), 4 * MB);
    spool.close().await;
}
