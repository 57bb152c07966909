//! Finds PostgreSQL's own programs: `initdb` and `postgres`, together in one folder.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::EmbeddedError;
use super::places::Places;
use super::process;

/// The oldest version that the schema is written for.
pub(super) const MINIMUM_MAJOR: u32 = 14;

/// PostgreSQL's programs on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Programs {
    /// The folder with `initdb` and `postgres`.
    pub bin_dir: PathBuf,
    /// Their version.
    pub version: Version,
}

/// A version as PostgreSQL spells it, such as `15.18` or `19beta1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The major version, which a cluster depends on.
    pub major: u32,
    /// The full version.
    pub full: String,
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.full)
    }
}

impl Version {
    /// Reads what `postgres --version` prints: `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
    pub(super) fn parse(printed: &str) -> Option<Self> {
        let full = printed
            .split_whitespace()
            .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
        let digits = full.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(full.len());
        let major = full.get(..digits)?.parse().ok()?;
        Some(Self { major, full: full.to_owned() })
    }
}

impl Programs {
    /// Finds the programs to use: those in `explicit`, else on the `PATH`, else the newest in the usual folders.
    /// An existing cluster needs the major version that created it.
    pub(super) fn find(
        explicit: Option<&Path>,
        cluster: Option<(&Path, u32)>,
        places: &Places,
    ) -> Result<Self, EmbeddedError> {
        match explicit {
            Some(bin_dir) => Self::explicit(bin_dir, cluster),
            None => Self::search(cluster, places),
        }
    }

    /// Returns the path of one of the programs.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.bin_dir.join(name)
    }

    fn explicit(bin_dir: &Path, cluster: Option<(&Path, u32)>) -> Result<Self, EmbeddedError> {
        let found = real_bin_dir(bin_dir)
            .ok_or_else(|| EmbeddedError::NotAProgramFolder { bin_dir: bin_dir.to_owned() })?;
        let programs = Self::at(found)?;
        if programs.fits(cluster) {
            return Ok(programs);
        }
        Err(match cluster {
            Some((cluster, major)) => EmbeddedError::OtherMajor {
                cluster: cluster.to_owned(),
                major,
                bin_dir: programs.bin_dir,
                found: programs.version,
            },
            None => EmbeddedError::TooOld { found: vec![programs.describe()] },
        })
    }

    fn search(cluster: Option<(&Path, u32)>, places: &Places) -> Result<Self, EmbeddedError> {
        let mut unfit: Vec<Self> = Vec::new();
        let mut broken = None;
        let mut fit = |folder: PathBuf| {
            let bin_dir = real_bin_dir(&folder)?;
            if unfit.iter().any(|seen| seen.bin_dir == bin_dir) {
                return None;
            }
            match Self::at(bin_dir) {
                Ok(programs) if programs.fits(cluster) => Some(programs),
                Ok(programs) => {
                    unfit.push(programs);
                    None
                }
                // A broken installation does not hide a working one.
                Err(error) => {
                    broken = Some(error);
                    None
                }
            }
        };
        // The PATH has the user's own order; of the usual folders the newest version is used.
        let on_path = places.on_path().into_iter().find_map(&mut fit);
        let found =
            on_path.or_else(|| places.usual().into_iter().filter_map(&mut fit).reduce(newer));
        if let Some(programs) = found {
            return Ok(programs);
        }
        let found: Vec<String> = unfit.iter().map(Self::describe).collect();
        Err(match (cluster, broken) {
            (Some((cluster, major)), _) => {
                EmbeddedError::MajorGone { cluster: cluster.to_owned(), major, found }
            }
            (None, _) if !found.is_empty() => EmbeddedError::TooOld { found },
            (None, Some(broken)) => broken,
            (None, None) => {
                let looked_in = places.describe();
                tracing::debug!(target: "arc_host::embedded", ?looked_in, "no PostgreSQL was found");
                EmbeddedError::NoPrograms { looked_in }
            }
        })
    }

    fn fits(&self, cluster: Option<(&Path, u32)>) -> bool {
        match cluster {
            Some((_, major)) => self.version.major == major,
            None => self.version.major >= MINIMUM_MAJOR,
        }
    }

    /// Returns the programs of a folder with the version that they print.
    pub(super) fn at(bin_dir: PathBuf) -> Result<Self, EmbeddedError> {
        let program = bin_dir.join("postgres");
        let broken =
            |reason: String| EmbeddedError::BrokenProgram { program: program.clone(), reason };
        let output = process::plain(Command::new(&program).arg("--version"))
            .output()
            .map_err(|error| broken(error.to_string()))?;
        let printed = String::from_utf8_lossy(&output.stdout);
        match Version::parse(&printed) {
            Some(version) if output.status.success() => Ok(Self { bin_dir, version }),
            _ => Err(broken(format!(
                "postgres --version failed ({}): {}",
                output.status,
                String::from_utf8_lossy(&output.stderr).trim()
            ))),
        }
    }

    fn describe(&self) -> String {
        format!("PostgreSQL {} in {}", self.version, self.bin_dir.display())
    }
}

/// Returns the newer of two installations, or the first one if their major versions are equal.
fn newer(best: Programs, found: Programs) -> Programs {
    if found.version.major > best.version.major { found } else { best }
}

/// Returns the folder that a folder's `initdb` resolves to, if it also contains `postgres`: a package manager
/// can link only one of them into a common folder.
fn real_bin_dir(folder: &Path) -> Option<PathBuf> {
    let initdb = folder.join("initdb").canonicalize().ok()?;
    let bin_dir = initdb.parent()?;
    (initdb.is_file() && bin_dir.join("postgres").is_file()).then(|| bin_dir.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// Creates a folder with programs that only print their version.
    fn install(folder: &Path, version: &str) {
        fs::create_dir_all(folder).unwrap();
        for program in ["initdb", "postgres"] {
            let path = folder.join(program);
            fs::write(&path, format!("#!/bin/sh\necho \"{program} (PostgreSQL) {version}\"\n"))
                .unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    #[test]
    fn versions_are_read_as_the_distributions_print_them() {
        let major =
            |printed: &str| Version::parse(printed).map(|version| (version.major, version.full));
        assert_eq!(
            major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"),
            Some((15, "15.18".to_owned()))
        );
        assert_eq!(major("postgres (PostgreSQL) 16beta1\n"), Some((16, "16beta1".to_owned())));
        assert_eq!(major("postgres (PostgreSQL) 19devel"), Some((19, "19devel".to_owned())));
        assert_eq!(major("postgres (PostgreSQL) 9.6.24"), Some((9, "9.6.24".to_owned())));
        assert_eq!(major("segmentation fault"), None);
        assert_eq!(major(""), None);
    }

    #[test]
    fn the_newest_of_the_usual_places_is_taken_and_the_path_comes_before() {
        let root = tempfile::tempdir().unwrap();
        for version in ["9.6.24", "14.3", "16.2", "15.18"] {
            let major = version.split('.').next().unwrap();
            install(&root.path().join("usr/lib/postgresql").join(major).join("bin"), version);
        }
        let places = Places::under(root.path(), None);
        assert_eq!(Programs::find(None, None, &places).unwrap().version.full, "16.2");

        let path = root.path().join("on the path");
        install(&path, "14.9");
        let places = Places::under(root.path(), Some(path.into_os_string()));
        assert_eq!(Programs::find(None, None, &places).unwrap().version.full, "14.9");
    }

    #[test]
    fn a_cluster_needs_its_own_major_version() {
        let root = tempfile::tempdir().unwrap();
        let cluster = Path::new("/data/postgres");
        install(&root.path().join("usr/pgsql-16/bin"), "16.2");
        install(&root.path().join("usr/bin"), "14.9");
        let places = Places::under(root.path(), None);
        assert_eq!(
            Programs::find(None, Some((cluster, 14)), &places).unwrap().version.full,
            "14.9"
        );

        let gone = Programs::find(None, Some((cluster, 15)), &places).unwrap_err();
        let text = gone.to_string();
        assert!(text.contains("made by PostgreSQL 15") && text.contains("16.2"), "{text}");
        assert!(gone.hint().unwrap().contains("pg_upgrade"), "{gone:?}");

        let bin_dir = root.path().join("usr/pgsql-16/bin");
        let other = Programs::find(Some(&bin_dir), Some((cluster, 14)), &places).unwrap_err();
        assert!(matches!(other, EmbeddedError::OtherMajor { major: 14, .. }), "{other}");
    }

    #[test]
    fn links_lead_to_the_folder_that_has_everything() {
        let root = tempfile::tempdir().unwrap();
        let cellar = root.path().join("Cellar/17.1/bin");
        install(&cellar, "17.1");
        let linked = root.path().join("opt/homebrew/bin");
        fs::create_dir_all(&linked).unwrap();
        symlink(cellar.join("initdb"), linked.join("initdb")).unwrap();
        let found = Programs::find(None, None, &Places::under(root.path(), None)).unwrap();
        assert_eq!(found.bin_dir, cellar.canonicalize().unwrap());
    }

    #[test]
    fn errors_say_what_was_found_and_what_to_install() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::under(root.path(), None);
        let none = Programs::find(None, None, &places).unwrap_err();
        let text = none.hint().unwrap().into_owned();
        assert!(
            text.contains("apt install postgresql") && text.contains("--database-url"),
            "{text}"
        );
        // The searched folders are only logged.
        let EmbeddedError::NoPrograms { looked_in } = none else { panic!("{text}") };
        assert!(looked_in.iter().any(|place| place == "the PATH"), "{looked_in:?}");

        install(&root.path().join("usr/local/pgsql/bin"), "13.14");
        let old = Programs::find(None, None, &places).unwrap_err().to_string();
        assert!(old.contains("PostgreSQL 14 or newer") && old.contains("13.14"), "{old}");

        let empty = Programs::find(Some(root.path()), None, &places).unwrap_err();
        assert!(matches!(empty, EmbeddedError::NotAProgramFolder { .. }), "{empty}");
    }
}
