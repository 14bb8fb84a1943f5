//! What the load balancer keeps for itself.

use std::path::Path;

use authority::{ReadOwn, WriteOwn, own_record};
use crypto::{PublicKey, Secret};
use net::executor::Executor;
use store::Batch;

use crate::failure::{Failure, Outcome};
use crate::serve::store_failed;

/// The file of the load balancer's public key, for devices that prove themselves by a key pair.
pub(crate) const PIN_FILE: &str = "lbs.pin";

/// A secret of 32 bytes under `name`, made at the first start and never changed.
pub(super) async fn own_secret(name: &[u8], executor: &Executor) -> Outcome<Secret> {
    let key = own_record(name);
    let stored = executor.run(ReadOwn { key: key.clone() }).await.map_err(store_failed)?;
    if let Some(secret) = stored {
        return Ok(Secret::from(&secret[..]));
    }
    let made: [u8; 32] = executor.bytes();
    let mut batch = Batch::default();
    batch.put(key.clone(), &made[..]);
    executor.run(WriteOwn { key, batch }).await.map_err(store_failed)?;
    Ok(Secret::from(&made[..]))
}

/// Writes the key that devices pin, and gives it: its SubjectPublicKeyInfo as hexadecimal text.
pub(super) fn write_pin(data: &Path, key: &PublicKey) -> Outcome<String> {
    let path = data.join(PIN_FILE);
    let text = model::hex(key.spki());
    std::fs::write(&path, format!("{text}\n"))
        .map_err(|error| Failure::new("file-unwritable", path.display().to_string()).because(error))?;
    Ok(text)
}
