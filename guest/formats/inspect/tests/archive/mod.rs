//! Reads logs as a host does.

#![allow(dead_code, reason = "no test program uses all of it")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use arc_format_inspect::InspectFormat;
use arc_format_kit::{Format, Items, Outcome, Role, SuiteSummary, finite};
use arc_format_testing::agrees;
use serde_json::value::RawValue;

pub(crate) const NO_PYTHON: &str = "there is no python3 to read archives with";

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

pub(crate) fn fixture(name: &str) -> PathBuf {
    repository().join("tests/fixtures/formats/inspect").join(name)
}

pub(crate) fn head(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(4096)]
}

/// The header and samples of a log.
pub(crate) struct Log {
    pub(crate) header: String,
    pub(crate) samples: Vec<String>,
}

impl Log {
    /// Reads a `.json` log: raw samples, and `null` in their place in the header.
    pub(crate) fn of_document(path: &Path) -> Log {
        let bytes = std::fs::read(path).unwrap();
        Log::of_text(std::str::from_utf8(&bytes).unwrap())
    }

    /// See [`Log::of_document`].
    pub(crate) fn of_text(text: &str) -> Log {
        let layout = InspectFormat::detect("log.json", head(text.as_bytes())).unwrap();
        assert_eq!(layout.items, Items::Elements("/samples/*".to_owned()));
        // A host removes the mark.
        let text = text.trim_start_matches('\u{feff}');
        let text = finite::with_null_for_nan(text);
        let members: BTreeMap<String, &RawValue> = serde_json::from_str(&text).unwrap();
        let samples: Vec<&RawValue> = serde_json::from_str(members["samples"].get()).unwrap();
        let samples: Vec<String> = samples.iter().map(|sample| sample.get().to_owned()).collect();
        let nulls = serde_json::to_string(&vec![(); samples.len()]).unwrap();
        Log { header: text.replace(members["samples"].get(), &nulls), samples }
    }

    /// Reads a deflated `.eval` log with Python; `None` if Python is missing.
    pub(crate) fn of_archive(path: &Path) -> Option<Log> {
        let layout = InspectFormat::detect("log.eval", head(&std::fs::read(path).unwrap()));
        let layout = layout.unwrap();
        assert_eq!(layout.items, Items::Entries("samples/**_epoch_**.json".to_owned()));
        let script = "import json, sys, zipfile\n\
            log = zipfile.ZipFile(sys.argv[1])\n\
            names = log.namelist()\n\
            header = 'header.json' if 'header.json' in names else '_journal/start.json'\n\
            items = [entry for entry in log.infolist()\n\
                if entry.filename.startswith('samples/') and '_epoch_' in entry.filename]\n\
            print(json.dumps([log.read(entry).decode() for entry in [header, *items]]))";
        let run = Command::new("python3").args(["-c", script]).arg(path).output().ok()?;
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        let mut texts: Vec<String> = serde_json::from_slice(&run.stdout).unwrap();
        let mut samples = texts.split_off(1);
        if layout.classify_items {
            samples.retain(|item| InspectFormat::classify(item) == Role::Result);
        }
        Some(Log { header: texts.pop().unwrap(), samples })
    }

    /// Returns the outcome of each sample.
    pub(crate) fn list(&self) -> Vec<Outcome> {
        let header = Some(self.header.as_str());
        let accepted = arc_format_testing::accepted::<InspectFormat>;
        self.samples.iter().map(|sample| accepted(header, sample)).collect()
    }

    /// Returns the outcomes by scenario and trial.
    pub(crate) fn outcomes(&self) -> BTreeMap<(String, u32), Outcome> {
        let outcomes = self
            .list()
            .into_iter()
            .map(|outcome| ((outcome.scenario.id.clone(), outcome.trial.unwrap()), outcome));
        let found: BTreeMap<_, _> = outcomes.collect();
        assert_eq!(found.len(), self.samples.len(), "ids and trials are unique");
        found
    }

    pub(crate) fn suite(&self) -> SuiteSummary {
        InspectFormat::suite(&self.header).unwrap()
    }

    /// Checks that the log's own figures are those of its samples.
    pub(crate) fn check_figures(
        &self,
        outcomes: &BTreeMap<(String, u32), Outcome>,
    ) -> SuiteSummary {
        let suite = self.suite();
        assert_eq!(suite.warnings, []);
        let outcomes: Vec<Outcome> = outcomes.values().cloned().collect();
        assert!(agrees(&suite.run, &outcomes) > 0);
        let tokens: f64 = outcomes.iter().map(|outcome| outcome.tokens_used).sum();
        assert_eq!(suite.total_tokens_used, Some(tokens));
        assert!(suite.execution_time_ms.unwrap() > 0.0);
        suite
    }
}
