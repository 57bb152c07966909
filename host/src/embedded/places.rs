//! The folders that can contain PostgreSQL's programs: those of the `PATH`, and those of the common packages.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

/// The folders of packages that have one for each version: parent, beginning of the name, rest of the path.
const VERSIONED: &[(&str, &str, &str)] = &[
    ("usr/lib/postgresql", "", "bin"),          // Debian, Ubuntu
    ("usr", "pgsql-", "bin"),                   // PostgreSQL's own packages for Fedora and RHEL
    ("usr/lib", "postgresql", "bin"),           // SUSE
    ("usr/lib64", "postgresql-", "bin"),        // Gentoo
    ("usr/libexec", "postgresql", ""),          // Alpine
    ("opt/homebrew/opt", "postgresql@", "bin"), // Homebrew on Apple silicon
    ("usr/local/opt", "postgresql@", "bin"),    // Homebrew on Intel
    ("home/linuxbrew/.linuxbrew/opt", "postgresql@", "bin"), // Homebrew on Linux
    ("Applications/Postgres.app/Contents/Versions", "", "bin"), // Postgres.app
];

/// The folders of packages that have one version at a time.
const FIXED: &[&str] = &[
    "usr/bin",
    "usr/local/bin",
    "usr/local/pgsql/bin",
    "opt/homebrew/bin",
    "home/linuxbrew/.linuxbrew/bin",
    "run/current-system/sw/bin",
];

/// The folders to search; a value, so that a test can use others.
#[derive(Debug, Clone)]
pub(super) struct Places {
    path: Option<OsString>,
    home: Option<PathBuf>,
    root: PathBuf,
    further: Vec<PathBuf>,
}

impl Places {
    /// Returns the folders of this machine.
    pub(super) fn of_this_machine() -> Self {
        let root = PathBuf::from("/");
        Self { path: env::var_os("PATH"), home: env::home_dir(), root, further: Vec::new() }
    }

    /// Adds further folders to the usual ones.
    pub(super) fn and(self, further: &[PathBuf]) -> Self {
        Self { further: further.to_vec(), ..self }
    }

    /// Returns the folders of a machine whose files are under `root`.
    #[cfg(test)]
    pub(super) fn under(root: &Path, path: Option<OsString>) -> Self {
        Self { path, home: None, root: root.to_owned(), further: Vec::new() }
    }

    /// Returns the folders of the `PATH`, in its order, without relative ones, which depend on the current
    /// folder.
    pub(super) fn on_path(&self) -> Vec<PathBuf> {
        let path = self.path.as_deref().unwrap_or(OsStr::new(""));
        env::split_paths(path).filter(|folder| folder.is_absolute()).collect()
    }

    /// Returns the usual folders, in no particular order.
    pub(super) fn usual(&self) -> Vec<PathBuf> {
        let versioned = VERSIONED.iter().flat_map(|(parent, beginning, rest)| {
            children(&self.root.join(parent), beginning, rest)
        });
        let fixed = FIXED.iter().map(|folder| self.root.join(folder));
        let nix = self.home.iter().map(|home| home.join(".nix-profile/bin"));
        versioned.chain(fixed).chain(nix).chain(self.further.iter().cloned()).collect()
    }

    /// Describes all searched folders for the log.
    pub(super) fn describe(&self) -> Vec<String> {
        let versioned = VERSIONED.iter().map(|(parent, beginning, rest)| {
            let folder = self.root.join(parent).join(format!("{beginning}*"));
            (if rest.is_empty() { folder } else { folder.join(rest) }).display().to_string()
        });
        let fixed = FIXED.iter().map(|folder| self.root.join(folder).display().to_string());
        std::iter::once("the PATH".to_owned())
            .chain(versioned)
            .chain(fixed)
            .chain(["~/.nix-profile/bin".to_owned()])
            .chain(self.further.iter().map(|folder| folder.display().to_string()))
            .collect()
    }
}

/// Returns the subfolders whose names have this prefix; none if the parent cannot be read.
fn children(parent: &Path, beginning: &str, rest: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else {
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(beginning))
        .map(|entry| entry.path().join(rest))
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_taken_in_its_order_without_relative_folders() {
        let places = Places::under(Path::new("/nowhere"), Some("/b:.:/a::bin".into()));
        assert_eq!(places.on_path(), [PathBuf::from("/b"), PathBuf::from("/a")]);
        assert!(Places::under(Path::new("/nowhere"), None).on_path().is_empty());
    }

    #[test]
    fn versioned_folders_are_found_by_how_their_names_begin() {
        let root = tempfile::tempdir().unwrap();
        for folder in [
            "usr/lib/postgresql/15/bin",
            "usr/pgsql-16/bin",
            "usr/libexec/postgresql17",
            "usr/share",
        ] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        let usual = Places::under(root.path(), None).usual();
        for folder in ["usr/lib/postgresql/15/bin", "usr/pgsql-16/bin", "usr/libexec/postgresql17"]
        {
            assert!(usual.contains(&root.path().join(folder)), "{folder}");
        }
        assert!(!usual.contains(&root.path().join("usr/share/bin")));
    }
}
