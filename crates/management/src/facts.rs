//! What a configuration says, checked before anything is built on it.

use assure_json::Configuration;
use assure_proto::{
    Anchors, AuthenticatedKey, Class, KeyDefinition, KeyStore, OwnerBinding, OwnerData, Root, RoundBudget,
    TimeTrust, VerifyingKey, definition_hash,
};
use crypto::Secret;
use model::{KeyId, Uuid};

use crate::OwnerKeys;
use crate::device::{KeyKind, OwnedDevice};

/// Keys that one configuration may list; an image holds no more.
const KEY_COUNT_MAX: usize = assure_proto::IMAGE_KEY_COUNT_MAX;

/// Why no image is built on a configuration. It came over an authenticated connection, so each of these is
/// a fault of the authority, or of somebody who stands in for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadConfiguration {
    /// It is the configuration of another device.
    OtherDevice,
    /// A key or the owner data cannot be read.
    Malformed,
    /// A key carries its private part.
    /// Source: TS-M15.
    PrivateKey,
    /// There is no key, or there are more than an image holds.
    KeyCount,
    /// A key is of another chain than that of the device's root: an EC key for an RSA device and the like.
    /// Source: TS-M6.
    OtherChain,
    /// There is not exactly one key of class 2, or it is not ours.
    NotOurKey,
    /// The owner secret does not open with our key.
    NotOpened,
    /// A key is not signed by those before it, or the owner data do not name our key.
    NotGenuine,
    /// The owner sequence number is lower than one seen before.
    Older,
}

/// A configuration that has been checked, as far as its reader can.
pub(crate) struct Facts {
    pub(crate) keys: Vec<AuthenticatedKey>,
    pub(crate) owner_data: OwnerData,
    pub(crate) owned: OwnedDevice,
}

impl Facts {
    /// Reads the configuration of `device`.
    pub(crate) fn read(
        ours: &OwnerKeys,
        device: Uuid,
        configuration: &Configuration,
    ) -> Result<Self, BadConfiguration> {
        if configuration.device.id != device {
            return Err(BadConfiguration::OtherDevice);
        }
        if !(1..=KEY_COUNT_MAX).contains(&configuration.authenticated_keys.len()) {
            return Err(BadConfiguration::KeyCount);
        }
        let decode = |bytes: &Vec<u8>| AuthenticatedKey::decode(bytes);
        let keys: Result<Vec<_>, _> = configuration.authenticated_keys.iter().map(decode).collect();
        let keys = keys.map_err(|_| BadConfiguration::Malformed)?;
        let owner_data = OwnerData::decode(&configuration.owner_information);
        let owner_data = owner_data.map_err(|_| BadConfiguration::Malformed)?;
        if keys.iter().any(|key| key.definition().has_private()) {
            return Err(BadConfiguration::PrivateKey);
        }
        let kind = match configuration.device.public_key.as_ref().map(crypto::PublicKey::kind) {
            None => KeyKind::SharedSecret,
            Some(crypto::KeyKind::Ec(_)) => KeyKind::Ec,
            Some(crypto::KeyKind::Rsa { .. }) => KeyKind::Rsa,
        };
        if keys.iter().any(|key| chain_of(key) != kind) {
            return Err(BadConfiguration::OtherChain);
        }
        let (owner_key, owner_secret) = owner_key(ours, kind, &keys)?;
        if kind != KeyKind::SharedSecret {
            check_signatures(ours, device, &keys, owner_key, &owner_data)?;
        }
        let capabilities = &configuration.device.capabilities;
        let owned = OwnedDevice {
            kind,
            ec_capable: capabilities.ec_capable,
            rsa_capable: capabilities.rsa_capable,
            aes256_capable: capabilities.aes256_capable,
            spki: configuration.device.public_key.as_ref().map_or(Vec::new(), |key| key.spki().to_vec()),
            owner_key,
            owner_secret,
            seq: owner_data.sequence_number(),
            channel: None,
        };
        Ok(Self { keys, owner_data, owned })
    }
}

fn chain_of(key: &AuthenticatedKey) -> KeyKind {
    match key.definition() {
        KeyDefinition::Derived(_) => KeyKind::SharedSecret,
        KeyDefinition::Ec(_) => KeyKind::Ec,
        KeyDefinition::Rsa(_) => KeyKind::Rsa,
    }
}

/// Our key among those of the configuration and, for a shared-secret device, the secret it stands for.
fn owner_key(
    ours: &OwnerKeys,
    kind: KeyKind,
    keys: &[AuthenticatedKey],
) -> Result<(KeyId, Secret), BadConfiguration> {
    let mut class_2 = keys.iter().filter(|key| key.class() == Class::ManagementSystem);
    let (Some(key), None) = (class_2.next(), class_2.next()) else { return Err(BadConfiguration::NotOurKey) };
    match (kind, key.definition()) {
        (KeyKind::SharedSecret, KeyDefinition::Derived(derived)) => {
            let secret = derived.derive(&*ours.provider, ours, &mut RoundBudget::signed_key());
            Ok((key.id(), secret.map_err(|_| BadConfiguration::NotOpened)?))
        }
        (KeyKind::Ec, KeyDefinition::Ec(pair))
            if key.id() == ours.class_2_id && pair.public() == ours.class_2.public() =>
        {
            Ok((key.id(), Secret::new(Vec::new())))
        }
        (KeyKind::Rsa, KeyDefinition::Rsa(pair)) if pair.public() == ours.rsa.public() => {
            Ok((key.id(), Secret::new(Vec::new())))
        }
        (KeyKind::SharedSecret | KeyKind::Ec | KeyKind::Rsa, _) => Err(BadConfiguration::NotOurKey),
    }
}

/// Checks every signature below the first class 1 key, which the device's root answers for: the device
/// would refuse what does not hold, and we would learn of it only by its silence.
///
/// A management system cannot check the keys of shared-secret devices: they are HMACs under secrets that it
/// must not have (ruling A-ASSURE-10). Source: aSSURE 15.2 (row 02), TS-M6, LOW.
fn check_signatures(
    ours: &OwnerKeys,
    device: Uuid,
    keys: &[AuthenticatedKey],
    owner_key: KeyId,
    owner_data: &OwnerData,
) -> Result<(), BadConfiguration> {
    let (top, rest) = keys.split_first().ok_or(BadConfiguration::KeyCount)?;
    let public = top.definition().public_key().ok_or(BadConfiguration::OtherChain)?;
    if top.class() != Class::TrustedAuthority {
        return Err(BadConfiguration::NotGenuine);
    }
    let root = Root::public(top.class(), top.id(), public.clone());
    let roots = [root];
    let anchors = Anchors { device: Some(device), roots: &roots, held: &[] };
    let mut store = KeyStore::empty(KEY_COUNT_MAX);
    for key in rest {
        let checked = store.check(&*ours.provider, &anchors, key.clone(), TimeTrust::Unknown);
        let kept = checked.and_then(|stored| store.insert(stored));
        kept.map_err(|_| BadConfiguration::NotGenuine)?;
    }
    let named = rest.iter().find(|key| key.id() == owner_key).ok_or(BadConfiguration::NotOurKey)?;
    let hash = definition_hash(&*ours.provider, named.definition_bytes());
    let binding = OwnerBinding { device, owner_key, definition_hash: hash };
    let verified = owner_data.verify(&*ours.provider, VerifyingKey::Public(public), &binding);
    verified.map_err(|_| BadConfiguration::NotGenuine)
}
