//! How to reach a database: what a URL says, and what libpq's variables and defaults add.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::parse::{self, KEYS, Parameters};
use super::passfile;
use crate::error::{Error, Result};

/// How long making a connection may take, unless the settings say otherwise.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// PostgreSQL's own port.
const PORT: u16 = 5432;

/// Where servers put their sockets: Debian's folder, and PostgreSQL's own.
const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// Files of certificate authorities that systems have, for programs that have to be given one.
const SYSTEM_ROOTS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// A password, which no message shows.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(pub(super) String);

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(hidden)")
    }
}

/// One server that may answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) host: Host,
    /// The address to connect to, where the name is only for the certificate.
    pub(super) address: Option<IpAddr>,
    pub(super) port: u16,
    /// The one that was given, or the password file's for this server.
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

/// When a connection is encrypted, and what is verified, with libpq's meaning.
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

/// Which servers of a list will do.
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
    /// Unless something between here and the server shares out its sessions.
    Detect,
    Named,
    Unnamed,
}

/// How to reach a database.
///
/// Made from a URL (`postgresql://` or `postgres://`) or from words (`host=… dbname=…`), both with
/// libpq's meaning; what they leave out comes from libpq's variables (`PGHOST`, `PGPASSWORD`,
/// `PGSSLMODE`, …), its files (`~/.pgpass`, `~/.postgresql/root.crt`, …) and its defaults.
/// `Display` gives a URL without the password, `Debug` hides it.
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

/// What the kernel does to notice that a server is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Keepalives {
    pub(super) enabled: bool,
    pub(super) idle: Option<Duration>,
    pub(super) interval: Option<Duration>,
    pub(super) count: Option<u32>,
    pub(super) user_timeout: Option<Duration>,
}

/// What defaults are taken from.
struct Surroundings<'a> {
    variable: &'a dyn Fn(&str) -> Option<OsString>,
    home: Option<PathBuf>,
    /// The name of the user that runs this program.
    user: Option<String>,
}

impl ConnectionSettings {
    /// From a URL or key=value words, this process's environment and the user's files.
    ///
    /// # Errors
    /// [`Error::Configuration`], which quotes no part of the text or of a variable.
    pub fn from_url(url: &str) -> Result<Self> {
        let variable = |name: &str| env::var_os(name);
        let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten();
        Self::from_surroundings(
            url,
            &Surroundings {
                variable: &variable,
                home: env::home_dir().or_else(|| user.as_ref().map(|user| user.dir.clone())),
                user: user.map(|user| user.name),
            },
        )
    }

    /// From a URL or key=value words alone, with no variable and no file of the user's.
    ///
    /// # Errors
    /// As [`ConnectionSettings::from_url`].
    pub fn from_url_alone(url: &str) -> Result<Self> {
        let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten();
        Self::from_surroundings(
            url,
            &Surroundings { variable: &|_| None, home: None, user: user.map(|user| user.name) },
        )
    }

    fn from_surroundings(text: &str, surroundings: &Surroundings<'_>) -> Result<Self> {
        let mut parameters = parse::parse(text).map_err(wrong_url)?;
        for key in KEYS {
            let value = key.variable.and_then(surroundings.variable);
            let (Some(value), Some(variable)) = (value, key.variable) else { continue };
            let value = value.into_string().map_err(|_| {
                Error::Configuration(format!("the variable {variable} is not UTF-8 text"))
            })?;
            if !value.is_empty() {
                parameters.entry(key.name).or_insert(value);
            }
        }
        Self::from_parameters(&parameters, surroundings).map_err(wrong_url)
    }

    /// The error is a part of a sentence.
    fn from_parameters(
        parameters: &Parameters,
        surroundings: &Surroundings<'_>,
    ) -> std::result::Result<Self, String> {
        let get = |name: &str| parameters.get(name).map(String::as_str);
        let user = get("user").map(str::to_owned).or_else(|| surroundings.user.clone());
        let user = user.ok_or("it names no user, and this one has no name")?;
        let database = get("dbname").unwrap_or(&user).to_owned();
        let seconds = |name: &str| -> std::result::Result<Option<Duration>, String> {
            Ok(number(parameters, name)?.map(|seconds| Duration::from_secs(u64::from(seconds))))
        };
        let home_file = |name: &str| surroundings.home.as_deref().map(|home| home.join(name));
        let system_roots = get("sslrootcert") == Some("system");
        let ssl_mode = choice(
            parameters,
            "sslmode",
            if system_roots { SslMode::VerifyFull } else { SslMode::Prefer },
            &[
                ("disable", SslMode::Disable),
                ("allow", SslMode::Allow),
                ("prefer", SslMode::Prefer),
                ("require", SslMode::Require),
                ("verify-ca", SslMode::VerifyCa),
                ("verify-full", SslMode::VerifyFull),
            ],
        )?;
        if system_roots && ssl_mode < SslMode::VerifyFull {
            return Err(
                "sslrootcert=system goes with sslmode=verify-full only: anybody may have a \
                        certificate that the system trusts"
                    .to_owned(),
            );
        }
        let direct_tls =
            choice(parameters, "sslnegotiation", false, &[("postgres", false), ("direct", true)])?;
        if direct_tls && ssl_mode < SslMode::Require {
            return Err("sslnegotiation=direct goes with sslmode=require or stronger".to_owned());
        }
        choice(parameters, "gssencmode", (), &[("disable", ()), ("prefer", ())])?;
        choice(parameters, "client_encoding", (), &[("UTF8", ()), ("utf8", ()), ("auto", ())])?;
        let versions =
            [("TLSv1", false), ("TLSv1.1", false), ("TLSv1.2", false), ("TLSv1.3", true)];
        Ok(ConnectionSettings {
            targets: targets(parameters, &user, &database, home_file(".pgpass"))?,
            direct_tls,
            tls13_only: choice(parameters, "ssl_min_protocol_version", false, &versions)?,
            roots: match get("sslrootcert") {
                Some("system") => Roots::System,
                Some(file) => Roots::File(PathBuf::from(file)),
                None => match home_file(".postgresql/root.crt").filter(|file| file.exists()) {
                    Some(file) => Roots::File(file),
                    None if ssl_mode >= SslMode::VerifyCa => Roots::System,
                    None => Roots::Absent,
                },
            },
            certificate: certificate(parameters, &home_file)?,
            ssl_mode,
            channel_binding: choice(
                parameters,
                "channel_binding",
                ChannelBinding::Prefer,
                &[
                    ("disable", ChannelBinding::Disable),
                    ("prefer", ChannelBinding::Prefer),
                    ("require", ChannelBinding::Require),
                ],
            )?,
            connect_timeout: match get("connect_timeout") {
                // libpq's way to say without limit.
                Some(text) if text == "0" || text.starts_with('-') => None,
                Some(_) => seconds("connect_timeout")?,
                None => Some(CONNECT_TIMEOUT),
            },
            application_name: get("application_name")
                .or(get("fallback_application_name"))
                .unwrap_or("arc-host")
                .to_owned(),
            options: get("options").map(str::to_owned),
            session_attributes: choice(
                parameters,
                "target_session_attrs",
                SessionAttributes::Any,
                &[
                    ("any", SessionAttributes::Any),
                    ("read-write", SessionAttributes::ReadWrite),
                    ("read-only", SessionAttributes::ReadOnly),
                    ("primary", SessionAttributes::Primary),
                    ("standby", SessionAttributes::Standby),
                    ("prefer-standby", SessionAttributes::PreferStandby),
                ],
            )?,
            random_order: choice(
                parameters,
                "load_balance_hosts",
                false,
                &[("disable", false), ("random", true)],
            )?,
            keepalives: Keepalives {
                enabled: number(parameters, "keepalives")? != Some(0),
                idle: seconds("keepalives_idle")?.filter(|idle| !idle.is_zero()),
                interval: seconds("keepalives_interval")?.filter(|interval| !interval.is_zero()),
                count: number(parameters, "keepalives_count")?.filter(|count| *count > 0),
                user_timeout: number(parameters, "tcp_user_timeout")?
                    .filter(|timeout| *timeout > 0)
                    .map(|timeout| Duration::from_millis(u64::from(timeout))),
            },
            statements: choice(
                parameters,
                "prepared_statements",
                Statements::Detect,
                &[
                    ("auto", Statements::Detect),
                    ("named", Statements::Named),
                    ("unnamed", Statements::Unnamed),
                ],
            )?,
            user,
            database,
        })
    }

    /// libpq's variables for a program that is to reach the same database, such as psql: those to
    /// set, and those to remove. The password is among them; a command line would show it to
    /// every user of the machine.
    pub fn environment(&self) -> Vec<(&'static str, Option<OsString>)> {
        let list = |text: &dyn Fn(&Target) -> String| {
            let texts: Vec<String> = self.targets.iter().map(text).collect();
            Some(texts.join(","))
        };
        let file = |path: &Path| path.as_os_str().to_owned();
        let has_address = self.targets.iter().any(|target| target.address.is_some());
        let first = self.targets.first().and_then(|target| target.password.as_ref());
        // Different passwords come from a password file, which the other program reads itself.
        let same = self.targets.iter().all(|target| target.password.as_ref() == first);
        let texts = [
            ("PGHOST", list(&|target| target.host.text().to_owned())),
            (
                "PGHOSTADDR",
                list(&|target| {
                    target.address.map(|address| address.to_string()).unwrap_or_default()
                })
                .filter(|_| has_address),
            ),
            ("PGPORT", list(&|target| target.port.to_string())),
            ("PGUSER", Some(self.user.clone())),
            ("PGDATABASE", Some(self.database.clone())),
            ("PGPASSWORD", first.filter(|_| same).map(|password| password.0.clone())),
            ("PGSSLMODE", Some(self.ssl_mode.word().to_owned())),
            ("PGSSLNEGOTIATION", self.direct_tls.then(|| "direct".to_owned())),
            ("PGSSLMINPROTOCOLVERSION", self.tls13_only.then(|| "TLSv1.3".to_owned())),
            (
                "PGCHANNELBINDING",
                Some(
                    match self.channel_binding {
                        ChannelBinding::Disable => "disable",
                        ChannelBinding::Prefer => "prefer",
                        ChannelBinding::Require => "require",
                    }
                    .to_owned(),
                ),
            ),
            (
                "PGCONNECT_TIMEOUT",
                self.connect_timeout.map(|timeout| timeout.as_secs().to_string()),
            ),
            ("PGOPTIONS", self.options.clone()),
            ("PGTARGETSESSIONATTRS", Some(self.session_attributes.word().to_owned())),
            ("PGLOADBALANCEHOSTS", self.random_order.then(|| "random".to_owned())),
            ("PGSERVICE", None),
            ("PGAPPNAME", None),
        ];
        let texts = texts.into_iter().map(|(name, text)| (name, text.map(OsString::from)));
        let roots = match &self.roots {
            Roots::Absent => None,
            Roots::File(path) => Some(file(path)),
            // Before version 16 psql does not know the word "system".
            Roots::System => env::var_os("SSL_CERT_FILE")
                .or_else(|| {
                    let known = SYSTEM_ROOTS.iter().find(|path| Path::new(path).exists());
                    known.map(OsString::from)
                })
                .or_else(|| Some("system".into())),
        };
        let certificate = self.certificate.as_ref();
        let files = [
            ("PGSSLROOTCERT", roots),
            ("PGSSLCERT", certificate.map(|(certificate, _)| file(certificate))),
            ("PGSSLKEY", certificate.map(|(_, key)| file(key))),
        ];
        texts.chain(files).collect()
    }
}

fn wrong_url(reason: String) -> Error {
    Error::Configuration(format!(
        "{reason}; a database URL looks like postgresql://user@host:5432/name"
    ))
}

impl SslMode {
    /// libpq's word for it.
    pub(super) fn word(self) -> &'static str {
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
    /// libpq's word for it.
    pub(super) fn word(self) -> &'static str {
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

/// The value of a parameter, as one of a few words.
fn choice<T: Copy>(
    parameters: &Parameters,
    name: &str,
    default: T,
    words: &[(&str, T)],
) -> std::result::Result<T, String> {
    let Some(value) = parameters.get(name) else { return Ok(default) };
    words.iter().find(|(word, _)| word == value).map(|(_, choice)| *choice).ok_or_else(|| {
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        format!("{name} is not one of {}", words.join(", "))
    })
}

fn number(parameters: &Parameters, name: &str) -> std::result::Result<Option<u32>, String> {
    let parse = |text: &String| {
        text.trim().parse().map_err(|_| format!("{name} is not a whole number from 0 up"))
    };
    parameters.get(name).map(parse).transpose()
}

/// The servers in the order of the list.
fn targets(
    parameters: &Parameters,
    user: &str,
    database: &str,
    default_passfile: Option<PathBuf>,
) -> std::result::Result<Vec<Target>, String> {
    let list = |name: &str| -> Vec<&str> {
        parameters
            .get(name)
            .map(|text| text.split(',').map(str::trim).collect())
            .unwrap_or_default()
    };
    let (hosts, addresses, ports) = (list("host"), list("hostaddr"), list("port"));
    let count = hosts.len().max(addresses.len()).max(1);
    if !hosts.is_empty() && !addresses.is_empty() && hosts.len() != addresses.len() {
        return Err(format!("it has {} hosts and {} hostaddrs", hosts.len(), addresses.len()));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(format!("it has {count} hosts and {} ports; one port is for all", ports.len()));
    }
    let socket_folder =
        SOCKET_FOLDERS.into_iter().find(|folder| Path::new(folder).is_dir()).unwrap_or("/tmp");
    let passfile = match parameters.get("passfile") {
        Some(path) => Some(PathBuf::from(path)),
        None => default_passfile,
    };
    let given = parameters.get("password").cloned().map(Secret);
    let passwords = match &given {
        Some(_) => None,
        None => passfile.as_deref().and_then(passfile::read),
    };
    let target = |index: usize| {
        let address = match addresses.get(index).copied().unwrap_or_default() {
            "" => None,
            text => Some(text.parse::<IpAddr>().map_err(|_| "a hostaddr is not an IP address")?),
        };
        let host = match (hosts.get(index).copied().unwrap_or_default(), address) {
            ("", Some(address)) => Host::Tcp(address.to_string()),
            ("", None) => Host::Socket(socket_folder.to_owned()),
            (folder, _) if folder.starts_with('/') => Host::Socket(folder.to_owned()),
            (name, _) => Host::Tcp(name.to_owned()),
        };
        let port = match ports.get(index).or(ports.first()).copied().unwrap_or_default() {
            "" => PORT,
            text => text
                .parse()
                .ok()
                .filter(|port| *port > 0)
                .ok_or("a port is not a number from 1 to 65535")?,
        };
        let wanted = passfile::Wanted {
            host: if host == Host::Socket(socket_folder.to_owned()) {
                "localhost"
            } else {
                host.text()
            },
            port,
            database,
            user,
        };
        let kept = || Some(Secret(passfile::find(passwords.as_deref()?, &wanted)?));
        Ok(Target { password: given.clone().or_else(kept), host, address, port })
    };
    (0..count).map(target).collect()
}

/// The files of the client's certificate and key: those that are named, else the user's own.
fn certificate(
    parameters: &Parameters,
    home_file: &dyn Fn(&str) -> Option<PathBuf>,
) -> std::result::Result<Option<(PathBuf, PathBuf)>, String> {
    let named = parameters.get("sslcert").map(PathBuf::from);
    let own = || home_file(".postgresql/postgresql.crt").filter(|file| file.exists());
    let Some(certificate) = named.or_else(own) else { return Ok(None) };
    let key = parameters.get("sslkey").map(PathBuf::from);
    let key = key.or_else(|| home_file(".postgresql/postgresql.key")).ok_or(
        "sslcert names a certificate, but sslkey no key, and the user has no home folder with one",
    )?;
    Ok(Some((certificate, key)))
}

impl fmt::Display for ConnectionSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "postgresql://{}@", encoded(&self.user))?;
        for (index, target) in self.targets.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(formatter, "{comma}{}", server(target.host.text(), target.port))?;
        }
        write!(formatter, "/{}?sslmode={}", encoded(&self.database), self.ssl_mode.word())
    }
}

/// A server as URLs and messages have it.
pub(super) fn server(host: &str, port: u16) -> String {
    if host.parse::<std::net::Ipv6Addr>().is_ok() {
        format!("[{host}]:{port}")
    } else {
        format!("{}:{port}", encoded(host))
    }
}

/// Percent-encoding of all but letters, digits and a few signs.
fn encoded(text: &str) -> String {
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

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
