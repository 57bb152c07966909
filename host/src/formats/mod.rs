//! Result formats: the components that read the results of evaluation tools.
//!
//! Some components are part of the program; an operator can add others, which are stored in a folder
//! under the SHA-256 of their bytes, compiled in a separate process, and run with limits on fuel,
//! memory and time. A file is read by the named format, or by the one that detects it.
//!
//! | module | purpose |
//! |---|---|
//! | `bundled` | the components that are part of the program |
//! | `registry` | the folder of added formats |
//! | `collection` | the files to record below named paths |
//! | `opening` | files of any format, ready to be recorded |
//! | `resemblance` | what a file that no format recognises could be |
//! | `result_format` | the format of a result, and the header of its file |

mod bundled;
mod collection;
mod opening;
mod registry;
mod resemblance;
mod result_format;

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde::Serialize;

pub use collection::{FileCollection, FoundFile};
pub use opening::{OpenedFile, Unrecognised};
pub use registry::AddedFormat;
pub use result_format::ResultFormat;

use crate::error::{Error, Result};
use crate::extraction::{
    CompilerCommand, ExtractionEngine, ExtractionLimits, Extractor, FileLayout, LoadOptions,
};
use crate::identity::hexadecimal;
use crate::lock::lock;
use bundled::BUNDLED;
use registry::Registry;

/// How long a loaded format is used before the folder is checked for a replacement.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The folders of formats, and the limits of their components.
#[derive(Clone, Debug, Default)]
pub struct FormatSettings {
    /// The folder of added formats; `None` if only those of the program are used.
    pub folder: Option<PathBuf>,
    /// The cache folder of compiled components; `None` to compile at every start.
    pub cache_dir: Option<PathBuf>,
    /// The command that compiles an added component in a separate process; `None` to compile in this
    /// process.
    pub compiler: Option<CompilerCommand>,
    /// The limits for one document.
    pub limits: ExtractionLimits,
}

/// The available formats. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Formats {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    settings: FormatSettings,
    engines: Mutex<Engines>,
    loaded: Mutex<HashMap<String, Loaded>>,
}

/// The engines, created on first use.
#[derive(Debug, Default)]
struct Engines {
    unmetered: Option<ExtractionEngine>,
    fuelled: Option<ExtractionEngine>,
    with_wasi: Option<ExtractionEngine>,
}

/// The kind of engine that a component runs on.
#[derive(Clone, Copy)]
enum Kind {
    /// It is part of the program.
    Bundled,
    /// It was added, and imports nothing.
    Added,
    /// It was added, and is linked to WASI, whose functions take time and no fuel.
    WithWasi,
}

/// A format whose component is loaded.
#[derive(Debug)]
struct Loaded {
    extractor: Extractor,
    looked_at: Instant,
}

/// The source of a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FormatSource {
    /// It is the built-in format.
    BuiltIn,
    /// It is part of the program.
    Bundled,
    /// It was added by an operator.
    Added,
}

/// The description of a format.
#[derive(Clone, Debug, Serialize)]
pub struct FormatEntry {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its authors; can be empty.
    pub authors: String,
    /// A sentence about the files that it reads.
    pub format: String,
    /// Its source.
    pub source: FormatSource,
    /// The SHA-256 of its component, in hexadecimal.
    pub sha256: String,
    /// Whether it imports WASI, and is linked to an inert one.
    pub wasi: bool,
}

impl Formats {
    /// Returns the formats of these settings.
    pub fn new(settings: FormatSettings) -> Self {
        let shared = Shared { settings, ..Shared::default() };
        Formats { shared: Arc::new(shared) }
    }

    /// Returns the extractor of a format, if it is loaded and was checked within the last second.
    pub fn loaded(&self, name: &str) -> Option<Extractor> {
        let loaded = self.lock_loaded();
        let found = loaded.get(name).filter(|found| found.looked_at.elapsed() < LOOK_AGAIN)?;
        Some(found.extractor.clone())
    }

    /// Returns the extractor of the format with this name; an added format takes precedence over one
    /// of the program. The call blocks, for some seconds if the component has to be compiled.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it does not exist; [`Error::Component`] if it cannot be used.
    pub fn extractor(&self, name: &str) -> Result<Extractor> {
        if let Some(extractor) = self.loaded(name) {
            return Ok(extractor);
        }
        let extractor = match self.registry().find(name)? {
            Some(added) => self.load_added(&added)?,
            None => match BUNDLED.iter().find(|bundled| bundled.name == name) {
                Some(bundled) => self.load_bundled(bundled.name, bundled.component)?,
                None => return Err(self.unknown(name)),
            },
        };
        let looked_at = Instant::now();
        let loaded = Loaded { extractor: extractor.clone(), looked_at };
        self.lock_loaded().insert(name.to_owned(), loaded);
        Ok(extractor)
    }

    /// Returns the bytes of the component of the format with this name.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it does not exist; [`Error::Io`] if it cannot be read.
    pub fn component(&self, name: &str) -> Result<Cow<'static, [u8]>> {
        let registry = self.registry();
        if let Some(added) = registry.find(name)? {
            return registry.component(&added).map(|(_, bytes)| Cow::Owned(bytes));
        }
        match BUNDLED.iter().find(|bundled| bundled.name == name) {
            Some(bundled) => Ok(Cow::Borrowed(bundled.component)),
            None => Err(self.unknown(name)),
        }
    }

    /// Detects the format of a file from its name (without its folder) and its first bytes, and
    /// returns it with the layout of the file, or `None` if no format accepts the file. All formats
    /// are called, also added ones; one that cannot be used is skipped, and `report` is called with
    /// the reason.
    ///
    /// # Errors
    /// [`Error::Invalid`] if several formats accept it.
    pub fn detect(
        &self,
        file_name: &str,
        head: &[u8],
        mut report: impl FnMut(&str),
    ) -> Result<Option<(Extractor, FileLayout)>> {
        let mut found = Vec::new();
        for name in self.names()? {
            let asked = self.extractor(&name).and_then(|extractor| {
                let layout = extractor.ask_layout(file_name, head)?;
                Ok(layout.map(|layout| (extractor, layout)))
            });
            match asked {
                Ok(layout) => found.extend(layout),
                Err(error) => report(&format!(
                    "the format {name} cannot be used: {}",
                    error.report_with_hint()
                )),
            }
        }
        if let [_, _, ..] = found.as_slice() {
            let names: Vec<&str> =
                found.iter().map(|(extractor, _)| extractor.identity().name.as_str()).collect();
            return Err(Error::invalid(format!(
                "{file_name} is accepted by the formats {}",
                names.join(" and ")
            ))
            .with_hint("select one with --format"));
        }
        Ok(found.pop())
    }

    /// Returns the sorted names of all formats but the built-in one, also of formats that cannot be
    /// used.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be read.
    pub fn names(&self) -> Result<Vec<String>> {
        let mut names: Vec<String> =
            BUNDLED.iter().map(|bundled| bundled.name.to_owned()).collect();
        names.extend(self.registry().names()?);
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    /// Returns the names of all formats that can be listed, the built-in one first.
    pub(crate) fn known(&self, built_in: &Extractor) -> Vec<String> {
        [vec![built_in.identity().name.clone()], self.names().unwrap_or_default()].concat()
    }

    /// Returns the descriptions of all formats but the built-in one, sorted by name.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be read.
    pub fn list(&self) -> Result<Vec<FormatEntry>> {
        let mut entries: Vec<FormatEntry> =
            self.registry().list()?.into_iter().map(FormatEntry::from).collect();
        for bundled in BUNDLED {
            if entries.iter().any(|entry| entry.name == bundled.name) {
                continue;
            }
            let extractor = self.load_bundled(bundled.name, bundled.component)?;
            entries.push(FormatEntry::of(&extractor, FormatSource::Bundled, false));
        }
        entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    }

    /// Adds a component: checks it, compiles it in a separate process, calls its `describe`, and
    /// stores it under the returned name. An added format with this name is replaced.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is not a format component, or its name is not valid;
    /// [`Error::Component`] if it cannot be used; [`Error::Io`] if it cannot be stored.
    pub fn add(&self, component: &[u8], grant_wasi: bool) -> Result<AddedFormat> {
        let contract = crate::extraction::read_contract(component)?;
        let registry = self.registry();
        let kept = registry.keep_component(component)?;
        let load = || {
            let wasi = grant_wasi && !contract.wasi_imports.is_empty();
            let extractor = self.load_from(component, &kept.path, wasi)?;
            let entry = FormatEntry::of(&extractor, FormatSource::Added, wasi);
            registry::check_name(&entry.name)?;
            registry.add(&entry, component.len() as u64)
        };
        let added = load().inspect_err(|_| kept.forget())?;
        self.lock_loaded().remove(&added.name);
        Ok(added)
    }

    /// Removes an added format.
    ///
    /// # Errors
    /// [`Error::NotFound`] if no added format has this name; [`Error::Io`] if it cannot be removed.
    pub fn remove(&self, name: &str) -> Result<AddedFormat> {
        let removed = self.registry().remove(name)?;
        self.lock_loaded().remove(name);
        Ok(removed)
    }

    fn load_bundled(&self, name: &str, component: &[u8]) -> Result<Extractor> {
        if let Some(loaded) = self.lock_loaded().get(name)
            && loaded.extractor.is_of(component)
        {
            return Ok(loaded.extractor.clone());
        }
        let engine = self.engine(Kind::Bundled)?;
        let cache_dir = self.shared.settings.cache_dir.clone();
        engine.load(component, &LoadOptions { cache_dir, ..LoadOptions::default() })
    }

    fn load_added(&self, added: &AddedFormat) -> Result<Extractor> {
        if let Some(loaded) = self.lock_loaded().get(&added.name)
            && added.is(loaded.extractor.identity())
        {
            return Ok(loaded.extractor.clone());
        }
        let (path, component) = self.registry().component(added)?;
        self.load_from(&component, &path, added.wasi)
    }

    fn load_from(
        &self,
        component: &[u8],
        path: &std::path::Path,
        grant_wasi: bool,
    ) -> Result<Extractor> {
        let settings = &self.shared.settings;
        let compiler = settings.compiler.clone().map(|command| (command, path.to_owned()));
        let loading = LoadOptions { cache_dir: settings.cache_dir.clone(), compiler, grant_wasi };
        let kind = if grant_wasi { Kind::WithWasi } else { Kind::Added };
        self.engine(kind)?.load(component, &loading)
    }

    fn engine(&self, kind: Kind) -> Result<ExtractionEngine> {
        let mut engines = lock(&self.shared.engines);
        let limits = &self.shared.settings.limits;
        let (slot, make): (_, fn(&ExtractionLimits) -> Result<ExtractionEngine>) = match kind {
            Kind::Bundled => (&mut engines.unmetered, ExtractionEngine::unmetered),
            Kind::Added => (&mut engines.fuelled, ExtractionEngine::fuelled),
            Kind::WithWasi => (&mut engines.with_wasi, ExtractionEngine::metered),
        };
        match slot {
            Some(engine) => Ok(engine.clone()),
            None => Ok(slot.insert(make(limits)?).clone()),
        }
    }

    fn registry(&self) -> Registry {
        Registry::new(self.shared.settings.folder.clone())
    }

    fn unknown(&self, name: &str) -> Error {
        let known = self.names().unwrap_or_default().join(", ");
        Error::not_found(format!("there is no format {name:?}")).with_hint(format!(
            "there are arc-guide, {known}, and those that `arc-host formats add` adds"
        ))
    }

    fn lock_loaded(&self) -> MutexGuard<'_, HashMap<String, Loaded>> {
        lock(&self.shared.loaded)
    }
}

impl FormatEntry {
    /// Returns the description of the built-in format.
    pub fn built_in(extractor: &Extractor) -> Self {
        Self::of(extractor, FormatSource::BuiltIn, false)
    }

    fn of(extractor: &Extractor, source: FormatSource, wasi: bool) -> Self {
        let (identity, about) = (extractor.identity(), extractor.about());
        FormatEntry {
            name: identity.name.clone(),
            version: identity.version.clone(),
            authors: about.authors.clone(),
            format: about.format.clone(),
            source,
            sha256: hexadecimal(&identity.sha256),
            wasi,
        }
    }
}
