//! The factory end: an order comes in, a device is made and kept, its public key goes out.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use agent::{DeviceKey, Factory};
use assure_proto::{DeviceInfo, TRUST_BUNDLE_LENGTH_MAX, TrustBundle};
use crypto::Provider;
use net::seed;

use super::sealed_state::SealedState;
use crate::factory_line::{Birth, Born, read_message};
use crate::failure::{Failure, Outcome};
use crate::files;

/// Carries out the one order on `line_in`; `line_out` gets the answer once the state is safe.
///
/// # Errors
/// `order-refused`, `file-malformed` for the bundle, `already-there`, and those of files. Nothing is answered.
/// Source: rows ASSURE-6.2.2-01 to -03, ASSURE-14.1-01, ASSURE-14.1-02; decision G 30.
pub(crate) fn make(
    folder: &Path,
    bundle: &Path,
    provider: &Arc<dyn Provider>,
    line_in: &mut impl Read,
    line_out: &mut impl Write,
) -> Outcome {
    let bytes = files::read(bundle, TRUST_BUNDLE_LENGTH_MAX as u64)?;
    let bundle = TrustBundle::decode(&**provider, &bytes)
        .map_err(|error| files::malformed(bundle, &error.to_string()))?;
    let refused = |why: String| Failure::new("order-refused", "standard input").because(why);
    let order = read_message(line_in).map_err(|error| refused(error.to_string()))?;
    let order = Birth::decode(&order).map_err(|error| refused(error.to_string()))?;
    let (key, public) = own_key(&order, &**provider)?;
    let info = DeviceInfo {
        software_manufacturer: "Thingstead".into(),
        software_product_code: "thingstead device".into(),
        software_version: env!("CARGO_PKG_VERSION").into(),
        ..DeviceInfo::only(order.device)
    };
    let factory =
        Factory::of_authority(&**provider, order.device, key, &bundle, order.bootstrap_server, info)
            .map_err(|error| Failure::new("internal", "the factory part").because(error))?;
    SealedState::make(folder, provider, &factory.first_state())?;
    let answer = Born { device: order.device, key: public }.encode();
    let answered = line_out.write_all(&answer).and_then(|()| line_out.flush());
    answered.map_err(|error| Failure::new("file-unwritable", "standard output").because(error))
}

fn own_key(order: &Birth, provider: &dyn Provider) -> Outcome<(DeviceKey, Option<crypto::PublicKey>)> {
    let kind = match (&order.secret, order.kind.key_kind()) {
        (Some(secret), _) => return Ok((DeviceKey::Secret(secret.clone()), None)),
        (None, Some(kind)) => kind,
        (None, None) => return Err(Failure::new("order-refused", "standard input")),
    };
    let mut dice = seed::dice().map_err(|error| Failure::new("no-entropy", "").because(error))?;
    let failed = |error| Failure::new("internal", "making the device's key").because(error);
    let key = provider.generate_key(kind, &mut dice).map_err(failed)?;
    Ok((DeviceKey::Private(key.pkcs8().map_err(failed)?), Some(key.public().clone())))
}
