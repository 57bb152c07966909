//! A private PostgreSQL cluster for the tests, and a database of its own for each.
//!
//! The cluster is the product's own embedded database, in a folder of the tests; it is shared by
//! all tests of all processes, and stops when the last of them ends. A test's database is copied
//! from a migrated template, dropped if the test succeeds and kept if it fails.
//!
//! `ARC_TEST_POSTGRES_BIN` names the programs of another version for the cluster, and
//! `ARC_TEST_SERVER_URL` another server, in which the tests can create databases; the module
//! `databases` uses both to run the recorder's tests.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use arc_host::embedded::{Download, EmbeddedDatabase, EmbeddedSettings, SupervisorCommand};
use arc_host::store::Store;
use tokio::runtime::Runtime;
use tokio_postgres::{Client, Config, NoTls, Row};

use super::Program;

/// The lock under which one process at a time creates the template: the bytes of "arctest".
const TEMPLATE_LOCK: i64 = 0x61_7263_7465_7374;

/// The cluster, which runs until this process ends.
struct Cluster {
    runtime: Runtime,
    database: EmbeddedDatabase,
    /// The server of the tests' databases.
    server: Server,
}

/// The server of the tests' databases.
enum Server {
    /// The cluster, with this template for copies.
    Cluster { template: String },
    /// Another server, on which each database is migrated: not every server can copy a database that has background
    /// workers.
    Other(String),
}

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let runtime = Runtime::new().expect("a runtime for the tests' own queries");
        let bin_dir = std::env::var_os("ARC_TEST_POSTGRES_BIN").map(PathBuf::from);
        // A cluster belongs to one version.
        let version = bin_dir.as_deref().map_or_else(String::new, |folder| {
            let digest =
                <sha2::Sha256 as sha2::Digest>::digest(folder.as_os_str().as_encoded_bytes());
            format!("-{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2])
        });
        let folder = format!("arc-recorder-tests-{}{version}", nix::unistd::geteuid());
        let settings = EmbeddedSettings {
            data_dir: Some(std::env::temp_dir().join(folder)),
            bin_dir,
            further_bin_dirs: Vec::new(),
            // A machine without PostgreSQL downloads it, as for any user.
            download: Download::of_environment(),
            supervisor: SupervisorCommand {
                program: Program::path().to_owned(),
                args: vec![OsString::from("__supervise")],
            },
            // The tests' data need not survive a crash of the machine; other tests cover durability.
            server_settings: [
                ("fsync", "off"),
                ("max_connections", "300"),
                ("shared_buffers", "256MB"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        };
        let database = runtime
            .block_on(EmbeddedDatabase::acquire(&settings))
            .expect("PostgreSQL's programs are installed and a cluster can be created");
        let server = match std::env::var("ARC_TEST_SERVER_URL") {
            Ok(url) => Server::Other(url),
            Err(_) => {
                let template = runtime.block_on(make_template(&database.config()));
                Server::Cluster { template }
            }
        };
        Cluster { runtime, database, server }
    })
}

/// Returns the folder with PostgreSQL's programs that the product has found on this machine.
pub fn installed_programs() -> &'static Path {
    // An asynchronous test must not block its own thread on another runtime.
    let cluster = std::thread::spawn(cluster).join().expect("the cluster runs");
    &cluster.database.programs().bin_dir
}

/// Returns the folder of PostgreSQL's programs if the machine has none of its own, so that the product downloaded them
/// for the tests: the programs under test find it on their PATH.
pub fn fetched_programs() -> Option<&'static Path> {
    static FETCHED: OnceLock<Option<&'static Path>> = OnceLock::new();
    *FETCHED.get_or_init(|| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let of_packages = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let on_machine = std::env::split_paths(&path)
            .chain(of_packages.map(|entry| entry.path().join("bin")))
            .any(|folder| folder.join("initdb").exists());
        (!on_machine).then(installed_programs)
    })
}

/// Creates the migrated database that the others are copied from, named after a hash of the migrations.
async fn make_template(config: &Config) -> String {
    let client = connect(config).await;
    let digest = <sha2::Sha256 as sha2::Digest>::digest(migrations());
    let name: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let name = format!("template_{name}");
    client.execute("SELECT pg_advisory_lock($1)", &[&TEMPLATE_LOCK]).await.unwrap();
    let find = "SELECT FROM pg_database WHERE datname = $1 AND datistemplate";
    if client.query(find, &[&name]).await.unwrap().is_empty() {
        client.batch_execute(&format!("DROP DATABASE IF EXISTS {name}")).await.unwrap();
        client.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0")).await.unwrap();
        let mut own = config.clone();
        own.dbname(&name);
        let store = Store::new(own, 1).unwrap();
        store.migrate().await.unwrap();
        store.close();
        // The database becomes a template only when it is complete.
        client.batch_execute(&format!("ALTER DATABASE {name} IS_TEMPLATE true")).await.unwrap();
    }
    client.execute("SELECT pg_advisory_unlock($1)", &[&TEMPLATE_LOCK]).await.unwrap();
    name
}

/// Returns the text of all migrations and layouts, in order.
fn migrations() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
    let mut files: Vec<_> = [folder.clone(), folder.join("layouts")]
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .collect();
    files.sort();
    assert!(files.len() > 4, "too few migrations were found: {files:?}");
    files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect()
}

async fn connect(config: &Config) -> Client {
    let (client, connection) =
        config.connect(NoTls).await.expect("the cluster accepts connections");
    tokio::spawn(connection);
    client
}

/// A database of one test.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    url: String,
}

impl TestDatabase {
    /// Creates an empty database with the current schema.
    pub fn new() -> Self {
        match &cluster().server {
            Server::Cluster { template } => Self::copy_of(template),
            Server::Other(_) => {
                let database = Self::empty();
                let store = database.store();
                cluster().runtime.block_on(store.migrate()).unwrap();
                store.close();
                database
            }
        }
    }

    /// Creates a database without the schema.
    pub fn empty() -> Self {
        Self::copy_of("template0")
    }

    fn copy_of(template: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let cluster = cluster();
        let name = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        administer(&[
            // An earlier process with the same number might have left a database behind.
            format!("DROP DATABASE IF EXISTS {name}"),
            format!("CREATE DATABASE {name} TEMPLATE {template}{}", cluster.strategy()),
        ]);
        let url = cluster.url_of(&name);
        let database = TestDatabase { name, url };
        if let Server::Other(_) = cluster.server {
            // Extensions are created per database; the layout is chosen by the extension that exists.
            database.create_extension("citus");
        }
        database
    }

    /// Returns the database's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the database's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns a store on the database, with at most four connections.
    pub fn store(&self) -> Store {
        Store::new(self.config(), 4).unwrap()
    }

    /// Returns the configuration of a connection to the database.
    pub fn config(&self) -> Config {
        Config::from_str(&self.url).unwrap()
    }

    /// Runs a query on a connection of its own.
    #[track_caller]
    pub fn query(&self, sql: &str) -> Vec<Row> {
        let config = self.config();
        cluster().runtime.block_on(async {
            connect(&config)
                .await
                .query(sql, &[])
                .await
                .unwrap_or_else(|error| panic!("{sql}: {error:?}"))
        })
    }

    /// Runs statements on a connection of its own.
    #[track_caller]
    pub fn execute(&self, sql: &str) {
        let config = self.config();
        cluster().runtime.block_on(async {
            let done = connect(&config).await.batch_execute(sql).await;
            done.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        });
    }

    /// Returns the number of rows that a query counts.
    #[track_caller]
    pub fn count(&self, sql: &str) -> i64 {
        self.query(sql)[0].get(0)
    }
}

/// A transaction that is open until this is dropped.
#[derive(Debug)]
pub struct OpenTransaction {
    client: Client,
}

impl OpenTransaction {
    /// Runs further statements in it.
    #[track_caller]
    pub fn execute(&self, sql: &str) {
        cluster().runtime.block_on(self.client.batch_execute(sql)).unwrap();
    }
}

impl TestDatabase {
    /// Runs statements in a transaction that stays open.
    #[track_caller]
    pub fn hold(&self, sql: &str) -> OpenTransaction {
        let config = self.config();
        cluster().runtime.block_on(async {
            let client = connect(&config).await;
            client.batch_execute(&format!("BEGIN; {sql}")).await.unwrap();
            OpenTransaction { client }
        })
    }

    /// Waits until a session waits for a lock in this database.
    #[track_caller]
    pub fn wait_for_a_lock(&self) {
        let since = std::time::Instant::now();
        let waiting = "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while self.count(waiting) == 0 {
            assert!(since.elapsed() < super::DEADLINE, "no session waits for a lock");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

impl Cluster {
    /// Returns the URL of a database on the same server.
    fn url_of(&self, name: &str) -> String {
        match &self.server {
            Server::Cluster { .. } => self.database.url().replace("/arc?", &format!("/{name}?")),
            Server::Other(url) => {
                let mut url = reqwest::Url::parse(url).expect("ARC_TEST_SERVER_URL is a URL");
                url.set_path(name);
                url.to_string()
            }
        }
    }

    /// Returns the strategy for copying a database: as files, if the server supports that.
    fn strategy(&self) -> &'static str {
        match self.server {
            Server::Cluster { .. } if self.database.programs().version.major >= 15 => {
                " STRATEGY file_copy"
            }
            _ => "",
        }
    }
}

impl TestDatabase {
    /// Creates an extension if the server has loaded it.
    fn create_extension(&self, name: &str) {
        let loaded = format!("SELECT count(*) FROM pg_settings WHERE name LIKE '{name}.%'");
        if self.count(&loaded) > 0 {
            self.execute(&format!("CREATE EXTENSION IF NOT EXISTS {name}"));
        }
    }
}

fn administer(statements: &[String]) {
    let cluster = cluster();
    cluster.runtime.block_on(async {
        let config = match &cluster.server {
            Server::Cluster { .. } => cluster.database.config(),
            Server::Other(url) => Config::from_str(url).expect("ARC_TEST_SERVER_URL is a URL"),
        };
        let client = connect(&config).await;
        for statement in statements {
            let done = client.batch_execute(statement).await;
            done.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
        }
    });
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the test's database is kept: {}", self.url);
        } else {
            administer(&[format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name)]);
        }
    }
}
