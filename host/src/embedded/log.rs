//! Log files: limits their size, and finds the reason of a failure in them.

use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::EmbeddedError;
use crate::reason::{report, with_hint};

/// The size beyond which a log is rotated when its writer starts. A healthy server writes ten megabytes in months.
const MAX_BYTES: u64 = 10 << 20;

/// How much of a log's end is searched for a reason.
const TAIL_BYTES: u64 = 64 << 10;

/// The prefix of the line in which a supervisor logs its final error.
const FAILED: &str = "failed: ";

/// The severities that end a server, and the detail and hint that can follow.
const TELLING: [&str; 4] = ["FATAL:  ", "PANIC:  ", "DETAIL:  ", "HINT:  "];

/// The end of the fatal message about a configuration file. The errors in the file are logged before it, each on a
/// separate line.
const CONFIGURATION_ERRORS: &str = " contains errors";

/// A log that is being written, and the offset at which its new part begins.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    begins_at: u64,
}

impl Log {
    /// Opens a log for appending. A log that is too large is renamed to `NAME.old`, which replaces the previous one.
    pub(super) fn open(path: PathBuf) -> Result<(Self, File), EmbeddedError> {
        let open = || -> io::Result<(u64, File)> {
            if fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.len() > MAX_BYTES) {
                fs::rename(&path, path.with_extension("log.old"))?;
            }
            let mut options = OpenOptions::new();
            options.append(true).create(true).mode(0o600).custom_flags(nix::libc::O_NOFOLLOW);
            let file = options.open(&path)?;
            Ok((file.metadata()?.len(), file))
        };
        let (begins_at, file) = open().map_err(EmbeddedError::file("open the log", &path))?;
        Ok((Self { path, begins_at }, file))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns why the server did not start, from the lines since the log was opened.
    pub(super) fn why_not_started(&self) -> Option<String> {
        let tail = self.tail();
        fatal(&tail, |_| true).or_else(|| last_lines(&tail, 3))
    }

    /// Returns why the server with this process id ended, likewise. Errors of its child processes concern their clients
    /// only.
    pub(super) fn why_ended(&self, server: u32) -> Option<String> {
        let own = format!("[{server}] ");
        fatal(&self.tail(), |line| line.contains(&own))
    }

    /// Returns why the supervisor ended, likewise.
    pub(super) fn supervisor_reason(&self) -> Option<String> {
        supervisor_reason(&self.tail())
    }

    /// Returns the new part, or its end; an empty text if the log cannot be read.
    fn tail(&self) -> String {
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open(&self.path)?;
            let begins_at = self.begins_at.max(file.metadata()?.len().saturating_sub(TAIL_BYTES));
            file.seek(SeekFrom::Start(begins_at))?;
            let mut tail = Vec::new();
            file.take(TAIL_BYTES).read_to_end(&mut tail)?;
            Ok(tail)
        };
        String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
    }
}

/// Writes a line to the supervisor's log, which is its standard error. A full disk must not stop it, so errors are
/// ignored.
pub(super) fn say(what: impl Display) {
    let _ = writeln!(
        io::stderr(),
        "{:.3} supervisor [{}] {what}",
        jiff::Timestamp::now(),
        std::process::id()
    );
}

/// Logs the supervisor's final error, for the process that started it.
pub(super) fn say_failed(error: &EmbeddedError) {
    match error {
        EmbeddedError::NotStarted { reason, .. } => say(format_args!("{FAILED}{reason}")),
        other => {
            say(format_args!("{FAILED}{}", with_hint(report(other), other.hint().as_deref())));
        }
    }
}

/// Returns the last lines of a program's output, joined into one line.
pub(super) fn last_lines(text: &str, count: usize) -> Option<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines.get(lines.len().saturating_sub(count)..)?;
    (!last.is_empty()).then(|| last.join("; "))
}

/// Returns the last fatal lines among those that count, with their details and hints.
fn fatal(tail: &str, counts: impl Fn(&str) -> bool) -> Option<String> {
    let telling = |line: &str| {
        let (_, text) = TELLING.iter().find_map(|severity| line.split_once(severity))?;
        // Clients are refused with this message while the server starts or stops, which is not the cause of a failure.
        (!text.starts_with("the database system is ")).then(|| text.trim().to_owned())
    };
    let mut found: Vec<String> = Vec::new();
    let mut before = "";
    for line in tail.lines().filter(|line| counts(line)) {
        let Some(text) = telling(line) else {
            before = line;
            continue;
        };
        if text.ends_with(CONFIGURATION_ERRORS) {
            found.extend(before.split_once("LOG:  ").map(|(_, mistake)| mistake.to_owned()));
        }
        found.push(text);
    }
    let last = found.get(found.len().saturating_sub(3)..)?;
    (!last.is_empty()).then(|| last.join("; "))
}

fn supervisor_reason(tail: &str) -> Option<String> {
    let failed = tail.lines().rev().find_map(|line| line.split_once(FAILED));
    failed.map_or_else(
        || last_lines(tail, 2),
        |(_, reason)| Some(reason.trim().trim_end_matches(['.', '?']).to_owned()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_what_was_fatal_and_its_hint() {
        let tail = "2026-01-01 00:00:00.000 UTC [7] LOG:  starting PostgreSQL 15.18\n\
                    2026-01-01 00:00:00.001 UTC [7] FATAL:  could not map anonymous shared memory: Cannot allocate memory\n\
                    2026-01-01 00:00:00.001 UTC [7] HINT:  This error usually means too much was asked for.\n\
                    2026-01-01 00:00:00.002 UTC [7] LOG:  database system is shut down\n\
                    2026-01-01 00:00:00.003 UTC [8] FATAL:  the database system is shutting down\n";
        let reason = "could not map anonymous shared memory: Cannot allocate memory; This error usually means too much was asked for.";
        assert_eq!(fatal(tail, |_| true).as_deref(), Some(reason));
        assert_eq!(fatal(tail, |line| line.contains("[8] ")), None);
        assert_eq!(fatal("", |_| true), None);
    }

    #[test]
    fn the_reason_includes_the_error_in_a_configuration_file() {
        let tail = "t [7] LOG:  unrecognized configuration parameter \"a\" in file \"/f\" line 1\n\
                    t [7] FATAL:  configuration file \"/f\" contains errors\n";
        let reason = "unrecognized configuration parameter \"a\" in file \"/f\" line 1; configuration file \"/f\" contains errors";
        assert_eq!(fatal(tail, |_| true).as_deref(), Some(reason));
        let verdict = tail.lines().next_back().unwrap();
        assert!(fatal(verdict, |_| true).unwrap().starts_with("configuration file"));
    }

    #[test]
    fn the_reason_of_a_supervisor_is_read_from_its_log() {
        let tail = "t supervisor [1] starting postgres\nt supervisor [1] failed: no space: none\nthread ended\n";
        assert_eq!(supervisor_reason(tail).as_deref(), Some("no space: none"));
        assert_eq!(supervisor_reason("one\ntwo\n\nthree\n").as_deref(), Some("two; three"));
    }

    #[test]
    fn only_the_new_part_is_read_and_a_large_log_is_rotated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("postgres.log");
        fs::write(&path, "t [7] FATAL:  of yesterday\n").unwrap();
        let (log, mut file) = Log::open(path.clone()).unwrap();
        assert_eq!(log.why_not_started(), None);
        file.write_all(b"t [7] FATAL:  of today\nt [7] LOG:  shut down\n").unwrap();
        assert_eq!(log.why_not_started().as_deref(), Some("of today"));
        assert_eq!(log.why_ended(7).as_deref(), Some("of today"));
        assert_eq!(log.why_ended(8), None);

        file.set_len(MAX_BYTES + 1).unwrap();
        let (_, file) = Log::open(path.clone()).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 0);
        assert!(folder.path().join("postgres.log.old").exists());
    }
}
