//! Recording many files: several at once, or one after the other into one simulation.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use futures_util::{StreamExt as _, stream};
use serde::Serialize;
use uuid::Uuid;

use super::turns::Turns;
use super::{Destination, FileIdentity, FileOptions, Progress, RecordedFile, record_file};
use crate::blocking::blocking;
use crate::documents::shared_parent;
use crate::error::{Error, Result};
use crate::extraction::Extractor;
use crate::formats::{Formats, FoundFile};
use crate::identity::Fingerprint;
use crate::recorder::{SimulationProgress, new_simulation_id};
use crate::store::Origin;

/// How many files are recorded at once, if they are not those of one simulation.
const FILES_UNDER_WAY: usize = 8;

/// How many files that could not be recorded are listed; all of them are counted.
const LISTED_FAILURES: usize = 10;

/// How many files without results are named; all of them are counted.
const NAMED_FILES: usize = 1_000;

/// How many different origins of files are remembered.
const MAX_ORIGINS: usize = 200;

/// The recording of many files. Cheap to clone.
#[derive(Clone, Debug)]
pub struct FilesRecording {
    /// The built-in format.
    pub built_in: Extractor,
    /// The other formats.
    pub formats: Formats,
    /// The destination of the results.
    pub destination: Destination,
    /// How each file is recorded.
    pub options: FileOptions,
    /// The format of all files; `None` to detect it.
    pub format: Option<String>,
    /// The file with the header of all files.
    pub header_file: Option<PathBuf>,
    /// Set by the caller to stop after the batches in progress.
    pub stop: Arc<AtomicBool>,
}

impl FilesRecording {
    /// Makes the files those of one simulation if the caller asks for it, or names one for several files. It
    /// is the one of the identity, or, for that of their content, the one that is derived from the bytes
    /// of all files, the name and the configuration. A simulation that does not exist yet is planned with
    /// the scenarios of all files, its name defaults to that of the folder that has them, and
    /// [`FilesRecording::end`] ends it.
    ///
    /// # Errors
    /// [`Error::Io`] if a file cannot be read; an error of the destination.
    pub async fn group(&mut self, files: &[FoundFile], one_simulation: bool) -> Result<()> {
        let is_named = matches!(self.options.identity, FileIdentity::Named(_));
        let one_simulation = one_simulation || (is_named && files.len() > 1);
        if !one_simulation || files.is_empty() {
            return Ok(());
        }
        let simulation_id = match self.options.identity {
            FileIdentity::Named(simulation_id) => {
                match self.destination.source().simulation_status(simulation_id).await {
                    // Its plan does not change.
                    Ok(_) => return Ok(()),
                    Err(Error::NotFound(_)) => simulation_id,
                    Err(error) => return Err(error),
                }
            }
            FileIdentity::Joint(simulation_id) => simulation_id,
            FileIdentity::New => new_simulation_id(),
            FileIdentity::OfContent => {
                let files = files.to_vec();
                let read = move || files.iter().map(FoundFile::sha256).collect::<Result<Vec<_>>>();
                let mut digests = blocking(read).await??;
                digests.sort_unstable();
                let start = &self.options.start;
                let name = start.simulation_name.as_deref().unwrap_or_default();
                let mut fingerprint = Fingerprint::new("simulation-of-files");
                fingerprint.part(name.as_bytes());
                fingerprint.part(start.config_version_id.as_bytes());
                digests.iter().for_each(|digest| fingerprint.part(digest));
                fingerprint.uuid()
            }
        };
        self.options.identity = FileIdentity::Joint(simulation_id);
        self.options.start.simulation_name.get_or_insert_with(|| shared_title(files));
        Ok(())
    }

    /// Records the files, and calls `recorded` with the result of each, in order. Files are recorded
    /// concurrently, those of one simulation in their order. `report` is called with the number of
    /// a file and its progress.
    ///
    /// # Errors
    /// The first error of `recorded`.
    pub async fn record_each(
        &self,
        files: Vec<FoundFile>,
        report: impl Fn(usize, Progress) + Clone + Send + 'static,
        mut recorded: impl FnMut(FoundFile, Result<RecordedFile>) -> Result<()>,
    ) -> Result<()> {
        let under_way = match self.options.identity {
            FileIdentity::OfContent | FileIdentity::New => FILES_UNDER_WAY,
            FileIdentity::Named(_) | FileIdentity::Joint(_) => 1,
        };
        let turns = Turns::default();
        let record = |(number, found): (usize, FoundFile)| {
            let report = report.clone();
            let turn = Some(Arc::new(turns.add(number)));
            let options = FileOptions { turn, ..self.options.clone() };
            async move {
                let report = move |progress| report(number, progress);
                let recorded = self.record(found.clone(), &options, report).await;
                (found, recorded)
            }
        };
        let mut files = stream::iter(files.into_iter().enumerate()).map(record).buffered(under_way);
        while let Some((found, result)) = files.next().await {
            recorded(found, result)?;
        }
        Ok(())
    }

    /// Records one file. Problems with a format are notes of the result.
    ///
    /// # Errors
    /// As [`record_file`], and if the file cannot be opened.
    async fn record(
        &self,
        found: FoundFile,
        options: &FileOptions,
        report: impl FnMut(Progress) + Clone + Send + 'static,
    ) -> Result<RecordedFile> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Error::invalid(format!("stopped before {} was read", found.name())));
        }
        let Self { formats, built_in, format, header_file, .. } = self.clone();
        let open = move || {
            let mut notes = Vec::new();
            let (format, header) = (format.as_deref(), header_file.as_deref());
            let note = |problem: &str| notes.push(problem.to_owned());
            let opened = formats.open_found(&built_in, found, format, header, note)?;
            Ok::<_, Error>((opened, notes))
        };
        let (opened, mut notes) = blocking(open).await??;
        let stop = Arc::clone(&self.stop);
        let mut recorded = record_file(opened, &self.destination, options, stop, report).await?;
        notes.append(&mut recorded.notes);
        recorded.notes = notes;
        Ok(recorded)
    }

    /// Completes the one simulation of all files, if the recording started it, and returns its progress.
    /// `summary` is that of its files.
    ///
    /// # Errors
    /// An error of the destination.
    pub async fn end(&self, summary: &FilesSummary) -> Result<Option<SimulationProgress>> {
        let FileIdentity::Joint(simulation_id) = self.options.identity else { return Ok(None) };
        self.destination.end_joint(simulation_id, &Origin::of_all(&summary.origins)).await
    }
}

/// Returns the folder that has all files, else the name of the first file.
fn shared_title(files: &[FoundFile]) -> String {
    let shared = shared_parent(files.iter().map(|file| Path::new(file.name())));
    let first = || files.first().map_or("", FoundFile::name);
    let title = shared.filter(|folder| *folder != Path::new(""));
    title.unwrap_or_else(|| Path::new(first()).with_extension("")).display().to_string()
}

/// A file that could not be recorded.
#[derive(Clone, Debug, Serialize)]
pub struct FailedFile {
    /// The file's name.
    pub file: String,
    /// Why it could not be recorded.
    pub error: String,
    /// What to do about that, if the error does not show it.
    pub hint: Option<String>,
}

/// The summary of recording many files.
#[derive(Clone, Debug, Default, Serialize)]
pub struct FilesSummary {
    /// Files that were recorded, also in part.
    pub files: u64,
    /// The simulations that they belong to.
    pub simulations: u64,
    /// Results that were newly stored.
    pub stored: u64,
    /// Results that were already stored.
    pub duplicate: u64,
    /// Results that wait in a service's spool until its database is available.
    pub spooled: u64,
    /// Results that are not valid.
    pub rejected: u64,
    /// Results that were not recorded.
    pub failed: u64,
    /// Files of folders without results, such as logs and configurations.
    pub other_files: u64,
    /// The names of the first thousand of them.
    pub other_file_names: Vec<String>,
    /// Files that could not be recorded.
    pub failed_files: u64,
    /// The first ten of them.
    pub failures: Vec<FailedFile>,
    /// Files that were not recorded because the command was stopped.
    pub stopped_files: u64,
    /// How long it took, in seconds.
    pub elapsed_seconds: f64,
    #[serde(skip)]
    simulation_ids: HashSet<Uuid>,
    /// Who ran what, as the files report it.
    #[serde(skip)]
    origins: Vec<Origin>,
}

impl FilesSummary {
    /// Returns an empty summary with the names of the files without results.
    pub fn new(mut other_file_names: Vec<String>) -> Self {
        let other_files = other_file_names.len() as u64;
        other_file_names.truncate(NAMED_FILES);
        FilesSummary { other_files, other_file_names, ..FilesSummary::default() }
    }

    /// Counts a recorded file.
    pub fn add(&mut self, recorded: &RecordedFile) {
        let summary = &recorded.summary;
        self.files += 1;
        self.simulation_ids.insert(recorded.simulation_id);
        self.simulations = self.simulation_ids.len() as u64;
        self.stored += summary.stored;
        self.duplicate += summary.duplicate;
        self.spooled += summary.spooled;
        self.rejected += summary.rejected;
        self.failed += summary.failed;
        if self.origins.len() < MAX_ORIGINS && !self.origins.contains(&recorded.origin) {
            self.origins.push(recorded.origin.clone());
        }
    }

    /// Counts a file that could not be recorded.
    pub fn add_failure(&mut self, file: &str, error: &Error) {
        self.failed_files += 1;
        if self.failures.len() < LISTED_FAILURES {
            let hint = error.hint().map(std::borrow::Cow::into_owned);
            self.failures.push(FailedFile { file: file.to_owned(), error: error.report(), hint });
        }
    }

    /// Sets how long it took.
    #[must_use]
    pub fn since(self, begun: Instant) -> Self {
        FilesSummary { elapsed_seconds: begun.elapsed().as_secs_f64(), ..self }
    }
}
