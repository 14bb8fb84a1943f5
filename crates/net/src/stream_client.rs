//! Streams that a device opens: TCP, TLS 1.3 to a key that it knows, or TLS to a server whose certificate names it.
//!
//! Source: OSAP secure profile sections 2 and 12.

use std::io;
use std::sync::Arc;

use aws_lc_rs::digest;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs as library, verify_tls13_signature,
};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::https_client::Endpoint;
use crate::tls::{TlsIdentity, TlsSetupError, config_under};

/// What a stream has around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cover {
    /// Nothing.
    Plain,
    /// TLS 1.3, without resumption and early data.
    Tls {
        /// SHA-256 of the SubjectPublicKeyInfo that the server's key must have. Without it any key is taken:
        /// only for whoever proves the server by other means inside.
        key: Option<[u8; 32]>,
    },
}

/// A stream that stands.
pub struct OpenStream {
    /// From the server.
    pub input: Box<dyn AsyncRead + Send + Unpin>,
    /// To the server; shut it down to close.
    pub output: Box<dyn AsyncWrite + Send + Unpin>,
    /// Of the TLS session, label `EXPORTER-Channel-Binding`, without context.
    /// Source: RFC 9266 section 2.
    pub exporter: Option<[u8; 32]>,
}

impl std::fmt::Debug for OpenStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenStream").finish_non_exhaustive()
    }
}

impl OpenStream {
    /// Over a TLS session that stands, whose exporter `export` is.
    pub(crate) fn of_tls<S: AsyncRead + AsyncWrite + Send + 'static>(
        stream: S,
        export: impl FnOnce(&S, &[u8]) -> Result<[u8; 32], rustls::Error>,
    ) -> io::Result<Self> {
        let exporter = export(&stream, b"EXPORTER-Channel-Binding").map_err(io::Error::other)?;
        let (input, output) = tokio::io::split(stream);
        Ok(Self { input: Box::new(input), output: Box::new(output), exporter: Some(exporter) })
    }
}

/// Opens a stream. It has no time limit of its own: whoever waits drops it.
///
/// # Errors
/// Those of name resolution, TCP and TLS; another key than the wanted one is an error of TLS.
pub async fn open(to: &Endpoint, cover: Cover) -> io::Result<OpenStream> {
    open_as(to, cover, None).await
}

/// The same, with a certificate of ours where TLS asks for one.
///
/// # Errors
/// As [`open`].
pub async fn open_as(to: &Endpoint, cover: Cover, identity: Option<&TlsIdentity>) -> io::Result<OpenStream> {
    let socket = TcpStream::connect((to.host.as_str(), to.port)).await?;
    socket.set_nodelay(true)?;
    match cover {
        Cover::Plain => {
            let (input, output) = socket.into_split();
            Ok(OpenStream { input: Box::new(input), output: Box::new(output), exporter: None })
        }
        Cover::Tls { key } => {
            let config = client_config(key, identity).map_err(io::Error::other)?;
            inside_tls(to, socket, Arc::new(config)).await
        }
    }
}

/// Opens a stream inside TLS 1.3 or 1.2 to a server that shows a certificate for its host under one of `roots` (DER).
///
/// It has no time limit of its own: whoever waits drops it.
///
/// # Errors
/// Those of name resolution, TCP and TLS; a certificate of another name or issuer is an error of TLS.
pub async fn open_under(to: &Endpoint, roots: &[Vec<u8>]) -> io::Result<OpenStream> {
    let config = Arc::new(config_under(roots, None).map_err(io::Error::other)?);
    let socket = TcpStream::connect((to.host.as_str(), to.port)).await?;
    socket.set_nodelay(true)?;
    inside_tls(to, socket, config).await
}

async fn inside_tls(to: &Endpoint, socket: TcpStream, config: Arc<ClientConfig>) -> io::Result<OpenStream> {
    let name = ServerName::try_from(to.host.clone()).map_err(io::Error::other)?;
    let stream = TlsConnector::from(config).connect(name, socket).await?;
    OpenStream::of_tls(stream, |stream, label| {
        stream.get_ref().1.export_keying_material([0; 32], label, None)
    })
}

/// The set-up of a client that takes a server by its key, or any server; without names of protocols.
pub(crate) fn client_config(
    key: Option<[u8; 32]>,
    identity: Option<&TlsIdentity>,
) -> Result<ClientConfig, TlsSetupError> {
    let provider: Arc<CryptoProvider> = Arc::new(library::default_provider());
    let verifier = ByKey { key, algorithms: provider.signature_verification_algorithms };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|_| TlsSetupError::Library)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match identity {
        Some(identity) => builder.with_client_cert_resolver(identity.resolver()),
        None => builder.with_no_client_auth(),
    };
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// Takes a server by its key alone: names and issuers do not count.
#[derive(Debug)]
struct ByKey {
    key: Option<[u8; 32]>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for ByKey {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let certificate = webpki::EndEntityCert::try_from(end_entity)
            .map_err(|_| rustls::Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let spki = certificate.subject_public_key_info();
        let shown = digest::digest(&digest::SHA256, spki.as_ref());
        match self.key {
            Some(wanted) if shown.as_ref() != wanted => {
                Err(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
            }
            Some(_) | None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General(String::from("TLS 1.3 alone")))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
