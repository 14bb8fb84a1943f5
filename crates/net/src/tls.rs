//! TLS 1.2 and 1.3 set up: our certificate and key, whose certificates we accept.
//!
//! No session is resumed: a resumed session would carry a client certificate past the moment at which its
//! rights or its path ended (ADR 0061).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crypto::{PrivateKey, Secret};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, TrustAnchor, UnixTime};

pub use certificate::TlsPeer;

/// A fault in the material that TLS was to be set up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsSetupError {
    /// There is no certificate in the chain, or one is malformed.
    Chain,
    /// The private key is malformed or of a kind that TLS here does not use.
    Key,
    /// The private key is not the one of the first certificate.
    KeyMismatch,
    /// There is no root certificate, or one is malformed.
    Roots,
    /// The TLS library refuses its own defaults.
    Library,
}

impl fmt::Display for TlsSetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chain => "the certificate chain is empty or malformed",
            Self::Key => "the private key is malformed or of an unsupported kind",
            Self::KeyMismatch => "the private key is not the certificate's",
            Self::Roots => "there is no root certificate, or one is malformed",
            Self::Library => "the TLS library could not be set up",
        })
    }
}

impl std::error::Error for TlsSetupError {}

/// Our side's certificate chain and private key.
#[derive(Clone)]
pub struct TlsIdentity(Arc<CertifiedKey>);

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsIdentity({} certificates)", self.0.cert.len())
    }
}

impl TlsIdentity {
    /// From certificates in DER, leaf first and without the root, and the leaf's key as PKCS#8.
    ///
    /// # Errors
    /// [`TlsSetupError::Chain`], [`TlsSetupError::Key`], [`TlsSetupError::KeyMismatch`].
    pub fn new(chain: &[Vec<u8>], pkcs8: &Secret) -> Result<Self, TlsSetupError> {
        let chain: Vec<_> = chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
        for der in &chain {
            webpki::EndEntityCert::try_from(der).map_err(|_| TlsSetupError::Chain)?;
        }
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pkcs8.expose()));
        let key = aws_lc_rs::sign::any_supported_type(&key).map_err(|_| TlsSetupError::Key)?;
        if chain.is_empty() {
            return Err(TlsSetupError::Chain);
        }
        let certified = CertifiedKey::new(chain, key);
        certified.keys_match().map_err(|_| TlsSetupError::KeyMismatch)?;
        Ok(Self(Arc::new(certified)))
    }

    /// The same for a key behind the crypto boundary, which has to let its PKCS#8 form out.
    ///
    /// # Errors
    /// As above; [`TlsSetupError::Key`] also when the key may not leave its provider.
    pub fn of_key(chain: &[Vec<u8>], key: &dyn PrivateKey) -> Result<Self, TlsSetupError> {
        let pkcs8 = key.pkcs8().map_err(|_| TlsSetupError::Key)?;
        Self::new(chain, &pkcs8)
    }

    pub(crate) fn resolver(&self) -> Arc<SingleCertAndKey> {
        Arc::new(SingleCertAndKey::from(CertifiedKey::clone(&self.0)))
    }
}

/// Whether a server asks its clients for certificates, and whose it accepts (roots in DER).
#[derive(Clone, Copy, Debug)]
pub enum ClientCertificates<'a> {
    /// It does not ask.
    NotAsked,
    /// It asks; a client without one is let in as a stranger, a wrong one ends the handshake.
    Optional(&'a [Vec<u8>]),
    /// It asks; a client may show any certificate whose key it proves to have, or none. What the certificate is worth
    /// is judged by whoever gets it.
    Any,
    /// No handshake ends well without one.
    Required(&'a [Vec<u8>]),
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn root_store(roots: &[Vec<u8>]) -> Result<Arc<RootCertStore>, TlsSetupError> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(CertificateDer::from(root.clone())).map_err(|_| TlsSetupError::Roots)?;
    }
    if store.is_empty() { Err(TlsSetupError::Roots) } else { Ok(Arc::new(store)) }
}

/// The set-up of an HTTPS server.
///
/// # Errors
/// [`TlsSetupError::Roots`], [`TlsSetupError::Library`].
/// Source: aSSURE 9.2, 9.3 (REST over HTTPS with client authentication).
pub fn server_config(
    identity: &TlsIdentity,
    clients: ClientCertificates<'_>,
) -> Result<Arc<ServerConfig>, TlsSetupError> {
    let provider = provider();
    let verifier = match clients {
        ClientCertificates::NotAsked => WebPkiClientVerifier::no_client_auth(),
        ClientCertificates::Any => Arc::new(AnyCertificate(provider.signature_verification_algorithms)),
        ClientCertificates::Optional(roots) | ClientCertificates::Required(roots) => {
            let builder =
                WebPkiClientVerifier::builder_with_provider(root_store(roots)?, Arc::clone(&provider));
            let builder = match clients {
                ClientCertificates::Optional(_) => builder.allow_unauthenticated(),
                ClientCertificates::Required(_) | ClientCertificates::NotAsked | ClientCertificates::Any => {
                    builder
                }
            };
            builder.build().map_err(|_| TlsSetupError::Roots)?
        }
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| TlsSetupError::Library)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(identity.resolver());
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The set-up of an HTTPS client that trusts servers under `roots` and shows `identity` where asked for one.
///
/// # Errors
/// [`TlsSetupError::Roots`], [`TlsSetupError::Library`].
pub fn client_config(
    roots: &[Vec<u8>],
    identity: Option<&TlsIdentity>,
) -> Result<Arc<ClientConfig>, TlsSetupError> {
    let mut config = config_under(roots, identity)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The same for whatever protocol is spoken inside.
pub(crate) fn config_under(
    roots: &[Vec<u8>],
    identity: Option<&TlsIdentity>,
) -> Result<ClientConfig, TlsSetupError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|_| TlsSetupError::Library)?
        .with_root_certificates(root_store(roots)?);
    let mut config = match identity {
        Some(identity) => builder.with_client_cert_resolver(identity.resolver()),
        None => builder.with_no_client_auth(),
    };
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// What [`device_config`] makes.
pub type DeviceTls = Arc<ServerConfig>;

/// The set-up of a listener for devices: TLS 1.3 alone, without resumption and early data.
///
/// A device may show any certificate, and proves to have its key; what the certificate is worth is judged
/// by whoever gets it.
///
/// # Errors
/// [`TlsSetupError::Library`].
/// Source: OSAP secure profile sections 2 and 3.
pub fn device_config(identity: &TlsIdentity) -> Result<DeviceTls, TlsSetupError> {
    let provider = provider();
    let verifier = AnyCertificate(provider.signature_verification_algorithms);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|_| TlsSetupError::Library)?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(identity.resolver());
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// Issuers whose certificates devices may show, for a listener of [`device_config`].
#[derive(Clone, Debug, Default)]
pub struct DeviceIssuers(Vec<TrustAnchor<'static>>);

impl DeviceIssuers {
    /// Those with these certificates, in DER; none is fine.
    ///
    /// # Errors
    /// [`TlsSetupError::Roots`] when one is malformed.
    pub fn new(certificates: &[Vec<u8>]) -> Result<Self, TlsSetupError> {
        let anchor = |der: &Vec<u8>| {
            let der = CertificateDer::from(der.clone());
            webpki::anchor_from_trusted_cert(&der).map(|anchor| anchor.to_owned())
        };
        let anchors = certificates.iter().map(anchor).collect::<Result<_, _>>();
        anchors.map(Self).map_err(|_| TlsSetupError::Roots)
    }

    /// Whether one of them issued this certificate (DER) for a client, and it is valid at this time. Its holder has
    /// proven to have the key when a listener gives it.
    #[must_use]
    pub fn vouch_for(&self, certificate: &[u8], unix_secs: u64) -> bool {
        let der = CertificateDer::from(certificate);
        let Ok(leaf) = webpki::EndEntityCert::try_from(&der) else { return false };
        let now = UnixTime::since_unix_epoch(Duration::from_secs(unix_secs));
        let algorithms = provider().signature_verification_algorithms.all;
        let usage = webpki::KeyUsage::client_auth();
        leaf.verify_for_usage(algorithms, &self.0, &[], now, usage, None, None).is_ok()
    }
}

/// Takes every certificate whose key the client has, and clients without one.
#[derive(Debug)]
struct AnyCertificate(WebPkiSupportedAlgorithms);

impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        match webpki::EndEntityCert::try_from(end_entity) {
            Ok(_) => Ok(ClientCertVerified::assertion()),
            Err(_) => Err(rustls::Error::InvalidCertificate(CertificateError::BadEncoding)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
