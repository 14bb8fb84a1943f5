//! How a management system gets its keys and its standing with the authority.

use std::sync::Arc;

use certificate::{CertificateIdentity, MakeRequestError, make_request};
use clock::Dice;
use crypto::{CryptoError, Curve, KeyKind, PrivateKey, Provider, Secret};
use management::{BadRecord, Certified, KeepOwner, Origin, OwnerKeys, OwnerStep, ReadOwner, StoredOwner};
use net::executor::Executor;
use net::tls::TlsIdentity;
use store::RunError;

use super::ROLE;
use super::gateway::{GatewayAddress, GatewayError, Granted, OwnerGateway};

/// Modulus of the class 2 RSA key, in bits.
/// Source: layouts section 3.
const RSA_MODULUS_BITS: u16 = 2048;

/// Why a management system cannot start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnrolmentError {
    /// The store did not run a step.
    Store(RunError),
    /// A stored record cannot be read.
    Record(BadRecord),
    /// Keys cannot be made or used.
    Crypto(CryptoError),
    /// A certificate request cannot be made.
    Request(MakeRequestError),
    /// The gateway gave no usable answer; what was done is stored, and starting again goes on from there.
    Gateway(GatewayError),
    /// The certificate that came names nobody, or somebody else.
    Certificate,
    /// The authority has another RSA key linked to this management id.
    RsaRefused,
}

impl std::fmt::Display for EnrolmentError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Store(_) => f.write_str("the store did not run a step"),
            Self::Record(_) => f.write_str("a stored record cannot be read"),
            Self::Crypto(error) => error.fmt(f),
            Self::Request(error) => error.fmt(f),
            Self::Gateway(error) => error.fmt(f),
            Self::Certificate => f.write_str("the certificate is not ours"),
            Self::RsaRefused => f.write_str("another RSA key is linked to this management id"),
        }
    }
}

impl std::error::Error for EnrolmentError {}

impl From<RunError> for EnrolmentError {
    fn from(error: RunError) -> Self {
        Self::Store(error)
    }
}

impl From<BadRecord> for EnrolmentError {
    fn from(bad: BadRecord) -> Self {
        Self::Record(bad)
    }
}

impl From<GatewayError> for EnrolmentError {
    fn from(error: GatewayError) -> Self {
        Self::Gateway(error)
    }
}

/// An owner that the authority knows: its keys, and the gateway as it may call it.
#[derive(Clone, Debug)]
pub struct Owner {
    /// The keys.
    pub keys: Arc<OwnerKeys>,
    /// The owner gateway.
    pub gateway: OwnerGateway,
}

impl Owner {
    /// Makes keys at the first start, registers them, separates the TLS key from the class 2 key and links
    /// the RSA key. Each step is stored before the next; a later start does only what is missing.
    ///
    /// # Errors
    /// [`EnrolmentError`].
    /// Source: aSSURE 9.3.1; decisions D-10, G 33, M7.
    pub async fn enrol(
        executor: &Executor,
        provider: &Arc<dyn Provider>,
        address: &GatewayAddress,
    ) -> Result<Self, EnrolmentError> {
        let enrolment = Enrolment { executor, provider, address };
        let mut owner = match executor.run(ReadOwner).await?? {
            Some(owner) => owner,
            None => enrolment.keep(enrolment.fresh_keys().await?).await?,
        };
        let registered = match &owner.registered {
            Some(registered) => registered.clone(),
            None => {
                let gateway = OwnerGateway::stranger(address)?;
                let certificate = gateway.register(enrolment.request(&owner.class_2)?).await?;
                let registered = certified(certificate)?;
                owner = enrolment.keep(OwnerStep::Registered(registered.clone())).await?;
                registered
            }
        };
        if owner.certified.is_none() {
            let gateway = enrolment.gateway(&registered, &owner.class_2)?;
            let certificate = gateway.renew(&registered.id, enrolment.request(&owner.tls)?).await?;
            let again = certified(certificate)?;
            if again.id != registered.id || again.class_2_key != registered.class_2_key {
                return Err(EnrolmentError::Certificate);
            }
            owner = enrolment.keep(OwnerStep::Certified(again)).await?;
        }
        let certified = owner.certified.as_ref().ok_or(BadRecord)?;
        let gateway = enrolment.gateway(certified, &owner.tls)?;
        if !owner.rsa_linked {
            match gateway.link_rsa(&certified.id, enrolment.request(&owner.rsa)?).await? {
                Granted::Yes => owner = enrolment.keep(OwnerStep::RsaLinked).await?,
                Granted::No => return Err(EnrolmentError::RsaRefused),
            }
        }
        let keys = Arc::new(OwnerKeys::of(Arc::clone(provider), &owner)?);
        Ok(Self { keys, gateway })
    }
}

struct Enrolment<'a> {
    executor: &'a Executor,
    provider: &'a Arc<dyn Provider>,
    address: &'a GatewayAddress,
}

impl Enrolment<'_> {
    /// RSA keys take their time, so another thread makes them.
    async fn fresh_keys(&self) -> Result<OwnerStep, EnrolmentError> {
        let (provider, seed) = (Arc::clone(self.provider), self.executor.bytes());
        let made = tokio::task::spawn_blocking(move || {
            let mut dice = Dice::new(seed);
            let mut key = |kind| provider.generate_key(kind, &mut dice).and_then(|key| key.pkcs8());
            let class_2 = key(KeyKind::Ec(Curve::P256))?;
            let rsa = key(KeyKind::Rsa { modulus_bits: RSA_MODULUS_BITS })?;
            let tls = key(KeyKind::Ec(Curve::P256))?;
            Ok(OwnerStep::Keys { class_2, rsa, tls })
        });
        let made = made.await.map_err(|_| EnrolmentError::Crypto(CryptoError::Unsupported))?;
        made.map_err(EnrolmentError::Crypto)
    }

    async fn keep(&self, step: OwnerStep) -> Result<StoredOwner, EnrolmentError> {
        let origin = Origin {
            address: None,
            role: ROLE,
            actor: "start".into(),
            correlation: self.executor.correlation(),
            seed: self.executor.bytes(),
        };
        Ok(self.executor.run(KeepOwner { step, origin }).await??.ok_or(BadRecord)?)
    }

    fn key(&self, pkcs8: &Secret) -> Result<Arc<dyn PrivateKey>, EnrolmentError> {
        self.provider.import_key(pkcs8.expose()).map_err(EnrolmentError::Crypto)
    }

    fn request(&self, pkcs8: &Secret) -> Result<Vec<u8>, EnrolmentError> {
        let mut dice = Dice::new(self.executor.bytes());
        make_request(&*self.key(pkcs8)?, "management system", &mut dice).map_err(EnrolmentError::Request)
    }

    fn gateway(&self, by: &Certified, pkcs8: &Secret) -> Result<OwnerGateway, EnrolmentError> {
        let identity = TlsIdentity::new(std::slice::from_ref(&by.certificate), pkcs8);
        let identity = identity.map_err(GatewayError::Tls)?;
        Ok(OwnerGateway::certified(self.address, &identity)?)
    }
}

/// What a certificate says about its holder.
fn certified(certificate: Vec<u8>) -> Result<Certified, EnrolmentError> {
    match certificate::identity_of(&certificate) {
        Ok(CertificateIdentity::Management { id, class_2_key }) => {
            Ok(Certified { id, class_2_key, certificate })
        }
        Ok(
            CertificateIdentity::Maker(_) | CertificateIdentity::Server(_) | CertificateIdentity::Operator,
        )
        | Err(_) => Err(EnrolmentError::Certificate),
    }
}
