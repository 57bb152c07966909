//! Settings for other programs: libpq's variables, such as psql reads.

use std::env;
use std::ffi::OsString;
use std::path::Path;

use super::settings::{ChannelBinding, ConnectionSettings, Roots, Target};

/// Files of certificate authorities of common systems, for programs that need to be passed one.
const SYSTEM_ROOTS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

impl ConnectionSettings {
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
            ("PGSSLMODE", Some(self.ssl_mode.as_str().to_owned())),
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
            ("PGTARGETSESSIONATTRS", Some(self.session_attributes.as_str().to_owned())),
            ("PGLOADBALANCEHOSTS", self.random_order.then(|| "random".to_owned())),
            ("PGSERVICE", None),
            ("PGAPPNAME", None),
        ];
        let texts = texts.into_iter().map(|(name, text)| (name, text.map(OsString::from)));
        let roots = match &self.roots {
            Roots::Absent => None,
            Roots::File(path) => Some(file(path)),
            // psql does not know the value "system" before version 16.
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
