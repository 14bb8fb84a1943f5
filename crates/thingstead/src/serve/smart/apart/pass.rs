//! The pass of an access service: one file that the centre writes and its operator carries over.

use std::fmt;
use std::path::Path;

use crypto::{HashAlgorithm, Provider, Secret};
use model::{bytes_from_hex, hex};
use net::https_client::Endpoint;
use osap_proto::ServerId;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use crate::failure::{Failure, Outcome};
use crate::files;

const FILE_SIZE_MAX: u64 = 4096;

/// What the secret of a pass is made for.
const LABEL: &[u8] = b"thingstead pass 1";

/// What an access service needs to report to its centre.
pub(super) struct Pass {
    /// Where the centre listens.
    pub(super) at: Endpoint,
    /// The name of the service.
    pub(super) id: ServerId,
    /// SHA-256 of the centre's TLS key.
    pub(super) key: [u8; 32],
    /// What it proves to have.
    pub(super) secret: Secret,
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pass({:?} to {})", self.id, self.at)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PassFile {
    at: String,
    id: String,
    key: String,
    secret: String,
}

impl Drop for PassFile {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

fn bytes_of(text: &str) -> Option<[u8; 32]> {
    bytes_from_hex(text).ok()?.try_into().ok()
}

/// The secret of the service `id`, from that of the centre: nothing is stored for each.
pub(super) fn secret_of(provider: &dyn Provider, centre: &Secret, id: &ServerId) -> Secret {
    let parts = [LABEL, id.as_bytes()];
    Secret::from(&provider.hmac(HashAlgorithm::Sha256, centre.expose(), &parts).first_32()[..])
}

impl Pass {
    /// Writes the file, for this user alone.
    pub(super) fn write(&self, path: &Path) -> Outcome {
        let file = PassFile {
            at: self.at.to_string(),
            id: String::from_utf8_lossy(self.id.as_bytes()).into_owned(),
            key: hex(&self.key),
            secret: hex(self.secret.expose()),
        };
        let text = serde_json::to_vec_pretty(&file)
            .map_err(|error| Failure::new("internal", "writing a pass").because(error))?;
        files::write_secret(path, &Zeroizing::new(text))
    }

    /// Reads the file.
    pub(super) fn read(path: &Path) -> Outcome<Self> {
        let text = Zeroizing::new(files::read(path, FILE_SIZE_MAX)?);
        let malformed = || files::malformed(path, "it is no pass of an access service");
        let file: PassFile = serde_json::from_slice(&text).map_err(|_| malformed())?;
        let pass = || {
            Some(Self {
                at: file.at.parse().ok()?,
                id: ServerId::new(file.id.as_bytes())?,
                key: bytes_of(&file.key)?,
                secret: Secret::from(&bytes_of(&file.secret)?[..]),
            })
        };
        pass().ok_or_else(malformed)
    }
}
