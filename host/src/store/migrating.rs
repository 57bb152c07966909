//! Migrates the schema to the current version, step by step.
//!
//! Every migration is a transaction of its own, under a lock that lets one process migrate at a time: a
//! process that is killed leaves complete steps, and the next one continues. The first migration of a
//! database also chooses its layout; the last one converts the tables to it, so that no process finds a
//! current schema with tables in another layout.

use tokio_postgres::error::SqlState;

use super::connection::{GenericClient, Session, Transaction};
use super::layout::{self, Extension, Layout, LayoutState};
use super::migrations::{
    BOOTSTRAP, LOCK, MIGRATIONS, SEARCH_PATH, SchemaState, check, check_server,
};
use super::{Connection, Store};
use crate::error::{Error, Result};

/// The result of migrating the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationReport {
    /// The steps of this run: migrations, such as `0001_recording`, and `layout timescale` if the
    /// tables were converted to a layout; empty if all were already applied.
    pub applied: Vec<String>,
    /// The version of the schema.
    pub version: i32,
    /// The layout of its tables.
    pub layout: Layout,
    /// Missing features and their remedies: sentences for operators.
    pub notes: Vec<String>,
}

/// The reason why a step failed.
enum Failure {
    /// Any other error.
    Other(Error),
    /// The database user lacks the privilege.
    NotAllowed(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Other(error)
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(server) if *server.code() == SqlState::INSUFFICIENT_PRIVILEGE => {
                Failure::NotAllowed(server.message().to_owned())
            }
            _ => Failure::Other(
                match Error::postgres_without_values("bring the schema up to date", error) {
                    // The recording process is not the cause, and another migration can correct it.
                    Error::Database(detail) | Error::Internal(detail) => Error::Schema(detail),
                    error => error,
                },
            ),
        }
    }
}

type Step<T> = std::result::Result<T, Failure>;

impl Store {
    /// Migrates the schema to the version that this program needs. It is safe to repeat, to interrupt,
    /// and to run from many processes at once: the others wait, and find it done. A new database gets
    /// the layout that its server supports: Citus if that extension was created, TimescaleDB if it was
    /// or can be created, else plain tables.
    ///
    /// # Errors
    /// [`Error::Schema`] as [`Store::check_schema`], or if the server is too old or the encoding of the
    /// database is not UTF-8; [`Error::Database`] if the user is not allowed to create tables, with the
    /// users who are.
    pub async fn migrate(&self) -> Result<MigrationReport> {
        self.bring_to(None).await
    }

    /// Migrates the schema to the version that this program needs, if a check finds another version.
    ///
    /// # Errors
    /// As [`Store::migrate`].
    pub async fn bring_up_to_date(&self) -> Result<()> {
        if !matches!(self.check_schema().await?, SchemaState::Current(_)) {
            self.migrate().await?;
        }
        Ok(())
    }

    /// Migrates the schema as [`Store::migrate`], and converts the tables to a layout, with their rows.
    /// All other clients wait during the conversion.
    ///
    /// # Errors
    /// As [`Store::migrate`]; [`Error::Schema`] if the server lacks the extension of the layout.
    pub async fn migrate_to(&self, layout: Layout) -> Result<MigrationReport> {
        self.bring_to(Some(layout)).await
    }

    async fn bring_to(&self, wanted: Option<Layout>) -> Result<MigrationReport> {
        let mut client = self.client().await?;
        check_server(&client).await?;
        match run(&mut client, wanted).await {
            Ok(migrated) => Ok(migrated),
            Err(Failure::Other(error)) => Err(error),
            Err(Failure::NotAllowed(reason)) => Err(not_allowed(&client, &reason).await),
        }
    }
}

async fn run(client: &mut Connection, wanted: Option<Layout>) -> Step<MigrationReport> {
    let (mut applied, mut notes) = (Vec::new(), Vec::new());
    loop {
        let transaction = client.transaction().await?;
        transaction.batch_execute(SEARCH_PATH).await?;
        transaction.execute("SELECT pg_catalog.pg_advisory_xact_lock($1)", &[&LOCK]).await?;
        let state = check(&transaction).await?;
        if state == SchemaState::Absent {
            transaction.batch_execute(BOOTSTRAP).await?;
        }
        let done = state.applied();
        let next = MIGRATIONS.iter().find(|migration| migration.version > done);
        if let Some(migration) = next {
            transaction.batch_execute(migration.sql).await?;
            transaction.batch_execute(&migration.note()).await?;
            if done == 0 {
                let chosen = choose(&transaction, wanted, &mut notes).await?;
                transaction.batch_execute(&chosen.record()).await?;
            }
            applied.push(migration.title());
        }
        let version = next.map_or(done, |migration| migration.version);
        let last = MIGRATIONS.last().is_none_or(|last| last.version == version);
        if !last {
            transaction.commit().await?;
            continue;
        }
        let recorded = Layout::recorded(&transaction).await?;
        let layout = wanted.unwrap_or(recorded);
        if layout != recorded {
            require(&transaction, layout).await?;
        }
        if layout != recorded || LayoutState::ask(&transaction, layout).await?.lacks() {
            layout::change(&transaction, recorded, layout).await?;
            applied.push(format!("layout {layout}"));
        }
        let laid_out = LayoutState::ask(&transaction, layout).await?;
        notes.extend(remarks(&transaction, layout, &laid_out).await?);
        transaction.commit().await?;
        return Ok(MigrationReport { applied, version, layout, notes });
    }
}

/// Returns the layout of a new database: the requested one, or else the one that the server supports.
async fn choose(
    transaction: &Transaction<'_>,
    wanted: Option<Layout>,
    notes: &mut Vec<String>,
) -> Step<Layout> {
    if let Some(layout) = wanted {
        require(transaction, layout).await?;
        return Ok(layout);
    }
    if Extension::ask(transaction, "citus").await?.created.is_some() {
        return Ok(Layout::Citus);
    }
    let timescale = Extension::ask(transaction, "timescaledb").await?;
    if timescale.created.is_some() {
        return Ok(Layout::Timescale);
    }
    if timescale.available && timescale.loaded {
        match create(transaction, "timescaledb").await? {
            Ok(()) => return Ok(Layout::Timescale),
            Err(reason) => notes.push(format!(
                "TimescaleDB is on the server, but the extension could not be created ({reason}); \
                 the tables are plain ones. Have a superuser run CREATE EXTENSION timescaledb, then \
                 run `arc-host migrate --to timescale`"
            )),
        }
    }
    Ok(Layout::Plain)
}

/// Ensures that a layout's extension exists in the database.
async fn require(transaction: &Transaction<'_>, layout: Layout) -> Step<()> {
    let Some(name) = layout.extension() else { return Ok(()) };
    let extension = Extension::ask(transaction, name).await?;
    if extension.created.is_some() {
        return Ok(());
    }
    let (reason, hint) = match (extension.available, extension.loaded) {
        (false, _) => (format!("the server does not have {name}"), "install it there".to_owned()),
        (true, false) => (
            format!("the server has {name}, but did not load it"),
            "add it to shared_preload_libraries and start the server again".to_owned(),
        ),
        (true, true) => match create(transaction, name).await? {
            Ok(()) => return Ok(()),
            Err(reason) => (
                format!("the extension {name} could not be created ({reason})"),
                format!("have a superuser run CREATE EXTENSION {name} in this database"),
            ),
        },
    };
    Err(Failure::Other(
        Error::schema(format!(
            "the tables cannot be laid out as {layout}: {reason}. Nothing was changed"
        ))
        .with_hint(hint),
    ))
}

/// Creates an extension, or returns the reason why it cannot be created; the transaction continues
/// either way.
async fn create(
    transaction: &Transaction<'_>,
    name: &str,
) -> Step<std::result::Result<(), String>> {
    transaction.batch_execute("SAVEPOINT extension").await?;
    // An extension is created in the first schema of the user's own search path.
    let create = format!(
        "SET LOCAL search_path TO DEFAULT; CREATE EXTENSION IF NOT EXISTS {name}; {SEARCH_PATH}"
    );
    match transaction.batch_execute(&create).await {
        Ok(()) => {
            transaction.batch_execute("RELEASE SAVEPOINT extension").await?;
            Ok(Ok(()))
        }
        Err(error) => {
            let Some(reason) = error.as_db_error().map(|server| server.message().to_owned()) else {
                return Err(error.into());
            };
            transaction.batch_execute("ROLLBACK TO SAVEPOINT extension").await?;
            Ok(Err(reason))
        }
    }
}

/// Returns the features that a layout lacks here, and the remedies.
async fn remarks(
    client: &Session<impl GenericClient>,
    layout: Layout,
    state: &LayoutState,
) -> Result<Vec<String>> {
    let mut remarks = Vec::new();
    match layout {
        Layout::Plain => {
            let timescale = Extension::ask(client, "timescaledb").await?;
            let citus = Extension::ask(client, "citus").await?;
            let found = [(timescale, "TimescaleDB", "timescale"), (citus, "Citus", "citus")];
            for (extension, name, layout) in found {
                if let Some(version) = extension.created {
                    remarks.push(format!(
                        "the database has {name} {version}, and plain tables; `arc-host migrate --to \
                         {layout}` converts them to it"
                    ));
                } else if extension.available && !extension.loaded {
                    remarks.push(format!(
                        "{name} is on the server, but not loaded (shared_preload_libraries); the \
                         tables are plain ones"
                    ));
                }
            }
        }
        Layout::Timescale if !state.full_edition => remarks.push(
            "this is TimescaleDB's Apache edition: outcomes are a hypertable, without a columnstore \
             and without policies. `arc-host prune` works"
                .to_owned(),
        ),
        Layout::Timescale if state.lacks() => remarks.push(
            "the columnstore of the outcomes or its policy is not there; run `arc-host migrate` as \
             the tables' owner"
                .to_owned(),
        ),
        Layout::Citus => remarks.push(
            "the layout citus is experimental: it has not run on a large cluster yet".to_owned(),
        ),
        Layout::Timescale => {}
    }
    Ok(remarks)
}

/// Returns the error for missing privileges, whose hint names the users who have them.
async fn not_allowed(client: &Session<impl GenericClient>, reason: &str) -> Error {
    let owners = "SELECT current_user::text, pg_catalog.current_database()::text,
             pg_catalog.pg_get_userbyid(datdba)::text,
             (SELECT pg_catalog.pg_get_userbyid(nspowner)::text FROM pg_catalog.pg_namespace
              WHERE nspname = 'arc_recorder')
         FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()";
    let row = match client.query_one(owners, &[]).await {
        Ok(row) => row,
        Err(error) => return Error::postgres_without_values("find the database's owner", error),
    };
    let (user, database, owner): (String, String, String) = (row.get(0), row.get(1), row.get(2));
    let schema_owner: Option<String> = row.get(3);
    let (who, grant) = match schema_owner {
        Some(schema_owner) => {
            (format!("the schema's owner, {schema_owner:?}"), "the rights of its owner".to_owned())
        }
        None => (
            format!("the database's owner, {owner:?}"),
            format!("CREATE on the database {database:?}"),
        ),
    };
    Error::database(format!(
        "the database user {user:?} is not allowed to create or change the tables of arc_recorder ({reason})"
    ))
    .with_hint(format!(
        "let {who}, run `arc-host migrate` once, or the SQL that `arc-host migrate --print` \
         writes; or grant this one {grant}"
    ))
}
