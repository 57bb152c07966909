//! The files to record below the paths that a caller names: each with its format, without those that
//! belong to another file, and without the files of a folder that no format recognises.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

use arc_framing::{Container, Framer, Limits, Problem};

use super::Formats;
use super::opening::{OpenedFile, Recognised, open_recognised};
use crate::documents::{
    DocumentFile, FileId, Folder, STANDARD_INPUT, companions, items_by_name, peek, shared_parent,
};
use crate::error::{Error, Result};
use crate::extraction::{Extractor, HEAD_BYTES, ItemLayout};

/// The endings of the names of files that can have results of the built-in format.
const JSON_ENDINGS: [&str; 3] = ["json", "jsonl", "ndjson"];

/// The files to record.
#[derive(Debug, Default)]
pub struct FileCollection {
    /// The files, in the order of the paths.
    pub files: Vec<FoundFile>,
    /// The files of folders that have no results.
    pub other_files: Vec<String>,
    /// Paths that cannot be recorded, each with the reason.
    pub failures: Vec<(String, Error)>,
}

/// A file to record.
#[derive(Clone, Debug)]
pub struct FoundFile {
    path: PathBuf,
    /// The name for people.
    name: String,
    /// The bytes that are read for its results, as they are stored; 0 if unknown.
    bytes: u64,
    /// The file, unless it can be read only once.
    id: Option<FileId>,
    /// The format, if one recognises the file.
    recognised: Option<Recognised>,
    /// Whether the caller named the file itself.
    is_named: bool,
}

impl FoundFile {
    fn new(path: PathBuf, name: String, is_named: bool) -> Self {
        let metadata = match path == Path::new(STANDARD_INPUT) {
            true => None,
            false => std::fs::metadata(&path).ok().filter(std::fs::Metadata::is_file),
        };
        FoundFile {
            id: metadata.as_ref().map(FileId::from),
            bytes: metadata.map_or(0, |metadata| metadata.len()),
            path,
            name,
            recognised: None,
            is_named,
        }
    }

    /// Returns the file's name for people: its path as the caller named it, or from the folder that the
    /// caller named.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it can be read only once, such as standard input.
    pub fn is_read_once(&self) -> bool {
        self.id.is_none()
    }

    /// Returns the SHA-256 of the file's content.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it can be read only once; [`Error::Io`].
    pub(crate) fn sha256(&self) -> Result<[u8; 32]> {
        if self.is_read_once() {
            return Err(Error::invalid(format!("{} can be read only once", self.name))
                .with_hint("name the simulation with --simulation"));
        }
        DocumentFile::open_as(&self.path, &self.name)?.sha256()
    }

    /// Returns how many bytes are read for its results, as they are stored; 0 if that is unknown.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// A folder that a caller named, with the files in it.
struct NamedFolder {
    name: String,
    /// Whether a file in it is recorded, itself or as a part of another one, or cannot be read.
    is_used: bool,
    other_files: u64,
}

impl Formats {
    /// Finds the files to record at these paths, and in the folders among them: those that a format
    /// recognises, or only the one with the name `format`. A path that is a file is always one of them,
    /// unless it belongs to another one, as the header of its results or one of them. The call blocks.
    /// `report` is called with the problems of formats.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the format does not exist.
    pub fn collect(
        &self,
        built_in: &Extractor,
        paths: &[PathBuf],
        format: Option<&str>,
        mut report: impl FnMut(&str),
    ) -> Result<FileCollection> {
        if let Some(name) = format.filter(|name| *name != built_in.identity().name) {
            self.extractor(name)?;
        }
        let mut reported = HashSet::new();
        let mut report = |problem: &str| {
            if reported.insert(problem.to_owned()) {
                report(problem);
            }
        };
        let mut collection = FileCollection::default();
        let (mut candidates, mut folders) = (Vec::new(), Vec::new());
        let shared = shared_folder(paths);
        for path in paths {
            let name = shown_name(path, shared.as_deref());
            if !path.is_dir() {
                match std::fs::metadata(path) {
                    Err(error) if path != Path::new(STANDARD_INPUT) => {
                        let context = format!("could not read {}", path.display());
                        collection.failures.push((name, Error::io(context, error)));
                    }
                    _ => candidates.push((FoundFile::new(path.clone(), name, true), None)),
                }
                continue;
            }
            let listed = Folder::list(path);
            let is_used = !listed.failures.is_empty();
            let failed = listed.failures.into_iter().map(|error| (name.clone(), error));
            collection.failures.extend(failed);
            for (path, below) in listed.files {
                let name = if name.is_empty() { below } else { format!("{name}/{below}") };
                candidates.push((FoundFile::new(path, name, false), Some(folders.len())));
            }
            folders.push(NamedFolder { name, is_used, other_files: 0 });
        }
        let mut use_folder = |folder: Option<usize>, is_used: bool| {
            if let Some(folder) = folder.and_then(|folder| folders.get_mut(folder)) {
                folder.is_used |= is_used;
                folder.other_files += u64::from(!is_used);
            }
        };
        // Files that belong to others, and files that are found a second time.
        let (mut claimed, mut seen) = (HashSet::new(), HashSet::new());
        let mut found = Vec::new();
        for (mut file, folder) in candidates {
            if file.id.is_some_and(|id| claimed.contains(&id) || !seen.insert(id)) {
                use_folder(folder, true);
                continue;
            }
            if file.is_read_once() {
                found.push((file, folder));
                continue;
            }
            match self.recognise_file(built_in, &file.path, format, &mut report) {
                Ok(recognised) => file.recognised = recognised,
                // A named file is opened, which returns the error.
                Err(_) if file.is_named => {}
                Err(error) => {
                    use_folder(folder, true);
                    collection.failures.push((file.name, error));
                    continue;
                }
            }
            if let Some(Recognised::Other(_, layout)) = &file.recognised {
                for path in companions(&file.path, layout) {
                    file.bytes += std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
                    claimed.extend(FileId::of(&path));
                }
            }
            found.push((file, folder));
        }
        for (file, folder) in found {
            let is_claimed = file.id.is_some_and(|id| claimed.contains(&id));
            let is_recorded = !is_claimed && (file.is_named || file.recognised.is_some());
            use_folder(folder, is_claimed || is_recorded);
            if is_recorded {
                collection.files.push(file);
            } else if !is_claimed {
                collection.other_files.push(file.name);
            }
        }
        for NamedFolder { name, is_used, other_files } in folders {
            if !is_used {
                let error = self.without_results(built_in, &name, other_files);
                collection.failures.push((name, error));
            }
        }
        Ok(collection)
    }

    /// Opens a file of a collection. The call blocks, because it might read the whole file.
    ///
    /// # Errors
    /// As [`Formats::open`], and [`Error::Io`].
    pub fn open_found(
        &self,
        built_in: &Extractor,
        found: FoundFile,
        format: Option<&str>,
        header_file: Option<&Path>,
        report: impl FnMut(&str),
    ) -> Result<OpenedFile> {
        let file = DocumentFile::open_as(&found.path, &found.name)?;
        match found.recognised {
            Some(recognised) => open_recognised(built_in, file, recognised, header_file),
            None => self.open(built_in, file, format, header_file, report),
        }
    }

    fn recognise_file(
        &self,
        built_in: &Extractor,
        path: &Path,
        format: Option<&str>,
        report: impl FnMut(&str),
    ) -> Result<Option<Recognised>> {
        let (name, head) = peek(path)?;
        let recognised = self.recognise(built_in, &name, &head, format, report)?;
        let may_be_built_in = format.is_none_or(|format| format == built_in.identity().name);
        match recognised {
            None if may_be_built_in && is_named_json(&name) => has_result(built_in, &name, &head),
            recognised => Ok(recognised),
        }
    }

    /// The error of a folder without results.
    fn without_results(&self, built_in: &Extractor, name: &str, files: u64) -> Error {
        let known = self.known(built_in);
        let name = if name.is_empty() { "the folder" } else { name };
        let error = Error::invalid(match files {
            0 => format!("{name} has no files"),
            1 => format!("{name} has no results: no format recognises its file"),
            files => {
                format!("{name} has no results: no format recognises one of its {files} files")
            }
        });
        error.with_hint(format!("known formats: {}", known.join(", ")))
    }
}

/// Whether a file's name is that of JSON.
fn is_named_json(name: &str) -> bool {
    let ending = Path::new(name).extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| JSON_ENDINGS.iter().any(|json| json.eq_ignore_ascii_case(ending)))
}

/// Recognises a file in whose beginning the built-in format accepts a result, although not the first one.
///
/// # Errors
/// [`Error::Invalid`] if the file ends within a document and has no result.
fn has_result(built_in: &Extractor, name: &str, head: &[u8]) -> Result<Option<Recognised>> {
    let container = match items_by_name(name) {
        ItemLayout::Lines => Container::Lines,
        _ => Container::Auto,
    };
    let mut framer = Framer::new(container, Limits::default());
    let is_whole = head.len() < HEAD_BYTES;
    if framer.push(head).is_err() || (is_whole && framer.finish().is_err()) {
        return Ok(None);
    }
    let mut session = built_in.session_now();
    let mut cut_off = None;
    while let Some(frame) = framer.next_frame() {
        if let Some(Problem::Truncated(_)) = &frame.problem {
            cut_off = frame.problem;
        } else if let Some(text) = frame.text()
            && let Ok(Ok(_)) = session.extract_scenario(None, text)
        {
            return Ok(Some(Recognised::BuiltIn));
        }
    }
    match cut_off {
        Some(problem) => Err(Error::invalid(format!("{name} has no result: {problem}"))),
        None => Ok(None),
    }
}

/// Returns the folder that all absolute paths are in.
fn shared_folder(paths: &[PathBuf]) -> Option<PathBuf> {
    let absolute = paths.iter().filter(|path| path.is_absolute());
    shared_parent(absolute.map(PathBuf::as_path))
}

/// Returns the name for people of a path that a caller named: as it is, without the folder that all
/// absolute paths share.
fn shown_name(path: &Path, shared: Option<&Path>) -> String {
    if path == Path::new(STANDARD_INPUT) {
        return "standard input".to_owned();
    }
    let below = shared.and_then(|shared| path.strip_prefix(shared).ok()).unwrap_or(path);
    let named: PathBuf = below.components().filter(|part| *part != Component::CurDir).collect();
    named.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_path_from_what_the_caller_named() {
        let shown = |paths: &[&str]| -> Vec<String> {
            let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
            let shared = shared_folder(&paths);
            paths.iter().map(|path| shown_name(path, shared.as_deref())).collect()
        };
        assert_eq!(shown(&["a/b.json", "./c.json", "."]), ["a/b.json", "c.json", ""]);
        assert_eq!(shown(&["/x/y/b.json"]), ["b.json"]);
        assert_eq!(shown(&["/x/y/b.json", "/x/z", "d.json"]), ["y/b.json", "z", "d.json"]);
        assert_eq!(shown(&["../a.json", "/"]), ["../a.json", "/"]);
    }
}
