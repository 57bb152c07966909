//! A process that is killed while it appends.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use super::*;

/// Passes the folder to the child, which runs this same program.
const FOLDER: &str = "ARC_RECORDER_TEST_SPOOL";

/// How many acknowledgements come before each kill.
const ACKNOWLEDGED: [usize; 3] = [1, 40, 150];

/// Does nothing in a normal test run; in the child, appends until it is killed.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let spool = Spool::open(&settings(Path::new(&folder), 64 * MB)).unwrap();
    let appending = (0..4_u128).map(|caller| {
        let spool = spool.clone();
        tokio::spawn(async move {
            for turn in 0..u64::MAX {
                let length = usize::try_from(turn % 50).unwrap() * 300;
                let text = format!("{caller} {turn} {}", "x".repeat(length));
                let entries = vec![result(simulation(caller), text.as_str()); 2];
                let sequences = spool.append(entries).await.unwrap();
                // One write, so that lines do not interleave. The line breaks separate it from the test
                // runner's output.
                let line = format!("\nappended {} {} {text}\n", sequences[0], sequences[1]);
                std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
            }
        })
    });
    join_all(appending).await;
}

#[tokio::test]
async fn acknowledged_entries_survive_a_kill_at_any_moment() {
    let folder = TempDir::new().unwrap();
    let mut acknowledged: Vec<(u64, String)> = Vec::new();
    for wanted in ACKNOWLEDGED {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "spool::tests::kills::child", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut take = |line: &str| {
            let mut words = line.strip_prefix("appended ")?.splitn(3, ' ');
            let first: u64 = words.next()?.parse().ok()?;
            let second: u64 = words.next()?.parse().ok()?;
            let text = words.next()?;
            acknowledged.extend([(first, text.to_owned()), (second, text.to_owned())]);
            Some(())
        };
        let mut seen = 0;
        while seen < wanted {
            let line = lines.next().expect("the child has ended without a kill").unwrap();
            seen += usize::from(take(&line).is_some());
        }
        // Another process uses it.
        let error = Spool::open(&settings(folder.path(), MB)).unwrap_err();
        assert!(matches!(error, Error::Configuration(_)), "{error:?}");
        child.kill().unwrap();
        child.wait().unwrap();
        // Lines printed before the kill count too. The last line can be truncated, and is ignored.
        let rest: Vec<String> = lines.map_while(std::result::Result::ok).collect();
        for line in rest.iter().rev().skip(1) {
            take(line);
        }

        let spool = open(&folder);
        let waiting = everything(&spool).await;
        assert!(waiting.is_sorted_by(|one, other| one.sequence < other.sequence));
        let kept: std::collections::HashMap<u64, &str> =
            waiting.iter().map(|waiting| (waiting.sequence, document(&waiting.entry))).collect();
        for (sequence, text) in &acknowledged {
            assert_eq!(kept.get(sequence), Some(&text.as_str()), "{sequence} was acknowledged");
        }
        // Each append is complete: its entries are next to each other.
        for pair in waiting.chunks(2) {
            assert_eq!(document(&pair[0].entry), document(&pair[1].entry));
        }
        let state = spool.state();
        assert_eq!(state.depth, waiting.len() as u64);
        // Unacknowledged entries can be present too: the append in progress of each caller.
        assert!(waiting.len() >= acknowledged.len());
        spool.close().await;
    }
}
