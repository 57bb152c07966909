//! A program whose clock is wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use tempfile::TempDir;

use super::Program;

/// The library to preload, compiled once for all tests; the folder is kept until the process ends.
static LIBRARY: LazyLock<Option<(TempDir, PathBuf)>> = LazyLock::new(|| {
    if !cfg!(all(target_os = "linux", target_pointer_width = "64")) {
        return None;
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("end_to_end/support/shifted_clock.c");
    let folder = TempDir::new().unwrap();
    let library = folder.path().join("shifted_clock.so");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O2", "-o"])
        .args([&library, &source])
        .status();
    compiled.is_ok_and(|status| status.success()).then_some((folder, library))
});

/// The wall clock of programs, ahead of the machine's or behind it.
#[derive(Debug)]
pub struct ShiftedClock {
    library: PathBuf,
    folder: TempDir,
}

impl ShiftedClock {
    /// Returns a clock that is this many seconds ahead; `None` if the library cannot be preloaded
    /// here.
    pub fn ahead_by(seconds: i64) -> Option<Self> {
        let library = LIBRARY.as_ref()?.1.clone();
        let clock = ShiftedClock { library, folder: TempDir::new().unwrap() };
        clock.set(seconds);
        Some(clock)
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("shift")
    }

    /// Sets the clock, also for running programs.
    pub fn set(&self, seconds: i64) {
        use std::os::unix::fs::FileExt as _;
        let file = fs::File::options().create(true).truncate(false).write(true).open(self.file());
        file.unwrap().write_all_at(&(seconds * 1_000_000).to_ne_bytes(), 0).unwrap();
    }

    /// Returns a program with this clock.
    pub fn of(&self, program: Program) -> Program {
        program
            .with_variable("LD_PRELOAD", &self.library)
            .with_variable("SHIFTED_CLOCK_FILE", self.file())
    }
}
