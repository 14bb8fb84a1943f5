//! The secrets of one shared-secret device, derived and authenticated for each party.

use assure_proto::{
    AuthenticatedKey, AuthoritySecrets, BootstrapKey, Class, Derivation, DerivedKey, IssuedSecret,
    KeyDefinition, Metadata, OWNER_SECRETS_ISSUED, OwnerSecret, RegistrationKeys, Root, Signer, Validity,
};
use clock::Dice;
use crypto::{Provider, Secret};
use model::{KeyId, Uuid};

/// Length of every derived secret, in bytes.
const SECRET_LENGTH: usize = 32;

/// What each online server is told about one device.
pub(crate) struct Issued {
    pub(crate) registration: RegistrationKeys,
    pub(crate) bootstrap: BootstrapKey,
}

/// Derives T, W, B and the owner secrets from the device secret: K_root signs T, T signs W and B.
///
/// `None` only when the secret has not 16 to 64 bytes.
/// Source: decisions D-09, H6, G 10, row TS-L4.
pub(crate) fn shared_secret(
    provider: &dyn Provider,
    device: Uuid,
    device_secret: &Secret,
    generation: u32,
    validity: Validity,
    dice: &mut Dice,
) -> Option<Issued> {
    let root = Root::of_shared_secret(provider, &device, device_secret);
    let by_root = Signer::with_secret(root.key_id, Class::TrustedAuthority, root.secret()?);
    let derive = |dice: &mut Dice| derived(provider, device, device_secret, dice);
    let (signing_key, signing_secret) = derive(dice)?;
    let generation = Metadata::of_generation(generation);
    let sign = |key, class, metadata, signer: &Signer<'_>, dice: &mut Dice| {
        let definition = KeyDefinition::Derived(key);
        AuthenticatedKey::issue(provider, class, &definition, metadata, signer, validity, dice).ok()
    };
    let signing_key = sign(signing_key, Class::TrustedAuthority, generation, &by_root, dice)?;
    let by_signing = Signer::with_secret(signing_key.id(), Class::TrustedAuthority, &signing_secret);
    let (wrapping_key, wrapping_secret) = derive(dice)?;
    let wrapping_key = sign(wrapping_key, Class::TrustedAuthority, Metadata::NONE, &by_signing, dice)?;
    let (bootstrap_key, bootstrap_secret) = derive(dice)?;
    let bootstrap_key = sign(bootstrap_key, Class::BootstrapService, Metadata::NONE, &by_signing, dice)?;
    let pool = owner_secrets(provider, device, device_secret, dice)?;
    Some(Issued {
        registration: RegistrationKeys::SharedSecret(Box::new(AuthoritySecrets {
            signing: IssuedSecret { secret: signing_secret.clone(), key: signing_key },
            wrapping: IssuedSecret { secret: wrapping_secret, key: wrapping_key },
            pool,
        })),
        bootstrap: BootstrapKey::Secret(Box::new(IssuedSecret {
            secret: bootstrap_secret,
            key: bootstrap_key,
        })),
    })
}

/// Fresh owner secrets, as many as a device is issued with.
pub(crate) fn owner_secrets(
    provider: &dyn Provider,
    device: Uuid,
    device_secret: &Secret,
    dice: &mut Dice,
) -> Option<Vec<OwnerSecret>> {
    let mut one = || {
        let (definition, secret) = derived(provider, device, device_secret, dice)?;
        Some(OwnerSecret { definition, secret })
    };
    (0..OWNER_SECRETS_ISSUED).map(|_| one()).collect()
}

/// A fresh secret and the way in which the device gets at it.
fn derived(
    provider: &dyn Provider,
    device: Uuid,
    device_secret: &Secret,
    dice: &mut Dice,
) -> Option<(DerivedKey, Secret)> {
    let secret = Secret::new(dice.bytes::<SECRET_LENGTH>().to_vec());
    let way = Derivation::from_secret(provider, KeyId::from(device), device_secret, &secret, dice)?;
    Some((DerivedKey::new(KeyId(Uuid::v4(dice.bytes()).0), vec![way])?, secret))
}
