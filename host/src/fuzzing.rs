//! Fuzz targets of the host's parsers: functions that accept any bytes and panic if a property does not
//! hold. They are only used by tests, which run them on a corpus and on mutations of it, and by an
//! instrumented build, which a fuzzer runs; `tests/fuzz` has the corpus and both of these.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a property that does not hold panics"
)]

use crate::recorder::duration_hours;
use crate::{access, extraction, service, store};

/// Runs the target on an input, and panics if a property does not hold.
pub type Target = fn(&[u8]);

/// Every target: its name, which is also that of its corpus, and its function.
pub const TARGETS: &[(&str, Target)] = &[
    ("host-bodies", service::fuzzing::bodies),
    ("host-record", service::fuzzing::record),
    ("host-lines", service::fuzzing::lines),
    ("host-gzip", service::fuzzing::gzip),
    ("host-zstd", service::fuzzing::zstd),
    ("host-queries", service::fuzzing::queries),
    ("host-settings", service::fuzzing::settings),
    ("host-connections", store::fuzz_connections),
    ("host-words", words),
];

/// The input is an argument of the command line or a header, or a pattern, a line break, and a name.
fn words(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match duration_hours(text) {
        Ok(hours) => {
            assert!(hours > 0.0 && hours.is_finite(), "{text}: {hours}");
            // A time before the range of times is reported as such, without overflow.
            let now = jiff::Timestamp::now();
            if let Ok(before) = store::hours_before(now, hours) {
                assert!(before <= now);
            }
        }
        Err(reason) => assert!(!reason.is_empty()),
    }
    crate::cli::fuzz_words(text);
    if let Ok(scope) = text.parse::<access::Scope>() {
        assert_eq!(scope.as_str(), text);
    }
    if let Some(token) = access::Token::parse(text) {
        assert_eq!(token.reveal(), text);
        assert!(token.has_sha256(&token.sha256()));
        let secret = text.rsplit('_').next().unwrap();
        assert!(!format!("{token:?}").contains(secret), "a secret is shown");
    }
    store::fuzz_cursor(text);
    let (pattern, name) = text.split_once('\n').unwrap_or((text, text));
    patterns(pattern, name);
}

/// A pattern matches in the same way as in the simplest implementation of its rules.
fn patterns(pattern: &str, name: &str) {
    /// Fits a row of the pattern's steps after another to the name's ends.
    fn plainly(pattern: &[u8], name: &[u8]) -> bool {
        let mut ends = vec![false; name.len() + 1];
        ends[0] = true;
        let mut rest = pattern;
        while let Some((step, after)) = rest.split_first() {
            let mut next = vec![false; name.len() + 1];
            let double = *step == b'*' && after.first() == Some(&b'*');
            for (end, _) in ends.iter().enumerate().filter(|(_, reached)| **reached) {
                if *step == b'*' {
                    let within = |byte: &&u8| double || **byte != b'/';
                    let most = name[end..].iter().take_while(within).count();
                    next[end..=end + most].fill(true);
                } else if name.get(end) == Some(step) {
                    next[end + 1] = true;
                }
            }
            ends = next;
            rest = if double { &after[1..] } else { after };
        }
        ends[name.len()]
    }
    if pattern.len() * name.len() <= 1 << 16 {
        let matches = extraction::matches_pattern(pattern, name);
        let expected = plainly(pattern.as_bytes(), name.as_bytes());
        assert_eq!(matches, expected, "{pattern:?} and {name:?}");
    }
}

#[cfg(test)]
mod tests {
    macro_rules! targets {
        ($($name:ident = $target:literal;)*) => {
            $(#[test] fn $name() { run($target); })*

            #[test]
            fn every_target_is_run() {
                let known: Vec<&str> = super::TARGETS.iter().map(|(name, _)| *name).collect();
                assert_eq!(known, [$($target),*]);
            }
        };
    }

    targets! {
        bodies = "host-bodies";
        record = "host-record";
        lines = "host-lines";
        gzip = "host-gzip";
        zstd = "host-zstd";
        queries = "host-queries";
        settings = "host-settings";
        connections = "host-connections";
        words = "host-words";
    }

    fn run(name: &str) {
        let target = super::TARGETS.iter().find(|(known, _)| *known == name);
        arc_fuzz::short_run(*target.unwrap());
    }
}
