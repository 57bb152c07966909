//! Settings that are read again while the service runs: the certificate and its key, the log's level and
//! the age of simulations that are removed. The others need a restart. Tokens need neither: they are read
//! from the database every few seconds.

use tokio::sync::watch;

use super::log::LogLevel;
use super::settings::ServiceSettings;
use super::tls::Tls;
use crate::error::Result;

/// Applies changed settings to a running service.
#[derive(Debug)]
pub struct Reloader {
    /// Those that the service uses now.
    settings: ServiceSettings,
    log: LogLevel,
    tls: Tls,
    retention: watch::Sender<Option<u64>>,
}

impl Reloader {
    pub(super) fn new(
        settings: ServiceSettings,
        log: LogLevel,
        tls: Tls,
        retention: watch::Sender<Option<u64>>,
    ) -> Self {
        Reloader { settings, log, tls, retention }
    }

    /// Applies settings that were read again, and reads the certificate and its key again even if their
    /// names are the same. Returns the names of the changed settings that need a restart.
    ///
    /// # Errors
    /// [`Error::Configuration`](crate::Error::Configuration) if the certificate or the level of the log is
    /// not valid; then nothing has changed.
    pub fn apply(&mut self, settings: &ServiceSettings) -> Result<Vec<&'static str>> {
        let speaks_tls = |settings: &ServiceSettings| settings.tls_certificate.is_some();
        let same_scheme = speaks_tls(settings) == speaks_tls(&self.settings);
        let level = super::log::filter(&settings.log_level)?;
        if same_scheme {
            self.tls.read_again(settings)?;
            self.settings.tls_certificate.clone_from(&settings.tls_certificate);
            self.settings.tls_key.clone_from(&settings.tls_key);
        }
        self.log.set(level)?;
        self.settings.log_level.clone_from(&settings.log_level);
        if self.settings.retention_days != settings.retention_days {
            self.settings.retention_days = settings.retention_days;
            self.retention.send_replace(settings.retention_days);
        }
        let values = self.settings.values_by_name().into_iter().zip(settings.values_by_name());
        let others = values.filter(|(now, new)| now != new).map(|((name, _), _)| name);
        Ok(others.collect())
    }
}
