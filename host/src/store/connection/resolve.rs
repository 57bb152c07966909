//! Settings from a URL, and from libpq's variables, files and defaults for the rest.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::parse::{self, KEYS, Parameters};
use super::settings::{
    CONNECT_TIMEOUT, ChannelBinding, ConnectionSettings, Keepalives, Roots, SessionAttributes,
    SslMode, Statements,
};
use super::targets::targets;
use crate::error::{Error, Result};

/// The sources of defaults.
struct Environment<'a> {
    variable: &'a dyn Fn(&str) -> Option<OsString>,
    home: Option<PathBuf>,
    /// The name of the user that runs this program.
    user: Option<String>,
}

impl ConnectionSettings {
    /// Reads settings from a URL or a keyword/value string, this process's environment and the user's
    /// files.
    ///
    /// # Errors
    /// [`Error::Configuration`], which quotes no part of the text or of a variable.
    pub fn from_url(url: &str) -> Result<Self> {
        let variable = |name: &str| env::var_os(name);
        let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten();
        Self::from_environment(
            url,
            &Environment {
                variable: &variable,
                home: env::home_dir().or_else(|| user.as_ref().map(|user| user.dir.clone())),
                user: user.map(|user| user.name),
            },
        )
    }

    /// Reads settings from a URL or a keyword/value string only, without variables and files of the
    /// user.
    ///
    /// # Errors
    /// As [`ConnectionSettings::from_url`].
    pub fn from_url_alone(url: &str) -> Result<Self> {
        let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten();
        Self::from_environment(
            url,
            &Environment { variable: &|_| None, home: None, user: user.map(|user| user.name) },
        )
    }

    fn from_environment(text: &str, environment: &Environment<'_>) -> Result<Self> {
        let mut parameters = parse::parse(text).map_err(wrong_url)?;
        for key in KEYS {
            let value = key.variable.and_then(environment.variable);
            let (Some(value), Some(variable)) = (value, key.variable) else { continue };
            let value = value.into_string().map_err(|_| {
                Error::configuration(format!("the variable {variable} is not UTF-8 text"))
            })?;
            if !value.is_empty() {
                parameters.entry(key.name).or_insert(value);
            }
        }
        Self::from_parameters(&parameters, environment).map_err(wrong_url)
    }

    /// The error is a part of a sentence.
    fn from_parameters(
        parameters: &Parameters,
        environment: &Environment<'_>,
    ) -> std::result::Result<Self, String> {
        let get = |name: &str| parameters.get(name).map(String::as_str);
        let user = get("user").map(str::to_owned).or_else(|| environment.user.clone());
        let user = user.ok_or("it names no user, and this one has no name")?;
        let database = get("dbname").unwrap_or(&user).to_owned();
        let seconds = |name: &str| -> std::result::Result<Option<Duration>, String> {
            Ok(number(parameters, name)?.map(|seconds| Duration::from_secs(u64::from(seconds))))
        };
        let home_file = |name: &str| environment.home.as_deref().map(|home| home.join(name));
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
                "sslrootcert=system goes with sslmode=verify-full only: anyone can have a \
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
                // libpq's value for no limit.
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
}

fn wrong_url(reason: String) -> Error {
    Error::configuration(reason)
        .with_hint("a database URL looks like postgresql://user@host:5432/name")
}

/// Returns the value of a parameter that has a fixed set of values.
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

/// Returns the files of the client's certificate and key: the named ones, or else the user's default
/// files.
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

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
