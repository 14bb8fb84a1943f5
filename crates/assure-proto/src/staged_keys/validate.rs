//! The checks, in their order.

use alloc::vec::Vec;

use crypto::{HashAlgorithm, Provider, Secret};
use model::{KeyId, Uuid};
use wire::DecodeError;

use super::{Advance, ImageRefusal, OwnershipRecord};
use crate::class::Class;
use crate::cms;
use crate::derivation::HeldKey;
use crate::image::{BootstrapImage, IMAGE_KEY_COUNT_MAX};
use crate::key_store::{Anchors, KeyStore};
use crate::owner_data::{OwnerBinding, definition_hash};
use crate::payload::decode_payload;
use crate::root::Root;
use crate::secret_payload::SecretPayload;
use crate::signature::VerifyingKey;
use crate::stored_key::StoredKey;
use crate::time_trust::TimeTrust;

/// How far ahead of trusted time an image may have been made, in seconds.
/// Source: TS-M13.
pub const FUTURE_SECS_MAX: u32 = 24 * 3600;
/// Keys that the staged store has room for: those of the header and those the payload brings.
pub const STAGED_KEY_COUNT_MAX: usize = 256;

/// What a device holds before any image.
#[derive(Clone, Copy, Debug)]
pub struct OwnDevice<'a> {
    /// The device's UUID, also the id of its key.
    pub uuid: Uuid,
    /// The device's own key: a shared secret, or an EC or RSA private key.
    pub key: HeldKey<'a>,
    /// The factory roots: the authority's, or K_root of a shared-secret device.
    pub roots: &'a [Root],
    /// What it remembers.
    pub record: &'a OwnershipRecord,
}

/// What the server of the bootstrap session proved.
#[derive(Clone, Copy, Debug)]
pub enum BootstrapSession<'a> {
    /// A raw public key, as SubjectPublicKeyInfo.
    PublicKey(&'a [u8]),
    /// The definitions of its hint, byte for byte, in order; the last one gave the pre-shared key.
    Hint(&'a [Vec<u8>]),
}

/// Whether somebody at the device allowed a bootstrap server of the owner's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GardenSwitch {
    /// Nobody did; the record decides.
    Untouched,
    /// By a physical action at the device, for this image.
    PressedHere,
}

/// What an image is judged under.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// The server it came from.
    pub session: BootstrapSession<'a>,
    /// The time, from a source that counts for images.
    pub time: TimeTrust,
    /// The local switch.
    pub garden: GardenSwitch,
}

/// An image that passed; the caller makes the first commit with it.
#[derive(Debug)]
pub struct AcceptedImage {
    /// The keys of the header in their order: they replace the whole key store.
    pub keys: KeyStore,
    /// The record to store in the same commit.
    pub record: OwnershipRecord,
    /// What the image means.
    pub advance: Advance,
    /// The id of the owner's key, which signed the image.
    pub owner_key: KeyId,
    /// The id of the bootstrap server's key; the name the server gave in the session must be this one.
    pub bootstrap_key: KeyId,
    /// The stored messages for the second commit, or why the decrypted payload is no list of messages.
    /// That is a failed second commit and not a refused image: an earlier owner keeps nothing by it.
    /// Source: TS-H3.
    pub messages: Result<Vec<Secret>, DecodeError>,
}

/// Judges an image.
///
/// # Errors
/// [`ImageRefusal`]: the first check that fails; the device changes nothing.
pub fn validate_image(
    provider: &dyn Provider,
    device: &OwnDevice<'_>,
    image: &[u8],
    circumstances: &Circumstances<'_>,
) -> Result<AcceptedImage, ImageRefusal> {
    let image = BootstrapImage::decode(image).map_err(ImageRefusal::Malformed)?;
    check_header(&image, device)?;
    let bootstrap_key = confirm_server(&image, device, circumstances.session)?;
    let keys = stage_keys(provider, &image, device, circumstances)?;
    let owner = find_signer(&image, &keys)?;
    let owner_hash = definition_hash(provider, owner.authenticated_key().definition_bytes());
    let generation =
        check_owner_data(provider, &image, &keys, device, (owner, owner_hash), circumstances.time)?;
    let by_owner = keys
        .iter()
        .any(|key| key.class() == Class::BootstrapService && key.signer_class() != Class::TrustedAuthority);
    // the flag was set under one generation and number; another generation is another owner's matter
    if by_owner && circumstances.garden == GardenSwitch::Untouched && generation != device.record.generation {
        return Err(ImageRefusal::BootstrapKeyNotByAuthority);
    }
    check_signature(provider, &image, owner, circumstances.time)?;
    let created_at = image.signature().validity.created_at;
    let sequence_number = image.owner_data().sequence_number();
    let image_hash = provider.digest(HashAlgorithm::Sha256, &[image.encoded()]).first_32();
    let advance = device.record.admits(generation, sequence_number, &owner_hash, created_at, &image_hash)?;
    let payload = decrypt(provider, &image, device, owner)?;
    let messages =
        decode_payload(payload.expose()).map(|messages| messages.into_iter().map(Secret::from).collect());
    let same_owner = advance != Advance::NewOwner;
    let record = OwnershipRecord {
        generation,
        sequence_number,
        owner_hash: Some(owner_hash),
        created_at,
        image_hash: Some(image_hash),
        walled_garden: device.record.walled_garden && same_owner
            || circumstances.garden == GardenSwitch::PressedHere,
        erase_pending: device.record.erase_pending || !same_owner,
    };
    let owner_key = owner.id();
    Ok(AcceptedImage { keys, record, advance, owner_key, bootstrap_key, messages })
}

/// What can be told without any cryptography.
fn check_header(image: &BootstrapImage<'_>, device: &OwnDevice<'_>) -> Result<(), ImageRefusal> {
    if image.has_private_key() {
        return Err(ImageRefusal::PrivateKeyInHeader);
    }
    let is_root = |id: KeyId| device.roots.iter().any(|root| root.key_id == id);
    if image.repeats_a_key_id() || image.authenticated_keys().iter().any(|key| is_root(key.id())) {
        return Err(ImageRefusal::DuplicateKeyId);
    }
    let Some(own) = image.key(device.uuid.into()) else { return Ok(()) };
    match device.key {
        HeldKey::Private(key) if own.definition().public_key() == Some(key.public()) => Ok(()),
        HeldKey::Private(_) | HeldKey::Secret(_) => Err(ImageRefusal::ForeignDeviceKey),
    }
}

/// The server of the session must stand in the image as a bootstrap service; who vouches for that is
/// checked with the keys.
fn confirm_server(
    image: &BootstrapImage<'_>,
    device: &OwnDevice<'_>,
    session: BootstrapSession<'_>,
) -> Result<KeyId, ImageRefusal> {
    let keys = image.authenticated_keys();
    let server = match (session, device.key) {
        (BootstrapSession::PublicKey(spki), HeldKey::Private(_)) => keys.iter().find(|key| {
            key.class() == Class::BootstrapService
                && key.definition().public_key().is_some_and(|key| key.spki() == spki)
        }),
        (BootstrapSession::Hint(definitions), HeldKey::Secret(_)) => {
            let in_image = |hinted: &Vec<u8>| keys.iter().find(|key| key.definition_bytes() == hinted);
            let all = definitions.iter().all(|hinted| in_image(hinted).is_some());
            let last = definitions.last().filter(|_| all).and_then(in_image);
            last.filter(|key| key.class() == Class::BootstrapService)
        }
        // a session of the other kind is one that this device never opens
        (BootstrapSession::PublicKey(_), HeldKey::Secret(_))
        | (BootstrapSession::Hint(_), HeldKey::Private(_)) => None,
    };
    // the device's own entry is not imported, so nothing would vouch for it
    let server = server.filter(|key| key.id() != device.uuid.into());
    server.map(crate::AuthenticatedKey::id).ok_or(ImageRefusal::ServerNotConfirmed)
}

fn stage_keys(
    provider: &dyn Provider,
    image: &BootstrapImage<'_>,
    device: &OwnDevice<'_>,
    circumstances: &Circumstances<'_>,
) -> Result<KeyStore, ImageRefusal> {
    const { assert!(IMAGE_KEY_COUNT_MAX <= STAGED_KEY_COUNT_MAX, "a whole header fits") }
    let held = [(KeyId::from(device.uuid), device.key)];
    let anchors = Anchors { device: Some(device.uuid), roots: device.roots, held: &held };
    let in_garden = circumstances.garden == GardenSwitch::PressedHere
        || device.record.walled_garden
            && device.record.sequence_number == image.owner_data().sequence_number();
    let mut staged = KeyStore::empty(STAGED_KEY_COUNT_MAX);
    for key in image.authenticated_keys().iter().filter(|key| key.id() != device.uuid.into()) {
        let key_id = key.id();
        let refused = |cause| ImageRefusal::Key { key_id, cause };
        let stored = staged.check(provider, &anchors, key.clone(), circumstances.time).map_err(refused)?;
        let by_authority = stored.signer_class() == Class::TrustedAuthority;
        if stored.class() == Class::BootstrapService && !by_authority && !in_garden {
            return Err(ImageRefusal::BootstrapKeyNotByAuthority);
        }
        staged.insert(stored).map_err(refused)?;
    }
    Ok(staged)
}

/// The image's signer: class 2, from this image, itself signed by class 1.
fn find_signer<'a>(image: &BootstrapImage<'_>, keys: &'a KeyStore) -> Result<&'a StoredKey, ImageRefusal> {
    let signer = keys.find(image.signature().key_id).ok_or(ImageRefusal::SignerUnknown)?;
    if !signer.class().may_sign_bootstrap_data() {
        return Err(ImageRefusal::SignerClass);
    }
    if signer.signer_class() != Class::TrustedAuthority {
        return Err(ImageRefusal::SignerNotByAuthority);
    }
    if signer.verifying_key().is_none() {
        return Err(ImageRefusal::SignerUnusable);
    }
    Ok(signer)
}

/// Checks owner data for exactly this device and owner key; gives the authority's generation.
fn check_owner_data(
    provider: &dyn Provider,
    image: &BootstrapImage<'_>,
    keys: &KeyStore,
    device: &OwnDevice<'_>,
    (owner, definition_hash): (&StoredKey, [u8; 32]),
    time: TimeTrust,
) -> Result<u32, ImageRefusal> {
    let signature = image.owner_data().signature();
    let (key, generation) = match keys.find(signature.key_id) {
        Some(signer) => {
            if signer.class() != Class::TrustedAuthority || !signer.is_signed_by_root() {
                return Err(ImageRefusal::OwnerSigner);
            }
            let generation = signer.authenticated_key().metadata().generation;
            let key = signer.verifying_key().ok_or(ImageRefusal::OwnerSigner)?;
            (key, generation.ok_or(ImageRefusal::GenerationMissing)?)
        }
        // a maker's root carries no generation: the stored one stays
        None => (manufacturer_root(device.roots, signature.key_id)?, device.record.generation),
    };
    if let Some(now) = time.now() {
        signature.validity.at(now).map_err(ImageRefusal::OwnerTime)?;
    }
    let binding = OwnerBinding { device: device.uuid, owner_key: owner.id(), definition_hash };
    image.owner_data().verify(provider, key, &binding).map_err(ImageRefusal::OwnerSignature)?;
    Ok(generation)
}

fn manufacturer_root(roots: &[Root], id: KeyId) -> Result<VerifyingKey<'_>, ImageRefusal> {
    let is_it = |root: &&Root| root.key_id == id && root.class == Class::Manufacturer;
    roots.iter().find(is_it).map(Root::verifying_key).ok_or(ImageRefusal::OwnerSigner)
}

fn check_signature(
    provider: &dyn Provider,
    image: &BootstrapImage<'_>,
    signer: &StoredKey,
    time: TimeTrust,
) -> Result<(), ImageRefusal> {
    let signature = image.signature();
    if signature.validity.created_at.secs == 0 {
        return Err(ImageRefusal::CreatedAtZero);
    }
    let key = signer.verifying_key().ok_or(ImageRefusal::SignerUnusable)?;
    signature.verify(provider, key, &image.to_be_signed()).map_err(ImageRefusal::ImageSignature)?;
    let Some(now) = time.now() else { return Ok(()) };
    if signature.validity.created_at.secs > now.secs.saturating_add(FUTURE_SECS_MAX) {
        return Err(ImageRefusal::CreatedInFuture);
    }
    if signature.validity.valid_until.secs != 0 && now > signature.validity.valid_until {
        return Err(ImageRefusal::ImageExpired);
    }
    Ok(())
}

/// Only an image whose signature held gets here, so that padding is no oracle.
fn decrypt(
    provider: &dyn Provider,
    image: &BootstrapImage<'_>,
    device: &OwnDevice<'_>,
    owner: &StoredKey,
) -> Result<Secret, ImageRefusal> {
    match device.key {
        HeldKey::Private(key) => {
            if image.decryption_key_id() != device.uuid.into() {
                return Err(ImageRefusal::DecryptionKey);
            }
            let sequence_number = image.owner_data().sequence_number();
            let bound = cms::binding(provider, &device.uuid, &owner.id(), sequence_number);
            cms::open(provider, key, Some(&bound), image.encrypted_payload()).map_err(ImageRefusal::Envelope)
        }
        HeldKey::Secret(_) => {
            let secret = owner.secret().filter(|_| image.decryption_key_id() == owner.id());
            let secret = secret.ok_or(ImageRefusal::DecryptionKey)?;
            let payload =
                SecretPayload::decode(image.encrypted_payload()).map_err(ImageRefusal::PayloadMalformed)?;
            payload.open(provider, secret).map_err(ImageRefusal::Payload)
        }
    }
}
