//! A database that is reachable but cannot be used: slow, full, read-only, or without a free
//! connection.

use std::path::Path;
use std::process::Command;
use std::str::FromStr as _;
use std::time::Duration;

use nix::fcntl::posix_fallocate;
use nix::unistd::geteuid;
use tempfile::TempDir;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls};

use super::ledger::Way;
use super::proxy::{Network, Target};
use super::run::{Host, Run};
use crate::support::{DatabaseServer, skip, skip_without_tool};

const SENDERS: usize = 3;
const DIRECT_SENDERS: usize = 2;
const EVERY: &[Way] = &[Way::Service, Way::Spool, Way::Direct];

fn end(mut run: Run, server: &DatabaseServer, host: &Host) {
    run.wait(&[Way::Service]);
    run.wait(&[Way::Direct]);
    run.end_senders();
    run.settle(host);
    run.check(server);
}

#[test]
fn a_database_that_is_slow() {
    let mut run = Run::begin("slow database");
    let server = DatabaseServer::start();
    let network = Network::before(Target::Socket(server.socket_folder().join(".s.PGSQL.5432")));
    let url = network_url(&network);
    let host = Host::start(&url);
    run.send_to_service(host.place(), SENDERS);
    run.send_directly(&url, DIRECT_SENDERS);
    for round in 0..Run::rounds(2) {
        run.wait(EVERY);
        if round % 2 == 0 {
            // Slow enough to delay each commit.
            network.slow(Duration::from_millis(run.random.between(1, 30)));
            run.wait(&[Way::Service, Way::Spool]);
            run.wait(&[Way::Direct]);
        } else {
            // So slow that it counts as unavailable.
            network.slow(Duration::from_secs(1));
            run.wait(&[Way::Spool]);
        }
        network.slow(Duration::ZERO);
        run.wait(&[Way::Direct]);
        run.count_round();
    }
    end(run, &server, &host);
}

/// Returns the URL of the database behind a network.
pub(super) fn network_url(network: &Network) -> String {
    format!("postgresql://arc@{}/postgres?sslmode=disable", network.address())
}

#[test]
fn a_database_that_is_read_only() {
    let mut run = Run::begin("read-only database");
    let server = DatabaseServer::start();
    let host = Host::start(&server.url());
    run.send_to_service(host.place(), SENDERS);
    run.send_directly(&server.url(), DIRECT_SENDERS);
    for _ in 0..Run::rounds(2) {
        run.wait(EVERY);
        server.set("default_transaction_read_only", Some("on"));
        run.wait(&[Way::Spool]);
        server.set("default_transaction_read_only", None);
        run.wait(&[Way::Direct]);
        run.count_round();
    }
    end(run, &server, &host);
}

#[test]
fn a_database_without_a_free_connection() {
    let mut run = Run::begin("database without a free connection");
    let folder = TempDir::new().unwrap();
    let settings = ["max_connections=16", "superuser_reserved_connections=0"];
    let mut server = DatabaseServer::within(folder.path(), &settings);
    server.resume();
    let host = Host::start(&server.url());
    run.send_to_service(host.place(), SENDERS);
    run.send_directly(&server.url(), DIRECT_SENDERS);
    for _ in 0..Run::rounds(2) {
        run.wait(EVERY);
        let taken = run.runtime().block_on(take_all_connections(&server.url()));
        run.wait(&[Way::Spool]);
        drop(taken);
        run.wait(&[Way::Direct]);
        run.count_round();
    }
    end(run, &server, &host);
}

/// Takes all of the server's connections, and ends those of other clients.
async fn take_all_connections(url: &str) -> Vec<Client> {
    let mut config = Config::from_str(url).unwrap();
    config.application_name("taken");
    let mut taken: Vec<Client> = Vec::new();
    loop {
        match config.connect(NoTls).await {
            Ok((client, connection)) => {
                tokio::spawn(connection);
                taken.push(client);
            }
            Err(error) => {
                assert_eq!(error.code(), Some(&SqlState::TOO_MANY_CONNECTIONS), "{error:?}");
                let Some(own) = taken.first() else { continue };
                let ended = own
                    .query(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                         WHERE backend_type = 'client backend' AND application_name <> 'taken'",
                        &[],
                    )
                    .await
                    .unwrap();
                if ended.is_empty() {
                    return taken;
                }
            }
        }
    }
}

#[test]
fn a_database_that_is_full() {
    let rounds = Run::rounds(2);
    let mebibytes = SmallDisk::SIZE_MIB + rounds * SmallDisk::ROUND_MIB;
    let Some(disk) = SmallDisk::mount("a database that is full", mebibytes) else {
        return;
    };
    let mut run = Run::begin("full database");
    // Small buffers, so that writes soon reach the disk.
    let settings = ["shared_buffers=2MB", "max_wal_size=16MB", "min_wal_size=2MB"];
    let mut server = DatabaseServer::within(disk.folder.path(), &settings);
    server.resume();
    let host = Host::start(&server.url());
    run.send_to_service(host.place(), SENDERS);
    run.send_directly(&server.url(), DIRECT_SENDERS);
    for _ in 0..rounds {
        run.wait(EVERY);
        let left = run.random.between(0, 256) << 10;
        disk.fill(left);
        run.wait(&[Way::Spool]);
        disk.clear();
        // A server that could not write its log has stopped.
        server.restore();
        run.wait(&[Way::Direct]);
        run.count_round();
    }
    // For a write that was cut short, the server only logs a hint.
    let log = server.log();
    let full = ["No space left on device", "Check free disk space"];
    assert!(full.iter().any(|sentence| log.contains(sentence)), "{log}");
    end(run, &server, &host);
}

/// A small disk, in memory.
pub(super) struct SmallDisk {
    pub(super) folder: TempDir,
}

impl SmallDisk {
    /// The initial size of a database in mebibytes; the next constant is its growth per round.
    const SIZE_MIB: u64 = 160;
    const ROUND_MIB: u64 = 16;

    /// Mounts the disk; returns `None` if that is not permitted: only root can mount it, and not in
    /// every container.
    pub(super) fn mount(what: &str, mebibytes: u64) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        if !geteuid().is_root() {
            skip(what, "only root can mount a small disk");
            return None;
        }
        let size = format!("size={mebibytes}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(folder.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(SmallDisk { folder }),
            Ok(output) => {
                let error = String::from_utf8_lossy(&output.stderr).into_owned();
                // In a container even root can lack the right, and installing a tool does not help.
                skip(what, &format!("no small disk can be mounted: {}", error.trim()));
                None
            }
            Err(error) => {
                skip_without_tool(what, &format!("mount cannot be run: {error}"));
                None
            }
        }
    }

    /// Fills the disk up to this many free bytes.
    pub(super) fn fill(&self, left_bytes: u64) {
        let file = std::fs::File::create(self.ballast()).unwrap();
        // Concurrent writers can take a part of the free space.
        loop {
            let stat = nix::sys::statvfs::statvfs(self.folder.path()).unwrap();
            let free: u64 = stat.blocks_available() * stat.fragment_size();
            let bytes = free.saturating_sub(left_bytes);
            if bytes == 0 || posix_fallocate(&file, 0, i64::try_from(bytes).unwrap()).is_ok() {
                return;
            }
        }
    }

    /// Frees the space again.
    pub(super) fn clear(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> std::path::PathBuf {
        Path::new(self.folder.path()).join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Unmounts at once, even if files are still open.
        let _ = Command::new("umount").arg("--lazy").arg(self.folder.path()).output();
    }
}
