//! The settings of the service: name, type, default and description, each in one place.
//!
//! A setting comes from the command line (`--max-body-mib 8`), else from the environment
//! (`ARC_SERVE_MAX_BODY_MIB`), else from the settings file (TOML: `max_body_mib = 8`), else it has its
//! default. An unknown name is an error, so that typing errors are noticed; in the environment, which
//! other programs use as well, it only causes a warning.

use std::env;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::origins::allowed_host;
use crate::error::{Error, Result};

/// The prefix of environment variables.
const VARIABLES: &str = "ARC_SERVE_";

/// The memory for results that are being recorded, beside the body that they came in: a batch, and a
/// document of 16 MiB.
const RECORDING_MIB: u64 = 32;

/// The environment variable with the path of the settings file.
pub(crate) const FILE_VARIABLE: &str = "ARC_SERVE_SETTINGS";

/// A setting for the command line and the settings file.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its name in the settings file.
    pub name: &'static str,
    /// Its effect, in a sentence or two.
    pub help: &'static str,
    /// The placeholder of its value.
    pub value_name: &'static str,
}

impl Setting {
    /// Returns its environment variable.
    pub fn variable(&self) -> String {
        format!("{VARIABLES}{}", self.name.to_ascii_uppercase())
    }
}

macro_rules! settings {
    ($($name:ident: $kind:ty = $default:expr, $value:literal, $help:literal;)*) => {
        /// The settings of the service.
        #[derive(Clone, Debug, Deserialize, PartialEq)]
        #[serde(default, deny_unknown_fields)]
        pub struct ServiceSettings {
            $(#[doc = $help] pub $name: $kind,)*
        }

        impl Default for ServiceSettings {
            fn default() -> Self {
                ServiceSettings { $($name: $default,)* }
            }
        }

        /// All settings, in the order in which they are shown.
        pub const SETTINGS: &[Setting] =
            &[$(Setting { name: stringify!($name), help: $help, value_name: $value },)*];

        impl ServiceSettings {
            /// The values as TOML, in the same order; nothing for one that is not set.
            fn values(&self) -> Vec<Option<String>> {
                vec![$(toml::Value::try_from(&self.$name).ok().map(|value| value.to_string()),)*]
            }
        }
    };
}

settings! {
    listen: Vec<SocketAddr> = vec![SocketAddr::from(([127, 0, 0, 1], 7117))], "ADDRESS",
        "The addresses or names with a port on which it listens, separated by commas. Others than loopback need tokens, or --allow-unauthenticated.";
    tls_certificate: Option<PathBuf> = None, "FILE",
        "The certificate chain (PEM) with which it speaks TLS.";
    tls_key: Option<PathBuf> = None, "FILE",
        "The private key (PEM) that goes with the certificate.";
    allow_unauthenticated: bool = false, "BOOL",
        "Accepts requests without a token from every client that can reach it.";
    require_tokens: bool = false, "BOOL",
        "Asks for tokens on loopback, too.";
    allow_origins: Vec<String> = Vec::new(), "ORIGINS",
        "The web pages that are allowed to use it from a browser: origins such as `https://app.example`, separated by commas, or * for all.";
    allow_hosts: Vec<String> = Vec::new(), "NAMES",
        "The names under which it answers without a token, beside localhost and its addresses: those of a forwarded port or a proxy, separated by commas, or * for all.";
    log_format: LogFormat = LogFormat::Text, "FORMAT",
        "How it logs to standard error: text or json.";
    log_level: String = "info".to_owned(), "LEVEL",
        "The log level: error, warn, info, debug, or a filter such as info,arc_host=debug.";
    max_database_connections: usize = 8, "N",
        "How many connections to the database are open at once.";
    spool: bool = true, "BOOL",
        "Keeps what the database does not take for the moment in a spool on this machine.";
    spool_dir: Option<PathBuf> = None, "DIR",
        "The folder of the spool, which must outlive the process. Default: one in the user's data folder.";
    max_spool_mib: u64 = 4_096, "MIB",
        "The most that the spool can hold. When it is full, requests are answered with 503.";
    max_body_mib: u64 = 64, "MIB",
        "The longest body after decompression, but for streamed NDJSON, which has no limit.";
    max_results_per_body: u64 = 100_000, "N",
        "The most results in one body, but for streamed NDJSON, which has no limit.";
    max_configuration_kib: u64 = 1_024, "KIB",
        "The longest body with a version of a configuration.";
    max_start_kib: u64 = 16_384, "KIB",
        "The longest body that starts a simulation, with the scenarios of its plan.";
    max_metadata_kib: u64 = 256, "KIB",
        "The longest metadata of a simulation, which is part of every answer about it.";
    max_suite_kib: u64 = 1_024, "KIB",
        "The longest body that ends a simulation: the suite's summary, or a reason.";
    max_violations_kib: u64 = 1_024, "KIB",
        "The most that violations and warnings can take of the answer to many results; the others are left out, and counted in violations_omitted.";
    max_file_mib: u64 = 4_096, "MIB",
        "The longest file that /v1/files accepts; it is stored on the disk until it is recorded.";
    file_dir: Option<PathBuf> = None, "DIR",
        "The folder in which such files are stored until they are recorded. Default: one in the folder of the spool, else the system's for temporary files.";
    max_file_disk_mib: u64 = 8_192, "MIB",
        "The most disk space of such files, all requests together; others are answered with 503.";
    max_file_scenarios: usize = 500_000, "N",
        "The most different scenarios in such a file, which are remembered until it is recorded.";
    max_request_headers_kib: usize = 32, "KIB",
        "The longest request line with its headers.";
    headers_timeout_seconds: u64 = 30, "SECONDS",
        "How long a connection can take to send the next request's headers.";
    body_idle_timeout_seconds: u64 = 30, "SECONDS",
        "How long a body can make no progress before its request is aborted.";
    min_body_bytes_per_second: u64 = 1_024, "BYTES",
        "The least rate at which a body must arrive, except for streams and files: one that is slower for body_idle_timeout_seconds is aborted. 0 is no limit.";
    min_file_bytes_per_second: u64 = 65_536, "BYTES",
        "The least rate at which a file must arrive: one that is slower for body_idle_timeout_seconds is aborted. 0 is no limit.";
    response_idle_timeout_seconds: u64 = 30, "SECONDS",
        "How long a client can read nothing of an answer before its connection is closed.";
    min_answer_bytes_per_second: u64 = 16_384, "BYTES",
        "The least rate at which a client must read an answer, except for streams: one that is slower for response_idle_timeout_seconds gets no more of it. 0 is no limit.";
    request_timeout_seconds: u64 = 120, "SECONDS",
        "How long a request can take, except for streams.";
    max_connections: usize = 4_096, "N",
        "The most open connections; fewer if the system lets the process open fewer files.";
    max_concurrent_requests: usize = 512, "N",
        "The most concurrent requests that record, except for files and streams; others are answered with 429.";
    max_concurrent_reads: usize = 256, "N",
        "The most concurrent requests that read, except for streams; others are answered with 429. Health and metrics are always answered.";
    max_concurrent_files: usize = 4, "N",
        "The most files that are received and recorded at once; others are answered with 429.";
    retention_days: Option<u64> = None, "DAYS",
        "Permanently removes simulations that were started this many days ago, once an hour. Default: nothing is removed.";
    max_record_streams: usize = 256, "N",
        "The most open streams of results; others are answered with 429.";
    max_read_streams: usize = 64, "N",
        "The most open streams of outcomes; others are answered with 429.";
    max_event_streams: usize = 1_024, "N",
        "The most open streams of events; others are answered with 429.";
    max_token_share_percent: u64 = 75, "PERCENT",
        "The share of each of these limits that one token can use, so that it leaves some to others; 100 is all of it.";
    max_body_memory_mib: u64 = 96, "MIB",
        "The most memory of the bodies of requests in progress; others are answered with 429.";
    max_stream_memory_mib: u64 = 80, "MIB",
        "The most memory of results that streams have sent, until they are recorded; a stream that cannot reserve more ends with 429.";
    max_response_memory_mib: u64 = 48, "MIB",
        "The most memory of answers that the client has not read yet; others wait for it, then are answered with 429.";
    shutdown_timeout_seconds: u64 = 20, "SECONDS",
        "How long stopping takes at most: requests in progress have three quarters of it, then they go to the spool.";
}

/// The format of the service's log.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text.
    Text,
    /// A JSON object per line.
    Json,
}

impl ServiceSettings {
    /// Reads the settings from the file, if its path is set, the environment, and the options of the
    /// command line.
    ///
    /// # Errors
    /// [`Error::Configuration`] with the setting and its source.
    pub fn read(file: Option<&Path>, options: &[(String, String)]) -> Result<Self> {
        let mut table = match file {
            None => toml::Table::new(),
            Some(path) => read_file(path)?,
        };
        let mut sources = Vec::new();
        for setting in SETTINGS {
            let variable = setting.variable();
            if let Ok(text) = env::var(&variable) {
                sources.push((setting.name, variable, text));
            }
        }
        for (name, text) in options {
            if let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) {
                sources.push((setting.name, flag(setting.name), text.clone()));
            }
        }
        for (name, source, text) in sources {
            let mut alone = toml::Table::new();
            alone.insert(name.to_owned(), value(name, &text));
            resolve_names(&mut alone, &source)?;
            // Parsed one by one, so that the error names the source of the value.
            ServiceSettings::deserialize(alone.clone()).map_err(|error| {
                let wrong = Error::configuration(format!(
                    "invalid {source} {text:?}: {}",
                    first_line(&error)
                ));
                match SETTINGS.iter().find(|setting| setting.name == name) {
                    Some(setting) => wrong.with_hint(setting.help),
                    None => wrong,
                }
            })?;
            table.extend(alone);
        }
        let settings = ServiceSettings::deserialize(table)
            .map_err(|error| Error::configuration(first_line(&error)))?;
        settings.check()?;
        Ok(settings)
    }

    /// Reads the text of a settings file only.
    ///
    /// # Errors
    /// [`Error::Configuration`] with the setting, or the line that is not valid TOML.
    pub fn from_toml(text: &str) -> Result<Self> {
        let settings = ServiceSettings::deserialize(table("the settings", text)?)
            .map_err(|error| Error::configuration(first_line(&error)))?;
        settings.check()?;
        Ok(settings)
    }

    /// Returns the values as TOML by name, without those that are not set.
    pub(crate) fn values_by_name(&self) -> Vec<(&'static str, Option<String>)> {
        SETTINGS.iter().map(|setting| setting.name).zip(self.values()).collect()
    }

    /// Checks the constraints among the settings.
    fn check(&self) -> Result<()> {
        let wrong = |reason: &str| Err(Error::configuration(reason));
        if self.listen.is_empty() {
            return Err(Error::configuration("listen names no address")
                .with_hint("127.0.0.1:7117 is a good one"));
        }
        super::log::filter(&self.log_level)?;
        if self.tls_certificate.is_some() != self.tls_key.is_some() {
            return Err(Error::configuration("tls_certificate and tls_key go together")
                .with_hint("set both or none"));
        }
        if self.allow_unauthenticated && self.require_tokens {
            return Err(Error::configuration(
                "allow_unauthenticated and require_tokens contradict each other",
            )
            .with_hint("set one of them"));
        }
        if let Some(origin) = self.allow_origins.iter().find(|origin| !fits_an_origin(origin)) {
            return wrong(&format!(
                "allow_origins holds \"{origin}\"; an origin is like https://app.example or \
                 http://localhost:5173, with no path, and * is every one"
            ));
        }
        if let Some(name) =
            self.allow_hosts.iter().find(|name| *name != "*" && allowed_host(name).is_none())
        {
            return wrong(&format!(
                "allow_hosts holds \"{name}\"; a name is like arc.example or 192.0.2.7, with no \
                 scheme, port or path, and * is every one"
            ));
        }
        let least_one = [
            ("max_database_connections", self.max_database_connections),
            ("max_request_headers_kib", self.max_request_headers_kib),
            ("max_connections", self.max_connections),
            ("max_concurrent_requests", self.max_concurrent_requests),
            ("max_concurrent_reads", self.max_concurrent_reads),
            ("max_concurrent_files", self.max_concurrent_files),
            ("max_file_scenarios", self.max_file_scenarios),
            ("max_record_streams", self.max_record_streams),
            ("max_read_streams", self.max_read_streams),
            ("max_event_streams", self.max_event_streams),
        ];
        if let Some((name, _)) = least_one.iter().find(|(_, value)| *value == 0) {
            return wrong(&format!("{name} is 0; it must be at least 1"));
        }
        if self.retention_days == Some(0) {
            return wrong(
                "retention_days is 0, which would remove everything; it must be at least 1",
            );
        }
        // hyper uses a read buffer of at least 8 KiB.
        if self.max_request_headers_kib < 8 {
            return wrong("max_request_headers_kib must be at least 8");
        }
        if self.max_body_memory_mib < self.max_body_mib.saturating_add(RECORDING_MIB) {
            return wrong(&format!(
                "max_body_memory_mib is {}, and max_body_mib is {}: max_body_memory_mib must be greater by \
                 at least {RECORDING_MIB}, for the results of a body that are recorded at once",
                self.max_body_memory_mib, self.max_body_mib
            ));
        }
        if self.max_file_disk_mib < self.max_file_mib {
            return wrong("max_file_disk_mib is less than max_file_mib; a file would not fit");
        }
        if !(1..=100).contains(&self.max_token_share_percent) {
            return wrong("max_token_share_percent must be from 1 to 100");
        }
        let rates = [
            ("min_body_bytes_per_second", self.min_body_bytes_per_second),
            ("min_file_bytes_per_second", self.min_file_bytes_per_second),
            ("min_answer_bytes_per_second", self.min_answer_bytes_per_second),
        ];
        if let Some((name, _)) = rates.iter().find(|(_, rate)| u32::try_from(*rate).is_err()) {
            return wrong(&format!("{name} must be less than 4294967296"));
        }
        // The longest answer with one result, its trajectory and its texts.
        if self.max_response_memory_mib == 0 {
            return wrong("max_response_memory_mib is 0; it must be at least 1");
        }
        if self.max_violations_kib > self.max_body_memory_mib << 10 {
            return wrong(
                "max_violations_kib is more than max_body_memory_mib; an answer would not fit",
            );
        }
        // A document of 16 MiB, and a part of the next.
        if self.max_stream_memory_mib < 32 {
            return wrong("max_stream_memory_mib must be at least 32");
        }
        if self.shutdown_timeout_seconds == 0 {
            return wrong("shutdown_timeout_seconds is 0; it must be at least 1");
        }
        Ok(())
    }

    /// Returns whether every address is only reachable from this machine.
    pub fn on_loopback(&self) -> bool {
        self.listen.iter().all(|address| match address.ip() {
            IpAddr::V4(address) => address.is_loopback(),
            IpAddr::V6(address) => address.is_loopback(),
        })
    }

    /// Returns whether requests need a token.
    pub fn ask_for_tokens(&self) -> bool {
        self.require_tokens || (!self.allow_unauthenticated && !self.on_loopback())
    }

    /// Returns the settings as a file that [`ServiceSettings::read`] reads, each with its description.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        for (setting, value) in SETTINGS.iter().zip(self.values()) {
            let line = match value {
                Some(value) => format!("{} = {value}", setting.name),
                None => format!("# {} = \"…\"", setting.name),
            };
            text.push_str(&format!("# {}\n{line}\n\n", setting.help));
        }
        text.truncate(text.trim_end().len());
        text
    }
}

/// Replaces names such as `localhost:7117` among the addresses on which the service listens by their
/// addresses: those of IPv4 if there are any, because IPv6 is disabled on many machines that list one.
/// `source` is the source of the value, for errors. A value that names no port is not changed.
///
/// # Errors
/// [`Error::Configuration`] if a name has no address.
fn resolve_names(table: &mut toml::Table, source: &str) -> Result<()> {
    let Some(toml::Value::Array(addresses)) = table.get_mut("listen") else { return Ok(()) };
    let mut resolved = Vec::new();
    for address in addresses.drain(..) {
        let name = address.as_str().filter(|text| {
            let port = text.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
            text.parse::<SocketAddr>().is_err() && matches!(port, Some(Ok(_)))
        });
        let Some(name) = name else {
            resolved.push(address);
            continue;
        };
        let found: Vec<SocketAddr> = name
            .to_socket_addrs()
            .map_err(|error| {
                Error::configuration(format!("invalid {source} {name:?}: the name has no address"))
                    .with_hint("use a name of this machine, or an address such as 127.0.0.1:7117")
                    .with_source(error)
            })?
            .collect();
        let has_v4 = found.iter().any(SocketAddr::is_ipv4);
        let used = found.iter().filter(|address| address.is_ipv4() || !has_v4);
        resolved.extend(used.map(|address| toml::Value::from(address.to_string())));
    }
    *addresses = resolved;
    Ok(())
}

/// Returns environment variables with the prefix that are not a setting.
pub(crate) fn unknown_variables() -> Vec<String> {
    let known = |name: &str| {
        name == FILE_VARIABLE || SETTINGS.iter().any(|setting| setting.variable() == name)
    };
    let names = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    names.filter(|name| name.starts_with(VARIABLES) && !known(name)).collect()
}

/// Returns the option of the command line.
pub(crate) fn flag(name: &str) -> String {
    format!("--{}", name.replace('_', "-"))
}

fn read_file(path: &Path) -> Result<toml::Table> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Error::io(format!("could not read the settings file {}", path.display()), error)
    })?;
    table(&path.display().to_string(), &text)
}

/// Reads the text of a settings file, and checks each value; `name` is that of the file, for messages.
fn table(name: &str, text: &str) -> Result<toml::Table> {
    let mut table: toml::Table = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| {
            text.get(..span.start).map_or(1, |before| before.lines().count().max(1))
        });
        Error::configuration(format!("{name}, line {line}: {}", error.message()))
    })?;
    resolve_names(&mut table, &format!("{name}: listen"))?;
    for (key, value) in &table {
        let line_of = |line: &str| {
            let start = line.trim_start().trim_start_matches(['"', '\'']);
            start.strip_prefix(key.as_str()).is_some_and(|rest| {
                rest.trim_start_matches(['"', '\'', ' ', '\t']).starts_with('=')
            })
        };
        let line = text.lines().position(line_of).map_or(1, |index| index + 1);
        let Some(setting) = SETTINGS.iter().find(|setting| setting.name == key) else {
            return Err(Error::configuration(format!(
                "{name}, line {line}: unknown setting {key}"
            ))
            .with_hint("`arc-host serve --print-settings` shows all settings"));
        };
        let alone = toml::Table::from_iter([(key.clone(), value.clone())]);
        ServiceSettings::deserialize(alone).map_err(|error| {
            let reason = first_line(&error);
            Error::configuration(format!("{name}, line {line}: invalid {key} {value}: {reason}"))
                .with_hint(setting.help)
        })?;
    }
    Ok(table)
}

/// Reads a value that is not from a file, without quotation marks.
fn value(name: &str, text: &str) -> toml::Value {
    let text = text.trim();
    if is_list(name) {
        let items = text.split(',').map(|item| toml::Value::from(item.trim()));
        return toml::Value::Array(items.collect());
    }
    match text {
        "true" => toml::Value::Boolean(true),
        "false" => toml::Value::Boolean(false),
        _ => text.parse::<i64>().map_or_else(|_| toml::Value::from(text), toml::Value::Integer),
    }
}

/// Returns whether the setting is a list.
pub(crate) fn is_list(name: &str) -> bool {
    matches!(name, "listen" | "allow_origins" | "allow_hosts")
}

/// Returns whether a browser can send this as the origin of a page.
fn fits_an_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return text == "*" };
    !scheme.is_empty()
        && !host.is_empty()
        && host.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#@,".contains(&byte))
}

fn first_line(error: &toml::de::Error) -> String {
    error.message().lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_options(pairs: &[(&str, &str)]) -> Result<ServiceSettings> {
        let pairs: Vec<_> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        ServiceSettings::read(None, &pairs)
    }

    #[test]
    fn printed_settings_are_read_unchanged() {
        let settings = read_options(&[
            ("listen", "0.0.0.0:80, [::1]:81"),
            ("tls_certificate", "/a \"b\""),
            ("tls_key", "c"),
            ("log_format", "json"),
            ("allow_unauthenticated", "true"),
            ("allow_origins", "https://app.example, http://localhost:5173"),
            ("allow_hosts", "arc.example, [2001:db8::1]"),
            ("file_dir", "/f"),
            ("max_concurrent_requests", "7"),
        ])
        .unwrap();
        assert_eq!(settings.listen.len(), 2);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("settings.toml");
        std::fs::write(&file, settings.to_toml()).unwrap();
        assert_eq!(ServiceSettings::read(Some(&file), &[]).unwrap(), settings);
        // Options of the command line take precedence.
        let one = [("max_concurrent_requests".to_owned(), "9".to_owned())];
        assert_eq!(ServiceSettings::read(Some(&file), &one).unwrap().max_concurrent_requests, 9);
    }

    #[test]
    fn a_name_among_the_addresses_is_resolved() {
        let settings = read_options(&[("listen", "localhost:7117, 127.0.0.2:1")]).unwrap();
        let expected: [SocketAddr; 2] =
            ["127.0.0.1:7117".parse().unwrap(), "127.0.0.2:1".parse().unwrap()];
        assert_eq!(settings.listen, expected);
        let settings = ServiceSettings::from_toml("listen = [\"localhost:7117\"]").unwrap();
        assert_eq!(settings.listen, expected[..1]);
    }

    #[test]
    fn control_characters_are_printed_as_toml_has_them() {
        let path: String = (1..0x20).chain([0x7f, 0x80, 0xe9]).filter_map(char::from_u32).collect();
        let settings = ServiceSettings { spool_dir: Some(path.into()), ..Default::default() };
        assert_eq!(ServiceSettings::from_toml(&settings.to_toml()).unwrap(), settings);
    }

    #[test]
    fn a_wrong_value_is_named_with_its_place() {
        for (name, value) in [
            ("listen", "localhost"),
            ("max_concurrent_requests", "many"),
            ("max_concurrent_requests", "0"),
            ("max_concurrent_requests", "-1"),
            ("allow_unauthenticated", "yes"),
            ("listen", "localhost:many"),
            ("listen", "no name of a machine:7117"),
            ("log_format", "xml"),
            ("log_level", "loud"),
            ("allow_origins", "app.example"),
            ("allow_origins", "https://app.example/"),
            ("allow_origins", ""),
            ("max_request_headers_kib", "1"),
            ("retention_days", "0"),
            ("retention_days", "180d"),
            ("max_body_memory_mib", "95"),
            ("max_body_mib", "65"),
            ("max_body_mib", "9223372036854775807"),
            ("max_stream_memory_mib", "31"),
            ("max_record_streams", "0"),
            ("max_concurrent_reads", "0"),
            ("max_concurrent_files", "0"),
            ("max_file_scenarios", "0"),
            ("max_read_streams", "0"),
            ("max_event_streams", "0"),
            ("max_token_share_percent", "0"),
            ("max_token_share_percent", "101"),
            ("max_file_disk_mib", "4095"),
            ("min_body_bytes_per_second", "4294967296"),
            ("min_file_bytes_per_second", "4294967296"),
            ("min_answer_bytes_per_second", "4294967296"),
            ("allow_hosts", "https://arc.example"),
            ("allow_hosts", "arc.example:80"),
            ("allow_hosts", ""),
            ("shutdown_timeout_seconds", "0"),
            ("tls_key", "only.pem"),
        ] {
            let error = read_options(&[(name, value)]).unwrap_err().to_string();
            let words = [name.to_owned(), flag(name)];
            assert!(words.iter().any(|word| error.contains(word)), "{name}: {error}");
        }
    }

    #[test]
    fn a_body_has_room_beside_what_is_recorded_of_it() {
        let memory = |limit, memory| {
            read_options(&[("max_body_mib", limit), ("max_body_memory_mib", memory)])
                .map_err(|error| error.to_string())
        };
        for (limit, enough, too_little) in [("64", "96", "95"), ("1", "33", "32"), ("0", "32", "0")]
        {
            assert!(memory(limit, enough).is_ok());
            let error = memory(limit, too_little).unwrap_err();
            let named =
                format!("max_body_memory_mib is {too_little}, and max_body_mib is {limit}:");
            assert!(error.contains(&named) && error.contains("at least 32"), "{error}");
        }
    }

    #[test]
    fn an_unknown_name_in_a_file_is_refused_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("settings.toml");
        std::fs::write(&file, "max_concurrent_requests = 3\nrequets = 4\n").unwrap();
        let error = ServiceSettings::read(Some(&file), &[]).unwrap_err().to_string();
        assert!(error.contains("requets"), "{error}");
        assert!(error.contains("line 2"), "{error}");
        std::fs::write(&file, "\n  max_body_mib = \"x\"\n").unwrap();
        let error = ServiceSettings::read(Some(&file), &[]).unwrap_err().to_string();
        assert!(error.contains("line 2: invalid max_body_mib \"x\": invalid type"), "{error}");
        std::fs::write(&file, "max_concurrent_requests = 3\nopen = \n").unwrap();
        let error = ServiceSettings::read(Some(&file), &[]).unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
    }

    #[test]
    fn tokens_are_asked_for_unless_only_this_machine_gets_in() {
        for (listen, open, tokens, asked) in [
            ("127.0.0.1:1", false, false, false),
            ("[::1]:1", false, false, false),
            ("127.0.0.1:1", false, true, true),
            ("0.0.0.0:1", false, false, true),
            ("127.0.0.1:1,10.0.0.1:1", false, false, true),
            ("0.0.0.0:1", true, false, false),
        ] {
            let (open, tokens) = (open.to_string(), tokens.to_string());
            let settings = read_options(&[
                ("listen", listen),
                ("allow_unauthenticated", &open),
                ("require_tokens", &tokens),
            ])
            .unwrap();
            assert_eq!(settings.ask_for_tokens(), asked, "{listen} {open} {tokens}");
        }
    }
}
