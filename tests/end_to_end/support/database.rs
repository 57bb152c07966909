//! A private PostgreSQL cluster for the tests, and a database of its own for each.
//!
//! The cluster is the product's own embedded database, in a folder of the tests; it is shared by
//! all tests of all processes, and stops when the last of them ends. A test's database is copied
//! from a migrated template, dropped where the test succeeds and kept where it fails.
//!
//! `ARC_TEST_POSTGRES_BIN` names the programs of another version for the cluster, and
//! `ARC_TEST_SERVER_URL` another server, in which the tests may make databases; the module
//! `databases` runs the recorder's tests so.

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

/// Serialises the making of the template among processes: the bytes of "arctest".
const TEMPLATE_LOCK: i64 = 0x61_7263_7465_7374;

/// The cluster, running for as long as this process does.
struct Cluster {
    runtime: Runtime,
    database: EmbeddedDatabase,
    /// The databases of the tests are there.
    server: Server,
}

/// Where the tests' databases are.
enum Server {
    /// In the cluster, as copies of this template.
    Cluster { template: String },
    /// On another server, each migrated by itself: not every server copies a database that has
    /// background workers.
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
            // A machine without PostgreSQL gets it as any user does.
            download: Download::of_environment(),
            supervisor: SupervisorCommand {
                program: Program::path().to_owned(),
                args: vec![OsString::from("__supervise")],
            },
            // The tests' data may go with the machine; what durability does is tested elsewhere.
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
            .expect("PostgreSQL's programs are installed and a cluster can be made");
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

/// The folder with PostgreSQL's programs that the product has found on this machine.
pub fn installed_programs() -> &'static Path {
    // An asynchronous test may not wait for another runtime on its own thread.
    let cluster = std::thread::spawn(cluster).join().expect("the cluster runs");
    &cluster.database.programs().bin_dir
}

/// The folder of PostgreSQL's programs if the machine has none of its own, so that the product fetched them for
/// the tests: the programs under test have it on their PATH.
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

/// Makes the migrated database that the others are copied from, named after what it holds.
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
        // Only a whole one is marked as a template.
        client.batch_execute(&format!("ALTER DATABASE {name} IS_TEMPLATE true")).await.unwrap();
    }
    client.execute("SELECT pg_advisory_unlock($1)", &[&TEMPLATE_LOCK]).await.unwrap();
    name
}

/// The text of all migrations and layouts, in order.
fn migrations() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
    let mut files: Vec<_> = [folder.clone(), folder.join("layouts")]
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .collect();
    files.sort();
    assert!(files.len() > 5, "the migrations are not where they were: {files:?}");
    files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect()
}

async fn connect(config: &Config) -> Client {
    let (client, connection) = config.connect(NoTls).await.expect("the cluster takes connections");
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
    /// A database with the current schema and nothing in it.
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

    /// A database without any schema of this project.
    pub fn empty() -> Self {
        Self::copy_of("template0")
    }

    fn copy_of(template: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let cluster = cluster();
        let name = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        administer(&[
            // A process with the same number may have left one behind.
            format!("DROP DATABASE IF EXISTS {name}"),
            format!("CREATE DATABASE {name} TEMPLATE {template}{}", cluster.strategy()),
        ]);
        let url = cluster.url_of(&name);
        let database = TestDatabase { name, url };
        if let Server::Other(_) = cluster.server {
            // Extensions are a database's own; the layout is chosen by the one that is there.
            database.create_extension("citus");
        }
        database
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A store on it, of at most four connections.
    pub fn store(&self) -> Store {
        Store::new(self.config(), 4).unwrap()
    }

    /// How to connect to it.
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

    /// How many rows a query counts.
    #[track_caller]
    pub fn count(&self, sql: &str) -> i64 {
        self.query(sql)[0].get(0)
    }
}

/// A transaction that is open until this is dropped.
#[derive(Debug)]
pub struct HeldTransaction {
    _client: Client,
}

impl TestDatabase {
    /// Runs statements in a transaction that stays open.
    #[track_caller]
    pub fn hold(&self, sql: &str) -> HeldTransaction {
        let config = self.config();
        cluster().runtime.block_on(async {
            let client = connect(&config).await;
            client.batch_execute(&format!("BEGIN; {sql}")).await.unwrap();
            HeldTransaction { _client: client }
        })
    }

    /// Waits until somebody waits for a lock in this database.
    #[track_caller]
    pub fn wait_for_a_lock(&self) {
        let since = std::time::Instant::now();
        let waiting = "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while self.count(waiting) == 0 {
            assert!(since.elapsed() < super::DEADLINE, "nobody waits for a lock");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

impl Cluster {
    /// The URL of a database beside the others.
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

    /// How a database is copied: as files, where the server can.
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
    /// Creates an extension where the server has it.
    fn create_extension(&self, name: &str) {
        let there = format!("SELECT count(*) FROM pg_settings WHERE name LIKE '{name}.%'");
        if self.count(&there) > 0 {
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
