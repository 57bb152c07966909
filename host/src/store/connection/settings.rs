//! The settings of a connection to a database.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The default limit for making a connection.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A password, which no message shows.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(pub(super) String);

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(hidden)")
    }
}

/// One server of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) host: Host,
    /// The address to connect to, if the name is only for the certificate.
    pub(super) address: Option<IpAddr>,
    pub(super) port: u16,
    /// The password of the URL, or the password file's for this server.
    pub(super) password: Option<Secret>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// A name or an address.
    Tcp(String),
    /// The folder of a unix socket.
    Socket(String),
}

impl Host {
    pub(super) fn text(&self) -> &str {
        match self {
            Host::Tcp(text) | Host::Socket(text) => text,
        }
    }
}

/// When a connection is encrypted, and how it is verified, as in libpq.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SslMode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// The certificate authorities that are trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Roots {
    /// None: certificates are not verified.
    Absent,
    /// Those of a file.
    File(PathBuf),
    /// Those of the system.
    System,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChannelBinding {
    Disable,
    Prefer,
    Require,
}

/// The servers of a list that are suitable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SessionAttributes {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

/// Whether statements are prepared under names, which last as long as a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Statements {
    /// If no pooler between this process and the server shares its sessions.
    Detect,
    Named,
    Unnamed,
}

/// The settings of a connection to a database.
///
/// Parsed from a URL (`postgresql://` or `postgres://`) or from a keyword/value connection string
/// (`host=… dbname=…`), both as in libpq; missing parameters come from libpq's variables (`PGHOST`,
/// `PGPASSWORD`, `PGSSLMODE`, …), its files (`~/.pgpass`, `~/.postgresql/root.crt`, …) and its
/// defaults. `Display` prints a URL without the password, `Debug` hides it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionSettings {
    pub(super) targets: Vec<Target>,
    pub(super) user: String,
    pub(super) database: String,
    pub(super) ssl_mode: SslMode,
    pub(super) direct_tls: bool,
    pub(super) tls13_only: bool,
    pub(super) roots: Roots,
    /// The files of the client's certificate and key.
    pub(super) certificate: Option<(PathBuf, PathBuf)>,
    pub(super) channel_binding: ChannelBinding,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) application_name: String,
    pub(super) options: Option<String>,
    pub(super) session_attributes: SessionAttributes,
    pub(super) random_order: bool,
    pub(super) keepalives: Keepalives,
    pub(super) statements: Statements,
}

/// The kernel's probes for a server that has vanished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Keepalives {
    pub(super) enabled: bool,
    pub(super) idle: Option<Duration>,
    pub(super) interval: Option<Duration>,
    pub(super) count: Option<u32>,
    pub(super) user_timeout: Option<Duration>,
}

impl SslMode {
    /// Returns its name in libpq.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            SslMode::Disable => "disable",
            SslMode::Allow => "allow",
            SslMode::Prefer => "prefer",
            SslMode::Require => "require",
            SslMode::VerifyCa => "verify-ca",
            SslMode::VerifyFull => "verify-full",
        }
    }
}

impl SessionAttributes {
    /// Returns its name in libpq.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            SessionAttributes::Any => "any",
            SessionAttributes::ReadWrite => "read-write",
            SessionAttributes::ReadOnly => "read-only",
            SessionAttributes::Primary => "primary",
            SessionAttributes::Standby => "standby",
            SessionAttributes::PreferStandby => "prefer-standby",
        }
    }
}

impl fmt::Display for ConnectionSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "postgresql://{}@", encoded(&self.user))?;
        for (index, target) in self.targets.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(formatter, "{comma}{}", server(target.host.text(), target.port))?;
        }
        write!(formatter, "/{}?sslmode={}", encoded(&self.database), self.ssl_mode.as_str())
    }
}

/// A server as written in URLs and messages.
pub(super) fn server(host: &str, port: u16) -> String {
    if host.parse::<std::net::Ipv6Addr>().is_ok() {
        format!("[{host}]:{port}")
    } else {
        format!("{}:{port}", encoded(host))
    }
}

/// Percent-encoding of all but letters, digits and a few signs.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for character in text.chars() {
        // Letters of other alphabets are easier to read as they are.
        if character.is_alphanumeric() || "-._~".contains(character) {
            encoded.push(character);
        } else {
            let mut bytes = [0; 4];
            for byte in character.encode_utf8(&mut bytes).bytes() {
                encoded.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    encoded
}
