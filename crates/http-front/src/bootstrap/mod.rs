//! The bootstrap server's side towards the registration server, and the checks that need both.

mod ta_api;

use assure_proto::BootstrapImage;
use authority::Origin;
use authority::bootstrap::{DeviceProof, HolderName, IssuedDevice};
use authority::bootstrap::{
    ImageAnswer, OwnerNow, ReadDevice, ReadHolder, ReadImage, ServeImage, StoreImage, StoreImageAnswer,
};
use model::{ManagementId, Uuid};
use net::executor::Executor;
use store::RunError;

use crate::{RegistrationClient, TaError};

pub use ta_api::ta_api;

/// The name of this server in the audit log.
const ROLE: &str = "bootstrap";

/// What the bootstrap server works with; shared by its HTTPS and CoAP sides.
#[derive(Debug)]
pub struct BootstrapServer {
    executor: Executor,
    registration: RegistrationClient,
    ec_key: Vec<u8>,
    rsa_key: Vec<u8>,
}

/// Why the server cannot answer now; the caller hears 503 or 5.03.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unable {
    /// The registration server gave no answer.
    Registration(TaError),
    /// The store did not run the operation.
    Store(RunError),
    /// A stored record cannot be read.
    Record,
}

impl From<TaError> for Unable {
    fn from(error: TaError) -> Self {
        Self::Registration(error)
    }
}

impl From<RunError> for Unable {
    fn from(error: RunError) -> Self {
        Self::Store(error)
    }
}

impl From<authority::BadRecord> for Unable {
    fn from(_: authority::BadRecord) -> Self {
        Self::Record
    }
}

impl BootstrapServer {
    /// A server over `executor`'s store, with its two authenticated class 3 keys for EC and RSA devices.
    #[must_use]
    pub const fn new(
        executor: Executor,
        registration: RegistrationClient,
        ec_key: Vec<u8>,
        rsa_key: Vec<u8>,
    ) -> Self {
        Self { executor, registration, ec_key, rsa_key }
    }

    fn origin(&self, actor: impl Into<String>) -> Origin {
        Origin {
            address: None,
            role: ROLE,
            actor: actor.into(),
            correlation: self.executor.correlation(),
            seed: self.executor.bytes(),
        }
    }

    /// What was issued about a device: how it proves itself in a session.
    ///
    /// # Errors
    /// [`Unable`].
    pub async fn device(&self, device: Uuid) -> Result<Option<IssuedDevice>, Unable> {
        Ok(self.executor.run(ReadDevice { device }).await??)
    }

    /// The device that holds a key, for clients that give no name, and what was issued about it.
    ///
    /// # Errors
    /// [`Unable`].
    /// Source: decision G 26.
    pub async fn holder(&self, holder: HolderName) -> Result<Option<(Uuid, IssuedDevice)>, Unable> {
        Ok(self.executor.run(ReadHolder { holder }).await??)
    }

    /// The image for a device that has proven itself, if its owner is still the same: empty when there is
    /// none, `None` when the device may not have what it asks for.
    ///
    /// # Errors
    /// [`Unable`]; the device comes again.
    /// Source: aSSURE 9.4.1, decision H1.
    pub async fn serve_image(&self, proven: Uuid, asked: Uuid) -> Result<Option<Vec<u8>>, Unable> {
        let owner = self.registration.owner(proven).await?;
        let owner = owner.unwrap_or(OwnerNow { seq: 0, owner: None });
        let origin = self.origin(proven.to_string());
        match self.executor.run(ServeImage { proven, asked, owner, origin }).await?? {
            ImageAnswer::Image(image) => Ok(Some(image)),
            ImageAnswer::Forbidden => Ok(None),
        }
    }

    /// The owner, when it is `caller`.
    async fn owned_by(&self, device: Uuid, caller: &ManagementId) -> Result<Option<OwnerNow>, Unable> {
        let owner = self.registration.owner(device).await?;
        Ok(owner.filter(|owner| owner.owner.as_ref() == Some(caller)))
    }

    async fn store_image(
        &self,
        device: Uuid,
        caller: &ManagementId,
        image: Vec<u8>,
    ) -> Result<Stored, Unable> {
        let image_seq = match sequence_number(&image) {
            Some(seq) => seq,
            None if image.is_empty() => 0,
            None => return Ok(Stored::Malformed),
        };
        let Some(owner) = self.owned_by(device, caller).await? else { return Ok(Stored::Forbidden) };
        let origin = self.origin(caller.as_str());
        match self.executor.run(StoreImage { device, image, image_seq, owner, origin }).await?? {
            StoreImageAnswer::Stored => Ok(Stored::Stands),
            StoreImageAnswer::Forbidden => Ok(Stored::Forbidden),
        }
    }

    async fn read_image(&self, device: Uuid, caller: &ManagementId) -> Result<Option<Vec<u8>>, Unable> {
        let Some(owner) = self.owned_by(device, caller).await? else { return Ok(None) };
        match self.executor.run(ReadImage { device, owner }).await?? {
            ImageAnswer::Image(image) => Ok(Some(image)),
            ImageAnswer::Forbidden => Ok(None),
        }
    }

    /// The authenticated key of this server that a device of this kind can verify.
    fn key_for(&self, proof: &DeviceProof) -> Vec<u8> {
        match proof {
            DeviceProof::BootstrapSecret { key, .. } => key.clone(),
            DeviceProof::PublicKey { spki } => match crypto::PublicKey::from_spki(spki).map(|key| key.kind())
            {
                Ok(crypto::KeyKind::Rsa { .. }) => self.rsa_key.clone(),
                Ok(crypto::KeyKind::Ec(_)) | Err(_) => self.ec_key.clone(),
            },
        }
    }
}

enum Stored {
    Stands,
    Forbidden,
    Malformed,
}

/// The owner sequence number of an image; `None` when it is none, or shows a private key (decision M15).
fn sequence_number(image: &[u8]) -> Option<u32> {
    let image = BootstrapImage::decode(image).ok()?;
    (!image.has_private_key()).then(|| image.owner_data().sequence_number())
}
