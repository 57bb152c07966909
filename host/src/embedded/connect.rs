//! Whether a server answers, and the connection settings of its clients.

use std::path::Path;
use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::{Config, NoTls};

use super::EmbeddedError;
use super::folders::DataFolder;
use super::socket;

/// The role that owns the cluster.
pub(super) const USER: &str = "arc";

/// The database in it.
pub(super) const DATABASE: &str = "arc";

/// How long the server can take to accept a connection before it is polled again.
const PATIENCE: Duration = Duration::from_secs(5);

/// How a server answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It accepts connections to the database.
    Ready,
    /// It does not accept connections, or not yet, or no longer.
    NotNow,
}

/// Returns the settings for connecting to one of the cluster's databases.
pub(super) fn config(socket_dir: &Path, database: &str) -> Config {
    let mut config = Config::new();
    config.host_path(socket_dir).port(socket::PORT).user(USER).dbname(database);
    config
}

/// Returns the same settings as a URL. It contains the port, because libpq would otherwise use the one of the
/// environment.
pub(super) fn url(socket_dir: &Path) -> String {
    let host = percent_encoded(socket_dir.as_os_str().as_encoded_bytes());
    format!("postgresql:///{DATABASE}?host={host}&port={}&user={USER}", socket::PORT)
}

/// Polls the server, and creates the database if it does not exist yet.
pub(super) async fn ask(folder: &DataFolder, socket_dir: &Path) -> Result<Answer, EmbeddedError> {
    let refused = |source| EmbeddedError::Refused { source, log: folder.server_log() };
    let Some(greeting) = greet(socket_dir).await else {
        return Ok(Answer::NotNow);
    };
    let Err(error) = greeting else {
        return Ok(Answer::Ready);
    };
    match error.code() {
        // A missing socket, or one on which no server listens.
        None => Ok(Answer::NotNow),
        // Starting, stopping, or recovering from a crash.
        Some(
            &(SqlState::CANNOT_CONNECT_NOW | SqlState::ADMIN_SHUTDOWN | SqlState::CRASH_SHUTDOWN),
        ) => Ok(Answer::NotNow),
        // It runs, and other clients use all its connections until they close them.
        Some(&SqlState::TOO_MANY_CONNECTIONS) => Ok(Answer::Ready),
        Some(&SqlState::INVALID_CATALOG_NAME) => make_database(socket_dir).await.map_err(refused),
        Some(_) => Err(refused(error)),
    }
}

/// Connects and disconnects; returns `None` on a timeout.
async fn greet(socket_dir: &Path) -> Option<Result<(), tokio_postgres::Error>> {
    let greeting = async {
        let (client, connection) =
            config(socket_dir, DATABASE).application_name("arc-host start").connect(NoTls).await?;
        drop(client);
        connection.await
    };
    tokio::time::timeout(PATIENCE, greeting).await.ok()
}

/// Creates the database. Another process might do the same, so the caller polls again afterwards.
async fn make_database(socket_dir: &Path) -> Result<Answer, tokio_postgres::Error> {
    let (client, connection) =
        config(socket_dir, "postgres").application_name("arc-host start").connect(NoTls).await?;
    let making = async move {
        // template0 accepts no connections, so none can block the creation.
        client.batch_execute(&format!("CREATE DATABASE {DATABASE} TEMPLATE template0")).await
    };
    let (made, _) = tokio::join!(making, connection);
    match made {
        Err(error) if error.code().is_none_or(|code| !made_by_another(code)) => Err(error),
        _ => Ok(Answer::NotNow),
    }
}

fn made_by_another(code: &SqlState) -> bool {
    [SqlState::DUPLICATE_DATABASE, SqlState::UNIQUE_VIOLATION, SqlState::OBJECT_IN_USE]
        .contains(code)
}

fn percent_encoded(bytes: &[u8]) -> String {
    let encode = |byte: &u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(*byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    bytes.iter().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use tokio_postgres::config::Host;

    use super::*;

    #[test]
    fn the_url_matches_the_configuration() {
        let socket_dir = Path::new("/home/zoë/my data: \"all\" of it/50%/run");
        let url = url(socket_dir);
        assert!(url.is_ascii() && !url.contains(' '), "{url}");
        let (parsed, direct): (Config, Config) =
            (url.parse().unwrap(), config(socket_dir, DATABASE));
        assert_eq!(parsed.get_hosts(), [Host::Unix(socket_dir.to_owned())]);
        assert_eq!(parsed.get_hosts(), direct.get_hosts());
        assert_eq!(parsed.get_ports(), direct.get_ports());
        assert_eq!(parsed.get_user(), direct.get_user());
        assert_eq!(parsed.get_dbname(), direct.get_dbname());
    }
}
