//! TLS with rustls, with libpq's meaning: verification, client certificates, channel binding.

use std::future::Future;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use jiff::Timestamp;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{self, CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{
    CertificateDer, IpAddr, Ipv4Addr, PrivateKeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, version,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};

use super::certificate;
use super::settings::{ConnectionSettings, Roots, SslMode};
use crate::error::{Error, Result};

/// Makes encrypted streams, all with the same settings.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    config: Arc<ClientConfig>,
    names_matter: bool,
}

impl Tls {
    /// Reads the files in the settings.
    ///
    /// # Errors
    /// [`Error::Configuration`] if one of them is missing or invalid.
    pub(super) fn new(settings: &ConnectionSettings) -> Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let names_matter = settings.ssl_mode == SslMode::VerifyFull;
        let versions: &[_] = if settings.tls13_only {
            &[&version::TLS13]
        } else {
            &[&version::TLS13, &version::TLS12]
        };
        let verifier = Verifier {
            algorithms: provider.signature_verification_algorithms,
            trusted: trusted(&settings.roots)?,
            names_matter,
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .map_err(|error| wrong("set up TLS", error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match &settings.certificate {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates(certificate, "sslcert")?;
                let key = private_key(key, &provider)?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| wrong("use the certificate of sslcert with sslkey", error))?
            }
        };
        // A session that is taken up again shows no certificate, which channel binding needs.
        config.resumption = Resumption::disabled();
        if settings.direct_tls {
            config.alpn_protocols = vec![b"postgresql".to_vec()];
        }
        Ok(Tls { config: Arc::new(config), names_matter })
    }
}

fn wrong(what: &str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::configuration(format!("could not {what}")).with_source(error)
}

fn certificates(path: &Path, parameter: &str) -> Result<Vec<CertificateDer<'static>>> {
    let what = || format!("read the certificates in {} ({parameter})", path.display());
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
        .map_err(|error| wrong(&what(), error))?;
    if found.is_empty() {
        return Err(Error::configuration(format!("could not {}: it holds none", what())));
    }
    Ok(found)
}

fn private_key(path: &Path, provider: &CryptoProvider) -> Result<PrivateKeyDer<'static>> {
    let what = format!("read the private key in {} (sslkey)", path.display());
    let metadata = std::fs::metadata(path).map_err(|error| wrong(&what, error))?;
    // As in libpq: a key of root's can be readable by a group.
    let closed = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if metadata.mode() & closed != 0 {
        return Err(Error::configuration(format!(
            "the private key in {} is readable by others",
            path.display()
        ))
        .with_hint("close it with chmod 600"));
    }
    let key = PrivateKeyDer::from_pem_file(path).map_err(|error| {
        Error::configuration(format!("could not {what} (a key with a password is not supported)"))
            .with_source(error)
    })?;
    provider.key_provider.load_private_key(key.clone_key()).map_err(|error| wrong(&what, error))?;
    Ok(key)
}

/// The trusted certificates, or `None` if none are needed.
fn trusted(roots: &Roots) -> Result<Option<TrustedCertificates>> {
    let mut store = RootCertStore::empty();
    match roots {
        Roots::Absent => Ok(None),
        Roots::File(path) => {
            let named = certificates(path, "sslrootcert")?;
            for certificate in &named {
                store.add(certificate.clone()).map_err(|error| {
                    wrong(&format!("use a certificate of {} (sslrootcert)", path.display()), error)
                })?;
            }
            Ok(Some(TrustedCertificates { roots: store, named }))
        }
        Roots::System => {
            let found = rustls_native_certs::load_native_certs();
            let (added, _) = store.add_parsable_certificates(found.certs);
            if added == 0 {
                return Err(Error::configuration(
                    "this system has no certificates to verify the server with",
                )
                .with_hint("install them (ca-certificates), or name a file with sslrootcert"));
            }
            Ok(Some(TrustedCertificates { roots: store, named: Vec::new() }))
        }
    }
}

#[derive(Debug)]
struct TrustedCertificates {
    roots: RootCertStore,
    /// The certificates of a file. As in OpenSSL, a server that presents one of them is trusted
    /// regardless of the certificate's purpose, such as one with a self-signed certificate.
    named: Vec<CertificateDer<'static>>,
}

#[derive(Debug)]
struct Verifier {
    algorithms: WebPkiSupportedAlgorithms,
    trusted: Option<TrustedCertificates>,
    names_matter: bool,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        let Some(trusted) = &self.trusted else { return Ok(ServerCertVerified::assertion()) };
        let parsed = ParsedCertificate::try_from(certificate)?;
        if trusted.named.contains(certificate) {
            let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
            let now = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
            if !certificate::valid_at(certificate, now) {
                return Err(CertificateError::Expired.into());
            }
        } else {
            verify_server_cert_signed_by_trust_anchor(
                &parsed,
                &trusted.roots,
                intermediates,
                now,
                self.algorithms.all,
            )?;
        }
        if self.names_matter {
            verify_server_name(&parsed, name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        crypto::verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    /// Also if the certificate is not verified: channel binding is meaningful only if the server has
    /// proved that it has the certificate's key.
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        // The key is sufficient: old certificates (X.509 version 1), which rustls refuses to parse, are
        // often the servers' own.
        let key = certificate::public_key(certificate)
            .ok_or(rustls::Error::from(CertificateError::BadEncoding))?;
        let key = SubjectPublicKeyInfoDer::from(key);
        crypto::verify_tls13_signature_with_raw_key(message, &key, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl<S> MakeTlsConnect<S> for Tls
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = EncryptedStream<tokio_rustls::client::TlsStream<S>>;
    type TlsConnect = Handshake;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> io::Result<Handshake> {
        Ok(Handshake { tls: self.clone(), host: host.to_owned() })
    }
}

/// TLS with one server.
#[derive(Debug)]
pub(super) struct Handshake {
    tls: Tls,
    host: String,
}

type TlsResult<S> = io::Result<EncryptedStream<tokio_rustls::client::TlsStream<S>>>;

impl<S> TlsConnect<S> for Handshake
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = EncryptedStream<tokio_rustls::client::TlsStream<S>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = TlsResult<S>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move {
            let name = match ServerName::try_from(self.host) {
                Ok(name) => name,
                Err(error) if self.tls.names_matter => {
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, error));
                }
                // A name that cannot be in a certificate is no matter, and is not sent.
                Err(_) => ServerName::IpAddress(IpAddr::V4(Ipv4Addr::from([0, 0, 0, 0]))),
            };
            let connector = tokio_rustls::TlsConnector::from(self.tls.config);
            let stream = connector.connect(name, stream).await?;
            let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
            let end_point = certificates
                .first()
                .and_then(|certificate| certificate::server_end_point(certificate));
            Ok(EncryptedStream { stream, end_point })
        })
    }
}

/// A stream, with its data for channel binding.
#[derive(Debug)]
pub(super) struct EncryptedStream<T> {
    pub(super) stream: T,
    /// The `tls-server-end-point` of the server's certificate.
    pub(super) end_point: Option<Vec<u8>>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> TlsStream for EncryptedStream<T> {
    fn channel_binding(&self) -> ChannelBinding {
        match &self.end_point {
            Some(end_point) => ChannelBinding::tls_server_end_point(end_point.clone()),
            None => ChannelBinding::none(),
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for EncryptedStream<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for EncryptedStream<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
