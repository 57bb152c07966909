//! Files of results that a test writes.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Finished, Program};

/// A folder that is removed at the end of the test.
#[derive(Debug)]
pub struct Files(TempDir);

impl Files {
    /// Creates an empty folder.
    pub fn new() -> Self {
        Files(TempDir::new().unwrap())
    }

    /// Returns the path of a name in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file; its name can begin with folders.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Writes results, one per line.
    pub fn write_lines(&self, name: &str, results: &[Value]) -> PathBuf {
        let lines: Vec<String> = results.iter().map(|result| format!("{result}\n")).collect();
        self.write(name, lines.concat())
    }
}

/// Returns a result with a status and a score.
pub fn result(scenario_id: &str, status: &str, score: f64) -> Value {
    json!({
        "scenario": {"id": scenario_id, "name": "A scenario", "task_prompt": "Do it."},
        "trajectory": {"status": status, "token_usage": {"total_tokens": 100, "total_cost": 0.5}},
        "reliability_score": {"overall_score": score},
    })
}

/// Runs `record --json` on a file.
pub fn record(program: &Program, file: &Path, options: &[&str]) -> Finished {
    let mut command = program.command(["record", "--json"]);
    command.args(options).arg(file);
    command.stdin(std::process::Stdio::null()).output().unwrap().into()
}
