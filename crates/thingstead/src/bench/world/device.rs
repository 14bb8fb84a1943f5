//! One device: made, claimed, configured, bootstrapped, present.

use std::sync::Arc;

use assure_json::{Capabilities, Configuration, ConfiguredDevice};
use assure_proto::{
    Address, AuthenticatedKey, CaseId, Class, Derivation, DerivedKey, DeviceInfo, KeyDefinition, Metadata,
    OWNER_SECRETS_ISSUED, Root, Signer,
};
use authority::bootstrap::{
    self, DeviceProof, HolderName, ImageAnswer, IssuedDevice, MirrorOwner, Mirrored, OwnerNow, ServeImage,
    StoreImage, StoreImageAnswer,
};
use authority::registration::{
    self, ChangeOwner, CompleteChange, ConfigurationAnswer, DeviceKind, IssuedRegistration, IssuedSecret,
    OperationId, OwnerAnswer, PoolEntry, ReadConfiguration, ReadOwner, SecretChain,
};
use clock::Dice;
use crypto::{Provider, Secret};
use management::{
    ClaimEnd, ClaimSettled, ConfigurationArrived, Heard, ImageToUpload, ImageUploaded, Presence, Proven,
    RegisterDevice, Registrant, Registration, UploadEnd,
};
use model::{KeyId, Uuid};

use super::keys::{Keys, P256, validity};
use super::{Stores, did, origin_of};
use crate::bench::child::internal;
use crate::bench::device_line::DeviceKey;
use crate::failure::{Failure, Outcome};

const CASE: &[u8; 32] = b"0123456789abcdef0123456789abcdef";
const MAKER: Uuid = Uuid([0x4D; 16]);
const PARAMETER_SET: Uuid = Uuid([9; 16]);
/// The first number that an owner gets.
const FIRST_SEQ: u32 = 1;

/// A device on its way.
pub(in crate::bench) struct Device {
    pub(in crate::bench) uuid: Uuid,
    pub(in crate::bench) key: DeviceKey,
    issued: IssuedDevice,
    kind: DeviceKind,
    chain: Option<SecretChain>,
    /// Its bootstrap server's key, as its configuration shows it.
    class_3: AuthenticatedKey,
    dice: Dice,
}

fn unexpected(what: impl std::fmt::Debug) -> Failure {
    internal("a device of the benchmark", format!("{what:?}"))
}

/// An operation must give this.
fn expect<T: PartialEq + std::fmt::Debug, E: std::fmt::Debug>(given: Result<T, E>, wanted: &T) -> Outcome {
    match given {
        Ok(given) if given == *wanted => Ok(()),
        other => Err(unexpected(other)),
    }
}

impl Device {
    /// A device that knows only a secret.
    pub(in crate::bench) fn with_secret(keys: &Keys, dice: Dice) -> Outcome<Self> {
        let mut dice = dice;
        let provider = &*keys.provider;
        let uuid = Uuid::v4(dice.bytes());
        let own = Secret::new(dice.bytes::<32>().to_vec());
        let (chain, class_3, secret) =
            chain(provider, uuid, &own, &mut dice).ok_or_else(|| unexpected("no chain of secrets"))?;
        let proof = DeviceProof::BootstrapSecret { secret, key: class_3.encoded().to_vec() };
        let issued = IssuedDevice { configuration: configured(uuid, None).to_json(), proof };
        let (kind, chain, key) = (DeviceKind::SharedSecret, Some(chain), DeviceKey::Own(own));
        Ok(Self { uuid, key, issued, kind, chain, class_3, dice })
    }

    /// A device with a key on P-256.
    pub(in crate::bench) fn with_key(keys: &Keys, dice: Dice) -> Outcome<Self> {
        let mut dice = dice;
        let uuid = Uuid::v4(dice.bytes());
        let key = keys.provider.generate_key(P256, &mut dice).map_err(unexpected)?;
        let proof = DeviceProof::PublicKey { spki: key.public().spki().to_vec() };
        let configuration = configured(uuid, Some(key.public().clone())).to_json();
        let issued = IssuedDevice { configuration, proof };
        let (kind, key, class_3) = (DeviceKind::Ec, DeviceKey::Private(key), keys.bootstrap_key.clone());
        Ok(Self { uuid, key, issued, kind, chain: None, class_3, dice })
    }

    /// The authority hears of it from its maker and from the identity server.
    pub(in crate::bench) fn issue(&mut self, stores: &Stores, keys: &Keys) -> Outcome {
        let (device, operation) = (self.uuid, OperationId(self.dice.bytes()));
        let origin = origin_of(&mut self.dice, "registration");
        let create = registration::CreateDevice { device, maker: MAKER, operation, origin: origin.clone() };
        expect(did(&stores.registration, &create)?, &registration::Created::Stands)?;
        let create = bootstrap::CreateDevice { device, operation };
        expect(did(&stores.bootstrap, &create)?, &bootstrap::Created::Stands)?;
        let case = std::str::from_utf8(CASE).ok().and_then(|digits| CaseId::from_typed(digits).ok());
        let case_hash =
            case.ok_or_else(|| unexpected("the string on the case"))?.hash(&*keys.provider, &device).0;
        let (kind, secrets) = (self.kind, self.chain.take());
        let issued = IssuedRegistration { case_hash, parameter_set: PARAMETER_SET, kind, secrets };
        let import = registration::ImportIssued { device, maker: MAKER, issued, origin: origin.clone() };
        expect(did(&stores.registration, &import)?, &registration::Imported::Ready)?;
        let holder = HolderName::of_issued(&*keys.provider, &self.issued);
        let holder = holder.ok_or_else(|| unexpected("no name of its key"))?;
        let import = bootstrap::ImportIssued { device, issued: self.issued.clone(), holder, origin };
        expect(did(&stores.bootstrap, &import)?, &bootstrap::Imported::Ready)
    }

    /// Its owner claims it: at the management system, at the registration server, at the bootstrap server, and
    /// back.
    pub(in crate::bench) fn claim(&mut self, stores: &Stores, keys: &Keys) -> Outcome {
        let (device, by) = (self.uuid, Registrant::Operator);
        let origin = origin_of(&mut self.dice, "management");
        let register = RegisterDevice { device, by: by.clone(), origin: origin.clone() };
        expect(did(&stores.management, &register)?, &Registration::Claim)?;
        let change = ChangeOwner {
            device,
            caller: keys.owner.id.clone(),
            case_string: Some(Secret::from(&CASE[..])),
            target: None,
            operation: OperationId(self.dice.bytes()),
            keys: keys.registration.clone(),
            origin: origin_of(&mut self.dice, "registration"),
        };
        let change = match did(&stores.registration, &change)?.map_err(unexpected)? {
            OwnerAnswer::OnItsWay(change) => change,
            other => return Err(unexpected(other)),
        };
        let (operation, owner) =
            (change.operation, OwnerNow { seq: change.seq, owner: change.owner.clone() });
        let mirror = MirrorOwner { device, operation, owner, origin: origin_of(&mut self.dice, "bootstrap") };
        expect(did(&stores.bootstrap, &mirror)?, &Mirrored::Stands)?;
        let complete =
            CompleteChange { device, operation, origin: origin_of(&mut self.dice, "registration") };
        did(&stores.registration, &complete)?.map_err(unexpected)?;
        let settled = ClaimSettled { device, by, end: ClaimEnd::Granted, origin };
        expect(did(&stores.management, &settled)?, &true)
    }

    /// Its owner fetches the configuration, builds the image and uploads it; gives the image's length.
    pub(in crate::bench) fn configure(&mut self, stores: &Stores, keys: &Keys) -> Outcome<usize> {
        let device = self.uuid;
        let image = self.build(stores, keys)?;
        let owner = self.owner(stores)?;
        let store = StoreImage {
            device,
            image: image.image.clone(),
            image_seq: image.seq,
            owner,
            origin: origin_of(&mut self.dice, "bootstrap"),
        };
        expect(did(&stores.bootstrap, &store)?, &StoreImageAnswer::Stored)?;
        let (created_at, end) = (image.created_at, UploadEnd::Taken);
        let origin = origin_of(&mut self.dice, "management");
        expect(did(&stores.management, &ImageUploaded { device, created_at, end, origin })?, &true)?;
        Ok(image.image.len())
    }

    fn build(&mut self, stores: &Stores, keys: &Keys) -> Outcome<ImageToUpload> {
        let device = self.uuid;
        let (caller, seed) = (keys.owner.id.clone(), self.dice.bytes());
        let read = ReadConfiguration { device, caller, keys: keys.registration.clone(), seed };
        let part = match did(&stores.registration, &read)?.map_err(unexpected)? {
            ConfigurationAnswer::Part(part) => part,
            other => return Err(unexpected(other)),
        };
        let mut authenticated_keys = part.keys_before;
        authenticated_keys.push(self.class_3.encoded().to_vec());
        authenticated_keys.extend(part.keys_after);
        let device_part = ConfiguredDevice::from_json(&self.issued.configuration).map_err(unexpected)?;
        let configuration = Configuration {
            device: device_part,
            authenticated_keys,
            owner_information: part.owner_data,
            parameter_choices: Vec::new(),
        };
        let arrived = ConfigurationArrived {
            device,
            configuration: Arc::new(configuration),
            keys: keys.owner.clone(),
            address: Address::Ip { remote: [127, 0, 0, 1].into(), local_port: 0, remote_port: 49683 },
            origin: origin_of(&mut self.dice, "management"),
        };
        did(&stores.management, &arrived)?.map_err(unexpected)
    }

    fn owner(&self, stores: &Stores) -> Outcome<OwnerNow> {
        let owner = did(&stores.registration, &ReadOwner { device: self.uuid })?.map_err(unexpected)?;
        owner.ok_or_else(|| unexpected("nobody's"))
    }

    /// What both servers of the authority do when it fetches its image; gives the image.
    pub(in crate::bench) fn serve(&mut self, stores: &Stores) -> Outcome<Vec<u8>> {
        let owner = self.owner(stores)?;
        let origin = origin_of(&mut self.dice, "bootstrap");
        let serve = ServeImage { proven: self.uuid, asked: self.uuid, owner, origin };
        match did(&stores.bootstrap, &serve)?.map_err(unexpected)? {
            ImageAnswer::Image(image) if !image.is_empty() => Ok(image),
            other => Err(unexpected(other)),
        }
    }

    /// It tells its management system that it is there.
    pub(in crate::bench) fn present(&mut self, stores: &Stores) -> Outcome {
        let presence = Presence {
            proven: Proven { device: self.uuid, seq: FIRST_SEQ },
            named: self.uuid,
            info: DeviceInfo::only(self.uuid).encode(),
            address: Some(Address::Ip { remote: [127, 0, 0, 1].into(), local_port: 0, remote_port: 40_000 }),
            origin: origin_of(&mut self.dice, "management"),
        };
        expect(did(&stores.management, &presence)?, &Heard::Acknowledged)
    }
}

fn configured(id: Uuid, public_key: Option<crypto::PublicKey>) -> ConfiguredDevice {
    let capabilities = Capabilities { ec_capable: public_key.is_some(), ..Capabilities::default() };
    ConfiguredDevice { id, bootstrap_server: 7, public_key, capabilities }
}

/// What the identity server makes of the secret of a device: the registration server's part, and the bootstrap
/// server's key with its secret.
fn chain(
    provider: &dyn Provider,
    device: Uuid,
    own: &Secret,
    dice: &mut Dice,
) -> Option<(SecretChain, AuthenticatedKey, Secret)> {
    let root = Root::of_shared_secret(provider, &device, own);
    let derived = |dice: &mut Dice| {
        let secret = Secret::new(dice.bytes::<32>().to_vec());
        let way = Derivation::from_secret(provider, KeyId::from(device), own, &secret, dice)?;
        Some((DerivedKey::new(KeyId(Uuid::v4(dice.bytes()).0), vec![way])?, secret))
    };
    let sign = |class, key: DerivedKey, metadata, signer: &Signer<'_>, dice: &mut Dice| {
        let definition = KeyDefinition::Derived(key);
        AuthenticatedKey::issue(provider, class, &definition, metadata, signer, validity(), dice).ok()
    };
    let (authority, service) = (Class::TrustedAuthority, Class::BootstrapService);
    let by_root = Signer::with_secret(root.key_id, authority, root.secret()?);
    let (signing, signing_secret) = derived(dice)?;
    let signing = sign(authority, signing, Metadata::of_generation(1), &by_root, dice)?;
    let by_signing = Signer::with_secret(signing.id(), authority, &signing_secret);
    let (wrapping, wrapping_secret) = derived(dice)?;
    let wrapping = sign(authority, wrapping, Metadata::NONE, &by_signing, dice)?;
    let (session, session_secret) = derived(dice)?;
    let session = sign(service, session, Metadata::NONE, &by_signing, dice)?;
    let pool = (0..OWNER_SECRETS_ISSUED).map(|_| {
        let (key, secret) = derived(dice)?;
        Some(PoolEntry { definition: KeyDefinition::Derived(key).encode(), secret })
    });
    let pool = pool.collect::<Option<_>>()?;
    let signing = IssuedSecret { secret: signing_secret.clone(), key: signing.encoded().to_vec() };
    let wrapping = IssuedSecret { secret: wrapping_secret, key: wrapping.encoded().to_vec() };
    Some((SecretChain { signing, wrapping, pool }, session, session_secret))
}
