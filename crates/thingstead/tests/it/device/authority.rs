//! An authority and its owners, made with the issuing side of the formats; the device's key is its own secret.

use std::sync::Arc;

use assure_proto::{
    Address, AuthenticatedKey, ChannelDefinition, Class, ImageContents, KeyDefinition, Metadata,
    OwnerBinding, OwnerData, PayloadKey, Privileges, Signer, SimpleTime, TrustBundle, Validity, build_image,
    definition_hash,
};
use clock::Dice;
use coap_proto::{Code, ContentFormat, store_request};
use crypto::{Curve, KeyKind, PrivateKey, Provider, PublicKey};
use crypto_server::Server;
use model::{KeyId, Uuid};

/// Some noon in 2026, in seconds since 2010.
const NOON: u32 = 520_000_000;
const P256: KeyKind = KeyKind::Ec(Curve::P256);

pub(super) fn provider() -> Arc<dyn Provider> {
    Arc::new(Server::new())
}

/// Somebody with a key, and the proof that others gave for it.
#[derive(Clone)]
pub(super) struct Party {
    pub(super) id: KeyId,
    pub(super) key: Arc<dyn PrivateKey>,
    class: Class,
    proof: AuthenticatedKey,
}

impl Party {
    fn signer(&self) -> Signer<'_> {
        Signer::with_private_key(self.id, self.class, &*self.key)
    }
}

pub(super) struct Authority {
    pub(super) provider: Arc<dyn Provider>,
    pub(super) bundle: Vec<u8>,
    dice: Dice,
    online: Party,
    pub(super) bootstrap: Party,
}

impl Authority {
    pub(super) fn new(run: u64) -> Self {
        let (provider, mut dice) = (provider(), Dice::numbered(run));
        let root = provider.generate_key(P256, &mut dice).unwrap();
        let root_id = KeyId(dice.bytes());
        let by_root = Signer::with_private_key(root_id, Class::TrustedAuthority, &*root);
        let rsa = provider.generate_key(KeyKind::Rsa { modulus_bits: 2048 }, &mut dice).unwrap();
        let identity = provider.generate_key(KeyKind::Ec(Curve::P521), &mut dice).unwrap();
        let bundle = TrustBundle {
            authority: Uuid(dice.bytes()),
            ec_root: KeyDefinition::public(root_id, root.public().clone()),
            rsa_root: KeyDefinition::public(KeyId(dice.bytes()), rsa.public().clone()),
            generation: 1,
            identity_key: identity.public().clone(),
        };
        let bundle = bundle.encode(&*provider, &by_root, since(NOON - 2000), &mut dice).unwrap();
        let generation = Metadata::of_generation(1);
        let online = party(&*provider, &mut dice, Class::TrustedAuthority, generation, &by_root);
        let by_online = online.signer();
        let bootstrap = party(&*provider, &mut dice, Class::BootstrapService, Metadata::NONE, &by_online);
        Self { provider, bundle, dice, online, bootstrap }
    }

    pub(super) fn owner(&mut self) -> Party {
        let Self { provider, dice, online, .. } = self;
        party(&**provider, dice, Class::ManagementSystem, Metadata::NONE, &online.signer())
    }

    /// An image with one channel, number 1, to the owner's management system at `port` of this machine.
    pub(super) fn image(
        &mut self,
        owner: &Party,
        device: (Uuid, &PublicKey),
        sequence_number: u32,
        port: u16,
    ) -> Vec<u8> {
        let (uuid, device_key) = device;
        let definition_hash = definition_hash(&*self.provider, &owner.proof.definition().encode());
        let binding = OwnerBinding { device: uuid, owner_key: owner.id, definition_hash };
        let by = self.online.signer();
        let (validity, dice) = (since(NOON - 900), &mut self.dice);
        let owner_data =
            OwnerData::issue(&*self.provider, &binding, sequence_number, &by, validity, dice).unwrap();
        let channel = ChannelDefinition {
            local_key: uuid.into(),
            peer_key: Some(owner.id),
            persistent_across_reboots: true,
            open_immediately: true,
            privileges: Privileges::ALL,
            further_flags: Vec::new(),
            address: Address::Ip { remote: [127, 0, 0, 1].into(), local_port: 0, remote_port: port },
        };
        let message =
            store_request(0, Code::PUT, "v1/channels/1", &[], ContentFormat::CBOR, &channel.encode());
        let contents = ImageContents {
            device: uuid,
            authenticated_keys: &[
                self.online.proof.clone(),
                self.bootstrap.proof.clone(),
                owner.proof.clone(),
            ],
            owner_data: &owner_data,
            payload_key: PayloadKey::Device(device_key),
            messages: &[message],
        };
        build_image(&*self.provider, &contents, &owner.signer(), since(NOON + sequence_number), dice).unwrap()
    }
}

fn party(
    provider: &dyn Provider,
    dice: &mut Dice,
    class: Class,
    metadata: Metadata,
    by: &Signer<'_>,
) -> Party {
    let key = provider.generate_key(P256, dice).unwrap();
    let id = KeyId(dice.bytes());
    let definition = KeyDefinition::public(id, key.public().clone());
    let proof = AuthenticatedKey::issue(provider, class, &definition, metadata, by, since(NOON - 1000), dice)
        .unwrap();
    Party { id, key, class, proof }
}

fn since(secs: u32) -> Validity {
    Validity::since(SimpleTime { secs })
}
