//! A server with TLS on a loopback port, with certificates generated here.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use arc_host::store::{ConnectionSettings, Store};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;
use tokio_postgres::{Client, Config, NoTls};

use crate::support::{as_server, chown_to_server_account, free_port, installed_programs};

/// The password of every user.
pub(super) const PASSWORD: &str = "hunter2&more";

/// The password in a URL.
pub(super) const ENCODED: &str = "hunter2%26more";

/// The longest wait before a test fails.
const DEADLINE: Duration = Duration::from_secs(60);

/// How each user can connect: `arc` in every way, the others as their names suggest.
const RULES: &str = "\
local     all all                       trust
host      all arc            127.0.0.1/32 scram-sha-256
hostssl   all encrypted      127.0.0.1/32 scram-sha-256
hostnossl all clear          127.0.0.1/32 scram-sha-256
hostssl   all by_certificate 127.0.0.1/32 cert
";

/// A server, its folder, and certificates of two authorities.
#[derive(Debug)]
pub(super) struct Server {
    folder: TempDir,
    child: Child,
    pub(super) port: u16,
}

impl Server {
    /// Starts a server that offers TLS.
    pub(super) async fn with_tls() -> Self {
        Self::start(true).await
    }

    /// Starts a server without TLS.
    pub(super) async fn without_tls() -> Self {
        Self::start(false).await
    }

    async fn start(tls: bool) -> Self {
        let folder = TempDir::new().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        make_certificates(folder.path());
        let cluster = folder.path().join("cluster");
        fs::create_dir(&cluster).unwrap();
        chown_to_server_account(&cluster);
        let made = as_server(&installed_programs().join("initdb"))
            .args(["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8"])
            .args(["--locale=C".as_ref(), "--pgdata".as_ref(), cluster.as_os_str()])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        fs::write(cluster.join("pg_hba.conf"), RULES).unwrap();
        let port = free_port();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let settings = [
            ("listen_addresses", "127.0.0.1".to_owned()),
            ("port", port.to_string()),
            ("unix_socket_directories", cluster.display().to_string()),
            ("fsync", "off".to_owned()),
            ("ssl", if tls { "on" } else { "off" }.to_owned()),
            ("ssl_cert_file", path("server.crt")),
            ("ssl_key_file", path("server.key")),
            ("ssl_ca_file", path("ca.crt")),
            ("password_encryption", "scram-sha-256".to_owned()),
        ];
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let child = as_server(&installed_programs().join("postgres"))
            .arg("-D")
            .arg(&cluster)
            .args(
                settings
                    .iter()
                    .flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")]),
            )
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let server = Server { folder, child, port };
        let client = server.administrator().await;
        for user in ["arc", "encrypted", "clear", "by_certificate"] {
            let role = format!("CREATE ROLE {user} LOGIN PASSWORD '{PASSWORD}'");
            client.batch_execute(&role).await.unwrap();
        }
        client.batch_execute("CREATE DATABASE evaluations OWNER arc").await.unwrap();
        server
    }

    /// Connects as the administrator, for whom no rule applies, as soon as the server accepts
    /// connections.
    pub(super) async fn administrator(&self) -> Client {
        let since = Instant::now();
        let mut config = Config::new();
        config.host_path(self.socket_folder()).port(self.port).user("postgres").dbname("postgres");
        loop {
            match config.connect(NoTls).await {
                Ok((client, connection)) => {
                    tokio::spawn(connection);
                    return client;
                }
                Err(error) => {
                    let log = || fs::read_to_string(self.path("log")).unwrap_or_default();
                    assert!(since.elapsed() < DEADLINE, "{error:?}\n{}", log());
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(super) fn socket_folder(&self) -> PathBuf {
        self.path("cluster")
    }

    /// Returns the path of a file beside the cluster: `ca.crt`, `other.crt`, `client.crt` and
    /// `client.key`, …
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the URL of a user at `localhost`, the name in the certificate. `(FOLDER)` in the
    /// parameters is replaced by the folder of the certificates.
    pub(super) fn url(&self, user: &str, parameters: &str) -> String {
        let parameters = parameters.replace("(FOLDER)", &self.folder.path().display().to_string());
        let port = self.port;
        format!("postgresql://{user}:{ENCODED}@localhost:{port}/evaluations?{parameters}")
    }

    /// Connects with a URL, and returns whether the connection is encrypted, or the error.
    pub(super) async fn reach(&self, url: &str) -> Result<bool, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let settings =
            ConnectionSettings::from_url_alone(&format!("{url}&application_name={name}"))
                .map_err(|error| error.report_with_hint())?;
        let store = Store::with_settings(&settings, 1).map_err(|error| error.report_with_hint())?;
        let health = store.health().await;
        let shown = format!("{health:?} {settings} {settings:?} {store:?}");
        for secret in [PASSWORD, ENCODED, "hunter2"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        if let Some(error) = health.error {
            return Err(error);
        }
        let ssl = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
             WHERE application_name = $1";
        let row = self.administrator().await.query_one(ssl, &[&name]).await.unwrap();
        store.close();
        Ok(row.get(0))
    }

    /// Asserts that connecting with a URL fails with an error that contains this text.
    pub(super) async fn refuses(&self, url: &str, expected: &str) {
        let error = self.reach(url).await.expect_err(url);
        assert!(error.contains(expected), "{url}: {expected} is not in: {error}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", fs::read_to_string(self.path("log")).unwrap_or_default());
        }
        // An immediate shutdown, since no data is needed any more.
        let _ = kill(Pid::from_raw(self.child.id() as i32), Signal::SIGQUIT);
        let _ = self.child.wait();
    }
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

/// Generates a known and an unknown authority, a server's certificate, and a client's.
fn make_certificates(folder: &Path) {
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        let mode = if name.ends_with(".key") { 0o600 } else { 0o644 };
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    };
    let ca = authority("authority of the tests");
    write("ca.crt", ca.pem());
    write("other.crt", authority("another authority").pem());
    let signed = |names: &[&str], name: &str| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut parameters = CertificateParams::new(names).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        (parameters.signed_by(&key, &ca).unwrap().pem(), key.serialize_pem())
    };
    let (certificate, key) = signed(&["localhost"], "localhost");
    write("server.crt", certificate);
    chown_to_server_account(&write("server.key", key));
    let (certificate, key) = signed(&[], "by_certificate");
    write("client.crt", certificate);
    write("client.key", key);
}
