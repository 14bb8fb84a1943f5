//! How a station is made known to the identity server: a file that its key signed.
//!
//! `ARRAY [BYTE STRING JSON, signature]`, the form of a manufacture record in the clear; the JSON holds the
//! maker's id and the station's key, the signature carries the key's id and shows that whoever wrote the file
//! holds the key. Who that is, the person who brings the file knows.
//! Source: decision G 21; ADR 0074.

use std::path::Path;

use assure_json::{public_key_from_pem, public_key_to_pem};
use assure_proto::{Class, MakerRecord, Signer, Validity};
use authority::identity::Station;
use clock::Dice;
use crypto::{CryptoError, PrivateKey, Provider};
use model::{KeyId, Uuid};
use serde::{Deserialize, Serialize};

use crate::failure::Outcome;
use crate::files;

const LENGTH_MAX: u64 = 4096;
const FORM: &str = "thingstead-station";
const VERSION: u8 = 1;

/// No manufacture record has these fields, and no station file those of a record: neither passes for the
/// other although one key signs both.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Card {
    form: String,
    version: u8,
    maker: String,
    public_key: String,
}

/// Writes the file of a station.
///
/// # Errors
/// [`CryptoError`] when the key is not on P-256 or does not sign.
pub(crate) fn write(
    provider: &dyn Provider,
    maker: Uuid,
    id: KeyId,
    key: &dyn PrivateKey,
    validity: Validity,
    dice: &mut Dice,
) -> Result<Vec<u8>, CryptoError> {
    let card = Card {
        form: FORM.into(),
        version: VERSION,
        maker: maker.to_string(),
        public_key: public_key_to_pem(key.public()),
    };
    let json = serde_json::to_vec(&card).map_err(|_| CryptoError::BadInput)?;
    let signer = Signer::with_private_key(id, Class::Manufacturer, key);
    MakerRecord::sign(provider, &signer, validity, &json, dice).map(|record| record.encoded().to_vec())
}

/// Reads the file of a station and checks that the key in it signed it.
///
/// # Errors
/// `file-unreadable`, `file-malformed`.
pub(crate) fn read(provider: &dyn Provider, path: &Path) -> Outcome<(KeyId, Station)> {
    let bytes = files::read(path, LENGTH_MAX)?;
    let malformed = |why: &str| files::malformed(path, why);
    let record = MakerRecord::decode(&bytes).map_err(|error| malformed(&error.to_string()))?;
    let card: Card = serde_json::from_slice(record.json()).map_err(|_| malformed("it is no station file"))?;
    if card.form != FORM || card.version != VERSION {
        return Err(malformed("it is no station file of this version"));
    }
    let maker = card.maker.parse().map_err(|_| malformed("its maker is no UUID"))?;
    let key = public_key_from_pem(&card.public_key).map_err(|error| malformed(&error.to_string()))?;
    let genuine = provider.check_key(&key).is_ok() && record.verify(provider, &key).is_ok();
    if !genuine {
        return Err(malformed("it is not signed by the key in it"));
    }
    Ok((record.station(), Station { maker, key }))
}
