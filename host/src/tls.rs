//! TLS of the clients: the trusted certificate authorities.

use std::sync::Arc;

/// Returns the configuration of a client that trusts the system's certificate authorities, or those
/// that `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
pub(crate) fn client_config() -> Result<rustls::ClientConfig, rustls::Error> {
    let mut roots = rustls::RootCertStore::empty();
    // A certificate that cannot be read is ignored.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
