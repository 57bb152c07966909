//! Makes one connection: tries the servers in order, with and without TLS, until one is suitable.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::task::AbortHandle;
use tokio_postgres::config::{
    ChannelBinding as Binding, SslMode as Encryption, SslNegotiation, TargetSessionAttrs,
};
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage, Socket};

use super::connect_failure::ConnectFailure;
use super::session::{KnownTypes, PrepareMode, Session};
use super::settings::{
    ChannelBinding, ConnectionSettings, Host, SessionAttributes, SslMode, Statements, Target,
    server,
};
use super::tls::{EncryptedStream, Tls};
use super::watch::Origin;
use crate::error::{Error, Result};

/// Makes connections to one database.
#[derive(Debug)]
pub(crate) struct Connector(ConnectMethod);

#[derive(Debug)]
enum ConnectMethod {
    /// A connection of tokio-postgres, without TLS.
    Plain(Box<Config>),
    /// A connection that is made as libpq does.
    Settings(Box<ConnectionSettings>, Option<Tls>),
}

/// A connection, and the task that transfers its bytes.
#[derive(Debug)]
pub(super) struct NewConnection {
    pub(super) session: Session<Client>,
    pub(super) task: AbortHandle,
    /// The server of the connection, if it is known because there is no pooler.
    pub(super) origin: Option<Origin>,
    /// Whether the session belongs to this connection only, so that settings persist in it and reach no
    /// other client.
    pub(super) own_session: bool,
}

impl Connector {
    /// For a database of this machine; statements have names.
    pub(crate) fn plain(config: Config) -> Self {
        Connector(ConnectMethod::Plain(Box::new(config)))
    }

    /// Reads the files of certificates in the settings.
    ///
    /// # Errors
    /// [`Error::Configuration`] if one of them cannot be used.
    pub(crate) fn new(settings: &ConnectionSettings) -> Result<Self> {
        let by_network = settings.targets.iter().any(|target| matches!(target.host, Host::Tcp(_)));
        let tls = match settings.ssl_mode {
            SslMode::Disable => None,
            _ if !by_network => None,
            _ => Some(Tls::new(settings)?),
        };
        Ok(Connector(ConnectMethod::Settings(Box::new(settings.clone()), tls)))
    }

    /// Makes a connection.
    ///
    /// # Errors
    /// [`Error::Configuration`] if the server rejects the credentials or parameters,
    /// [`Error::Unavailable`] if a retry can succeed.
    pub(super) async fn connect(&self, types: &KnownTypes) -> Result<NewConnection> {
        match &self.0 {
            ConnectMethod::Plain(config) => {
                let (client, task) = open(config, NoTls).await.map_err(Error::connection)?;
                let prepare_mode = PrepareMode::Named(Default::default());
                let session = Session::new(client, prepare_mode);
                Ok(NewConnection { session, task, origin: None, own_session: true })
            }
            ConnectMethod::Settings(settings, tls) => {
                let search = Search { settings, tls: tls.as_ref(), types };
                let wanted = settings.session_attributes;
                if wanted == SessionAttributes::PreferStandby
                    && let Ok(connected) = search.run(SessionAttributes::Standby).await
                {
                    return Ok(connected);
                }
                search.run(wanted).await
            }
        }
    }
}

/// The state of trying the servers.
#[derive(Debug)]
struct Search<'a> {
    settings: &'a ConnectionSettings,
    tls: Option<&'a Tls>,
    types: &'a KnownTypes,
}

impl Search<'_> {
    /// Tries each address of each server until one is suitable. A server that answers and refuses ends
    /// the search, because the others of a list are copies of it.
    async fn run(&self, wanted: SessionAttributes) -> Result<NewConnection> {
        let mut failures = Vec::new();
        let mut targets: Vec<&Target> = self.settings.targets.iter().collect();
        if self.settings.random_order {
            shuffle(&mut targets);
        }
        for target in targets {
            let place = server(target.host.text(), target.port);
            let mut addresses = match addresses(target).await {
                Ok(addresses) => addresses,
                Err(error) => {
                    let reason = format!("{place} could not be found: {error}");
                    failures.push(ConnectFailure::for_now(reason));
                    continue;
                }
            };
            if self.settings.random_order {
                shuffle(&mut addresses);
            }
            for address in addresses {
                let attempt = self.attempt(target, address, wanted);
                let done = match self.settings.connect_timeout {
                    None => attempt.await,
                    Some(limit) => {
                        tokio::time::timeout(limit, attempt).await.unwrap_or_else(|_| {
                            let seconds = limit.as_secs();
                            let reason = format!("no answer within {seconds} s (connect_timeout)");
                            Err(ConnectFailure::for_now(reason))
                        })
                    }
                };
                match done {
                    Ok(connected) => return Ok(connected),
                    Err(failure) => {
                        let refused = failure.refused;
                        failures.push(failure.at(&place));
                        if refused {
                            return Err(Error::connect_failure(failures));
                        }
                    }
                }
            }
        }
        Err(Error::connect_failure(failures))
    }

    /// Tries one address, in the order of encryption that `sslmode` specifies.
    async fn attempt(
        &self,
        target: &Target,
        address: Option<IpAddr>,
        wanted: SessionAttributes,
    ) -> std::result::Result<NewConnection, ConnectFailure> {
        let (first, second) = match self.settings.ssl_mode {
            // Unix sockets are never encrypted.
            _ if self.tls.is_none() || matches!(target.host, Host::Socket(_)) => {
                (Encryption::Disable, None)
            }
            SslMode::Disable => (Encryption::Disable, None),
            SslMode::Allow => (Encryption::Disable, Some(Encryption::Require)),
            SslMode::Prefer => (Encryption::Prefer, Some(Encryption::Disable)),
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => {
                (Encryption::Require, None)
            }
        };
        let error = match self.once(target, address, first).await {
            Ok(opened) => return self.check(opened, wanted).await,
            Err(error) => error,
        };
        match second {
            Some(second) if other_way_may_do(first, &error) => {
                match self.once(target, address, second).await {
                    Ok(opened) => self.check(opened, wanted).await,
                    Err(again) => {
                        Err(ConnectFailure::of_both(first == Encryption::Prefer, error, again))
                    }
                }
            }
            _ => Err(ConnectFailure::of(error)),
        }
    }

    async fn once(
        &self,
        target: &Target,
        address: Option<IpAddr>,
        encryption: Encryption,
    ) -> std::result::Result<(Client, AbortHandle), tokio_postgres::Error> {
        let mut config = self.config(target, address);
        config.ssl_mode(encryption);
        match self.tls {
            Some(tls) if encryption != Encryption::Disable => open(&config, tls.clone()).await,
            _ => open(&config, NoTls).await,
        }
    }

    fn config(&self, target: &Target, address: Option<IpAddr>) -> Config {
        let settings = self.settings;
        let mut config = Config::new();
        config
            .user(&settings.user)
            .dbname(&settings.database)
            .application_name(&settings.application_name)
            .port(target.port)
            .channel_binding(match settings.channel_binding {
                ChannelBinding::Disable => Binding::Disable,
                ChannelBinding::Prefer => Binding::Prefer,
                ChannelBinding::Require => Binding::Require,
            })
            .target_session_attrs(TargetSessionAttrs::Any)
            .keepalives(settings.keepalives.enabled);
        match &target.host {
            Host::Tcp(name) => config.host(name),
            Host::Socket(folder) => config.host_path(folder),
        };
        if let Some(address) = address {
            config.hostaddr(address);
        }
        if let Some(password) = &target.password {
            config.password(&password.0);
        }
        if let Some(options) = &settings.options {
            config.options(options);
        }
        if let Some(limit) = settings.connect_timeout {
            config.connect_timeout(limit);
        }
        if settings.direct_tls {
            config.ssl_negotiation(SslNegotiation::Direct);
        }
        if let Some(idle) = settings.keepalives.idle {
            config.keepalives_idle(idle);
        }
        if let Some(interval) = settings.keepalives.interval {
            config.keepalives_interval(interval);
        }
        if let Some(count) = settings.keepalives.count {
            config.keepalives_retries(count);
        }
        if let Some(timeout) = settings.keepalives.user_timeout {
            config.tcp_user_timeout(timeout);
        }
        config
    }

    /// Queries the server's role, and the session of this connection.
    async fn check(
        &self,
        (client, task): (Client, AbortHandle),
        wanted: SessionAttributes,
    ) -> std::result::Result<NewConnection, ConnectFailure> {
        let detect = self.settings.statements == Statements::Detect;
        let mut named = self.settings.statements == Statements::Named;
        let mut origin = None;
        // A caller that requests statements without names has a pooler.
        let unnamed = self.settings.statements == Statements::Unnamed;
        if !unnamed || wanted != SessionAttributes::Any {
            let state = State::ask(&client).await.map_err(ConnectFailure::of)?;
            if let Some(lack) = state.lack(wanted) {
                task.abort();
                let reason = format!("it {lack} (target_session_attrs={})", wanted.as_str());
                return Err(ConnectFailure::for_now(reason));
            }
            // A server reports the number of its own process; a pooler cannot, because the requests of
            // one connection are served by many.
            let direct = announced_process(&client).await == Some(state.process);
            if detect {
                named = direct && !state.one_session;
            }
            origin = direct.then(|| self.origin(state, wanted));
        }
        let prepare_mode = if named {
            PrepareMode::Named(Default::default())
        } else {
            PrepareMode::Unnamed(KnownTypes::clone(self.types))
        };
        let own_session = origin.is_some() && !unnamed;
        Ok(NewConnection { session: Session::new(client, prepare_mode), task, origin, own_session })
    }

    fn origin(&self, state: State, wanted: SessionAttributes) -> Origin {
        // Only one server accepts writes, however many are on the list.
        let only_one = self.settings.targets.len() == 1
            || matches!(wanted, SessionAttributes::ReadWrite | SessionAttributes::Primary);
        Origin { process: state.process, server_started: state.server_started, only_one }
    }
}

/// Whether the second way of `sslmode=prefer` or `allow` can succeed after the first failed: if TLS was
/// the reason, or the server has no rule for such a connection. A wrong password is wrong both ways,
/// and is not sent again in clear text.
fn other_way_may_do(first: Encryption, error: &tokio_postgres::Error) -> bool {
    match error.code() {
        Some(code) => *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
        None => first == Encryption::Prefer && ConnectFailure::about_tls(error),
    }
}

/// Makes a connection, and spawns the task that transfers its bytes.
async fn open<T>(
    config: &Config,
    tls: T,
) -> std::result::Result<(Client, AbortHandle), tokio_postgres::Error>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
{
    let (client, connection) = config.connect(tls).await?;
    // A caller that waits for an answer gets the error that ended the connection.
    let task = tokio::spawn(async { drop(connection.await) });
    Ok((client, task.abort_handle()))
}

/// Returns the addresses at which to look for a server; a socket and a numeric address need no lookup.
async fn addresses(target: &Target) -> std::io::Result<Vec<Option<IpAddr>>> {
    let name = match &target.host {
        Host::Tcp(name) if target.address.is_none() => name.as_str(),
        _ => return Ok(vec![target.address]),
    };
    let mut addresses = Vec::new();
    for address in tokio::net::lookup_host((name, target.port)).await? {
        if !addresses.contains(&Some(address.ip())) {
            addresses.push(Some(address.ip()));
        }
    }
    Ok(addresses)
}

/// Shuffles a list. The standard library's hash keys are random.
fn shuffle<T>(things: &mut Vec<T>) {
    let random = RandomState::new();
    let mut numbered: Vec<(u64, T)> = things
        .drain(..)
        .enumerate()
        .map(|(index, thing)| (random.hash_one(index), thing))
        .collect();
    numbered.sort_unstable_by_key(|(number, _)| *number);
    things.extend(numbered.into_iter().map(|(_, thing)| thing));
}

/// Whether a server with this version text is PGlite: PostgreSQL compiled to WebAssembly, whose connections
/// all share one session.
pub(in crate::store) fn is_pglite(version: &str) -> bool {
    version.contains("compiled by emcc")
}

/// The server's description of the session of a connection.
#[derive(Debug)]
struct State {
    process: i32,
    standby: bool,
    read_only: bool,
    server_started: String,
    /// Whether all connections share one session, as those of PGlite do.
    one_session: bool,
}

impl State {
    async fn ask(client: &Client) -> std::result::Result<Self, tokio_postgres::Error> {
        let messages = client
            .simple_query(
                "SELECT pg_catalog.pg_backend_pid(), pg_catalog.pg_is_in_recovery(),
                     pg_catalog.current_setting('transaction_read_only'),
                     pg_catalog.pg_postmaster_start_time(), pg_catalog.version()",
            )
            .await?;
        let row = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let text = |column| row.and_then(|row| row.get(column)).unwrap_or_default();
        Ok(State {
            process: text(0).parse().unwrap_or_default(),
            standby: text(1) == "t",
            read_only: text(2) == "on",
            server_started: text(3).to_owned(),
            one_session: is_pglite(text(4)),
        })
    }

    /// Returns the reason why it cannot be used.
    fn lack(&self, wanted: SessionAttributes) -> Option<&'static str> {
        match wanted {
            SessionAttributes::Any | SessionAttributes::PreferStandby => None,
            SessionAttributes::ReadWrite => self.read_only.then_some("takes no writes"),
            SessionAttributes::ReadOnly => (!self.read_only).then_some("takes writes"),
            SessionAttributes::Primary => self.standby.then_some("is a standby"),
            SessionAttributes::Standby => (!self.standby).then_some("is no standby"),
        }
    }
}

/// The number of the server process, as reported for cancelling queries. It is exposed only in the
/// message that would cancel one, which is not sent here.
async fn announced_process(client: &Client) -> Option<i32> {
    /// Longer than the messages of both sides.
    const ROOM: usize = 64;
    let (near, mut far) = tokio::io::duplex(ROOM);
    // The answer to a request for TLS, if there is one.
    far.write_all(b"S").await.ok()?;
    client.cancel_token().cancel_query_raw(near, PlainStream).await.ok()?;
    let mut sent = Vec::new();
    far.read_to_end(&mut sent).await.ok()?;
    // It ends with the number of the process and a secret, four bytes each.
    let number = sent.len().checked_sub(8)?;
    sent.get(number..number + 4)?.try_into().ok().map(i32::from_be_bytes)
}

/// A plain stream in place of TLS.
#[derive(Debug)]
struct PlainStream;

impl TlsConnect<DuplexStream> for PlainStream {
    type Stream = EncryptedStream<DuplexStream>;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<std::result::Result<Self::Stream, Self::Error>>;

    fn connect(self, stream: DuplexStream) -> Self::Future {
        std::future::ready(Ok(EncryptedStream { stream, end_point: None }))
    }
}
