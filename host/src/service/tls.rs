//! TLS from two PEM files, which are read again when a certificate was renewed.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::settings::ServiceSettings;
use crate::error::{Error, Result};

/// The acceptor of TLS connections, if there is one.
#[derive(Clone, Default)]
pub(super) struct Tls(Arc<RwLock<Option<TlsAcceptor>>>);

impl std::fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files that the settings name.
    ///
    /// # Errors
    /// [`Error::Configuration`] if a file cannot be read, or certificate and key do not match.
    pub(super) fn read(settings: &ServiceSettings) -> Result<Self> {
        Ok(Tls(Arc::new(RwLock::new(acceptor(settings)?))))
    }

    /// Reads them again, for connections from now on.
    ///
    /// # Errors
    /// As [`Tls::read`]; the certificate of before stays in use.
    pub(super) fn read_again(&self, settings: &ServiceSettings) -> Result<()> {
        let acceptor = acceptor(settings)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = acceptor;
        Ok(())
    }

    /// Returns the acceptor of a new connection; `None` without TLS.
    pub(super) fn acceptor(&self) -> Option<TlsAcceptor> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Returns the acceptor of TLS connections, if the settings name a certificate.
///
/// # Errors
/// [`Error::Configuration`] if a file cannot be read, or certificate and key do not match.
fn acceptor(settings: &ServiceSettings) -> Result<Option<TlsAcceptor>> {
    let (Some(certificate), Some(key)) = (&settings.tls_certificate, &settings.tls_key) else {
        return Ok(None);
    };
    let wrong = |path: &Path, reason: String| {
        Error::configuration(format!("{} cannot be used for TLS: {reason}", path.display()))
    };
    let chain: std::result::Result<Vec<CertificateDer<'static>>, _> =
        CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
    let chain = chain.map_err(|error| wrong(certificate, error.to_string()))?;
    if chain.is_empty() {
        return Err(wrong(certificate, "it holds no certificate".to_owned()));
    }
    let secret =
        PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(certificate, error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(|error| wrong(certificate, error.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}
