//! What a new owner is given: its key for the device, and the owner data that names it.

use assure_proto::{
    AuthenticatedKey, Class, Derivation, DerivedKey, KeyDefinition, Metadata, OwnerBinding, OwnerData,
    Signer, Validity, definition_hash,
};
use clock::Dice;
use crypto::Secret;
use model::{KeyId, ManagementId, Uuid};

use super::device::{DeviceKind, IssuedRegistration, OwnerGrant, SecretChain};
use super::keys::{OnlineKey, RegistrationKeys};
use super::management::StoredManagement;
use crate::stored::BadRecord;

/// Length of an owner secret that is made here, in bytes.
const OWNER_SECRET_LENGTH: usize = 32;

/// Why nothing could be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoGrant {
    /// A stored record cannot be read.
    Record(BadRecord),
    /// The device's secrets were never issued.
    NoSecret,
    /// Signing or encrypting failed.
    Signing,
}

impl From<BadRecord> for NoGrant {
    fn from(bad: BadRecord) -> Self {
        Self::Record(bad)
    }
}

/// Who is to own which device with which number.
pub(crate) struct Owning<'a> {
    pub(crate) device: Uuid,
    pub(crate) owner: &'a ManagementId,
    pub(crate) record: &'a StoredManagement,
    pub(crate) seq: u32,
    pub(crate) validity: Validity,
}

/// Makes the grant; for a shared-secret device that uses up one entry of the pool. `None` when the owner
/// of an RSA device has no RSA key yet (decision M6).
pub(crate) fn make(
    keys: &RegistrationKeys,
    issued: &mut IssuedRegistration,
    owning: &Owning<'_>,
    dice: &mut Dice,
) -> Result<Option<OwnerGrant>, NoGrant> {
    match issued.kind {
        DeviceKind::Ec => {
            let key = vouched(keys, &keys.ec, owning, owning.record.ec()?, dice)?;
            grant(keys, owning, &key, &keys.ec.signer(), false, dice).map(Some)
        }
        DeviceKind::Rsa => match owning.record.rsa()? {
            Some(key) => {
                let key = vouched(keys, &keys.rsa, owning, key, dice)?;
                grant(keys, owning, &key, &keys.rsa.signer(), false, dice).map(Some)
            }
            None => Ok(None),
        },
        DeviceKind::SharedSecret => {
            let chain = issued.secrets.as_mut().ok_or(NoGrant::NoSecret)?;
            // What the T of an earlier generation signs is worth nothing, and is not to be given any more.
            if chain.generation()? < keys.generation() {
                return Err(NoGrant::NoSecret);
            }
            let signing_id = AuthenticatedKey::decode(&chain.signing.key).map_err(|_| BadRecord)?.id();
            let (definition, by_wrapping) = owner_secret(keys, chain, owning, dice)?;
            let signer = Signer::with_secret(signing_id, Class::TrustedAuthority, &chain.signing.secret);
            let key = AuthenticatedKey::issue(
                &*keys.provider,
                Class::ManagementSystem,
                &KeyDefinition::Derived(definition),
                Metadata::NONE,
                &signer,
                owning.validity,
                dice,
            )
            .map_err(|_| NoGrant::Signing)?;
            grant(keys, owning, &key, &signer, by_wrapping, dice).map(Some)
        }
    }
}

/// The owner's public key as the present online key vouches for it: the one on record, or signed anew when
/// that was vouched for in an earlier generation. Its id and definition stay.
/// Source: decision H7.
fn vouched(
    keys: &RegistrationKeys,
    online: &OnlineKey,
    owning: &Owning<'_>,
    key: AuthenticatedKey,
    dice: &mut Dice,
) -> Result<AuthenticatedKey, NoGrant> {
    if key.signature().key_id == online.authenticated.id() {
        return Ok(key);
    }
    let (class, definition, signer) = (Class::ManagementSystem, key.definition(), online.signer());
    let provider = &*keys.provider;
    AuthenticatedKey::issue(provider, class, definition, Metadata::NONE, &signer, owning.validity, dice)
        .map_err(|_| NoGrant::Signing)
}

/// Takes the next owner secret from the pool, or makes one under the wrapping secret when the pool is
/// empty, and adds the way by which the owner gets at it. The plain secret is forgotten here.
/// Source: ruling A-ASSURE-11, decisions D-09 and H6.
fn owner_secret(
    keys: &RegistrationKeys,
    chain: &mut SecretChain,
    owning: &Owning<'_>,
    dice: &mut Dice,
) -> Result<(DerivedKey, bool), NoGrant> {
    let provider = &*keys.provider;
    let by_wrapping = chain.pool.is_empty();
    let (for_device, secret) = if by_wrapping {
        let wrapping_id = AuthenticatedKey::decode(&chain.wrapping.key).map_err(|_| BadRecord)?.id();
        let secret = Secret::new(dice.bytes::<OWNER_SECRET_LENGTH>().to_vec());
        let way = Derivation::from_secret(provider, wrapping_id, &chain.wrapping.secret, &secret, dice);
        let id = KeyId(Uuid::v4(dice.bytes()).0);
        let key = way.and_then(|way| DerivedKey::new(id, vec![way])).ok_or(NoGrant::Signing)?;
        (key, secret)
    } else {
        let entry = chain.pool.remove(0);
        match KeyDefinition::decode(&entry.definition) {
            Ok(KeyDefinition::Derived(key)) => (key, entry.secret),
            Ok(KeyDefinition::Ec(_) | KeyDefinition::Rsa(_)) | Err(_) => return Err(BadRecord.into()),
        }
    };
    let owner_key = owning.record.ec()?;
    let public = owner_key.definition().public_key().ok_or(BadRecord)?;
    let way = Derivation::for_public_key(provider, owner_key.id(), public, &secret, dice);
    let way = way.map_err(|_| NoGrant::Signing)?;
    Ok((for_device.with(way).ok_or(NoGrant::Signing)?, by_wrapping))
}

fn grant(
    keys: &RegistrationKeys,
    owning: &Owning<'_>,
    key: &AuthenticatedKey,
    signer: &Signer<'_>,
    by_wrapping: bool,
    dice: &mut Dice,
) -> Result<OwnerGrant, NoGrant> {
    let binding = OwnerBinding {
        device: owning.device,
        owner_key: key.id(),
        definition_hash: definition_hash(&*keys.provider, key.definition_bytes()),
    };
    let owner_data = OwnerData::issue(&*keys.provider, &binding, owning.seq, signer, owning.validity, dice)
        .map_err(|_| NoGrant::Signing)?;
    Ok(OwnerGrant {
        owner: owning.owner.clone(),
        seq: owning.seq,
        key: key.encoded().to_vec(),
        owner_data: owner_data.encoded().to_vec(),
        by_wrapping,
        generation: Some(keys.generation()),
    })
}
