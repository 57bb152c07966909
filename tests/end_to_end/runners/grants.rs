//! The grants of `arc-host run`: each operation is refused without its option, and works with it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::{DEADLINE, Files, Finished, Program, TestDatabase};

/// The runner that tries operations, built from `tests/runners/grants`.
pub(super) const RUNNER: &str = env!("ARC_GRANTS_RUNNER_COMPONENT");

/// Runs the runner with options of `arc-host run` and the operation to try.
fn try_out(program: &Program, options: &[&str], operation: &[&str]) -> Finished {
    program.run([&["run"], options, &[RUNNER, "--"], operation].concat())
}

#[track_caller]
fn refused(program: &Program, options: &[&str], operation: &[&str]) {
    let finished = try_out(program, options, operation).ended(1);
    assert!(finished.stderr.starts_with("Error: "), "by the runner itself: {}", finished.stderr);
    assert_eq!(finished.stdout, "", "{options:?} {operation:?}");
}

#[test]
fn files_can_be_read_if_their_folder_is_granted() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let file = files.write("data/inner/file.txt", "the content");
    files.write("secret.txt", "hidden");
    symlink(files.path("secret.txt"), files.path("data/link")).unwrap();
    let data = files.path("data").display().to_string();
    let path = file.display().to_string();

    refused(&program, &[], &["read", &path]);
    refused(&program, &[], &["list", "/"]);
    let read = try_out(&program, &["--dir", &data], &["read", &path]).ended(0);
    assert_eq!(read.stdout, "the content\n");
    // Under another path, and with several folders.
    let renamed = format!("{data}::/data");
    let other = format!("{data}/inner::inner");
    let options = ["--dir", &renamed, "--dir", &other];
    for path in ["/data/inner/file.txt", "inner/file.txt"] {
        assert_eq!(try_out(&program, &options, &["read", path]).ended(0).stdout, "the content\n");
    }
    let mut listed: Vec<String> = try_out(&program, &options, &["list", "/data"])
        .ended(0)
        .stdout
        .lines()
        .map(str::to_owned)
        .collect();
    listed.sort();
    assert_eq!(listed, ["inner", "link"]);
    // Files outside of the folder are out of reach.
    for path in ["/data/../secret.txt", "/data/inner/../../secret.txt", "/data/link", "/etc/passwd"]
    {
        refused(&program, &options, &["read", path]);
    }
    refused(&program, &options, &["read", &files.path("secret.txt").display().to_string()]);
}

#[test]
fn files_can_be_written_only_with_write_access() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let file = files.write("data/file.txt", "old");
    let data = files.path("data").display().to_string();
    let (read_only, writable) = (format!("{data}::/data"), format!("{data}::/out"));
    let options = ["--dir", &read_only];
    for operation in [
        &["write", "/data/file.txt", "new"][..],
        &["write", "/data/other.txt", "new"],
        &["append", "/data/file.txt", "new"],
        &["remove", "/data/file.txt"],
        &["make-folder", "/data/folder"],
        &["rename", "/data/file.txt", "/data/renamed.txt"],
    ] {
        refused(&program, &options, operation);
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "old");
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 1);

    let options = ["--dir-rw", &writable, "--dir", &read_only];
    refused(&program, &options, &["write", "/data/file.txt", "new"]);
    try_out(&program, &options, &["write", "/out/file.txt", "new"]).ended(0);
    try_out(&program, &options, &["append", "/out/file.txt", "er"]).ended(0);
    try_out(&program, &options, &["make-folder", "/out/folder"]).ended(0);
    try_out(&program, &options, &["rename", "/out/file.txt", "/out/folder/renamed.txt"]).ended(0);
    let renamed = Path::new(&data).join("folder/renamed.txt");
    assert_eq!(std::fs::read_to_string(&renamed).unwrap(), "newer");
    try_out(&program, &options, &["remove", "/out/folder/renamed.txt"]).ended(0);
    assert!(!renamed.exists());
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let file = files.write("file.txt", "");
    for host in [files.path("absent"), file] {
        let host = host.display().to_string();
        let finished = try_out(&program, &["--dir", &host], &["environment"]).ended(1);
        assert!(finished.stderr.contains(&host), "{}", finished.stderr);
    }
    let finished = try_out(&program, &["--dir", "::/data"], &["environment"]).ended(1);
    assert!(finished.stderr.contains("data::/data"), "{}", finished.stderr);
}

#[test]
fn the_network_is_reachable_if_it_is_granted() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    datagrams.set_read_timeout(Some(DEADLINE)).unwrap();
    let datagrams_address = datagrams.local_addr().unwrap().to_string();

    for operation in [
        &["connect", &address][..],
        &["listen", "127.0.0.1:0"],
        &["send", &datagrams_address],
        &["resolve", "localhost"],
    ] {
        refused(&program, &[], operation);
    }
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "no connection arrived");
    datagrams.set_nonblocking(true).unwrap();
    assert!(datagrams.recv(&mut [0; 8]).is_err(), "no datagram arrived");
    listener.set_nonblocking(false).unwrap();
    datagrams.set_nonblocking(false).unwrap();

    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = [0; 4];
        stream.read_exact(&mut asked).unwrap();
        stream.write_all(b"pong").unwrap();
        asked
    });
    let net = ["--allow-net"];
    assert_eq!(try_out(&program, &net, &["connect", &address]).ended(0).stdout, "pong\n");
    assert_eq!(&server.join().unwrap(), b"ping");
    let listening = try_out(&program, &net, &["listen", "127.0.0.1:0"]).ended(0).stdout;
    assert_ne!(listening.trim().parse::<u16>().unwrap(), 0);
    try_out(&program, &net, &["send", &datagrams_address]).ended(0);
    let mut received = [0; 8];
    let length = datagrams.recv(&mut received).unwrap();
    assert_eq!(&received[..length], b"ping");
    let resolved = try_out(&program, &net, &["resolve", "localhost"]).ended(0).stdout;
    assert!(resolved.ends_with(" addresses\n") && !resolved.starts_with('0'), "{resolved}");
    // Network access does not include access to files.
    refused(&program, &net, &["read", "/etc/passwd"]);
}

#[test]
fn the_environment_contains_only_granted_variables() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    assert_eq!(try_out(&program, &[], &["environment"]).ended(0).stdout, "");
    let arguments =
        ["run", "--env", "A=b=c", "--env", "OUTSIDE", "--env", "EMPTY=", RUNNER, "environment"];
    let output = program.command(arguments).env("OUTSIDE", "from outside").output().unwrap();
    let mut given: Vec<String> =
        Finished::from(output).ended(0).stdout.lines().map(str::to_owned).collect();
    given.sort();
    assert_eq!(given, ["A=b=c", "EMPTY=", "OUTSIDE=from outside"]);
    let unset = program.command(arguments).env_remove("OUTSIDE").output().unwrap();
    let unset = Finished::from(unset).ended(1);
    assert!(unset.stderr.contains("OUTSIDE=VALUE"), "{}", unset.stderr);
}
