//! PostgreSQL downloaded from a mirror if the machine has no suitable version: verified, complete, and only if
//! downloads are allowed.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use super::folder::Folder;
use crate::support::{Finished, skip_without_tool};

/// A folder served over HTTP on a loopback port, for as long as the test runs.
struct Mirror {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Mirror {
    fn serve(folder: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = Vec::new();
                let mut part = [0; 1024];
                while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                    match stream.read(&mut part) {
                        Ok(count) if count > 0 => request.extend_from_slice(&part[..count]),
                        _ => break,
                    }
                }
                let request = String::from_utf8_lossy(&request);
                let name = request.split(' ').nth(1).unwrap_or("/").trim_start_matches('/');
                seen.lock().unwrap().push(name.to_owned());
                let (status, body) = match std::fs::read(folder.join(name)) {
                    Ok(body) => ("200 OK", body),
                    Err(_) => ("404 Not Found", Vec::new()),
                };
                let head = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                // A client that has disconnected needs no answer.
                let _ = stream.write_all(head.as_bytes());
                let _ = stream.write_all(&body);
            }
        });
        Mirror { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

/// Returns a version that the product does not find on this machine, with its programs in a folder that can be moved as
/// a whole.
fn other_version() -> Option<(PathBuf, String)> {
    let folders = std::env::var_os("ARC_TEST_POSTGRES_BINS")?;
    let version = |folder: &Path| {
        let output = Command::new(folder.join("postgres")).arg("--version").output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Some(text.split_whitespace().nth(2)?.to_owned())
    };
    let here = version(crate::support::installed_programs())?;
    let major = |version: &str| version.split('.').next().unwrap().to_owned();
    std::env::split_paths(&folders).find_map(|folder| {
        let version = version(&folder)?;
        (major(&version) != major(&here)).then_some((folder, version))
    })
}

#[test]
fn a_cluster_whose_version_is_missing_downloads_it_from_a_mirror_if_allowed() {
    let Some((programs, version)) = other_version() else {
        skip_without_tool(
            "PostgreSQL from a mirror",
            "ARC_TEST_POSTGRES_BINS has no other version",
        );
        return;
    };
    let major = version.split('.').next().unwrap();
    let folder = Folder::new();
    let results = folder.results(3);
    let record = ["record".as_ref(), "--json".as_ref(), results.as_os_str()];
    let run = |settings: &[(&str, &str)]| -> Finished {
        let mut command = folder.command(record);
        command.envs(settings.iter().copied()).output().unwrap().into()
    };
    // The cluster is created by a version that is not available any more.
    let made = run(&[("ARC_POSTGRES_BIN", programs.to_str().unwrap())]).ended(0).json();
    assert_eq!(made["stored"], 3);
    folder.wait_until_stopped();

    let served = folder.beside("mirror");
    std::fs::create_dir(&served).unwrap();
    let mirror = Mirror::serve(served.clone());
    let allowed = [("ARC_NO_DOWNLOAD", ""), ("ARC_POSTGRES_MIRROR", mirror.url.as_str())];
    let gone = format!("made by PostgreSQL {major}");

    let refused = run(&[("ARC_POSTGRES_MIRROR", mirror.url.as_str())]).ended(1);
    assert!(refused.stderr.contains(&gone), "{}", refused.stderr);
    assert_eq!(mirror.asked(), Vec::<String>::new(), "downloads are forbidden");

    let fails = |parts: &[&str]| {
        let failed = run(&allowed).ended(1).stderr;
        for expected in [gone.as_str(), "Fetching it from", mirror.url.as_str()].iter().chain(parts)
        {
            assert!(failed.contains(expected), "{expected} is not in: {failed}");
        }
        let left = std::fs::read_dir(folder.data.join("programs")).into_iter().flatten();
        assert_eq!(left.count(), 0, "no file is left");
    };
    fails(&["SHA256SUMS", "404"]);
    std::fs::write(served.join("SHA256SUMS"), "").unwrap();
    fails(&["SHA256SUMS names no", major]);

    let minor = version.split('.').nth(1).unwrap_or("0");
    let name =
        format!("postgresql-{major}.{minor}.0-{}-unknown-linux-gnu.tar.gz", std::env::consts::ARCH);
    let archive = served.join(&name);
    std::fs::write(&archive, "not an archive").unwrap();
    std::fs::write(served.join("SHA256SUMS"), format!("{}  {name}\n", "0".repeat(64))).unwrap();
    fails(&["SHA-256", &name]);

    let whole = programs.parent().unwrap();
    let packed = Command::new("tar")
        .arg("-czf")
        .arg(&archive)
        .arg("-C")
        .arg(whole.parent().unwrap())
        .arg(whole.file_name().unwrap())
        .status()
        .unwrap();
    assert!(packed.success());
    let sums = Command::new("sha256sum").arg(&name).current_dir(&served).output().unwrap();
    std::fs::write(served.join("SHA256SUMS"), sums.stdout).unwrap();
    mirror.asked();
    let fetched = run(&allowed).ended(0);
    assert!(fetched.stderr.contains("--no-download forbids it"), "{}", fetched.stderr);
    assert_eq!(fetched.json()["duplicate"], 3, "the data is unchanged");
    assert_eq!(mirror.asked(), ["SHA256SUMS".to_owned(), name]);
    folder.wait_until_stopped();

    // The version is now installed.
    assert_eq!(run(&[]).ended(0).json()["duplicate"], 3);
    assert_eq!(mirror.asked(), Vec::<String>::new());
}

/// Creates a folder whose cluster was created by a version that the product does not find, with three results in it.
fn made_by(programs: &Path) -> (Folder, PathBuf) {
    let folder = Folder::new();
    let results = folder.results(3);
    let mut command = folder.command(["record".as_ref(), "--json".as_ref(), results.as_os_str()]);
    let made = command.env("ARC_POSTGRES_BIN", programs).output().unwrap();
    assert_eq!(Finished::from(made).ended(0).json()["stored"], 3);
    folder.wait_until_stopped();
    (folder, results)
}

#[test]
fn versions_without_a_release_are_installed_with_pip() {
    let Some((programs, _)) = other_version() else {
        skip_without_tool("PostgreSQL with pip", "ARC_TEST_POSTGRES_BINS has no other version");
        return;
    };
    let (folder, results) = made_by(&programs);
    let record = ["record".as_ref(), "--json".as_ref(), results.as_os_str()];
    let run = |no_download: &str| -> Finished {
        folder.command(record).env("ARC_NO_DOWNLOAD", no_download).output().unwrap().into()
    };
    let refused = run("1").ended(1).stderr;
    assert!(refused.contains("--no-download (ARC_NO_DOWNLOAD) forbids fetching it"), "{refused}");

    let fetched = run("");
    if fetched.code == Some(1) {
        for parts in ["Fetching it from", "Installing it with pip failed"] {
            assert!(fetched.stderr.contains(parts), "{}", fetched.stderr);
        }
        skip_without_tool("PostgreSQL with pip", "neither a release nor a package can be fetched");
        return;
    }
    let fetched = fetched.ended(0);
    assert!(fetched.stderr.contains("--no-download forbids it"), "{}", fetched.stderr);
    assert_eq!(fetched.json()["duplicate"], 3, "the data is unchanged");
    folder.wait_until_stopped();
    // The version is now installed.
    assert_eq!(run("1").ended(0).json()["duplicate"], 3);
}

#[test]
fn a_package_that_python_has_is_used_as_it_is() {
    let packaged = other_version().and_then(|(programs, _)| {
        // A virtual environment in which Python finds the package.
        let python = programs.ancestors().find(|folder| {
            folder.join("bin/python3").exists() && programs.starts_with(folder.join("lib"))
        });
        Some((python?.join("bin"), programs))
    });
    let Some((python, programs)) = packaged else {
        let why = "ARC_TEST_POSTGRES_BINS names no package of a Python";
        skip_without_tool("PostgreSQL in a package of Python", why);
        return;
    };
    let (folder, results) = made_by(&programs);
    let mut command = folder.command(["record".as_ref(), "--json".as_ref(), results.as_os_str()]);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::iter::once(python).chain(std::env::split_paths(&path));
    command.env("PATH", std::env::join_paths(path).unwrap());
    let found = Finished::from(command.output().unwrap()).ended(0);
    assert_eq!(found.json()["duplicate"], 3);
    assert!(!folder.data.join("programs").exists(), "nothing was fetched");
}
