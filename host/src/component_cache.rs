//! Compiled components on disk, because compiling takes longer than most recordings.
//!
//! Loading a compiled component runs it as native code, so a file is trusted only if no one but this
//! user can have written it: the folder and the file belong to the user and are closed to others, the
//! file is not a link, and its content has the checksum that was written with it (which detects a torn
//! write, not an attacker). Everything else is compiled anew. An unusable cache never fails a start,
//! except for components that are compiled in a separate process: if that process refuses a component,
//! it is refused here, too.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::unistd::geteuid;
use sha2::{Digest, Sha256};
use wasmtime::component::Component;
use wasmtime::{Engine, Result};

use crate::identity::{first_half, hexadecimal};

/// The beginning of a file in the cache, before the checksum of the rest.
const MAGIC: &[u8; 8] = b"arcwasm1";

/// A compiled component has some hundred KiB; a much larger file is not one.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// The time limit for compiling a component in a separate process.
const COMPILE_TIME: Duration = Duration::from_secs(120);

/// The interval at which the process is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// The maximum length of the process's error output in messages.
const MAX_OUTPUT_BYTES: u64 = 4_096;

/// How a component is loaded.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// The folder that stores compiled components; `None` for compiling at every start.
    pub cache_dir: Option<PathBuf>,
    /// The command that compiles a component in a process of its own, with the folder and the
    /// component's file as its last arguments, and the component's own file; `None` for compiling in
    /// this process.
    pub compiler: Option<(CompilerCommand, PathBuf)>,
    /// Whether it gets the WASI without any access, if it imports WASI.
    pub grant_wasi: bool,
}

/// A program and its first arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompilerCommand {
    /// The program's file.
    pub program: PathBuf,
    /// The arguments before the folder of the cache and the component's file.
    pub args: Vec<OsString>,
}

/// Returns the compiled component: from the cache if it can be trusted, else compiled and stored there.
pub(crate) fn load(
    engine: &Engine,
    component: &[u8],
    sha256: &[u8; 32],
    loading: &LoadOptions,
) -> Result<Component> {
    let temporary;
    let folder = match (&loading.cache_dir, &loading.compiler) {
        (Some(folder), _) => folder.as_path(),
        (None, None) => return Component::new(engine, component),
        // The process that compiles passes its output in a folder.
        (None, Some(_)) => {
            temporary = tempfile::tempdir()?;
            temporary.path()
        }
    };
    let path = path(engine, sha256, folder);
    if let Some(component) = find(engine, folder, &path) {
        return Ok(component);
    }
    if let Some((command, file)) = &loading.compiler {
        compile_elsewhere(command, folder, file)?;
        return find(engine, folder, &path).ok_or_else(|| {
            wasmtime::Error::msg(format!(
                "it was compiled, but {} does not hold what this program can run; see that no other \
                 program works there, and try again",
                folder.display()
            ))
        });
    }
    let compiled = engine.precompile_component(component)?;
    // A full disk or a read-only home costs the next start its compile time, nothing else.
    let _ = write(folder, &path, &compiled);
    match deserialize(engine, &compiled) {
        Some(component) => Ok(component),
        None => Component::new(engine, component),
    }
}

/// Compiles a component into the cache.
pub(crate) fn compile(
    engine: &Engine,
    component: &[u8],
    sha256: &[u8; 32],
    folder: &Path,
) -> Result<()> {
    let compiled = engine.precompile_component(component)?;
    write(folder, &path(engine, sha256, folder), &compiled).map_err(wasmtime::Error::new)
}

fn path(engine: &Engine, sha256: &[u8; 32], folder: &Path) -> PathBuf {
    folder.join(format!("{}-{}.cwasm", engine_key(engine), hexadecimal(sha256)))
}

fn find(engine: &Engine, folder: &Path, path: &Path) -> Option<Component> {
    deserialize(engine, &read_trusted(folder, path)?)
}

/// Compiles a component in a process of its own: if a hostile component makes the compiler run forever,
/// or allocate all memory, only that process is ended.
fn compile_elsewhere(command: &CompilerCommand, folder: &Path, file: &Path) -> Result<()> {
    let failed = |error: std::io::Error| {
        wasmtime::Error::msg(format!("could not start {}: {error}", command.program.display()))
    };
    // Its output is written to a file, which can be of any length while it is not read.
    let mut said = tempfile::tempfile()?;
    let mut child = Command::new(&command.program)
        .args(&command.args)
        .arg(folder)
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(said.try_clone()?)
        .spawn()
        .map_err(failed)?;
    let until = Instant::now() + COMPILE_TIME;
    let status = loop {
        match child.try_wait().map_err(failed)? {
            Some(status) => break status,
            None if Instant::now() < until => std::thread::sleep(POLL_INTERVAL),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(wasmtime::Error::msg(format!(
                    "compiling it took more than {} s; it is not made for this",
                    COMPILE_TIME.as_secs()
                )));
            }
        }
    };
    if status.success() {
        return Ok(());
    }
    let mut told = Vec::new();
    said.rewind()?;
    said.take(MAX_OUTPUT_BYTES).read_to_end(&mut told)?;
    let told = String::from_utf8_lossy(&told);
    let told = told.trim().trim_start_matches("error: ");
    Err(wasmtime::Error::msg(match told {
        "" => format!("compiling it ended with {status}"),
        told => told.to_owned(),
    }))
}

/// Everything about the engine that changes the code it makes: version, target, settings.
fn engine_key(engine: &Engine) -> String {
    use std::hash::{Hash as _, Hasher};
    /// Passes what wasmtime hashes to SHA-256, whose value is the same in every process.
    struct Feed(Sha256);
    impl Hasher for Feed {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            0
        }
    }
    let mut feed = Feed(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut feed);
    let digest: [u8; 32] = feed.0.finalize().into();
    hexadecimal(&first_half(digest))
}

#[expect(unsafe_code, reason = "loading precompiled code is what the cache is for")]
fn deserialize(engine: &Engine, compiled: &[u8]) -> Option<Component> {
    // SAFETY: the bytes were either just made by this engine, or come from a file that only this
    // user can have written and whose checksum holds; wasmtime checks its version and settings.
    unsafe { Component::deserialize(engine, compiled) }.ok()
}

/// Returns the content of a file that only this user can have written.
fn read_trusted(folder: &Path, path: &Path) -> Option<Vec<u8>> {
    if !private(&fs::symlink_metadata(folder).ok()?) {
        return None;
    }
    let mut file =
        OpenOptions::new().read(true).custom_flags(nix::libc::O_NOFOLLOW).open(path).ok()?;
    let metadata = file.metadata().ok()?;
    if !metadata.is_file() || !private(&metadata) || metadata.len() > MAX_FILE_BYTES {
        return None;
    }
    let mut content = Vec::new();
    file.read_to_end(&mut content).ok()?;
    let rest = content.strip_prefix(MAGIC)?;
    let (checksum, compiled) = rest.split_first_chunk::<32>()?;
    let intact = Sha256::digest(compiled).as_slice() == checksum.as_slice();
    intact.then(|| compiled.to_vec())
}

/// Whether a path belongs to this user and no other user can write to it.
fn private(metadata: &fs::Metadata) -> bool {
    metadata.uid() == geteuid().as_raw() && metadata.mode() & 0o022 == 0
}

/// Writes a temporary file and renames it, so that no reader sees a part of it.
fn write(folder: &Path, path: &Path, compiled: &[u8]) -> std::io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    if !private(&fs::symlink_metadata(folder)?) {
        return Err(std::io::Error::new(
            std::io::ErrorKind::PermissionDenied,
            format!(
                "the folder of compiled components, {}, belongs to another user or is writable by others; run \
                 chmod go-w on it, or remove it",
                folder.display()
            ),
        ));
    }
    let mut file = tempfile::Builder::new().prefix(".component-").tempfile_in(folder)?;
    write_content(file.as_file_mut(), compiled)?;
    file.persist(path)?;
    Ok(())
}

fn write_content(file: &mut File, compiled: &[u8]) -> std::io::Result<()> {
    file.write_all(MAGIC)?;
    file.write_all(&Sha256::digest(compiled))?;
    file.write_all(compiled)?;
    file.flush()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// An empty component: the magic bytes, the version and the layer.
    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
    const KEY: [u8; 32] = [7; 32];

    fn in_folder(folder: &Path) -> LoadOptions {
        LoadOptions { cache_dir: Some(folder.to_owned()), ..LoadOptions::default() }
    }

    fn load_from(folder: &Path) -> Component {
        load(&Engine::default(), COMPONENT, &KEY, &in_folder(folder)).unwrap()
    }

    fn only_file(folder: &Path) -> std::path::PathBuf {
        let files: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        files[0].clone()
    }

    #[test]
    fn a_compiled_component_is_found_again() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("not/there/yet");
        load_from(&folder);
        let file = only_file(&folder);
        assert!(read_trusted(&folder, &file).is_some());
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        load_from(&folder);
        only_file(&folder);
    }

    #[test]
    fn a_torn_or_changed_file_is_compiled_anew() {
        let folder = tempfile::tempdir().unwrap();
        load_from(folder.path());
        let file = only_file(folder.path());
        let good = fs::read(&file).unwrap();
        let mut changed = good.clone();
        *changed.last_mut().unwrap() ^= 1;
        for bad in [&good[..good.len() / 2], &changed, b"", b"arcwasm1"] {
            fs::write(&file, bad).unwrap();
            assert!(read_trusted(folder.path(), &file).is_none());
            load_from(folder.path());
            assert!(fs::read(&file).unwrap() == good, "it is repaired");
        }
    }

    #[test]
    fn a_file_that_others_could_have_written_is_not_trusted() {
        let folder = tempfile::tempdir().unwrap();
        load_from(folder.path());
        let file = only_file(folder.path());
        assert!(read_trusted(folder.path(), &file).is_some());
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(read_trusted(folder.path(), &file).is_none(), "a file open to others");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(read_trusted(folder.path(), &link).is_none(), "a link");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(read_trusted(folder.path(), &file).is_none(), "a folder open to others");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    }

    #[test]
    fn another_engine_has_another_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = wasmtime::Config::new();
        config.epoch_interruption(true);
        let other = Engine::new(&config).unwrap();
        assert_ne!(engine_key(&Engine::default()), engine_key(&other));
        load_from(folder.path());
        load(&other, COMPONENT, &KEY, &in_folder(folder.path())).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_component_that_another_process_failed_to_compile_is_not_compiled_here() {
        let folder = tempfile::tempdir().unwrap();
        let load_by = |program: &str, args: &[&str]| {
            let args = args.iter().map(Into::into).collect();
            let command = CompilerCommand { program: program.into(), args };
            let compiler = Some((command, folder.path().join("component.wasm")));
            let loading = LoadOptions { compiler, ..in_folder(folder.path()) };
            load(&Engine::default(), COMPONENT, &KEY, &loading).map(|_| ())
        };
        // It succeeds, and leaves no file.
        let message = load_by("true", &[]).unwrap_err().to_string();
        assert!(message.contains("does not hold what this program can run"), "{message}");
        // The output is far longer than a pipe's buffer.
        let long = "printf 'error: %200000s' no >&2; exit 1";
        let message = load_by("sh", &["-c", long]).unwrap_err().to_string();
        assert!(message.len() <= MAX_OUTPUT_BYTES as usize, "{}", message.len());
        load_from(folder.path());
        load_by("false", &[]).unwrap();
    }

    #[test]
    fn compiling_into_a_folder_that_is_open_to_others_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let refused = compile(&Engine::default(), COMPONENT, &KEY, folder.path());
        let message = refused.unwrap_err().to_string();
        assert!(message.contains("chmod go-w"), "{message}");
        // Built-in components are compiled nonetheless.
        load_from(folder.path());
    }

    #[test]
    fn a_folder_that_cannot_be_made_costs_nothing_but_time() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a file");
        fs::write(&file, "x").unwrap();
        load_from(&file.join("below"));
    }
}
